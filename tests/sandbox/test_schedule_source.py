from datetime import UTC, datetime
from threading import Event as Signal
from threading import Thread

from sandbox.lambda_runtime import Event, FunctionError
from sandbox.schedule_source import ScheduleSource, scheduled_event, scheduling
from sandbox.template import ScheduleTrigger

HOURLY = ScheduleTrigger("ReconciliationFunction", seconds=3600)
AT_ONCE = ScheduleTrigger("ReconciliationFunction", seconds=0)


def test_a_run_is_the_event_of_a_rule() -> None:
    event = scheduled_event("ReconciliationFunction", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))

    assert (event["source"], event["detail-type"]) == ("aws.events", "Scheduled Event")
    assert event["time"] == "2026-01-02T03:04:05Z"
    assert event["resources"][0].startswith("arn:aws:events:ap-south-1:123456789012:rule/")


def test_a_run_now_returns_what_the_function_returns() -> None:
    assert ScheduleSource(HOURLY, lambda event: event["source"]).run() == "aws.events"


def test_it_runs_until_it_is_stopped_and_a_run_that_fails_does_not_end_it() -> None:
    runs: list[Event] = []
    stopped = Signal()

    def fail_once(event: Event) -> object:
        runs.append(event)
        if len(runs) == 1:
            raise FunctionError("it raised")
        stopped.set()
        return None

    ScheduleSource(AT_ONCE, fail_once).run_until(stopped)

    assert len(runs) == 2


def test_it_does_not_run_before_its_time_and_does_not_wait_for_it_to_end() -> None:
    runs: list[Event] = []

    def end() -> None:
        with scheduling(ScheduleSource(HOURLY, runs.append)):
            pass

    thread = Thread(target=end, daemon=True)
    thread.start()
    thread.join(timeout=10)

    assert not thread.is_alive()
    assert runs == []
