"""What MSG91 says of the SMS that it has sent: by webhook, only in its logs, or too late."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from sandbox.msg91_simulator.ledger import SentSms
from sandbox.msg91_simulator.log_rows import Reported
from tests.chaos.seeded_random import FaultPlan, Tally, seeded
from tests.chaos.webhook import Histories, Logged, Report, ReportQueue, Webhook

LOST: Final = "reports: lost, only in the logs"
LATE: Final = "reports: given up before they come"
CUT_OFF: Final = "reports: cut off"
OVERTAKEN: Final = "msg91: report before the answer"
_NO_FAULT: Final = ""
_SMS: Final = Counter({_NO_FAULT: 14, LOST: 4, LATE: 1, CUT_OFF: 1})
_CALLS: Final = Counter({_NO_FAULT: 9, OVERTAKEN: 1})

type Key = tuple[str, str]
"""Number and CRQID."""


class Reporting:
    """One SMS in five is not reported, and its outcome is in the logs. Others are pending there until a late report."""

    def __init__(self, histories: Histories, queue: ReportQueue, overtaker: Webhook, seed: str, tally: Tally) -> None:
        self._histories = histories
        self._queue = queue
        self._overtaker = overtaker
        self._tally = tally
        self._sms_plan = FaultPlan(_SMS, seeded(seed, "lost, late and cut-off reports"))
        self._call_plan = FaultPlan(_CALLS, seeded(seed, "overtaken answers"))
        self._first: dict[SentSms, Report] = {}
        self._late_reports: list[Report] = []
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
        fault = self._sms_plan.next_fault()
        if fault:
            self._tally.add(fault)
        if fault == LATE:
            self.late.add(sms.sms.crqid)
            self._late_reports += history.reports
            return []
        self.logged[sms.sms.number, sms.sms.crqid] = history.logged
        if fault == LOST:
            return [history.logged.reported]
        self._queue.add(history.reports)
        self._first[sms] = history.reports[0]
        if fault == CUT_OFF:
            self._queue.add_cut_off(self._histories.cut_off(history.reports[0]))
        return [history.logged.reported]

    def overtake(self, sent: Sequence[SentSms]) -> None:
        """Post a report before the answer to the call, sometimes."""
        reports = [self._first[sms] for sms in sent if sms in self._first]
        if reports and self._call_plan.next_fault() == OVERTAKEN:
            self._tally.add(OVERTAKEN)
            self._overtaker.post(reports[0].posting)

    def post_late_reports(self) -> None:
        """Queue the reports that were held back until their messages were given up."""
        late, self._late_reports = self._late_reports, []
        self._queue.add(late)
