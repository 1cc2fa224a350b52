"""Authentication of POST /segment, with requests captured from Segment's own webhook code (tests/vectors)."""

import base64
import hashlib
import hmac
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segment_msg91.authentication import UnauthorizedError, authenticate_segment
from segment_msg91.http import Request
from segment_msg91.settings import Secrets

VECTORS = Path(__file__).parents[1] / "vectors"
SECRET = "abc123"
TOKEN = "token-1"
SECRETS = Secrets("authkey-1", (SECRET,), (TOKEN,), ("report-1",))
BEARER = {"authorization": f"Bearer {TOKEN}"}
SINGLES = ["single_track", "single_odd_json", "mapped_template", "mapped_message"]
BATCHES = ["batch_of_1", "batch_of_3", "mapped_batch"]


def _captured(name: str) -> tuple[bytes, str]:
    vector = json.loads((VECTORS / f"segment_{name}.json").read_text())
    assert vector["secret"] == SECRET
    request = vector["requests"][0]
    return request["raw"].encode(), request["headers"]["x-signature"]


def _signature(signed: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), signed, hashlib.sha1).hexdigest()


def _is_let_in(
    body: bytes, headers: dict[str, str], query: dict[str, str] | None = None, secrets: Secrets = SECRETS
) -> bool:
    try:
        authenticate_segment(Request(body, headers, query or {}, {}), secrets)
    except UnauthorizedError:
        return False
    return True


def _basic(user: str, password: str = "") -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize("name", SINGLES)
def test_a_captured_single_event_needs_nothing_but_its_signature(name: str) -> None:
    body, signature = _captured(name)
    assert _is_let_in(body, {"x-signature": signature})


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_signed_on_its_first_event_needs_the_token(name: str) -> None:
    body, signature = _captured(name)
    assert not _is_let_in(body, {"x-signature": signature})
    assert _is_let_in(body, {"x-signature": signature, **BEARER})


def test_a_batch_signed_as_a_whole_needs_no_token() -> None:
    body, _ = _captured("batch_of_3")
    assert _is_let_in(body, {"x-signature": _signature(body)})


def test_an_extensible_batch_is_signed_on_its_first_event_and_needs_the_token() -> None:
    event, signature = _captured("single_odd_json")
    body = b'[{"json": ' + event + b'}, {"json": {"type": "track"}}]'
    assert not _is_let_in(body, {"x-signature": signature})
    assert _is_let_in(body, {"x-signature": signature, **BEARER})


def test_elements_forged_behind_a_signed_event_do_not_pass() -> None:
    event, signature = _captured("single_track")
    assert not _is_let_in(b"[" + event + b',{"type":"track"}]', {"x-signature": signature})


@pytest.mark.parametrize("name", SINGLES)
def test_a_changed_byte_anywhere_breaks_the_signature(name: str) -> None:
    body, signature = _captured(name)
    for position in range(len(body)):
        changed = body[:position] + bytes([body[position] ^ 1]) + body[position + 1 :]
        assert not _is_let_in(changed, {"x-signature": signature})


@pytest.mark.parametrize("name", [*SINGLES, *BATCHES])
@pytest.mark.parametrize("signature", ["", "0" * 40, "not hexadecimal", "é", "sha1="])
def test_a_signature_that_is_present_must_match_even_with_a_valid_token(name: str, signature: str) -> None:
    body, _ = _captured(name)
    assert not _is_let_in(body, {"x-signature": signature, **BEARER})


def test_a_signature_made_with_another_secret_does_not_pass_even_with_a_valid_token() -> None:
    body, _ = _captured("single_track")
    assert not _is_let_in(body, {"x-signature": _signature(body, "another"), **BEARER})


def test_a_signature_over_another_element_than_the_first_does_not_pass_even_with_a_valid_token() -> None:
    body = b'[{"messageId":"1"},{"messageId":"2"}]'
    assert not _is_let_in(body, {"x-signature": _signature(b'{"messageId":"2"}'), **BEARER})


@pytest.mark.parametrize("secret", ["new", "old"])
def test_both_shared_secrets_of_a_rotation_are_accepted(secret: str) -> None:
    body, _ = _captured("single_track")
    secrets = Secrets(segment_shared_secrets=("new", "old"))
    assert _is_let_in(body, {"x-signature": _signature(body, secret)}, secrets=secrets)


@pytest.mark.parametrize("token", ["new", "old"])
def test_both_tokens_of_a_rotation_are_accepted(token: str) -> None:
    secrets = Secrets(segment_tokens=("new", "old"))
    assert _is_let_in(b"{}", {"authorization": f"Bearer {token}"}, secrets=secrets)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(BEARER, id="bearer"),
        pytest.param({"authorization": f" bearer  {TOKEN} "}, id="bearer in lower case, with spaces"),
        pytest.param(_basic(TOKEN), id="the token as Segment's API Key"),
        pytest.param(_basic("authkey-1"), id="the MSG91 authkey as Segment's API Key"),
        pytest.param(_basic(TOKEN, "password"), id="whatever the password"),
    ],
)
def test_a_request_without_a_signature_is_let_in_by_a_credential(headers: dict[str, str]) -> None:
    assert _is_let_in(b"{}", headers)


