"""MSG91 behind an httpx transport, with a ledger of what it sent."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final

import httpx

from segment_msg91.msg91.client import Msg91


@dataclass(frozen=True, slots=True)
class SentSms:
    """One SMS that reached a phone."""

    number: str
    text: str | None
    crqid: str | None
    request_id: str | None


@dataclass(frozen=True, slots=True)
class _Answer:
    body: str | None = None
    status: int = 200
    sends: bool = False
    raises: BaseException | None = None


_SUCCESS: Final = _Answer(sends=True)


@dataclass
class FakeMsg91:
    """MSG91's two sending APIs, with a ledger of what went out. Each call succeeds unless an answer was prepared."""

    sent: list[SentSms] = field(default_factory=list)
    calls: list[list[str]] = field(default_factory=list)
    """The numbers of each call."""
    requests: list[httpx.Request] = field(default_factory=list)
    during_call: Callable[[], object] | None = None
    """What happens once, during the next call."""
    _answers: list[_Answer] = field(default_factory=list)
    _by_number: dict[str, _Answer] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def client(self) -> Msg91:
        return Msg91("https://msg91.test", httpx.MockTransport(self._handle))

    def answers(self, body: str, status: int = 200, *, sends: bool = False) -> None:
        """Prepare the next call's answer; with `sends` the SMS go out all the same."""
        self._answers.append(_Answer(body, status, sends))

    def refuses(self, code: str, words: str = "MSG91's words") -> None:
        """Prepare an error as MSG91 answers it: with HTTP 200."""
        self._answers.append(_refusal(code, words))

    def breaks_off(self, error: BaseException, *, sends: bool = False) -> None:
        """Prepare the next call's end without an answer."""
        self._answers.append(_Answer(sends=sends, raises=error))

    def forgets_answers(self) -> None:
        self._answers.clear()

    def refuses_number(self, number: str, code: str) -> None:
        """Refuse every call that contains the number."""
        self._by_number[number] = _refusal(code, "MSG91's words")

    def _handle(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            body = httpx.Response(200, content=request.content).json()
            request_id = f"346130aa11bb22cc33dd{len(self.calls):04}"
            messages = list(_messages(body, request_id))
            numbers = [sms.number for sms in messages]
            self.calls.append(numbers)
            self.requests.append(request)
            refusals = [self._by_number[number] for number in numbers if number in self._by_number]
            answer = self._answers.pop(0) if self._answers else next(iter(refusals), _SUCCESS)
            self.sent += messages if answer.sends else []
            during_call, self.during_call = self.during_call, None
        if during_call:
            during_call()
        if answer.raises:
            raise answer.raises
        content = answer.body if answer.body is not None else f'{{"type":"success","message":"{request_id}"}}'
        return httpx.Response(answer.status, text=content)


def _refusal(code: str, words: str) -> _Answer:
    return _Answer(f'{{"type":"error","message":"{words}","code":"{code}"}}')


def _messages(body: dict[str, Any], request_id: str) -> Iterator[SentSms]:
    for element in body.get("sms", []):
        for number in element["to"]:
            yield SentSms(number, element["message"], element.get("CRQID", body.get("CRQID")), request_id)
    for recipient in body.get("recipients", []):
        yield SentSms(recipient["mobiles"], None, recipient["CRQID"], request_id)
