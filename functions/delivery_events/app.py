"""The messages table's stream: what happens to messages, back to Segment as track events."""

import logging
import warnings
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from segment_msg91.publishing import Publication, Publisher
from segment_msg91.secret import SecretReader
from segment_msg91.settings import EventSettings, SecretUnavailableError, in_lambda
from segment_msg91.store.aws import secretsmanager_client, sqs_client
from segment_msg91.store.queues import DeadLetters
from segment_msg91.tracking import Tracking
from segment_msg91.unexpected import described

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger: Final = Logger()
metrics: Final = Metrics()
# Powertools would say so, in the midst of JSON lines, of each batch without an event.
warnings.filterwarnings("ignore", "No application metrics to publish")
# The runtime gives LogLevel to every library. They quote what they send, and httpx tells of each request.
logging.getLogger().setLevel(logging.WARNING)


@cache
def wiring() -> tuple[SecretReader, Publisher]:
    """Build what a batch needs, once in an environment's life."""
    settings = EventSettings.load()
    dead_letters = DeadLetters(sqs_client, settings.dead_letter_queue_url)
    return SecretReader(secretsmanager_client(), settings.secret_id), Publisher(
        Tracking(settings.tracking_url), dead_letters
    )


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Take records of the stream; answer with the first that must come again, and so all after it."""
    records: list[dict[str, Any]] = event["Records"]
    until = datetime.now(UTC) + timedelta(milliseconds=context.get_remaining_time_in_millis())
    try:
        publication = _publish(records, until)
    except Exception as error:  # noqa: BLE001 - Lambda's runtime would log its text, which may quote the message
        logger.error("unexpected error", trouble=described(error))
        publication = Publication(done=0)
    _record(publication, len(records))
    again = records[publication.done :][:1]
    return {"batchItemFailures": [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]} for record in again]}


def _publish(records: list[dict[str, Any]], until: datetime) -> Publication:
    secret, publisher = wiring()
    try:
        write_key = secret.read().segment_write_key
    except SecretUnavailableError as error:
        return Publication(done=0, problems=[str(error)])
    if not write_key:
        return Publication(done=len(records), skipped=len(records), problems=["segment_write_key is missing"])
    return publisher.publish(records, write_key, until)


def _record(publication: Publication, records: int) -> None:
    for name, count in (
        ("DeliveryEventSent", publication.sent),
        ("DeliveryEventSkipped", publication.skipped),
        ("DeliveryEventFailed", publication.set_aside),
        ("DeliveryEventRetry", records - publication.done),
    ):
        if count:
            metrics.add_metric(name, MetricUnit.Count, count)
    is_remarkable = publication.problems or publication.done < records
    log = logger.info if is_remarkable else logger.debug
    log(
        "delivery events",
        records=records,
        sent=publication.sent,
        skipped=publication.skipped,
        set_aside=publication.set_aside,
        again=records - publication.done,
        problems=publication.problems[:3],
    )


if in_lambda():  # the init phase has a whole core, and comes before anybody waits
    wiring()
