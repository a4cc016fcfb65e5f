"""Commands about what lasts in AWS."""

import json
import sys

from ecs.aws import client, own_file
from ecs.history.data import upload
from ecs.image import image
from ecs.settings import Settings
from ecs.stack import (
    bucket,
    changes,
    claim,
    inputs,
    instances,
    mark,
    policies,
    readiness,
    secrets,
    stack,
)
from ecs.stack.destroy import destroy as destroy_all


def parameters(settings: Settings) -> None:
    """Look whose the stack is, write its parameters to a new file and print its name, for `make cluster`."""
    image.check_gpu(settings, library=True)
    found = readiness.check(settings, claim.claim(settings), "make cluster")
    values = inputs.parameters(settings, inputs.looked_up(settings))
    readiness.make_roles(settings, found)
    instances.make_way(settings, found)
    if "NewBucket=false" in values:
        bucket.expire_runs(settings)
    print(own_file(settings, "parameters", json.dumps(values, indent=2)))


def policy(settings: Settings, which: str = "runs") -> None:
    """Print the IAM policy that a person needs for ``runs``, or to make ``cluster``, ``network``."""
    names = policies.of_caller(settings, client(settings, "sts").get_caller_identity()["Arn"])
    make = {"runs": policies.runs, "cluster": policies.cluster, "network": policies.network}
    print(json.dumps(make[which](names), indent=2))


def plan(settings: Settings) -> None:
    """Print what `make cluster` would change, and what has drifted; change nothing."""
    mark.ensure()
    readiness.check(settings, claim.own(settings), "make plan")
    changes.plan(settings, inputs.parameters(settings, inputs.looked_up(settings)))


def outputs(settings: Settings) -> None:
    """Read the stack's outputs into this machine's cache and print them."""
    for name, value in stack.refresh(settings).items():
        print(f"{name:<18} {value}")


def data(settings: Settings) -> None:
    """Upload what differs in data/ to the project's bucket."""
    upload(settings, stack.outputs(settings))


def secret(settings: Settings) -> None:
    """Store the value that is typed, or comes on standard input, as the project's secret NAME."""
    name = secrets.checked_name(settings.name)
    done = secrets.store(settings, name, secrets.read_value(name))
    print(
        f"secret {secrets.full_name(settings, name)} {done}; "
        f"a run finds it in its environment: make run SECRETS={name}",
        file=sys.stderr,
    )


def destroy(settings: Settings) -> None:
    """List, ask, and delete everything of this project in AWS."""
    destroy_all(settings)
    stack.cache(settings).unlink(missing_ok=True)
