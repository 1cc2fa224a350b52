"""POST /segment: Segment's events in, SMS out."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from segment_msg91.authentication import authenticate_segment
from segment_msg91.handler import (
    answers_errors,
    count,
    count_none,
    count_superseded,
    instrumented,
    logger,
    secret_problem,
    too_large,
)
from segment_msg91.http import Request, answer
from segment_msg91.mapping import MalformedMappingNameError, mapping_name
from segment_msg91.msg91.client import Msg91
from segment_msg91.secret import SecretReader
from segment_msg91.segment import payload as segment
from segment_msg91.settings import IngestSettings, in_lambda
from segment_msg91.store.aws import dynamodb_client, secretsmanager_client
from segment_msg91.store.messages import Messages
from segment_msg91.use_cases.segment_ingest import Result, Sender, Status, summary

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_dynamodb import DynamoDBClient

    from segment_msg91.guard_rails import GuardRails

ENDPOINT: Final = "segment"
METRIC_OF: Final = {
    Status.ACCEPTED: "SmsAccepted",
    Status.REJECTED: "SmsRejected",
    Status.INVALID: "SmsInvalid",
    Status.SKIPPED: "SmsSkipped",
    Status.DUPLICATE: "SmsDuplicate",
    Status.UNKNOWN: "SmsUnknown",
    Status.HELD: "SmsHeld",
    Status.RETRY: "SmsRetry",
    Status.IN_FLIGHT: "SmsRetry",
}
# By the alarms of failed sends.
_COMPARED: Final = ("SmsAccepted", "SmsRejected", "SmsInvalid")
_ROUTINE: Final = frozenset({Status.ACCEPTED, Status.DUPLICATE, Status.SKIPPED})
# An alarm may lead to them, at any LogLevel but ERROR.
_PROBLEMS: Final = frozenset({Status.INVALID, Status.REJECTED, Status.HELD, Status.UNKNOWN})


@cache
def wiring() -> tuple[SecretReader, Sender]:
    """Build what an event needs, once in an environment's life."""
    settings = IngestSettings.load()
    secret = SecretReader(secretsmanager_client(), settings.secret_id, on_problem=secret_problem)
    dynamodb = dynamodb_client()
    sender = Sender(
        settings,
        Messages(dynamodb, settings.messages_table, settings.retention),
        Msg91(settings.msg91_base_url),
        fresh_authkey=secret.fresh_authkey,
        guard_rails=_guard_rails(settings, dynamodb),
    )
    return secret, sender


def _guard_rails(settings: IngestSettings, dynamodb: "DynamoDBClient") -> "GuardRails | None":
    """Import the guard rails only if they are on, because they add to a cold start."""
    if settings.guard_rails is None:
        return None
    from segment_msg91.guard_rails import GuardRails  # noqa: PLC0415 - see above

    return GuardRails(dynamodb, settings, settings.guard_rails)


@instrumented
@answers_errors(ENDPOINT, "Deliver the events again.")
def lambda_handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Answer a request of API Gateway's (payload 2.0)."""
    secret, sender = wiring()
    request = Request.of(event)
    secrets = secret.read()
    authenticate_segment(request, secrets)
    if request.is_too_large:
        return too_large(request, ENDPOINT, "; make Segment's batches smaller")
    try:
        name = mapping_name(request.query.get("mapping"))
    except MalformedMappingNameError as error:
        count("Malformed", endpoint=ENDPOINT)
        logger.warning("malformed mapping name", reason=str(error))
        return answer(503, f"{error}; correct the URL in Segment, which delivers the events again until then.")
    try:
        delivery = segment.split(request.body)
    except segment.MalformedBodyError as error:
        count("Malformed", endpoint=ENDPOINT)
        logger.warning("malformed body", reason=str(error))
        return answer(400, str(error))
    deadline = datetime.now(UTC) + timedelta(milliseconds=context.get_remaining_time_in_millis())
    results = sender.send(delivery.events, secrets.msg91_authkey, deadline, name)
    _record(results)
    status, message = summary(results, is_batch=delivery.is_batch)
    return answer(status, message, results=[result.as_json() for result in results])


def _metric_of(result: Result) -> str | None:
    """Return the metric that counts a result. A message in doubt is in SmsUnknown once, its repeated events are not."""
    return METRIC_OF[Status.DUPLICATE] if result.was_in_doubt else METRIC_OF.get(result.status)


def _record(results: list[Result]) -> None:
    """Count all results. Log those that a person may have to look into; the others only at DEBUG, because logs cost."""
    counts = Counter(filter(None, map(_metric_of, results)))
    for name, number in counts.items():
        count(name, number)
    if counts["SmsRejected"] or counts["SmsInvalid"]:
        count_none(*(name for name in _COMPARED if not counts[name]))
    suppressed = [result.suppressed_because for result in results if result.status is Status.SUPPRESSED]
    for because, number in Counter(filter(None, suppressed)).items():
        count("SmsSuppressed", number, because=because)
    for category, number in Counter(result.failure_category for result in results if result.failure_category).items():
        count("FailureCategory", number, category=category)
    superseded = [result.superseded for result in results if result.superseded]
    if superseded:
        statuses = Counter(one.status for one in superseded if one.status)
        count_superseded(statuses, Counter(one.category for one in superseded if one.category))
    for result in results:
        log = _log_of(result)
        log(
            "event",
            status=result.status,
            message_id=result.message_id,
            crqid=result.crqid,
            request_id=result.request_id,
            error_code=result.error_code,
            failure_category=result.failure_category,
            reason=None if result.is_quote else result.reason,  # a quoted text may contain a number
        )


def _log_of(result: Result) -> "Callable[..., None]":
    if result.status in _PROBLEMS:
        return logger.warning
    return logger.debug if result.status in _ROUTINE else logger.info


if in_lambda():  # the init phase has a whole core, and no request waits for it
    wiring()
