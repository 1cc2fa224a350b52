"""Events whose delivery report is overdue: sent, reconciled with MSG91's logs, and printed as they end."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sandbox.console import Console
from sandbox.messages import Row, settled_rows
from sandbox.msg91_simulator.numbers import PREFIX
from sandbox.msg91_simulator.simulator import Simulator
from sandbox.samples import authorization, send, track
from sandbox.stack import Stack

FUNCTION: Final = "ReconciliationFunction"
PARAMETERS: Final = {"ReportOverdueMinutes": "0", "ReportGivenUpHours": "0"}
"""A report is overdue, and given up, as soon as the function runs. The stack must have them."""
TIMEOUT: Final = 15
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Sample:
    """An event to a magic number, and how it must end."""

    event: str
    suffix: str
    sent: str
    delivery: str

    @property
    def number(self) -> str:
        return PREFIX + self.suffix

    def ended_as(self, row: Row) -> bool:
        return (row.number, row.sent, row.delivery) == (self.number, self.sent, self.delivery)


LATE: Final = Sample("Report Too Late", "15", "accepted", "unreported")
SAMPLES: Final = (
    Sample("Report Lost", "14", "accepted", "delivered"),
    Sample("Accepted And Dropped", "20", "accepted", "unreported"),
    Sample("Answer Lost", "48", "accepted", "delivered"),
    Sample("Never Sent", "42", "unknown", "not_sent"),
    LATE,
)


def reconcile_samples(console: Console, stack: Stack, simulator: Simulator) -> bool:
    """Return whether all of them end as they must."""
    console.say("\nSending events whose reports do not come, then reconciling them with MSG91's logs:\n")
    crqids = [_send(stack, sample) for sample in SAMPLES]
    _wait_for_the_logs(simulator)
    stack.invoke(FUNCTION, {})
    rows = _ended(stack, crqids, SAMPLES)
    _print(console, rows)
    console.say("\nThe report that was too late comes after all:\n")
    simulator.post_overdue_reports()
    delivered = Sample(LATE.event, LATE.suffix, "accepted", "delivered")
    late = _ended(stack, [crqids[SAMPLES.index(LATE)]], [delivered])
    _print(console, late)
    ends = zip((*SAMPLES, delivered), (*rows, *late), strict=True)
    succeeded = sum(sample.ended_as(row) for sample, row in ends)
    console.say(f"\n{succeeded} of {len(SAMPLES) + 1} as expected.")
    return succeeded == len(SAMPLES) + 1


def _send(stack: Stack, sample: Sample) -> str:
    event = track(sample.number, "Your order is on its way.", senderID="MSGIND")
    body = json.dumps(event | {"event": sample.event, "userId": f"user-{sample.suffix}"})
    (result,) = send(stack.segment_url, body, authorization(stack.secret))
    return result.crqid or ""


def _wait_for_the_logs(simulator: Simulator) -> None:
    """Wait until the logs have what was sent, and its reports."""
    delay = simulator.webhook.delay if simulator.webhook else 0
    time.sleep(max(simulator.logs.settings.lag, delay))


def _ended(stack: Stack, crqids: Sequence[str], samples: Sequence[Sample]) -> list[Row]:
    """Wait until messages end as they must, and Segment has their events."""
    by_number = {sample.number: sample for sample in samples}

    def is_done(row: Row) -> bool:
        return by_number[row.number].ended_as(row) and not row.awaits_event

    return settled_rows(stack.messages, stack.last_event, crqids, TIMEOUT, is_done)


def _print(console: Console, rows: Sequence[Row]) -> None:
    console.headings()
    for row in rows:
        console.row(row)
