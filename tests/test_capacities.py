"""Each capacity's stack in the emulator, and the image for GPUs: as far as both go without AWS.

The emulator knows no capacity providers: they are taken out of the template here, and nothing else. What
they and the rest must be is asserted on the processed template (tests/unit/test_infrastructure.py).
"""

import json
import time
from pathlib import Path

import cfnlint.decode.cfn_yaml
import pytest
from ecs.settings import settings_from
from ecs.stack import inputs
from kinds import FARGATE, INSTANCES, MANAGED, WITH_GPU
from processed import plain
from support import ARCHITECTURES, COMPUTES
from user import Project, left_behind

pytestmark = pytest.mark.docker

UNKNOWN = {"AWS::ECS::CapacityProvider", "AWS::ECS::ClusterCapacityProviderAssociations"}
OWN = {"VpcId": "", "Subnets": ""}


@pytest.fixture(scope="module")
def project(installed, engine, tmp_path_factory):
    folder = tmp_path_factory.mktemp("capacities") / "churn-model"
    made = Project.copied(installed("xgboost"), folder, "xgboost", engine)
    made.commit()
    made.make("sandbox")
    yield made
    made.make("sandbox-stop")


def without_providers(project: Project) -> Path:
    """Write infrastructure.yaml as the emulator reads it, and return where."""
    template = plain(cfnlint.decode.cfn_yaml.load(str(project.folder / "infrastructure.yaml")))
    for name, each in list(template["Resources"].items()):
        if each["Type"] in UNKNOWN:
            del template["Resources"][name]
    del template["Outputs"]["CapacityProvider"]
    path = project.folder / ".sandbox/template.json"
    path.write_text(json.dumps(template))
    return path


def deploy(project: Project, compute: str, architecture: str, **variables: str) -> str:
    """Do what `make cluster` does outside of the sandbox, and return what the AWS CLI said."""
    named = {"PROJECT": "churn-model", "REGION": "us-east-1", "CAPACITY": compute}
    settings = settings_from({**named, "ARCHITECTURE": architecture, **variables})
    parameters = project.folder / ".sandbox/parameters.json"
    parameters.write_text(json.dumps(inputs.parameters(settings, OWN)))
    time.sleep(1.1)  # the AWS CLI names a change set by the second
    done = project.run(
        f"{project.folder}/.venv/bin/aws cloudformation deploy --stack-name churn-model "
        f"--template-file {without_providers(project)} --parameter-overrides file://{parameters} "
        "--capabilities CAPABILITY_IAM --no-fail-on-empty-changeset "
        f"--tags project-id={(project.folder / 'project-id').read_text().strip()}",
        AWS_ENDPOINT_URL=project.endpoint,
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        AWS_DEFAULT_REGION="us-east-1",
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("compute", COMPUTES)
def test_a_stack_comes_is_updated_rests_and_goes(project, compute):
    architectures = [each for each in ARCHITECTURES if compute not in WITH_GPU or each == "x86_64"]
    for architecture in architectures:  # the second is an update of the first
        assert "No changes to deploy" not in deploy(project, compute, architecture)
        assert "No changes to deploy" in deploy(project, compute, architecture)
        described = project.client("cloudformation").describe_stacks(StackName="churn-model")
        outputs = {
            each["OutputKey"]: each["OutputValue"] for each in described["Stacks"][0]["Outputs"]
        }
        own = [] if compute in FARGATE else [compute]
        assert outputs["Capacities"].split(",") == [*FARGATE, *own]
        look_at_instances(project, compute, architecture)
    # and back to what every stack has
    deploy(project, "fargate", "x86_64")
    assert instances_of(project) == ([], [], [])
    project.make("destroy", YES="1")
    assert left_behind(project) == {}


def instances_of(project: Project) -> tuple[list, list, list]:
    """Return launch templates, groups and instance profiles of the emulator's account."""
    ec2, iam = project.client("ec2"), project.client("iam")
    return (
        ec2.describe_launch_templates()["LaunchTemplates"],
        project.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"],
        iam.list_instance_profiles()["InstanceProfiles"],
    )


def look_at_instances(project: Project, compute: str, architecture: str) -> None:
    """Assert that there is what the capacity has of machines, with their roles and subnets."""
    templates, groups, profiles = instances_of(project)
    assert [len(each) for each in (templates, groups, profiles)] == (
        [1, 1, 1] if compute in INSTANCES else [0, 0, 1] if compute in MANAGED else [0, 0, 0]
    )
    ec2, iam = project.client("ec2"), project.client("iam")
    if compute in INSTANCES:
        named = {"LaunchTemplateId": templates[0]["LaunchTemplateId"], "Versions": ["$Latest"]}
        (version,) = ec2.describe_launch_template_versions(**named)["LaunchTemplateVersions"]
        launch = version["LaunchTemplateData"]
        kind = {"gpu": "/gpu/"}.get(compute, "/arm64/" if architecture == "arm64" else "-2023/")
        assert f"{kind}recommended/image_id" in launch["ImageId"]
        assert launch["MetadataOptions"]["HttpTokens"] == "required"
        assert (groups[0]["MinSize"], groups[0]["MaxSize"]) == (0, 2)
    if profiles:
        (role,) = profiles[0]["Roles"]
        assert role["RoleName"].startswith("churn-model-InstanceRole")
    infrastructure = [
        role["RoleName"]
        for role in iam.list_roles()["Roles"]
        if role["RoleName"].startswith("churn-model-InfrastructureRole")
    ]
    assert len(infrastructure) == (compute in MANAGED)
    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["false"]}])["Vpcs"]
    inside = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
    for subnet in ec2.describe_subnets(Filters=inside)["Subnets"]:
        assert subnet["MapPublicIpOnLaunch"] == (compute in MANAGED)


