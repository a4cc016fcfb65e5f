"""What a refusal says to type is typed here, and accepted; and passwords in URLs are neither stored nor shown."""

import json
import re
import shlex

import pytest
import test_cli
from ecs.settings import settings_from
from ecs.stack import inputs
from ecs.verdict.explain import Evidence, explain
from ecs.verdict.rules import RULES
from kinds import CAPACITIES, FARGATE, INSTANCE_TYPES

user = test_cli.user

# variables that are refused, and what is to be typed instead
REFUSED = [
    ({"TIMEOUT": "1h"}, "TIMEOUT=3600"),
    ({"TIMEOUT": "90 min"}, "TIMEOUT=5400"),
    ({"TIMEOUT": "1.5h"}, "TIMEOUT=5400"),
    ({"TIMEOUT": "0"}, "TIMEOUT=3600"),
    ({"TIMEOUT": "soon"}, "TIMEOUT=3600"),
    ({"TIMEOUT": "400d"}, "TIMEOUT=2592000"),
    ({"START_TIMEOUT": "10m"}, "START_TIMEOUT=600"),
    ({"START_TIMEOUT": "never"}, "START_TIMEOUT=900"),
    ({"MEMORY": "4GB"}, "MEMORY=4096"),
    ({"MEMORY": "8"}, "MEMORY=8192"),
    ({"MEMORY": "6000MiB"}, "MEMORY=6144"),
    ({"MEMORY": "64 GB"}, "MEMORY=8192"),
    ({"MEMORY": "much"}, "MEMORY=4096"),
    ({"MEMORY": "5000"}, "CPU=1024 MEMORY=5120"),
    ({"CPU": "3"}, "CPU=4096 MEMORY=8192"),
    ({"CPU": "2"}, "CPU=2048"),
    ({"CPU": "0.5"}, "CPU=512"),
    ({"CPU": ".25"}, "CPU=1024"),
    ({"CPU": "4 vCPU"}, "CPU=4096 MEMORY=8192"),
    ({"CPU": "3000"}, "CPU=4096 MEMORY=8192"),
    ({"CPU": "100000"}, "CPU=16384 MEMORY=32768"),
    ({"CPU": "2", "MEMORY": "8GB"}, "CPU=2048 MEMORY=8192"),
    ({"CPU": "2", "MEMORY": "8", "CAPACITY": "gpu"}, "CPU=2048 MEMORY=8192"),
    ({"CPU": "3", "CAPACITY": "ec2"}, "CPU=3072"),
    ({"DISK": "50GB"}, "DISK=50"),
    ({"DISK": "500"}, "DISK=200"),
    ({"DISK": "5"}, "DISK=21"),
    ({"GPUS": "0", "CAPACITY": "gpu"}, "GPUS=1"),
    ({"GPUS": "1"}, "CAPACITY=gpu GPUS=1"),
    ({"RETRIES": "many"}, "RETRIES=3"),
    ({"RETRIES": "1000"}, "RETRIES=100"),
    ({"CAPACITY": "lambda"}, "CAPACITY=fargate"),
    ({"ON_INTERRUPT": "die"}, "ON_INTERRUPT=detach"),
    ({"EXEC": "maybe"}, "EXEC=1"),
    ({"RESULT": "table"}, "RESULT=td://database/table"),
    ({"ENV": "A"}, "ENV=\"A=1 B='x y'\""),
    ({"ARGS": "'"}, "ARGS=\"--note 'two words'\""),
    ({"DATA": "'"}, 'DATA="train=data/train.csv lookup=data/lookup.csv"'),
    ({"DATA": "x.csv"}, "DATA=data/train.csv"),
    ({"DATA": "https://ann:hunter2@host/x.csv"}, "DATA=data/train.csv"),
]  # fmt: skip


def words(text: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in shlex.split(text))


@pytest.mark.parametrize(("variables", "instead"), REFUSED, ids=lambda each: str(each))
def test_what_is_to_be_typed_is_accepted(user, outputs, variables, instead):
    outputs |= {"Capacities": "fargate,fargate-spot,ec2,gpu", "Exec": "ENABLED"}
    (user.folder / ".aws-state/stack.json").write_text(json.dumps(outputs))
    (user.folder / "requirements-cuda.txt").touch()
    given = {"DRY_RUN": "1", "DATA": "data/train.csv", "EXTRAS": "cuda", **variables}
    status, _, err = user.call("run", **given)
    assert status == 1
    hint = re.search(
        r"(?:type(?: for example)?: |for example )(.+?)(, or leave it out)?$", err.strip()
    )[1]
    assert hint == instead
    status, _, err = user.call("run", **{**given, **words(hint)})
    assert (status, err) == (0, "")


@pytest.mark.parametrize(("text", "instead"), [("0", "1"), ("20000", "10000"), ("all", "1")])
def test_a_limit_of_the_table_that_is_to_be_typed_is_accepted(user, text, instead):
    status, _, err = user.call("runs", LIMIT=text)
    assert (status, f"type for example: LIMIT={instead}" in err) == (1, True)
    assert user.call("runs", LIMIT=instead)[0] == 0


def test_who_has_no_runs_is_told_to_make_one_that_trains(user):
    assert "there are no runs yet; type: make run\n" in user.call("status")[2]


# ---- passwords

