"""The messages table's stream in, track events to Segment out."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from segment_msg91.handler import count, instrumented, logger, secret_problem
from segment_msg91.redaction import redacted
from segment_msg91.secret import SecretReader
from segment_msg91.segment.tracking_api import Tracking
from segment_msg91.settings import EventSettings, SecretUnavailableError, in_lambda
from segment_msg91.store.aws import secretsmanager_client, sqs_client
from segment_msg91.store.queues import DeadLetters
from segment_msg91.use_cases.delivery_events import Publication, Publisher

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@cache
def wiring() -> tuple[SecretReader, Publisher]:
    """Build what a batch needs, once in an environment's life."""
    settings = EventSettings.load()
    dead_letters = DeadLetters(sqs_client, settings.dead_letter_queue_url)
    secret = SecretReader(secretsmanager_client(), settings.secret_id, on_problem=secret_problem)
    return secret, Publisher(Tracking(settings.tracking_url), dead_letters)


@instrumented
def lambda_handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Handle records of the stream; return the first one that must be retried, which retries all after it as well."""
    records: list[dict[str, Any]] = event["Records"]
    deadline = datetime.now(UTC) + timedelta(milliseconds=context.get_remaining_time_in_millis())
    try:
        publication = _publish(records, deadline)
    except Exception as error:  # noqa: BLE001 - Lambda's runtime would log its text, which may quote the message
        logger.error("unexpected error", exception=redacted(error))
        publication = Publication(checkpoint=0)
    _record(publication, len(records))
    retried = records[publication.checkpoint :][:1]
    return {"batchItemFailures": [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]} for record in retried]}


def _publish(records: list[dict[str, Any]], deadline: datetime) -> Publication:
    secret, publisher = wiring()
    try:
        write_key = secret.read().segment_write_key
    except SecretUnavailableError as error:
        return Publication(checkpoint=0, problems=[str(error)])
    if not write_key:
        return Publication(checkpoint=len(records), skipped=len(records), problems=["segment_write_key is missing"])
    return publisher.publish(records, write_key, deadline)


def _record(publication: Publication, records: int) -> None:
    count("DeliveryEventSent", publication.sent)
    count("DeliveryEventSkipped", publication.skipped)
    count("DeliveryEventFailed", publication.dead_lettered)
    count("DeliveryEventRetry", records - publication.checkpoint)
    needs_attention = publication.problems or publication.checkpoint < records
    log = logger.info if needs_attention else logger.debug
    log(
        "delivery events",
        records=records,
        sent=publication.sent,
        skipped=publication.skipped,
        dead_lettered=publication.dead_lettered,
        retried=records - publication.checkpoint,
        problems=publication.problems[:3],
    )


if in_lambda():  # the init phase has a whole core, and no request waits for it
    wiring()
