"""What fits on an instance, and remedies that hold for the capacity of the run.

Source of the sizes: DescribeInstanceTypes' VCpuInfo, MemoryInfo and GpuInfo, as EC2's "Instance types" page has
them; ECS holds a task that fits nowhere in PROVISIONING (openillumi.com, "empty capacity provider").
"""

import re
from dataclasses import replace

import pytest
from ecs.errors import UserError
from ecs.machines import KEPT, fitting, machine
from ecs.request import sizes
from ecs.verdict.explain import Evidence, explain
from ecs.verdict.rules import RULES
from kinds import CAPACITIES, FARGATE, INSTANCE_TYPES, INSTANCES, WITH_GPU

DESCRIBED = {  # vCPUs, MiB, GPUs
    "c7i.large": (2, 4096, 0), "c7i.xlarge": (4, 8192, 0), "c7g.xlarge": (4, 8192, 0),
    "c7i.4xlarge": (16, 32768, 0), "m7i.2xlarge": (8, 32768, 0), "r7g.4xlarge": (16, 131072, 0),
    "c7i.24xlarge": (96, 196608, 0), "g6.xlarge": (4, 16384, 1), "g6.4xlarge": (16, 65536, 1),
    "g6.12xlarge": (48, 196608, 4), "g6.16xlarge": (64, 262144, 1), "g5.24xlarge": (96, 393216, 4),
}  # fmt: skip
DEFINITION = {"cpu": "1024", "memory": "4096"}


@pytest.mark.parametrize("name", DESCRIBED)
def test_a_machine_has_what_ec2_says_less_what_the_kernel_keeps(name):
    vcpus, memory, gpus = DESCRIBED[name]
    found = machine(name)
    assert (found.cpu, found.gpus) == (1024 * vcpus, gpus)
    assert memory * (1 - KEPT) - 1 <= found.memory < memory


@pytest.mark.parametrize(
    "name", ["", "<InstanceType>", "p5.48xlarge", "c7i.metal-24xl", "c5n.large", "g6.large"]
)
def test_of_other_types_nothing_is_claimed(name, settings):
    assert machine(name) is None
    asked = {"cpu": "196608", "memory": "3145728"}
    sizes.check_fits(replace(settings, capacity="ec2"), DEFINITION, asked, name)


@pytest.mark.parametrize("usual", INSTANCE_TYPES.items(), ids=str)
def test_the_usual_instance_holds_the_usual_task_and_no_larger_one(settings, usual):
    (capacity, _), name = usual
    given = replace(settings, capacity=capacity)
    sizes.check_fits(given, DEFINITION, {}, name)
    vcpus, memory, _ = DESCRIBED[name]
    for asked in ({"memory": str(memory)}, {"cpu": str(1024 * vcpus + 1024)}):
        with pytest.raises(
            UserError, match=rf"no {name} of the stack holds .* type: make cluster"
        ) as said:
            sizes.check_fits(given, DEFINITION, asked, name)
        larger = re.search(r"INSTANCE_TYPE=(\S+),", str(said.value))[1]
        sizes.check_fits(given, DEFINITION, asked, larger)
        smaller = dict(re.findall(r"(CPU|MEMORY)=(\d+)", str(said.value).rpartition("make run")[2]))
        made = {key.lower(): value for key, value in smaller.items()}
        sizes.check_fits(given, DEFINITION, made, name)


def test_more_gpus_than_the_instance_has_are_refused(settings):
    given = replace(settings, capacity="gpu", gpus="2")
    with pytest.raises(UserError, match="INSTANCE_TYPE=g6.12xlarge, .* GPUS=1$"):
        sizes.check_fits(given, DEFINITION, {}, "g6.xlarge")
    assert fitting("g6.xlarge", 1024, 4096, 8) == ""


@pytest.mark.parametrize("capacity", [*FARGATE, "managed", "managed-gpu"])
def test_where_there_is_no_instance_type_nothing_is_compared(settings, capacity):
    asked = {"memory": "999999"}
    sizes.check_fits(replace(settings, capacity=capacity), DEFINITION, asked, "c7i.xlarge")


@pytest.mark.parametrize("capacity", CAPACITIES)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_no_remedy_offers_what_the_capacity_has_not(rule, capacity, monkeypatch, settings):
    """Each rule in turn, taken to hold: what is to be typed is tried as `make run` tries it."""
    if rule.capacity not in ("", capacity):
        pytest.skip("not of this capacity")
    only = replace(rule, reason="", error="", log="", stop="", exit_code=None)
    groups = dict.fromkeys(
        [*re.compile(rule.reason).groupindex, *re.compile(rule.log).groupindex], "x"
    )
    monkeypatch.setattr("ecs.verdict.explain.RULES", [only])
    monkeypatch.setattr("ecs.verdict.explain.matches", lambda *_: groups)
    said = explain(Evidence(rule.where[0], capacity=capacity)).remedy
    for typed in re.findall(r"make run[^;,]*", said):
        words = dict(re.findall(r"(CAPACITY|CPU|MEMORY|DISK|GPUS)=([\w-]+)", typed))
        there = words.get("CAPACITY", capacity)
        if "CAPACITY" not in words and {"CPU", "MEMORY"} & set(words):
            # without it the run would be on the project's usual capacity
            assert capacity in FARGATE
        given = {key.lower(): value for key, value in words.items() if value.isdigit()}
        made = sizes.size(replace(settings, capacity=there, **given), DEFINITION)
        if there in INSTANCES and "INSTANCE_TYPE=" not in said:
            kind = INSTANCE_TYPES[there, "x86_64"]
            sizes.check_fits(replace(settings, capacity=there), DEFINITION, made, kind)
        if capacity in WITH_GPU and "DISK" in words:
            assert there in FARGATE


@pytest.mark.parametrize("capacity", ["ec2", "gpu"])
def test_after_out_of_memory_the_larger_instance_holds_the_larger_task(settings, capacity):
    for memory in (4096, 8192, 16384, 65536):
        found = explain(
            Evidence("task", "OutOfMemoryError", capacity=capacity, memory=memory)
        ).remedy
        kind = re.search(r"make cluster CAPACITY=\w+ INSTANCE_TYPE=(\S+), then", found)[1]
        asked = {"memory": re.search(r"MEMORY=(\d+)", found)[1]}
        assert int(asked["memory"]) == 2 * memory
        sizes.check_fits(replace(settings, capacity=capacity), DEFINITION, asked, kind)


def test_an_empty_provider_is_not_told_to_be_made_again():
    for capacity in INSTANCES:
        said = explain(Evidence("task", "EMPTY CAPACITY PROVIDER", capacity=capacity)).remedy
        assert "describe-scaling-activities" in said
        assert "INSTANCE_TYPE=…" in said
