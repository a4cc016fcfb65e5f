"""The RunTask request: a pure function of the Makefile's variables."""

import json
import re
import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import botocore.session
import pytest
from botocore.validate import ParamValidator
from ecs import contract, parse
from ecs.errors import UserError
from ecs.request import request, sizes
from ecs.settings import Settings, settings_from
from hypothesis import given
from hypothesis import strategies as st
from kinds import CAPACITIES, FARGATE, INSTANCES, MANAGED, WITH_GPU

RUN = "20260102T030405Z-abcdef"
DEFINITION = {"cpu": "1024", "memory": "4096"}


def made(settings: Settings, outputs: dict, **variables: str) -> dict:
    return request.run_task_request(
        replace(settings, **variables), outputs, DEFINITION, "churn:3", RUN
    )


def errors_in(run_task: dict) -> str:
    model = botocore.session.get_session().get_service_model("ecs").operation_model("RunTask")
    return ParamValidator().validate(run_task, model.input_shape).generate_report()


# ---- run ids

TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))


@given(TIMES, st.integers(1, 10**9), st.text("0123456789abcdef", min_size=6, max_size=6))
def test_run_ids_sort_by_time_whatever_the_random_part(moment, seconds, random):
    later = moment + timedelta(seconds=seconds)
    assert request.run_id(moment, "ffffff") < request.run_id(later, "000000")
    assert request.run_id(moment, random).endswith("-" + random)


def test_run_ids_are_fit_for_s3_ecs_and_a_client_token():
    run = request.run_id(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "abcdef")
    assert run == RUN
    assert re.fullmatch(r"[A-Za-z0-9/_-]{1,36}", run)  # startedBy, in older documents
    assert len(f"{run}-10") <= 64  # clientToken


# ---- words and variables


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"))))
def test_words_that_are_quoted_for_a_shell_come_back(words):
    assert parse.words(shlex.join(words)) == words


def test_a_quotation_that_is_not_closed_is_the_users_to_mend():
    with pytest.raises(UserError, match=r"^ARGS cannot be split into words \(no closing quot"):
        parse.words("--note 'x")


NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,10}", fullmatch=True)
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@given(st.dictionaries(NAMES, VALUES))
def test_variables_that_are_quoted_for_a_shell_come_back(variables):
    text = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
    assert parse.environment(text) == variables


@pytest.mark.parametrize(
    "text", ["A", "=1", "1A=2", "A B=1", "A-B=1", "É=1", "A.B=1", "A\u0660 =1"]
)
def test_a_word_that_is_no_variable_is_refused(text):
    with pytest.raises(UserError, match="is not NAME=value; type for example: ENV="):
        parse.environment(text)


LAUNCHERS = [
    "SM_CHANNELS",
    "SM_CHANNEL_TRAIN",
    "SM_MODEL_DIR",
    "SM_HPS",
    "CHECKPOINT_DIR",
    "RUN_FOLDER",
    "RUN_MEMORY_MIB",
]


@pytest.mark.parametrize("name", LAUNCHERS)
def test_what_the_launcher_sets_would_be_set_in_vain(name, settings, outputs):
    with pytest.raises(UserError, match=f"^ENV: {name} is set by the launcher, job/; leave it out"):
        made(settings, outputs, env=f"A=1 {name}=x")


def test_other_variables_of_sagemaker_s_are_the_user_s(settings, outputs):
    run_task = made(settings, outputs, env="SM_LOG_LEVEL=20 SM_CHANNEL=x MY_RUN_FOLDER=y")
    found = request.variables_of(run_task)
    assert (found["SM_LOG_LEVEL"], found["SM_CHANNEL"], found["MY_RUN_FOLDER"]) == ("20", "x", "y")


def test_the_launcher_sets_these(monkeypatch, tmp_path):
    from job import __main__ as launcher
    from job import attempt

    job = attempt.Job(["x.py"], {}, "runs/1/", tmp_path, tmp_path, staged={"train": {}})
    usual = {"HOME", "USER", "LOGNAME", "TMPDIR", "PYTHONPATH", "PYTHONUNBUFFERED"}
    for name in launcher.environment(job).keys() - usual:
        assert name in contract.VARIABLES or request.LAUNCHERS.fullmatch(name), name


