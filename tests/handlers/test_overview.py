"""The overview's figures equal a count of the tables, whatever has happened, in whatever order."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from functions.console import app as console
from functions.segment_ingest import app as segment_ingest
from sandbox.deployment import metric_data
from sandbox.template import STACK_NAME
from segment_msg91.msg91.codes import CONCLUSIONS
from segment_msg91.outcomes import outcome_of
from segment_msg91.store.aws import to_item

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_cloudwatch import CloudWatchClient

    from tests.fakes.aws import Aws, Item
    from tests.fakes.events import Track
    from tests.fakes.msg91 import FakeMsg91
    from tests.fakes.msg91_logs import FakeLogs
    from tests.handlers.conftest import Ask, Endpoint, Invoke, Output

SEEDS: Final = [seed if seed < 1 else pytest.param(seed, marks=pytest.mark.slow) for seed in range(4)]
STEPS: Final = 60
ROUNDS: Final = 4
LONG_AGO: Final = "2020-01-01T00:00:00.000Z"
NUMBERS: Final = [f"9198000000{number:02}" for number in range(1, 25)]
FOREIGN: Final = "94771234567"
REPORTED: Final = ("1", "2", "9", "16", "17", "Submitted", "odd words")
REASONS: Final = ("ABSENT-SUB", "Template not found on DLT", "DND", "Not in the table")
REFUSALS: Final = ("202", "203", "301", "400", "601", "311")
COUNTED: Final = ("delivered", "failed", "no_report", "waiting", "suppressed", "refused", "invalid")


@pytest.fixture
def cloudwatch(session: "boto3.Session", aws: "Aws") -> "Iterator[CloudWatchClient]":  # noqa: ARG001 - moto runs
    client = session.client("cloudwatch")
    yield client
    client.close()


@pytest.fixture
def publish(cloudwatch: "CloudWatchClient", output: "Output") -> Callable[[], None]:
    """Make metrics of the functions' output so far, as CloudWatch does."""
    read = 0

    def publish_new() -> None:
        nonlocal read
        lines = output.text.splitlines()
        for line in lines[read:]:
            for namespace, data in metric_data(json.loads(line)):
                cloudwatch.put_metric_data(Namespace=namespace, MetricData=data)
        read = len(lines)
        console.wiring.cache_clear()  # and with it the views of this minute

    return publish_new


@dataclass(slots=True)
class Scenario:
    """Things that happen at random, to messages that are there or not."""

    random: random.Random
    ingest: "Endpoint"
    report: "Endpoint"
    reconcile: "Invoke"
    track: "Track"
    msg91: "FakeMsg91"
    logs: "FakeLogs"
    aws: "Aws"
    bodies: list[Any] = field(default_factory=list)

    def step(self) -> None:
        """Let one thing happen."""
        steps = {self._send: 5, self._send_batch: 2, self._report: 8, self._repeat: 3, self._reconcile: 1, self._age: 1}
        (step,) = self.random.choices(list(steps), list(steps.values()))
        step()

    def _event(self) -> dict[str, Any]:
        number = self.random.choice([*NUMBERS, FOREIGN, "12"])
        return self.track(number, f"message-{number}-{self.random.randrange(3)}")

    def _prepare(self) -> None:
        self.msg91.forgets_answers()
        if self.random.random() < 0.4:
            segment_ingest.wiring.cache_clear()  # another environment, whose circuit is closed
        what = self.random.random()
        if what < 0.4:
            for _ in range(self.random.choice((1, 8))):  # of a batch, one or all
                self.msg91.refuses(self.random.choice(REFUSALS))
        elif what < 0.6:
            self.msg91.breaks_off(httpx.ReadTimeout("silent"))

    def _send(self) -> None:
        self._prepare()
        self.ingest(self._event())

    def _send_batch(self) -> None:
        self._prepare()
        self.ingest([self._event() for _ in range(self.random.randrange(2, 7))])

    def _report(self) -> None:
        """Report on a message, or on none."""
        messages = [
            message for message in self.aws.messages() if message["send_state"] not in ("invalid", "suppressed")
        ]
        about: dict[str, Any] = {"requestId": "r0", "number": "919800000099", "CRQID": "unknown"}
        if messages and self.random.random() < 0.9:
            message = self.random.choice(messages)
            about = {"requestId": "r1", "number": message["phone"], "CRQID": message["crqid"]}
        minute = self.random.randrange(3)
        about |= {"date": f"2099-01-02 08:3{minute}:00", "status": self.random.choice(REPORTED)}
        self.bodies.append(about | {"desc": self.random.choice(REASONS)})
        self.report(self.bodies[-1])

    def _repeat(self) -> None:
        if self.bodies:
            self.report(self.random.choice(self.bodies))

    def _reconcile(self) -> None:
        """Read logs that know some of the messages."""
        self.logs.rows.clear()
        for message in self.aws.messages():
            if "phone" in message and self.random.random() < 0.2:
                status = self.random.choice(("Delivered", "Failed", "Pending"))
                self.logs.has(str(message["phone"]), CRQID=message["crqid"], status=status)
        self.reconcile({})

    def _age(self) -> None:
        """Let a message be older than MSG91's logs."""
        open_ones = [message for message in self.aws.messages() if "awaiting_report" in message]
        if open_ones:
            times = dict.fromkeys(("settled_at", "lease_until"), LONG_AGO)
            item = to_item(self.random.choice(open_ones) | times)
            self.aws.dynamodb.put_item(TableName="MessagesTable", Item=item)


