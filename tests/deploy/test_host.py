"""``deploy/tyk-endpoint-stats.service`` and ``deploy/nginx.conf``, used as they stand."""

import configparser
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.serving import LINE, NEW_TOKEN, TOKEN, curl
from tests.waiting import wait_for
from tests.web.nginx import free_port, nginx

pytestmark = pytest.mark.slow

DEPLOY = Path(__file__).parents[2] / "deploy"
UNIT = DEPLOY / "tyk-endpoint-stats.service"
QUESTION = "/api/activity/keys/endpoint/k/13/10/2026/13/10/2026"


@pytest.fixture
def places(tmp_path):
    """The folders of the unit, elsewhere: ``{as the file says: where}``."""
    made = {
        "/var/lib/tyk-endpoint-stats": tmp_path / "lib",
        "/run/tyk-endpoint-stats": tmp_path / "run",
        "/etc/tyk-endpoint-stats": tmp_path / "etc",
        "/var/log/tyk-pump": tmp_path / "log",
    }
    for place in made.values():
        place.mkdir()
    return made


def moved(text, places):
    for said, place in places.items():
        text = text.replace(said, str(place))
    return text


def service():
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str
    parser.read_string(UNIT.read_text().replace("\\\n", " "))
    return parser["Service"]


@pytest.fixture
def running(places):
    """The unit's command, started as systemd starts it: ``(program, systemd's socket)``."""
    tokens = places["/etc/tyk-endpoint-stats"] / "tokens"
    tokens.write_text(f"{TOKEN}\n")
    tokens.chmod(0o600)
    places["/var/log/tyk-pump"].joinpath("pump.log").write_bytes(LINE)
    words = shlex.split(moved(service()["ExecStart"], places))
    assert words[0] == "/opt/tyk-endpoint-stats/bin/tyk-endpoint-stats"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        address = str(places["/run/tyk-endpoint-stats"] / "notify")
        systemd.bind(address)
        systemd.settimeout(30)
        program = subprocess.Popen(
            [sys.executable, "-m", "tyk_endpoint_stats", *words[1:]],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "NOTIFY_SOCKET": address, "WATCHDOG_USEC": "30000000"},
        )
        try:
            yield program, systemd
        finally:
            program.kill()
            program.communicate()


def heard(systemd):
    while (state := systemd.recv(4096).decode().split("\n")[0]) == "WATCHDOG=1":
        pass
    return state


def test_the_units_command_serves_reloads_and_stops_as_systemd_asks_it_to(places, running):
    program, systemd = running
    assert service()["Type"] == "notify"
    assert heard(systemd) == "READY=1"
    path = places["/run/tyk-endpoint-stats"] / "http.sock"

    def asked(token):
        return curl("--unix-socket", str(path), "-H", f"authorization: {token}", f"http://localhost{QUESTION}")

    wait_for(lambda: '"hits":1' in asked(TOKEN)[1])
    assert places["/var/lib/tyk-endpoint-stats"].joinpath("stats.db").exists()
    places["/etc/tyk-endpoint-stats"].joinpath("tokens").write_text(f"{NEW_TOKEN}\n")
    reload_words = shlex.split(service()["ExecReload"].replace("$MAINPID", str(program.pid)))
    subprocess.run(reload_words, check=True)
    assert [heard(systemd), heard(systemd)] == ["RELOADING=1", "READY=1"]
    assert [asked(TOKEN)[0], asked(NEW_TOKEN)[0]] == [401, 200]
    program.send_signal(signal.SIGTERM)
    assert heard(systemd) == "STOPPING=1"
    assert program.wait(20) == 0


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd here; the test above reads the unit all the same")
    program = tmp_path / "tyk-endpoint-stats"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    copy = tmp_path / UNIT.name
    copy.write_text(
        UNIT.read_text().replace("/opt/tyk-endpoint-stats/bin/tyk-endpoint-stats serve", f"{program} serve")
    )
    done = subprocess.run([analyze, "verify", copy], capture_output=True, text=True, check=False)
    assert (done.returncode, [line for line in done.stderr.splitlines() if UNIT.name in line]) == (0, [])
    rated = subprocess.run(
        [analyze, "security", "--offline=yes", "--no-pager", copy], capture_output=True, text=True, check=False
    )
    exposure = float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", rated.stdout)[1])
    assert exposure < 2, "of 10"


@pytest.mark.system
def test_nginx_passes_on_what_its_sample_says(places, running, tmp_path):
    _, systemd = running
    assert heard(systemd) == "READY=1"
    port = free_port()
    text = DEPLOY.joinpath("nginx.conf").read_text()
    assert "listen 8080;" in text
    with nginx(tmp_path, moved(text, places).replace("listen 8080;", f"listen 127.0.0.1:{port};"), port) as url:
        authorization = ("-H", f"authorization: {TOKEN}")
        wait_for(lambda: '"hits":1' in curl(*authorization, url + QUESTION)[1])
        assert curl(url + QUESTION)[0] == 401
        with_slash = QUESTION.replace("/k/", "/a%2Fb%20c/")
        assert curl(*authorization, url + with_slash) == (200, '{"data":[],"pages":1}')
        assert curl(*authorization, f"{url}/metrics")[0] == 404
        many = curl(*authorization, *[url + QUESTION] * 200)
        assert many[0] == 200
    socket_path = str(places["/run/tyk-endpoint-stats"] / "http.sock")
    metrics = curl("--unix-socket", socket_path, *authorization, "http://localhost/metrics")[1]
    answers = int(float(re.search(r'answers_total\{status="200"\} (\S+)', metrics)[1]))
    assert answers > 200
    assert 'status="502"' not in metrics
    kept = re.search(r"keepalive_timeout (\d+)s;", text)
    assert int(kept[1]) < 75, "nginx is the first to close"
