"""Check that Segment's function writes its table, by an event that asks for an SMS and can never become one."""

import json
from contextlib import suppress
from typing import Any, Final

import httpx
from botocore.exceptions import ClientError

from scripts.verify.ingest import post_signed
from scripts.verify.results import Result, failed, ok, warning
from scripts.verify.target import Target, json_of, words_of
from segment_msg91.mapping import Origin, key_of

_INVALID: Final = 400
_PHONE: Final = "no number"
"""Has no digit, so that nothing can read a number in it."""
_DENIED: Final = ("AccessDenied", "AccessDeniedException")


def invalid_event_is_recorded(target: Target) -> Result:
    """Check that an event with a bad number is answered so, and is in the table. Delete it there."""
    response = post_signed(target, _event(target))
    result: dict[str, Any] = next(iter(json_of(response).get("results") or []), {})
    if response.status_code != _INVALID or result.get("status") != "invalid":
        with suppress(ClientError):  # what the answer says is more important
            delete(target)
        return _not_recorded(response)
    try:
        is_found = _delete(target, str(result.get("crqid")))
    except ClientError as error:
        if (code := error.response["Error"]["Code"]) not in _DENIED:
            raise
        return warning(
            f"The event is answered 400. AWS does not let you see whether it is in MessagesTable (DeleteItem: {code}).",
            f"Use credentials with the permissions of docs/operations.md#verify-a-deployment. {left_message(target)}",
        )
    if is_found:
        return ok("An event whose phone is no number is answered 400. It was in MessagesTable, and is deleted again.")
    return failed(
        "SegmentIngestFunction says that it has recorded the event, but it is not in MessagesTable.",
        "The function writes to another table. Compare its MESSAGES_TABLE with the output MessagesTableName.",
    )


def delete(target: Target) -> None:
    """Delete what this run has stored."""
    _delete(target, _key(target))


def left_message(target: Target) -> str:
    """Say which message a run may leave in the table, and how to delete it."""
    key = json.dumps({"crqid": {"S": _key(target)}})
    return (
        "A message of this run may still be in MessagesTable. Delete it: aws dynamodb delete-item --table-name "
        f"{target.physical_id('MessagesTable')} --key '{key}'"
    )


def _not_recorded(response: httpx.Response) -> Result:
    return failed(
        "An event whose phone is no number should be recorded and answered 400 (invalid), and was answered: "
        f"{words_of(response)}.",
        "Look at the log of SegmentIngestFunction. If DynamoDB refuses it, check its role and MessagesTable: no SMS is "
        "sent without that table.",
    )


def _event(target: Target) -> bytes:
    event = {
        "type": "track",
        "event": "Deployment Verified",
        "messageId": _message_id(target),
        "properties": {"phone": _PHONE, "message": "A test of segment-msg91: never sent."},
    }
    return json.dumps(event).encode()


def _message_id(target: Target) -> str:
    return f"{target.marker}-invalid"


def _key(target: Target) -> str:
    """Return the key that the answer names, for a run that was stopped before it came."""
    return key_of(Origin(_message_id(target), "track"), _PHONE)


def _delete(target: Target, crqid: str) -> bool:
    """Delete a message; False if there was none."""
    answer = target.aws.dynamodb.delete_item(
        TableName=target.output("MessagesTableName"), Key={"crqid": {"S": crqid}}, ReturnValues="ALL_OLD"
    )
    return bool(answer.get("Attributes"))
