"""The operator's commands: the stack that they are for, in the AWS CLI's account and region, and how they fail."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import boto3
from botocore.exceptions import BotoCoreError, ClientError


class CommandError(Exception):
    """A command can't do its work. The text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack's description, and the session that found it."""

    session: boto3.Session
    name: str
    status: str
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]

    @property
    def region_of_numbers(self) -> str:
        """The country of numbers without a country code (ISO 3166); empty if they must have one."""
        return self.parameters.get("DefaultRegion", "")


def new_session() -> boto3.Session:
    """Return a session in the AWS CLI's region. The CLI reads AWS_REGION first, which boto3 does not know."""
    return boto3.Session(region_name=os.environ.get("AWS_REGION") or None)


def find(session: boto3.Session, name: str) -> Stack:
    """Describe a stack. Raises CommandError if there is none, and botocore's errors."""
    if not name:
        raise CommandError("Name the stack: add STACK=segment-msg91")
    cloudformation = session.client("cloudformation")
    try:
        (described,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        raise CommandError(
            f"There is no stack {name} in {session.region_name}, in the account of these credentials. Check STACK= and "
            "AWS_REGION; aws cloudformation list-stacks shows what there is."
        ) from error
    return Stack(
        session=session,
        name=name,
        status=described["StackStatus"],
        outputs={one["OutputKey"]: one["OutputValue"] for one in described.get("Outputs", [])},
        parameters={one["ParameterKey"]: one["ParameterValue"] for one in described.get("Parameters", [])},
    )


def exit_code(command: Callable[[], int]) -> int:
    """Run a command and return its exit code: 2, and the reason printed, if an error of AWS or of its use ends it."""
    try:
        return command()
    except CommandError as error:
        problem = str(error)
    except BotoCoreError as error:
        said = str(error).rstrip(".")
        problem = f"AWS can't be asked: {said}. Set up the AWS CLI (aws configure), AWS_PROFILE or AWS_REGION."
    except ClientError as error:
        problem = f"AWS refuses: {error}. See which credentials are used: aws sts get-caller-identity."
    print(problem, file=sys.stderr)
    return 2
