"""No test reaches another machine, and no client holds a real key."""

import socket

import boto3
import httpx
import pytest


@pytest.mark.parametrize("address", [("192.0.2.1", 443), ("169.254.169.254", 80)])
def test_another_machine_cannot_be_called(address: tuple[str, int]) -> None:
    with socket.socket() as connection, pytest.raises(Exception, match="a test may not reach"):
        connection.connect(address)


def test_the_name_of_another_machine_is_not_looked_up() -> None:
    with pytest.raises(Exception, match="a test may not reach"):
        httpx.get("https://control.msg91.com")


def test_this_machine_can_be_called() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as connection:
        connection.connect(server.getsockname())
        assert connection.getpeername() == server.getsockname()


def test_aws_is_out_of_reach_without_moto() -> None:
    with pytest.raises(Exception, match="a test may not reach"):
        boto3.client("dynamodb").list_tables()


def test_the_credentials_are_made_up() -> None:
    credentials = boto3.Session().get_credentials()
    assert credentials is not None
    assert credentials.access_key == "testing"
