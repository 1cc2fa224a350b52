"""The simulated DynamoDB answers and writes as real engines do: they get each call of the explorations as well."""

import json
from collections.abc import Collection
from typing import TYPE_CHECKING, Final

import pytest

from sandbox.expressions import Scope, UnknownExpressionError, holds
from tests.interleavings.contents import EMPTY, Contents, contents_of
from tests.interleavings.engines import EngineStore
from tests.interleavings.replay import request_of
from tests.interleavings.scenarios import SCENARIOS
from tests.interleavings.store import UnknownArgumentError, key_of, perform

if TYPE_CHECKING:
    from tests.fakes.aws import Aws
    from tests.interleavings.replay import Request

type Call = tuple[Contents, "Request"]
"""A call, and what it was made on."""

_OF_ONE_ITEM: Final = frozenset({"get_item", "put_item", "update_item", "delete_item"})
_EXPRESSIONS: Final = ("ConditionExpression", "UpdateExpression", "KeyConditionExpression", "ProjectionExpression")


def _relevant(contents: Contents, request: "Request") -> Contents:
    """Leave out what a call does not read."""
    if request.operation in _OF_ONE_ITEM:
        key = key_of(request.read())
        return contents_of({key: contents.items[key]} if key in contents.items else {})
    return contents_of({key: item for key, item in contents.items.items() if f'"{key.table}"' in request.arguments})


def _form(call: Call) -> object:
    """Return what is the same for calls that differ in values only: expressions, attributes, and how it ended."""
    contents, request = call
    arguments = request.read()
    attributes = frozenset((key.table, frozenset(contents.item(key) or ())) for key in contents.items)
    code = getattr(perform(contents, request)[0], "code", "")
    return request.operation, attributes, code, *(arguments.get(expression) for expression in _EXPRESSIONS)


@pytest.fixture(scope="module")
def calls() -> Collection[Call]:
    """One call of each form that there is in the explorations without a fault."""
    explorations = [scenario.exploration(faults=0) for scenario in SCENARIOS.values()]
    for exploration in explorations:
        exploration.run()
    made = [call for exploration in explorations for call in exploration.worlds.store.performed]
    relevant = ((_relevant(contents, request), request) for contents, request in made if request.service != "sqs")
    return {_form(call): call for call in relevant}.values()


def test_each_call_is_answered_and_written_as_by_a_real_engine(calls: Collection[Call], aws: "Aws") -> None:
    engine = EngineStore(aws.dynamodb)
    operations = {request.operation for _, request in calls}
    assert operations >= {"update_item", "put_item", "get_item", "batch_get_item", "query"}
    for contents, request in calls:
        assert perform(contents, request) == engine.perform(contents, request), request.arguments


@pytest.mark.parametrize("expression", ["size(#name) > :one", "#name = :one AND", "#name + :one", "#name ~ :one"])
def test_an_expression_that_is_not_simulated_is_refused(expression: str) -> None:
    with pytest.raises(UnknownExpressionError):
        holds(expression, Scope({}, {"#name": "name"}, {":one": {"N": "1"}}))


def test_an_argument_that_is_not_simulated_is_refused() -> None:
    arguments = {"TableName": "MessagesTable", "Key": {"crqid": {"S": "Crqid1"}}, "ProjectionExpression": "phone"}
    with pytest.raises(UnknownArgumentError):
        perform(EMPTY, request_of("dynamodb", "get_item", json.dumps(arguments)))
