"""Minimal IAM policies for the people who type make, from the variables' present values.

Most people only run trainings: ``runs`` is for all targets on an existing stack. People who make, plan
and destroy it also need ``cluster`` and ``network``; two, since IAM limits a policy to 6144 characters.
Pure: no clock, no network.

Source: the service authorization reference. ``"*"`` stands where an action knows no resource, and a
``*`` within a resource for what only AWS chooses: ids, revisions, the ends of generated names.
"""

from collections.abc import Iterable

from ecs.settings import Settings
from ecs.stack import queues
from ecs.stack.inputs import ISSUER
from ecs.stack.statements import Names, allow

# These cannot be limited to a resource, or list what there is before anybody can name it.
NO_RESOURCE = {
    "autoscaling:Describe*",
    "autoscaling:DescribeScalingActivities",
    "batch:DescribeComputeEnvironments",
    "batch:DescribeJobDefinitions",
    "batch:DescribeJobQueues",
    "batch:DescribeJobs",
    "batch:ListJobs",
    "cloudformation:DescribeStackDriftDetectionStatus",
    "cloudformation:GetTemplateSummary",
    "ec2:Describe*",
    "ec2:DescribeAccountAttributes",
    "ec2:DescribeAvailabilityZones",
    "ec2:DescribeInstances",
    "ec2:DescribeInternetGateways",
    "ec2:DescribeNetworkAcls",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcAttribute",
    "ec2:DescribeVpcEndpoints",
    "ec2:DescribeVpcEncryptionControls",
    "ec2:DescribeVpcs",
    "ec2:DescribeVpnGateways",
    "ecr:GetAuthorizationToken",
    "ecs:CreateCapacityProvider",
    "ecs:CreateCluster",
    "ecs:DeregisterTaskDefinition",
    "ecs:DescribeCapacityProviders",
    "ecs:DescribeTaskDefinition",
    "ecs:ListTaskDefinitions",
    "ecs:ListTasks",
    "ecs:RegisterTaskDefinition",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "scheduler:ListSchedules",
    "secretsmanager:ListSecrets",
}
AGENT_POLICY = "service-role/AmazonEC2ContainerServiceforEC2Role"
# of the agent on a managed instance, and of ECS, which starts it
MANAGED_POLICIES = (
    "AmazonECSInstanceRolePolicyForManagedInstances",
    "AmazonECSInfrastructureRolePolicyForManagedInstances",
)


def of_caller(settings: Settings, arn: str) -> Names:
    """Return the names in the account and partition of the caller that ``arn`` names."""
    _, partition, _, _, account, _ = arn.split(":", 5)
    return Names(settings, account, partition)


def anywhere(allowed: Iterable[dict]) -> list[dict]:
    """Return the statements, those for ``"*"`` without a condition made one."""
    named, actions = [], []
    for each in allowed:
        if each["Resource"] == ["*"] and "Condition" not in each:
            actions += each["Action"]
        else:
            named.append(each)
    star = {"Sid": "NoResource", "Effect": "Allow", "Action": sorted(actions), "Resource": ["*"]}
    return [*named, star]


def document(statements: Iterable[dict]) -> dict:
    """Return the policy document of these statements."""
    return {"Version": "2012-10-17", "Statement": anywhere(statements)}


def passing(sid: str, service: str, *roles: str) -> dict:
    """Return the permission to hand ``roles`` to ``service``."""
    return allow(
        sid,
        "iam",
        "PassRole",
        *roles,
        StringEquals={"iam:PassedToService": f"{service}.amazonaws.com"},
    )


