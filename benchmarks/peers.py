"""The same endings of runs given to other runners of ECS tasks: who tells failure from success?

    python benchmarks/peers.py

installs the peers, as they are on PyPI, into an environment of their own (.cache/peers), gives
each the scripted endings of tests/unit/endings.py and prints how many it judges right. A judgement
is right when a run that failed is signalled in any way (an exception, an exit status other than 0)
and a run that succeeded is not. Nothing of a peer is replaced but its AWS client, which is
botocore's own with scripted answers, and the time between two polls.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".cache/peers"
PEERS = (
    "apache-airflow==3.3.2",
    "apache-airflow-providers-amazon==9.39.0",
    "boto3==1.44.8",
    "ecs-deploy==1.17.0",
)
MARK = HOME / "installed"  # holds PEERS once all are there
POLLS = 100  # of a peer that waits for a task that ECS does not know; its own limits may be higher


def installed() -> bool:
    """Return whether the peers are installed, in these versions."""
    return MARK.is_file() and MARK.read_text() == "\n".join(PEERS)


def install() -> None:
    """Put the peers into .cache/peers. uv comes from this repository's environment, or PATH."""
    uv = Path(sys.executable).with_name("uv")
    program = str(uv) if uv.exists() else shutil.which("uv")
    if program is None:
        sys.exit("error: there is no uv on this machine; type: make bench")
    python = HOME / "bin/python"
    for command in (
        ("venv", "--quiet", "--clear", "--python", sys.executable, HOME),
        ("pip", "install", "--quiet", "--python", python, *PEERS),
    ):
        subprocess.run([program, *command], check=True)
    MARK.write_text("\n".join(PEERS))


# ---- in the peers' environment


def scripted_client(ending: dict):
    """Return boto3's ECS client whose answers are those of ``ending``; nothing is sent."""
    import boto3
    from botocore.awsrequest import AWSResponse
    from botocore.exceptions import BotoCoreError

    client = boto3.client(
        "ecs",
        region_name="us-east-1",
        aws_access_key_id="nobody",
        aws_secret_access_key="nothing",
    )

    def answer(model, **_):
        parsed: dict = {"failures": []}
        status = 200
        if model.name == "DescribeTaskDefinition":
            parsed = {"taskDefinition": definition(ending["arn"])}
        elif model.name == "RunTask":
            parsed = ending["answer"]
            if ending["error"] and not ending["code"]:
                raise type("Unreachable", (BotoCoreError,), {"fmt": ending["message"]})()
            if ending["error"]:
                status = 400
                parsed = {"Error": {"Code": ending["code"], "Message": ending["message"]}}
        elif model.name == "DescribeTasks":
            missing = {"arn": ending["arn"], "reason": "MISSING"}
            known = ending["task"] is not None
            parsed = {"tasks": [ending["task"]] * known, "failures": [missing] * (not known)}
        return AWSResponse("https://aws.example", status, {}, None), json.loads(json.dumps(parsed))

    client.meta.events.register("before-call.ecs", answer)
    return client


def definition(arn: str) -> dict:
    """Return a task definition as DescribeTaskDefinition shows it."""
    return {
        "taskDefinitionArn": arn.replace(":task/", ":task-definition/"),
        "family": "churn",
        "revision": 1,
        "status": "ACTIVE",
        "volumes": [],
        "containerDefinitions": [{"name": "train", "image": "registry.example/churn"}],
    }


def ask_ecs_deploy(ending: dict) -> bool:
    """Return whether ``ecs run CLUSTER TASK`` exits with 0."""
    from click.testing import CliRunner
    from ecs_deploy import cli
    from ecs_deploy.ecs import EcsClient

    ecs = EcsClient("nobody", "nothing", "us-east-1")
    ecs.boto = scripted_client(ending)
    cli.get_client = lambda *_: ecs
    return CliRunner().invoke(cli.run, ["churn", "churn"]).exit_code == 0


def ask_airflow(ending: dict) -> bool:
    """Return whether ``EcsRunTaskOperator.execute`` returns instead of raising."""
    from airflow.providers.amazon.aws.operators.ecs import EcsRunTaskOperator

    operator = EcsRunTaskOperator(
        task_id="train",
        cluster="churn",
        task_definition="churn",
        overrides={},
        launch_type="FARGATE",
        do_xcom_push=False,
        waiter_max_attempts=POLLS,
        aws_conn_id=None,
        region_name="us-east-1",
    )
    operator.__dict__["client"] = scripted_client(ending)  # a cached property
    return returns(lambda: operator.execute({}))