SECRET = "hunter2"
URLS = [
    f"https://ann:{SECRET}@host/x.csv",
    f"s3://ann:{SECRET}@bucket/x.csv",
    f"postgresql://ann:{SECRET}@db.example:5432/prices",
    f"redis://:{SECRET}@cache",
]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("variable", ["DATA", "ARGS", "ENV"])
def test_a_password_in_a_url_is_refused_and_not_shown(user, variable, url):
    value = {"DATA": url, "ARGS": f"--url {url}", "ENV": f"URL={url}"}[variable]
    for dry in ("", "1"):
        status, out, err = user.call("run", DRY_RUN=dry, **{variable: value})
        assert status == 1
        assert err.startswith(f"error: {variable}")
        assert SECRET not in out + err
        assert SECRET.encode() not in b"".join(user.cloud.bucket.objects.values())
    assert user.calls() == []


@pytest.mark.parametrize(
    "text",
    ["https://host:8080/a@b", "s3://bucket/a:b@c", "user@host", "a:b@c", "postgresql://ann@db/x"],
)
def test_what_has_no_password_is_taken_as_it_is(user, text):
    status, out, _ = user.call("run", DRY_RUN="1", ARGS=f"--x {text}")
    assert (status, text in out) == (0, True)


@pytest.mark.parametrize("command", ["status", "runs", "compare"])
def test_a_password_that_an_older_version_stored_is_not_shown(user, command):
    user.answers("run-task", test_cli.STARTED)
    user.ends(test_cli.stopped(0))
    user.call("run", ARGS="--url OLD")
    for key, body in user.cloud.bucket.objects.items():
        user.cloud.bucket.objects[key] = body.replace(b"OLD", URLS[0].encode())
    status, out, err = user.call(command, RUNS="2026 2026")
    assert (status, "https://ann:***@host/x.csv" in out, SECRET in out + err) == (0, True, False)


# ---- what remedies say to type, by capacity

# what stands for the … of a remedy; INSTANCE_TYPE is one of the capacity's own
MEANT = {
    "ARCHITECTURE": "x86_64", "ARGS": "--max-depth 3", "DATA": "data/train.csv", "RUN": "20261124-120000-abc",
    "PACKAGE": "lightgbm", "REGION": "us-east-1", "START_TIMEOUT": "1800", "SUBNETS": "subnet-1,subnet-2",
    "TASK_ROLE": "arn:aws:iam::111122223333:role/train", "TIMEOUT": "7200", "VPC": "vpc-1",
}  # fmt: skip
UNSET = dict.fromkeys([*MEANT, "CPU", "MEMORY", "DISK", "GPUS", "RETRIES", "SPOT_FALLBACK"], "")
VALUE = r"\"[^\"]*\"|[^\s,;)]+"
COMMAND = re.compile(rf"\bmake ([a-z-]+)((?: [A-Z_]+=(?:{VALUE}))*)")


def typed(capacity: str, monkeypatch) -> dict[tuple[str, str], list[str]]:
    """Return the commands that the rules' remedies have for a capacity, and whose they are."""
    found: dict[tuple[str, str], list[str]] = {}
    for rule in RULES:
        if rule.capacity not in ("", capacity):
            continue
        names = [*re.compile(rule.reason).groupindex, *re.compile(rule.log).groupindex]
        groups = dict.fromkeys(names, "x") | {"path": "data/train.csv"}
        monkeypatch.setattr("ecs.verdict.explain.RULES", [rule])
        monkeypatch.setattr("ecs.verdict.explain.matches", lambda *_, groups=groups: groups)
        remedy = explain(Evidence(rule.where[0], capacity=capacity)).remedy
        assert "{" not in remedy, rule.name
        for command in COMMAND.findall(remedy):
            found.setdefault(command, []).append(rule.name)
    return found


@pytest.mark.parametrize("capacity", CAPACITIES)
def test_what_each_remedy_says_to_type_is_accepted_where_the_run_was(
    user, outputs, monkeypatch, capacity
):
    """A remedy written for Fargate must not be refused on instances, nor move the run elsewhere."""
    outputs |= {"Capacities": ",".join(CAPACITIES), "CapacityProvider": "churn-instances"}
    (user.folder / ".aws-state/stack.json").write_text(json.dumps(outputs))
    (user.folder / "requirements-cuda.txt").touch()
    commands = typed(capacity, monkeypatch)
    assert len(commands) > 30
    for (target, text), rules in commands.items():
        given = words(text)
        kind = INSTANCE_TYPES.get((given.get("CAPACITY", capacity), "x86_64"), "c7i.xlarge")
        meant = {**MEANT, "INSTANCE_TYPE": kind}
        given = {name: meant[name] if "…" in value else value for name, value in given.items()}
        if {"RETRIES", "CPU", "MEMORY", "DISK", "GPUS"} & set(given):
            assert "CAPACITY" in given or capacity in FARGATE, (rules, text)
        given = {"CAPACITY": capacity, **given}
        if target == "run":
            usual = {
                "DRY_RUN": "1",
                "DATA": "data/train.csv",
                "EXTRAS": "cuda",
                "REGION": "us-east-1",
            }
            status, _, err = user.call("run", **{**UNSET, **usual, **given})
            assert (status, err) == (0, ""), (rules, text)
        elif target == "cluster":
            inputs.parameters(
                settings_from({"PROJECT": "churn", "REGION": "us-east-1", **given}), {}
            )