@pytest.fixture
def scenario(  # noqa: PLR0913, PLR0917 - every function, and what they call
    ingest: "Endpoint",
    report: "Endpoint",
    reconcile: "Invoke",
    track: "Track",
    msg91: "FakeMsg91",
    logs: "FakeLogs",
    aws: "Aws",
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[int], Scenario]:
    monkeypatch.setenv("ALLOWED_COUNTRIES", "IN")
    monkeypatch.setenv("GUARD_RAILS", "on")
    monkeypatch.setenv("MAX_SMS_PER_NUMBER_PER_HOUR", "2")
    segment_ingest.wiring.cache_clear()

    def of_seed(seed: int) -> Scenario:
        dice = random.Random(seed)  # noqa: S311 - no secret
        return Scenario(dice, ingest, report, reconcile, track, msg91, logs, aws)

    return of_seed


@pytest.mark.parametrize("seed", SEEDS)
def test_every_figure_equals_a_count_of_the_tables(
    seed: int, scenario: Callable[[int], Scenario], ask: "Ask", aws: "Aws", publish: Callable[[], None]
) -> None:
    happening = scenario(seed)
    for _ in range(STEPS):
        happening.step()
    publish()
    messages = aws.messages()
    outcomes = Counter(str(outcome_of(message)) for message in messages)
    view = ask("/console/overview").body
    assert {name: view["totals"][name] for name in COUNTED} == {name: outcomes[name] for name in COUNTED}
    assert view["totals"]["accepted"] == sum(map(_is_accepted, messages))
    categories = Counter(str(message["failure_category"]) for message in messages if "failure_category" in message)
    assert {one["category"]: one["count"] for one in view["failures"]} == dict(categories)


def _is_accepted(message: "Item") -> bool:
    """Whether MSG91 has the SMS, by its answer, its logs, or a report."""
    is_reported = message.get("delivery_status", "unreported") not in CONCLUSIONS
    return message["send_state"] == "accepted" or (
        is_reported and message["send_state"] in ("unknown", "held", "retryable")
    )


