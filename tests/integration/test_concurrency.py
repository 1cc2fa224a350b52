"""The same event in many concurrent invocations: only one sends it."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import TYPE_CHECKING, Any, Final

import pytest

from segment_msg91.settings import IngestSettings
from segment_msg91.store.messages import Messages
from segment_msg91.use_cases.segment_ingest import Result, Sender

if TYPE_CHECKING:
    from tests.fakes.aws import Aws
    from tests.fakes.clock import Clock
    from tests.fakes.events import Track
    from tests.fakes.msg91 import FakeMsg91

type Invoke = Callable[[Sequence[Sequence[dict[str, Any]]]], list[list[Result]]]

PHONE: Final = "919800000001"
INVOCATIONS: Final = 50
TIMEOUT: Final = 30  # seconds; reached only on failure


@pytest.fixture
def invoke_at_once(aws: "Aws", msg91: "FakeMsg91", clock: "Clock") -> Invoke:
    """Deliver bodies concurrently, each to its own environment; they share only the table and MSG91."""
    settings, client = IngestSettings.load(), msg91.client()

    def invoke(bodies: Sequence[Sequence[dict[str, Any]]]) -> list[list[Result]]:
        start = Barrier(len(bodies))

        def deliver(body: Sequence[dict[str, Any]]) -> list[Result]:
            sender = Sender(settings, Messages(aws.dynamodb, "MessagesTable", settings.retention), client, clock)
            start.wait(TIMEOUT)
            return sender.send(body, "authkey", clock() + timedelta(seconds=29))

        with ThreadPoolExecutor(len(bodies)) as pool:
            return list(pool.map(deliver, bodies))

    return invoke


def _count_statuses(answers: Sequence[Sequence[Result]], message_id: str = "message-1") -> Counter[str]:
    return Counter(str(result.status) for results in answers for result in results if result.message_id == message_id)


def test_an_event_in_fifty_invocations_at_once_is_sent_once(
    invoke_at_once: Invoke, track: "Track", msg91: "FakeMsg91"
) -> None:
    counts = _count_statuses(invoke_at_once([[track(PHONE)]] * INVOCATIONS))
    assert len(msg91.sent) == counts["accepted"] == 1
    assert counts["in_flight"] + counts["duplicate"] == INVOCATIONS - 1


def test_an_event_in_fifty_batches_at_once_is_sent_once(
    invoke_at_once: Invoke, track: "Track", msg91: "FakeMsg91"
) -> None:
    batches = [[track(PHONE), track(f"9198000001{n:02}", f"message of batch {n}")] for n in range(INVOCATIONS)]
    counts = _count_statuses(invoke_at_once(batches))
    assert Counter(sms.number for sms in msg91.sent)[PHONE] == counts["accepted"] == 1
    assert counts["in_flight"] + counts["duplicate"] + counts["retry"] == INVOCATIONS - 1


def test_repeats_of_an_event_while_msg91_works_are_answered_503(
    invoke_at_once: Invoke, track: "Track", msg91: "FakeMsg91"
) -> None:
    others: list[list[Result]] = []
    msg91.during_call = lambda: others.extend(invoke_at_once([[track(PHONE)]] * INVOCATIONS))
    (first,) = invoke_at_once([[track(PHONE)]])
    assert (_count_statuses([first]), _count_statuses(others)) == ({"accepted": 1}, {"in_flight": INVOCATIONS})
    assert len(msg91.sent) == 1
