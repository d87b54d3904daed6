"""A disk that really gets full: a small one in memory, which goes with the program that mounts it.

Mounting takes rights: root's, or those of a namespace in which an ordinary user is root. Where a machine grants
neither this is skipped; SQLite's own limit of pages and the kernel's of a file's size are tried everywhere, in
``test_sqlite_faults.py``.
"""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).with_name("full_disk.py")
WAYS = (["unshare", "--mount"], ["unshare", "--mount", "--map-root-user"])


@pytest.fixture(scope="module")
def mounting(tmp_path_factory):
    """What a program that mounts is started with."""
    place = tmp_path_factory.mktemp("mount")
    said = []
    for way in WAYS:
        try:
            tried = subprocess.run([*way, "mount", "-t", "tmpfs", "tmpfs", place], capture_output=True, text=True)
        except FileNotFoundError as problem:
            pytest.skip(f"no disk can be mounted here: {problem}")
        if tried.returncode == 0:
            return way
        said.append(tried.stderr.strip())
    pytest.skip(f"no disk can be mounted here: {'; '.join(said)}")


def run(mounting, tmp_path, *arguments):
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        [*mounting, sys.executable, PROGRAM, disk, *arguments], capture_output=True, text=True, timeout=60
    )
    assert not list(disk.iterdir()), "the disk must be gone with the program"
    return done


def test_a_store_on_a_full_disk_says_so_loses_nothing_and_works_again(mounting, tmp_path):
    done = run(mounting, tmp_path)
    assert done.returncode == 0, done.stderr


def test_that_test_catches_a_position_in_a_second_commit(mounting, tmp_path):
    """The broken twin."""
    done = run(mounting, tmp_path, "twin")
    assert done.returncode == 1
    assert "hits, but" in done.stderr
