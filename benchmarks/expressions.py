"""DynamoDB's expressions, as far as this project and the Powertools reference write them: conditions and updates."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, Final

type Value = Mapping[str, Any]
"""In wire form, such as {"S": "text"}."""
type Item = Mapping[str, Value]
type Condition = Callable[["Scope"], bool]

_TOKEN: Final = re.compile(r"[#:]?\w+|<=|>=|<>|[=<>(),]")
_CLAUSES: Final = re.compile(r"(?:SET (?P<sets>.+?))?\s*(?:REMOVE (?P<removes>.+))?")
_ASSIGNMENT: Final = re.compile(
    r"(?P<path>#?\w+) = (?:if_not_exists\((?P<kept>#?\w+), (?P<first>:\w+)\)|(?P<value>:\w+))(?: \+ (?P<added>:\w+))?"
)
_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "=": lambda one, other: bool(one == other),
    "<>": lambda one, other: bool(one != other),
    "<": lambda one, other: bool(one < other),
    "<=": lambda one, other: bool(one <= other),
    ">": lambda one, other: bool(one > other),
    ">=": lambda one, other: bool(one >= other),
}


@dataclass(frozen=True, slots=True)
class Scope:
    """An item, and the names and values of a request about it."""

    item: Item
    names: Mapping[str, str]
    values: Mapping[str, Value]

    @classmethod
    def of(cls, request: Mapping[str, Any], item: Item | None) -> "Scope":
        names, values = request.get("ExpressionAttributeNames"), request.get("ExpressionAttributeValues")
        return cls(item or {}, names or {}, values or {})

    def name(self, path: str) -> str:
        return self.names.get(path, path)

    def get(self, operand: str) -> Value | None:
        return self.values[operand] if operand.startswith(":") else self.item.get(self.name(operand))


@cache
def condition(text: str) -> Condition:
    """Parse a condition. Raises NotImplementedError for what is not known here."""
    if not text:
        return lambda _: True
    tokens = _Tokens(_TOKEN.findall(text))
    parsed = _either(tokens)
    if tokens.left:
        raise NotImplementedError(text)
    return parsed


def updated(request: Mapping[str, Any], before: Item) -> Item:
    """Apply an UpdateExpression."""
    scope = Scope.of(request, before)
    assignments, removals = _update(request["UpdateExpression"])
    after = dict(before)
    for path, kept, first, value, added in assignments:
        assigned = (scope.get(kept) or scope.values[first]) if kept else scope.values[value]
        after[scope.name(path)] = _sum(assigned, scope.values[added]) if added else assigned
    for path in removals:
        after.pop(scope.name(path), None)
    return after


@cache
def _update(text: str) -> tuple[Sequence[tuple[str, ...]], Sequence[str]]:
    clauses = _CLAUSES.fullmatch(text)
    if not clauses:
        raise NotImplementedError(text)
    sets, removes = clauses["sets"] or "", clauses["removes"] or ""
    return _ASSIGNMENT.findall(sets), removes.split(", ") if removes else []


def _sum(one: Value, other: Value) -> Value:
    return {"N": str(Decimal(one["N"]) + Decimal(other["N"]))}


class _Tokens:
    def __init__(self, tokens: Sequence[str]) -> None:
        self.left = list(reversed(tokens))

    def next(self) -> str:
        return self.left.pop()

    def skips(self, token: str) -> bool:
        """Skip a token if it is the next one."""
        is_next = bool(self.left) and self.left[-1] == token
        if is_next:
            self.left.pop()
        return is_next

    def expect(self, token: str) -> None:
        if not self.skips(token):
            raise NotImplementedError(f"no {token} before {self.left[::-1]}")

    def listed(self) -> Iterator[str]:
        self.expect("(")
        yield self.next()
        while self.skips(","):
            yield self.next()
        self.expect(")")


def _either(tokens: _Tokens) -> Condition:
    parts = [_both(tokens)]
    while tokens.skips("OR"):
        parts.append(_both(tokens))
    return parts[0] if len(parts) == 1 else lambda scope: any(part(scope) for part in parts)


def _both(tokens: _Tokens) -> Condition:
    parts = [_one(tokens)]
    while tokens.skips("AND"):
        parts.append(_one(tokens))
    return parts[0] if len(parts) == 1 else lambda scope: all(part(scope) for part in parts)


def _one(tokens: _Tokens) -> Condition:
    if tokens.skips("NOT"):
        inner = _one(tokens)
        return lambda scope: not inner(scope)
    if tokens.skips("("):
        inner = _either(tokens)
        tokens.expect(")")
        return inner
    return _comparison(tokens)


def _comparison(tokens: _Tokens) -> Condition:
    """Parse a function or a comparison, which does not hold if an operand is missing."""
    operand = tokens.next()
    if operand in ("attribute_exists", "attribute_not_exists"):
        (path,) = tokens.listed()
        exists = operand == "attribute_exists"
        return lambda scope: (scope.get(path) is not None) is exists
    if tokens.skips("IN"):
        members = list(tokens.listed())
        return lambda scope: scope.get(operand) in [scope.values[member] for member in members]
    symbol, other = tokens.next(), tokens.next()
    if symbol not in _COMPARISONS:
        raise NotImplementedError(f"{operand} {symbol} {other}")
    comparison = _COMPARISONS[symbol]

    def holds(scope: Scope) -> bool:
        one, two = scope.get(operand), scope.get(other)
        return one is not None and two is not None and comparison(_comparable(one), _comparable(two))

    return holds


def _comparable(value: Value) -> Any:  # noqa: ANN401  # by DynamoDB's type
    ((kind, content),) = value.items()
    return Decimal(content) if kind == "N" else content
