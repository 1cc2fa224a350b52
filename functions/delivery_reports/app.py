"""POST /msg91/reports[/{token}]: MSG91's delivery reports in, from its webhook and from the redrive queue."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from segment_msg91.authentication import authenticate_msg91
from segment_msg91.handler import answers_errors, count, count_reports, instrumented, logger, secret_problem, too_large
from segment_msg91.http import Request, answer
from segment_msg91.recording import Recorder
from segment_msg91.redaction import redacted
from segment_msg91.secret import SecretReader
from segment_msg91.settings import ReportSettings, in_lambda
from segment_msg91.store.aws import dynamodb_client, secretsmanager_client, sqs_client
from segment_msg91.store.messages import Messages
from segment_msg91.store.queues import Queue
from segment_msg91.store.reports import Reports
from segment_msg91.use_cases.delivery_reports import NotDurableError, Receipt, Reporter

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_dynamodb import DynamoDBClient

    from segment_msg91.guard_rails import ReportedOptOuts

ENDPOINT: Final = "msg91"


@cache
def wiring() -> tuple[SecretReader, Reporter]:
    """Build what a report needs, once in an environment's life."""
    settings = ReportSettings.load()
    dynamodb = dynamodb_client()
    reporter = Reporter(
        Recorder(
            Messages(dynamodb, settings.messages_table, settings.retention),
            Reports(dynamodb, settings.reports_table, settings.retention),
            _opt_outs(settings, dynamodb),
        ),
        redrive=Queue(sqs_client, settings.redrive_queue_url),
        quarantine=Queue(sqs_client, settings.quarantine_queue_url),
        zone=settings.msg91_zone,
    )
    return SecretReader(secretsmanager_client(), settings.secret_id, on_problem=secret_problem), reporter


def _opt_outs(settings: ReportSettings, dynamodb: "DynamoDBClient") -> "ReportedOptOuts | None":
    """Import the guard rails only if reports opt numbers out, because they add to a cold start."""
    if settings.opt_outs_table is None:
        return None
    from segment_msg91.guard_rails import ReportedOptOuts  # noqa: PLC0415 - see above

    return ReportedOptOuts(dynamodb, settings.opt_outs_table, settings.retention)


@instrumented
def lambda_handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Answer a request of API Gateway's (payload 2.0), or take records of the redrive queue."""
    return _redrive(event["Records"], context) if "Records" in event else _receive(event, context)


@answers_errors(ENDPOINT, "Send the report again.")
def _receive(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    secret, reporter = wiring()
    request = Request.of(event)
    authenticate_msg91(request, secret.read())
    if request.is_too_large:
        return too_large(request, ENDPOINT, "")
    try:
        receipt = reporter.receive(request.body, request.headers.get("content-type", ""), _deadline(context))
    except NotDurableError as error:
        logger.error("report not durable", reason=str(error))
        _record(error.receipt)
        return answer(503, "Neither the database nor the queue took the report; send it again.")
    _record(receipt)
    return answer(
        receipt.http_status,
        receipt.message,
        stored=receipt.stored,
        duplicates=receipt.duplicates,
        quarantined=receipt.quarantined,
    )


def _redrive(records: list[dict[str, Any]], context: "LambdaContext") -> dict[str, Any]:
    """Store queued bodies. Those that fail stay in the queue, and go to the quarantine after twenty tries."""
    _, reporter = wiring()
    failed: list[dict[str, str]] = []
    for record in records:
        try:
            _record(reporter.redrive(record, _deadline(context)))
        except Exception as error:  # noqa: BLE001 - after any error the queue keeps this record, and only this one
            logger.error("redrive failed", sqs_message_id=record["messageId"], exception=redacted(error))
            if isinstance(error, NotDurableError):
                _record(error.receipt)
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


def _deadline(context: "LambdaContext") -> datetime:
    return datetime.now(UTC) + timedelta(milliseconds=context.get_remaining_time_in_millis())


def _record(receipt: Receipt) -> None:
    count("ReportStored", receipt.stored)
    count("ReportDuplicate", receipt.duplicates)
    count("ReportUnmatched", receipt.unmatched)
    count("ReportQuarantined", receipt.quarantined)
    count_reports(receipt)
    needs_attention = receipt.unmatched or receipt.conflicts or receipt.quarantined or receipt.queued
    log = logger.info if needs_attention else logger.debug
    log(
        "reports",
        stored=receipt.stored,
        duplicates=receipt.duplicates,
        unmatched=receipt.unmatched,
        quarantined=receipt.quarantined,
        queued=receipt.queued,
        problems=receipt.problems[:3],
    )


if in_lambda():  # the init phase has a whole core, and no request waits for it
    wiring()
