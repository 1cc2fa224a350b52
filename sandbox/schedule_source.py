"""EventBridge's schedule rules: each invokes its function at a rate."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event as Signal
from threading import Thread
from uuid import uuid4

from sandbox.lambda_runtime import Event, FunctionError, Invoker
from sandbox.template import ACCOUNT, REGION, STACK_NAME, ScheduleTrigger

logger = logging.getLogger(__name__)


class ScheduleSource:
    """One rule. A run that fails is not repeated: EventBridge would retry it, and the next run is the same."""

    def __init__(self, trigger: ScheduleTrigger, invoke: Invoker) -> None:
        self._trigger = trigger
        self._invoke = invoke

    def run(self) -> object:
        """Run now, whatever the rate. Raises FunctionError."""
        return self._invoke(scheduled_event(self._trigger.function, datetime.now(UTC)))

    def run_until(self, stopped: Signal) -> None:
        while not stopped.wait(self._trigger.seconds):
            try:
                self.run()
            except FunctionError:
                logger.exception("%s failed", self._trigger.function)


@contextmanager
def scheduling(source: ScheduleSource) -> Iterator[None]:
    stopped = Signal()
    thread = Thread(target=source.run_until, args=[stopped], daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def scheduled_event(function: str, at: datetime) -> Event:
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "region": REGION,
        "resources": [f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{STACK_NAME}-{function}"],
        "detail": {},
    }
