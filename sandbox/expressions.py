"""DynamoDB's expressions, as far as the store and the Powertools reference write them. Anything else raises an error.

For DynamoDBs that moto is too slow for: that of the benchmarks, and that of the interleavings, whose tests compare it
with real engines.
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, Final, Self

type Item = Mapping[str, Any]
"""In wire form, such as {"name": {"S": "text"}}."""
type Value = Mapping[str, Any] | None
"""In wire form; None: the attribute is absent."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression is evaluated on: an item, and the request's names and values."""

    item: Item
    names: Mapping[str, str]
    values: Mapping[str, Any]

    @classmethod
    def of(cls, request: Mapping[str, Any], item: Item | None) -> Self:
        """Make the scope of a request; `item` None: there is none."""
        names, values = request.get("ExpressionAttributeNames"), request.get("ExpressionAttributeValues")
        return cls(item or {}, names or {}, values or {})

    def attribute(self, name: str) -> str:
        """Return the attribute that a name or alias is of."""
        return self.names[name] if name.startswith("#") else name


type Condition = Callable[[Scope], bool]
type Operand = Callable[[Scope], Value]
type Assignment = tuple[str, Operand]
"""An attribute, or its alias, and its new value."""

_TOKEN: Final = re.compile(r"\s*([#:]?\w+|<=|>=|<>|[=<>(),+[\]])")
_COMPARATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class UnknownExpressionError(Exception):
    """The store writes an expression that this module does not read."""


def holds(expression: str, scope: Scope) -> bool:
    """Whether a condition holds. An empty one does."""
    return not expression or _condition(expression)(scope)


def updated(expression: str, scope: Scope) -> dict[str, Any]:
    """Return the item after an update."""
    sets, removes = _update(expression)
    values = {scope.attribute(name): operand(scope) for name, operand in sets}
    removed = {scope.attribute(name) for name in removes}
    return {name: value for name, value in {**scope.item, **values}.items() if name not in removed}


def projected(expression: str, scope: Scope) -> Item:
    """Return the attributes that a projection names; an empty one names all."""
    if not expression:
        return scope.item
    wanted = {scope.attribute(name.strip()) for name in expression.split(",")}
    return {name: value for name, value in scope.item.items() if name in wanted}


@cache
def _condition(expression: str) -> Condition:
    tokens = _Tokens(expression)
    condition = _disjunction(tokens)
    tokens.end()
    return condition


@cache
def _update(expression: str) -> tuple[list[Assignment], list[str]]:
    tokens = _Tokens(expression)
    sets = list(_list(tokens, _assignment)) if tokens.takes("SET") else []
    removes = list(_list(tokens, _Tokens.next)) if tokens.takes("REMOVE") else []
    tokens.end()
    return sets, removes


class _Tokens:
    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._tokens = _TOKEN.findall(expression)
        self._at = 0
        if "".join(self._tokens) != re.sub(r"\s", "", expression):
            raise UnknownExpressionError(expression)

    def next(self) -> str:
        token = self._tokens[self._at] if self._at < len(self._tokens) else ""
        self._at += 1
        return str(token)

    def takes(self, token: str) -> bool:
        """Take the next token if it is this one."""
        is_next = self._at < len(self._tokens) and self._tokens[self._at] == token
        self._at += is_next
        return is_next

    def expect(self, token: str) -> None:
        if not self.takes(token):
            raise UnknownExpressionError(self._expression)

    def end(self) -> None:
        if self._at != len(self._tokens):
            raise UnknownExpressionError(self._expression)


def _list[T](tokens: _Tokens, read: Callable[[_Tokens], T]) -> Iterator[T]:
    yield read(tokens)
    while tokens.takes(","):
        yield read(tokens)


def _disjunction(tokens: _Tokens) -> Condition:
    parts = [_conjunction(tokens)]
    while tokens.takes("OR"):
        parts.append(_conjunction(tokens))
    return parts[0] if len(parts) == 1 else lambda scope: any(part(scope) for part in parts)


def _conjunction(tokens: _Tokens) -> Condition:
    parts = [_negation(tokens)]
    while tokens.takes("AND"):
        parts.append(_negation(tokens))
    return parts[0] if len(parts) == 1 else lambda scope: all(part(scope) for part in parts)


def _negation(tokens: _Tokens) -> Condition:
    if tokens.takes("NOT"):
        negated = _negation(tokens)
        return lambda scope: not negated(scope)
    if tokens.takes("("):
        inner = _disjunction(tokens)
        tokens.expect(")")
        return inner
    return _predicate(tokens)


def _predicate(tokens: _Tokens) -> Condition:
    for function, is_present in (("attribute_exists", True), ("attribute_not_exists", False)):
        if tokens.takes(function):
            (operand,) = _in_brackets(tokens)
            return lambda scope: (operand(scope) is not None) is is_present
    if tokens.takes("contains"):
        container, element = _in_brackets(tokens)
        return lambda scope: element(scope) in _elements(container(scope))
    left = _operand(tokens)
    if tokens.takes("IN"):
        others = _in_brackets(tokens)
        return lambda scope: any(_compare(operator.eq, left(scope), other(scope)) for other in others)
    comparator = _COMPARATORS.get(symbol := tokens.next())
    if comparator is None:
        raise UnknownExpressionError(symbol)
    right = _operand(tokens)
    return lambda scope: _compare(comparator, left(scope), right(scope))


def _in_brackets(tokens: _Tokens) -> list[Operand]:
    tokens.expect("(")
    operands = list(_list(tokens, _operand))
    tokens.expect(")")
    return operands


def _assignment(tokens: _Tokens) -> Assignment:
    name = tokens.next()
    tokens.expect("=")
    value = _operand(tokens)
    if tokens.takes("+"):
        augend, addend = value, _operand(tokens)
        return name, lambda scope: {"N": str(_number(augend(scope)) + _number(addend(scope)))}
    return name, value


def _operand(tokens: _Tokens) -> Operand:
    name = tokens.next()
    if name == "if_not_exists":
        present, absent = _in_brackets(tokens)
        return lambda scope: value if (value := present(scope)) is not None else absent(scope)
    if name == "list_append":
        first, second = _in_brackets(tokens)
        return lambda scope: {"L": [*_elements(first(scope)), *_elements(second(scope))]}
    if name.startswith(":"):
        return lambda scope: scope.values[name]
    if tokens.takes("["):
        place = int(tokens.next())
        tokens.expect("]")
        return lambda scope: next(iter(_elements(scope.item.get(scope.attribute(name)))[place : place + 1]), None)
    return lambda scope: scope.item.get(scope.attribute(name))


def _compare(comparator: Callable[[Any, Any], bool], left: Value, right: Value) -> bool:
    """Compare as DynamoDB does: what is absent, or of another type, is neither equal nor less nor greater."""
    if left is None or right is None or left.keys() != right.keys():
        return False
    return comparator(_comparable(left), _comparable(right))


def _comparable(value: Mapping[str, Any]) -> Any:  # noqa: ANN401 - of any type
    ((kind, content),) = value.items()
    if kind == "S":
        return content.encode()
    return Decimal(content) if kind == "N" else content


def _elements(value: Value) -> list[Any]:
    """Return the elements of a list; an absent one has none."""
    return [] if value is None else value["L"]


def _number(value: Value) -> Decimal:
    if value is None:
        raise UnknownExpressionError("an absent attribute is no number")
    return Decimal(value["N"])
