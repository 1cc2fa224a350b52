"""Reads the body of a call: the SMS, or the error that MSG91 would answer. Pure."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sandbox.msg91_simulator.answers import ANSWERS, BAD_CRQID, FLOW_ID_MISSING, INVALID_REQUEST, Answer

SMS_PATH: Final = "/api/v2/sendsms"
FLOW_PATH: Final = "/api/v5/flow"
NO_CRQID: Final = "0"

_MOBILE: Final = re.compile(r"[0-9]{7,15}")
_CRQID: Final = re.compile(r"[A-Za-z0-9]{0,52}")
# doc: India 6 letters or 6 digits, elsewhere up to 14 letters and digits.
_INDIAN_SENDER: Final = re.compile(r"[A-Za-z]{6}|[0-9]{6}")
_SENDER: Final = re.compile(r"[A-Za-z0-9]{1,14}")


class Refused(Exception):  # noqa: N818  # an answer of MSG91, not an error of the simulator
    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.body)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Sms:
    api: str
    number: str
    text: str
    """For Flow, the template's id and the variables, because only MSG91 knows the text."""
    sender: str
    crqid: str
    echoed_crqid: str
    """The CRQID in reports: a text has one CRQID in a call, the first that was given with it (seed)."""


def read_call(path: str, raw: bytes) -> list[Sms]:
    """Raises Refused."""
    body = _json_object(raw)
    messages = _flow(body) if path == FLOW_PATH else _sms(body)
    for sms in messages:
        _validate(sms)
    return messages


def _json_object(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise Refused(INVALID_REQUEST) from error
    if not isinstance(body, dict):
        raise Refused(INVALID_REQUEST)
    return body


def _sms(body: Mapping[str, Any]) -> list[Sms]:
    for field, code in (("route", "107"), ("sender", "103"), ("sms", "102")):
        _require(body.get(field), code)
    if "schtime" in body:
        _require_time(str(body["schtime"]))
    sender = str(body["sender"])
    # CRQID is at the top level for one text, otherwise in each element.
    return _with_echoes(
        Sms(
            SMS_PATH, str(number), str(element["message"]), sender, str(element.get("CRQID", body.get("CRQID", ""))), ""
        )
        for element in body["sms"]
        if _require(element.get("message"), "102") and _require(element.get("to"), "101")
        for number in element["to"]
    )


def _flow(body: Mapping[str, Any]) -> list[Sms]:
    template = body.get("template_id") or body.get("flow_id")
    if not template:
        raise Refused(FLOW_ID_MISSING)
    _require(body.get("recipients"), "101")
    sender = str(body.get("sender", ""))
    return _with_echoes(
        Sms(
            FLOW_PATH,
            str(recipient.get("mobiles", "")),
            f"{template} {json.dumps(_variables(recipient), sort_keys=True)}",
            sender,
            str(recipient.get("CRQID", "")),
            "",
        )
        for recipient in body["recipients"]
    )


def _variables(recipient: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in recipient.items() if name not in ("mobiles", "CRQID")}


def _with_echoes(messages: Iterable[Sms]) -> list[Sms]:
    first: dict[str, str] = {}
    return [
        Sms(s.api, s.number, s.text, s.sender, s.crqid, first.setdefault(s.text, s.crqid) or NO_CRQID) for s in messages
    ]


def _validate(sms: Sms) -> None:
    _require(sms.number, "101")
    _require(_MOBILE.fullmatch(sms.number), "202")
    if not _CRQID.fullmatch(sms.crqid):
        raise Refused(BAD_CRQID)
    pattern = _INDIAN_SENDER if sms.number.startswith("91") else _SENDER
    if sms.sender:  # in Flow, the template may have a sender
        _require(pattern.fullmatch(sms.sender), "203")


def _require_time(text: str) -> None:
    try:
        datetime.strptime(text, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007  # MSG91's has no zone
    except ValueError as error:
        raise Refused(ANSWERS["307"]) from error


def _require(value: object, code: str) -> bool:
    if not value:
        raise Refused(ANSWERS[code])
    return True
