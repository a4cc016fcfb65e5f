"""The generated project's Makefile: what it lists, takes, prints and refuses, on two Makes."""

import json
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import botocore.session
import pytest
from botocore.validate import ParamValidator
from ecs.request import definition
from ecs.settings import Settings, settings_from
from ecs.stack import stack
from kinds import WITH_GPU
from support import (
    ARCHITECTURES,
    BIN,
    COMPUTES,
    FRAMEWORKS,
    PROJECT,
    call,
    options_of,
    plain_environment,
    seen_by_recipes,
    succeed,
    targets_of,
    variable_arguments,
)

STACK = {
    "Bucket": "churn-model-bucket",
    "Capacities": "fargate,fargate-spot,ec2",
    "CapacityProvider": "churn-model-instances",
    "Cluster": "churn-model-cluster",
    "ExecutionRoleArn": "arn:aws:iam::ACCOUNT:role/execution",
    "LogGroup": "/ecs/churn-model",
    "PublicIp": "DISABLED",
    "RepositoryUri": "ACCOUNT.dkr.ecr.us-east-1.amazonaws.com/churn-model",
    "SecurityGroup": "sg-1",
    "Subnets": "subnet-1,subnet-2",
    "TaskRoleArn": "arn:aws:iam::ACCOUNT:role/task",
}
PLACES = [
    (compute, architecture)
    for compute in COMPUTES
    for architecture in ARCHITECTURES
    if compute not in WITH_GPU or architecture == "x86_64"
]
COMPATIBILITIES = {"fargate": "FARGATE", "ec2": "EC2", "gpu": "EC2", "managed": "MANAGED_INSTANCES"}
# what would reach out, or change something, if a recipe ran
TOOLS = ("aws", "docker", "git", "uv", "pip", "python3", "curl")


