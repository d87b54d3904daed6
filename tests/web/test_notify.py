"""What systemd hears, at a real datagram socket; and that nobody else is spoken to."""

import os
import socket

import pytest

from tyk_endpoint_stats.web.notify import Notifier


@pytest.fixture
def heard(tmp_path):
    """``(address, hear)``: a socket as systemd has one, and what came next."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(path)
        sock.settimeout(5)
        yield path, lambda: sock.recv(4096).decode()


def test_each_state_is_one_datagram(heard):
    address, hear = heard
    notifier = Notifier({"NOTIFY_SOCKET": address})
    for say, expected in (
        (notifier.ready, "READY=1"),
        (notifier.alive, "WATCHDOG=1"),
        (notifier.stopping, "STOPPING=1"),
    ):
        say()
        assert hear() == expected
    notifier.reloading()
    first, second = hear().split("\n")
    assert first == "RELOADING=1"
    name, microseconds = second.split("=")
    assert name == "MONOTONIC_USEC"
    assert int(microseconds) > 0


def test_the_abstract_namespace_of_linux_is_reached_too():
    name = f"tyk-endpoint-stats-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0{name}")
        sock.settimeout(5)
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).ready()
        assert sock.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", ["", "/nowhere/at/all", "relative", "vsock:2:1234", "/" + "x" * 200])
def test_where_nobody_listens_nothing_happens(address):
    Notifier({"NOTIFY_SOCKET": address}).ready()


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_it_waits_where_it_waits_for_us(given, seconds):
    assert Notifier({"NOTIFY_SOCKET": "/x", **given}).watchdog_s == seconds
    assert Notifier(given).watchdog_s is None, "nobody would hear it"
