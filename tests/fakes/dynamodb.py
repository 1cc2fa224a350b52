"""A DynamoDB client whose calls fail as a test prepares them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self, cast

from botocore.exceptions import ClientError, ReadTimeoutError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class UnreliableDynamoDb:
    """A DynamoDB client on which calls fail as prepared, before or after they had their effect."""

    def __init__(self, client: "DynamoDBClient") -> None:
        self._client = client
        self._faults: dict[str, list[Callable[..., Any]]] = {}
        self._refusal: ClientError | None = None
        self.calls: list[str] = []

    @property
    def client(self) -> "DynamoDBClient":
        return cast("DynamoDBClient", self)

    def passes(self, operation: str) -> Self:
        """Prepare a call without a fault, before another call's fault."""
        self._prepare(operation, getattr(self._client, operation))
        return self

    def refuses(self, operation: str, code: str = "ThrottlingException") -> Self:
        """Prepare an error without effect."""

        def fail(**_: object) -> None:
            raise _client_error(code)

        self._prepare(operation, fail)
        return self

    def conflicts(self) -> None:
        """Prepare a transaction that another write to its first item cancels."""

        def cancel(**arguments: list[object]) -> None:
            codes = ["TransactionConflict", *("None" for _ in arguments["TransactItems"][1:])]
            raise _client_error("TransactionCanceledException", CancellationReasons=[{"Code": code} for code in codes])

        self._prepare("transact_write_items", cancel)

    def refuses_everything(self, code: str = "ThrottlingException") -> None:
        self._refusal = _client_error(code)

    def recovers(self) -> None:
        self._refusal = None
        self._faults.clear()

    def loses_answer(self, operation: str) -> None:
        """Prepare a call that takes effect and is never answered, however often the SDK retries."""

        def lose(**arguments: object) -> None:
            getattr(self._client, operation)(**arguments)
            raise ReadTimeoutError(endpoint_url="https://dynamodb.test")

        self._prepare(operation, lose)

    def repeats(self, operation: str) -> None:
        """Prepare a call whose first answer is lost: the SDK repeats it and meets its own effect."""

        def repeat(**arguments: object) -> object:
            getattr(self._client, operation)(**arguments)
            return getattr(self._client, operation)(**arguments)

        self._prepare(operation, repeat)

    def interrupts(self, operation: str, before_call: Callable[[], object]) -> None:
        """Prepare something that happens right before a call."""

        def interrupt(**arguments: object) -> object:
            before_call()
            return getattr(self._client, operation)(**arguments)

        self._prepare(operation, interrupt)

    def _prepare(self, operation: str, fault: Callable[..., Any]) -> None:
        self._faults.setdefault(operation, []).append(fault)

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        if operation.startswith("_"):
            raise AttributeError(operation)

        def call(**arguments: object) -> object:
            self.calls.append(operation)
            if self._refusal:
                raise self._refusal
            faults = self._faults.get(operation)
            make = faults.pop(0) if faults else getattr(self._client, operation)
            return make(**arguments)

        return call


def _client_error(code: str, **more: Any) -> ClientError:  # noqa: ANN401 - members of AWS's answer
    return ClientError({"Error": {"Code": code, "Message": "prepared by a test"}, **more}, "prepared")  # type: ignore[typeddict-item]
