"""What the emulators lack, as far as tests step around it. docs/emulators.md says what covers it instead."""

# moto's CloudFormation makes none of these
MOTO_RESOURCES = (
    "AWS::ECS::ClusterCapacityProviderAssociations",
    "AWS::S3::BucketPolicy",
    "AWS::Scheduler::ScheduleGroup",
)
# moto's CloudFormation deletes what has this, which is to stay
MOTO_DELETES = "RetainExceptOnCreate"
# moto's CloudFormation never deletes one
MOTO_KEEPS = "AWS::ECS::Cluster"
# checks of `make verify` that fail on moto in a healthy project
MOTO_CHECKS = ("permissions", "iam:PassRole", "way out")
# moto reckons the signature of these wrongly, and never comes to the permissions
MOTO_NOT_DENIED = ("scheduler:DeleteSchedule", "scheduler:GetSchedule", "scheduler:ListSchedules")
# ministack's IAM asks for another resource for these than AWS
MINISTACK_RESOURCES = (
    "ecs:DescribeTasks", "ecs:ExecuteCommand", "ecs:ListTasks", "ecs:RunTask", "ecs:StopTask",
    "logs:GetLogEvents", "scheduler:CreateSchedule", "scheduler:DeleteSchedule",
    "scheduler:GetSchedule", "scheduler:UpdateSchedule",
)  # fmt: skip
