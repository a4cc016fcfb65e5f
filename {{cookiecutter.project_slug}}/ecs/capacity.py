"""What follows from CAPACITY: one record for each of its values."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Capacity:
    """Where tasks run.

    ``launch_type`` is ECS's word for it, ``network_mode`` how a container is attached there: on
    instances an ``awsvpc`` task gets no public address, so that the instance's own is shared, and ECS
    Managed Instances know no bridge. ``provider`` is AWS's own capacity provider; "": the stack makes
    one. ``service`` is that which needs a role in the account, beside ECS. ``machines`` has what
    INSTANCE_TYPE is where it is empty, by architecture. ``queue`` is the queue of AWS Batch, as a resource
    of the stack and as its output; "": there is none.
    """

    name: str = ""
    launch_type: str = "FARGATE"
    network_mode: str = "awsvpc"
    provider: str = ""
    service: str = ""
    gpu: bool = False
    machines: Mapping[str, str] = field(default_factory=dict)
    queue: str = ""

    @property
    def fargate(self) -> bool:
        """Whether AWS keeps the machines and bills the task."""
        return self.launch_type == "FARGATE"

    @property
    def group(self) -> bool:
        """Whether the machines are an Auto Scaling group of the stack's own."""
        return self.launch_type == "EC2"

    @property
    def managed(self) -> bool:
        """Whether the machines are ECS Managed Instances."""
        return self.launch_type == "MANAGED_INSTANCES"


CAPACITIES = {
    each.name: each
    for each in (
        Capacity("fargate", provider="FARGATE", queue="FargateQueue"),
        Capacity("fargate-spot", provider="FARGATE_SPOT", queue="FargateSpotQueue"),
        Capacity(
            "ec2", "EC2", "bridge", service="autoscaling.amazonaws.com",
            machines={"x86_64": "c7i.xlarge", "arm64": "c7g.xlarge"},
        ),
        # AWS has no ECS-optimized image with GPU drivers for arm64
        Capacity(
            "gpu", "EC2", "bridge", service="autoscaling.amazonaws.com", gpu=True,
            machines={"x86_64": "g6.xlarge"},
        ),
        Capacity("managed", "MANAGED_INSTANCES", "host", service="ecs-compute.amazonaws.com"),
        Capacity(
            "managed-gpu", "MANAGED_INSTANCES", "host", service="ecs-compute.amazonaws.com", gpu=True
        ),
    )
}  # fmt: skip
QUEUES = tuple(each.queue for each in CAPACITIES.values() if each.queue)
EVERYWHERE = tuple(each.name for each in CAPACITIES.values() if each.provider)  # in every stack


def capacity(name: str) -> Capacity:
    """Return the record of a capacity; of a name that is none, one that says nothing beyond the defaults."""
    return CAPACITIES.get(name, Capacity(name))
