import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError

from sandbox.aws import running_aws
from sandbox.deployment import Deployed
from sandbox.lambda_runtime import Event, FunctionError
from sandbox.template import REGION, Template

type Invoke = Callable[..., dict[str, Any]]


def echo(event: Event) -> object:
    if "fail" in event:
        raise FunctionError("it raised")
    return {"got": event}


@pytest.fixture(scope="module")
def invoke() -> Iterator[Invoke]:
    template = Template.load()
    with running_aws(template) as aws:
        aws.deployment.deploy(Deployed(template, "", aws.url, Path("no-log"), {"EchoFunction": echo}))
        client: Any = botocore.session.get_session().create_client("lambda", REGION, endpoint_url=aws.url)
        yield client.invoke
        client.close()


def test_a_function_is_invoked_with_its_event_and_answers(invoke: Invoke) -> None:
    answer = invoke(FunctionName="EchoFunction", Payload=json.dumps({"a": 1}))

    assert "FunctionError" not in answer
    assert json.load(answer["Payload"]) == {"got": {"a": 1}}


def test_without_an_event_it_gets_an_empty_one(invoke: Invoke) -> None:
    assert json.load(invoke(FunctionName="EchoFunction")["Payload"]) == {"got": {}}


def test_a_function_that_fails_is_answered_as_such(invoke: Invoke) -> None:
    answer = invoke(FunctionName="EchoFunction", Payload=json.dumps({"fail": True}))

    assert answer["FunctionError"] == "Unhandled"
    assert json.load(answer["Payload"]) == {"errorMessage": "it raised"}


def test_a_function_that_the_stack_does_not_have_is_not_found(invoke: Invoke) -> None:
    with pytest.raises(ClientError, match="ResourceNotFound"):
        invoke(FunctionName="OtherFunction")
