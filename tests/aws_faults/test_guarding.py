"""Without an answer of the recipients table nothing is sent, and nothing that must not be sent ever is."""

from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.aws_faults.faults import CONFLICTS, FAULTS, LASTING, PARTIAL, Fault, Site, injected
from tests.aws_faults.test_sending import EACH_LASTING_FAULT, PHONES, SETTLE, expect_each_sent_once

if TYPE_CHECKING:
    from tests.aws_faults.conftest import World
    from tests.fakes.events import Track

_FUNCTION: Final = "SegmentIngestFunction"
COUNT: Final = Site(_FUNCTION, "UpdateItem", "RecipientsTable")
READ: Final = Site(_FUNCTION, "BatchGetItem", "RecipientsTable")
COUNT_MANY: Final = Site(_FUNCTION, "TransactWriteItems", "RecipientsTable")
OPT_OUT_BY_REPORT: Final = Site("DeliveryReportsFunction", "UpdateItem", "RecipientsTable")
EACH_FAULT: Final = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
BLOCKED: Final = {
    "requestId": "r-1",
    "number": PHONES[0],
    "status": "17",
    "desc": "Blocked number",
    "date": "2026-01-02 08:34:10",
}


@pytest.fixture
def batch(track: "Track") -> list[dict[str, Any]]:
    return [track(phone, f"message-{phone}") for phone in PHONES]


def _opted_out(phone: str) -> dict[str, Any]:
    return {"type": "track", "event": "SMS Opted Out", "messageId": f"out-{phone}", "properties": {"phone": phone}}


@EACH_FAULT
def test_an_event_is_sent_once_or_not_before_a_retry(world: "World", batch: list[dict[str, Any]], fault: Fault) -> None:
    with injected(world.aws, {COUNT: fault}):
        reply = world.deliver(batch[0])
    assert (reply.status, sum(world.sent().values())) in ((200, 1), (503, 0))
    expect_each_sent_once(world, batch[:1])


@EACH_FAULT
@pytest.mark.parametrize("site", [READ, COUNT_MANY], ids=["read", "count"])
def test_a_batch_is_sent_once_or_not_before_a_retry(
    world: "World", batch: list[dict[str, Any]], site: Site, fault: Fault
) -> None:
    with injected(world.aws, {site: fault}):
        reply = world.deliver(*batch)
    assert (reply.status, sum(world.sent().values())) in ((200, 3), (503, 0))
    expect_each_sent_once(world, batch)


@pytest.mark.parametrize("fault", LASTING.values(), ids=LASTING.keys())
def test_while_the_table_is_away_nothing_is_sent(world: "World", batch: list[dict[str, Any]], fault: Fault) -> None:
    with injected(world.aws, {COUNT: fault}):
        assert (world.deliver(batch[0]).status, world.sent()) == (503, {})
    with injected(world.aws, {READ: fault}):
        assert (world.deliver(*batch).status, world.sent()) == (503, {})


@pytest.mark.parametrize("fault", CONFLICTS.values(), ids=CONFLICTS.keys())
def test_a_batch_in_conflict_with_another_write_is_sent_once(
    world: "World", batch: list[dict[str, Any]], fault: Fault
) -> None:
    with injected(world.aws, {COUNT_MANY: fault}):
        world.deliver(*batch)
    expect_each_sent_once(world, batch)


@pytest.mark.parametrize("fault", PARTIAL.values(), ids=PARTIAL.keys())
def test_of_numbers_that_are_only_read_in_part_none_that_has_opted_out_is_sent_to(
    world: "World", batch: list[dict[str, Any]], fault: Fault
) -> None:
    assert world.deliver(*map(_opted_out, PHONES)).status == 200
    with injected(world.aws, {READ: fault}):
        world.deliver(*batch)
    assert world.sent() == {}
    assert set(world.deliver(*batch).outcomes) <= {"suppressed", "duplicate"}


@EACH_FAULT
@pytest.mark.parametrize("site", [READ, COUNT], ids=["read", "write"])
def test_an_opt_out_that_is_answered_200_is_stored(world: "World", site: Site, fault: Fault) -> None:
    with injected(world.aws, {site: fault}):
        status = world.deliver(_opted_out(PHONES[0])).status
    stored = [item["phone"] for item in world.aws.items("RecipientsTable")]
    assert (status, stored) in ((200, [PHONES[0]]), (503, []), (503, [PHONES[0]]))
    assert world.deliver(_opted_out(PHONES[0])).status == 200
    assert [item["phone"] for item in world.aws.items("RecipientsTable")] == [PHONES[0]]


@EACH_LASTING_FAULT
def test_a_refusal_that_cannot_be_written_is_never_sent(
    world: "World", batch: list[dict[str, Any]], fault: Fault
) -> None:
    world.deliver(_opted_out(PHONES[0]))
    with injected(world.aws, {SETTLE: fault}):
        assert world.deliver(batch[0]).status in (200, 503)
    world.leases_run_out()
    assert set(world.deliver(batch[0]).outcomes) <= {"suppressed", "duplicate", "unknown"}
    assert world.sent() == {}


@EACH_LASTING_FAULT
def test_a_report_whose_opt_out_is_not_stored_is_stored_later(world: "World", fault: Fault) -> None:
    with injected(world.aws, {OPT_OUT_BY_REPORT: fault}):
        assert world.report(BLOCKED).status == 202
    assert world.aws.items("ReportsTable") == []
    world.redrive()
    assert [item["phone"] for item in world.aws.items("RecipientsTable")] == [PHONES[0]]
    assert len(world.aws.items("ReportsTable")) == 1
