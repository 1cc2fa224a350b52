"""POST /msg91/reports[/{token}]: MSG91's delivery reports in; and again from the redrive queue."""

import logging
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import MetricUnit

from segment_msg91.api_gateway import Request, answer
from segment_msg91.authentication import UnauthorizedError, authenticate_msg91
from segment_msg91.reporting import NotDurableError, Receipt, Reporter
from segment_msg91.secret import SecretReader
from segment_msg91.settings import ReportSettings, SecretUnavailableError, in_lambda
from segment_msg91.store.aws import dynamodb_client, secretsmanager_client, sqs_client
from segment_msg91.store.messages import Messages
from segment_msg91.store.queues import Queue
from segment_msg91.store.reports import Reports
from segment_msg91.unexpected import described

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger: Final = Logger()
metrics: Final = Metrics()
# Powertools would say so, in the midst of JSON lines, of each request that is refused.
warnings.filterwarnings("ignore", "No application metrics to publish")
# The runtime gives LogLevel to every library. They quote what they send, and httpx tells of each request.
logging.getLogger().setLevel(logging.WARNING)


@cache
def wiring() -> tuple[SecretReader, Reporter]:
    """Build what a report needs, once in an environment's life."""
    settings = ReportSettings.load()
    dynamodb = dynamodb_client()
    reporter = Reporter(
        Messages(dynamodb, settings.messages_table, settings.retention),
        Reports(dynamodb, settings.reports_table, settings.retention),
        redrive=Queue(sqs_client, settings.redrive_queue_url),
        quarantine=Queue(sqs_client, settings.quarantine_queue_url),
        zone=settings.msg91_zone,
    )
    return SecretReader(secretsmanager_client(), settings.secret_id), reporter


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:  # noqa: ARG001 - the decorators'
    """Answer a request of API Gateway's (payload 2.0), or take records of the redrive queue."""
    if "Records" in event:
        return _redrive(event["Records"])
    try:
        return _receive(event)
    except Exception as error:  # noqa: BLE001 - Lambda's runtime would log its text, which may quote the report
        logger.error("unexpected error", trouble=described(error))
        return answer(503, "Unexpected error; the function's log names it. Send the report again.")


def _receive(event: dict[str, Any]) -> dict[str, Any]:
    secret, reporter = wiring()
    request = Request.of(event)
    try:
        authenticate_msg91(request, secret.read())
        if request.is_too_large:
            logger.warning("too large", bytes=len(request.body))
            return answer(413, "The body is over 5 MB.")
        receipt = reporter.receive(request.body, request.headers.get("content-type", ""))
    except SecretUnavailableError as error:
        logger.error("secret unavailable", reason=str(error))
        return answer(503, "The secret can't be read now, so nobody can be authenticated; try again.")
    except UnauthorizedError as error:
        logger.warning("unauthorized")
        return answer(401, str(error))
    except NotDurableError as error:
        logger.error("report not durable", reason=str(error))
        return answer(503, "Neither the database nor the queue took the report; send it again.")
    _record(receipt)
    return answer(
        receipt.http_status,
        receipt.message,
        stored=receipt.stored,
        duplicates=receipt.duplicates,
        quarantined=receipt.quarantined,
    )


def _redrive(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Store queued bodies. Those that fail stay in the queue, and go to the quarantine after twenty tries."""
    _, reporter = wiring()
    failed: list[dict[str, str]] = []
    for record in records:
        try:
            _record(reporter.redrive(record))
        except Exception as error:  # noqa: BLE001 - whatever it is, the queue keeps this record and only this one
            logger.error("redrive failed", sqs_message_id=record["messageId"], trouble=described(error))
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


def _record(receipt: Receipt) -> None:
    for name, count in (
        ("ReportStored", receipt.stored),
        ("ReportDuplicate", receipt.duplicates),
        ("ReportUnmatched", receipt.unmatched),
        ("ReportQuarantined", receipt.quarantined),
        ("ReportConflict", receipt.conflicts),
    ):
        if count:
            metrics.add_metric(name, MetricUnit.Count, count)
    for latency in receipt.latencies:
        metrics.add_metric("DeliveryLatency", MetricUnit.Seconds, latency)
    for status, count in receipt.statuses.items():
        with single_metric("DeliveryStatus", MetricUnit.Count, count) as metric:
            metric.add_dimension("status", status)
    for category, count in receipt.categories.items():
        with single_metric("FailureCategory", MetricUnit.Count, count) as metric:
            metric.add_dimension("category", category)
    is_remarkable = receipt.unmatched or receipt.conflicts or receipt.quarantined or receipt.queued
    log = logger.info if is_remarkable else logger.debug
    log(
        "reports",
        stored=receipt.stored,
        duplicates=receipt.duplicates,
        unmatched=receipt.unmatched,
        quarantined=receipt.quarantined,
        queued=receipt.queued,
        problems=receipt.problems[:3],
    )


if in_lambda():  # the init phase has a whole core, and comes before anybody waits
    wiring()