@pytest.mark.parametrize("compute", [*INSTANCES, *MANAGED])
def test_in_the_sandbox_every_capacity_s_cluster_is_made_and_its_run_refused(project, compute):
    asked = {"CAPACITY": compute, "EXTRAS": "cuda"}
    project.make("cluster", **asked)
    done = project.make("run", status=2, **asked)
    assert f"CAPACITY={compute}: the stack has fargate, fargate-spot only" in done.stderr
    assert "the sandbox has no other; type: make SANDBOX=1 run CAPACITY=fargate" in done.stderr


PROBE = """\
import importlib.metadata, xgboost
try:
    importlib.metadata.version("xgboost-cpu")
except importlib.metadata.PackageNotFoundError:
    print(xgboost.build_info()["USE_CUDA"], xgboost.__version__, importlib.metadata.version("xgboost"))
"""


def test_the_image_for_gpus_has_that_build_alone_and_refuses_to_train_on_a_cpu(project, engine):
    project.make("build", EXTRAS="cuda")
    tag = project.run(
        [".venv/bin/python", "-m", "ecs", "tag"],
        PROJECT="churn-model", REGION="us-east-1", EXTRAS="cuda",
    ).stdout.strip()  # fmt: skip
    assert tag.endswith("-cuda")
    here = [engine["DOCKER"], "run", "--rm", "--read-only", f"churn-model:{tag}"]
    bare = [*here[:-1], "--entrypoint", "python", here[-1]]
    has_cuda, imported, installed = project.run([*bare, "-c", PROBE]).stdout.split()
    assert has_cuda == "True"
    assert imported == installed
    channels = json.dumps({"train": {"uri": "data/train.csv", "path": "data/train.csv"}})
    mounted = [
        *here[:-1], "--volume", f"{project.folder}/data:/app/data:ro",
        "--env", f"RUN_CHANNELS={channels}", here[-1],
    ]  # fmt: skip
    project.make("example")
    words = ["--output", "/scratch/model", "--n-estimators", "2"]
    done = project.run([*mounted, "train.py", *words, "--device", "cuda"], 2)
    assert "--device cuda: xgboost finds no GPU here; type: --device cpu" in done.stderr
    assert "model: /scratch/model" in project.run([*mounted, "train.py", *words]).stdout
