"""EventBridge's schedule rules: each invokes its function at a rate."""

import logging
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from threading import Event as Signal
from uuid import uuid4

from sandbox.lambda_runtime import Event, FunctionError, Invoker
from sandbox.servers import looping
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


def scheduling(source: ScheduleSource) -> AbstractContextManager[None]:
    return looping(source.run_until)


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
