"""Which tests pytest-xdist keeps together on one worker."""

from typing import Final

from xdist.scheduler import LoadScopeScheduling

# The tests of such a folder share a build, a browser or an environment that is slow to start.
_TOGETHER: Final = ("tests/browser/", "tests/built/", "tests/chaos/", "tests/verify/")


class GroupByFolder(LoadScopeScheduling):  # type: ignore[misc]  # xdist is not typed
    """Sends all tests of such a folder to one worker, and every other test to any.

    xdist's own groups (`--dist loadgroup`) are ignored under pytest 9: pytest-xdist issue 1386.
    """

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in _TOGETHER if nodeid.startswith(folder)), nodeid)
