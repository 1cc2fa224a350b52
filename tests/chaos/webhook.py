"""MSG91's delivery reports in four versions: repeated, out of order, cut off, and misattributed."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Final
from urllib.parse import parse_qs, urlencode

import httpx

from sandbox.msg91_simulator import numbers
from sandbox.msg91_simulator.calls import SMS_PATH, Sms
from sandbox.msg91_simulator.ledger import SentSms
from sandbox.msg91_simulator.log_rows import Reported
from sandbox.msg91_simulator.numbers import Outcome
from sandbox.msg91_simulator.reports import FORM, JSON, WRITERS, Posting
from tests.chaos.schedule import Schedule
from tests.chaos.seeded_random import Tally, seeded

TIMEOUT: Final = 10.0
FIRST: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_LOGGED_LATER: Final = timedelta(days=100)
"""The logs have another date than the webhook, so that it is seen which of the two a status is from."""
_NO_CRQID: Final = "0"
_REPORTS_OF_AN_SMS: Final = (*(1,) * 18, 2, 4)
_TWICE: Final = 0.1
_MISATTRIBUTED: Final = 0.2
_VERSIONS: Final = ("v2", "v2", "v2", "v3", "v4", "v4", "new")

UNLISTED: Final = Outcome("77", "SOMETHING", clevertap_event="")
STATUS_OF: Final[Mapping[Outcome, str]] = {
    numbers.DELIVERED: "delivered",
    numbers.DLT_FAILED: "failed",
    numbers.FAILED_BEFORE: "failed",
    numbers.NDNC: "ndnc",
    numbers.REJECTED: "rejected",
    numbers.REJECTED_BY_KANNEL: "rejected",
    numbers.BLOCKED: "blocked",
    numbers.PENDING_BEFORE: "pending",
    UNLISTED: "unknown",
}


@dataclass(frozen=True, slots=True)
class Report:
    """One report of an SMS. The second of its date is unique among all reports, and so identifies its row."""

    sms: SentSms
    """With the CRQID that MSG91 echoes, which may be missing or another message's."""
    version: str
    status: str
    at: datetime
    posting: Posting

    @property
    def names_its_message(self) -> bool:
        return self.sms.sms.echoed_crqid == self.sms.sms.crqid

    @property
    def reported_at(self) -> str:
        return _instant(self.at)


@dataclass(frozen=True, slots=True)
class Logged:
    """What the logs say of an SMS. The second of its date is unique, and so identifies its row."""

    outcome: Outcome
    at: datetime

    @property
    def status(self) -> str:
        return STATUS_OF[self.outcome]

    @property
    def reported_at(self) -> str:
        return _instant(self.at)

    @property
    def reported(self) -> Reported:
        return Reported(self.outcome, self.at, due=FIRST)


@dataclass(frozen=True, slots=True)
class History:
    """The reports of an SMS, and what the logs say: the last of them by its date."""

    reports: Sequence[Report]
    logged: Logged


@dataclass(frozen=True, slots=True)
class CutOff:
    """A report's body without its end."""

    posting: Posting


type QueueItem = Report | CutOff


class Histories:
    """Invents what MSG91 reports. Safe to use from several threads."""

    def __init__(self, seed: str, first: datetime = FIRST) -> None:
        self._random = seeded(seed, "reports")
        self._first = first
        self._seconds = 0
        self._lock = Lock()
        self._last: Sms | None = None

    def of(self, sms: SentSms) -> History:
        """Return some reports of one SMS in the order of their arrival, which is not the order of their dates."""
        with self._lock:
            outcomes = self._random.choices(list(STATUS_OF), k=self._random.choice(_REPORTS_OF_AN_SMS))
            reports = [self._report(sms, outcome) for outcome in outcomes]
            logged = Logged(outcomes[-1], reports[-1].at + _LOGGED_LATER)
            self._last = sms.sms
            self._random.shuffle(reports)
            return History(reports, logged)

    def named(self, sms: SentSms, outcome: Outcome, version: str = "v2") -> Report:
        """Return a report with its message's CRQID."""
        with self._lock:
            return self._written(sms, outcome, version)

    def of_another_sender(self) -> Report:
        """Return a report of an SMS that did not come through Segment: the webhook is for the whole account."""
        with self._lock:
            number = f"9197{self._random.randrange(10**8):08}"
            sms = Sms(SMS_PATH, number, "", "MSGIND", "", _NO_CRQID)
            sent = SentSms(f"{self._random.getrandbits(96):024x}", sms, FIRST)
            return self._written(sent, numbers.DELIVERED, self._random.choice(("v2", "v3", "new")))

    def cut_off(self, report: Report) -> CutOff:
        with self._lock:
            length = self._random.randrange(1, len(report.posting.body))
        return CutOff(replace(report.posting, body=report.posting.body[:length]))

    def _report(self, sms: SentSms, outcome: Outcome) -> Report:
        version = self._random.choice([name for name in _VERSIONS if name != "v4" or outcome.clevertap_event])
        if version != "v4" and self._random.random() < _MISATTRIBUTED:
            sms = self._misattributed(sms)
        return self._written(sms, outcome, version)

    def _misattributed(self, sms: SentSms) -> SentSms:
        """Return the SMS with no CRQID, or that of a message to another number; request id and number are right."""
        is_other = self._last and self._last.number != sms.sms.number and self._random.random() < 0.5
        echoed = self._last.crqid if self._last and is_other else _NO_CRQID
        return replace(sms, sms=replace(sms.sms, echoed_crqid=echoed))

    def _written(self, sms: SentSms, outcome: Outcome, version: str) -> Report:
        self._seconds += 1
        at = self._first + timedelta(seconds=self._seconds)
        posting = WRITERS[version](sms, outcome, at)
        if posting is None:
            raise ValueError(f"{version} has no report of {outcome.description}")
        return Report(sms, version, STATUS_OF[outcome], at, posting)


