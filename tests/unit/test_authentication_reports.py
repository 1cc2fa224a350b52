"""Authentication of POST /msg91/reports."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segment_msg91.authentication import UnauthorizedError, authenticate_msg91
from segment_msg91.http import Request
from segment_msg91.settings import Secrets

SECRETS = Secrets("authkey-1", ("shared-1",), ("token-1",), ("report-new", "report-old"))


def _is_let_in(request: Request, secrets: Secrets = SECRETS) -> bool:
    try:
        authenticate_msg91(request, secrets)
    except UnauthorizedError:
        return False
    return True


def _path(token: str) -> Request:
    return Request(b"", {}, {}, {"token": token})


def _query(token: str) -> Request:
    return Request(b"", {}, {"token": token}, {})


def _header(token: str) -> Request:
    return Request(b"", {"x-webhook-token": token}, {}, {})


def _bearer(token: str) -> Request:
    return Request(b"", {"authorization": f"Bearer {token}"}, {}, {})


PLACES = [_path, _query, _header, _bearer]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("token", ["report-new", "report-old"])
def test_both_tokens_of_a_rotation_are_accepted_in_all_four_places(place: Callable[[str], Request], token: str) -> None:
    assert _is_let_in(place(token))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("token", ["", "wrong", "report-ne", "report-neww", "token-1", "shared-1", "authkey-1", "é"])
def test_any_other_credential_is_refused_in_all_four_places(place: Callable[[str], Request], token: str) -> None:
    assert not _is_let_in(place(token))


def test_a_request_without_a_credential_is_refused() -> None:
    assert not _is_let_in(Request(b"", {}, {}, {}))


def test_the_token_in_basic_authentication_is_refused() -> None:
    assert not _is_let_in(Request(b"", {"authorization": "Basic cmVwb3J0LW5ldzo="}, {}, {}))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("secrets", [Secrets(), Secrets(report_tokens=("",))])
def test_a_missing_or_empty_secret_does_not_authenticate(place: Callable[[str], Request], secrets: Secrets) -> None:
    assert not _is_let_in(place(""), secrets)


@given(st.text(st.characters(exclude_categories=())))
def test_any_other_text_as_token_is_refused_and_raises_nothing_else(token: str) -> None:
    request = Request(b"", {"authorization": f"Bearer {token}", "x-webhook-token": token}, {}, {"token": token})
    assert not _is_let_in(request)