@pytest.mark.parametrize("name", ["RUN_ID", "RUN_URI", "PROJECT_URI"])
def test_the_contracts_own_variables_are_not_the_users_to_set(name, settings, outputs):
    changed = replace(settings, env=f"{name}=x")
    with pytest.raises(UserError, match=f"ENV: {name} is set by make run itself"):
        request.run_task_request(changed, outputs, {"cpu": "256", "memory": "512"}, "churn", "1")


def test_of_a_variable_given_twice_the_last_holds():
    assert parse.environment("A=1 B=2 A=3") == {"A": "3", "B": "2"}


# ---- sizes, from the ECS developer guide, in vCPU and GiB
OFFERED = {
    0.25: [0.5, 1, 2],
    0.5: [1, 2, 3, 4],
    1: [2, 3, 4, 5, 6, 7, 8],
    2: list(range(4, 17)),
    4: list(range(8, 31)),
    8: list(range(16, 61, 4)),
    16: list(range(32, 121, 8)),
}
SIZES = {(int(cpu * 1024), int(gib * 1024)) for cpu, all_gib in OFFERED.items() for gib in all_gib}


def fargate_takes(settings: Settings, cpu: int, memory: int) -> bool:
    try:
        sizes.size(replace(settings, cpu=str(cpu), memory=str(memory)), DEFINITION)
    except UserError:
        return False
    return True


def test_exactly_the_sizes_that_fargate_offers_are_accepted():
    settings = Settings("churn", "us-east-1")
    cpus = sorted({cpu for cpu, _ in SIZES} | {128, 255, 257, 768, 3072, 32768})
    memories = sorted({512, 1536, 17 * 1024, 124 * 1024, *range(1024, 123 * 1024, 1024)})
    accepted = {
        (cpu, memory) for cpu in cpus for memory in memories if fargate_takes(settings, cpu, memory)
    }
    assert accepted == SIZES


@given(st.sampled_from(sorted(OFFERED)), st.integers(64, 200_000))
def test_the_size_that_a_refusal_names_is_accepted(cpu, memory):
    settings = Settings("churn", "us-east-1")
    try:
        sizes.size(replace(settings, cpu=str(int(cpu * 1024)), memory=str(memory)), DEFINITION)
    except UserError as error:
        instead = re.search(r"type: CPU=(\d+) MEMORY=(\d+)$", str(error))
        assert tuple(map(int, instead.groups())) in SIZES


def test_one_override_is_judged_with_what_the_task_definition_says_of_the_other(settings):
    assert sizes.size(replace(settings, cpu="2048"), DEFINITION) == {"cpu": "2048"}
    assert sizes.size(replace(settings, memory="8192"), DEFINITION) == {"memory": "8192"}
    with pytest.raises(UserError, match="MEMORY=4096: with 4096 CPU units"):
        sizes.size(replace(settings, cpu="4096"), DEFINITION)
    with pytest.raises(UserError, match="MEMORY=9216: with 1024 CPU units"):
        sizes.size(replace(settings, memory="9216"), DEFINITION)


@pytest.mark.parametrize("capacity", [*INSTANCES, *MANAGED])
def test_on_instances_any_size_goes_and_their_disk_is_what_it_is(settings, capacity):
    elsewhere = replace(settings, capacity=capacity, cpu="3000", memory="5000")
    assert sizes.size(elsewhere, DEFINITION) == {"cpu": "3000", "memory": "5000"}
    with pytest.raises(UserError, match=f"on {capacity} the instance's disk holds"):
        sizes.size(replace(elsewhere, disk="50"), DEFINITION)


@pytest.mark.parametrize("capacity", CAPACITIES)
def test_gpus_are_the_container_s_where_the_capacity_has_any(settings, outputs, capacity):
    outputs["Capacities"] = f"fargate,fargate-spot,{capacity}"
    container = made(settings, outputs, capacity=capacity)["overrides"]["containerOverrides"][0]
    assert "resourceRequirements" not in container  # the definition's own holds
    if capacity in WITH_GPU:
        run_task = made(settings, outputs, capacity=capacity, gpus="2")
        container = run_task["overrides"]["containerOverrides"][0]
        assert container["resourceRequirements"] == [{"type": "GPU", "value": "2"}]
        assert errors_in(run_task) == ""
    else:
        with pytest.raises(UserError, match=f"CAPACITY={capacity} has none; type: CAPACITY=gpu"):
            made(settings, outputs, capacity=capacity, gpus="2")


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "17", "ALL"])
def test_gpus_that_are_no_number_are_refused(settings, outputs, text):
    outputs["Capacities"] = "fargate,fargate-spot,gpu"
    with pytest.raises(UserError, match="GPUS=.*a whole number of GPUs from 1 to 16"):
        made(settings, outputs, capacity="gpu", gpus=text)


