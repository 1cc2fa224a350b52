"""Lambda's Invoke: `aws lambda invoke --function-name …`, for the functions of the local stack."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from sandbox.lambda_runtime import FunctionError, Invoker

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_PATH: Final = re.compile(r"/2015-03-31/functions/(?P<function>\w+)/invocations")


def function_of(path: str) -> str | None:
    """Return the function that a request's path invokes; None if the request is another one."""
    found = _PATH.fullmatch(path)
    return found and found["function"]


def invoke(
    function: str, invokers: Mapping[str, Invoker], environ: "WSGIEnvironment", start_response: "StartResponse"
) -> Iterable[bytes]:
    """Answer as Lambda does: also an error of the function's with 200, and a header that says so."""
    headers = [("Content-Type", "application/json")]
    if function not in invokers:
        start_response("404 Not Found", [*headers, ("x-amzn-errortype", "ResourceNotFoundException")])
        return [_json({"Type": "User", "Message": f"Function not found: {function}"})]
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    try:
        result = invokers[function](json.loads(body or b"{}"))
    except FunctionError as error:
        start_response("200 OK", [*headers, ("X-Amz-Function-Error", "Unhandled")])
        return [_json({"errorMessage": str(error)})]
    start_response("200 OK", headers)
    return [_json(result)]


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