def runs(names: Names) -> dict:
    """Return the policy for pushing, running, looking, fetching, secrets and schedules."""
    settings, project = names.settings, names.settings.project
    cluster, task = names.arn("ecs", f"cluster/{project}"), names.arn("ecs", f"task/{project}/*")
    revisions = names.arn("ecs", f"task-definition/{project}:*")
    here = {"ArnEquals": {"ecs:cluster": cluster}}
    roles = [names.role("ExecutionRole-*"), names.role("TaskRole-*")]
    if settings.task_role:
        given = settings.task_role
        whole = f"arn:{names.partition}:iam::{names.account}:role/{given}"
        roles.append(given if given.startswith("arn:") else whole)
    return document(
        [
            allow("Stack", "cloudformation", "DescribeStacks", names.arn("cloudformation", f"stack/{project}/*")),
            allow("Login", "ecr", "GetAuthorizationToken", "*"),
            allow(
                "Images", "ecr",
                "BatchCheckLayerAvailability BatchGetImage CompleteLayerUpload DescribeImages "
                "GetDownloadUrlForLayer InitiateLayerUpload PutImage UploadLayerPart",
                names.arn("ecr", f"repository/{project}"),
            ),
            allow("Files", "s3", "AbortMultipartUpload GetObject PutObject", f"{names.bucket}/{project}/*"),
            allow("Data", "s3", "DeleteObject", f"{names.bucket}/{project}/data/*"),
            allow("List", "s3", "ListBucket", names.bucket, StringLike={"s3:prefix": f"{project}/*"}),
            allow("Revisions", "ecs", "DescribeTaskDefinition RegisterTaskDefinition", "*"),
            allow(
                "Tags", "ecs", "TagResource", revisions, task,
                StringEquals={"ecs:CreateAction": ["RegisterTaskDefinition", "RunTask"]},
            ),
            allow("Run", "ecs", "RunTask", revisions, **here),
            allow("Tasks", "ecs", "DescribeTasks StopTask", task),
            allow("Started", "ecs", "ListTasks", "*", **here),
            passing("TaskRoles", "ecs-tasks", *roles),
            allow("Log", "logs", "GetLogEvents", names.arn("logs", f"log-group:/ecs/{project}:log-stream:*")),
            allow(
                "Secrets", "secretsmanager",
                "CreateSecret DescribeSecret PutSecretValue RestoreSecret TagResource",
                names.arn("secretsmanager", f"secret:{project}/*"),
            ),
            allow(
                "Schedules", "scheduler", "CreateSchedule DeleteSchedule GetSchedule UpdateSchedule",
                names.arn("scheduler", f"schedule/{project}/*"),
            ),
            allow("ListSchedules", "scheduler", "ListSchedules", "*"),
            passing("ScheduleRole", "scheduler", names.role("SchedulerRole-*")),
            *([allow("Shell", "ecs", "ExecuteCommand", cluster, task)] if settings.exec else []),
            *(waiting() if settings.kind.group else []),
            *(queues.jobs(names) if settings.max_vcpus != "0" else []),
        ]
    )  # fmt: skip


def waiting() -> list[dict]:
    """Return what tells why no instance comes for a task (ecs/run/waiting.py)."""
    return [
        allow("Provider", "ecs", "DescribeCapacityProviders", "*"),
        allow("Group", "autoscaling", "DescribeScalingActivities", "*"),
    ]


