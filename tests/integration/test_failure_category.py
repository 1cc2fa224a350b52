"""The failure category of a message: the only attribute that both sending and reporting write."""

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from segment_msg91.msg91.codes import SendState
from segment_msg91.msg91.failures import Category
from segment_msg91.store.messages import Claimed, ClaimRequest, Settlement

if TYPE_CHECKING:
    from segment_msg91.store.messages import Messages
    from segment_msg91.use_cases.delivery_reports import Reporter
    from tests.fakes.aws import Aws
    from tests.fakes.clock import Clock
    from tests.fakes.events import Track
    from tests.fakes.msg91 import FakeMsg91
    from tests.integration.conftest import Send

PHONE: Final = "919800000001"
LEASE: Final = timedelta(seconds=40)
DLT: Final = {"status": "2", "failureReason": "Template Inactive on DLT", "date": "2026-01-02 08:35:00"}
DELIVERED: Final = {"status": "1", "date": "2026-01-02 08:36:00"}


def _report(reporter: "Reporter", crqid: str, report: dict[str, Any]) -> None:
    body = {"number": PHONE, "CRQID": crqid, **report}
    reporter.receive(json.dumps(body).encode(), "application/json")


@pytest.mark.parametrize(("code", "category"), [("203", "dlt_header"), ("301", "balance"), ("418", "account")])
def test_a_refused_message_says_why(
    code: str, category: str, send: "Send", msg91: "FakeMsg91", track: "Track", aws: "Aws"
) -> None:
    msg91.refuses(code)
    (result,) = send(track(PHONE))
    assert aws.messages()[0]["failure_category"] == result.failure_category == category


@pytest.mark.parametrize("code", ["601", "306"])
def test_a_message_to_be_sent_again_has_not_failed(
    code: str, send: "Send", msg91: "FakeMsg91", track: "Track", aws: "Aws"
) -> None:
    msg91.refuses(code)
    send(track(PHONE))
    assert "failure_category" not in aws.messages()[0]


def test_an_invalid_event_has_its_error_and_no_category(send: "Send", track: "Track", aws: "Aws") -> None:
    send(track("12"))
    (message,) = aws.messages()
    assert (message["send_state"], "failure_category" in message) == ("invalid", False)


def test_a_message_that_is_held_no_longer_has_not_failed(
    send: "Send", msg91: "FakeMsg91", track: "Track", aws: "Aws"
) -> None:
    msg91.refuses("301")
    send(track(PHONE))
    send(track(PHONE))
    (message,) = aws.messages()
    assert (message["send_state"], "failure_category" in message) == ("accepted", False)


def test_a_failed_message_says_why_until_it_is_delivered_after_all(
    send: "Send", reporter: "Reporter", track: "Track", aws: "Aws"
) -> None:
    (result,) = send(track(PHONE))
    assert result.crqid
    _report(reporter, result.crqid, DLT)
    assert aws.message(result.crqid)["failure_category"] == "dlt_template"
    _report(reporter, result.crqid, DELIVERED)
    assert "failure_category" not in aws.message(result.crqid)


def test_a_late_report_of_failure_does_not_mark_a_delivered_message(
    send: "Send", reporter: "Reporter", track: "Track", aws: "Aws"
) -> None:
    (result,) = send(track(PHONE))
    assert result.crqid
    _report(reporter, result.crqid, DELIVERED)
    _report(reporter, result.crqid, DLT)
    assert "failure_category" not in aws.message(result.crqid)


@pytest.mark.parametrize("state", [SendState.ACCEPTED, SendState.HELD])
def test_a_report_s_category_outlasts_the_settlement_that_it_overtook(
    state: SendState, messages: "Messages", reporter: "Reporter", clock: "Clock", aws: "Aws"
) -> None:
    (claim,) = messages.claim([ClaimRequest("Crqid1", {"phone": PHONE})], clock(), LEASE)
    assert isinstance(claim, Claimed)
    _report(reporter, "Crqid1", DLT)
    category = Category.ACCOUNT if state is SendState.HELD else None
    messages.settle([Settlement(claim, state, failure_category=category)], clock())
    assert aws.message("Crqid1")["failure_category"] == "dlt_template"
