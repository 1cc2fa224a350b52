import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segment_msg91.http import Request, answer

FIVE_MEGABYTES = 5 * 1024 * 1024


def _event(body: str | None, *, is_base64: bool = False, **members: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"version": "2.0", "body": body, "isBase64Encoded": is_base64, **members}


@given(st.binary())
def test_a_base64_body_is_the_bytes_that_were_sent(body: bytes) -> None:
    assert Request.of(_event(base64.b64encode(body).decode(), is_base64=True)).body == body


@given(st.text())
def test_a_plain_body_is_its_utf_8_bytes(body: str) -> None:
    assert Request.of(_event(body)).body == body.encode()


@pytest.mark.parametrize("event", [{}, _event(None), _event(""), _event("", is_base64=True)])
def test_a_missing_body_is_empty(event: dict[str, Any]) -> None:
    assert Request.of(event).body == b""


def test_a_body_that_is_not_the_base64_it_claims_to_be_is_taken_as_it_is() -> None:
    assert Request.of(_event('{"type":"track"}', is_base64=True)).body == b'{"type":"track"}'


def test_header_names_are_lower_case_and_values_are_left_alone() -> None:
    request = Request.of(_event("", headers={"X-Signature": "AbC"}))
    assert request.headers == {"x-signature": "AbC"}


def test_query_and_path_parameters_are_taken_over() -> None:
    request = Request.of(_event("", queryStringParameters={"token": "q"}, pathParameters={"token": "p"}))
    assert (request.query, request.path_parameters) == ({"token": "q"}, {"token": "p"})


@pytest.mark.parametrize("name", ["headers", "queryStringParameters", "pathParameters"])
def test_absent_and_null_parameters_are_empty(name: str) -> None:
    request = Request.of({name: None})
    assert (request.headers, request.query, request.path_parameters) == ({}, {}, {})


@pytest.mark.parametrize(("size", "is_too_large"), [(FIVE_MEGABYTES, False), (FIVE_MEGABYTES + 1, True)])
def test_a_body_over_5_mb_is_too_large(size: int, is_too_large: bool) -> None:  # noqa: FBT001 - a column of the table
    assert Request.of(_event("x" * size)).is_too_large is is_too_large


def test_an_answer_is_json_with_a_message() -> None:
    response = answer(400, "The body is not JSON.", results=[])
    assert response["statusCode"] == 400
    assert response["headers"]["content-type"] == "application/json"
    assert json.loads(response["body"]) == {"message": "The body is not JSON.", "results": []}


@pytest.mark.parametrize("status", [429, 503])
def test_an_answer_that_asks_for_another_try_says_when(status: int) -> None:
    assert int(answer(status, "Later.")["headers"]["retry-after"]) > 0


@pytest.mark.parametrize("status", [200, 202, 400, 401, 413])
def test_a_final_answer_asks_for_no_other_try(status: int) -> None:
    assert "retry-after" not in answer(status, "Done.")["headers"]
