"""A report that was answered 2xx is in the table or in a queue, under any fault of DynamoDB and SQS."""

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.aws_faults.faults import FAULTS, LASTING, REFUSED, Fault, Site, injected

if TYPE_CHECKING:
    from tests.aws_faults.conftest import Reply, World
    from tests.fakes.events import Track

_FUNCTION: Final = "DeliveryReportsFunction"
APPLY: Final = Site(_FUNCTION, "UpdateItem", "MessagesTable")
FIND: Final = Site(_FUNCTION, "Query", "MessagesTable/index/by_request_id")
RECORD: Final = Site(_FUNCTION, "PutItem", "ReportsTable")
MATCH: Final = Site(_FUNCTION, "UpdateItem", "ReportsTable")
KEEP: Final = Site(_FUNCTION, "SendMessage", "ReportsRedriveQueue")
QUARANTINE: Final = Site(_FUNCTION, "SendMessage", "ReportsQuarantineQueue")
SECRET: Final = Site(_FUNCTION, "GetSecretValue", "Secret")

EACH_FAULT: Final = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
EACH_LASTING_FAULT: Final = pytest.mark.parametrize("fault", LASTING.values(), ids=LASTING.keys())
EACH_SITE: Final = pytest.mark.parametrize("site", [APPLY, FIND, RECORD], ids=["apply", "find", "record"])
PHONE: Final = "919800000001"


@pytest.fixture
def message(world: "World", track: "Track") -> dict[str, Any]:
    """An SMS that MSG91 has accepted."""
    world.deliver(track(PHONE))
    (message,) = world.aws.items("MessagesTable")
    return message


@pytest.fixture
def report(message: dict[str, Any]) -> dict[str, Any]:
    """Without a CRQID, so that its message must be found by request id and number."""
    return {
        "date": "2026-01-02 08:34:10",
        "number": PHONE,
        "requestId": message["request_id"],
        "CRQID": "0",
        "status": "1",
        "desc": "DELIVERED",
    }


def expect_durable(world: "World", reply: "Reply") -> None:
    """Or it was answered 5xx, so MSG91 knows that it is not."""
    kept = sum(map(world.queued, ("ReportsRedriveQueue", "ReportsQuarantineQueue")))
    assert reply.status == 503 or world.aws.items("ReportsTable") or kept


def expect_done(world: "World") -> None:
    """After the faults, drain the queue: the report is stored once and joined to its message."""
    while world.redrive():
        pass
    (stored,) = world.aws.items("ReportsTable")
    (message,) = world.aws.items("MessagesTable")
    assert (message["delivery_status"], stored.get("matched")) == ("delivered", message["crqid"])
    assert world.queued("ReportsRedriveQueue") == 0


@EACH_FAULT
@EACH_SITE
def test_a_report_is_durable(world: "World", report: dict[str, Any], site: Site, fault: Fault) -> None:
    with injected(world.aws, {site: fault}):
        reply = world.report(report)
    expect_durable(world, reply)
    expect_done(world)


@EACH_LASTING_FAULT
def test_a_report_that_overtook_its_message_is_joined_to_it(
    world: "World", message: dict[str, Any], report: dict[str, Any], fault: Fault
) -> None:
    messages = world.aws.tables.Table("MessagesTable")
    messages.delete_item(Key={"crqid": message["crqid"]})
    world.report(report)
    messages.put_item(Item=message)
    with injected(world.aws, {MATCH: fault}):
        reply = world.report(report)
    expect_durable(world, reply)
    expect_done(world)


@EACH_FAULT
def test_a_report_is_in_the_queue_or_refused_when_dynamodb_takes_nothing(
    world: "World", report: dict[str, Any], fault: Fault
) -> None:
    with injected(world.aws, {RECORD: REFUSED, KEEP: fault}):
        reply = world.report(report)
    assert reply.status == 503 or world.queued("ReportsRedriveQueue")
    if reply.status == 503:
        world.report(report)
    expect_done(world)


@EACH_FAULT
def test_what_cannot_be_read_is_in_the_quarantine_or_goes_there_later(world: "World", fault: Fault) -> None:
    with injected(world.aws, {QUARANTINE: fault}):
        reply = world.report({"odd": "body"})
    expect_durable(world, reply)
    while world.redrive():
        pass
    assert reply.status == 503 or world.queued("ReportsQuarantineQueue")


@EACH_LASTING_FAULT
@EACH_SITE
def test_a_queued_report_stays_in_the_queue_until_it_is_stored(
    world: "World", report: dict[str, Any], site: Site, fault: Fault
) -> None:
    with injected(world.aws, {RECORD: REFUSED}):
        world.report(report)
    with injected(world.aws, {site: fault}):
        world.redrive()
    assert world.queued("ReportsRedriveQueue") or world.aws.items("ReportsTable")
    expect_done(world)


@EACH_LASTING_FAULT
def test_no_report_is_taken_while_the_secret_cannot_be_read(
    world: "World", report: dict[str, Any], fault: Fault
) -> None:
    with injected(world.aws, {SECRET: fault}):
        reply = world.report(report)
    assert reply.status in (200, 503)
    assert bool(world.aws.items("ReportsTable")) == (reply.status == 200)


@EACH_LASTING_FAULT
def test_a_part_of_a_body_that_fails_does_not_lose_the_rest(
    world: "World", report: dict[str, Any], fault: Fault
) -> None:
    body = [report | {"number": f"91980000000{number}"} for number in range(1, 5)]
    marked = Site(RECORD.function, RECORD.operation, RECORD.resource, json.dumps(body[2]["number"]).encode())
    with injected(world.aws, {marked: fault}):
        reply = world.report(body)
    assert 200 <= reply.status < 300
    while world.redrive():
        pass
    assert {stored["phone"] for stored in world.aws.items("ReportsTable")} == {one["number"] for one in body}
