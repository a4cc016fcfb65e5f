"""A CloudFormation template as CloudFormation sees it once its parameters are known.

No package does that (cfn-lint asks which conditions can hold, and does not write the result down).
As much of the language as infrastructure.yaml speaks; anything else is an error.
Source: "Intrinsic function reference" in the CloudFormation user guide.
"""

import re
from collections.abc import Mapping
from typing import Any

NO_VALUE = object()
PSEUDO = {
    "AWS::AccountId": "000000000000",
    "AWS::NoValue": NO_VALUE,
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::StackName": "churn",
}
KEPT = {"Fn::GetAtt", "Fn::GetAZs"}  # only AWS knows their values


def process(template: Mapping, given: Mapping[str, str]) -> dict:
    """Return resources and outputs with all conditions decided and all parameters filled in.

    References to resources stay as they are.

    Raises:
        ValueError: a parameter that there is not, or a value that it does not allow.
        KeyError: a reference to what the template does not have.
    """
    names = PSEUDO | parameters(template, given)
    conditions = template.get("Conditions", {})

    def holds(condition: Any) -> bool:
        if isinstance(condition, str):
            condition = {"Condition": condition}
        ((name, value),) = condition.items()
        if name == "Condition":
            return holds(conditions[value])
        if name == "Fn::Equals":
            one, two = (resolve(each) for each in value)
            return str(one) == str(two)
        return {"Fn::And": all, "Fn::Or": any, "Fn::Not": lambda each: not any(each)}[name](
            holds(each) for each in value
        )

    def resolve(value: Any) -> Any:
        if isinstance(value, list):
            return [made for each in value if (made := resolve(each)) is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name == "Ref":
                return names[argument] if argument in names else exists(argument, value)
            if name == "Fn::If":
                return resolve(argument[1 if holds(argument[0]) else 2])
            if name == "Fn::Sub":
                return substitute(argument)
            if name in ("Fn::Join", "Fn::Select", "Fn::Base64"):
                return {name: resolve(argument)}
            if name in KEPT:
                return exists(argument[0], value) if name == "Fn::GetAtt" else value
            if name.startswith("Fn::"):
                raise ValueError(f"{name} is not among what is known here")
        made = {key: resolve(each) for key, each in value.items()}
        return {key: each for key, each in made.items() if each is not NO_VALUE}

    def substitute(text: str) -> Any:
        def known(match: re.Match) -> str:
            name = match[1]
            if name in names:
                return str(names[name])
            exists(name.partition(".")[0], None)
            return match[0]

        text = re.sub(r"\$\{([\w:.]+)\}", known, text)
        return {"Fn::Sub": text} if "${" in text else text

    def exists(name: str, value: Any) -> Any:
        resource = template["Resources"][name]
        if "Condition" in resource and not holds(resource["Condition"]):
            raise KeyError(f"{name} is not made, and something refers to it")
        return value

    def chosen(section: str) -> dict:
        return {
            name: resolve({key: each for key, each in entry.items() if key != "Condition"})
            for name, entry in template[section].items()
            if "Condition" not in entry or holds(entry["Condition"])
        }

    return {section: chosen(section) for section in ("Resources", "Outputs")}


def parameters(template: Mapping, given: Mapping[str, str]) -> dict[str, Any]:
    """Return the value of each parameter: what is given, or its default.

    Raises:
        ValueError: one that there is not, or a value that it does not allow.
    """
    declared = template["Parameters"]
    if unknown := given.keys() - declared.keys():
        raise ValueError(f"no parameters: {sorted(unknown)}")
    values = {}
    for name, entry in declared.items():
        value = given.get(name, entry["Default"])
        allowed = [str(each) for each in entry.get("AllowedValues", [value])]
        if str(value) not in allowed or not re.search(entry.get("AllowedPattern", ""), str(value)):
            raise ValueError(f"{name}={value!r} is not allowed")
        is_list = entry["Type"] == "CommaDelimitedList"
        values[name] = value.split(",") if is_list and value else [] if is_list else value
    return values


def plain(value: Any) -> Any:
    """Return the parsed template without the parser's own types, so that it can be copied."""
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value
