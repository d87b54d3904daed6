"""Behind a real nginx that keeps its connections: no request meets one that closes just then."""

import http.client
import random
import threading
import time
from collections import Counter
from urllib.parse import urlsplit

import pytest

from tests.web.nginx import free_port, nginx

pytestmark = pytest.mark.system

# Without a second try at another connection, by which nginx hides from GETs what a POST would meet.
CONFIG = """
upstream stats {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_timeout {kept}; keepalive_requests 100000; }}
server {{
    listen 127.0.0.1:{port};
    location / {{
        proxy_pass http://stats;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_next_upstream off;
    }}
}}
"""


def statuses(url, seconds, pause_s, stop_at=None):
    """What 16 clients get that ask again after a pause of about so long."""
    found = Counter()
    end = time.monotonic() + seconds

    def ask(seed):
        rng = random.Random(seed)
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
        while time.monotonic() < end and not (stop_at and found[stop_at]):
            connection.request("GET", "/health")
            answer = connection.getresponse()
            answer.read()
            found[answer.status] += 1
            time.sleep(pause_s * rng.uniform(0.9, 1.1))
        connection.close()

    clients = [threading.Thread(target=ask, args=(seed,)) for seed in range(16)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return found


def test_a_balancer_that_keeps_connections_shorter_never_meets_one_that_closes(store, settings, serve, tmp_path):
    """A model: 0.4 and 0.5 s stand for nginx's 60 s and the 75 s of the default, with pauses around both."""
    server = serve(store, settings, idle_s=0.5)
    port = free_port()
    config = CONFIG.format(upstream=server.server_address[1], port=port, kept="400ms")
    with nginx(tmp_path, config, port) as url:
        found = statuses(url, 1.5, 0.4)
        found += statuses(url, 1.5, 0.02)
    assert set(found) == {200}
    assert found[200] > 500


def test_an_idle_time_out_below_the_balancers_gives_a_502_before_long(store, settings, serve, tmp_path):
    """The broken twin: 20 ms where nginx keeps 60 s, as 5 s were before."""
    server = serve(store, settings, idle_s=0.02)
    port = free_port()
    config = CONFIG.format(upstream=server.server_address[1], port=port, kept="60s")
    with nginx(tmp_path, config, port) as url:
        found = statuses(url, 30, 0.02, stop_at=502)
    assert found[502] >= 1
