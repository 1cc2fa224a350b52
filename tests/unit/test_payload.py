import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from segment_msg91.segment.payload import MalformedBodyError, signed_parts, split

VECTORS = Path(__file__).parents[1] / "vectors"
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.just("json"), inner, max_size=4),
    max_leaves=12,
)
json_bodies = st.builds(
    lambda value, indent, ascii_only: json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode(
        "utf-8", "replace"
    ),
    json_values,
    st.sampled_from([None, 0, 2]),
    st.booleans(),
)


def _captured(name: str) -> bytes:
    raw: str = json.loads((VECTORS / f"segment_{name}.json").read_text())["requests"][0]["raw"]
    return raw.encode()


@pytest.mark.parametrize(
    ("name", "message_ids", "is_batch"),
    [
        ("single_track", ["m1"], False),
        ("single_odd_json", ["m2"], False),
        ("batch_of_1", ["only"], True),
        ("batch_of_3", ["b1", "b2", "b3"], True),
        ("mapped_template", ["order-1"], False),
        ("mapped_batch", ["order-3", "order-4", "order-5"], True),
    ],
)
def test_a_captured_body_is_split_into_its_events(
    name: str,
    message_ids: list[str],
    is_batch: bool,  # noqa: FBT001 - a column of the table
) -> None:
    delivery = split(_captured(name))
    assert [event["messageId"] for event in delivery.events] == message_ids
    assert delivery.is_batch is is_batch


def test_an_extensible_batch_is_unwrapped() -> None:
    delivery = split(b'[{"json": {"type": "track", "messageId": "1"}}, {"json": {"type": "page", "messageId": "2"}}]')
    assert delivery.events == [{"type": "track", "messageId": "1"}, {"type": "page", "messageId": "2"}]


def test_a_single_wrapped_event_is_unwrapped() -> None:
    assert split(b'{"json": {"type": "track"}}').events == [{"type": "track"}]


@pytest.mark.parametrize("event", [{"type": "track", "json": {"type": "page"}}, {"json": "text"}, {"json": None}])
def test_an_event_with_a_member_named_json_of_its_own_stays_whole(event: dict[str, Any]) -> None:
    assert split(json.dumps(event).encode()).events == [event]


@pytest.mark.parametrize("element", [None, 1, "text", []])
def test_what_is_no_event_in_an_array_does_not_cost_the_others(element: object) -> None:
    body = json.dumps([element, {"type": "track"}]).encode()
    assert split(body).events == [element, {"type": "track"}]


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"null", b"1", b'"text"', b"[]", b"{", b"[{}", b"{}x", b"NaN", b"\xff", b"data=%5B%5D", b"[" * 100_000],
)
def test_a_body_without_an_event_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBodyError):
        split(body)


@given(st.binary() | json_bodies)
def test_a_body_is_split_or_malformed_and_nothing_else(body: bytes) -> None:
    try:
        delivery = split(body)
    except MalformedBodyError:
        return
    assert delivery.events
    assert delivery.is_batch or len(delivery.events) == 1


@pytest.mark.parametrize("name", ["single_track", "batch_of_3", "single_odd_json"])
def test_a_body_cut_off_at_any_byte_is_malformed(name: str) -> None:
    body = _captured(name)
    for length in range(len(body)):
        with pytest.raises(MalformedBodyError):
            split(body[:length])


@given(st.text(min_size=1).filter(lambda text: not text.isascii()))
def test_the_reason_does_not_quote_the_body(text: str) -> None:
    with pytest.raises(MalformedBodyError) as caught:
        split(f'{{"phone": {text}'.encode())
    assert str(caught.value).isascii()


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        (b'[{"a":1},{"b":2}]', [b'{"a":1}']),
        (b' \n[ {"a": 1.0} ]', [b'{"a": 1.0}']),
        ('[{"t":"é\\"}],[{"}]'.encode(), ['{"t":"é\\"}],[{"}'.encode()]),
        (b'[{"json":{"a":1}}]', [b'{"json":{"a":1}}', b'{"a":1}']),
        (b'[{"x": "json", "json" : {"a": 1e21} , "y":2}]', None),
        (b"[null]", [b"null"]),
        (b"[[1]]", [b"[1]"]),
        (b'{"json":{"a":1}}', []),
        (b"[]", []),
        (b"", []),
        (b"\xff", []),
    ],
)
def test_the_first_element_and_its_json_may_be_signed_byte_by_byte(body: bytes, parts: list[bytes] | None) -> None:
    expected = [b'{"x": "json", "json" : {"a": 1e21} , "y":2}', b'{"a": 1e21}'] if parts is None else parts
    assert list(signed_parts(body)) == expected


@given(json_bodies, st.text(alphabet=" \t\r\n", max_size=3))
def test_the_first_element_of_any_array_is_found_whatever_surrounds_it(element: bytes, space: str) -> None:
    inner = element.decode()
    parts = list(signed_parts(f"{space}[{space}{inner}{space},{space}{inner}]{space}".encode()))
    assert parts[0] == element


@given(json_bodies, json_bodies)
def test_the_json_member_of_the_first_element_is_found_among_others(wrapped: bytes, other: bytes) -> None:
    parts = list(signed_parts(b'[{"other":' + other + b' , "json" : ' + wrapped + b"}]"))
    assert parts[1:] == [wrapped]


@given(st.binary() | json_bodies)
@example(b"[" * 100_000)
@example(b'[{"json":' * 50_000)
@example(b"[" + b"9" * 5000)
@example(b'[{"json":1')
def test_every_signed_part_is_a_slice_of_the_body_whatever_it_is(body: bytes) -> None:
    assert all(part in body for part in signed_parts(body))


@pytest.mark.parametrize("name", ["batch_of_3", "batch_of_1"])
def test_finding_signed_parts_raises_nothing_on_a_body_cut_off_at_any_byte(name: str) -> None:
    body = _captured(name)
    whole = next(signed_parts(body))
    found = [next(signed_parts(body[:length]), None) for length in range(len(body))]
    assert set(found) == {None, whole}
