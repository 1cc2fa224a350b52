"""The guard rails from outside: what Segment is answered and CloudWatch counts. Off, they cost nothing."""

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest

from sandbox.template import PATH
from segment_msg91.msg91.codes import SuppressedBecause

if TYPE_CHECKING:
    from tests.fakes.aws import Aws
    from tests.fakes.events import Track
    from tests.fakes.msg91 import FakeMsg91
    from tests.handlers.conftest import Answer, Endpoint, Output

PHONE: Final = "919800000001"
APPS: Final = ("segment_ingest", "delivery_reports", "reconciliation")
OWN: Final = (
    "segment_msg91.guard_rails",
    "segment_msg91.recipient",
    "segment_msg91.segment.opt_outs",
    "segment_msg91.store.recipients",
)


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARD_RAILS", "on")
    monkeypatch.setenv("MAX_SMS_PER_NUMBER_PER_HOUR", "2")
    monkeypatch.setenv("OPT_OUT_ON_BLOCKED", "on")


def _opted(out_or_in: str) -> dict[str, Any]:
    properties = {"phone": PHONE, "reason": "replied STOP"}
    return {"type": "track", "event": f"SMS Opted {out_or_in}", "messageId": out_or_in, "properties": properties}


def _results(answer: "Answer") -> list[tuple[str, str | None]]:
    return [(result["status"], result.get("reason")) for result in answer.body["results"]]


@pytest.mark.usefixtures("on")
def test_a_refusal_is_answered_200_with_its_reason_and_counted_by_its_cause(
    ingest: "Endpoint", track: "Track", output: "Output", msg91: "FakeMsg91"
) -> None:
    answers = [ingest(track(PHONE, f"message-{number}")) for number in range(3)]
    answers.append(ingest(_opted("Out")))
    answers.append(ingest(track(PHONE, "message-4")))
    assert [answer.status for answer in answers] == [200] * 5
    assert [result for answer in answers for result in _results(answer)][2:] == [
        ("suppressed", "phone: 2 messages to it within an hour, the most that MaxSmsPerNumberPerHour allows"),
        ("skipped", "opted out of all SMS: recorded"),
        ("suppressed", "phone: the person has opted out of all SMS"),
    ]
    counts = {emf["because"]: emf["SmsSuppressed"] for emf in output.metrics("SmsSuppressed")}
    assert counts == {SuppressedBecause.CAPPED: [1.0], SuppressedBecause.OPTED_OUT: [1.0]}
    assert len(msg91.sent) == 2


@pytest.mark.usefixtures("on")
def test_a_batch_with_refusals_is_final(ingest: "Endpoint", track: "Track") -> None:
    answer = ingest([track(PHONE, f"message-{number}") for number in range(4)])
    assert answer.status == 200
    assert [status for status, _ in _results(answer)] == ["accepted"] * 2 + ["suppressed"] * 2
    assert answer.body["message"] == "4 events: 2 accepted, 2 suppressed."


@pytest.mark.usefixtures("on")
def test_a_blocked_numbers_report_opts_it_out(ingest: "Endpoint", report: "Endpoint", track: "Track") -> None:
    blocked = {"requestId": "r1", "number": PHONE, "status": "17", "desc": "Blocked", "date": "2026-01-02 08:35:00"}
    assert report(blocked).status == 200
    assert _results(ingest(track(PHONE)))[0][0] == "suppressed"


@pytest.mark.usefixtures("on")
def test_no_log_line_has_the_number_or_the_reason(ingest: "Endpoint", track: "Track", output: "Output") -> None:
    ingest(_opted("Out"))
    ingest(track(PHONE))
    assert not {text for text in ("9800000001", "replied STOP") if text in output.text}


def test_off_an_opt_out_is_no_event_of_ours(ingest: "Endpoint", aws: "Aws") -> None:
    assert _results(ingest(_opted("Out"))) == [
        ("skipped", "properties.message: missing, and no templateId or variables")
    ]
    assert aws.recipients() == []


@pytest.mark.parametrize("app", APPS)
@pytest.mark.parametrize(("switch", "loaded"), [("off", ()), ("on", OWN)])
def test_their_code_is_imported_only_if_they_are_on(app: str, switch: str, loaded: tuple[str, ...]) -> None:
    found = f"[name for name in {OWN!r} if name in sys.modules]"
    code = f"import sys, functions.{app}.app as app; app.wiring(); print(*{found})"
    variables = {"GUARD_RAILS": switch, "OPT_OUT_ON_BLOCKED": switch, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-c", code],
        cwd=PATH.parent,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.split() == list(loaded)
