"""The deployed stack to check: its data from CloudFormation and Secrets Manager, and the clients that reach it."""

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self

import boto3
import httpx
from botocore.exceptions import ClientError

from scripts.stack import Stack
from segment_msg91.masking import without_numbers

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_sqs import SQSClient

HTTP_TIMEOUT: Final = 35.0
"""Seconds; more than API Gateway grants a function."""
_MAX_QUOTE: Final = 200


class MissingError(Exception):
    """A check needs an output or a member of the secret that is not there; the message names it."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of the stack."""

    logical_id: str
    physical_id: str
    type: str


@dataclass(frozen=True, slots=True)
class Secret:
    """The secret's members, each with one credential or the two of a rotation; `problem` if it can't be read."""

    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    problem: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the secret's text. A member that is not a string counts as missing."""
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            return cls(problem="The secret is not a JSON object.")
        return cls({name: _credentials(member) for name, member in value.items()})


@dataclass(frozen=True, slots=True)
class Aws:
    """The clients that checks use."""

    dynamodb: "DynamoDBClient"
    sqs: "SQSClient"
    cloudwatch: "CloudWatchClient"
    logs: "CloudWatchLogsClient"


@dataclass(frozen=True, slots=True)
class Sms:
    """The real SMS that was asked for."""

    to: str = field(repr=False)
    """In digits, with the country code."""
    text: str
    sender_id: str
    """Empty: the stack's default."""


@dataclass(frozen=True, slots=True)
class Target:
    """All that a check needs."""

    stack: str
    region: str
    status: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]
    resources: tuple[Resource, ...]
    secret: Secret
    aws: Aws
    http: httpx.Client
    sms: Sms | None
    timeout: float
    """Seconds to wait for metrics and reports."""
    progress: Callable[[str], None]
    marker: str = field(default_factory=lambda: f"verify-{secrets.token_hex(8)}")
    """Unique for a run: the prefix of the ids that it sends."""
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    def parameter(self, name: str) -> str:
        """Return a parameter's value; empty when the stack's version does not have it."""
        return self.parameters.get(name, "")

    def output(self, name: str) -> str:
        """Return an output. Raises MissingError."""
        if not (value := self.outputs.get(name)):
            raise MissingError(f"the output {name}")
        return value

    def credential(self, name: str) -> str:
        """Return the first credential of a member of the secret. Raises MissingError."""
        if not (values := self.secret.members.get(name)):
            raise MissingError(f"{name} in the secret")
        return values[0]

    def physical_id(self, logical_id: str) -> str:
        """Return the name that AWS knows a resource by; the logical id if the stack does not have it."""
        found = (resource.physical_id for resource in self.resources if resource.logical_id == logical_id)
        return next(found, logical_id)

    def waiting(self, what: str, seconds: float) -> Iterator[None]:
        """Yield for each attempt, at least once, until the seconds are over."""
        deadline = time.monotonic() + seconds
        pause = min(10.0, self.timeout / 10)
        yield
        while (left := deadline - time.monotonic()) > 0:
            self.progress(f"  … waiting for {what}, {left:.0f} s at most")
            time.sleep(min(pause, left))
            yield


def load(
    stack: Stack,
    http: httpx.Client,
    *,
    sms: Sms | None,
    timeout: float,
    progress: Callable[[str], None],
) -> Target:
    """Read a stack's resources and its secret. Raises botocore's errors."""
    session = stack.session
    return Target(
        stack=stack.name,
        region=session.region_name,
        status=stack.status,
        parameters=stack.parameters,
        outputs=stack.outputs,
        resources=tuple(_resources(session.client("cloudformation"), stack.name)),
        secret=_read_secret(session, stack.outputs.get("SecretArn", "")),
        aws=Aws(
            session.client("dynamodb"), session.client("sqs"), session.client("cloudwatch"), session.client("logs")
        ),
        http=http,
        sms=sms,
        timeout=timeout,
        progress=progress,
    )


def json_of(response: httpx.Response) -> dict[str, Any]:
    """Return a response's JSON object; an empty one if it has none."""
    try:
        value = response.json()
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def words_of(response: httpx.Response) -> str:
    """Return a response's status and message, short and without numbers."""
    said = json_of(response).get("message")
    words = without_numbers(str(said))[:_MAX_QUOTE].rstrip(".") if said else "no message"
    return f"HTTP {response.status_code}, {words}"


def _resources(cloudformation: "CloudFormationClient", stack: str) -> Iterator[Resource]:
    for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack):
        for summary in page["StackResourceSummaries"]:
            yield Resource(summary["LogicalResourceId"], summary.get("PhysicalResourceId", ""), summary["ResourceType"])


def _read_secret(session: boto3.Session, secret_id: str) -> Secret:
    if not secret_id:
        return Secret(problem="The output SecretArn is missing, so the secret can't be read.")
    try:
        return Secret.parse(session.client("secretsmanager").get_secret_value(SecretId=secret_id)["SecretString"])
    except ClientError as error:
        return Secret(problem=f"Secrets Manager refuses to return it: {error.response['Error']['Code']}.")
    except KeyError:
        return Secret(problem="The secret is binary, which the functions do not read: store it with --secret-string.")


def _credentials(value: object) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(text for item in values if isinstance(item, str) and (text := item.strip()))
