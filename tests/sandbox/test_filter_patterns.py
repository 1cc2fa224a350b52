import pytest

from sandbox.filter_patterns import UnknownRuleError, fits

RECORD = {"dynamodb": {"NewImage": {"state": {"S": "a"}}}}


def new_image(state: list[object]) -> dict[str, object]:
    return {"dynamodb": {"NewImage": {"state": {"S": state}}}}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({}, True),
        (new_image(["a"]), True),
        (new_image(["b", "a"]), True),
        (new_image(["b"]), False),
        (new_image([{"anything-but": ["b"]}]), True),
        (new_image([{"anything-but": ["a", "b"]}]), False),
        (new_image([{"exists": True}]), True),
        (new_image([{"exists": False}]), False),
        ({"dynamodb": {"OldImage": {"state": {"S": [{"exists": False}]}}}}, True),
        ({"dynamodb": {"OldImage": {"state": {"S": [{"exists": True}]}}}}, False),
        ({"dynamodb": {"OldImage": {"state": {"S": [{"anything-but": ["a"]}]}}}}, False),
        ({"dynamodb": {"OldImage": {"state": {"S": [{"exists": False}, {"anything-but": ["a"]}]}}}}, True),
        ({"dynamodb": {"NewImage": {"state": [{"exists": True}]}}}, False),
        (new_image(["a"]) | {"eventName": ["INSERT"]}, False),
    ],
    ids=str,
)
def test_a_pattern_fits_as_lambdas_documentation_says(pattern: dict[str, object], *, expected: bool) -> None:
    assert fits(RECORD, pattern) is expected


def test_a_rule_that_is_not_known_is_no_silent_mismatch() -> None:
    with pytest.raises(UnknownRuleError, match="prefix"):
        fits(RECORD, new_image([{"prefix": "a"}]))
