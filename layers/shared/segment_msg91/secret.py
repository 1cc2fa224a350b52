"""Reads the secret from Secrets Manager."""

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from segment_msg91.settings import Secrets, SecretUnavailableError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

TTL_SECONDS: Final = 300
# While the secret can't be read, the last good copy is used for this long. Credentials that were removed in that time
# are still accepted; the alternative is to refuse every event and report because of one comma too many.
STALE_SECONDS: Final = 3600
# The time between reads after one that failed, or that was made because MSG91 refused the authkey.
RETRY_SECONDS: Final = 15


class SecretReader:
    """Reads the secret and keeps it for five minutes: a rotation needs no deploy."""

    def __init__(
        self,
        client: "SecretsManagerClient",
        secret_id: str,
        clock: Callable[[], float] = time.time,
        on_problem: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`on_problem` is called with the reason if the secret can't be read (also while a copy is served), or holds a
        token that is not accepted.
        """
        self._client = client
        self._secret_id = secret_id
        self._clock = clock  # the wall clock: Lambda freezes the process, and other clocks may stop then
        self._on_problem = on_problem
        self._kept: tuple[float, Secrets] | None = None
        self._not_before = 0.0

    def read(self, *, fresh: bool = False) -> Secrets:
        """Return the secret, `fresh` from Secrets Manager or as last read. Raises SecretUnavailableError.

        The error's text never holds the secret's.
        """
        now = self._clock()
        if self._kept is None:
            return self._refresh(now)
        read_at, secrets = self._kept
        age = now - read_at
        is_due = fresh or not 0 <= age < TTL_SECONDS
        if not is_due or 0 < self._not_before - now <= RETRY_SECONDS:
            return secrets
        if fresh:
            self._not_before = now + RETRY_SECONDS
        try:
            return self._refresh(now)
        except SecretUnavailableError:
            self._not_before = now + RETRY_SECONDS
            if 0 <= age < STALE_SECONDS:
                return secrets
            self._kept = None
            raise

    def fresh_authkey(self) -> str:
        """Return MSG91's authkey as it is now, for when the one last read is refused; empty when it can't be read."""
        try:
            return self.read(fresh=True).msg91_authkey
        except SecretUnavailableError:
            return ""

    def _refresh(self, now: float) -> Secrets:
        try:
            secrets = Secrets.parse(self._fetch())
        except SecretUnavailableError as error:
            self._on_problem(str(error))
            raise
        for reason in secrets.refused:
            self._on_problem(reason)
        self._kept = now, secrets
        return secrets

    def _fetch(self) -> Any:  # noqa: ANN401  # JSON
        try:
            text = self._client.get_secret_value(SecretId=self._secret_id)["SecretString"]
        except KeyError:
            raise SecretUnavailableError("the secret is not text") from None
        except (BotoCoreError, ClientError) as error:
            raise SecretUnavailableError(f"Secrets Manager: {type(error).__name__}") from None
        try:
            return json.loads(text)
        except ValueError:
            raise SecretUnavailableError("the secret is not JSON") from None
