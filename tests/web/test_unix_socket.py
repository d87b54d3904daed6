"""A Unix socket: asked by curl, with its mode, never in place of a live server, and gone at the end."""

import errno
import json
import socket
import subprocess
import threading
from contextlib import contextmanager

import pytest

from tyk_endpoint_stats.web import unix_socket
from tyk_endpoint_stats.web.server import UnixAddress, make_server


@contextmanager
def running(store, settings, path, mode=0o660):
    with make_server(store, settings=settings, unix=UnixAddress(path, mode)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(10)


def curl(path, target, *options):
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--unix-socket", str(path), *options, f"http://localhost{target}"],
        capture_output=True,
        timeout=20,
        check=True,
    )
    return json.loads(done.stdout)


def test_curl_is_answered_over_a_socket_with_its_mode(store, settings, token, tmp_path, caplog):
    path = tmp_path / "http.sock"
    with running(store, settings, path, 0o600) as server:
        assert server.url == f"unix:{path}"
        assert path.stat().st_mode & 0o777 == 0o600
        assert curl(path, "/health") == {"status": "ok"}
        answer = curl(path, "/api/activity/keys/endpoint/k/1/10/2020/2/10/2020", "-H", f"authorization: {token}")
        assert answer == {"data": [], "pages": 1}
        many = subprocess.run(
            ["curl", "--silent", "--unix-socket", str(path), *["http://localhost/health"] * 50],
            capture_output=True,
            timeout=20,
            check=True,
        )
        assert many.stdout == b'{"status":"ok"}' * 50, "over one connection"
    assert not path.exists()
    assert "unix GET /health 200" in caplog.text


def test_what_a_killed_server_left_is_taken_away(store, settings, tmp_path):
    path = tmp_path / "http.sock"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
        killed.listen()
    assert path.is_socket()
    with running(store, settings, path):
        assert curl(path, "/health") == {"status": "ok"}


def test_a_live_server_keeps_its_socket(store, settings, tmp_path):
    path = tmp_path / "http.sock"
    with running(store, settings, path):
        with pytest.raises(OSError, match="a server listens there already") as problem:
            make_server(store, settings=settings, unix=UnixAddress(path))
        assert problem.value.errno == errno.EADDRINUSE
        assert curl(path, "/health") == {"status": "ok"}


def test_a_server_whose_queue_is_full_lives_too(tmp_path):
    path = tmp_path / "http.sock"
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as first:
        busy.bind(str(path))
        busy.listen(0)
        first.connect(str(path))
        with pytest.raises(OSError, match="a server listens there already"):
            unix_socket.listening(path, 0o600, 5)
        assert path.is_socket()


def test_without_the_look_for_a_live_server_its_socket_would_be_stolen(store, settings, tmp_path, monkeypatch):
    """The broken twin: whatever lies there is taken away."""
    monkeypatch.setattr(unix_socket, "_clear", lambda path: path.unlink(missing_ok=True))
    path = tmp_path / "http.sock"
    with running(store, settings, path), unix_socket.listening(path, 0o600, 5):
        pass  # two listen there, and the first is never asked again


def test_a_file_that_is_no_socket_is_left_alone(store, settings, tmp_path):
    path = tmp_path / "precious"
    path.write_text("text")
    with pytest.raises(FileExistsError, match="no socket"):
        make_server(store, settings=settings, unix=UnixAddress(path))
    assert path.read_text() == "text"


@pytest.mark.parametrize("name", ["missing/http.sock", "x" * 120])
def test_a_place_where_no_socket_can_be_is_an_error(store, settings, tmp_path, name):
    with pytest.raises(OSError, match=r"No such file|too long"):
        make_server(store, settings=settings, unix=UnixAddress(tmp_path / name))


def test_the_end_leaves_a_successors_socket_alone(store, settings, tmp_path):
    path = tmp_path / "http.sock"
    with running(store, settings, path):
        path.unlink()  # somebody cleaned up, and started another
        with socket.socket(socket.AF_UNIX) as successor:
            successor.bind(str(path))
    assert path.is_socket()


def test_of_two_servers_that_start_at_once_one_gets_it(tmp_path):
    path = tmp_path / "http.sock"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
    got, refused = [], []

    def start():
        try:
            got.append(unix_socket.listening(path, 0o600, 5))
        except OSError as problem:
            refused.append(problem.errno)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(got), refused) == (1, [errno.EADDRINUSE] * 7)
    got[0].close()