def test_who_pays_for_a_gpu_and_does_not_use_it_is_told(settings):
    with_gpu = replace(settings, capacity="gpu", args="--max-depth 3")
    assert "--device cuda" in sizes.gpu_note(with_gpu)
    for quiet in (
        replace(with_gpu, args="--device cuda"),
        replace(with_gpu, args="--device=cuda:1 --max-depth 3"),
        replace(with_gpu, script="predict.py"),
        replace(with_gpu, capacity="ec2"),
    ):
        assert sizes.gpu_note(quiet) == ""


@pytest.mark.parametrize(
    ("gib", "taken"), [("20", 0), ("21", 1), ("200", 1), ("201", 0), ("2e1", 0)]
)
def test_disks_are_21_to_200_gib(settings, gib, taken):
    if taken:
        override = sizes.size(replace(settings, disk=gib), DEFINITION)
        assert override == {"ephemeralStorage": {"sizeInGiB": int(gib)}}
    else:
        with pytest.raises(UserError, match=f"DISK='{gib}'"):
            sizes.size(replace(settings, disk=gib), DEFINITION)


# ---- where things are


def test_a_role_by_its_name_is_one_of_the_stacks_account_and_partition():
    stack = {"TaskRoleArn": "arn:aws-us-gov:iam::ACCOUNT:role/churn-TaskRole-1"}
    assert request.role_arn("other", stack) == "arn:aws-us-gov:iam::ACCOUNT:role/other"
    assert request.role_arn("arn:aws:iam::X:role/y", stack) == "arn:aws:iam::X:role/y"


# ---- the whole request


def test_the_same_inputs_make_the_same_request(settings, outputs):
    one, two = made(settings, outputs), made(settings, outputs)
    assert one == two
    # so that sending it twice starts one task
    assert one["clientToken"] == f"{RUN}-1"


@pytest.mark.parametrize("own", [None, *INSTANCES, *MANAGED])
@pytest.mark.parametrize("capacity", CAPACITIES)
def test_a_strategy_and_never_a_launch_type_says_where_it_runs(settings, outputs, capacity, own):
    """A run picks among what the stack has: Fargate always, and its own provider."""
    outputs["Capacities"] = ",".join([*FARGATE, *([own] if own else [])])
    if not own:
        del outputs["CapacityProvider"]
    if capacity not in (*FARGATE, own):
        with pytest.raises(UserError) as error:
            made(settings, outputs, capacity=capacity)
        has = outputs["Capacities"].replace(",", ", ")
        assert str(error.value) == (
            f"CAPACITY={capacity}: the stack has {has} only; type: make cluster CAPACITY={capacity}"
        )
        with pytest.raises(UserError, match="sandbox has no other; type: make run CAPACITY=farg"):
            made(settings, outputs, capacity=capacity, sandbox=True)
        return
    run_task = made(settings, outputs, capacity=capacity)
    provider = {"fargate": "FARGATE", "fargate-spot": "FARGATE_SPOT"}
    (strategy,) = run_task["capacityProviderStrategy"]
    assert strategy["capacityProvider"] == provider.get(capacity, "the-instances")
    assert "launchType" not in run_task
    assert ("networkConfiguration" in run_task) == (capacity in FARGATE)
    assert errors_in(run_task) == ""


def test_a_stack_of_before_there_were_capacities_has_fargate(settings, outputs):
    del outputs["Capacities"]
    assert made(settings, outputs)["capacityProviderStrategy"][0]["capacityProvider"] == "FARGATE"
    with pytest.raises(UserError, match="type: make cluster CAPACITY=ec2"):
        made(settings, outputs, capacity="ec2")


def test_a_run_once_more_asks_for_the_provider_of_the_stack_as_it_is(settings, outputs):
    on_ec2 = replace(settings, capacity="ec2")
    first = request.run_task_request(on_ec2, outputs, DEFINITION, "churn:3", RUN)
    record = {"request": first, "size": sizes.full_size(on_ec2, DEFINITION, first["overrides"])}
    outputs["CapacityProvider"] = "a-newer-one"
    again = request.again(on_ec2, outputs, record, "churn:4", "20260102T030406Z-abcdef")
    assert again["capacityProviderStrategy"][0]["capacityProvider"] == "a-newer-one"
    outputs["Capacities"] = "fargate,fargate-spot"
    with pytest.raises(UserError, match="make cluster CAPACITY=ec2"):
        request.again(on_ec2, outputs, record, "churn:4", "20260102T030406Z-abcdef")


