"""The processed template that other tests look at is what CloudFormation would make of it."""

import pytest
from processed import process

TEMPLATE = {
    "Parameters": {
        "Kind": {"Type": "String", "Default": "a", "AllowedValues": ["a", "b"]},
        "Subnets": {"Type": "CommaDelimitedList", "Default": ""},
        "Vpc": {"Type": "String", "Default": "", "AllowedPattern": "^(vpc-[0-9]+)?$"},
    },
    "Conditions": {
        "IsB": {"Fn::Equals": [{"Ref": "Kind"}, "b"]},
        "Named": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Vpc"}, ""]}]},
        "Either": {"Fn::Or": [{"Condition": "IsB"}, {"Condition": "Named"}]},
        "Both": {"Fn::And": [{"Condition": "IsB"}, {"Condition": "Named"}]},
    },
    "Resources": {
        "One": {
            "Type": "T",
            "Properties": {
                "Name": {"Fn::Sub": "${AWS::StackName}-${Kind}-${Two.Arn}"},
                "Gone": {"Fn::If": ["Both", "both", {"Ref": "AWS::NoValue"}]},
                "List": [{"Fn::If": ["Named", {"Ref": "Vpc"}, {"Ref": "AWS::NoValue"}]}, "x"],
                "Subnets": {"Ref": "Subnets"},
            },
        },
        "Two": {"Type": "T", "Condition": "Either", "Properties": {"At": {"Ref": "One"}}},
    },
    "Outputs": {"Two": {"Condition": "Either", "Value": {"Ref": "Two"}}},
}


def test_conditions_choose_resources_outputs_properties_and_items():
    made = process(TEMPLATE, {"Kind": "b", "Vpc": "vpc-1", "Subnets": "x,y"})
    assert made["Resources"]["One"]["Properties"] == {
        "Name": {"Fn::Sub": "churn-b-${Two.Arn}"},
        "Gone": "both",
        "List": ["vpc-1", "x"],
        "Subnets": ["x", "y"],
    }
    assert made["Resources"]["Two"] == {"Type": "T", "Properties": {"At": {"Ref": "One"}}}
    assert made["Outputs"] == {"Two": {"Value": {"Ref": "Two"}}}
    made = process(TEMPLATE, {"Kind": "b"})
    assert made["Resources"]["One"]["Properties"] == {
        "Name": {"Fn::Sub": "churn-b-${Two.Arn}"},
        "List": ["x"],
        "Subnets": [],
    }


def test_a_reference_to_what_is_not_made_is_an_error():
    with pytest.raises(KeyError, match="Two is not made"):
        process(TEMPLATE, {})


@pytest.mark.parametrize("given", [{"Kind": "c"}, {"Vpc": "x"}, {"Other": ""}])
def test_a_parameter_that_cloudformation_would_refuse_is_an_error(given):
    with pytest.raises(ValueError):
        process(TEMPLATE, given)


def test_what_is_not_understood_is_an_error():
    template = TEMPLATE | {"Resources": {"One": {"Type": "T", "P": {"Fn::Split": [",", "a"]}}}}
    with pytest.raises(ValueError, match="Fn::Split"):
        process(template, {"Kind": "b"})