class Webhook:
    """Posts reports to the customer's URL."""

    def __init__(self, url: str, tally: Tally, timeout: float = TIMEOUT) -> None:
        self._url = url
        self._tally = tally
        self._http = httpx.Client(timeout=timeout, trust_env=False, limits=httpx.Limits(max_connections=None))

    def close(self) -> None:
        self._http.close()

    def post(self, posting: Posting) -> int | None:
        """Return the HTTP status; None if there was no answer."""
        self._tally.add("reports: posts")
        try:
            headers = {"content-type": posting.content_type}
            status = self._http.post(self._url, content=posting.body, headers=headers).status_code
        except httpx.HTTPError:
            self._tally.add("reports: no answer")
            return None
        self._tally.add(f"reports: answered {status}")
        return status


def together(reports: Sequence[Report]) -> Posting:
    """Return one body of several reports of one version: v2 or v4."""
    if reports[0].version == "v4":
        return Posting(
            JSON, json.dumps([event for report in reports for event in json.loads(report.posting.body)]).encode()
        )
    groups = [group for report in reports for group in json.loads(parse_qs(report.posting.body.decode())["data"][0])]
    return Posting(FORM, urlencode({"data": json.dumps(groups)}).encode())


class ReportQueue:
    """All reports to post: each once or twice, each time with retries until it is answered 2xx."""

    def __init__(self, webhook: Webhook, seed: str, max_per_body: int) -> None:
        self._webhook = webhook
        self._random = seeded(seed, "report queue")
        self._max_per_body = max_per_body
        self._schedule: Schedule[QueueItem] = Schedule()
        self._lock = Lock()
        self.reports: list[Report] = []
        self.cut_off: list[CutOff] = []

    def __len__(self) -> int:
        return len(self._schedule)

    @property
    def count(self) -> int:
        """The number of different reports."""
        return len(self.reports)

    def add(self, reports: Iterable[Report]) -> None:
        with self._lock:
            for report in reports:
                self.reports.append(report)
                for _ in range(1 + (self._random.random() < _TWICE)):
                    self._schedule.put(report, self._random.uniform(0, 3))

    def add_cut_off(self, cut_off: CutOff) -> None:
        with self._lock:
            self.cut_off.append(cut_off)
            self._schedule.put(cut_off)

    def repeat(self, reports: Iterable[Report]) -> None:
        for report in reports:
            self._schedule.put(report)

    def work(self, _thread: int) -> bool:
        with self._lock:
            size = self._random.randint(1, self._max_per_body)
        items = self._schedule.take(size)
        for posting, contents in _postings(items):
            status = self._webhook.post(posting)
            if status is None or not httpx.codes.is_success(status):
                for item in contents:
                    self._schedule.put(item, 0.5)
        self._schedule.done(items)
        return bool(items)


def _postings(items: Sequence[QueueItem]) -> Iterator[tuple[Posting, Sequence[QueueItem]]]:
    """Yield each body with its contents. Reports of v2 share a body, and so do those of v4; others have their own."""
    reports = [item for item in items if isinstance(item, Report)]
    for version in ("v2", "v4"):
        if several := [report for report in reports if report.version == version]:
            yield together(several), several
    for item in items:
        if isinstance(item, CutOff) or item.version not in ("v2", "v4"):
            yield item.posting, [item]


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