def test_more_subnets_than_run_task_takes_are_cut_to_sixteen(settings, outputs):
    outputs["Subnets"] = ",".join(f"subnet-{number}" for number in range(20))
    network = made(settings, outputs)["networkConfiguration"]["awsvpcConfiguration"]
    assert network["subnets"] == [f"subnet-{number}" for number in range(16)]


@given(st.lists(VALUES, max_size=20))
def test_any_arguments_make_a_valid_request(words):
    settings, outputs = Settings("churn", "us-east-1"), {"Cluster": "c", "Bucket": "b"}
    outputs |= {"Subnets": "subnet-1", "SecurityGroup": "sg-1", "PublicIp": "ENABLED"}
    run_task = made(settings, outputs, args=shlex.join(words))
    assert errors_in(run_task) == ""
    (container,) = run_task["overrides"]["containerOverrides"]
    assert container["command"] == ["train.py", *words]


def test_overrides_may_be_as_long_as_ecs_takes_them_and_no_longer(settings, outputs):
    length = len(json.dumps(made(settings, outputs, args="x")["overrides"])) - 1
    longest = "x" * (8192 - length)
    assert len(json.dumps(made(settings, outputs, args=longest)["overrides"])) == 8192
    pointed = made(settings, outputs, args=longest + "x")["overrides"]
    (container,) = pointed["containerOverrides"]
    assert container["command"] == ["train.py"]
    variables = {each["name"]: each["value"] for each in container["environment"]}
    assert variables["ARGV_URI"] == variables["RUN_URI"] + "argv.json"
    with pytest.raises(UserError, match="ENV makes .* characters of overrides, and ECS takes 8192"):
        made(settings, outputs, env="A=" + "x" * 8192)
    channels = " ".join(f"c{number}=data/{'x' * 40}{number}" for number in range(60))
    with pytest.raises(
        UserError, match="DATA makes .* takes 8192: put its files into a folder bel"
    ):
        made(settings, outputs, data=channels)


@pytest.mark.parametrize(
    ("partition", "region", "domain"),
    [
        ("aws", "eu-west-1", "aws.amazon.com"),
        ("aws-cn", "cn-north-1", "amazonaws.cn"),
        ("aws-us-gov", "us-gov-west-1", "amazonaws-us-gov.com"),
    ],
)
def test_the_console_is_where_the_partition_has_it(partition, region, domain):
    arn = f"arn:{partition}:ecs:{region}:ACCOUNT:task/the-cluster/0123"
    assert request.console_uri(arn) == (
        f"https://{region}.console.{domain}/ecs/v2/clusters/the-cluster/tasks/0123?region={region}"
    )


# ---- settings


def test_settings_are_the_variables_of_the_same_names():
    settings = settings_from({"PROJECT": "p", "REGION": "r", "TASK_ROLE": "t", "HOME": "h"})
    assert (settings.project, settings.region, settings.task_role) == ("p", "r", "t")
    assert settings.capacity == "fargate"


@pytest.mark.parametrize(
    ("environ", "names"),
    [({}, "PROJECT and REGION"), ({"PROJECT": "p"}, "REGION"), ({"REGION": "r"}, "PROJECT")],
)
def test_a_call_without_make_and_without_its_variables_says_which_are_missing(environ, names):
    with pytest.raises(UserError, match=f"^{names} not set: call this through make"):
        settings_from(environ)


# ---- a channel for make shell


def test_a_shell_is_possible_only_where_it_is_asked_for(settings, outputs):
    assert "enableExecuteCommand" not in made(settings, outputs)
    asked = made(settings, outputs | {"Exec": "ENABLED"}, exec=True)
    assert asked["enableExecuteCommand"] is True
    assert errors_in(asked) == ""


@pytest.mark.parametrize("stack", [{"Exec": "DISABLED"}, {}])
def test_where_the_task_role_may_not_open_a_channel_the_run_does_not_start(
    settings, outputs, stack
):
    """A stack from before there was such a parameter has no such output."""
    del outputs["Exec"]
    with pytest.raises(UserError, match="make cluster EXEC=1"):
        made(settings, outputs | stack, exec=True)
