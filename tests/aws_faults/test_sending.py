"""No SMS is sent twice and no event is lost, under any fault of DynamoDB and Secrets Manager in the ingest function."""

from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.aws_faults.faults import CONFLICTS, FAULTS, LASTING, LOST, PARTIAL, REFUSED, Fault, Site, injected

if TYPE_CHECKING:
    from tests.aws_faults.conftest import World
    from tests.fakes.events import Track

_FUNCTION: Final = "SegmentIngestFunction"
_CLAIMS: Final = b"if_not_exists"
_SETTLES: Final = b'#claim_id = :own_claim"'
_FREES: Final = b"the claim was lost"
CLAIM: Final = Site(_FUNCTION, "UpdateItem", "MessagesTable", _CLAIMS)
SETTLE: Final = Site(_FUNCTION, "UpdateItem", "MessagesTable", _SETTLES)
FREE: Final = Site(_FUNCTION, "UpdateItem", "MessagesTable", _FREES)
FREE_MANY: Final = Site(_FUNCTION, "TransactWriteItems", "MessagesTable", _FREES)
GIVE_UP: Final = Site(_FUNCTION, "UpdateItem", "MessagesTable", b"the function was stopped midway")
LOOK: Final = Site(_FUNCTION, "BatchGetItem", "MessagesTable")
CLAIM_MANY: Final = Site(_FUNCTION, "TransactWriteItems", "MessagesTable", _CLAIMS)
SETTLE_MANY: Final = Site(_FUNCTION, "TransactWriteItems", "MessagesTable", _SETTLES)
SECRET: Final = Site(_FUNCTION, "GetSecretValue", "Secret")

EACH_FAULT: Final = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
EACH_LASTING_FAULT: Final = pytest.mark.parametrize("fault", LASTING.values(), ids=LASTING.keys())
EACH_CONFLICT: Final = pytest.mark.parametrize("fault", CONFLICTS.values(), ids=CONFLICTS.keys())
PHONES: Final = ("919800000001", "919800000002", "919800000003")


class KilledError(BaseException):
    """Lambda kills the function."""


@pytest.fixture
def batch(track: "Track") -> list[dict[str, Any]]:
    return [track(phone, f"message-{phone}") for phone in PHONES]


def expect_each_sent_once(world: "World", events: list[dict[str, Any]]) -> None:
    """After the faults, deliver again: at once, and after every lease has ended."""
    again = world.deliver(*events)
    assert again.status in (200, 503)
    world.leases_run_out()
    last = world.deliver(*events)
    assert last.status == 200
    assert set(last.outcomes) <= {"accepted", "duplicate", "unknown"}
    assert world.sent() == dict.fromkeys((event["properties"]["phone"] for event in events), 1)


@EACH_FAULT
@pytest.mark.parametrize("site", [CLAIM, SETTLE], ids=["claim", "settle"])
def test_an_event_is_sent_once(world: "World", batch: list[dict[str, Any]], site: Site, fault: Fault) -> None:
    with injected(world.aws, {site: fault}):
        world.deliver(batch[0])
    expect_each_sent_once(world, batch[:1])


@EACH_FAULT
@pytest.mark.parametrize("site", [LOOK, CLAIM_MANY, SETTLE_MANY], ids=["look", "claim", "settle"])
def test_a_batch_is_sent_once(world: "World", batch: list[dict[str, Any]], site: Site, fault: Fault) -> None:
    world.deliver(batch[1])
    with injected(world.aws, {site: fault}):
        world.deliver(*batch)
    expect_each_sent_once(world, batch)


@EACH_CONFLICT
@pytest.mark.parametrize("site", [CLAIM_MANY, SETTLE_MANY], ids=["claim", "settle"])
def test_a_batch_in_conflict_with_another_write_is_sent_once(
    world: "World", batch: list[dict[str, Any]], site: Site, fault: Fault
) -> None:
    with injected(world.aws, {site: fault}):
        world.deliver(*batch)
    expect_each_sent_once(world, batch)


@pytest.mark.parametrize("fault", PARTIAL.values(), ids=PARTIAL.keys())
def test_a_batch_of_which_dynamodb_reads_a_part_is_sent_once(
    world: "World", batch: list[dict[str, Any]], fault: Fault
) -> None:
    world.deliver(*batch[1:])
    with injected(world.aws, {LOOK: fault}):
        reply = world.deliver(*batch)
    assert reply.outcomes == ["accepted", "duplicate", "duplicate"]
    expect_each_sent_once(world, batch)


def test_an_event_whose_claims_answer_is_lost_is_sent_by_the_next_delivery(
    world: "World", batch: list[dict[str, Any]]
) -> None:
    with injected(world.aws, {CLAIM: LOST}):
        assert (world.deliver(batch[0]).status, world.sent()) == (503, {})
    assert world.deliver(batch[0]).outcomes == ["accepted"]


def test_a_batch_whose_claims_answer_is_lost_is_sent_by_the_next_delivery(
    world: "World", batch: list[dict[str, Any]]
) -> None:
    with injected(world.aws, {CLAIM_MANY: LOST}):
        assert (world.deliver(*batch).status, world.sent()) == (503, {})
    assert world.deliver(*batch).outcomes == ["accepted"] * len(batch)


@EACH_FAULT
def test_an_event_whose_lost_claim_meets_another_fault_is_sent_once(
    world: "World", batch: list[dict[str, Any]], fault: Fault
) -> None:
    with injected(world.aws, {CLAIM: LOST, FREE: fault}):
        assert world.deliver(batch[0]).status == 503
    expect_each_sent_once(world, batch[:1])


@EACH_LASTING_FAULT
def test_a_batch_whose_lost_claim_meets_another_fault_is_sent_once(
    world: "World", batch: list[dict[str, Any]], fault: Fault
) -> None:
    with injected(world.aws, {CLAIM_MANY: LOST, FREE_MANY: fault}):
        assert world.deliver(*batch).status == 503
    expect_each_sent_once(world, batch)


@pytest.mark.parametrize("code", ["301", "601"], ids=["held", "retryable"])
def test_an_event_that_msg91_refused_is_sent_later_though_that_could_not_be_written(
    world: "World", batch: list[dict[str, Any]], code: str
) -> None:
    world.msg91.refuses(code)
    with injected(world.aws, {SETTLE: REFUSED}):
        assert world.deliver(batch[0]).status == 503
    world.leases_run_out()
    expect_each_sent_once(world, batch[:1])


@EACH_LASTING_FAULT
def test_an_event_whose_sender_was_killed_is_answered_unknown_once_that_is_on_record(
    world: "World", batch: list[dict[str, Any]], fault: Fault
) -> None:
    world.msg91.breaks_off(KilledError(), sends=True)
    with pytest.raises(KilledError):
        world.deliver(batch[0])
    world.leases_run_out()
    with injected(world.aws, {GIVE_UP: fault}):
        assert world.deliver(batch[0]).outcomes == ["retry"]
    assert world.deliver(batch[0]).outcomes == ["unknown"]
    expect_each_sent_once(world, batch[:1])


@EACH_LASTING_FAULT
def test_every_request_is_refused_while_the_secret_cannot_be_read(
    world: "World", batch: list[dict[str, Any]], fault: Fault
) -> None:
    with injected(world.aws, {SECRET: fault}):
        reply = world.deliver(batch[0])
    assert (reply.status, sum(world.sent().values())) in ((503, 0), (200, 1))
    expect_each_sent_once(world, batch[:1])