@pytest.mark.slow
def test_the_scenarios_meet_every_outcome_and_every_kind_of_repeat(
    scenario: Callable[[int], Scenario], aws: "Aws", output: "Output"
) -> None:
    happening = scenario(1)
    met: set[str] = set()
    for _ in range(ROUNDS):
        for _ in range(STEPS // 2):
            happening.step()
        met |= {str(outcome_of(message)) for message in aws.messages()}
    assert met == {*COUNTED, "held"}
    superseded = {line["status"] for line in output.metrics("DeliveryStatusSuperseded")}
    assert superseded >= {"delivered", "failed", "ndnc", "rejected", "blocked", "unreported", "missed", "refused"}


def test_an_account_that_has_sent_nothing_has_an_overview_of_zeros(ask: "Ask") -> None:
    for window, bars in (("24h", 25), ("7d", range(25, 29)), ("30d", 30)):
        answer = ask("/console/overview", window=window)
        assert answer.status == 200
        assert len(answer.body["bars"]) in (bars if isinstance(bars, range) else [bars])
        assert set(answer.body["totals"].values()) == {0}
        assert (answer.body["share_delivered"], answer.body["latency"]) == (None, None)
        assert (answer.body["failures"], answer.body["notices"]) == ([], [])


def test_a_delivery_is_in_the_last_bar_in_todays_figures_and_in_the_latency(
    ask: "Ask", ingest: "Endpoint", report: "Endpoint", track: "Track", publish: Callable[[], None]
) -> None:
    number = NUMBERS[0]
    crqid = ingest(track(number)).body["results"][0]["crqid"]
    report({"requestId": "r1", "number": number, "CRQID": crqid, "status": "1", "date": "2026-01-02 08:35:00"})
    publish()
    view = ask("/console/overview").body
    assert view["bars"][-1] | {"from": ""} == {
        "from": "",
        "accepted": 1,
        "delivered": 1,
        "failed": 0,
        "no_report": 0,
        "suppressed": 0,
    }
    assert (view["today"]["delivered"], view["today"]["share_delivered"], view["yesterday"]["delivered"]) == (1, 1.0, 0)
    assert view["latency"] == {"median": 0.0, "p95": 0.0}
    assert view["waiting_is_minimum"] is False


def test_a_view_is_kept_for_a_minute(
    ask: "Ask", ingest: "Endpoint", track: "Track", publish: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask("/console/overview").body["totals"]["accepted"] == 0
    ingest(track(NUMBERS[0]))
    with monkeypatch.context() as keeping:
        keeping.setattr(console.wiring, "cache_clear", lambda: None, raising=False)
        publish()
    assert ask("/console/overview").body["totals"]["accepted"] == 0
    assert ask("/console/overview", window="24h").body["totals"]["accepted"] == 1


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"window": "1y"}, "window: there is no such window; give one of 24h, 7d, 30d"),
        ({"days": "7"}, "days: not a parameter"),
    ],
)
def test_a_query_that_cannot_be_answered_names_the_parameter_and_the_remedy(
    ask: "Ask", query: dict[str, str], named: str
) -> None:
    answer = ask("/console/overview", **query)
    assert answer.status == 400
    assert answer.body["message"].startswith(named)


def test_the_overview_needs_the_token_and_is_not_stored(ask: "Ask") -> None:
    assert ask("/console/overview", token="wrong").status == 401
    assert ask("/console/overview").headers["cache-control"] == "no-store"


def test_a_request_for_the_overview_is_on_record_and_names_no_message(ask: "Ask", output: "Output") -> None:
    ask("/console/overview", user="asha")
    (line,) = [line for line in output.logs() if line["message"] == "console"]
    assert (line["route"], line["user"], line.get("crqid")) == ("GET /console/overview", "asha", None)


def test_the_overview_has_no_number(
    ask: "Ask", ingest: "Endpoint", track: "Track", msg91: "FakeMsg91", publish: Callable[[], None]
) -> None:
    msg91.refuses("202", f"Invalid number {NUMBERS[0]}")
    ingest(track(NUMBERS[0]))
    publish()
    answer = ask("/console/overview")
    assert answer.body["failures"]
    assert not any(number in answer.text for number in NUMBERS)


def test_the_figures_are_those_of_this_stack(
    ask: "Ask", cloudwatch: "CloudWatchClient", publish: Callable[[], None]
) -> None:
    for service, number in ((STACK_NAME, 2), ("another-stack", 3)):
        dimensions: Any = [{"Name": "service", "Value": service}]
        data: Any = [{"MetricName": "SmsAccepted", "Dimensions": dimensions, "Value": number}]
        cloudwatch.put_metric_data(Namespace="SegmentMsg91", MetricData=data)
    publish()
    assert ask("/console/overview").body["totals"]["accepted"] == 2
