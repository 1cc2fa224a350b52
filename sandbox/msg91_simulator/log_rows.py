"""Rows of the logs API: what MSG91 says became of each SMS. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import NAMESPACE_OID, uuid5

from sandbox.msg91_simulator.calls import FLOW_PATH
from sandbox.msg91_simulator.ledger import SentSms
from sandbox.msg91_simulator.numbers import Outcome
from sandbox.msg91_simulator.reports import IST, campaign

type Row = Mapping[str, Any]

PENDING: Final = "Pending"
DATES: Final = ("requestDate", "sentDateTime", "deliveryDate")
NOT_BY_DEFAULT: Final = frozenset({"requestId", "CRQID", "failureReason"})
"""The columns that an answer has only if `fields` names them."""


@dataclass(frozen=True, slots=True)
class Reported:
    """A report of an SMS: the logs have it from `due` on. `at` is the date that it bears."""

    outcome: Outcome
    at: datetime
    due: datetime


def row(sent: SentSms, reported: Iterable[Reported], now: datetime) -> Row:
    """Return every column of an SMS. Of the reports that are due, the one with the last date decides."""
    due = [report for report in reported if report.due <= now]
    last = max(reversed(due), key=lambda report: report.at, default=None)
    requested = _text(sent.at)
    return {
        "requestId": sent.request_id,
        "telNum": sent.sms.number,
        "requestDate": requested,
        "sentDateTime": requested,
        "senderId": sent.sms.sender,
        "flowID": sent.sms.text.partition(" ")[0] if sent.sms.api == FLOW_PATH else "",
        "campaignName": campaign(sent),
        "CRQID": sent.sms.echoed_crqid,
        "UUID": str(uuid5(NAMESPACE_OID, f"{sent.request_id} {sent.sms.number}")),
        "credit": "1",
        "telecomCircle": "KARNATAKA",
        "msgData": sent.sms.text,
        **_outcome(last),
    }


def selected(columns: Row, fields: Sequence[str]) -> Row:
    """Return the columns that `fields` names; without fields, those that come by default."""
    if not fields:
        return {name: value for name, value in columns.items() if name not in NOT_BY_DEFAULT}
    return {name: columns[name] for name in fields if name in columns}


def with_dates_as_objects(columns: Row) -> Row:
    return {name: {"value": value} if name in DATES else value for name, value in columns.items()}


def status_text(outcome: Outcome) -> str:
    """Return the status as the logs write it: `Blocked number`, but `NDNC`."""
    return outcome.description if outcome.description == "NDNC" else outcome.description.capitalize()


def _outcome(last: Reported | None) -> dict[str, str]:
    if last is None or status_text(last.outcome) == PENDING:
        nothing = dict.fromkeys(("statusCode", "failureReason", "deliveryDate", "deliveryTime"), "")
        return {"status": PENDING, "reportStatusDesc": "PENDING", **nothing}
    code = last.outcome.status
    date, time = _text(last.at).split(" ")
    return {
        "status": status_text(last.outcome),
        "statusCode": code if code.isdigit() else "",
        "failureReason": last.outcome.failed_reason,
        "reportStatusDesc": last.outcome.description,
        "deliveryDate": date,
        "deliveryTime": time,
    }


def _text(at: datetime) -> str:
    """Return a time as the logs write it: in IST, without a zone."""
    return at.astimezone(IST).strftime("%Y-%m-%d %H:%M:%S")