@pytest.fixture
def guarded(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which no program can reach out without leaving a file ``reached``.

    Programs that would are traps, and Python has no sockets.
    """
    traps = tmp_path / "traps"
    traps.mkdir()
    for name in TOOLS:
        trap = traps / name
        trap.write_text(f"#!/bin/sh\necho {name} >> '{tmp_path}/reached'\nexit 1\n")
        trap.chmod(0o755)
    # reading .env and looking for the nearest name reach nothing
    (traps / "python3").write_text(
        '#!/bin/sh\nif [ "$2" = ecs/dotenv.py ]; then exec ' + sys.executable + ' "$@"; fi\n'
        f"echo python3 >> '{tmp_path}/reached'\nexit 1\n"
    )
    (traps / "sitecustomize.py").write_text(
        "import socket\n"
        "class Socket(socket.socket):\n"
        "    def __init__(self, *words, **named):\n"
        f"        open({str(tmp_path / 'reached')!r}, 'a').write('socket ')\n"
        "        raise OSError('no network')\n"
        "socket.socket = Socket\n"
    )
    environment = plain_environment(tmp_path)
    return {
        **environment,
        "PATH": f"{traps}:{environment['PATH']}",
        "PYTHONPATH": str(traps),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def reached(folder: Path) -> str:
    path = folder / "reached"
    return path.read_text() if path.exists() else ""


# ---- targets


def test_make_lists_what_most_people_need_and_help_all_the_rest(baked, make: str, tmp_path: Path):
    project = baked["xgboost"]
    names = {}
    for target in "", "help-all":
        listed = succeed(
            make, *filter(None, [target]), cwd=project, env=plain_environment(tmp_path)
        )
        lines = [line for line in listed.splitlines() if line.startswith("  ")]
        names[target] = [line.split()[0] for line in lines]
        assert all(len(line.split()) > 2 for line in lines)
        assert max(map(len, lines)) <= 80
    assert sorted(names["help-all"]) == sorted(targets_of(project / "Makefile"))
    assert set(names[""]) < set(names["help-all"])
    assert len(names[""]) <= 13
    assert {"cluster", "push", "data", "run", "fetch", "destroy"} <= set(names[""])


UNKNOWN = [  # words of the command line, lines of .env, what is said
    (["rnu"], "", "error: there is no target 'rnu'; type: make run; make help-all lists them"),
    (["clster"], "", "error: there is no target 'clster'; type: make cluster;"),
    (["xyzzy"], "", "error: there is no target 'xyzzy'; make help-all lists them"),
    (["it's; touch reached"], "", "error: there is no target 'it's; touch reached'; make help-all"),
    (["run", "MEMROY=1"], "", "there is no variable MEMROY; type: MEMORY=…; .env.example has all"),
    (["run", "args=1"], "", "there is no variable args; type: ARGS=…;"),
    (["run", "VENV=x"], "", "there is no variable VENV; "),
    (
        ["run"],
        "A=1\nMEMROY = 1\n",
        ".env line 1: there is no variable A; .env.example has all of them",
    ),
    (["run"], "# x\n\nMEMROY = 1\n", ".env line 3: there is no variable MEMROY; type: MEMORY = …;"),
    (["run"], "MEMORY\n", ".env line 1: a line is NAME = value, or begins with #"),
    (["run"], "ARGS = it's\n", ".env line 1: a quote ' is not closed; type it twice, or \\'"),
    (["run"], b"ARGS = \xff\n", ".env is not valid UTF-8; save it as UTF-8"),
]


@pytest.mark.parametrize(("words", "lines", "said"), UNKNOWN)
def test_a_name_that_is_not_known_is_an_error_that_names_the_nearest(
    bake, make: str, guarded, words: list[str], lines, said: str, tmp_path: Path
):
    project = bake()
    if lines:
        (project / ".env").write_bytes(lines if isinstance(lines, bytes) else lines.encode())
    done = call(make, *words, cwd=project, env=guarded)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""
    assert not (project / "reached").exists()
    assert reached(tmp_path) == ""


def test_what_another_make_was_told_is_no_typing_error(baked, make: str, tmp_path: Path):
    """As `make demo FRAMEWORK=…` of the template calls a project's make."""
    outer = tmp_path / "outer.mk"
    outer.write_text(f"all: ; @$(MAKE) -C {baked['xgboost']} help\n")
    told = succeed(
        make,
        "-f",
        outer,
        "FRAMEWORK=x",
        "SCRIPT=a.py",
        cwd=tmp_path,
        env=plain_environment(tmp_path),
    )
    assert "make help-all lists" in told


def test_variables_of_other_programs_may_stand_in_the_file(bake, make: str, tmp_path: Path):
    project = bake()
    (project / ".env").write_text(
        "\ufeffAWS_PROFILE = prod\r\nexport TD_API_KEY=x\nhttps_proxy = http://p\n"
        "HTTPS_PROXY = http://q\n"
    )
    seen = seen_by_recipes(project, tmp_path, make=make)
    names = ("AWS_PROFILE", "TD_API_KEY", "https_proxy", "HTTPS_PROXY")
    assert [seen[name] for name in names] == ["prod", "x", "http://p", "http://q"]


def test_each_target_that_is_no_file_is_declared_phony(baked):
    project = baked["xgboost"]
    rules = re.findall(r"^([a-z][a-z-]*):(?!=)", (project / "Makefile").read_text(), re.MULTILINE)
    assert set(rules) == set(targets_of(project / "Makefile"))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_target_can_be_shown_without_being_run(
    framework: str, bake: Callable[..., Path], make: str, guarded, tmp_path: Path
):
    project = bake(framework=framework)
    before = sorted(project.rglob("*"))
    for target in targets_of(project / "Makefile"):
        done = call(make, "-n", target, cwd=project, env=guarded)
        assert done.returncode == 0, f"{target}: {done.stderr}"
        assert done.stdout.strip(), target
    assert reached(tmp_path) == ""
    assert sorted(project.rglob("*")) == before


def test_a_target_aimed_at_a_sandbox_that_is_not_running_says_so(
    baked, make: str, guarded, tmp_path: Path
):
    for target in ("run", "runs", "fetch", "destroy"):
        done = call(make, target, "SANDBOX=1", cwd=baked["xgboost"], env=guarded)
        assert done.returncode == 2
        assert "the sandbox is not running; type: make sandbox" in done.stderr
    assert reached(tmp_path) == ""


WORDS = {
    True: ("1", "yes", "True", "ON"),
    False: ("", "0", "no", "False", "OFF", " 0 "),
    None: ("maybe", "2", "1 0", "$(x)"),
}


@pytest.mark.parametrize("way", ["command line", "environment", ".env"])
def test_a_flag_that_is_off_aims_at_no_sandbox(bake, make: str, guarded, way: str, tmp_path: Path):
    project = bake()
    for means, words in WORDS.items():
        for word in words:
            given = {"SANDBOX": word} if way == "environment" else {}
            line = [f"SANDBOX={word}"] if way == "command line" else []
            (project / ".env").write_text(f"SANDBOX = {word}\n" if way == ".env" else "")
            done = call(make, "status", *line, cwd=project, env=guarded | given)
            assert done.returncode == 2
            aimed = "the sandbox is not running; type: make sandbox" in done.stderr
            assert aimed == bool(means), word
            assert ("SANDBOX is on (1, yes, true, on) or off" in done.stderr) == (means is None)
    (tmp_path / "reached").unlink(missing_ok=True)  # .venv, which is not there


# ---- variables


def test_the_example_explains_every_variable_with_its_default(baked, make: str, tmp_path: Path):
    project = baked["xgboost"]
    lines = (project / ".env.example").read_text().splitlines()
    found = {}
    for at, line in enumerate(lines):
        if example := re.fullmatch(r"# ([A-Z_]+) =(.*)", line):
            found[example[1]] = example[2].strip()
            while re.match(r"# [A-Z_]+ =", lines[at]):
                at -= 1
            assert re.match(r"# \S", lines[at]), line
    assert sorted(found) == sorted(options_of(project))
    # what is said is what happens: the same settings with them all as without any
    (project_with := tmp_path / "with").mkdir()
    shutil.copytree(project, project_with, dirs_exist_ok=True)
    text = "".join(f"{name} = {value}\n" for name, value in found.items() if name != "AWS")
    (project_with / ".env").write_text(text)
    plain = settings_from(seen_by_recipes(project, tmp_path, make=make))
    assert settings_from(seen_by_recipes(project_with, tmp_path, make=make)) == replace(
        plain, retries="0"
    )


def chosen(project: Path, kind: str) -> dict[str, str]:
    """Return a value for each variable, other than its default."""
    return {name: f"{kind}-{name.lower()}" for name in options_of(project) if name != "SANDBOX"}


def differences(seen: dict[str, str], expected: dict[str, str]) -> dict[str, str | None]:
    return {name: seen.get(name) for name, value in expected.items() if seen.get(name) != value}


def test_every_variable_can_be_set_on_the_command_line(baked, make: str, tmp_path: Path):
    project = baked["xgboost"]
    expected = chosen(project, "line")
    seen = seen_by_recipes(project, tmp_path, *variable_arguments(expected), make=make)
    assert differences(seen, expected) == {}
    assert (seen["AWS_REGION"], seen["PIP_CERT"]) == ("line-region", "line-ca_bundle")


def test_the_aws_cli_s_own_settings_do_not_change_what_a_recipe_gets(
    baked, make: str, tmp_path: Path
):
    """Sources: "Environment variables" and "auto-prompt" in the AWS CLI's user guide."""
    theirs = {"AWS_REGION": "eu-south-2", "AWS_CLI_AUTO_PROMPT": "on", "AWS_PAGER": "less"}
    env = plain_environment(tmp_path) | theirs | {"AWS_DEFAULT_OUTPUT": "yaml-stream"}
    seen = seen_by_recipes(baked["xgboost"], tmp_path, make=make, env=env)
    wanted = {"AWS_CLI_AUTO_PROMPT": "off", "AWS_PAGER": "", "AWS_DEFAULT_OUTPUT": "json"}
    assert differences(seen, wanted) == {}
    assert seen["THEIR_REGION"] == "eu-south-2"
    assert seen["AWS_REGION"] == seen["REGION"] != "eu-south-2"


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
@pytest.mark.parametrize("where", ["environment", ".env"])
def test_a_region_of_the_user_s_own_is_known_wherever_it_is_set(copy_of, tmp_path, name, where):
    project, env = copy_of(), plain_environment(tmp_path)
    if where == ".env":
        (project / ".env").write_text(f"{name} = eu-south-2\n")
    else:
        env[name] = "eu-south-2"
    seen = seen_by_recipes(project, tmp_path, env=env)
    assert (seen["THEIR_REGION"], seen["AWS_REGION"]) == ("eu-south-2", "us-east-1")


def test_the_command_line_wins_over_the_file_and_the_file_over_the_environment(
    bake: Callable[..., Path], make: str, tmp_path: Path
):
    project = bake()
    # PROJECT is what cookiecutter was told; another folder's is no concern of this one.
    names = [name for name in chosen(project, "") if name != "PROJECT"]
    environment = {name: f"environment-{name}" for name in names}
    file = {name: f"file-{name}" for name in names[::2]}
    line = {name: f"line-{name}" for name in names[::3]}
    (project / ".env").write_text("".join(f"{name} = {value}\n" for name, value in file.items()))
    seen = seen_by_recipes(
        project, tmp_path, *variable_arguments(line), make=make,
        env=plain_environment(tmp_path) | environment,
    )  # fmt: skip
    for name in ("NAME", "ENV"):  # which other programs set, too
        del environment[name]
    assert differences(seen, environment | file | line) == {}


def test_a_variable_of_the_file_that_the_makefile_does_not_know_reaches_the_tools(
    bake: Callable[..., Path], make: str, tmp_path: Path
):
    """So that a profile or an endpoint can be set once for the AWS CLI."""
    project = bake()
    (project / ".env").write_text("AWS_PROFILE = someone\n# a comment\n\nAWS_ENDPOINT_URL=there\n")
    seen = seen_by_recipes(project, tmp_path, make=make)
    assert (seen["AWS_PROFILE"], seen["AWS_ENDPOINT_URL"]) == ("someone", "there")


def test_the_project_ignores_a_variable_of_its_name_in_the_environment(baked, tmp_path: Path):
    environment = plain_environment(tmp_path) | {"PROJECT": "another"}
    seen = seen_by_recipes(baked["xgboost"], tmp_path, env=environment)
    assert seen["PROJECT"] == "churn-model"


def test_the_aws_cli_on_the_path_comes_before_the_projects_own(baked, guarded, tmp_path: Path):
    seen = seen_by_recipes(baked["xgboost"], tmp_path, env=guarded)
    assert seen["AWS"] == str(tmp_path / "traps/aws")
    (tmp_path / "traps/aws").unlink()
    environment = guarded | {"PATH": guarded["PATH"].partition(":")[0] + ":/bin"}
    if not Path("/bin/aws").exists():
        assert (
            seen_by_recipes(baked["xgboost"], tmp_path, env=environment)["AWS"] == ".venv/bin/aws"
        )


# ---- packages


def test_a_packages_txt_that_names_none_is_refused_before_the_build(
    copy_of: Callable[..., Path], make: str, guarded, tmp_path: Path
):
    project = copy_of()
    (project / "packages.txt").write_text("libgomp1\nlibgomp1; touch canary\n")
    done = call(make, "build", "DOCKER=docker", cwd=project, env=guarded)
    assert done.returncode == 2
    assert done.stdout == ""
    sentence, _make_says = done.stderr.splitlines()
    assert sentence.startswith("error: packages.txt, line 2: 'libgomp1; touch canary' is not")
    assert reached(tmp_path) == ""


# ---- the image


BUILDER = """\
#!/bin/sh
echo "$@" >> ../said
if [ "$1" = build ] && [ "$2" != --help ] && [ -e ../save ]; then echo "# saved" >> train.py; fi
if [ "$1" = image ]; then exit 1; fi
"""


def test_a_file_that_is_saved_while_the_image_is_built_gives_no_image_of_another_content(
    copy_of: Callable[..., Path], make: str, guarded
):
    project = copy_of()
    docker = project.parent / "docker"  # a file without an ending would be in the image
    docker.write_text(BUILDER)
    docker.chmod(0o755)
    words = (make, "build", f"DOCKER={docker}")
    assert call(*words, cwd=project, env=guarded).returncode == 0
    (project.parent / "save").touch()
    done = call(*words, cwd=project, env=guarded)
    assert done.returncode == 2
    assert "error: a file was saved while the image was built" in done.stderr
    assert (
        (project.parent / "said").read_text().splitlines()[-1].startswith("rmi churn-model:files-")
    )
    done = call(make, "tag", f"DOCKER={docker}", cwd=project, env=guarded)
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: no image of what is in this folder now has been built" in done.stderr


# ---- the request of `make run`, shown by DRY_RUN=1


@pytest.fixture
def dry_run(installed: Callable[[str], Path], make: str, guarded):
    """Return a function that gives the request for some variables; nothing may reach out."""

    def dry_run(project: Path | None = None, **variables: str) -> dict:
        done = call(
            make, "run", "DRY_RUN=1", *variable_arguments(variables),
            cwd=project or installed("xgboost"), env=guarded,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert reached(Path(guarded["HOME"])) == ""
        return json.loads(done.stdout)

    return dry_run


def assert_valid(operation: str, request: dict) -> None:
    """Validate a request as the AWS CLI and boto3 do, by botocore's model of ECS."""
    model = botocore.session.get_session().get_service_model("ecs").operation_model(operation)
    report = ParamValidator().validate(request, model.input_shape)
    assert not report.has_errors(), report.generate_report()


def container(request: dict) -> dict:
    (override,) = request["overrides"]["containerOverrides"]
    return override


def variables_of(request: dict) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container(request)["environment"]}


def test_a_dry_run_shows_a_valid_request_and_leaves_nothing_behind(
    dry_run, installed: Callable[[str], Path]
):
    project = installed("xgboost")
    before = sorted(path for path in project.rglob("*") if ".venv" not in path.parts)
    request = dry_run()
    assert_valid("RunTask", request)
    assert request["cluster"] == "<Cluster>"
    assert request["count"] == 1
    assert request["capacityProviderStrategy"] == [{"capacityProvider": "FARGATE", "weight": 1}]
    assert container(request)["name"] == "train"
    assert container(request)["command"] == ["train.py"]
    assert "cpu" not in request["overrides"]
    after = sorted(path for path in project.rglob("*") if ".venv" not in path.parts)
    assert after == before


def test_the_run_id_is_in_the_environment_the_token_and_the_starter(dry_run):
    requests = [dry_run(), dry_run()]
    runs = [variables_of(request)["RUN_ID"] for request in requests]
    assert runs[0] != runs[1]
    for request, run in zip(requests, runs, strict=True):
        assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{6}", run)
        assert variables_of(request)["RUN_URI"] == f"s3://<Bucket>/churn-model/runs/{run}/"
        assert request["startedBy"] == f"{run}-1"
        assert request["clientToken"].startswith(run)
        assert len(request["clientToken"]) <= 64


def test_what_aws_knows_comes_from_the_stacks_cached_outputs(dry_run, copy_of: Callable[..., Path]):
    project = copy_of()
    (project / ".aws-state").mkdir()
    cached = STACK | {"ProjectId": (project / "project-id").read_text().strip()}
    (project / ".aws-state/stack.json").write_text(json.dumps(cached))
    request = dry_run(project, TASK_ROLE="reader", DATA="data/big.parquet")
    assert_valid("RunTask", request)
    assert "<" not in json.dumps(request)
    assert request["cluster"] == STACK["Cluster"]
    assert request["networkConfiguration"]["awsvpcConfiguration"] == {
        "subnets": ["subnet-1", "subnet-2"],
        "securityGroups": ["sg-1"],
        "assignPublicIp": "DISABLED",
    }
    assert request["overrides"]["taskRoleArn"] == "arn:aws:iam::ACCOUNT:role/reader"
    prefix = f"s3://{STACK['Bucket']}/churn-model/"
    channels = json.loads(variables_of(request)["RUN_CHANNELS"])
    expected = {"uri": prefix + "data/big.parquet", "path": "data/big.parquet"}
    assert channels == {"train": expected}
    assert variables_of(request)["RUN_URI"].startswith(prefix + "runs/")
    on_ec2 = dry_run(project, CAPACITY="ec2")
    assert_valid("RunTask", on_ec2)
    assert on_ec2["capacityProviderStrategy"] == [
        {"capacityProvider": STACK["CapacityProvider"], "weight": 1}
    ]
    # the task shares its instance's network there, and RunTask refuses a configuration for it
    assert "networkConfiguration" not in on_ec2


def test_a_cache_that_was_cut_off_does_not_matter(dry_run, copy_of: Callable[..., Path]):
    project = copy_of()
    (project / ".aws-state").mkdir()
    (project / ".aws-state/stack.json").write_text(json.dumps(STACK)[:50])
    assert dry_run(project)["cluster"] == "<Cluster>"


def test_overrides_of_one_run_arrive_where_they_belong(dry_run):
    request = dry_run(
        CPU="2048",
        MEMORY="8192",
        DISK="50",
        ENV="A=1 B='two words' EMPTY= EQUAL=a=b",
        TASK_ROLE="arn:aws:iam::ACCOUNT:role/other",
        SCRIPT="predict.py",
        ARGS="--model runs/latest",
        DATA="s3://elsewhere/table.parquet",
        CAPACITY="fargate-spot",
    )
    assert_valid("RunTask", request)
    overrides = request["overrides"]
    assert (overrides["cpu"], overrides["memory"]) == ("2048", "8192")
    assert overrides["ephemeralStorage"] == {"sizeInGiB": 50}
    assert overrides["taskRoleArn"] == "arn:aws:iam::ACCOUNT:role/other"
    assert container(request)["command"] == ["predict.py", "--model", "runs/latest"]
    variables = variables_of(request)
    assert json.loads(variables["RUN_CHANNELS"]) == {
        "train": {"uri": "s3://elsewhere/table.parquet"}
    }
    expected = {"A": "1", "B": "two words", "EMPTY": "", "EQUAL": "a=b"}
    assert differences(variables, expected) == {}
    assert request["capacityProviderStrategy"] == [
        {"capacityProvider": "FARGATE_SPOT", "weight": 1}
    ]


REFUSED = {
    "a CPU that is no number": ({"CPU": "two"}, "CPU='two'"),
    "a CPU that Fargate does not offer": ({"CPU": "1000"}, "type: CPU=1024"),
    "a CPU in digits of another script": ({"CPU": "١٠٢٤"}, "CPU="),
    "a negative CPU": ({"CPU": "-256"}, "CPU='-256'"),
    "a memory that is too small for the CPU": ({"MEMORY": "1024"}, "type: CPU=1024 MEMORY=2048"),
    "a memory between two steps": ({"CPU": "8192", "MEMORY": "17000"}, "MEMORY=16384"),
    "a memory with a unit": ({"MEMORY": "4GB"}, "MEMORY='4GB'"),
    "a disk below the least": ({"DISK": "20"}, "from 21 to 200"),
    "a disk above the most": ({"DISK": "201"}, "from 21 to 200"),
    "a disk on EC2": ({"DISK": "30", "CAPACITY": "ec2"}, "DISK is Fargate's"),
    "an ENV without a value": ({"ENV": "NAME"}, "'NAME' is not NAME=value"),
    "an ENV with a bad name": ({"ENV": "1A=2"}, "'1A=2' is not NAME=value"),
    "an ENV with an open quotation": ({"ENV": "A='b"}, "ENV cannot be split"),
    "ARGS with an open quotation": ({"ARGS": "--note 'b"}, "ARGS cannot be split"),
    "ARGS that end in a backslash": ({"ARGS": "--note b\\"}, "ARGS cannot be split"),
    "ENV longer than ECS takes": ({"ENV": "A=" + "x" * 8192}, "ECS takes 8192"),
    "a script that is an option": ({"SCRIPT": "-c"}, "SCRIPT='-c'"),
    "a script outside of the project": ({"SCRIPT": "/etc/passwd"}, "SCRIPT='/etc/passwd'"),
    "no script": ({"SCRIPT": ""}, "SCRIPT=''"),
    "data outside of data/": ({"DATA": "/etc/passwd"}, "DATA='/etc/passwd'"),
    "data that climbs out of data/": ({"DATA": "data/../x.csv"}, "DATA='data/../x.csv'"),
    "a disk on Managed Instances": ({"DISK": "30", "CAPACITY": "managed"}, "DISK is Fargate's"),
    "a GPU on Fargate": ({"GPUS": "1"}, "CAPACITY=fargate has none; type: CAPACITY=gpu GPUS=1"),
    "a GPU and the build for CPUs": ({"CAPACITY": "gpu"}, 'type: make push EXTRAS="cuda"'),
    "a GPU beside an Arm processor": (
        {"CAPACITY": "gpu", "ARCHITECTURE": "arm64"},
        "type: ARCHITECTURE=x86_64",
    ),
    "an instance type of the other processor": (
        {"CAPACITY": "ec2", "INSTANCE_TYPE": "c7g.large"},
        "type: INSTANCE_TYPE=c7i.xlarge, or ARCHITECTURE=arm64",
    ),
    "a capacity that there is not": ({"CAPACITY": "lambda"}, "fargate, fargate-spot, ec2"),
    "an architecture that there is not": ({"ARCHITECTURE": "mips"}, "x86_64, arm64"),
    "a public address that is neither": ({"PUBLIC_IP": "yes"}, "ENABLED, DISABLED"),
    "no region": ({"REGION": ""}, "REGION not set"),
    "no project": ({"PROJECT": ""}, "PROJECT not set"),
}


@pytest.mark.parametrize(("variables", "part"), REFUSED.values(), ids=REFUSED)
def test_a_value_that_run_task_would_refuse_gets_one_sentence(
    variables, part, installed: Callable[[str], Path], guarded, tmp_path: Path
):
    done = call(
        "make", "run", "DRY_RUN=1", *variable_arguments(variables),
        cwd=installed("xgboost"), env=guarded,
    )  # fmt: skip
    assert done.returncode == 2  # Make's own status for any failure
    assert done.stdout == ""
    sentence, make_says = done.stderr.splitlines()
    assert sentence.startswith("error: ")
    assert part in sentence
    assert make_says.startswith("make: ***")
    assert reached(tmp_path) == ""


def test_a_gpu_is_refused_where_the_library_computes_on_none(
    installed: Callable[[str], Path], guarded, tmp_path: Path
):
    for capacity in WITH_GPU:
        for target in (["run", "DRY_RUN=1"], ["cluster"]):
            words = [*target, f"CAPACITY={capacity}", f"AWS={tmp_path}/no-aws", "EXTRAS="]
            done = call("make", *words, cwd=installed("scikit-learn"), env=guarded)
            assert done.returncode == 2
            if target != ["cluster"]:  # which looks for the AWS CLI first
                assert "the library of this project computes on no GPU" in done.stderr
    assert reached(tmp_path) == ""


def test_a_run_on_a_gpu_asks_for_as_many_as_it_is_told(dry_run):
    request = dry_run(CAPACITY="gpu", EXTRAS="cuda", GPUS="2", ARGS="--device cuda")
    assert_valid("RunTask", request)
    assert container(request)["resourceRequirements"] == [{"type": "GPU", "value": "2"}]
    assert container(request)["command"] == ["train.py", "--device", "cuda"]


# ---- the task definition


def rendered(compute: str, architecture: str, account: str = "ACCOUNT") -> dict:
    settings = Settings("churn-model", "us-east-1", capacity=compute, architecture=architecture)
    assert (compute, architecture) in PLACES
    read = definition.read(PROJECT / "task-definition.json")
    outputs = {name: value.replace("ACCOUNT", account) for name, value in STACK.items()}
    return definition.render(
        read, settings, outputs, f"{outputs['RepositoryUri']}@sha256:{'0' * 64}"
    )


@pytest.mark.parametrize(("compute", "architecture"), PLACES)
def test_the_task_definition_is_a_valid_request(compute: str, architecture: str):
    request = rendered(compute, architecture)
    assert_valid("RegisterTaskDefinition", request)
    assert "${" not in json.dumps(request)
    assert request["runtimePlatform"]["cpuArchitecture"] == architecture.upper()
    assert request["requiresCompatibilities"] == [COMPATIBILITIES[compute.partition("-")[0]]]
    (only,) = request["containerDefinitions"]
    assert only["image"].partition("@")[2].startswith("sha256:")
    assert only["logConfiguration"]["options"]["mode"] == "blocking"


def pascal_case(value, inside: str = ""):
    """Return a request with the keys of CloudFormation; log options are data, not keys."""
    if isinstance(value, list):
        return [pascal_case(each) for each in value]
    if not isinstance(value, dict) or inside == "options":
        return value
    return {key[0].upper() + key[1:]: pascal_case(each, key) for key, each in value.items()}


def test_cfn_lint_finds_nothing_in_any_task_definition(tmp_path: Path):
    """It knows Fargate's sizes, which network mode goes with what, and misspelt keys."""
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Resources": {
            f"Task{number}": {
                "Type": "AWS::ECS::TaskDefinition",
                "Properties": pascal_case(rendered(compute, architecture, "0" * 12)),
            }
            for number, (compute, architecture) in enumerate(PLACES)
        },
    }
    path = tmp_path / "task-definitions.json"
    path.write_text(json.dumps(template))
    done = call(BIN / "cfn-lint", path, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    template["Resources"]["Task0"]["Properties"]["Cpu"] = "1000"
    path.write_text(json.dumps(template))
    assert call(BIN / "cfn-lint", path, cwd=tmp_path).returncode != 0


def test_the_programs_know_the_stacks_outputs_by_name():
    """A name that one file has and the other not shows only when AWS is reached."""
    text = (PROJECT / "infrastructure.yaml").read_text()
    outputs = re.findall(r"^  (\w+):$", text.partition("\nOutputs:\n")[2], re.MULTILINE)
    assert set(stack.OUTPUTS) == set(outputs)
