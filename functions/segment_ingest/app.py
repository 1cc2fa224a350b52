"""POST /segment: Segment's events in, SMS out."""

import logging
import warnings
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import MetricUnit

from segment_msg91 import segment
from segment_msg91.api_gateway import Request, answer
from segment_msg91.authentication import UnauthorizedError, authenticate_segment
from segment_msg91.msg91 import Msg91
from segment_msg91.secret import SecretReader
from segment_msg91.sending import Result, Sender, Status, summary
from segment_msg91.settings import IngestSettings, SecretUnavailableError, in_lambda
from segment_msg91.store.aws import dynamodb_client, secretsmanager_client
from segment_msg91.store.messages import Messages
from segment_msg91.unexpected import described

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger: Final = Logger()
metrics: Final = Metrics()
# Powertools would say so, in the midst of JSON lines, of each request that is refused.
warnings.filterwarnings("ignore", "No application metrics to publish")
# The runtime gives LogLevel to every library. They quote what they send, and httpx tells of each request.
logging.getLogger().setLevel(logging.WARNING)

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
_UNREMARKABLE: Final = frozenset({Status.ACCEPTED, Status.DUPLICATE, Status.SKIPPED})


@cache
def wiring() -> tuple[SecretReader, Sender]:
    """Build what an event needs, once in an environment's life."""
    settings = IngestSettings.load()
    secret = SecretReader(secretsmanager_client(), settings.secret_id)
    messages = Messages(dynamodb_client(), settings.messages_table, settings.retention)
    return secret, Sender(settings, messages, Msg91(settings.msg91_base_url), fresh_authkey=secret.fresh_authkey)


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Answer a request of API Gateway's (payload 2.0)."""
    try:
        return _receive(event, context)
    except Exception as error:  # noqa: BLE001 - Lambda's runtime would log its text, which may quote the event
        logger.error("unexpected error", trouble=described(error))
        return answer(503, "Unexpected error; the function's log names it. Deliver the events again.")


def _receive(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    secret, sender = wiring()
    request = Request.of(event)
    try:
        secrets = secret.read()
        authenticate_segment(request, secrets)
        if request.is_too_large:
            logger.warning("too large", bytes=len(request.body))
            return answer(413, "The body is over 5 MB; make Segment's batches smaller.")
        delivery = segment.split(request.body)
    except SecretUnavailableError as error:
        logger.error("secret unavailable", reason=str(error))
        return answer(503, "The secret can't be read now, so nobody can be authenticated; try again.")
    except UnauthorizedError as error:
        logger.warning("unauthorized")
        return answer(401, str(error))
    except segment.MalformedBodyError as error:
        logger.warning("malformed body", reason=str(error))
        return answer(400, str(error))
    until = datetime.now(UTC) + timedelta(milliseconds=context.get_remaining_time_in_millis())
    results = sender.send(delivery.events, secrets.msg91_authkey, until)
    _record(results)
    status, message = summary(results, is_batch=delivery.is_batch)
    return answer(status, message, results=[result.as_json() for result in results])


def _record(results: list[Result]) -> None:
    """Count, and log what a person may have to look into; the rest, which is most, only at DEBUG: logs cost."""
    counts = Counter(result.status for result in results)
    for status, count in counts.items():
        metrics.add_metric(METRIC_OF[status], MetricUnit.Count, count)
    for category, count in Counter(result.failure_category for result in results if result.failure_category).items():
        with single_metric("FailureCategory", MetricUnit.Count, count) as metric:
            metric.add_dimension("category", category)
    for result in results:
        log = logger.debug if result.status in _UNREMARKABLE else logger.info
        # Skips have reasons of our own; others may quote MSG91, who may quote a number.
        log(
            "event",
            status=result.status,
            message_id=result.message_id,
            crqid=result.crqid,
            request_id=result.request_id,
            error_code=result.error_code,
            reason=result.reason if result.status is Status.SKIPPED else None,
        )


if in_lambda():  # the init phase has a whole core, and comes before anybody waits
    wiring()
