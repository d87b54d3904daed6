"""A real nginx as balancer, for tests."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MAIN = """
daemon off;
pid {folder}/pid;
error_log stderr warn;
worker_processes 1;
{user}
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {text}
}}
"""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def nginx(folder: Path, text: str, port: int) -> Iterator[str]:
    """Runs nginx with a configuration (what stands in its ``http`` block) until the block ends; its URL."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    assert program, "nginx is missing; on Debian: apt-get install nginx-light"
    # As root its worker would be another user, who may not look into the folders of tests.
    user = "user root;" if Path("/proc/self").stat().st_uid == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(_MAIN.format(folder=folder, text=text, user=user))
    with subprocess.Popen([program, "-p", str(folder), "-c", str(config)], stderr=subprocess.PIPE) as running:
        try:
            deadline = time.monotonic() + 10
            while not _listens(port):
                assert running.poll() is None, running.stderr.read() if running.stderr else ""
                assert time.monotonic() < deadline, "nginx does not listen"
                time.sleep(0.01)
            yield f"http://127.0.0.1:{port}"
        finally:
            running.terminate()
            running.communicate(timeout=10)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