def ask_waiter(ending: dict) -> bool:
    """Return whether RunTask and then AWS's own waiter, ``aws ecs wait tasks-stopped``, go well."""
    client = scripted_client(ending)

    def run() -> None:
        started = client.run_task(cluster="churn", taskDefinition="churn")
        client.get_waiter("tasks_stopped").wait(
            cluster="churn", tasks=[started["tasks"][0]["taskArn"]]
        )

    return returns(run)


def returns(run: Callable[[], object]) -> bool:
    """Return whether ``run`` returns instead of raising."""
    try:
        run()
    except Exception:  # noqa: BLE001 - whatever it is, it signals failure
        return False
    return True


ASK: dict[str, tuple[str, Callable[[dict], bool]]] = {
    "Airflow, EcsRunTaskOperator": ("apache-airflow-providers-amazon", ask_airflow),
    "ecs-deploy, ecs run": ("ecs-deploy", ask_ecs_deploy),
    "boto3, waiter tasks_stopped": ("boto3", ask_waiter),
}


def answer_all() -> None:
    """Read endings from standard input, ask each peer, write the answers to standard output."""
    import contextlib
    import logging
    import time
    from importlib.metadata import version

    time.sleep = lambda _: None  # between two polls of a waiter
    endings = json.load(sys.stdin)
    answers = {}
    with contextlib.redirect_stdout(sys.stderr):
        for name, (package, ask) in ASK.items():
            ask(endings[0])  # imports, and with them the peer's own logging
            logging.disable()
            answers[f"{name} {version(package)}"] = [ask(ending) for ending in endings]
    json.dump(answers, sys.stdout)


# ---- in ours


def compare() -> tuple[list, dict[str, list[bool]]]:
    """Return the endings, and for each runner whether it took each of them for a success."""
    sys.dont_write_bytecode = True
    sys.path[:0] = [str(ROOT / "{{cookiecutter.project_slug}}"), str(ROOT / "tests/unit")]
    from ecs.refusals import CLI_ERROR
    from ecs.verdict.verdict import verdict
    from endings import ARN, ENDINGS

    def plain(ending) -> dict:
        found = CLI_ERROR.search(ending.error)
        return {
            "arn": ARN,
            "answer": ending.answer,
            "task": ending.task,
            "error": bool(ending.error),
            "code": found["code"] if found else "",
            "message": found["message"] if found else ending.error,
        }

    ours = [
        verdict(
            ending.task,
            answer=ending.answer,
            error=ending.error or None,
            log=ending.log,
            capacity=ending.capacity,
        ).status
        == 0
        for ending in ENDINGS
    ]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [HOME / "bin/python", __file__, "answer"],
            check=False,
            input=json.dumps([plain(ending) for ending in ENDINGS]),
            env={"PATH": os.defpath, "HOME": folder, "AIRFLOW_HOME": folder},
            capture_output=True,
            text=True,
        )
    if done.returncode != 0:
        sys.exit(f"error: the peers could not be asked:\n{done.stderr[-2000:]}")
    return list(ENDINGS), {"this template, ecs.verdict": ours, **json.loads(done.stdout)}


def main() -> None:
    """Print the table."""
    if not installed():
        print("installing the peers into .cache/peers", file=sys.stderr)
        install()
    endings, answers = compare()
    failed = [ending.state != "Succeeded" for ending in endings]
    total, bad = len(endings), sum(failed)
    print(f"{total} scripted endings: {total - bad} successes, {bad} failures\n")
    print(f"{'':<42} {'':>5} {'failures taken':>15} {'successes taken':>16}")
    print(f"{'runner':<42} {'right':>5} {'for success':>15} {'for failure':>16}")
    for name, took_for_success in answers.items():
        pairs = list(zip(failed, took_for_success, strict=True))
        missed = sum(fail and success for fail, success in pairs)
        alarms = sum(not fail and not success for fail, success in pairs)
        print(f"{name:<42} {len(pairs) - missed - alarms:>5} {missed:>15} {alarms:>16}")


if __name__ == "__main__":
    answer_all() if sys.argv[1:] == ["answer"] else main()
