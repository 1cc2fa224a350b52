"""The secret is kept for five minutes; while it can't be read, the last good copy is used for an hour."""

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

import pytest
from botocore.exceptions import EndpointConnectionError

from segment_msg91.secret import RETRY_SECONDS, STALE_SECONDS, TTL_SECONDS, SecretReader
from segment_msg91.settings import SecretUnavailableError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

BROKEN: Final = '{"msg91_authkey": "new",}'


@dataclass
class FakeSecretsManager:
    """Returns `text`, or fails if it is None."""

    text: str | None = json.dumps({"msg91_authkey": "old"})
    reads: int = 0

    def get_secret_value(self, **_: object) -> dict[str, Any]:
        self.reads += 1
        if self.text is None:
            raise EndpointConnectionError(endpoint_url="https://secretsmanager.test")
        return {"SecretString": self.text}


@dataclass
class Setup:
    aws: FakeSecretsManager = field(default_factory=FakeSecretsManager)
    now: float = 1000.0
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        client = cast("SecretsManagerClient", self.aws)
        self.reader = SecretReader(client, "Secret", lambda: self.now, self.problems.append)

    def authkey(self) -> str:
        return self.reader.read().msg91_authkey


@pytest.fixture
def setup() -> Setup:
    return Setup()


def test_the_secret_is_read_once_in_five_minutes(setup: Setup) -> None:
    assert [setup.authkey() for _ in range(3)] == ["old"] * 3
    assert setup.aws.reads == 1
    setup.aws.text = json.dumps({"msg91_authkey": "new"})
    setup.now += TTL_SECONDS
    assert (setup.authkey(), setup.aws.reads) == ("new", 2)


@pytest.mark.parametrize("text", [None, BROKEN, "[]"], ids=["away", "broken", "no object"])
def test_a_secret_that_cannot_be_refreshed_is_served_from_the_last_good_copy(text: str | None, setup: Setup) -> None:
    setup.authkey()
    setup.aws.text = text
    setup.now += TTL_SECONDS
    assert setup.authkey() == "old"
    assert len(setup.problems) == 1


def test_the_last_good_copy_is_served_for_an_hour_and_no_longer(setup: Setup) -> None:
    setup.authkey()
    setup.aws.text = None
    setup.now += STALE_SECONDS - 1
    assert setup.authkey() == "old"
    setup.now += RETRY_SECONDS
    with pytest.raises(SecretUnavailableError):
        setup.authkey()


def test_a_failed_refresh_is_tried_again_after_fifteen_seconds_and_not_at_every_request(setup: Setup) -> None:
    setup.authkey()
    setup.aws.text = None
    setup.now += TTL_SECONDS
    for _ in range(10):
        setup.authkey()
    assert setup.aws.reads == 2
    setup.now += RETRY_SECONDS
    setup.aws.text = json.dumps({"msg91_authkey": "new"})
    assert setup.authkey() == "new"


def test_without_a_copy_a_secret_that_cannot_be_read_is_asked_for_again(setup: Setup) -> None:
    setup.aws.text = None
    for _ in range(2):
        with pytest.raises(SecretUnavailableError):
            setup.authkey()
    assert (setup.aws.reads, len(setup.problems)) == (2, 2)


def test_a_key_that_msg91_refuses_is_read_again_at_once_and_then_every_fifteen_seconds(setup: Setup) -> None:
    setup.authkey()
    setup.aws.text = json.dumps({"msg91_authkey": "new"})
    assert setup.reader.fresh_authkey() == "new"
    setup.aws.text = json.dumps({"msg91_authkey": "newer"})
    assert setup.reader.fresh_authkey() == "new"
    setup.now += RETRY_SECONDS
    assert setup.reader.fresh_authkey() == "newer"
    assert setup.aws.reads == 3


def test_a_clock_that_is_set_back_does_not_keep_an_old_secret(setup: Setup) -> None:
    setup.authkey()
    setup.reader.fresh_authkey()
    setup.aws.text = json.dumps({"msg91_authkey": "new"})
    setup.now -= 500
    assert setup.authkey() == "new"


def test_a_reason_never_quotes_the_secret(setup: Setup) -> None:
    setup.aws.text = '{"msg91_authkey": "marked",}'
    with pytest.raises(SecretUnavailableError, match="not JSON"):
        setup.authkey()
    assert "marked" not in "".join(setup.problems)
