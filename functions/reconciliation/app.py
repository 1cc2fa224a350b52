"""On a schedule: messages without an end get one, from MSG91's logs."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from segment_msg91.handler import count, count_none, count_reports, instrumented, logger, secret_problem
from segment_msg91.msg91.logs import Logs
from segment_msg91.recording import Recorder
from segment_msg91.redaction import redacted
from segment_msg91.secret import SecretReader
from segment_msg91.settings import ReconciliationSettings, SecretUnavailableError, in_lambda
from segment_msg91.store.aws import dynamodb_client, secretsmanager_client
from segment_msg91.store.messages import Messages
from segment_msg91.store.overdue import Overdue, Positions
from segment_msg91.store.reports import Reports
from segment_msg91.use_cases.reconciliation import Reconciler, Reconciliation

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_dynamodb import DynamoDBClient

    from segment_msg91.guard_rails import ReportedOptOuts


@cache
def wiring() -> tuple[SecretReader, Reconciler]:
    """Build what a run needs, once in an environment's life."""
    settings = ReconciliationSettings.load()
    dynamodb = dynamodb_client()
    messages = Messages(dynamodb, settings.messages_table, settings.retention)
    reconciler = Reconciler(
        Overdue(dynamodb, settings.messages_table),
        Positions(dynamodb, settings.reports_table),
        messages,
        Recorder(
            messages, Reports(dynamodb, settings.reports_table, settings.retention), _opt_outs(settings, dynamodb)
        ),
        Logs(settings.msg91_base_url, settings.logs_method),
        zone=settings.msg91_zone,
        overdue_after=settings.overdue_after,
        given_up_after=settings.given_up_after,
    )
    return SecretReader(secretsmanager_client(), settings.secret_id, on_problem=secret_problem), reconciler


def _opt_outs(settings: ReconciliationSettings, dynamodb: "DynamoDBClient") -> "ReportedOptOuts | None":
    """Import the guard rails only if rows of the logs opt numbers out."""
    if settings.opt_outs_table is None:
        return None
    from segment_msg91.guard_rails import ReportedOptOuts  # noqa: PLC0415 - see above

    return ReportedOptOuts(dynamodb, settings.opt_outs_table, settings.retention)


@instrumented
def lambda_handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, int]:
    """Reconcile what is overdue, whatever the event is; return the numbers of messages."""
    del event
    deadline = datetime.now(UTC) + timedelta(milliseconds=context.get_remaining_time_in_millis())
    try:
        outcome = _reconcile(deadline)
    except Exception as error:  # noqa: BLE001 - Lambda's runtime would log its text, which may quote the data
        logger.error("unexpected error", exception=redacted(error))
        outcome = Reconciliation(problems=["unexpected error; the function's log names it"])
    _record(outcome)
    return outcome.as_json()


def _reconcile(deadline: datetime) -> Reconciliation:
    secret, reconciler = wiring()
    try:
        authkey = secret.read().msg91_authkey
    except SecretUnavailableError as error:
        return Reconciliation(problems=[str(error)])
    return reconciler.run(authkey, deadline)


def _record(outcome: Reconciliation) -> None:
    count("ReconciliationOverdue", outcome.overdue)
    count("ReconciliationFound", outcome.found)
    count("ReconciliationMissed", outcome.missed)
    count("ReconciliationFailed", bool(outcome.problems))
    count("SmsUnreported", outcome.unreported)
    count("SmsNotSent", outcome.not_sent)
    if outcome.missing:
        count("SmsMissingInLogs", outcome.missing)
        count_none("SmsAccepted")
    if outcome.silent:
        count("WebhookSilent", outcome.silent)
        count_none("ReportStored")
    count_reports(outcome.tally)
    counts = outcome.as_json() | {"unreadable": outcome.unreadable}
    if outcome.problems:
        logger.error("reconciliation incomplete", counts=counts, problems=outcome.problems[:3])
    else:
        logger.info("reconciliation", counts=counts)


if in_lambda():  # the init phase has a whole core, and no request waits for it
    wiring()