def cluster(names: Names) -> dict:
    """Return the policy for making, planning and destroying the stack, except its network."""
    settings, project = names.settings, names.settings.project
    stack = names.arn("cloudformation", f"stack/{project}/*")
    bounded = (
        {"StringEquals": {"iam:PermissionsBoundary": settings.boundary}}
        if settings.boundary
        else {}
    )
    group = names.arn("logs", f"log-group:/ecs/{project}")
    return document(
        [
            allow(
                "Stack", "cloudformation",
                "CreateChangeSet DeleteChangeSet DeleteStack DescribeChangeSet DescribeStackEvents "
                "DescribeStackResourceDrifts DescribeStacks DetectStackDrift DetectStackResourceDrift "
                "ExecuteChangeSet ListChangeSets ListStackResources TagResource",
                stack,
            ),
            allow("Drift", "cloudformation", "DescribeStackDriftDetectionStatus GetTemplateSummary", "*"),
            allow(
                "Repository", "ecr",
                "BatchDeleteImage CreateRepository DeleteRepository DescribeRepositories "
                "GetLifecyclePolicy GetRepositoryPolicy ListImages ListTagsForResource PutImageScanningConfiguration "
                "PutImageTagMutability PutLifecyclePolicy TagResource",
                names.arn("ecr", f"repository/{project}"),
            ),
            allow(
                "Bucket", "s3",
                # CloudFormation reads all that a bucket can have
                "CreateBucket DeleteBucket DeleteBucketPolicy Get*Configuration GetBucket* ListBucket "
                "ListBucketVersions ListTagsForResource TagResource "
                "PutBucketOwnershipControls PutBucketPolicy PutBucketPublicAccessBlock "
                "PutBucketTagging PutBucketVersioning PutEncryptionConfiguration "
                "PutLifecycleConfiguration",
                names.bucket,
            ),
            allow("Objects", "s3", "DeleteObject DeleteObjectVersion", f"{names.bucket}/*"),
            allow(
                "Logs", "logs",
                "CreateLogGroup DeleteLogGroup DescribeIndexPolicies GetDataProtectionPolicy "
                "ListTagsForResource PutRetentionPolicy TagResource",
                group, f"{group}:*",
            ),
            allow("FindLogs", "logs", "DescribeLogGroups DescribeResourcePolicies", "*"),
            allow("MakeRoles", "iam", "CreateRole PutRolePermissionsBoundary PutRolePolicy", names.role("*"), **bounded),
            allow(
                "Roles", "iam",
                "DeleteRole DeleteRolePermissionsBoundary DeleteRolePolicy GetRole GetRolePolicy "
                "ListAttachedRolePolicies ListRolePolicies ListRoleTags TagRole UntagRole UpdateAssumeRolePolicy",
                names.role("*"),
            ),
            allow(
                "FirstCluster", "iam", "CreateServiceLinkedRole",
                f"arn:{names.partition}:iam::{names.account}:role/aws-service-role/*",
                StringEquals={
                    "iam:AWSServiceName": [
                        "autoscaling.amazonaws.com", "batch.amazonaws.com", "ecs-compute.amazonaws.com", "ecs.amazonaws.com",
                    ]
                },
            ),
            allow(
                "Cluster", "ecs",
                "DeleteCluster DescribeClusters ListTagsForResource PutClusterCapacityProviders TagResource UpdateCluster",
                names.arn("ecs", f"cluster/{project}"),
            ),
            allow("Find", "ecs", "CreateCluster DeregisterTaskDefinition DescribeCapacityProviders ListTaskDefinitions ListTasks", "*"),
            allow("Revisions", "ecs", "DeleteTaskDefinitions", names.arn("ecs", f"task-definition/{project}:*")),
            allow(
                "Group", "scheduler",
                "CreateScheduleGroup DeleteSchedule DeleteScheduleGroup GetScheduleGroup "
                "ListTagsForResource TagResource",
                names.arn("scheduler", f"schedule-group/{project}"),
                names.arn("scheduler", f"schedule/{project}/*"),
            ),
            *([provider(names)] if settings.github else []),
            allow("ListSecrets", "secretsmanager", "ListSecrets", "*"),
            allow("Secrets", "secretsmanager", "DeleteSecret", names.arn("secretsmanager", f"secret:{project}/*")),
        ]
    )  # fmt: skip


def provider(names: Names) -> dict:
    """Return what it takes to look for the account's provider for GitHub, and to make it."""
    arn = f"arn:{names.partition}:iam::{names.account}:oidc-provider/{ISSUER}"
    made = (
        "CreateOpenIDConnectProvider GetOpenIDConnectProvider ListOpenIDConnectProviderTags "
        "TagOpenIDConnectProvider"
    )
    return allow("GitHub", "iam", made, arn)


def network(names: Names) -> dict:
    """Return the policy for the network of the stack, for its machines and its queues where it has any."""
    kind = names.settings.kind
    machines = instances(names) if kind.group else []
    managed = managed_instances(names) if kind.managed else []
    batch = queues.queues(names) if names.settings.max_vcpus != "0" else []
    return document([*addresses(names), *machines, *managed, *batch])


