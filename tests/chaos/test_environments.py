"""An environment that is killed while it starts ends its event like any other kill, so that a run goes on."""

from typing import TYPE_CHECKING, Any, cast

import pytest

from sandbox.emulator import Emulator, NotBuiltError
from sandbox.lambda_runtime import FunctionError
from tests.chaos.environments import Environment

if TYPE_CHECKING:
    from sandbox.msg91_simulator.server import Listener


class _StartsNot:
    """An emulator that does not start."""

    is_running = False

    def __init__(self, process: object) -> None:
        self.process = process

    def start(self) -> None:
        raise NotBuiltError("did not start")


@pytest.mark.parametrize(("process", "error"), [(None, FunctionError), (object(), NotBuiltError)])
def test_a_kill_while_it_starts_is_told_from_an_emulator_that_cannot_start(
    process: Any,  # noqa: ANN401 - any process
    error: type[Exception],
) -> None:
    environment = Environment("reconciliation-0", cast("Emulator", _StartsNot(process)), cast("Listener", None))
    with pytest.raises(error):
        environment.invoke({})
