"""The simulated Tracking API of Segment over HTTP."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from werkzeug.wrappers import Request, Response

from sandbox.segment_simulator.tracking_api import TrackingApi
from sandbox.servers import serving, url_of, wsgi_server

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class _App:
    def __init__(self, api: TrackingApi) -> None:
        self._api = api

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        return self._answer(Request(environ))(environ, start_response)

    def _answer(self, request: Request) -> Response:
        if (request.method, request.path) == ("GET", "/events"):
            return Response(f"{json.dumps(list(self._api.events().values()), indent=1)}\n", mimetype="application/json")
        user = request.authorization.username if request.authorization else None
        answer = self._api.post(request.path, user, request.get_data())
        return Response(answer.body, answer.status, answer.headers, mimetype="application/json")


@contextmanager
def running_tracking_api(write_key: str, host: str = "127.0.0.1", port: int = 0) -> Iterator[tuple[TrackingApi, str]]:
    """Yield the API and its URL; the accepted events are at /events."""
    api = TrackingApi(write_key)
    server = wsgi_server(_App(api), host, port)
    with serving(server):
        yield api, url_of(server)
