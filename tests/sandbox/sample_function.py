"""A function for tests of its execution environment."""

import os
import time
from typing import Any


def lambda_handler(event: dict[str, Any], _context: object) -> object:
    match event:
        case {"variable": name}:
            return os.environ.get(name)
        case {"print": text}:
            print(text)  # noqa: T201 - as the functions' metrics are printed
        case {"raise": text}:
            raise RuntimeError(text)
        case {"sleep": seconds}:
            time.sleep(seconds)
        case {"exit": code}:
            os._exit(code)
    return os.getpid()
