"""The page in front of answers made up here: a shop's week of SMS, as the console's routes would answer."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

from functions.console.app import page
from segment_msg91.msg91.failures import FAILURES, Category
from segment_msg91.times import instant
from tests.browser.console_page import ConsolePage, Screen, tab

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

type Query = dict[str, str]
type Json = dict[str, Any]
type Handler = Callable[[Query], Json]
"""Answers a request. Raises Refusal, or Silence: then no answer comes."""

URL: Final = "http://console.invalid/console"
INDIA: Final = timezone(timedelta(hours=5, minutes=30))
NOW: Final = datetime(2026, 11, 25, 14, 5, tzinfo=INDIA)
TODAY: Final = NOW.replace(hour=0, minute=0)
STEPS: Final = {"24h": timedelta(hours=1), "7d": timedelta(hours=6), "30d": timedelta(days=1)}
STARTS: Final = {
    "24h": NOW.replace(minute=0) - timedelta(hours=24),
    "7d": TODAY - timedelta(days=6),
    "30d": TODAY - timedelta(days=29),
}
BY_DAYTIME: Final = (70, 430, 520, 290)
"""SMS accepted in each quarter of a day, Tuesday's; other days have more or fewer."""
BY_WEEKDAY: Final = (0.9, 1.0, 1.04, 0.96, 1.15, 1.3, 0.72)
NO_SUCH_ROUTE: Final = 404


@dataclass(frozen=True, slots=True)
class Refusal(Exception):  # noqa: N818 - an answer, which may be expected
    status: int
    message: str


class Silence(Exception):  # noqa: N818 - likewise
    """No answer comes."""


