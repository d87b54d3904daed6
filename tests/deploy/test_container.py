"""``deploy/Containerfile`` and ``deploy/compose.yaml``, step by step, without an engine."""

import json
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import pytest
import yaml

from tests.cli.serving import LINE, TOKEN, curl
from tests.deploy.containerfile import build, can_mount
from tests.waiting import wait_for
from tyk_endpoint_stats.cli.program import program

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load(DEPLOY.joinpath("compose.yaml").read_text())
STATS = COMPOSE["services"]["stats"]

needs_mounts = pytest.mark.skipif(not can_mount(), reason="needs the right to mount")


@pytest.fixture(scope="module")
def image():
    # In memory: a layer may not lie inside of the one below it, which is this machine's disk.
    with TemporaryDirectory(dir="/dev/shm") as folder:
        yield build(DEPLOY / "Containerfile", ROOT, Path(folder))


@pytest.fixture
def volume(tmp_path, image):
    """As an engine makes one: with the owner and the mode that the folder has in the image."""
    made = tmp_path / "volume"
    inside = image.files.joinpath("data").stat()
    made.mkdir(mode=inside.st_mode & 0o777)
    subprocess.run(["chown", f"{inside.st_uid}:{inside.st_gid}", made], check=True)
    return made


def output(image, volume, *arguments, stdin=b""):
    process = image.start(volume, *arguments)
    out, err = process.communicate(stdin, timeout=60)
    assert process.returncode == 0, err.decode()
    return out.decode()


@pytest.mark.system
@needs_mounts
def test_it_runs_as_nobody_with_a_root_that_is_never_written_to_and_one_volume(image, volume):
    assert (image.user, image.volumes) == ("10001:10001", ["/data"])
    before = set(image.files.rglob("*"))
    serving = image.start(volume, TYK_ENDPOINT_STATS_SERVE_PORT="0", TYK_ENDPOINT_STATS_SERVE_TOKEN=TOKEN)
    try:
        url = re.search("http://[^,]+", serving.stdout.readline().decode())[0].replace("0.0.0.0", "127.0.0.1")
        # Beside it, as `exec` does: what is piped in is kept in the volume until it is merged.
        assert "counted                1" in output(image, volume, "ingest", "-", stdin=LINE)
        status, body = curl(
            "-H", f"authorization: {TOKEN}", f"{url}/api/activity/keys/endpoint/k/13/10/2026/13/10/2026"
        )
        assert (status, json.loads(body)["data"][0]["hits"]) == (200, 1)
        assert curl(f"{url}/ready")[0] == 200
        (first,) = Path(f"/proc/{serving.pid}/task/{serving.pid}/children").read_text().split()
        facts = Path(f"/proc/{first}/status").read_text()
        assert re.search(r"^Uid:\t10001\t10001\t10001\t10001$", facts, re.MULTILINE)
        assert re.search(r"^NSpid:\t\d+\t1$", facts, re.MULTILINE), "process 1"
        assert re.search(r"^CapEff:\t0+$", facts, re.MULTILINE)
        subprocess.run(["kill", "-TERM", first], check=True)
        assert serving.wait(30) == 0, "a stop by an engine"
    finally:
        serving.kill()
        serving.communicate()
    assert {path.name for path in volume.iterdir()} >= {"stats.db"}
    assert set(image.files.rglob("*")) == before
    assert output(image, volume, "consumers", "--format", "csv").splitlines()[1].startswith('"key","k"')


@pytest.mark.system
@needs_mounts
def test_the_root_can_not_be_written_to_and_only_the_volume_can(image, volume):
    """Or the test before this one would show nothing."""
    output(image, volume, "demo", "--records", "1", "-o", "/data/x")
    assert volume.joinpath("x").exists()
    for path in ("/x", "/app/x", "/tmp/x"):
        process = image.start(volume, "demo", "--records", "1", "-o", path)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 1
        assert re.search("Read-only file system|Permission denied", err.decode())


def test_the_compose_file_is_of_one_piece_with_the_image(tmp_path):
    assert (DEPLOY / STATS["build"]["context"]).resolve() == ROOT
    assert (ROOT / STATS["build"]["dockerfile"]).is_file()
    text = DEPLOY.joinpath("Containerfile").read_text()
    assert f"USER {STATS['user']}\n" in text
    assert STATS["read_only"] is True
    assert STATS["cap_drop"] == ["ALL"]
    named = [volume for volume in STATS["volumes"] if not volume.endswith(":ro")]
    assert [volume.partition(":")[::2] for volume in named] == [("data", "/data")], "one place to write to"
    assert set(COMPOSE["volumes"]) == {"data"}
    assert set(COMPOSE["secrets"]) == set(STATS["secrets"]) == {"tokens"}
    assert (
        f"deploy/{Path(COMPOSE['secrets']['tokens']['file']).name}" in DEPLOY.joinpath("compose.yaml").read_text()
    )


def test_the_compose_files_command_is_one_that_the_program_takes():
    name, *arguments = STATS["command"]
    command = program.get_command(click.Context(program), name)
    parsed = command.make_context(name, list(arguments)).params
    assert parsed["host"] == "0.0.0.0"
    assert parsed["log_format"] == "json"
    assert str(parsed["token_file"]) == "/run/secrets/tokens"
    records = next(volume for volume in STATS["volumes"] if volume.endswith(":ro"))
    assert parsed["sources"] == (f"{records.split(':')[1]}/*",)
    assert STATS["ports"] == [f"127.0.0.1:{parsed['port']}:{parsed['port']}"]


def test_the_compose_files_probe_tells_ready_from_not(tmp_path):
    from tests.cli.serving import serving

    kind, *words = STATS["healthcheck"]["test"]
    assert kind == "CMD"
    assert words[0] == "python3"
    with serving(tmp_path, "--port", "0", "--store", "memory://", "--token", TOKEN) as running:
        port = running.url.rpartition(":")[2]
        words = [sys.executable, *(word.replace(":3000/", f":{port}/") for word in words[1:])]
        assert subprocess.run(words, capture_output=True, check=False).returncode == 0
    wait_for(lambda: subprocess.run(words, capture_output=True, check=False).returncode != 0)
