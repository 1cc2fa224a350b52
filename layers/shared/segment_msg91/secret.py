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


class SecretReader:
    """Reads the secret and keeps it for five minutes: a rotation needs no deploy."""

    def __init__(self, client: "SecretsManagerClient", secret_id: str, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._secret_id = secret_id
        self._clock = clock  # the wall's: Lambda freezes the process, and whether other clocks go on, nobody promises
        self._kept: tuple[float, Secrets] | None = None

    def read(self, *, fresh: bool = False) -> Secrets:
        """Return the secret, `fresh` from Secrets Manager or as last read. Raises SecretUnavailableError.

        The error's text never holds the secret's.
        """
        now = self._clock()
        if self._kept and not fresh and 0 <= now - self._kept[0] < TTL_SECONDS:
            return self._kept[1]
        secrets = Secrets.parse(self._fetch())
        self._kept = now, secrets
        return secrets

    def fresh_authkey(self) -> str:
        """Return MSG91's authkey as it is now, for when the one last read is refused; empty when it can't be read."""
        try:
            return self.read(fresh=True).msg91_authkey
        except SecretUnavailableError:
            return ""

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
