"""Checks of this folder and this machine; they need no account."""

import difflib
import json
import re
import shlex
from pathlib import Path

import botocore.session
from botocore.validate import ParamValidator

from ecs import fargate, parse
from ecs.aws import cli_version
from ecs.checks import preflight
from ecs.checks.account import REGISTER
from ecs.checks.results import Context, Result, fail, ok, skip
from ecs.console import plain, typed
from ecs.errors import UserError
from ecs.image import engine, image
from ecs.request import channels, definition, request, sizes
from ecs.settings import CONTAINER
from ecs.stack import stack


def check_region(context: Context) -> Result:
    """Check whether botocore knows the region."""
    region, session = context.settings.region, botocore.session.get_session()
    known = [
        each
        for partition in session.get_available_partitions()
        for each in session.get_available_regions("ecs", partition)
    ]
    if region in known:
        return ok(f"region {region}")
    swapped = [each for each in known if sorted(each) == sorted(region)]
    nearest = (swapped or difflib.get_close_matches(region, known, 1, 0))[0]
    return fail(f"region {region}: there is none of that name", f"make verify REGION={nearest}")


def check_definition(context: Context) -> Result:
    """Validate task-definition.json by botocore's model of ECS."""
    made = context.definition()
    model = botocore.session.get_session().get_service_model("ecs")
    shape = model.operation_model("RegisterTaskDefinition").input_shape
    report = ParamValidator().validate(made, shape)
    if report.has_errors():
        text = report.generate_report().replace("\n", "; ")
        return fail(
            f"task-definition.json: {text}", f"correct it in task-definition.json, {REGISTER}"
        )
    if not context.container():
        return fail(
            f"task-definition.json has no container named {CONTAINER}",
            f"name it {CONTAINER} in task-definition.json, {REGISTER}",
        )
    definition.written()
    return ok("task-definition.json is valid")


def check_size(context: Context) -> Result:
    """Check whether Fargate offers the task's size, its own and the one that CPU and MEMORY ask for."""
    made, settings = context.definition(), context.settings
    remedy = f"write a size that Fargate has into task-definition.json, {REGISTER}"
    try:
        cpu, memory = int(made["cpu"]), int(made["memory"])
    except (KeyError, ValueError):
        return fail(
            "cpu and memory in task-definition.json are not whole numbers (CPU units, MiB)", remedy
        )
    if settings.kind.fargate:
        try:
            fargate.check_fargate_size(cpu, memory)
        except UserError as error:
            return fail(f"task-definition.json: {error}", remedy)
    wanted = sizes.size(settings, made)
    return ok(f"{wanted.get('cpu', cpu)} CPU units and {wanted.get('memory', memory)} MiB")


def check_arguments(context: Context) -> Result:
    """Check whether ARGS, ENV, DATA and the limits can be read."""
    settings = context.settings
    count = len(parse.words(settings.args))
    parse.environment(settings.env)
    channels.parse(settings.data)
    for name in ("TIMEOUT", "START_TIMEOUT"):
        parse.seconds(name, getattr(settings, name.lower()))
    return ok(f"ARGS: {count} words")


def check_overrides(context: Context) -> Result:
    """Check whether RunTask would take the request, whose overrides have a limit."""
    made = request.run_task_request(
        context.settings,
        # whether the stack has CAPACITY is another check's
        {**stack.placeholders(), **context.outputs, "Capacities": "<Capacities>"},
        context.definition(),
        context.settings.project,
        "20260101T000000Z-000000",
    )
    return ok(f"overrides: {len(json.dumps(made['overrides']))} of {request.OVERRIDES_LIMIT}")


def check_gpu(context: Context) -> Result:
    """Check whether the image is made for a GPU where CAPACITY has one."""
    image.check_gpu(context.settings)
    return ok("the image's build fits CAPACITY")


def check_script(context: Context) -> Result:
    """Check whether the image has SCRIPT, a file or a module."""
    script = context.settings.script
    if context.settings.tag:
        return skip(f"{script}: it is in the image of TAG, if anywhere")
    if script_file(script) in image.listed(Path()):
        return ok(f"{script} goes into the image")
    if Path(script).is_file():
        line = shlex.quote(f"!{script_file(script)}")
        return fail(
            f".dockerignore keeps {plain(script)} out of the image",
            f"echo {line} >> .dockerignore, then make push",
        )
    programs = [name for name in image.listed(Path()) if name.endswith((".py", ".sh"))]
    own = [name for name in programs if name.partition("/")[0] not in preflight.OURS]
    nearest = difflib.get_close_matches(script, own, 1, 0) or [preflight.BUNDLED]
    return fail(
        f"there is no {plain(script)} in this folder",
        f"make run SCRIPT={shlex.quote(nearest[0])}",
    )


def script_file(script: str) -> str:
    """Return the file behind SCRIPT, which may be the name of a module."""
    if Path(script).is_file() or not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", script):
        return script.removeprefix("./")
    path = script.replace(".", "/")
    return f"{path}.py" if Path(f"{path}.py").is_file() else f"{path}/__main__.py"


def check_packages(context: Context) -> Result:
    """Check whether the image has the packages that SCRIPT imports."""
    settings = context.settings
    if settings.tag:
        return skip("packages: the image of TAG has what it has")
    script, files = script_file(settings.script), image.listed(Path())
    if script not in files:
        return skip("packages: the script is not there")
    if moved := preflight.moved(script, files):
        return fail(
            f"{settings.script} imports {', '.join(moved)}, and that is in training.library now",
            f"import training.library.{moved[0]} in {settings.script}, then make push",
        )
    if missing := preflight.lacking(script, files, settings.extras.split()):
        named = typed("PACKAGE", " ".join(missing))
        return fail(
            f"{settings.script} imports {', '.join(missing)}, and the image lacks that",
            f"make add {named}, then make push",
        )
    return ok(f"the image has what {settings.script} imports")


def check_label(context: Context) -> Result:
    """Check whether train.py finds its label in a table that is here."""
    if found := preflight.label_missing(context.settings):
        return fail(*found)
    return ok("the label: nothing that can be seen from here is wrong with it")


def check_cli(context: Context) -> Result:
    """Check whether there is an AWS CLI that is new enough."""
    return ok(cli_version(context.settings))


def check_engine(context: Context) -> Result:
    """Check whether a container engine answers."""
    program = context.settings.docker
    if found := engine.fault(program):
        return fail(*found)
    return ok(f"{program} answers")
