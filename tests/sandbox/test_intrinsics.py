from typing import Any

import pytest

from sandbox.intrinsics import Resolver

RESOLVER = Resolver(
    references={"Table": "table-1", "Days": "30", "AWS::StackName": "stack"},
    attributes={"Queue.QueueName": "queue-1"},
    conditions={"IsOn": True, "IsOff": False},
)
NO_VALUE = {"Ref": "AWS::NoValue"}


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ({"Ref": "Table"}, "table-1"),
        ({"Ref": "AWS::Region"}, "ap-south-1"),
        ({"Fn::GetAtt": ["Queue", "QueueName"]}, "queue-1"),
        ({"Fn::GetAtt": ["Table", "Arn"]}, "table-1.Arn"),
        ({"Fn::Sub": "${AWS::StackName}/${Table}/${Queue.QueueName}"}, "stack/table-1/queue-1"),
        ({"Fn::If": ["IsOn", {"Ref": "Table"}, "else"]}, "table-1"),
        ({"Fn::If": ["IsOff", "then", ["else"]]}, ["else"]),
        ({"kept": {"a": [1, {"Ref": "Days"}]}, "left_out": NO_VALUE}, {"kept": {"a": [1, "30"]}}),
        ({"left_out": {"Fn::If": ["IsOff", "then", NO_VALUE]}}, {}),
        (["kept", {"Fn::If": ["IsOn", NO_VALUE, "else"]}], ["kept"]),
    ],
)
def test_intrinsic_functions_give_what_cloudformation_gives(value: object, resolved: object) -> None:
    assert RESOLVER.resolve(value) == resolved


@pytest.mark.parametrize("value", [{"Fn::Select": [0, ["a"]]}, {"deep": [{"Fn::Join": ["", []]}]}])
def test_one_that_is_not_known_is_an_error_that_names_it(value: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Fn::"):
        RESOLVER.resolve(value)
