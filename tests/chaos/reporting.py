"""What MSG91 says of the SMS that it has sent: by webhook, only in its logs, or too late."""

from collections.abc import Sequence
from threading import Lock
from typing import Final

from sandbox.msg91_simulator.ledger import SentSms
from sandbox.msg91_simulator.log_rows import Reported
from tests.chaos.seeded_random import Tally, seeded
from tests.chaos.webhook import Histories, Logged, Report, ReportQueue, Webhook

LOST: Final = "reports: lost, only in the logs"
LATE: Final = "reports: given up before they come"
CUT_OFF: Final = "reports: cut off"
OVERTAKEN: Final = "msg91: report before the answer"
_LOST: Final = 0.2
_LATE: Final = 0.05
_CUT_OFF: Final = 0.03
_OVERTAKEN: Final = 0.1

type Key = tuple[str, str]
"""Number and CRQID."""


class Reporting:
    """One SMS in five is not reported, and its outcome is in the logs. Others are pending there until a late report."""

    def __init__(self, histories: Histories, queue: ReportQueue, overtaker: Webhook, seed: str, tally: Tally) -> None:
        self._histories = histories
        self._queue = queue
        self._overtaker = overtaker
        self._tally = tally
        self._random = seeded(seed, "lost, late and cut-off reports")
        self._first: dict[SentSms, Report] = {}
        self._late_reports: list[Report] = []
        self._lock = Lock()
        self.logged: dict[Key, Logged] = {}
        """What the logs say, without the SMS that are pending there."""
        self.late: set[str] = set()
        """The CRQIDs of messages whose reports are late."""

    @property
    def planned(self) -> set[str]:
        return {LOST, LATE, CUT_OFF, OVERTAKEN}

    def history_of(self, sms: SentSms) -> list[Reported]:
        """Decide what is reported of an SMS, and return what its logs say: `Simulator.history`."""
        history = self._histories.of(sms)
        with self._lock:
            chance = self._random.random()
            is_cut_off = self._random.random() < _CUT_OFF
        if chance < _LATE:
            self._tally.add(LATE)
            self.late.add(sms.sms.crqid)
            self._late_reports += history.reports
            return []
        self.logged[sms.sms.number, sms.sms.crqid] = history.logged
        if chance < _LATE + _LOST:
            self._tally.add(LOST)
            return [history.logged.reported]
        self._queue.add(history.reports)
        self._first[sms] = history.reports[0]
        if is_cut_off:
            self._tally.add(CUT_OFF)
            self._queue.add_cut_off(self._histories.cut_off(history.reports[0]))
        return [history.logged.reported]

    def overtake(self, sent: Sequence[SentSms]) -> None:
        """Post a report before the answer to the call, sometimes."""
        reports = [self._first[sms] for sms in sent if sms in self._first]
        if reports and self._random.random() < _OVERTAKEN:
            self._overtaker.post(reports[0].posting)
            self._tally.add(OVERTAKEN)

    def post_late_reports(self) -> None:
        """Queue the reports that were held back until their messages were given up."""
        late, self._late_reports = self._late_reports, []
        self._queue.add(late)
