"""The taxonomy of failures: the category of each known code and text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segment_msg91.msg91.codes import API_ERRORS, FAILING, DeliveryStatus, ErrorClass
from segment_msg91.msg91.failures import API, FAILURES, PHRASES, Category, of_refusal, of_report

FAILED, NDNC = DeliveryStatus.FAILED, DeliveryStatus.NDNC
REJECTED, BLOCKED = DeliveryStatus.REJECTED, DeliveryStatus.BLOCKED

# As MSG91's help pages, CleverTap's callbacks and the DLT platforms write them.
TEXTS = {
    Category.DLT_TEMPLATE: [
        "Template Inactive on DLT",
        "5304Template ID not found on DLT",
        "5307- SMS not Matched with DLT Template",
        "TEMPLATE_NOT_MATCHED",
        "TEMPLATE-BLACKLISTED",
        "DLT Scrubbing Failed",
        "URL not whitelisted",
        "flow id missing",
    ],
    Category.DLT_ENTITY: [
        "ENTITY_NOT_REGISTERED",
        "INVALID_ENTITY_ID",
        "Entity inactive on DLT",
        "PE-TM Hash not Registered",
        "TELEMARKETER_NOT_ALLOWED_FOR_ENTITY",
    ],
    Category.DLT_HEADER: [
        "5303Header not associated with this template",
        "HEADER-NOT-REGISTERED",
        "PEID_NOT_MATCHED_WITH_HEADER",
        "SNDR-INACTVE",
        "Invalid Sender ID",
    ],
    Category.DLT_CONSENT: ["CONSENT_NOT_FOUND", "Consent failed on DLT"],
    Category.DND: ["NDNC Number", "NDNC REJECTED", "DND-NUMB", "PREFERENCE_NOT_MATCHED", "DND preference on DLT"],
    Category.BLOCKED: ["Blocked Number", "Number under blocked circle", "BLACKLIST", "CALL BARRED"],
    Category.OPT_OUT: ["OPT-OUT", "Opted out", "Unsubscribed number", "OPTOUT-REJ"],
    Category.TIMING: ["Invalid SMS Timing"],
    Category.FIELD: ["Invalid schedule time", "Campaign name too long"],
    Category.VARIABLE_LENGTH: ["TEMPLATE_VARIABLE_EXCEEDED_MAX_LENGTH", "Template variable exceeded max length"],
    Category.PERMISSION: ["Authkey has no permission to send an sms"],
    Category.INVALID_NUMBER: [
        "Invalid Number",
        "INVALID-SUB",
        "UNKNOWN SUBSCRIBER",
        "UNKNWN SBCRIBR",
        "ILEGAL SBSCRIBR",
        "TELESERVICE NOT PROVISIONED",
        "TLESERVCE NOT PROVSND",
        "Message Service Not Supported",
    ],
    Category.UNREACHABLE: [
        "Absent Subscriber",
        "ABSENT-SUB",
        "EXP Abssubs",
        "EXP Memexcd",
        "EXP Nwfail",
        "NUMBER TEMPORARILY UNAVAILABLE",
        "Services temporarily blocked",
        "INBOX CAPACITY EXCEEDED",
        "SUBSCRIBER BUSY FOR MT SMS",
        "SBSCRIBR BSY FOR MT SMS",
        "HLR/ MSC Timeout",
        "SYSTEM FAILURE",
        "Resource Unavailable",
    ],
    Category.EXPIRED: ["EXPIRED MAXIMUM RETRIES EXCEEDED", "EXP Smstmout", "Force Expired", "Message timed out"],
    Category.REJECTED_BY_OPERATOR: ["Rejected By Provider", "Rejected by Kannel or Provider", "SPAM"],
    Category.DUPLICATE: ["Duplicate Message Drop"],
    Category.BALANCE: ["Insufficient balance to send SMS", "NO-CREDITS"],
    Category.ACCOUNT: ["Missing Authentication Key", "Invalid authkey", "IP is not whitelisted", "Banned user account"],
    Category.DROPPED: [],
    Category.UNCONFIRMED: [],
    Category.NOT_SENT: [],
    Category.OTHER: ["", "FAILED", "Undelivered", "Auto Failed", "Not in the table", "\u0938\u0902\u0926\u0947\u0936"],
}
KNOWN = [(text, category) for category, texts in TEXTS.items() for text in texts]


@pytest.mark.parametrize(("text", "category"), KNOWN)
def test_a_reason_that_was_seen_has_its_category(text: str, category: Category) -> None:
    assert of_report(FAILED, "2", "FAILED", text) is category


@pytest.mark.parametrize(("text", "category"), KNOWN)
def test_a_description_decides_if_there_is_no_reason(text: str, category: Category) -> None:
    assert of_report(FAILED, "2", text, None) is category


@pytest.mark.parametrize(("text", "category"), KNOWN)
def test_words_of_a_refusal_are_read_alike(text: str, category: Category) -> None:
    assert of_refusal("999", text) is category


@pytest.mark.parametrize("text", ["template inactive", "  TEMPLATE__INACTIVE ", "(Template-Inactive)"])
def test_casing_and_punctuation_of_a_text_do_not_matter(text: str) -> None:
    assert of_report(FAILED, None, None, text) is Category.DLT_TEMPLATE


def test_a_phrase_within_a_word_is_not_found() -> None:
    assert of_report(FAILED, None, None, "overflow of curls") is Category.OTHER


@pytest.mark.parametrize(
    ("code", "category"),
    [
        ("901", Category.DND),
        ("902", Category.REJECTED_BY_OPERATOR),
        ("903", Category.REJECTED_BY_OPERATOR),
        ("905", Category.UNREACHABLE),
        ("906", Category.DLT_HEADER),
        ("907", Category.DLT_ENTITY),
        ("908", Category.DLT_TEMPLATE),
        ("909", Category.DLT_CONSENT),
        ("910", Category.UNREACHABLE),
        ("912", Category.UNREACHABLE),
        ("913", Category.DND),
        ("914", Category.OTHER),
        ("915", Category.OTHER),
        ("916", Category.EXPIRED),
        ("917", Category.EXPIRED),
        ("918", Category.DUPLICATE),
    ],
)
def test_a_code_of_clevertap_s_has_its_category(code: str, category: Category) -> None:
    assert of_report(FAILED, code, "FAILED", None) is category


def test_a_definite_code_comes_before_the_texts() -> None:
    assert of_report(FAILED, "909", "FAILED", "Template Inactive on DLT") is Category.DLT_CONSENT


@pytest.mark.parametrize("code", ["903", "905", "910", "914"])
def test_a_text_comes_before_a_vague_code(code: str) -> None:
    assert of_report(FAILED, code, "FAILED", "Invalid Number") is Category.INVALID_NUMBER


@pytest.mark.parametrize(
    ("status", "category"),
    [
        (FAILED, Category.OTHER),
        (NDNC, Category.DND),
        (REJECTED, Category.REJECTED_BY_OPERATOR),
        (BLOCKED, Category.BLOCKED),
    ],
)
def test_a_status_alone_says_what_it_can(status: DeliveryStatus, category: Category) -> None:
    assert of_report(status, None, None, None) is category


def test_a_rejection_may_have_a_reason_of_its_own() -> None:
    assert of_report(REJECTED, "16", "REJECTED", "Header not registered") is Category.DLT_HEADER


@pytest.mark.parametrize("status", sorted(set(DeliveryStatus) - FAILING))
def test_what_has_not_failed_has_no_category(status: DeliveryStatus) -> None:
    assert of_report(status, "908", "FAILED", "Template Inactive on DLT") is None


@given(st.sampled_from(sorted(FAILING)), st.none() | st.text(), st.none() | st.text(), st.none() | st.text())
def test_whatever_a_failing_report_says_it_has_a_category(
    status: DeliveryStatus, code: str | None, description: str | None, reason: str | None
) -> None:
    assert of_report(status, code, description, reason) in FAILURES


@pytest.mark.parametrize(
    ("code", "category"),
    [
        ("101", Category.INVALID_NUMBER),
        ("202", Category.INVALID_NUMBER),
        ("103", Category.DLT_HEADER),
        ("203", Category.DLT_HEADER),
        ("211", Category.DLT_TEMPLATE),
        ("301", Category.BALANCE),
        ("311", Category.DUPLICATE),
        ("207", Category.ACCOUNT),
        ("418", Category.ACCOUNT),
        ("102", Category.FIELD),
        ("205", Category.OTHER),
        ("310", Category.FIELD),
    ],
)
def test_a_refusal_s_code_has_its_category(code: str, category: Category) -> None:
    assert of_refusal(code, "MSG91's words") is category


def test_every_code_of_the_account_s_is_about_balance_permission_or_account() -> None:
    account = {code for code, (error_class, _) in API_ERRORS.items() if error_class is ErrorClass.ACCOUNT}
    assert {API[code] for code in account} == {Category.BALANCE, Category.PERMISSION, Category.ACCOUNT}


def test_no_refusal_has_no_category() -> None:
    assert of_refusal(None, None) is None


def test_every_category_explains_itself_and_can_be_reached() -> None:
    assert set(FAILURES) == set(Category) == set(TEXTS)
    for failure in FAILURES.values():
        assert failure.sentence.endswith(".")
        assert failure.advice.endswith(".")


def test_no_phrase_is_hidden_by_an_earlier_one() -> None:
    assert [phrase for category, phrases in PHRASES for phrase in phrases if of_refusal("?", phrase) != category] == []
