"""Answers that API Gateway gives itself. They say that it has started no function, so no function's log knows more."""

from dataclasses import dataclass
from typing import Final

import httpx

from scripts.verify.results import Result, failed
from scripts.verify.target import Target, json_of

_NOT_FOUND: Final = {"message": "Not Found"}
_TOO_MANY: Final = {"message": "Too Many Requests"}
_UNAVAILABLE: Final = {"message": "Service Unavailable"}


class NotStartedError(Exception):
    """API Gateway has answered, and no function. `result` says why."""

    def __init__(self, result: Result) -> None:
        super().__init__(result.meaning)
        self.result = result


@dataclass(frozen=True, slots=True)
class Route:
    """A route of the API, by its function, the parameters with its throttle, and what to do if it is not found."""

    function: str
    throttle: tuple[str, str]
    not_found: str

    def checked(self, target: Target, response: httpx.Response) -> httpx.Response:
        """Return a response of the function. Raises NotStartedError for one of API Gateway's own."""
        # The function answers some of these statuses as well, in its own words and with further members.
        match response.status_code, json_of(response):
            case 404, said if said == _NOT_FOUND:
                raise self._not_started("it has no such route (404)", self.not_found)
            case 429, said if said == _TOO_MANY:
                now = ", ".join(f"{name} (now {target.parameter(name) or 'not known'})" for name in self.throttle)
                raise self._not_started(
                    "the requests are above its throttle (429)",
                    f"Run this again when there are fewer, or deploy with higher parameters: {now}.",
                )
            case 503, said if said == _UNAVAILABLE:
                raise self._not_started(
                    "Lambda has no concurrency for it (503)",
                    "Its reserved concurrency may be 0, as while sending is paused (docs/operations.md#pause-sending), "
                    "or the account's concurrency is used up. Look: aws lambda get-function-concurrency "
                    f"--function-name {target.physical_id(self.function)}",
                )
        return response

    def _not_started(self, why: str, remedy: str) -> NotStartedError:
        return NotStartedError(failed(f"API Gateway has not started {self.function}: {why}.", remedy))
