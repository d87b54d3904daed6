"""Three thousand clients that say nothing, or a byte now and then, and one that wants an answer."""

import socket
import statistics
import time
from contextlib import ExitStack

import pytest

pytestmark = [pytest.mark.torture, pytest.mark.alone]

HEAD = b"GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
DRIP = b"GET /health HTTP/1.1\r\nX: " + b"a" * 1_000
DEADLINE_S = 5.0
CLIENTS = 3_000


def asked(address):
    """The status of a new client's question, and how long it took."""
    began = time.monotonic()
    with socket.create_connection(address, timeout=5) as sock:
        sock.sendall(HEAD)
        answer = b""
        while piece := sock.recv(65_536):
            answer += piece
    return int(answer[9:12]), time.monotonic() - began


def is_gone(sock):
    try:
        while sock.recv(65_536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def test_three_thousand_slow_clients_go_and_a_new_one_is_answered(start):
    server = start("serve", "--port", "0", "--store", "memory://")
    assert asked(server.address)[0] == 200
    rss_before = server.rss_mb()
    statuses, took, most_rss, full_until = [], [], 0.0, 0.0
    with ExitStack() as stack:
        slow = []
        began = time.monotonic()
        for number in range(CLIENTS):
            slow.append(stack.enter_context(socket.create_connection(server.address, timeout=30)))
            slow[-1].setblocking(False)
            if number % 100 == 0:
                statuses.append(asked(server.address)[0])
        drips, sent, next_drip = slow[::2], 0, began
        while time.monotonic() < began + 4 * DEADLINE_S:
            if time.monotonic() >= next_drip:
                next_drip += 0.5
                for sock in drips:
                    try:
                        sock.send(DRIP[sent : sent + 1])
                    except OSError:
                        pass  # gone, as it should be
                sent += 1
            status, seconds = asked(server.address)
            statuses.append(status)
            took.append(seconds)
            most_rss = max(most_rss, server.rss_mb())
            if status != 200:
                full_until = time.monotonic() - began
            time.sleep(0.05)
        stay = sum(not is_gone(sock) for sock in slow)
    print(
        f"\n{len(statuses)} asked, {statuses.count(503)} got 503, the last after {full_until:.1f} s; median "
        f"{statistics.median(took) * 1000:.1f} ms; RSS +{most_rss - rss_before:.1f} MB; {stay} slow ones stay"
    )
    assert set(statuses) <= {200, 503}
    assert full_until < 2 * DEADLINE_S + 1
    assert stay == 0
    assert most_rss - rss_before < 64
