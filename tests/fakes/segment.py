"""Segment's Tracking API behind an httpx transport."""

import base64

import httpx

from sandbox.aws import SECRET
from sandbox.segment_simulator.tracking_api import TrackingApi
from segment_msg91.segment.tracking_api import Tracking


class FakeSegment(TrackingApi):
    """Segment's Tracking API as the sandbox has it, without a server."""

    def __init__(self) -> None:
        super().__init__(SECRET["segment_write_key"])
        self.requests: list[httpx.Request] = []
        self.errors: list[Exception] = []
        """What the next requests raise."""

    def client(self) -> Tracking:
        return Tracking("https://segment.test", httpx.MockTransport(self._handle))

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.errors:
            raise self.errors.pop(0)
        scheme, _, credentials = request.headers["authorization"].partition(" ")
        user, _, password = base64.b64decode(credentials).decode().partition(":")
        answer = self.post(request.url.path, user if (scheme, password) == ("Basic", "") else None, request.content)
        return httpx.Response(answer.status, headers=dict(answer.headers), text=answer.body)
