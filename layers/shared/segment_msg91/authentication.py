"""Who may call: Segment's signature and tokens, MSG91's token, the console's. Other requests are refused unread."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from typing import Final

from segment_msg91.http import Request
from segment_msg91.segment import payload as segment
from segment_msg91.settings import Secrets

_SIGNATURE: Final = "x-signature"


class UnauthorizedError(Exception):
    """The request does not authenticate; the text says what is expected, not what was wrong with a secret."""


def authenticate_segment(request: Request, secrets: Secrets) -> None:
    """Let a request to /segment in, or raise UnauthorizedError.

    Segment signs the whole body of a single event, but of a batch its first element only (seen in its webhook code):
    the rest of the batch is unsigned. So a signature over the whole body is enough. Every other request needs the
    token, and if it has a signature as well, that must match.
    """
    signature = request.headers.get(_SIGNATURE)
    if signature is not None and _signs(signature, request.body, secrets):
        return
    users = [user for user, _ in _basic(request)]
    has_token = _any_matches([*_bearer(request), *users, *_query_token(request)], secrets.segment_tokens)
    if not has_token and not _any_matches(users, [secrets.msg91_authkey]):  # the authkey never goes into a URL
        raise UnauthorizedError(
            "Unauthorized: the X-Signature does not match the whole body and no valid token came with it. "
            "A batch always needs the header Authorization: Bearer <segment_token>."
            if signature is not None
            else "Unauthorized: send X-Signature (the shared secret) or Authorization: Bearer <segment_token>."
        )
    if signature is not None and not any(
        _signs(signature, part, secrets) for part in segment.signed_parts(request.body)
    ):
        raise UnauthorizedError("Unauthorized: X-Signature does not match; check the shared secret on both sides.")


def authenticate_msg91(request: Request, secrets: Secrets) -> None:
    """Let a request to /msg91/reports in, or raise UnauthorizedError."""
    credentials = [
        *_present(request.path_parameters.get("token")),
        *_query_token(request),
        *_present(request.headers.get("x-webhook-token")),
        *_bearer(request),
    ]
    if not _any_matches(credentials, secrets.report_tokens):
        raise UnauthorizedError("Unauthorized: end the URL with /<report_token>, or send it as X-Webhook-Token.")


def authenticate_console(request: Request, secrets: Secrets) -> str:
    """Let a request to /console in and return its user name, or raise UnauthorizedError. Any user name is accepted."""
    credentials = _basic(request)
    if not _any_matches([password for _, password in credentials], secrets.console_tokens):
        raise UnauthorizedError("Unauthorized: sign in with any user name, and the secret's console_token as password.")
    return credentials[0][0]


def _signs(signature: str, signed: bytes, secrets: Secrets) -> bool:
    keys = [secret.encode() for secret in secrets.segment_shared_secrets if secret]
    return _any_matches([signature], [hmac.new(key, signed, hashlib.sha1).hexdigest() for key in keys])


def _any_matches(given: Iterable[str], accepted: Iterable[str]) -> bool:
    """Compare every pair in constant time, without stopping at the first that matches."""
    accepted = [one for one in accepted if one]
    matches = [hmac.compare_digest(_bytes(a), _bytes(b)) for a in given for b in accepted]
    return any(matches)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _present(value: str | None) -> list[str]:
    return [] if value is None else [value]


def _query_token(request: Request) -> list[str]:
    return _present(request.query.get("token"))


def _bearer(request: Request) -> list[str]:
    return _present(_credentials(request, "bearer"))


def _basic(request: Request) -> list[tuple[str, str]]:
    """Return Basic authentication's user name, where Segment puts the "API Key" of a destination, and password."""
    encoded = _credentials(request, "basic")
    if encoded is None:
        return []
    try:
        decoded = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        return []
    user, _, password = decoded.partition(":")
    return [(user, password)]


def _credentials(request: Request, scheme: str) -> str | None:
    given, _, credentials = request.headers.get("authorization", "").strip().partition(" ")
    return credentials.strip() if given.lower() == scheme else None
