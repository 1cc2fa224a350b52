"""Limits a function to the share of a core that Lambda gives for its memory, by the kernel's CPU quota.

If this process may not create control groups there is no quota, and durations are computed from processor time.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

MEGABYTES_PER_CORE: Final = 1769
"""Source: AWS, "Configure Lambda function memory"."""
_V1: Final = Path("/sys/fs/cgroup/cpu")
_V2: Final = Path("/sys/fs/cgroup")
_PERIOD: Final = 20_000
"""Microseconds: Lambda's, as functions have measured it."""


@contextmanager
def throttled(megabytes: int) -> Iterator[Path | None]:
    """Yield the control group of a function with this memory; None if there can't be one."""
    share = megabytes / MEGABYTES_PER_CORE
    group = (_V1 if (_V1 / "cpu.cfs_quota_us").exists() else _V2) / f"segment-msg91-{os.getpid()}-{megabytes}"
    try:
        group.mkdir()
        if group.parent == _V1:
            (group / "cpu.cfs_period_us").write_text(str(_PERIOD))
            (group / "cpu.cfs_quota_us").write_text(str(int(_PERIOD * share)))
        else:
            (group / "cpu.max").write_text(f"{int(_PERIOD * share)} {_PERIOD}")
    except OSError:
        with suppress(OSError):
            group.rmdir()
        yield None
        return
    try:
        yield group
    finally:
        with suppress(OSError):  # a process that has just ended may still be in it
            group.rmdir()