def _bars(window: str) -> Iterator[Json]:
    at, step = STARTS[window], STEPS[window]
    while at < NOW:
        share = min(1.0, (NOW - at) / step) * step / timedelta(hours=6)
        quarters = BY_DAYTIME if step < timedelta(days=1) else (sum(BY_DAYTIME) / 4,)
        accepted = round(quarters[at.hour // 6 % len(quarters)] * BY_WEEKDAY[at.weekday()] * share)
        rate = 0.12 if at.date() == (TODAY - timedelta(days=3)).date() else 0.034  # a bad day
        failed, no_report = round(accepted * rate), round(accepted * 0.008)
        waiting = round(accepted * (0.06 if at + step >= NOW else 0.004))
        yield {
            "from": instant(at),
            "accepted": accepted,
            "delivered": accepted - failed - no_report - waiting,
            "failed": failed,
            "no_report": no_report,
            "suppressed": accepted // 90,
        }
        at += step


def _date(bar: Json) -> str:
    return f"{datetime.fromisoformat(bar['from']).astimezone(INDIA):%Y-%m-%d}"


def _totals(bars: list[Json]) -> Json:
    names = ("accepted", "delivered", "failed", "no_report", "suppressed")
    return {name: sum(bar[name] for bar in bars) for name in names} | {"refused": 0, "invalid": 0}


def _share(totals: Json) -> float | None:
    ended = totals["delivered"] + totals["failed"] + totals["no_report"]
    return totals["delivered"] / ended if ended else None


def _day(date: datetime) -> Json:
    totals = _totals([bar for bar in _bars("7d") if _date(bar) == f"{date:%Y-%m-%d}"])
    return {"date": f"{date:%Y-%m-%d}", **totals, "share_delivered": _share(totals)}


def _failures(failed: int) -> list[Json]:
    parts = {Category.DLT_TEMPLATE: 0.47, Category.UNREACHABLE: 0.24, Category.DND: 0.16, Category.INVALID_NUMBER: 0.09}
    counts = {category: round(failed * part) for category, part in parts.items()}
    counts[Category.OTHER] = failed - sum(counts.values())
    return [failure(category, number, failed) for category, number in counts.items() if number]


def failure(category: Category, number: int, failed: int) -> Json:
    """Return one of the overview's failures."""
    meaning = FAILURES[category]
    words = {"sentence": meaning.sentence, "advice": meaning.advice}
    return {"category": category, "count": number, "share": number / failed, **words}


def overview(query: Query) -> Json:
    """Answer /console/overview."""
    window = query.get("window", "7d")
    bars = list(_bars(window))
    totals = _totals(bars)
    waiting = totals["accepted"] - totals["delivered"] - totals["failed"] - totals["no_report"]
    return {
        "window": window,
        "from": bars[0]["from"],
        "as_of": instant(NOW),
        "utc_offset": "+05:30",
        "step": STEPS[window].total_seconds(),
        "totals": totals | {"waiting": waiting},
        "waiting_is_minimum": False,
        "share_delivered": _share(totals),
        "today": _day(TODAY),
        "yesterday": None if window == "24h" else _day(TODAY - timedelta(days=1)),
        "bars": bars,
        "failures": _failures(totals["failed"]),
        "latency": {"median": 4.2, "p95": 31.0},
        "notices": [],
    }


def empty_overview(query: Query) -> Json:
    """Answer /console/overview of a stack without SMS."""
    answer = overview(query)
    zeros = dict.fromkeys(answer["totals"], 0)
    day = zeros | {"share_delivered": None}
    answer |= {"totals": zeros, "share_delivered": None, "failures": [], "latency": None}
    answer["bars"] = [dict.fromkeys(bar, 0) | {"from": bar["from"]} for bar in answer["bars"]]
    answer["today"] |= day
    if answer["yesterday"]:
        answer["yesterday"] |= day
    return answer


def first_day(query: Query) -> Json:
    """Answer /console/overview of a stack that was deployed today."""
    answer = overview(query)
    if answer["yesterday"]:
        answer["yesterday"] |= dict.fromkeys(answer["totals"], 0) | {"share_delivered": None}
    return answer


# Event, template, sender, its share of the volume, and its share delivered.
KINDS: Final = (
    ("Order Shipped", "64f0c2a1d6fc05", "SHOPIN", 0.3, 0.97),
    ("Login Code Requested", "64f0c2a1d6fc01", "SHOPCD", 0.26, 0.98),
    ("Order Delivered", "64f0c2a1d6fc05", "SHOPIN", 0.17, 0.97),
    ("Payment Received", "64f0c2a1d6fc09", "SHOPIN", 0.12, 0.96),
    ("Appointment Reminder", "64f0c2a1d6fc12", "SHOPIN", 0.08, 0.95),
    ("Weekend Sale", "64f0c2a1d6fc17", "SHOPAD", 0.07, 0.61),
)


def breakdown(query: Query) -> Json:
    """Answer /console/breakdown: of a busy day, half of the messages."""
    bars = []
    for bar in _bars("7d"):
        if _date(bar) != query["day"]:
            continue
        groups = []
        for event, template_id, sender_id, volume, delivered in KINDS:
            sent = round(bar["accepted"] / 2 * volume)
            arrived = round(sent * delivered)
            counts = {"sent": sent, "delivered": arrived, "failed": sent - arrived, "no_report": 0, "waiting": 0}
            groups.append({"event": event, "template_id": template_id, "sender_id": sender_id} | counts)
        bars.append({"from": bar["from"], "read": sum(group["sent"] for group in groups), "groups": groups})
    return {"day": query["day"], "read": sum(bar["read"] for bar in bars), "is_complete": False, "bars": bars}


LABELS: Final = (
    {"label": "Delivered", "tone": "good"},
    {"label": "Not delivered", "tone": "bad"},
    {"label": "Accepted", "tone": "waiting"},
    {"label": "Outcome unknown", "tone": "doubt"},
)


def message(number: int, **more: object) -> Json:
    """Return a line of the list of messages."""
    return {
        "crqid": f"crqid{number:04}",
        "created_at": instant(NOW - timedelta(minutes=number)),
        "event": "Order Shipped",
        "phone": "91••••••••01",
        "sender_id": "SHOPIN",
        **LABELS[0],
        **more,
    }


def opened(query: Query) -> Json:  # noqa: ARG001 - the route's form
    """Answer /console/messages/crqid0001, an SMS that failed."""
    steps = (
        ("Event from Segment", "good", "track Order Shipped"),
        ("Accepted by MSG91", "good", None),
        ("Report: pending", "waiting", None),
        ("Report: failed", "bad", "Template Inactive on DLT"),
    )
    return {
        **message(1),
        **LABELS[1],
        "sentence": FAILURES[Category.DLT_TEMPLATE].sentence,
        "advice": FAILURES[Category.DLT_TEMPLATE].advice,
        "category": Category.DLT_TEMPLATE,
        "is_permanent": True,
        "is_contradicted": True,
        "message_id": "ajs-next-1",
        "user_id": "user-1",
        "anonymous_id": "anonymous-1",
        "request_id": "346130aa11bb22cc33dd0000",
        "template_id": "64f0c2a1d6fc05",
        "encoding": "GSM-7",
        "parts": 1,
        "credits": "2",
        "attempts": 2,
        "timeline": [
            {"at": instant(NOW), "title": title, "tone": tone, "words": words} for title, tone, words in steps
        ],
        "has_more_reports": True,
    }


def messages(query: Query) -> Json:  # noqa: ARG001 - the route's form
    """Answer /console/messages: 25 messages with all tones."""
    found = [message(number, **LABELS[number % len(LABELS)]) for number in range(25)]
    return {"messages": found, "after": None, "read": 25, "back_to": None}


def refused_phone(query: Query) -> Json:
    """Answer /console/messages, but refuse a search by a short number."""
    if len(query.get("phone", "919800000001")) < 7:
        raise Refusal(400, "phone: no phone number")
    return messages(query)


@dataclass
class Canned:
    """The routes' answers, which a test may replace while the page is open. `asked` has every request for data."""

    routes: dict[str, Handler] = field(
        default_factory=lambda: {
            "overview": overview,
            "breakdown": breakdown,
            "messages": messages,
            "messages/crqid0001": opened,
        }
    )
    asked: list[tuple[str, Query]] = field(default_factory=list)
    token: str | None = None
    """With one, requests need it, and the page asks for it."""

    def answer(self, route: "Route") -> None:
        """Answer a request of the page."""
        parts = urlsplit(route.request.url)
        path = parts.path.removeprefix("/console").strip("/")
        signs_in = self.token is None or "authorization" in route.request.headers
        if not path:
            document = page(200 if signs_in else 401)
            return route.fulfill(status=document["statusCode"], headers=document["headers"], body=document["body"])
        query = dict(parse_qsl(parts.query))
        self.asked.append((path, query))
        try:
            status, body = self._result(path, query) if signs_in else (401, {})
        except Silence:
            return None
        return route.fulfill(status=status, content_type="application/json", body=json.dumps(body))

    def _result(self, path: str, query: Query) -> tuple[int, Mapping[str, Any]]:
        try:
            return (200, self.routes[path](query)) if path in self.routes else (NO_SUCH_ROUTE, {})
        except Refusal as refusal:
            return refusal.status, {"message": refusal.message}

    def queries(self, path: str) -> list[Query]:
        """Return the queries of the requests for a path."""
        return [query for asked, query in self.asked if asked == path]


@contextmanager
def visiting_canned(
    browser: "Browser", canned: Canned, screen: Screen, *, has_clock: bool = False
) -> Iterator[ConsolePage]:
    """Give a tab on a console with these answers, which has opened nothing yet.

    `has_clock`: the page's timers run when the test says so. The page is then without its policy, which refuses
    Playwright's own scripts.
    """
    with tab(browser, URL, screen, bypass_csp=has_clock) as console:
        console.page.route("**/*", canned.answer)
        if has_clock:
            console.page.clock.install()
        yield console
