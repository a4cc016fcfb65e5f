"""The values of CAPACITY by where their tasks run, as the tests know them; see ecs/capacity.py."""

FARGATE = ("fargate", "fargate-spot")
INSTANCES = ("ec2", "gpu")
MANAGED = ("managed", "managed-gpu")
WITH_GPU = ("gpu", "managed-gpu")
CAPACITIES = (*FARGATE, *INSTANCES, *MANAGED)
# what INSTANCE_TYPE is where it is empty
INSTANCE_TYPES = {
    ("ec2", "x86_64"): "c7i.xlarge",
    ("ec2", "arm64"): "c7g.xlarge",
    ("gpu", "x86_64"): "g6.xlarge",
}
