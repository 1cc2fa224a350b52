"""Checks of Segment's route. These probes ask for no SMS, so even a route without authentication sends none."""

import hashlib
import hmac
import json
from typing import Final

import httpx

from scripts.verify.gateway import Route
from scripts.verify.results import Result, failed, ok
from scripts.verify.target import Target, json_of, words_of

ROUTE: Final = Route(
    "SegmentIngestFunction",
    ("RequestsPerSecond", "RequestBurst"),
    "SegmentUrl leads to another API, or its route was deleted. Run make build and sam deploy from this checkout.",
)
_REFUSED: Final = 401
_SKIPPED: Final = 200
_MALFORMED: Final = 400
_OPEN: Final = (
    "Anyone who knows the URL could send SMS at your expense. Pause sending (docs/operations.md#pause-sending), and "
    "check what is between the URL and the function, and authentication.py of the deployed version."
)


def wrong_token_is_refused(target: Target) -> Result:
    """Check that a token which is not in the secret is refused."""
    return _refused(_post(target, _event(target), authorization=f"Bearer {target.marker}"), "a wrong token")


def wrong_signature_is_refused(target: Target) -> Result:
    """Check that a signature with another shared secret is refused."""
    body = _event(target)
    return _refused(_post(target, body, signature=_sign(body, target.marker)), "a wrong signature")


def unsigned_batch_is_refused(target: Target) -> Result:
    """Check that a batch without any credential is refused."""
    return _refused(_post(target, _batch(target)), "a batch and no credential")


def partly_signed_batch_is_refused(target: Target) -> Result:
    """Check that a batch is refused if its signature covers only its first element, as Segment's does."""
    signature = _sign(_event(target), target.credential("segment_shared_secret"))
    return _refused(
        _post(target, _batch(target), signature=signature), "a batch whose signature covers its first event only"
    )


def signed_event_is_skipped(target: Target) -> Result:
    """Check that Segment's authentication works: a signed event that asks for no SMS."""
    body = _event(target)
    response = _post(target, body, signature=_sign(body, target.credential("segment_shared_secret")))
    return _accepted(response, "the signature", "segment_shared_secret")


def event_with_token_is_skipped(target: Target) -> Result:
    """Check that an event with the token that batches need is accepted."""
    authorization = f"Bearer {target.credential('segment_token')}"
    return _accepted(_post(target, _event(target), authorization=authorization), "the token", "segment_token")


def malformed_body_is_named(target: Target) -> Result:
    """Check that a body which is not JSON is answered 400 with the reason."""
    authorization = f"Bearer {target.credential('segment_token')}"
    response = _post(target, b'{"type": "track"', authorization=authorization)
    if response.status_code == _MALFORMED and "JSON" in str(json_of(response).get("message")):
        return ok("A body that is cut off is answered 400, and the answer says that it is not JSON.")
    return failed(
        f"A body that is cut off should be answered 400 with the reason, and was: {words_of(response)}.",
        "Look at the log of SegmentIngestFunction, and at what else answers under SegmentUrl.",
    )


def post_signed(target: Target, body: bytes) -> httpx.Response:
    """Post a body as Segment does, signed. Raises MissingError and NotStartedError."""
    return _post(target, body, signature=_sign(body, target.credential("segment_shared_secret")))


def _refused(response: httpx.Response, what: str) -> Result:
    if response.status_code == _REFUSED:
        return ok(f"A request with {what} is answered 401.")
    if response.is_success:
        return failed(f"A request with {what} was accepted ({words_of(response)}).", _OPEN)
    return failed(
        f"A request with {what} should be answered 401, and was: {words_of(response)}.",
        "Look at the log of SegmentIngestFunction: it could not authenticate the request.",
    )


def _accepted(response: httpx.Response, what: str, member: str) -> Result:
    statuses = [result.get("status") for result in json_of(response).get("results") or [] if isinstance(result, dict)]
    if response.status_code == _SKIPPED and statuses == ["skipped"]:
        return ok(f"An event with {what} of the secret is accepted; it asks for no SMS and is skipped.")
    if response.status_code == _REFUSED:
        return failed(
            f"The secret's {member} is refused.",
            "If the secret was changed in the last five minutes, wait and run this again. Otherwise the functions read "
            f"another secret, or something on the way changes the request. Segment's side needs the same {member}.",
        )
    return failed(
        f"The event should be skipped, and was answered: {words_of(response)}.",
        "Look at the log of SegmentIngestFunction. 503 means that the secret or the table can't be reached.",
    )


def _event(target: Target) -> bytes:
    event = {"type": "track", "event": "Deployment Verified", "messageId": target.marker, "properties": {}}
    return json.dumps(event).encode()


def _batch(target: Target) -> bytes:
    event = _event(target)
    return b"[" + event + b"," + event + b"]"


def _sign(body: bytes, key: str) -> str:
    return hmac.new(key.encode(), body, hashlib.sha1).hexdigest()


def _post(target: Target, body: bytes, *, authorization: str = "", signature: str = "") -> httpx.Response:
    given = {"authorization": authorization, "x-signature": signature}
    headers = {"content-type": "application/json"} | {name: value for name, value in given.items() if value}
    return ROUTE.checked(target, target.http.post(target.output("SegmentUrl"), content=body, headers=headers))
