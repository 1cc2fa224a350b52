import base64
import json
from threading import Event as Signal

import httpx
import pytest
from werkzeug.test import Client

from sandbox.api_gateway import MAX_BODY, ApiGateway, running_api
from sandbox.lambda_runtime import Event
from sandbox.samples import EVENTS
from sandbox.template import Template


class Functions:
    """A fake of both functions: records the events and returns the given answer."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.result: object = {"statusCode": 200}

    def __call__(self, event: Event) -> object:
        self.events.append(event)
        return self.result


@pytest.fixture
def functions() -> Functions:
    return Functions()


@pytest.fixture
def client(functions: Functions) -> Client:
    template = Template.load()
    return Client(ApiGateway(template.routes(), {function.name: functions for function in template.functions()}))


def test_an_event_has_the_form_of_payload_2_0(client: Client, functions: Functions) -> None:
    sample = json.loads((EVENTS / "track.json").read_text(encoding="utf-8"))

    client.post("/segment", data=sample["body"], headers={**sample["headers"], "host": "localhost:3100"})

    (event,) = functions.events
    assert event.keys() == sample.keys()
    assert event["headers"].keys() == sample["headers"].keys()
    assert event["requestContext"].keys() == sample["requestContext"].keys()
    assert event["requestContext"]["http"].keys() == sample["requestContext"]["http"].keys()
    assert {name: event[name] for name in ("version", "routeKey", "rawPath", "rawQueryString", "body")} == {
        name: sample[name] for name in ("version", "routeKey", "rawPath", "rawQueryString", "body")
    }


def test_a_path_parameter_is_decoded(client: Client, functions: Functions) -> None:
    client.post("/msg91/reports/a%20b", data="{}", content_type="application/json")

    (event,) = functions.events
    assert event["pathParameters"] == {"token": "a b"}
    assert event["routeKey"] == "POST /msg91/reports/{token}"


def test_repeated_headers_and_query_parameters_are_joined(functions: Functions) -> None:
    with running_api(Template.load().routes(), {"SegmentIngestFunction": functions}) as url:
        httpx.post(f"{url}/segment?token=a&token=b&empty=", headers=[("X-Twice", "1"), ("x-twice", "2")])

    (event,) = functions.events
    assert event["queryStringParameters"] == {"token": "a,b", "empty": ""}
    assert event["rawQueryString"] == "token=a&token=b&empty="
    assert event["headers"]["x-twice"] == "1,2"


def test_what_is_empty_is_left_out(client: Client, functions: Functions) -> None:
    client.post("/segment")

    (event,) = functions.events
    assert not event.keys() & {"body", "queryStringParameters", "pathParameters"}


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "text/plain", "application/xml"])
def test_text_is_handed_over_as_text(client: Client, functions: Functions, content_type: str) -> None:
    client.post("/segment", data="é".encode(), content_type=content_type)

    (event,) = functions.events
    assert (event["body"], event["isBase64Encoded"]) == ("é", False)


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "application/octet-stream", None])
def test_any_other_body_is_base64(client: Client, functions: Functions, content_type: str | None) -> None:
    client.post("/segment", data=b"data=%5B%5D", content_type=content_type)

    (event,) = functions.events
    assert base64.b64decode(event["body"]) == b"data=%5B%5D"
    assert event["isBase64Encoded"] is True


@pytest.mark.parametrize("path", ["/", "/segment/", "/msg91/reports/", "/msg91/reports/a/b"])
def test_an_unknown_path_is_not_found(client: Client, path: str) -> None:
    answer = client.post(path)

    assert (answer.status_code, answer.json) == (404, {"message": "Not Found"})


def test_another_method_is_not_found(client: Client) -> None:
    assert client.get("/segment").status_code == 404


def test_a_body_over_10_mb_is_refused(client: Client, functions: Functions) -> None:
    answer = client.post("/segment", data=b"x" * (MAX_BODY + 1), content_type="text/plain")

    assert (answer.status_code, answer.json) == (413, {"message": "Request Entity Too Large"})
    assert functions.events == []


def test_an_answer_keeps_its_status_headers_and_body(client: Client, functions: Functions) -> None:
    functions.result = {"statusCode": 202, "headers": {"Content-Type": "text/csv", "X-A": "b"}, "body": "a,b"}

    answer = client.post("/segment")

    assert (answer.status_code, answer.text, answer.headers["x-a"]) == (202, "a,b", "b")
    assert answer.headers["content-type"] == "text/csv"


def test_a_base64_answer_is_decoded(client: Client, functions: Functions) -> None:
    functions.result = {"statusCode": 200, "body": base64.b64encode(b"\xff").decode(), "isBase64Encoded": True}

    assert client.post("/segment").data == b"\xff"


@pytest.mark.parametrize(("result", "body"), [({"a": 1}, '{"a": 1}'), ("plain", "plain")])
def test_a_result_without_a_status_is_the_body_of_a_200(
    client: Client, functions: Functions, result: object, body: str
) -> None:
    functions.result = result

    answer = client.post("/segment")

    assert (answer.status_code, answer.text, answer.mimetype) == (200, body, "application/json")


def test_a_function_that_raises_is_an_internal_server_error() -> None:
    def raises(event: Event) -> None:
        raise RuntimeError(event["routeKey"])

    answer = Client(ApiGateway(Template.load().routes(), {"SegmentIngestFunction": raises})).post("/segment")

    assert (answer.status_code, answer.json) == (500, {"message": "Internal Server Error"})


def test_a_function_that_takes_too_long_is_unavailable() -> None:
    answered = Signal()
    api = ApiGateway(
        Template.load().routes(), {"SegmentIngestFunction": lambda _event: answered.wait(10)}, timeout=0.01
    )

    answer = Client(api).post("/segment")
    answered.set()

    assert (answer.status_code, answer.json) == (503, {"message": "Service Unavailable"})
