"""Every shape of answer in msg91.md. HTTP 200 is not success."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segment_msg91.msg91.client import outcome_of
from segment_msg91.msg91.codes import SendState

ACCEPTED, REJECTED, HELD = SendState.ACCEPTED, SendState.REJECTED, SendState.HELD
RETRYABLE, UNKNOWN = SendState.RETRYABLE, SendState.UNKNOWN
SUCCESS = b'{"type":"success","message":"5762846b4f8d285d378b4567"}'

FINAL_CODES = ["101", "102", "103", "202", "203", "205", "211", "307", "308", "309", "310", "999"]
ACCOUNT_CODES = ["104", "105", "106", "107", "201", "207", "208", "209", "210", "301", "302", "303"]
ACCOUNT_CODES += ["204", "400", "418", "505", "506"]
TRANSIENT_CODES = ["001", "002", "306", "601"]


def _error(**members: object) -> bytes:
    return json.dumps({"type": "error", "message": "Try otherwise", **members}).encode()


def test_success_is_accepted_under_its_request_id() -> None:
    outcome = outcome_of(200, SUCCESS)
    assert (outcome.state, outcome.request_id) == (ACCEPTED, "5762846b4f8d285d378b4567")
    assert (outcome.error_code, outcome.error) == (None, None)


@pytest.mark.parametrize("request_id", ["33666c73574c303830353738", "not hexadecimal", 5762846, " 5762846\n"])
def test_the_form_of_a_request_id_is_not_enforced(request_id: object) -> None:
    content = json.dumps({"type": "success", "message": request_id}).encode()
    assert outcome_of(200, content).request_id == str(request_id).strip()


@pytest.mark.parametrize("content", [b'{"type":"success"}', b'{"message":"","type":"Success"}'])
def test_success_without_a_request_id_is_accepted_all_the_same(content: bytes) -> None:
    outcome = outcome_of(200, content)
    assert (outcome.state, outcome.request_id) == (ACCEPTED, None)


@pytest.mark.parametrize(
    ("status", "content", "state", "code"),
    [
        (200, b'{"type":"error","message":"Missing Authentication Key","code":"106"}', HELD, "106"),
        (200, b'{"message":"flow id missing","type":"error"}', REJECTED, None),
        (200, b'{"msg":"418","msgType":"error"}', HELD, "418"),
        (401, b'{"status":"fail","hasError":true,"code":"401","apiError":"418"}', HELD, "418"),
        (403, b'{"type":"error","message":"Invalid request"}', REJECTED, None),
    ],
)
def test_an_error_that_was_seen_is_understood(status: int, content: bytes, state: SendState, code: str | None) -> None:
    outcome = outcome_of(status, content)
    assert (outcome.state, outcome.error_code) == (state, code)


@pytest.mark.parametrize(
    ("code", "state"),
    [
        *((code, REJECTED) for code in FINAL_CODES),
        *((code, HELD) for code in ACCOUNT_CODES),
        *((code, RETRYABLE) for code in TRANSIENT_CODES),
        ("311", ACCEPTED),
    ],
)
@pytest.mark.parametrize("status", [200, 400])
def test_an_error_code_decides_the_state_and_status_of_the_event(code: str, state: SendState, status: int) -> None:
    outcome = outcome_of(status, _error(code=code))
    assert (outcome.state, outcome.error_code) == (state, code)


def test_an_error_has_msg91_s_words() -> None:
    assert "Try otherwise" in str(outcome_of(200, _error(code="202")).error)


@pytest.mark.parametrize("content", [b'{"msg":"418","msgType":"error"}', b'{"hasError":true,"apiError":"418"}'])
def test_an_error_without_words_has_the_meaning_of_its_code(content: bytes) -> None:
    assert "not whitelisted" in str(outcome_of(401, content).error)


@pytest.mark.parametrize(
    "members",
    [
        {"code": "301"},
        {"code": 301},
        {"apiError": "301"},
        {"apiError": 301, "code": "400"},
        {"message": "301"},
        {"code": "301", "message": "418"},
    ],
)
def test_an_error_code_is_in_one_of_three_places_as_string_or_number(members: dict[str, object]) -> None:
    assert outcome_of(200, _error(**members)).error_code == "301"


@pytest.mark.parametrize("code", [1, "1", "001"])
def test_an_error_code_has_three_digits_even_when_its_zeros_were_lost(code: object) -> None:
    outcome = outcome_of(200, _error(code=code))
    assert (outcome.state, outcome.error_code) == (RETRYABLE, "001")


@pytest.mark.parametrize(
    "answer",
    [
        {"type": "error"},
        {"type": "ERROR"},
        {"msgType": "error"},
        {"status": "fail"},
        {"status": "error"},
        {"hasError": True},
    ],
)
def test_an_error_is_recognised_by_any_of_its_signs(answer: dict[str, object]) -> None:
    assert outcome_of(200, json.dumps(answer).encode()).state is REJECTED


@pytest.mark.parametrize("status", [401, 404, 405])
def test_an_error_of_an_unknown_code_is_held_if_the_status_blames_key_or_address(status: int) -> None:
    outcome = outcome_of(status, _error(code="999"))
    assert (outcome.state, outcome.error_code) == (HELD, "999")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(_error(code="202"), "MSG91: Try otherwise (202)", id="MSG91's words and the code"),
        pytest.param(b'{"type":"error","message":"flow id missing"}', "MSG91: flow id missing", id="no code"),
        pytest.param(SUCCESS, None, id="success"),
        pytest.param(
            _error(code="311"),
            "MSG91 took the same text to this number seconds before, and may drop this one (311)",
            id="accepted before",
        ),
    ],
)
def test_the_reason_a_person_reads_says_who_spoke(content: bytes, reason: str | None) -> None:
    assert outcome_of(200, content).reason == reason


def test_the_reason_a_person_reads_says_nothing_twice() -> None:
    assert outcome_of(502, b"<html>Bad Gateway</html>").reason == "MSG91 answered HTTP 502"


@pytest.mark.parametrize("absent", [None, "", "0", 0])
def test_an_empty_code_is_none(absent: object) -> None:
    assert outcome_of(200, _error(code=absent)).error_code is None


def test_an_unknown_code_is_final_and_kept_unchanged() -> None:
    outcome = outcome_of(200, _error(code="A-77"))
    assert (outcome.state, outcome.error_code) == (REJECTED, "A-77")


def test_an_error_without_a_code_is_held_when_its_words_name_the_account() -> None:
    assert outcome_of(200, _error(message="Authentication failure")).state is HELD


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html><body>OK</body></html>",
        SUCCESS[:-1],
        b"{}",
        b"[]",
        b"null",
        b'"success"',
        b'{"message":"5762846b4f8d285d378b4567"}',
        b'{"type":"pending"}',
        b'{"status":"success"}',
        b"\xff",
        b"[" + SUCCESS + b"]",
    ],
)
@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_2xx_that_says_neither_success_nor_error_is_unknown(status: int, content: bytes) -> None:
    assert outcome_of(status, content).state is UNKNOWN


def test_success_cut_off_at_any_byte_is_never_counted_as_sent() -> None:
    assert {outcome_of(200, SUCCESS[:length]).state for length in range(len(SUCCESS))} == {UNKNOWN}


@pytest.mark.parametrize("status", [400, 404, 500, 502])
def test_success_at_a_status_of_failure_is_unknown(status: int) -> None:
    assert outcome_of(status, SUCCESS).state is UNKNOWN


@pytest.mark.parametrize("status", [500, 501, 503, 521, 522, 523])
@pytest.mark.parametrize("content", [b"", b"<html>Bad Gateway</html>", _error(), b"{}"])
def test_a_server_error_is_to_be_tried_again(status: int, content: bytes) -> None:
    outcome = outcome_of(status, content)
    assert (outcome.state, outcome.is_throttled, outcome.error_code) == (RETRYABLE, False, f"HTTP {status}")


@pytest.mark.parametrize("status", [502, 504, 520, 524])
@pytest.mark.parametrize("content", [b"", b"<html>Bad Gateway</html>", _error(), b"{}", _error(code="999")])
def test_a_gateway_without_an_answer_is_no_proof_that_nothing_was_sent(status: int, content: bytes) -> None:
    outcome = outcome_of(status, content)
    assert (outcome.state, outcome.error_code, outcome.is_unanswered) == (UNKNOWN, f"HTTP {status}", True)


@pytest.mark.parametrize("status", [502, 504])
def test_an_error_of_msg91s_own_counts_whatever_the_gateways_status(status: int) -> None:
    assert outcome_of(status, _error(code="301")).state is HELD


@pytest.mark.parametrize(
    ("content", "is_everybodys"),
    [
        pytest.param(_error(code="301"), True, id="balance"),
        pytest.param(_error(code="204"), True, id="permission"),
        pytest.param(_error(code="400"), False, id="template"),
        pytest.param(b'{"type":"error","message":"Template ID Missing"}', False, id="template without a code"),
        pytest.param(_error(code="202"), False, id="number"),
        pytest.param(SUCCESS, False, id="success"),
    ],
)
def test_only_what_the_next_message_will_meet_as_well_opens_the_circuit(content: bytes, is_everybodys: bool) -> None:  # noqa: FBT001
    assert outcome_of(200, content).concerns_every_message is is_everybodys


def test_the_code_of_a_server_error_is_kept() -> None:
    assert outcome_of(500, _error(code="999")).error_code == "999"


@pytest.mark.parametrize("content", [b"", b"<html>Slow down</html>", _error(), _error(code="301"), _error(code="101")])
def test_a_429_is_to_be_tried_again_whatever_its_body(content: bytes) -> None:
    outcome = outcome_of(429, content)
    assert (outcome.state, outcome.is_throttled) == (RETRYABLE, True)


@pytest.mark.parametrize("status", [301, 302, 400, 401, 403, 404, 405])
def test_a_refusal_that_is_not_msg91_s_api_is_held_with_advice(status: int) -> None:
    outcome = outcome_of(status, b"<html>Forbidden</html>")
    assert (outcome.state, outcome.error_code) == (HELD, f"HTTP {status}")
    assert "Msg91BaseUrl" in str(outcome.error)


@pytest.mark.parametrize(("code", "may_differ"), [("101", True), ("311", True), ("999", True), ("301", False)])
def test_an_error_that_a_single_message_may_have_caused_is_recognised(code: str, may_differ: bool) -> None:  # noqa: FBT001
    assert outcome_of(200, _error(code=code)).should_split is may_differ


def test_a_plain_success_and_an_unknown_outcome_may_not_be_sent_again_singly() -> None:
    assert not outcome_of(200, SUCCESS).should_split
    assert not outcome_of(200, b"").should_split


@given(
    st.integers(100, 599),
    st.binary()
    | st.dictionaries(
        st.sampled_from(["type", "message", "msg", "msgType", "code", "apiError", "status", "hasError"]),
        st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["error", "fail", "101"]) | st.just({}),
    ).map(lambda answer: json.dumps(answer).encode()),
)
def test_no_answer_makes_classifying_fail_or_counts_as_sent_by_mistake(status: int, content: bytes) -> None:
    outcome = outcome_of(status, content)
    claims_success = b'"success"' in content or outcome.error_code == "311"
    assert outcome.state in (REJECTED, HELD, RETRYABLE, UNKNOWN) or claims_success


@pytest.mark.parametrize(
    ("code", "category"), [("203", "dlt_header"), ("301", "balance"), ("418", "account"), ("999", "other")]
)
def test_what_msg91_refuses_or_holds_has_a_category(code: str, category: str) -> None:
    assert outcome_of(200, _error(code=code)).failure_category == category


@pytest.mark.parametrize("content", [SUCCESS, _error(code="601"), _error(code="311"), b""])
def test_what_was_sent_or_may_be_sent_again_has_not_failed(content: bytes) -> None:
    assert outcome_of(200, content).failure_category is None
