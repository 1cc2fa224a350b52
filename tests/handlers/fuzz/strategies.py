"""Malformed and unusual bodies: JSON written as text, to include what json.dumps never writes."""

import json
import os
from collections.abc import Iterable, Sequence
from typing import Any, Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

type JsonText = st.SearchStrategy[str]

FUZZED: Final = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "50")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
"""Short in `make test`; FUZZ_EXAMPLES=5000 looks for longer."""

DEPTH: Final = 100_000
TEXTS: Final = (
    "",
    " ",
    "0",
    "\x00",
    "\ud800",
    "\udc00x",
    "919800000001",
    "+91 98000-00002",
    "##firstName##",
    "x" * 40_000,
)
NUMBERS: Final = (
    *("0", "-0", "-0.0", "1", "2", "16", "1e999", "-1e999", "1e-999", "9" * 5000, "1e308", "0.1"),
    *("919800000001", "919800000001.0", "9.19800000001e11", "1726729500", "123456789012345678901234567890.5"),
)
NO_JSON: Final = ("NaN", "Infinity", "-Infinity", "undefined", "'text'", "01", "\ufeff1", "[1,]", "")
"""Of these Python takes the first three as numbers."""
DEEP: Final = ("[" * DEPTH + "]" * DEPTH, '{"a":' * DEPTH + "1" + "}" * DEPTH, "[" * DEPTH, '{"json":' * DEPTH)

ANY_CHARACTER: Final = st.characters(exclude_categories=())
TEXT: Final = (st.text(ANY_CHARACTER, max_size=12) | st.sampled_from(TEXTS)).map(json.dumps)
SCALAR: Final = st.sampled_from(["null", "true", "false", *NUMBERS]) | TEXT


def array_of(elements: Iterable[str]) -> str:
    return "[" + ",".join(elements) + "]"


def object_of(members: Iterable[tuple[str, str]]) -> str:
    """Write an object; names may repeat."""
    return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in members) + "}"


def _containers(inner: JsonText) -> JsonText:
    names = st.text(ANY_CHARACTER, max_size=6)
    return st.lists(inner, max_size=3).map(array_of) | st.lists(st.tuples(names, inner), max_size=3).map(object_of)


ANYTHING: Final = st.recursive(SCALAR, _containers, max_leaves=5)


def _places(content: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401 - any JSON value
    """Return the path of each value in a JSON value."""
    members = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    return [at, *(place for key, value in members for place in _places(value, (*at, key)))]


def _replaced(content: Any, place: tuple[Any, ...], text: str) -> str:  # noqa: ANN401 - any JSON value
    """Write a JSON value, with another text at a path."""
    if not place:
        return text

    def within(key: object, value: object) -> str:
        return _replaced(value, place[1:], text) if key == place[0] else json.dumps(value)

    if isinstance(content, dict):
        return object_of((name, within(name, value)) for name, value in content.items())
    return array_of(within(index, value) for index, value in enumerate(content))


@st.composite
def mutated(draw: st.DrawFn, samples: Sequence[str]) -> str:
    """Return a sample with up to three of its values replaced, by anything or by another sample."""
    text = draw(st.sampled_from(samples))
    for replacement in draw(st.lists(ANYTHING | st.sampled_from(samples), max_size=3)):
        try:
            content = json.loads(text)
        except ValueError:  # it already has a number of thousands of digits
            break
        text = _replaced(content, draw(st.sampled_from(_places(content))), replacement)
    return text


_NOT_TEXTS: Final[list[st.SearchStrategy[object]]] = [
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.just([]), st.just({})),
]
ODD: Final = st.one_of(st.text(ANY_CHARACTER), *_NOT_TEXTS)
"""What no member of an API Gateway event is, but for texts."""


def odd_members(*names: str) -> st.SearchStrategy[dict[str, object]]:
    """Return members for an event, each absent, odd, or an object with odd values."""
    member = ODD | st.dictionaries(st.text(max_size=5) | st.sampled_from(["token", "Content-Type"]), ODD, max_size=3)
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, member))


def cut_and_stained(bodies: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Cut off bodies, and overwrite parts of them with other bytes."""

    def stain(drawn: tuple[bytes, float, float, bytes]) -> bytes:
        body, first, second, stain = drawn
        start, end = sorted((round(first * len(body)), round(second * len(body))))
        return body[:start] + stain + body[end:]

    place = st.floats(0, 1)
    return st.tuples(bodies, place, place, st.binary(max_size=4)).map(stain)