@pytest.mark.parametrize("name", SINGLES)
def test_a_signature_is_enough_with_a_mapping_name_as_well(name: str) -> None:
    body, signature = _captured(name)
    assert _is_let_in(body, {"x-signature": signature}, {"mapping": "order-sms"})
    assert not _is_let_in(body, {"x-signature": "0" * 40}, {"mapping": "order-sms"})


def test_a_request_is_let_in_by_the_token_in_its_query() -> None:
    assert _is_let_in(b"{}", {}, {"token": TOKEN})


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param({"authorization": ""}, {}, id="an empty header"),
        pytest.param({"authorization": "Bearer"}, {}, id="no token"),
        pytest.param({"authorization": "Bearer "}, {}, id="an empty token"),
        pytest.param({"authorization": TOKEN}, {}, id="no scheme"),
        pytest.param({"authorization": f"Digest {TOKEN}"}, {}, id="another scheme"),
        pytest.param({"authorization": "Bearer wrong"}, {}, id="a wrong token"),
        pytest.param({"authorization": f"Bearer {TOKEN}x"}, {}, id="a longer token"),
        pytest.param({"authorization": f"Bearer {TOKEN[:-1]}"}, {}, id="a shorter token"),
        pytest.param({"authorization": "Bearer tökén"}, {}, id="no ASCII"),
        pytest.param({"authorization": "Bearer report-1"}, {}, id="the token of reports"),
        pytest.param({"authorization": f"Bearer {SECRET}"}, {}, id="the shared secret"),
        pytest.param({"authorization": "Basic !"}, {}, id="no base64"),
        pytest.param({"authorization": "Basic dG9r!ZW4tMTo="}, {}, id="the token in broken base64"),
        pytest.param({"authorization": "Basic /w=="}, {}, id="no UTF-8"),
        pytest.param(_basic(""), {}, id="no user name"),
        pytest.param(_basic("user", TOKEN), {}, id="the token as password"),
        pytest.param({}, {"token": ""}, id="an empty query"),
        pytest.param({}, {"token": "wrong"}, id="a wrong query"),
        pytest.param({}, {"token": "authkey-1"}, id="the MSG91 authkey in a URL"),
        pytest.param({"authorization": "Bearer authkey-1"}, {}, id="the MSG91 authkey as bearer"),
    ],
)
def test_a_request_without_a_valid_credential_is_refused(headers: dict[str, str], query: dict[str, str]) -> None:
    assert not _is_let_in(b"{}", headers, query)


@pytest.mark.parametrize("empty", [Secrets(), Secrets("", ("",), ("",), ("",))])
@pytest.mark.parametrize(
    "headers",
    [{}, {"x-signature": _signature(b"{}", "")}, {"x-signature": ""}, {"authorization": "Bearer "}, _basic("")],
)
def test_a_missing_or_empty_secret_does_not_authenticate(empty: Secrets, headers: dict[str, str]) -> None:
    assert not _is_let_in(b"{}", headers, {"token": ""}, secrets=empty)


@pytest.mark.parametrize("body", [b"", b"[null]"])
def test_what_segment_leaves_unsigned_is_refused_without_the_token(body: bytes) -> None:
    assert not _is_let_in(body, {})


@given(st.binary(), st.text(), st.text())
def test_any_request_without_a_credential_is_refused_and_raises_nothing_else(
    body: bytes, signature: str, authorization: str
) -> None:
    assert not _is_let_in(body, {"x-signature": signature, "authorization": authorization}, {"token": signature})


@pytest.mark.parametrize(
    ("headers", "remedy"),
    [
        pytest.param({}, "X-Signature", id="nothing came"),
        pytest.param({"x-signature": "0" * 40}, "batch", id="a batch's signature, perhaps"),
        pytest.param({"x-signature": "0" * 40, **BEARER}, "shared secret", id="a wrong signature with the token"),
    ],
)
def test_the_refusal_says_what_to_send(headers: dict[str, str], remedy: str) -> None:
    with pytest.raises(UnauthorizedError, match=remedy):
        authenticate_segment(Request(b"{}", headers, {}, {}), SECRETS)


@pytest.mark.parametrize("headers", [{}, {"x-signature": "0" * 40}, {"x-signature": "0" * 40, **BEARER}])
def test_the_refusal_names_no_secret(headers: dict[str, str]) -> None:
    with pytest.raises(UnauthorizedError) as caught:
        authenticate_segment(Request(b"{}", headers, {}, {}), SECRETS)
    assert not any(secret in str(caught.value) for secret in (SECRET, TOKEN, "authkey-1", "0" * 40))