def addresses(names: Names) -> list[dict]:
    """Return what the security group needs, and with NETWORK=own the VPC. AWS chooses their ids."""
    kinds, actions = "security-group vpc", "CreateSecurityGroup"
    actions += " AuthorizeSecurityGroupEgress CreateTags DeleteSecurityGroup DeleteTags RevokeSecurityGroupEgress"
    found = "DescribeInstances DescribeSecurityGroups DescribeSubnets DescribeVpcs"
    if names.settings.network == "own":
        kinds += " internet-gateway route-table subnet vpc-endpoint"
        actions += (
            " AssociateRouteTable AttachInternetGateway CreateInternetGateway CreateRoute "
            "CreateRouteTable CreateSubnet CreateVpc CreateVpcEndpoint DeleteInternetGateway "
            "DeleteRoute DeleteRouteTable DeleteSubnet DeleteVpc DeleteVpcEndpoints "
            "DetachInternetGateway DisassociateRouteTable ModifySubnetAttribute ModifyVpcAttribute "
            "ModifyVpcEndpoint ReplaceRouteTableAssociation"
        )
        found += (
            " DescribeAccountAttributes DescribeAvailabilityZones DescribeInternetGateways "
            "DescribeNetworkAcls DescribeNetworkInterfaces DescribeRouteTables DescribeVpcAttribute "
            "DescribeVpcEncryptionControls DescribeVpcEndpoints DescribeVpnGateways"
        )
    where = [names.arn("ec2", f"{kind}/*") for kind in kinds.split()]
    return [allow("Network", "ec2", actions, *where), allow("FindNetwork", "ec2", found, "*")]


def instance_role(names: Names, *policies: str) -> list[dict]:
    """Return what the role of the instances needs, which may get ``policies`` of AWS's own."""
    account, project = names.account, names.settings.project
    profile = f"arn:{names.partition}:iam::{account}:instance-profile/{project}-*"
    roles = [names.role("InstanceRole-*")]
    if names.settings.kind.managed:
        roles.append(names.role("InfrastructureRole-*"))
    return [
        allow(
            "AgentPolicy", "iam", "AttachRolePolicy DetachRolePolicy", *roles,
            ArnEquals={
                "iam:PolicyARN": [f"arn:{names.partition}:iam::aws:policy/{each}" for each in policies]
            },
        ),
        allow(
            "Profile", "iam",
            "AddRoleToInstanceProfile CreateInstanceProfile DeleteInstanceProfile "
            "GetInstanceProfile RemoveRoleFromInstanceProfile",
            profile,
        ),
        passing("InstanceRole", "ec2", names.role("InstanceRole-*")),
    ]  # fmt: skip


def providers(names: Names) -> list[dict]:
    """Return what a capacity provider of the stack's own needs."""
    return [
        allow("MakeProvider", "ecs", "CreateCapacityProvider", "*"),
        allow(
            "Provider", "ecs", "DeleteCapacityProvider ListTagsForResource TagResource UpdateCapacityProvider",
            names.arn("ecs", f"capacity-provider/{names.settings.project}-*"),
        ),
    ]  # fmt: skip


def managed_instances(names: Names) -> list[dict]:
    """Return what ECS Managed Instances need in addition; ECS starts them itself, under its own role."""
    return [
        *instance_role(names, *MANAGED_POLICIES),
        passing("InfrastructureRole", "ecs", names.role("InfrastructureRole-*")),
        *providers(names),
    ]


def instances(names: Names) -> list[dict]:
    """Return what the stack's own instances need in addition."""
    settings, project = names.settings, names.settings.project
    image = f"arn:{names.partition}:ssm:{settings.region}::parameter/aws/service/ecs/*"
    machines = "image instance launch-template network-interface security-group subnet volume"
    where = [names.arn("ec2", f"{kind}/*") for kind in machines.split() if kind != "image"]
    where.append(f"arn:{names.partition}:ec2:{settings.region}::image/*")
    return [
        *instance_role(names, AGENT_POLICY),
        allow(
            "Machines", "ec2",
            "CreateLaunchTemplate CreateLaunchTemplateVersion CreateTags DeleteLaunchTemplate "
            "DeleteTags RunInstances",
            *where,
        ),
        allow("FindMachines", "ec2", "Describe*", "*"),
        allow("Image", "ssm", "GetParameters", image),
        allow(
            "Instances", "autoscaling",
            "CreateAutoScalingGroup CreateOrUpdateTags DeleteAutoScalingGroup "
            "SetInstanceProtection UpdateAutoScalingGroup",
            names.arn("autoscaling", f"autoScalingGroup:*:autoScalingGroupName/{project}-*"),
        ),
        allow("FindInstances", "autoscaling", "Describe*", "*"),
        *providers(names),
    ]  # fmt: skip
