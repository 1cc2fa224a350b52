import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from werkzeug.wrappers import Request, Response

from sandbox.lambda_runtime import RIE_PATH, Event, FunctionError, InThisProcess, LambdaContext, OverHttp
from sandbox.servers import serving, url_of, wsgi_server
from sandbox.template import Function

FUNCTION = Function("SegmentIngestFunction", "functions.segment_ingest.app", "lambda_handler", timeout=29, memory=512)


def test_a_handler_gets_a_context_like_lambdas() -> None:
    contexts: list[LambdaContext] = []

    InThisProcess(FUNCTION, lambda _event, context: contexts.append(context))({})

    (context,) = contexts
    assert (context.function_name, context.memory_limit_in_mb) == ("SegmentIngestFunction", 512)
    assert 28_000 < context.get_remaining_time_in_millis() <= 29_000
    assert context.invoked_function_arn == "arn:aws:lambda:ap-south-1:123456789012:function:SegmentIngestFunction"


def test_a_handler_cannot_touch_the_callers_event() -> None:
    event: Event = {"headers": {}}

    InThisProcess(FUNCTION, lambda event, _context: event["headers"].update(a="b"))(event)

    assert event == {"headers": {}}


def test_a_result_that_is_no_json_is_an_error() -> None:
    with pytest.raises(FunctionError, match="not JSON serializable"):
        InThisProcess(FUNCTION, lambda _event, _context: object())({})


@contextmanager
def emulator(answer: bytes) -> Iterator[tuple[str, list[Any]]]:
    received: list[Any] = []

    @Request.application
    def app(request: Request) -> Response:
        received.append((request.path, request.get_json()))
        return Response(answer)

    server = wsgi_server(app, "127.0.0.1", 0)
    with serving(server):
        yield url_of(server), received


def test_an_emulator_is_invoked_over_http() -> None:
    with emulator(b'{"statusCode": 200}') as (url, received):
        assert OverHttp(url)({"version": "2.0"}) == {"statusCode": 200}

    assert received == [(RIE_PATH, {"version": "2.0"})]


@pytest.mark.parametrize(
    "answer", [json.dumps({"errorType": "KeyError", "errorMessage": "'a'"}), "Task timed out after 29.00 seconds"]
)
def test_an_emulators_error_is_a_function_error(answer: str) -> None:
    with emulator(answer.encode()) as (url, _), pytest.raises(FunctionError, match=r"KeyError|did not answer"):
        OverHttp(url)({})
