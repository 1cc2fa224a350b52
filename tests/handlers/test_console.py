"""The console's responses: searches, a message, its number; what they never contain; and the calls to AWS."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from functions.console.app import page
from sandbox.template import PATH
from segment_msg91.handler import logger

if TYPE_CHECKING:
    from tests.fakes.aws import Aws
    from tests.fakes.dynamodb import UnreliableDynamoDb
    from tests.fakes.events import Track
    from tests.fakes.msg91 import FakeMsg91
    from tests.handlers.conftest import Ask, Endpoint, Output

type Deliver = Callable[..., str]

CONSOLE: Final = PATH.parent / "functions" / "console"
PHONE: Final = "919800000001"
HOSTILE: Final = "</script><img src=x onerror=alert(1)>"


@pytest.fixture
def deliver(ask: "Ask", ingest: "Endpoint", track: "Track") -> Deliver:  # noqa: ARG001 - `ask` switches the search keys on
    """Deliver a track event; return the key of its message."""

    def send(phone: str = PHONE, message_id: str = "message-1", **event: Any) -> str:  # noqa: ANN401 - any JSON
        answer = ingest(track(phone, message_id) | {"userId": "user-1"} | event)
        return str(answer.body["results"][0]["crqid"])

    return send


@pytest.fixture
def send_report(report: "Endpoint", aws: "Aws") -> Callable[..., None]:
    """Post a report of MSG91 about a message."""

    def send(crqid: str, status: str, description: str, **more: str) -> None:
        message = aws.message(crqid)
        body = {"requestId": message["request_id"], "number": message["phone"], "CRQID": crqid, "credit": "2"}
        body |= {"date": "2026-01-02 08:34:10", "status": status, "desc": description, **more}
        assert report(body).status == 200

    return send


def _strings(value: object) -> list[str]:
    """Return every text in a JSON value."""
    if isinstance(value, dict):
        return [text for member in value.values() for text in _strings(member)]
    if isinstance(value, list):
        return [text for member in value for text in _strings(member)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize(
    "query",
    [
        {"phone": "919800000001"},
        {"phone": "+91 98000-00001"},
        {"phone": " 00919800000001 "},
        {"phone": "(+91) 98000.00001"},
        {"message_id": "message-1"},
        {"message_id": " message-1 "},
        {"user_id": "user-1"},
        {"request_id": "346130aa11bb22cc33dd0000"},
        {},
        {"phone": ""},
    ],
)
def test_every_search_finds_the_message(ask: "Ask", deliver: Deliver, query: dict[str, str]) -> None:
    crqid = deliver()
    answer = ask("/console/messages", **query)
    assert answer.status == 200
    assert [message["crqid"] for message in answer.body["messages"]] == [crqid]
    assert answer.body["messages"][0] | {"created_at": ""} == {
        "crqid": crqid,
        "created_at": "",
        "event": "Order Shipped",
        "phone": "91••••••••01",
        "sender_id": "MSGIND",
        "label": "Accepted",
        "tone": "waiting",
    }


@pytest.mark.parametrize(
    "query",
    [{"phone": "919800000009"}, {"message_id": "message"}, {"user_id": "USER-1"}, {"request_id": "message-1"}],
)
def test_a_search_finds_nothing_else(ask: "Ask", deliver: Deliver, query: dict[str, str]) -> None:
    deliver()
    answer = ask("/console/messages", **query)
    assert (answer.status, answer.body) == (200, {"messages": [], "after": None})


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"phone": "12345"}, "phone: no phone number; give 7 to 15 digits with the country code"),
        ({"phone": "somebody"}, "phone: no phone number"),
        ({"user_id": "u" * 257}, "user_id: longer than 256 characters"),
        ({"phone": PHONE, "user_id": "user-1"}, "phone, user_id: search by one of them at a time"),
        ({"name": "user-1"}, "name: not a parameter; use phone, message_id, user_id, request_id, outcome, category"),
        ({"outcome": "lost"}, "outcome: must be one of delivered, failed, no_report, waiting"),
        ({"from": "yesterday"}, "from: no time; write it in UTC as in"),
        ({"phone": PHONE, "outcome": "failed"}, "outcome: not together with phone"),
        ({"after": "yesterday"}, "after: no such position"),
        ({"phone": PHONE, "after": "unknown"}, "after: no such position"),
    ],
)
def test_a_query_that_cannot_be_answered_names_what_to_change(ask: "Ask", query: dict[str, str], named: str) -> None:
    answer = ask("/console/messages", **query)
    assert answer.status == 400
    assert answer.body["message"].startswith(named)


@pytest.mark.parametrize(
    ("path", "query", "named"),
    [
        ("/console/breakdown", {"day": "today"}, "day: no day; write it as in 2026-01-02"),
        ("/console/breakdown", {"day": "2020-01-01"}, "day: must be one of the last 31 days; today is 20"),
        ("/console/breakdown", {"after": "x"}, "after: not a parameter; use day"),
        ("/console/export", {}, "day: missing; give a day"),
        ("/console/export", {"day": "2026-01-02", "phone": PHONE}, "day: not together with phone"),
        ("/console/export", {"event": "e", "after": "x"}, "after: no such position"),
        ("/console/export", {"phone": PHONE, "after": "unknown"}, "after: no such position"),
    ],
)
def test_what_a_breakdown_or_an_export_cannot_answer_names_what_to_change(
    ask: "Ask", path: str, query: dict[str, str], named: str
) -> None:
    answer = ask(path, **query)
    assert answer.status == 400
    assert answer.body["message"].startswith(named)


@pytest.mark.parametrize(
    "query",
    [
        {"outcome": "failed"},
        {"outcome": "failed", "category": "dlt_template"},
        {"event": "Order Shipped"},
        {"sender_id": "MSGIND", "from": "2020-01-01T00:00:00Z"},
    ],
)
def test_a_filter_shows_the_messages_that_match_and_how_many_were_read(
    ask: "Ask", deliver: Deliver, send_report: Callable[..., None], query: dict[str, str]
) -> None:
    crqid = deliver()
    send_report(crqid, "2", "FAILED", failedReason="Template Inactive on DLT")
    deliver(message_id="message-2", event="Order Placed", properties={"phone": PHONE, "message": "Hi", "senderID": "B"})
    body = ask("/console/messages", **query).body
    assert [message["crqid"] for message in body["messages"]] == [crqid]
    assert body["read"] == 2
    assert body["back_to"] < body["messages"][0]["created_at"]


def test_messages_that_wait_are_shown_until_they_end(
    ask: "Ask", deliver: Deliver, send_report: Callable[..., None]
) -> None:
    crqid = deliver()
    body = ask("/console/messages", outcome="waiting").body
    assert ([one["crqid"] for one in body["messages"]], body["read"], body["after"]) == ([crqid], 1, None)
    send_report(crqid, "1", "DELIVERED")
    assert ask("/console/messages", outcome="waiting").body["messages"] == []


def test_without_reconciliation_messages_that_wait_are_found_by_their_day(
    ask: "Ask", deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECONCILE_EVERY_MINUTES", "0")
    crqid = deliver()
    assert [one["crqid"] for one in ask("/console/messages", outcome="waiting").body["messages"]] == [crqid]


def test_a_breakdown_counts_todays_sms_by_event_template_and_sender(
    ask: "Ask", deliver: Deliver, send_report: Callable[..., None]
) -> None:
    send_report(deliver(), "1", "DELIVERED")
    send_report(deliver(message_id="message-2"), "2", "FAILED")
    deliver(message_id="message-3")
    deliver(phone="12", message_id="message-4")
    body = ask("/console/breakdown").body
    assert (body["read"], body["is_complete"], sum(bar["read"] for bar in body["bars"])) == (4, True, 4)
    (group,) = (group for bar in body["bars"] for group in bar["groups"])
    assert group == {
        "event": "Order Shipped",
        "template_id": None,
        "sender_id": "MSGIND",
        "sent": 3,
        "delivered": 1,
        "failed": 1,
        "no_report": 0,
        "waiting": 1,
    }


def test_an_export_has_a_line_for_each_message(ask: "Ask", deliver: Deliver, send_report: Callable[..., None]) -> None:
    crqid = deliver(event=f"=Call {PHONE}")
    send_report(crqid, "2", "FAILED", failedReason="Template Inactive on DLT")
    for query in ({"phone": PHONE}, {"outcome": "failed"}, {"event": "=Call 91••••••••01"}):
        body = ask("/console/export", **query).body
        header, line = body["csv"].splitlines()
        assert header == "time,event,phone,sender,template,status,category,parts,credits,crqid"
        assert line.split(",")[1:] == [
            *("'=Call 91••••••••01", "91••••••••01", "MSGIND", "", "Not delivered", "dlt_template", "1", "2", crqid)
        ]
        assert body["rows"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("query", [{"user_id": "user-1"}, {}])
def test_a_long_list_has_pages(ask: "Ask", ingest: "Endpoint", track: "Track", query: dict[str, str]) -> None:
    ingest([track(f"9198000001{n:02}", f"message-{n}") | {"userId": "user-1"} for n in range(60)])
    seen: list[str] = []
    after: dict[str, str] = {}
    while True:
        body = ask("/console/messages", **query, **after).body
        seen += [message["crqid"] for message in body["messages"]]
        if len(seen) >= 60 or not body["after"]:
            break
        assert len(body["messages"]) == 25
        after = {"after": body["after"]}
    assert (len(seen), len(set(seen))) == (60, 60)


def test_a_message_is_shown_from_its_event_to_its_final_report(
    ask: "Ask", deliver: Deliver, send_report: Callable[..., None]
) -> None:
    crqid = deliver()
    send_report(crqid, "2", "FAILED", failedReason="Template Inactive on DLT")
    shown = ask(f"/console/messages/{crqid}").body
    assert (shown["label"], shown["tone"], shown["category"], shown["is_permanent"]) == (
        "Not delivered",
        "bad",
        "dlt_template",
        True,
    )
    assert shown["sentence"] == "India's DLT registry has no active template that fits this text."
    assert "DLT portal" in shown["advice"]
    assert (shown["sender_id"], shown["parts"], shown["credits"], shown["encoding"]) == ("MSGIND", 1, "2", "GSM-7")
    assert (shown["message_id"], shown["user_id"]) == ("message-1", "user-1")
    assert [(step["title"], step["tone"], step["words"]) for step in shown["timeline"]] == [
        ("Event from Segment", "good", "track Order Shipped"),
        ("Accepted by MSG91", "good", None),
        ("Report: failed", "bad", "Template Inactive on DLT · FAILED · code 2"),
    ]
    assert shown["timeline"][2]["at"] == "2026-01-02T03:04:10Z"


def test_a_message_that_msg91_refused_says_why_and_what_to_do(ask: "Ask", deliver: Deliver, msg91: "FakeMsg91") -> None:
    msg91.refuses("301", "Insufficient balance")
    shown = ask(f"/console/messages/{deliver()}").body
    assert (shown["label"], shown["category"], shown["is_permanent"]) == ("Held", "balance", False)
    assert shown["timeline"][-1]["words"] == "Code 301 · Insufficient balance"
    assert "Recharge" in shown["advice"]


@pytest.mark.parametrize(
    "path", ["/console/messages/unknown", "/console/messages/unknown/phone", "/console/messages/a~b"]
)
def test_a_message_that_is_not_there_is_not_found(ask: "Ask", path: str) -> None:
    answer = ask(path)
    assert answer.status == 404
    assert "no such message" in answer.body["message"]


def test_the_number_is_shown_on_request_for_one_message(ask: "Ask", deliver: Deliver) -> None:
    assert ask(f"/console/messages/{deliver()}/phone").body == {"phone": PHONE}


@pytest.mark.slow
def test_no_other_answer_holds_a_number_from_any_source(
    ask: "Ask",
    deliver: Deliver,
    send_report: Callable[..., None],
    msg91: "FakeMsg91",
    ingest: "Endpoint",
    track: "Track",
) -> None:
    person = {"userId": PHONE, "anonymousId": f"anon-{PHONE}", "event": f"Call +{PHONE[:2]} {PHONE[2:7]} {PHONE[7:]}"}
    failed = deliver(message_id=f"ajs-{PHONE}", **person)
    send_report(failed, "2", f"no route to {PHONE}", failedReason=f"{PHONE} is invalid")
    msg91.refuses("202", f"Invalid number {PHONE}")
    refused = deliver(message_id="message-2", **person)
    ingest([track(f"9198000001{n:02}", f"message-{n}") for n in range(60)])
    request_id = ask(f"/console/messages/{failed}").body["request_id"]
    answers = [ask(f"/console/messages/{crqid}") for crqid in (failed, refused)]
    for query in ({}, {"phone": PHONE}, {"user_id": PHONE}, {"message_id": f"ajs-{PHONE}"}, {"request_id": request_id}):
        answers.append(ask("/console/messages", **query))
        if after := answers[-1].body["after"]:
            answers.append(ask("/console/messages", **query, after=after))
        answers.append(ask("/console/export", **(query or {"outcome": "waiting"})))
    answers.append(ask("/console/breakdown"))
    texts = [text for answer in answers for text in _strings(answer.body)]
    assert "91••••••••01" in texts
    digits = [re.sub(r"[ +()-]", "", text) for text in texts]
    assert [text for text in digits if "00000001" in text or "0000001" in text or "98000001" in text] == []


def test_hostile_texts_are_unchanged_in_json_that_no_browser_takes_for_a_page(
    ask: "Ask", deliver: Deliver, send_report: Callable[..., None]
) -> None:
    crqid = deliver(event=HOSTILE, userId=HOSTILE)
    send_report(crqid, "2", HOSTILE, failedReason=HOSTILE)
    answers = [ask(path, event=HOSTILE) for path in ("/console/messages", "/console/export")]
    for answer in (*answers, ask("/console/messages", user_id=HOSTILE), ask(f"/console/messages/{crqid}")):
        assert HOSTILE in " ".join(_strings(answer.body))
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


@pytest.mark.parametrize("token", ["sandbox-only-console-token", "wrong", None])
@pytest.mark.parametrize(
    "path", ["/console", "/console/messages", "/console/messages/unknown", "/console/breakdown", "/console/export"]
)
def test_no_answer_may_be_cached_or_framed(ask: "Ask", path: str, token: str | None) -> None:
    headers = ask(path, token).headers
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]


def test_who_is_refused_is_asked_for_basic_and_sees_the_page_without_anything_in_it(ask: "Ask") -> None:
    answer = ask("/console", None)
    assert (answer.status, answer.headers["www-authenticate"][:6]) == (401, "Basic ")
    assert 'data-access="refused"' in answer.text
    assert 'data-access="granted"' in ask("/console").text
    assert ask("/console/messages", None).body["message"].startswith("Unauthorized: sign in")


@pytest.mark.parametrize("token", ["sandbox-only-console-token", None])
def test_the_page_runs_its_own_scripts_and_style_and_nothing_else(ask: "Ask", token: str | None) -> None:
    answer = ask("/console", token)
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["script-src"] == _hashes_of("script", answer.text)
    assert policy["style-src"] == _hashes_of("style", answer.text)
    assert (policy["default-src"], policy["connect-src"], policy["base-uri"]) == ("'none'", "'self'", "'none'")
    assert policy["require-trusted-types-for"] == "'script'"


def test_the_page_has_no_inline_handlers_no_styles_in_attributes_and_nothing_from_elsewhere(ask: "Ask") -> None:
    markup = re.sub(r"<(script|style)>.*?</\1>", "", ask("/console").text, flags=re.DOTALL)
    assert not re.search(r"<[^>]*\s(on\w+|style)=", markup)
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", markup)
    assert markup.count("<link") == 1


def test_every_file_of_the_page_is_in_it(ask: "Ask") -> None:
    text = ask("/console").text
    files = [path for path in CONSOLE.iterdir() if path.suffix in {".css", ".js"}]
    assert {path.name for path in files if path.read_text(encoding="utf-8") not in text} == set()
    assert len(re.findall("<script>|<style>", text)) == len(files)


def _hashes_of(element: str, html: str) -> str:
    sources = re.findall(rf"<{element}>(.*?)</{element}>", html, re.DOTALL)
    digests = (hashlib.sha256(source.encode()).digest() for source in sources)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


def test_the_page_is_small() -> None:
    assert len(page(200)["body"].encode()) < 72_000


def test_only_queries_and_reads_by_key_reach_dynamodb_and_few_of_them(
    ask: "Ask", deliver: Deliver, send_report: Callable[..., None], dynamodb: "UnreliableDynamoDb"
) -> None:
    crqid = deliver()
    send_report(crqid, "1", "DELIVERED")
    expected = {
        ("/console", ""): [],
        ("/console/messages", ""): ["query"] * 24 + ["batch_get_item"],  # three days of eight partitions
        **{("/console/messages", by): ["query", "batch_get_item"] for by in ("phone", "message_id", "user_id")},
        ("/console/messages", "outcome"): ["query"] * 8,  # of those that wait; there are none
        ("/console/breakdown", "day"): ["query"] * 23,  # a day of India's is in two of UTC's; it has no messages
        ("/console/export", "user_id"): ["query", "batch_get_item"],
        (f"/console/messages/{crqid}", ""): ["get_item", "query", "query"],
        (f"/console/messages/{crqid}/phone", ""): ["get_item"],
    }
    values = {"phone": PHONE, "message_id": "message-1", "user_id": "user-1", "outcome": "waiting"}
    values["day"] = str((datetime.now(UTC) - timedelta(days=2)).date())
    made = {}
    for path, by in expected:
        dynamodb.calls.clear()
        assert ask(path, **({by: values[by]} if by else {})).status == 200
        made[path, by] = list(dynamodb.calls)
    assert made == expected


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/console/messages", {}),
        ("/console/messages", {"outcome": "waiting"}),
        ("/console/messages/crqid1", {}),
        ("/console/messages/crqid1/phone", {}),
        ("/console/breakdown", {}),
        ("/console/export", {"outcome": "failed"}),
        ("/console/export", {"phone": PHONE}),
    ],
)
def test_tables_that_do_not_answer_are_said_to_be_unavailable(
    ask: "Ask", dynamodb: "UnreliableDynamoDb", path: str, query: dict[str, str]
) -> None:
    dynamodb.refuses_everything()
    answer = ask(path, **query)
    assert (answer.status, answer.headers["retry-after"]) == (503, "30")
    assert "tables can't be read" in answer.body["message"]


def test_a_route_that_is_not_the_consoles_is_not_found(ask: "Ask") -> None:
    event = ask.sample | {"routeKey": "GET /elsewhere"}
    assert ask.invoke(event).status == 404


def test_an_unexpected_error_is_answered_without_what_it_quotes(
    ask: "Ask", output: "Output", dynamodb: "UnreliableDynamoDb"
) -> None:
    def fail(**_: object) -> None:
        raise RuntimeError(PHONE)

    dynamodb._prepare("query", fail)  # noqa: SLF001 - the fake's own way
    answer = ask("/console/messages", phone=PHONE)
    assert (answer.status, answer.headers["cache-control"]) == (503, "no-store")
    assert PHONE not in answer.text + output.text


def test_the_log_says_whose_number_was_looked_at_and_holds_none_itself(
    ask: "Ask", deliver: Deliver, output: "Output"
) -> None:
    crqid = deliver()
    ask("/console/messages", phone=PHONE)
    ask("/console/messages", "wrong-token", phone=PHONE)
    ask(f"/console/messages/{crqid}/phone")
    lines = [line for line in output.logs() if line["message"] == "console"]
    assert lines[-1]["route"] == "GET /console/messages/{crqid}/phone"
    assert lines[-1]["crqid"] == crqid
    for secret in (PHONE, PHONE[2:], "sandbox-only-console-token", "wrong-token", "user-1"):
        assert secret not in json.dumps(output.logs())


@pytest.mark.parametrize(
    ("query", "kind"),
    [({"phone": PHONE}, "phone"), ({"user_id": PHONE}, "user_id"), ({"event": f"Call {PHONE}"}, "filter")],
)
def test_the_log_says_who_exported_how_many_messages_and_not_of_whom(
    ask: "Ask", deliver: Deliver, output: "Output", query: dict[str, str], kind: str
) -> None:
    for number in range(2):
        deliver(message_id=f"message-{number}", userId=PHONE)
    rows = ask("/console/export", user="asha", **query).body["rows"]
    (line,) = (line for line in output.logs() if line["message"] == "console")
    assert (line["route"], line["user"], line["export"], line["rows"]) == ("GET /console/export", "asha", kind, rows)
    assert PHONE[2:] not in output.text


def test_an_export_of_a_day_is_on_record(ask: "Ask", deliver: Deliver, output: "Output") -> None:
    deliver()
    for day in ("2026-01-02", "today"):
        ask("/console/export", day=day)
    lines = [line for line in output.logs() if line["message"] == "console"]
    assert [(line.get("export"), line.get("rows")) for line in lines] == [("day", 0), (None, None)]


@pytest.mark.parametrize("path", ["/console/export", "/console/breakdown"])
def test_a_parameter_that_is_a_number_is_not_logged(ask: "Ask", output: "Output", path: str) -> None:
    ask(path, **{PHONE: "x"})
    ask(path, day=PHONE)
    assert PHONE not in output.text


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING", "ERROR"])
def test_who_looks_at_which_message_is_on_record_at_any_log_level(ask: "Ask", output: "Output", level: str) -> None:
    before = logger.log_level
    logger.setLevel(level)
    try:
        ask(f"/console/messages/{'0' * 39}a/phone")
    finally:
        logger.setLevel(before)
    (line,) = (line for line in output.logs() if line["message"] == "console")
    assert line["route"] == "GET /console/messages/{crqid}/phone"
    assert (line["user"], line["source_ip"], line["crqid"]) == ("support", "203.0.113.30", f"{'0' * 39}a")


@pytest.mark.parametrize("pasted", ["919800000001", "+919800000001", "98000 00001", "m1"])
def test_what_is_no_key_is_not_logged_as_one(ask: "Ask", output: "Output", pasted: str) -> None:
    ask(f"/console/messages/{pasted}")
    assert pasted not in output.text


def test_a_user_name_that_is_a_number_is_masked_and_a_long_one_cut(ask: "Ask", output: "Output") -> None:
    for name in ("919800000001", "x" * 500):
        ask("/console", user=name)
    users = [line["user"] for line in output.logs()]
    assert users == ["91••••••••01", "x" * 64]
