"""The AWS clients, the names of their errors, and items in DynamoDB's wire form."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session, get_session
from botocore.utils import parse_timestamp

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

type Value = str | int | bool | Decimal | tuple[str, ...]
type Attributes = dict[str, Value]
type Item = dict[str, Any]  # attribute values in DynamoDB's wire form, such as {"S": "text"}

_CONFIG: Final = Config(
    # Segment hangs up after four to five seconds; a request that takes longer than these is better repeated.
    connect_timeout=1,
    read_timeout=2,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=16,
    # Together a sixth of a call's processor time: botocore composes its own user agent twice for every request, and
    # checks what our types and DynamoDB check as well.
    user_agent="segment-msg91",
    parameter_validation=False,
)
# For a page of figures that a person waits for.
_METRICS_CONFIG: Final = _CONFIG.merge(Config(read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2}))
AWS_ERRORS: Final = (BotoCoreError, ClientError)
_READERS: Final[Mapping[str, Callable[[Any], Value]]] = {
    "S": str,
    "N": Decimal,
    "BOOL": bool,
    "L": lambda members: tuple(member["S"] for member in members),
}


class StoreUnavailableError(Exception):
    """AWS refused a call, or its answer was lost. The text names the error, never the data."""


@cache
def _session() -> Session:
    """One for all clients, which share what it loads. boto3's would import its resources as well, for 30 ms."""
    return get_session()


def dynamodb_client() -> "DynamoDBClient":
    """Make a DynamoDB client; endpoint and region as botocore finds them."""
    return cast("DynamoDBClient", _session().create_client("dynamodb", config=_CONFIG))


def sqs_client() -> "SQSClient":
    """Make an SQS client; endpoint and region as botocore finds them."""
    return cast("SQSClient", _session().create_client("sqs", config=_CONFIG))


def secretsmanager_client() -> "SecretsManagerClient":
    """Make a Secrets Manager client; endpoint and region as botocore finds them."""
    return cast("SecretsManagerClient", _session().create_client("secretsmanager", config=_CONFIG))


def cloudwatch_client() -> "CloudWatchClient":
    """Make a CloudWatch client; endpoint and region as botocore finds them."""
    session = _session()
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_moment)
    return cast("CloudWatchClient", session.create_client("cloudwatch", config=_METRICS_CONFIG))


def _moment(value: str | float) -> datetime:
    """Read a time of an answer. botocore tries the machine's zone first, half of the processor time of many points."""
    return parse_timestamp(value) if isinstance(value, str) else datetime.fromtimestamp(value, UTC)


def error_code(error: BotoCoreError | ClientError) -> str:
    """Name an error: AWS's code, or botocore's class when no answer came."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "ClientError"))
    return type(error).__name__


def to_item(attributes: Mapping[str, Value | None]) -> Item:
    """Write attributes in wire form; those that are None or empty are left out."""
    return {name: _wire(value) for name, value in attributes.items() if value not in (None, "")}


def from_item(item: Mapping[str, Any]) -> Attributes:
    """Read an item in wire form, without attributes of kinds that we do not write. Our lists are of texts."""
    return {
        name: _READERS[kind](content)
        for name, value in item.items()
        for kind, content in value.items()
        if kind in _READERS
    }


def _wire(value: Value | None) -> dict[str, Any]:
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, tuple):
        return {"L": [{"S": member} for member in value]}
    return {"BOOL": value} if isinstance(value, bool) else {"N": str(value)}
