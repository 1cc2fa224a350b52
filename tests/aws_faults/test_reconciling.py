"""Under any fault of DynamoDB a reconciliation writes nothing that is not true, and a later run ends every message."""

from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from tests.aws_faults.faults import LASTING, Fault, Site, injected
from tests.engines import MOTO

if TYPE_CHECKING:
    from tests.aws_faults.conftest import World
    from tests.fakes.events import Track

_FUNCTION: Final = "ReconciliationFunction"
SITES: Final = {
    "secret": Site(_FUNCTION, "GetSecretValue", "Secret"),
    "find": Site(_FUNCTION, "Query", "MessagesTable/index/awaiting_report"),
    "read": Site(_FUNCTION, "BatchGetItem", "MessagesTable"),
    "position": Site(_FUNCTION, "GetItem", "ReportsTable"),
    "settle": Site(_FUNCTION, "UpdateItem", "MessagesTable", b"accepted"),
    "apply": Site(_FUNCTION, "UpdateItem", "MessagesTable", b"delivered"),
    "conclude": Site(_FUNCTION, "UpdateItem", "MessagesTable", b"-1#"),
    "record": Site(_FUNCTION, "PutItem", "ReportsTable"),
}
DELIVERED: Final = "919800000001"
DROPPED: Final = "919800000002"
LOST: Final = "919800000003"
UNSENT: Final = "919800000004"
ENDS: Final = {
    DELIVERED: ("accepted", "delivered"),
    DROPPED: ("accepted", "unreported"),
    LOST: ("accepted", "delivered"),
    UNSENT: ("unknown", "not_sent"),
}


@pytest.fixture
def four(world: "World", track: "Track") -> dict[str, Any]:
    """Four messages without a report: two were accepted, two are in doubt. The logs know one of each."""
    for number in (LOST, UNSENT):
        world.msg91.breaks_off(httpx.ReadTimeout("no answer"))
        world.deliver(track(number, f"message-{number}"))
    for number in (DELIVERED, DROPPED):
        world.deliver(track(number, f"message-{number}"))
    messages = {str(message["phone"]): message for message in world.aws.items("MessagesTable")}
    for number in (DELIVERED, LOST):
        message = messages[number]
        world.logs.has(number, CRQID=message["crqid"], requestId=message.get("request_id", "r-1"))
    return messages


def _ends(world: "World") -> dict[str, tuple[Any, Any]]:
    return {
        str(message["phone"]): (message["send_state"], message.get("delivery_status"))
        for message in world.aws.items("MessagesTable")
    }


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize("embedded", [MOTO], indirect=True)  # the calls are the same on the other engine
@pytest.mark.parametrize("fault", LASTING.values(), ids=LASTING.keys())
@pytest.mark.parametrize("site", SITES.values(), ids=SITES.keys())
def test_every_message_ends_as_the_logs_say(world: "World", site: Site, fault: Fault) -> None:
    with injected(world.aws, {site: fault}):
        world.reconcile()
    for number, (state, status) in _ends(world).items():
        assert state in ("unknown", ENDS[number][0])
        assert status in (None, ENDS[number][1])
    world.reconcile()
    world.reconcile()
    assert _ends(world) == ENDS
    assert sorted(str(row["phone"]) for row in world.aws.items("ReportsTable")) == [DELIVERED, LOST]
    assert world.sent() == {DELIVERED: 1, DROPPED: 1}
