"""Checks of MSG91's route: a report is stored, an unreadable one is quarantined, and both are removed again."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import httpx

from scripts.verify.gateway import Route
from scripts.verify.results import Result, failed, ok, skipped, warning
from scripts.verify.target import Target, json_of, words_of

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

ROUTE: Final = Route(
    "DeliveryReportsFunction",
    ("ReportRequestsPerSecond", "ReportRequestBurst"),
    "If only requests with the secret's report_token are answered so, the token has a / or another character that a "
    "URL path cannot carry: make another one (docs/operations.md#rotate-a-credential). Otherwise Msg91ReportsUrl leads "
    "to another API: run make build and sam deploy from this checkout.",
)
_STORED: Final = 200
_KEPT: Final = 202
_REFUSED: Final = 401
_IST: Final = timedelta(hours=5, minutes=30)
_NUMBER: Final = "919800000099"
"""Of the made-up report. It is deleted with it."""
_QUARANTINE_WITHIN: Final = 30.0
_HIDDEN_FOR: Final = 120
"""Maximum seconds that other bodies in the quarantine are invisible, if this run is killed."""
_POLL: Final = 2
"""Seconds that SQS may search for bodies. Without them, it asks some of its servers only, and may find none."""
_MAX_OTHERS: Final = 1000
_LOG: Final = "Look at the log of DeliveryReportsFunction."


class _TooManyBodiesError(Exception):
    """The quarantine queue has more bodies than this run looks at."""


def wrong_token_is_refused(target: Target) -> Result:
    """Check that reports without the token are refused, with a wrong one and with none."""
    url = target.output("Msg91ReportsUrl")
    for what, path in (("a wrong token", target.marker), ("no token", "")):
        response = _post_report(target, url.replace("REPORT_TOKEN", path).rstrip("/"), _refused_id(target))
        if response.is_success:
            return failed(
                f"A report with {what} was accepted ({words_of(response)}).",
                "Anyone who knows the URL could invent delivery reports. Check what is between the URL and the "
                "function, and authentication.py of the deployed version.",
            )
        if response.status_code != _REFUSED:
            return failed(f"A report with {what} should be answered 401, and was: {words_of(response)}.", _LOG)
    return ok("A report with a wrong token, and one without, is answered 401.")


def report_is_stored(target: Target) -> Result:
    """Check that a report for a message that does not exist is stored."""
    response = _post_report(target, _url(target), target.marker)
    if response.status_code == _STORED and json_of(response).get("stored") == 1:
        return ok("A report for a message that does not exist is stored (200).")
    if response.status_code == _KEPT:
        return failed(
            f"The report was queued instead of stored ({words_of(response)}).",
            f"DynamoDB refuses the function. {_LOG} Check its role, ReportsTable, and MessagesTable with its index "
            "by_request_id. The made-up report may be stored when the queue is retried: run this again after the "
            f"repair, and make forget with its number, {_NUMBER}.",
        )
    return _not_taken(response, "The report should be stored")


def report_is_known(target: Target) -> Result:
    """Check that the same report again changes nothing."""
    response = _post_report(target, _url(target), target.marker)
    if response.status_code == _STORED and json_of(response).get("duplicates") == 1:
        return ok("The same report again is recognised, and not stored twice.")
    return failed(f"The same report again should be a duplicate, and was answered: {words_of(response)}.", _LOG)


def report_is_found(target: Target) -> Result:
    """Check that the report is in the table that the outputs name."""
    keys = list(_keys(target, target.marker))
    if len(keys) == 1:
        return ok("The report is in ReportsTable, once.")
    return failed(
        f"ReportsTable has {len(keys)} reports under the request id {target.marker} instead of one.",
        "The function writes to another table, or repeats are not recognised. Compare its REPORTS_TABLE with the "
        "output ReportsTableName.",
    )


def report_is_deleted(target: Target) -> Result:
    """Delete what this run stored."""
    if not delete(target):
        return skipped("There is nothing to delete.")
    if not list(_all_keys(target)):
        return ok("The report is deleted again.")
    return failed("The report is deleted, but ReportsTable has it again.", left_report(target))


def unreadable_report_is_kept(target: Target) -> Result:
    """Check that a body that is not a report is quarantined."""
    body = f"{target.marker} is no delivery report".encode()
    response = target.http.post(_url(target), content=body, headers={"content-type": "text/plain"})
    ROUTE.checked(target, response)
    if response.status_code == _KEPT and json_of(response).get("quarantined") == 1:
        return ok("A body that is no report is put into quarantine (202).")
    if response.status_code == _KEPT:
        return failed(
            "A body that is no report waits in the redrive queue, because the quarantine queue does not take it.",
            f"{_LOG} Check ReportsQuarantineQueue and the function's permission to send to it. The body moves to the "
            "quarantine after an hour of retries, if the queue is repaired: delete it there.",
        )
    return _not_taken(response, "A body that is no report should be quarantined (202)")


def unreadable_report_is_taken_out(target: Target) -> Result:
    """Find the body in the quarantine queue and delete only it."""
    try:
        is_taken_out = take_out(target)
    except _TooManyBodiesError:
        return warning(
            f"ReportsQuarantineQueue has more than {_MAX_OTHERS:,} other bodies. This run looks at no more, and has "
            "not seen its own.",
            f"Find out why they are there: docs/operations.md#reports-are-quarantined. {left_body(target)}",
        )
    if is_taken_out:
        return ok("It was in the quarantine queue unchanged, and is removed again.")
    return failed(
        "The function says that it put the body into quarantine, but it is not in ReportsQuarantineQueue.",
        "Such reports are lost. Compare the function's REPORTS_QUARANTINE_QUEUE_URL with the output "
        "ReportsQuarantineQueueUrl, and see whether something else empties that queue.",
    )


def left_report(target: Target) -> str:
    """Say which reports a run may leave in the table, and how to delete them."""
    return (
        f"Reports of this run may still be in ReportsTable, under request ids that begin with {target.marker}. Delete "
        f"them: make forget STACK={target.stack} DELETE=1, and enter the number {_NUMBER}."
    )


def left_body(target: Target) -> str:
    """Say which body a run may leave in the quarantine, and how to delete it."""
    return (
        f"A body of this run may still be in ReportsQuarantineQueue. It begins with {target.marker}. Delete it: "
        "docs/operations.md#redrive-the-quarantine."
    )


def _not_taken(response: httpx.Response, wanted: str) -> Result:
    if response.status_code == _REFUSED:
        return failed(
            "The secret's report_token is refused.",
            "If the secret was changed in the last five minutes, wait and run this again. Otherwise the functions read "
            "another secret. MSG91's webhook URL must end with the same token.",
        )
    return failed(f"{wanted}, and was answered: {words_of(response)}.", _LOG)


def _url(target: Target) -> str:
    return target.output("Msg91ReportsUrl").replace("REPORT_TOKEN", target.credential("report_token"))


def _refused_id(target: Target) -> str:
    """Return another request id than that of the stored report, so that the report would not look like a repeat."""
    return f"{target.marker}-refused"


def _post_report(target: Target, url: str, request_id: str) -> httpx.Response:
    """Post a report in the form that the README recommends (v2). The same id gives the same report."""
    report = {
        "date": f"{target.started + _IST:%Y-%m-%d %H:%M:%S}",
        "number": _NUMBER,
        "status": "1",
        "desc": "DELIVERED",
    }
    data = json.dumps([{"requestId": request_id, "senderId": "VERIFY", "report": [report]}])
    return ROUTE.checked(target, target.http.post(url, data={"data": data}))


def _keys(target: Target, request_id: str) -> Iterator[dict[str, Any]]:
    """Yield the keys of the reports that this run stored under a request id."""
    found = target.aws.dynamodb.query(
        TableName=target.output("ReportsTableName"),
        KeyConditionExpression="report_group = :group",
        ExpressionAttributeValues={":group": {"S": request_id}},
        ConsistentRead=True,
    )
    for item in found["Items"]:
        yield {name: item[name] for name in ("report_group", "report_id")}


def _all_keys(target: Target) -> Iterator[dict[str, Any]]:
    for request_id in (target.marker, _refused_id(target)):
        yield from _keys(target, request_id)


def delete(target: Target) -> int:
    """Delete the reports that this run has stored, and return how many that were."""
    keys = list(_all_keys(target))
    for key in keys:
        target.aws.dynamodb.delete_item(TableName=target.output("ReportsTableName"), Key=key)
    return len(keys)


def take_out(target: Target, within: float = _QUARANTINE_WITHIN) -> bool:
    """Delete this run's body from the quarantine queue. Other bodies are visible again when it returns.

    Raises _TooManyBodiesError.
    """
    queue = target.output("ReportsQuarantineQueueUrl")
    others: list[str] = []
    try:
        for _ in target.waiting("the quarantine queue", min(within, target.timeout)):
            while messages := _receive(target, queue):
                own = [message for message in messages if target.marker in message.get("Body", "")]
                others += [message["ReceiptHandle"] for message in messages if message not in own]
                for message in own:
                    target.aws.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
                if own:
                    return True
                if len(others) > _MAX_OTHERS:
                    raise _TooManyBodiesError
    finally:
        for handle in others:
            target.aws.sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=0)
    return False


def _receive(target: Target, queue: str) -> list["MessageTypeDef"]:
    received = target.aws.sqs.receive_message(
        QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=_HIDDEN_FOR, WaitTimeSeconds=_POLL
    )
    return received.get("Messages", [])
