"""Minutes of questions, ingest and kills: exact at the end, and neither memory nor descriptors grow."""

import http.client
import json
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from tyk_endpoint_stats import open_store
from tyk_endpoint_stats.maintenance.verify import verify

pytestmark = pytest.mark.torture

TOKEN = "7a7b140f-2480-4d5a-4e78-24049e3ba7f8"
FOR_S = 600.0
KEYS = 20


def line(number):
    at = f"2026-10-{number % 28 + 1:02d}T{number % 24:02d}:{number % 60:02d}:00Z"
    record = {
        "path": f"/v1/{number % 40}",
        "api_key": f"key-{number % KEYS}",
        "response_code": 200,
        "timestamp": at,
    }
    return json.dumps(record).encode() + b"\n"


class Writer(threading.Thread):
    """Appends to a log, now and then half a line first."""

    def __init__(self, path, ended, seed):
        super().__init__(daemon=True)
        self.path, self.ended, self.random, self.written = path, ended, random.Random(seed), 0

    def run(self):
        with self.path.open("ab", buffering=0) as file:
            while not self.ended.is_set():
                for _ in range(self.random.randrange(1, 400)):
                    text = line(self.written)
                    cut = self.random.randrange(len(text)) if self.random.random() < 0.01 else 0
                    file.write(text[:cut])
                    file.write(text[cut:])
                    self.written += 1
                self.ended.wait(0.1)


class Asker(threading.Thread):
    """Asks, and sees hits that never fall."""

    def __init__(self, address, number, ended):
        super().__init__(daemon=True)
        self.address, self.number, self.ended = address, number, ended
        self.asked, self.problems = 0, []

    def run(self):
        target = f"/api/activity/keys/endpoint/key-{self.number}/1/10/2026/31/10/2026"
        last = 0
        while not self.ended.is_set():
            connection = http.client.HTTPConnection(*self.address, timeout=30)
            for _ in range(200):
                connection.request("GET", target, headers={"authorization": TOKEN})
                answer = connection.getresponse()
                hits = sum(row["hits"] for row in json.loads(answer.read())["data"]) if answer.status == 200 else -1
                if hits < last:
                    self.problems.append((answer.status, last, hits))
                    return
                last, self.asked = hits, self.asked + 1
                if self.ended.wait(0.01):
                    break
            connection.close()


def slope(samples):
    """By least squares, of (x, y) pairs."""
    mean_x, mean_y = (sum(sample[axis] for sample in samples) / len(samples) for axis in (0, 1))
    return sum((x - mean_x) * (y - mean_y) for x, y in samples) / sum((x - mean_x) ** 2 for x, _ in samples)


def test_minutes_of_questions_ingest_and_kills(start, tmp_path, seed):
    url, chosen, log = f"sqlite:///{tmp_path}/stats.db", random.Random(seed), tmp_path / "analytics.jsonl"
    log.touch()
    server = start("serve", "--port", "0", "--store", url)
    ended = threading.Event()
    writer = Writer(log, ended, seed)
    askers = [Asker(server.address, number, ended) for number in range(4)]
    for thread in (writer, *askers):
        thread.start()
    samples, kills, began = [], 0, time.monotonic()
    while (elapsed := time.monotonic() - began) < FOR_S:
        ingest = start(
            "ingest",
            "--store",
            url,
            "--jobs",
            str(chosen.choice((1, 2))),
            *(("--follow",) * chosen.randrange(2)),
            str(log),
        )
        try:
            ingest.process.wait(chosen.uniform(0.3, 4.0))
        except subprocess.TimeoutExpired:
            ingest.end(signal.SIGKILL)
            kills += 1
        if elapsed > FOR_S / 4:  # until then caches fill
            samples.append((elapsed / 60, server.rss_mb(), server.descriptors()))
    ended.set()
    for thread in (writer, *askers):
        thread.join(30)
    done = subprocess.run(
        [sys.executable, "-m", "tyk_endpoint_stats", "ingest", "--store", url, str(log)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    began = time.monotonic()
    assert server.end() == 0
    took_to_end = time.monotonic() - began
    growth = slope([(minutes, rss) for minutes, rss, _ in samples])
    descriptors = [count for _, _, count in samples]
    print(
        f"\n{writer.written:,} records, {kills} kills, {sum(asker.asked for asker in askers):,} questions; "
        f"RSS {samples[-1][1]:.0f} MB, {growth:+.2f} MB/min; descriptors {min(descriptors)} to {max(descriptors)}"
    )
    assert [asker.problems for asker in askers] == [[]] * 4
    with open_store(url) as store:
        assert sum(row.hits for row in store.consumers()) == writer.written
        assert verify(store).problems == []
    assert kills > 10
    assert growth < 1.0
    assert max(descriptors) - min(descriptors) < 20
    assert took_to_end < 10


def test_the_slope_of_a_leak_is_seen():
    """The broken twin of the figure: what grows by 2 MB a minute, noise and all."""
    chosen = random.Random(1)
    leaking = [(minute / 10, 50 + 0.2 * minute + chosen.uniform(-1, 1)) for minute in range(60)]
    flat = [(minute, 50 + value - 2 * minute) for minute, value in leaking]
    assert slope(leaking) == pytest.approx(2, abs=0.4)
    assert abs(slope(flat)) < 0.4
