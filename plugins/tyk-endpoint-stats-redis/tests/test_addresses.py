"""URLs, secrets, sockets and TLS; and what the plugin introduces."""

import socket
import ssl
import subprocess
import sys
from contextlib import contextmanager
from threading import Thread
from urllib.parse import quote

import pytest
import trustme
from redis import Redis
from redis_server import BASE, RedisServer, push
from tyk_elements import elements
from tyk_endpoint_stats_redis.address import PASSWORD_VARIABLE, parse_address

from tyk_endpoint_stats import open_sources, open_store
from tyk_endpoint_stats.errors import PluginError, SourceError
from tyk_endpoint_stats.plugin_manager import load_plugins

PASSWORD = "p@ss:w?rd/#%zz"


@pytest.mark.parametrize("scheme", ["redis", "rediss", "unix"])
def test_each_scheme_is_introduced(scheme):
    provided = load_plugins().sources[scheme]
    assert provided.plugin == "tyk-endpoint-stats-redis"
    assert provided.type.example.startswith(f"{scheme}://")


def test_introducing_loads_no_driver():
    code = (
        "import sys; from tyk_endpoint_stats.plugin_manager import load_plugins;"
        "load_plugins(); sys.exit(any(name in sys.modules for name in ('redis', 'msgpack', 'google.protobuf')))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("redis://localhost", {"host": "localhost"}),
        ("redis://localhost:6380/5", {"host": "localhost", "port": 6380, "db": 5}),
        ("redis://[::1]:6380?db=2", {"host": "::1", "port": 6380, "db": 2}),
        ("redis://ann:secret@h/0", {"username": "ann", "password": "secret", "host": "h"}),
        ("redis://:p@ss:w/rd#1@h/0", {"password": "p@ss:w/rd#1", "host": "h"}),
        ("redis://:p%40ss%25@h", {"password": "p@ss%"}),
        (
            "redis://h?password=s3cret&username=ann&socket_timeout=2.5",
            {"password": "s3cret", "socket_timeout": 2.5},
        ),
        ("unix:///run/redis.sock?db=3", {"path": "/run/redis.sock", "db": 3}),
        ("unix://:secret@/run/redis.sock", {"path": "/run/redis.sock", "password": "secret"}),
    ],
)
def test_what_a_url_says(url, options):
    address = parse_address(url)
    assert {name: address.options.get(name) for name in options} == options
    for secret in ("secret", "s3cret", "p@ss", "w/rd"):
        assert secret not in address.label


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://h/analytics", "'analytics' is no number of a database"),
        ("redis://h:port/0", "port"),
        ("redis://:hunter2hunter2@h?max_connections=many", "max_connections"),
        ("redis://:hunter2hunter2@h?no_such_option=1", "no_such_option"),
    ],
)
def test_what_a_url_can_not_say(url, message):
    with pytest.raises(PluginError, match=message) as caught:
        open_sources(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_nobody_there_is_named_soon_and_without_the_password():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (source,) = open_sources(f"redis://:hunter2hunter2@127.0.0.1:{port}/0")
    assert len(source.warnings) == 1, "that it takes records; what is wrong is said by reading"
    for ask in (source.peek, source.parts):
        with pytest.raises(SourceError, match=rf"redis://127.0.0.1:{port}/0: can't .*refused") as caught:
            ask()
        assert "hunter2" not in str(caught.value)


@pytest.fixture(scope="module")
def locked_server(tmp_path_factory):
    with RedisServer(tmp_path_factory.mktemp("locked"), "--requirepass", PASSWORD) as server:
        yield server


@pytest.mark.parametrize("way", ["url", "environment", "socket", "query"])
def test_a_password_by_url_by_environment_and_over_a_socket(locked_server, monkeypatch, way):
    url = {
        "url": f"redis://:{quote(PASSWORD, safe='@:/')}@127.0.0.1:{locked_server.port}/0",
        "environment": f"redis://127.0.0.1:{locked_server.port}/0",
        "socket": f"unix://:{quote(PASSWORD)}@{locked_server.socket}?db=0",
        "query": f"redis://127.0.0.1:{locked_server.port}/0?password={quote(PASSWORD)}",
    }[way]
    if way == "environment":
        monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    with Redis(port=locked_server.port, password=PASSWORD) as client:
        push(client, BASE, elements(3))
    with open_store("memory://") as store:
        assert store.ingest(*open_sources(url)).read == 3


def test_a_wrong_password_is_an_error_that_does_not_say_it(locked_server):
    (source,) = open_sources(f"redis://:hunter2hunter2@127.0.0.1:{locked_server.port}/0")
    with pytest.raises(SourceError, match=r"(?i)password") as caught:
        source.parts()
    assert "hunter2" not in str(caught.value)


@contextmanager
def tls_in_front_of(port, certificate):
    """Takes TLS connections and hands their bytes to a port, as stunnel does; gives its own port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source, target):
        with source, target:
            try:
                while data := source.recv(65536):
                    target.sendall(data)
            except OSError:
                pass

    def serve():
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            try:
                inner = context.wrap_socket(plain, server_side=True)
            except (OSError, ssl.SSLError):
                plain.close()
                continue
            outer = socket.create_connection(("127.0.0.1", port))
            # A thread each way: a socket of Python's ssl may be read and written at the same time.
            for pair in ((inner, outer), (outer, inner)):
                Thread(target=pump, args=pair, daemon=True).start()

    thread = Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def test_rediss_speaks_tls_and_checks_who_answers(server, client, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    push(client, BASE, elements(4))
    with tls_in_front_of(server.port, authority.issue_cert("localhost")) as port, open_store("memory://") as store:
        (strangers,) = open_sources(f"rediss://localhost:{port}/0")
        with pytest.raises(SourceError, match=r"(?i)certificate"):
            store.ingest(strangers)
        report = store.ingest(*open_sources(f"rediss://localhost:{port}/0?ssl_ca_certs={tmp_path}/ca.pem"))
        assert report.read == 4
