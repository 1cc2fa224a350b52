"""A table of MSG91's answers. Sources: MSG91's documentation (doc), public code (seen), or inferred."""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

REQUEST_ID: Final = "REQUEST_ID"
"""A placeholder in a body for the request id of the call."""


class Ending(Enum):
    """How the call ends."""

    ANSWERED = "answered"
    SILENT = "silent"
    """The connection stays open without an answer, longer than any caller waits."""
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Answer:
    body: str = ""
    status: int = 200
    content_type: str = "application/json"
    sends: bool = False
    """Whether the SMS are sent, independently of the answer."""
    ending: Ending = Ending.ANSWERED
    delay: float = 0
    """Seconds before the answer is written; the SMS are sent at once."""

    @property
    def accepts(self) -> bool:
        """Whether the answer is a request id. If `sends` is false then, the SMS are dropped."""
        return REQUEST_ID in self.body


def error(code: str, message: str) -> Answer:
    return Answer(f'{{"message":"{message}","type":"error","code":"{code}"}}')


SUCCESS: Final = Answer(f'{{"type":"success","message":"{REQUEST_ID}"}}', sends=True)
FLOW_ID_MISSING: Final = Answer('{"message":"flow id missing","type":"error"}')  # doc: no code
BAD_CRQID: Final = Answer('{"message":"Invalid CRQID","type":"error"}')  # inferred; doc: 52 letters and digits at most
INVALID_REQUEST: Final = Answer('{"type":"error","message":"Invalid request"}', status=403)  # seen
NOT_FOUND: Final = Answer("<html><body>404 Not Found</body></html>", status=404, content_type="text/html")

# By the names that magic numbers and faults use. doc: the codes; seen: the shapes; inferred: the messages.
ANSWERS: Final = {
    "101": error("101", "Missing mobile no."),
    "102": error("102", "Missing message"),
    "103": error("103", "Missing sender ID"),
    "106": error("106", "Missing Authentication Key"),
    "107": error("107", "Missing Route"),
    "202": error("202", "Invalid mobile number"),
    "203": error("203", "Invalid sender ID"),
    "204": error("204", "Authkey has no permission to send an sms"),
    "207": error("207", "Invalid authentication key"),
    "211": error("211", "Empty DLT ID"),
    "301": error("301", "Insufficient balance"),
    "307": error("307", "Invalid schedule time"),
    "311": error("311", "Duplicate message"),
    "001": error("001", "Unable to connect database"),
    "002": error("002", "Unable to select database"),
    "400": error("400", "Template ID Missing or Invalid Template"),
    "999": error("999", "An undocumented error"),
    "418": Answer('{"msg":"418","msgType":"error"}'),  # seen: at HTTP 200
    "418-401": Answer('{"status":"fail","hasError":true,"code":"401","apiError":"418"}', status=401),  # seen
    "403": INVALID_REQUEST,
    "429": Answer('{"type":"error","message":"Too many requests"}', status=429),
    "500": Answer("<html><body>Internal Server Error</body></html>", status=500, content_type="text/html"),
    "502-sent": Answer("<html><body>Bad Gateway</body></html>", status=502, content_type="text/html", sends=True),
    "504": Answer("<html><body>Gateway Timeout</body></html>", status=504, content_type="text/html"),
    "503": Answer("<html><body>Service Unavailable</body></html>", status=503, content_type="text/html"),
    "dropped": replace(SUCCESS, sends=False),  # seen: for a wrong key, an empty balance, a key without permission
    "silent": Answer(sends=True, ending=Ending.SILENT),
    "reset": Answer(ending=Ending.RESET),
    "reset-sent": Answer(sends=True, ending=Ending.RESET),
    "html": Answer("<html><body>Please log in</body></html>", content_type="text/html", sends=True),
    "empty": Answer(sends=True),
    "cut-off": Answer('{"type":"success","mess', sends=True),
}
