"""How many questions a second the server answers while records come in."""

import socket
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from tyk_endpoint_stats import Record, open_store
from tyk_endpoint_stats.core.record import Latency

pytestmark = [pytest.mark.torture, pytest.mark.alone]

TOKEN = "7a7b140f-2480-4d5a-4e78-24049e3ba7f8"
CONSUMERS, ENDPOINTS, DAYS = 200, 50, 30
CLIENTS, RECORDS_A_SECOND, FOR_S = 32, 2_000, 15.0
FIRST = datetime(2026, 10, 1, 12, tzinfo=UTC)


def day_rows():
    for day in range(DAYS):
        for consumer in range(CONSUMERS):
            for endpoint in range(ENDPOINTS):
                yield Record(
                    path=f"/v1/{endpoint}",
                    api_key=f"key-{consumer}",
                    response_code=200,
                    timestamp=(FIRST + timedelta(days=day)).strftime("%Y-%m-%dT%H:%M:%SZ"),
                    api_id="api",
                    org_id="org",
                    request_time=20,
                    latency=Latency(20, 15),
                )


class Client(threading.Thread):
    """Asks one question after another over one connection until told to end."""

    def __init__(self, address, number, ended):
        super().__init__(daemon=True)
        days = "1/10/2026/30/10/2026"
        target = f"/api/activity/keys/endpoint/key-{number % CONSUMERS}/{days}"
        self.request = f"GET {target} HTTP/1.1\r\nHost: h\r\nAuthorization: {TOKEN}\r\n\r\n".encode()
        self.address, self.ended, self.took, self.statuses, self.rows = address, ended, [], set(), 0

    def run(self):
        while not self.ended.is_set():
            with socket.create_connection(self.address, timeout=30) as sock:
                while not self.ended.is_set() and self.ask(sock):
                    pass

    def ask(self, sock):
        began = time.perf_counter()
        sock.sendall(self.request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self.piece(sock)
        head, _, body = answer.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while len(body) < length:
            body += self.piece(sock)
        self.took.append(time.perf_counter() - began)
        self.statuses.add(int(head[9:12]))
        self.rows = body.count(b'"hits"')
        return b"\r\nConnection: close" not in head

    @staticmethod
    def piece(sock):
        piece = sock.recv(262_144)
        assert piece, "the server closed in an answer"
        return piece


def feed(program, ended):
    """So many records a second into a program's stdin."""
    number = 0
    while not ended.is_set():
        began = time.monotonic()
        lines = []
        for _ in range(RECORDS_A_SECOND // 10):
            number += 1
            lines.append(
                f'{{"path":"/v1/{number % ENDPOINTS}","api_key":"key-{number % CONSUMERS}","response_code":200,'
                f'"timestamp":"2026-10-{number % DAYS + 1:02d}T13:00:00Z","api_id":"api","org_id":"org"}}\n'
            )
        program.process.stdin.write("".join(lines).encode())
        program.process.stdin.flush()
        ended.wait(max(0.0, 0.1 - (time.monotonic() - began)))
    return number


def test_questions_a_second_while_records_come_in(start, tmp_path):
    url = f"sqlite:///{tmp_path}/stats.db"
    with open_store(url) as store:
        store.ingest(day_rows())
        assert store.facts().day_rows == CONSUMERS * ENDPOINTS * DAYS
    server = start("serve", "--port", "0", "--store", url)
    writer = start("ingest", "--store", url, "--follow", "-", stdin=subprocess.PIPE)
    ended = threading.Event()
    feeder = threading.Thread(target=feed, args=(writer, ended), daemon=True)
    clients = [Client(server.address, number, ended) for number in range(CLIENTS)]
    for thread in (feeder, *clients):
        thread.start()
    time.sleep(FOR_S)
    ended.set()
    for thread in (feeder, *clients):
        thread.join(30)
    took = sorted(seconds for client in clients for seconds in client.took)
    rate, p50, p99 = len(took) / FOR_S, took[len(took) // 2], took[len(took) * 99 // 100]
    print(
        f"\n{rate:,.0f} requests/s, p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, RSS {server.rss_mb():.0f} MB"
    )
    assert {status for client in clients for status in client.statuses} == {200}
    assert {client.rows for client in clients} == {ENDPOINTS}
    assert server.end() == 0
    with open_store(url) as store:
        assert store.facts().day_rows == CONSUMERS * ENDPOINTS * DAYS
        assert sum(source.counts.read for source in store.sources()) + len(store.sources()) > 0
    assert rate >= 250
    assert p99 < 0.25
