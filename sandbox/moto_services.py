"""moto, which stands in for AWS's services: one request after another, and its DynamoDB's memory to look into."""

from collections.abc import Iterable, Iterator
from threading import Lock
from typing import TYPE_CHECKING, Any

from moto.dynamodb.models import dynamodb_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from sandbox.template import ACCOUNT, REGION

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class Moto:
    """Its services as one WSGI application.

    It executes one request at a time, which makes conditional writes and transactions atomic: between threads moto's
    are not. Long polling would keep everybody waiting: receive with WaitTimeSeconds=0 here.
    """

    def __init__(self) -> None:
        self._app = DomainDispatcherApplication(create_backend_app)
        self._executing = Lock()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        with self._executing:
            answer: Iterable[bytes] = self._app(environ, start_response)
            return answer

    def items(self, table: str) -> Iterator[dict[str, Any]]:
        """All of a table's items, in wire form: a scan of 20,000 would take half a minute. While nobody writes."""
        for item in dynamodb_backends[ACCOUNT][REGION].get_table(table).all_items():
            yield item.to_json()["Attributes"]

    def stream(self, table: str) -> tuple[str, list[dict[str, Any]]]:
        """The label of a table's stream and all of its records so far; no records without a stream."""
        with self._executing:  # of a transaction that fails, moto takes the records back
            stored = dynamodb_backends[ACCOUNT][REGION].tables.get(table)
            if not stored or not stored.stream_shard:
                return "", []
            return str(stored.latest_stream_label), [one.to_json() for one in stored.stream_shard.items]

    def drop_tables(self) -> None:
        """The reset of all of moto has dropped them."""

    def close(self) -> None:
        pass
