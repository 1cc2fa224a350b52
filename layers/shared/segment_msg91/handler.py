"""What the Lambda handlers share: the logger, the metrics, and the answers to requests that can't be handled.

No line carries the text of an error that is not our own: it may quote a number, a text of an SMS or a key.
"""

import logging
import warnings
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, cast

from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import MetricUnit

from segment_msg91.authentication import UnauthorizedError
from segment_msg91.http import Request, answer
from segment_msg91.redaction import redacted
from segment_msg91.settings import SecretUnavailableError, SettingsError, log_level

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from segment_msg91.recording import Tally

type Answer = dict[str, Any]
type Handler = Callable[[dict[str, Any], LambdaContext], Answer]

logger: Final = Logger()
# Lambda's own level (ApplicationLogLevel) must let metrics through, which have no level and count as INFO. Powertools
# would take that one instead of LogLevel.
logging.getLogger(logger.name).setLevel(log_level())
# Audit lines are logged at every LogLevel: a child logger has a level of its own, and the same output.
audit: Final = Logger(child=True)
logging.getLogger(audit.name).setLevel(logging.INFO)
metrics: Final = Metrics()
# Powertools warns, as plain text among JSON lines, about each invocation without a metric.
warnings.filterwarnings("ignore", "No application metrics to publish")
# The runtime gives Lambda's level to every library. They quote what they send, and httpx logs each request.
logging.getLogger().setLevel(logging.WARNING)


def instrumented(handle: Handler) -> Handler:
    """Write an invocation's metrics when it ends, and its context into its log lines."""
    with_context = logger.inject_lambda_context(handle, clear_state=True)
    return cast("Handler", metrics.log_metrics(with_context))


def answers_errors(endpoint: str, advice: str) -> Callable[[Handler], Handler]:
    """Answer what an HTTP handler raises. `endpoint` is the metrics' dimension; `advice`: what a caller does at 503."""

    def decorate(handle: Handler) -> Handler:
        @wraps(handle)
        def handle_safely(event: dict[str, Any], context: "LambdaContext") -> Answer:
            try:
                return handle(event, context)
            except SecretUnavailableError:
                return answer(503, "The secret can't be read now, so no request can be authenticated; try again.")
            except UnauthorizedError as error:
                count_unauthorized(endpoint)
                return answer(401, str(error))
            except SettingsError as error:
                logger.error("wrong setting", problem=str(error))
                return answer(503, f"A parameter of the stack is wrong; the function's log names it. {advice}")
            except Exception as error:  # noqa: BLE001 - Lambda's runtime would log its text, which may quote the data
                logger.error("unexpected error", exception=redacted(error))
                return answer(503, f"Unexpected error; the function's log names it. {advice}")

        return handle_safely

    return decorate


def count(name: str, value: float = 1, unit: MetricUnit = MetricUnit.Count, **dimensions: str) -> None:
    """Add to a metric; a count of 0 adds nothing. `dimensions` are beside the service's."""
    if not value and unit is MetricUnit.Count:
        return
    if not dimensions:
        metrics.add_metric(name, unit, value)
        return
    with single_metric(name, unit, value) as metric:
        for dimension, member in dimensions.items():
            metric.add_dimension(dimension, member)


def count_none(*names: str) -> None:
    """Add 0 to metrics that an alarm compares with another one: metric math has no value if one of them has no data."""
    for name in names:
        metrics.add_metric(name, MetricUnit.Count, 0)


def count_reports(tally: "Tally") -> None:
    """Count what reports have changed."""
    count("ReportConflict", tally.conflicts)
    count("SmsAccepted", tally.accepted)
    for latency in tally.latencies:
        count("DeliveryLatency", latency, MetricUnit.Seconds)
    for status, number in tally.statuses.items():
        count("DeliveryStatus", number, status=status)
    for category, number in tally.categories.items():
        count("FailureCategory", number, category=category)
    count_superseded(tally.superseded_statuses, tally.superseded_categories)


def count_superseded(statuses: Mapping[str, int], categories: Mapping[str, int]) -> None:
    """Count statuses and categories that are counted, and that a message does not have, or no longer."""
    for status, number in statuses.items():
        count("DeliveryStatusSuperseded", number, status=status)
    for category, number in categories.items():
        count("FailureCategorySuperseded", number, category=category)


def count_unauthorized(endpoint: str) -> None:
    """Count a request that does not authenticate. It gets no log line, because anyone can send any number of them."""
    count("Unauthorized", endpoint=endpoint)
    logger.debug("unauthorized", endpoint=endpoint)


def too_large(request: Request, endpoint: str, advice: str) -> Answer:
    """Answer a body over the limit."""
    count("TooLarge", endpoint=endpoint)
    logger.warning("too large", bytes=len(request.body))
    return answer(413, f"The body is over 5 MB{advice}.")


def secret_problem(reason: str) -> None:
    """Log and count that the secret can't be read, or holds what is not accepted."""
    count("SecretUnavailable")
    logger.error("secret unavailable", reason=reason)
