"""Reads the secret from Secrets Manager."""

from typing import Any, Final

from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError, TransformParameterError
from botocore.config import Config

from segment_msg91.settings import Secrets, SecretUnavailableError

TTL_SECONDS: Final = 300


class SecretReader:
    """Reads the secret and keeps it for five minutes: a rotation needs no deploy."""

    def __init__(self, secret_id: str) -> None:
        self._secret_id = secret_id
        self._provider = SecretsProvider(
            boto_config=Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 3})
        )

    def read(self, *, fresh: bool = False) -> Secrets:
        """Return the secret, `fresh` from Secrets Manager or as last read. Raises SecretUnavailableError.

        The error's text never holds the secret's.
        """
        try:
            value: Any = self._provider.get(self._secret_id, max_age=TTL_SECONDS, transform="json", force_fetch=fresh)
        except TransformParameterError:
            raise SecretUnavailableError("the secret is not JSON") from None
        except GetParameterError as error:
            raise SecretUnavailableError(f"Secrets Manager: {type(error.__cause__ or error).__name__}") from None
        return Secrets.parse(value)

    def fresh_authkey(self) -> str:
        """Return MSG91's authkey as it is now, for when the one last read is refused; empty when it can't be read."""
        try:
            return self.read(fresh=True).msg91_authkey
        except SecretUnavailableError:
            return ""
