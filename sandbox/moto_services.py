"""moto, which replaces AWS's services: one request at a time, with access to the memory of its DynamoDB."""

from collections.abc import Iterable, Iterator
from threading import Lock
from typing import TYPE_CHECKING, Any

from moto.dynamodb.models import dynamodb_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from sandbox.template import ACCOUNT, REGION

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class Moto:
    """moto's services as one WSGI application.

    It executes one request at a time, which makes conditional writes and transactions atomic; moto's are not
    thread-safe. Long polling would block all requests: receive with WaitTimeSeconds=0 here.
    """

    def __init__(self) -> None:
        self._app = DomainDispatcherApplication(create_backend_app)
        self._executing = Lock()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        with self._executing:
            answer: Iterable[bytes] = self._app(environ, start_response)
            return answer

    def items(self, table: str) -> Iterator[dict[str, Any]]:
        """Yield all items in wire form; a scan of 20,000 would take half a minute. Nothing may write during it."""
        for item in dynamodb_backends[ACCOUNT][REGION].get_table(table).all_items():
            yield item.to_json()["Attributes"]

    def stream(self, table: str) -> tuple[str, list[dict[str, Any]]]:
        """Return the label of a table's stream and all of its records so far; no records if it has no stream."""
        with self._executing:  # moto removes the records of a failed transaction again
            stored = dynamodb_backends[ACCOUNT][REGION].tables.get(table)
            if not stored or not stored.stream_shard:
                return "", []
            return str(stored.latest_stream_label), [record.to_json() for record in stored.stream_shard.items]

    def drop_tables(self) -> None:
        """Do nothing: the reset of moto has dropped them."""

    def close(self) -> None:
        pass
