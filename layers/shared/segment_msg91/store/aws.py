"""The AWS clients, how their errors read in our terms, and items in DynamoDB's wire form."""

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import boto3
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

type Value = str | int | bool | Decimal
type Attributes = dict[str, Value]
type Item = dict[str, Any]  # attribute values in DynamoDB's wire form, such as {"S": "text"}

# Segment hangs up after four to five seconds; a request that takes longer than these is better repeated.
_CONFIG: Final = Config(
    connect_timeout=1,
    read_timeout=2,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=16,
)
AWS_ERRORS: Final = (BotoCoreError, ClientError)
_SERIALIZER: Final = TypeSerializer()
_DESERIALIZER: Final = TypeDeserializer()


class StoreUnavailableError(Exception):
    """AWS did not take a write or a read, or its answer was lost; the text names the error, never the data."""


def dynamodb_client() -> "DynamoDBClient":
    """Make a DynamoDB client; endpoint and region as boto3 finds them."""
    return boto3.client("dynamodb", config=_CONFIG)


def sqs_client() -> "SQSClient":
    """Make an SQS client; endpoint and region as boto3 finds them."""
    return boto3.client("sqs", config=_CONFIG)


def error_code(error: BotoCoreError | ClientError) -> str:
    """Name an error: AWS's code, or botocore's class when no answer came."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "ClientError"))
    return type(error).__name__


def to_item(attributes: Mapping[str, Value | None]) -> Item:
    """Write attributes in wire form; those that are None or empty are left out."""
    return {name: _SERIALIZER.serialize(value) for name, value in attributes.items() if value not in (None, "")}


def from_item(item: Mapping[str, Any]) -> Attributes:
    """Read an item in wire form."""
    return {name: _DESERIALIZER.deserialize(value) for name, value in item.items()}
