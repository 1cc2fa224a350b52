"""Makes moto's DynamoDB cheap enough for a long attack: most of its time goes into what it finds out over and over.

It parses and checks the few update expressions anew at every write, it looks at every value of an answer, which is in
wire form already, for each of the ten types that it may have, and it lists its own folder at every request.
"""

import pickle
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from functools import cache
from typing import Any, Final
from unittest.mock import patch

from moto import backends
from moto.core import responses
from moto.core.model import Shape
from moto.core.serialize import BaseJSONSerializer
from moto.core.utils import method_names_from_class
from moto.dynamodb.parsing import validators
from moto.dynamodb.parsing.ast_nodes import DepthFirstTraverser, Node  # type: ignore[attr-defined]
from moto.dynamodb.parsing.expressions import UpdateExpressionParser  # type: ignore[attr-defined]

_NEEDED: Final = (
    validators.ExpressionAttributeValueProcessor,
    validators.ExpressionAttributeResolvingProcessor,
    validators.UpdateExpressionFunctionEvaluator,
    validators.ExecuteOperations,
)
"""Those that put values in; the others only check, and the tests on plain moto have had them check the same."""
_SERIALIZE: Final[Any] = BaseJSONSerializer._serialize_type_structure  # noqa: SLF001
_MODULES: Final = tuple(backends.list_of_moto_modules())
_MAKE: Final[Any] = UpdateExpressionParser.make
_PROCESSORS: Final[Any] = validators.UpdateExpressionValidator.get_ast_processors


@contextmanager
def cheaper_dynamodb() -> Iterator[None]:
    with (
        patch.object(UpdateExpressionParser, "make", _parsed),
        patch.object(validators.UpdateExpressionValidator, "get_ast_processors", _processors),
        patch.object(validators, "deepcopy", _copied),
        patch.object(backends, "list_of_moto_modules", lambda: _MODULES),
        patch.object(responses, "method_names_from_class", cache(method_names_from_class)),
        patch.object(BaseJSONSerializer, "_serialize_type_structure", _serialized),
    ):
        yield


@cache
def _parsed(expression: str) -> Node:
    """Nobody changes what is parsed: it is copied before values are put in."""
    return _MAKE(expression)


def _processors(validator: validators.UpdateExpressionValidator) -> list[DepthFirstTraverser]:
    return [processor for processor in _PROCESSORS(validator) if isinstance(processor, _NEEDED)]


def _copied(expression: Node) -> Node:
    copy: Node = pickle.loads(_pickled(expression))  # noqa: S301  # pickled right here
    return copy


@cache
def _pickled(expression: Node) -> bytes:
    return pickle.dumps(expression)


def _serialized(
    serializer: BaseJSONSerializer, serialized: MutableMapping[str, Any], value: object, shape: Shape, key: str
) -> None:
    if shape.name == "AttributeValue" and isinstance(value, dict):
        serializer._default_serialize(serialized, value, shape, key)  # noqa: SLF001  # within moto, as it were
    else:
        _SERIALIZE(serializer, serialized, value, shape, key)
