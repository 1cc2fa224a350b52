"""A repr may get into a log by accident: none contains a phone number, a text or a credential."""

from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import quote

import pytest

from segment_msg91.http import Request
from segment_msg91.mapping import to_sms
from segment_msg91.msg91.client import outcome_of
from segment_msg91.msg91.reports import read
from segment_msg91.settings import Defaults, Secrets

PHONE, TEXT, KEY = "919800000001", "Your code is 4711", "credential-1"
PRIVATE = (PHONE, TEXT, "4711", "Asha", KEY)
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

FREE_TEXT = {"phone": PHONE, "message": TEXT, "firstName": "Asha", "senderID": "MSGIND"}
TEMPLATE = FREE_TEXT | {"templateId": "60b07c0ffee0000000000001", "variables": {"VAR1": "4711"}}
BAD_PHONE = FREE_TEXT | {"phone": f"{PHONE}00000000"}
BAD_SENDER = FREE_TEXT | {"senderID": TEXT}
BAD_PARAMETER = FREE_TEXT | {"unicode": TEXT}
NO_MESSAGE = {"phone": PHONE, "firstName": "Asha"}


@pytest.mark.parametrize("fields", [FREE_TEXT, TEMPLATE, BAD_PHONE, BAD_SENDER, BAD_PARAMETER, NO_MESSAGE])
def test_a_mapped_event_shows_nothing_private(fields: dict[str, object]) -> None:
    event = {"type": "track", "messageId": "message-1", "userId": PHONE, "anonymousId": PHONE, "properties": fields}
    shown = repr(to_sms(event, Defaults(), NOW))
    assert "message-1" in shown
    assert not any(private in shown for private in PRIVATE)


def test_a_request_shows_nothing_private() -> None:
    request = Request(TEXT.encode(), {"authorization": f"Bearer {KEY}"}, {"token": KEY}, {"token": KEY})
    assert not any(private in repr(request) for private in PRIVATE)


def test_secrets_show_nothing() -> None:
    assert repr(Secrets(KEY, (KEY,), (KEY,), (KEY,), KEY, (KEY,))) == "Secrets()"


def test_an_outcome_does_not_quote_msg91() -> None:
    content = f'{{"type":"error","code":"202","message":"Invalid number {PHONE}: {TEXT}"}}'
    shown = repr(outcome_of(200, content.encode()))
    assert "202" in shown
    assert not any(private in shown for private in PRIVATE)


def test_a_delivery_report_shows_no_number() -> None:
    body = f'{{"requestId":"346130aa11bb22cc33dd4404","number":"{PHONE}","status":"1","text":"{TEXT}"}}'
    shown = repr(read(body.encode(), timezone(timedelta(0))))
    assert "346130aa11bb22cc33dd4404" in shown
    assert not any(private in shown for private in PRIVATE)


@pytest.mark.parametrize(
    "body",
    [
        f'{{"number":"{PHONE}"}}',
        f'{{"number":"{PHONE}"',
        f'{{"number":"{PHONE}","status":"1","CRQID":"{PHONE * 50}"}}',
        f'"{PHONE}"',
        "data=" + quote(f'[{{"report":[{{"number":"{PHONE}"}}]}}]'),
    ],
)
def test_the_problem_with_an_unreadable_report_does_not_quote_it(body: str) -> None:
    problems = read(body.encode(), timezone(timedelta(0))).problems
    assert problems
    assert PHONE not in " ".join(problems)
