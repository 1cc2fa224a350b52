"""DynamoDB Local as a separate process, within a block."""

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Final

from sandbox.dynamodb_local.installation import NotAvailableError, Program, install
from sandbox.servers import free_port

_START_TIMEOUT: Final = 60.0
_STOP_TIMEOUT: Final = 10.0
_POLL_INTERVAL: Final = 0.02
# An engine lives for minutes at most, so better machine code is not worth the processor time of making it.
_JVM: Final = ("-Xmx2g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_UNTIL_STDIN_ENDS: Final = 'exec 3<&0; "$@" 3<&- & engine=$!; { cat <&3 >&2; kill $engine; } & wait $engine'
"""A shell script that runs its arguments until stdin is closed, which also happens if this process is killed."""


@contextmanager
def running_dynamodb_local() -> Iterator[str]:
    """Yield its URL. It keeps everything in memory. Raises NotAvailableError."""
    program, port = install(), free_port()
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        process = _start(program, port, log)
        try:
            _wait_until_listening(port, process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            _stop(process)


def _start(program: Program, port: int, log: IO[str]) -> subprocess.Popen[str]:
    options = ("-inMemory", "-disableTelemetry", "-port", str(port))
    library = f"-Djava.library.path={program.jar.parent / 'DynamoDBLocal_lib'}"
    java = (str(program.java), *_JVM, library, "-jar", str(program.jar), *options)
    return subprocess.Popen(  # noqa: S603  # our own program
        ("/bin/sh", "-c", _UNTIL_STDIN_ENDS, "sh", *java),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=log,
        text=True,
        start_new_session=True,  # only the stack receives Ctrl-C, and then stops the engine last
    )


def _stop(process: subprocess.Popen[str]) -> None:
    if process.stdin:
        process.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_TIMEOUT)
    process.kill()


def _wait_until_listening(port: int, process: subprocess.Popen[str], log: IO[str]) -> None:
    deadline = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(_POLL_INTERVAL)
        else:
            return
    log.seek(0)
    lines = log.read().strip().splitlines()
    raise NotAvailableError(f"DynamoDB Local did not start: {lines[-1] if lines else 'it gave no reason'}")
