"""The program in its process: as process 1, on a full disk, with streams, encodings and arguments of all kinds."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.serving import LINE
from tests.waiting import wait_for
from tyk_endpoint_stats import open_sources, open_store
from tyk_endpoint_stats.cli import output_file

pytestmark = pytest.mark.slow

PROGRAM = (sys.executable, "-m", "tyk_endpoint_stats")
ANSWER = ("endpoints", "--key", "k", "--from", "2026-10-13", "--to", "2026-10-13", "--store", "sqlite:///stats.db")


def shell(folder, command, **environment):
    """A line of bash, with ``tes`` for the program."""
    script = f'tes() {{ {" ".join(PROGRAM)} "$@"; }}\n{command}'
    return subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        capture_output=True,
        env={**os.environ, **environment},
        timeout=60,
        check=False,
    )


def sentence(done, status=1):
    """The one line that it must say."""
    text = done.stderr.decode()
    assert done.returncode == status, text
    assert "Traceback" not in text
    assert "Exception ignored" not in text
    lines = [line for line in text.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1, text
    return lines[0].removeprefix("Error: ")


@pytest.fixture
def folder(tmp_path):
    """One with a store in it that has a hit of a path that no 8-bit encoding can write."""
    tmp_path.joinpath("log").write_bytes(LINE.replace(b'"/a"', '"/Ā中"'.encode()))
    with open_store(f"sqlite:///{tmp_path}/stats.db") as store:
        for source in open_sources(f"{tmp_path}/log"):
            store.ingest(source)
    return tmp_path


COMMANDS = {
    "demo": (("demo", "--records", "1000000000", "-o", "out"), lambda folder: any(folder.glob(".out.*"))),
    "serve": (("serve", "--port", "0", "--store", "memory://"), lambda folder: True),
    "ingest": (
        ("ingest", "--follow", "missing", "--store", "sqlite:///new.db"),
        lambda folder: "Waiting" in folder.joinpath("err").read_text(),
    ),
    "copy": (
        ("copy", "--from", "sqlite:///stats.db", "--to", "sqlite:///copy.db"),
        lambda folder: folder.joinpath("copy.db").exists(),
    ),
}


def ends(program, status):
    """Whether it ends with a status after SIGTERM."""
    try:
        assert program.wait(20) == status
    except subprocess.TimeoutExpired:
        return False
    return True


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


ALLOWED = (
    subprocess.run(["unshare", "--pid", "--fork", "true"], capture_output=True, check=False).returncode == 0
    if sys.platform == "linux"
    else False
)


@pytest.mark.skipif(not ALLOWED, reason="needs the right to make a process 1; the test below needs none")
@pytest.mark.parametrize("command", ["demo", "ingest"])
def test_as_process_1_a_command_ends_by_sigterm(folder, command):
    arguments, has_begun = COMMANDS[command]
    stderr = folder.joinpath("err").open("w")
    program = subprocess.Popen(
        ["unshare", "--pid", "--fork", "--kill-child", *PROGRAM, *arguments],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
    )
    try:
        wait_for(lambda: children(program.pid))
        (first,) = children(program.pid)
        wait_for(lambda: handles_sigterm(first))
        wait_for(lambda: has_begun(folder))
        os.kill(first, signal.SIGTERM)
        status = 0 if command == "ingest" else 128 + signal.SIGTERM
        assert ends(program, status), "process 1 ignored it"
    finally:
        program.kill()
        program.communicate()
        stderr.close()
    assert not list(folder.glob("*out*")), "no half file"


def handles_sigterm(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), 16)
    return caught >> (signal.SIGTERM - 1) & 1


@pytest.mark.skipif(not ALLOWED, reason="needs the right to make a process 1; the test below needs none")
def test_without_a_handler_process_1_goes_on():
    """The broken twin: a program as Python starts it."""
    program = subprocess.Popen(
        ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-c", "print('up', flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert program.stdout.readline() == b"up\n"
        (first,) = children(program.pid)
        os.kill(first, signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            program.wait(0.5)
    finally:
        program.kill()
        program.communicate()


AS_PROCESS_1 = """
import os
os.getpid = lambda: 1
{before}
from tyk_endpoint_stats.__main__ import main
main()
"""

ENDLESS_COPY = """
import time
from tyk_endpoint_stats.maintenance import copy
copy.copy = lambda *_: time.sleep(60)
"""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_handler_where_it_thinks_it_is_process_1(folder, command):
    arguments, has_begun = COMMANDS[command]
    stderr = folder.joinpath("err").open("w")
    code = AS_PROCESS_1.format(before=ENDLESS_COPY if command == "copy" else "")
    program = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=stderr
    )
    try:
        wait_for(lambda: handles_sigterm(program.pid))
        wait_for(lambda: has_begun(folder))
        if command == "serve":
            program.stdout.readline()
        program.send_signal(signal.SIGTERM)
        assert ends(program, {"serve": 0, "ingest": 0}.get(command, 128 + signal.SIGTERM))
    finally:
        program.kill()
        program.communicate()
        stderr.close()
    assert "Traceback" not in folder.joinpath("err").read_text()


def test_a_full_stdout_is_one_sentence(folder):
    full = "stdout can't be written to: No space left on device"
    assert sentence(shell(folder, f"tes {' '.join(ANSWER)} > /dev/full")) == full
    assert sentence(shell(folder, "tes --help > /dev/full")) == full
    assert sentence(shell(folder, "tes demo --records 10 > /dev/full")) == (
        "stdout: can't be written: No space left on device"
    )


def test_a_closed_stdout_is_one_sentence_and_nothing_is_done(folder):
    for command in (" ".join(ANSWER), "demo --records 10", "ingest --store sqlite:///new.db log"):
        assert sentence(shell(folder, f"tes {command} >&-")).startswith("stdout is closed, so there is nowhere to ")
    assert not folder.joinpath("new.db").exists()


def test_closed_stdin_and_stderr_are_nobodys_next_file(folder):
    done = shell(folder, f"tes {' '.join(ANSWER)} --format ndjson 2>&- <&-")
    assert done.returncode == 0
    assert b'"hits":1' in done.stdout
    assert shell(folder, "tes status --store sqlite:///stats.db 2>&- <&- >&-").returncode == 1


def test_an_encoding_that_lacks_a_character_shows_it_in_a_table_and_refuses_a_csv(folder):
    done = shell(folder, f"tes {' '.join(ANSWER)}", PYTHONIOENCODING="cp1252")
    assert done.returncode == 0
    assert rb"/\u0100\u4e2d" in done.stdout
    refused = shell(folder, f"tes {' '.join(ANSWER)} --format csv", PYTHONIOENCODING="cp1252")
    assert "characters that cp1252 can't write; set PYTHONIOENCODING=utf-8" in sentence(refused)
    assert refused.stdout == b"", "no half answer"
    assert shell(folder, f"tes {' '.join(ANSWER)} --format json", PYTHONIOENCODING="cp1252").returncode == 0
    whole = shell(folder, f"tes {' '.join(ANSWER)} --format csv", PYTHONIOENCODING="utf-8")
    assert "/Ā中".encode() in whole.stdout


@pytest.mark.parametrize("environment", [{"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_without_a_locale_it_works_too(folder, environment):
    done = shell(folder, f"tes {' '.join(ANSWER)} && tes --help", **environment)
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr


def test_an_argument_that_is_no_text_is_wrong_usage(folder):
    days = "--from 2026-10-13 --to 2026-10-13"
    text = sentence(shell(folder, f"tes endpoints --key $'k\\xff' {days} --store sqlite:///stats.db"), 2)
    assert text == "an argument, or a variable, is not UTF-8"


def test_a_file_whose_name_is_no_text_can_be_read_all_the_same(folder):
    done = shell(folder, "cp log $'caf\\xe9' && rm stats.db && tes ingest --store sqlite:///stats.db $'caf\\xe9'")
    assert done.returncode == 0, done.stderr
    assert b"counted                1" in done.stdout


NO_FOLDER = """
import tempfile
tempfile._candidate_tempdir_list = lambda: ["/nowhere"]
from tyk_endpoint_stats.__main__ import main
main()
"""


def test_without_a_folder_for_temporary_files_what_needs_one_says_so(folder):
    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-c", NO_FOLDER, *arguments],
            cwd=folder,
            input=LINE,
            capture_output=True,
            check=False,
            env={**os.environ, "TMPDIR": "/nowhere"},
        )

    assert run("ingest", "--store", "sqlite:///stats.db", "log").returncode == 0
    text = sentence(run("ingest", "--store", "sqlite:///stats.db", "-"))
    assert "emporary" in text
    assert "set TMPDIR" in text


def test_a_full_disk_leaves_no_half_file(folder):
    # A limit on the size of files stands for the disk's.
    done = shell(folder, "ulimit -f 8; tes demo --records 5000 -o out.jsonl")
    assert "out.jsonl: can't be written: File too large" in sentence(done)
    assert not list(folder.glob("*out.jsonl*"))
    folder.joinpath("out.jsonl").write_text("earlier")
    assert shell(folder, "ulimit -f 8; tes demo --records 5000 -o out.jsonl").returncode == 1
    assert folder.joinpath("out.jsonl").read_text() == "earlier"


def test_a_pipe_or_a_device_can_be_written_to_as_a_file(folder):
    done = shell(folder, "tes demo --records 5 -o /dev/stdout | wc -l")
    assert done.stdout.split() == [b"5"]


def test_a_typo_in_a_files_name_leaves_no_store(folder):
    done = shell(folder, "tes ingest --store sqlite:///new.db typo.jsonl")
    assert "typo.jsonl: there is no such file" in sentence(done)
    assert shell(folder, "tes ingest --store sqlite:///new.db 'typo*.jsonl'").returncode == 1
    assert not list(folder.glob("new.db*"))
    program = subprocess.Popen(
        [*PROGRAM, "ingest", "--follow", "--store", "sqlite:///new.db", "later"], cwd=folder, stderr=subprocess.PIPE
    )
    assert program.stderr.readline().startswith(b"Waiting: later: there is no such file")
    assert not list(folder.glob("new.db*"))
    folder.joinpath("log").rename(folder / "later")
    wait_for(lambda: folder.joinpath("new.db").exists())
    time.sleep(0.1)
    program.send_signal(signal.SIGTERM)
    program.communicate(timeout=20)
    assert program.returncode == 0


@pytest.mark.parametrize("slashes", ["sqlite:///", "sqlite:////"])
def test_an_absolute_path_may_be_put_behind_either_prefix(folder, slashes):
    done = shell(folder, f"tes status --store {slashes}{folder}/stats.db")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", ["stats.db", "./stats.db", "/var/lib/stats.db"])
def test_a_path_for_a_url_is_told_how_to_write_it(folder, path):
    text = sentence(shell(folder, f"tes consumers --store {path}"), 2)
    assert text.endswith(f"Did you mean 'sqlite:///{path}'?")


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_completion_for_a_shell_is_printed(folder, name):
    done = shell(folder, "tes", _TYK_ENDPOINT_STATS_COMPLETE=f"{name}_source")
    assert done.returncode == 0, done.stderr
    assert b"_TYK_ENDPOINT_STATS_COMPLETE=" + name.encode() + b"_complete" in done.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("tyk-endpoint-stats serv", {"serve"}),
        ("tyk-endpoint-stats ser", {"serve", "series"}),
        ("tyk-endpoint-stats serve --metr", {"--metrics"}),
        ("tyk-endpoint-stats serve --log-format ", {"text", "json"}),
    ],
)
def test_what_bash_asks_is_completed(folder, words, expected):
    done = shell(
        folder,
        "tes",
        _TYK_ENDPOINT_STATS_COMPLETE="bash_complete",
        COMP_WORDS=words,
        COMP_CWORD=str(len(words.split(" ")) - 1),
    )
    assert {line.partition(",")[2] for line in done.stdout.decode().split()} == expected


def test_an_output_that_is_interrupted_as_it_is_made_leaves_no_half_file(tmp_path, monkeypatch):
    """A signal comes between the making and the writing."""
    real_open = os.open

    def interrupted(*arguments):
        os.close(real_open(*arguments))
        raise KeyboardInterrupt

    monkeypatch.setattr(output_file.os, "open", interrupted)
    with pytest.raises(KeyboardInterrupt), output_file.whole_file(tmp_path / "out"):
        pass
    assert list(tmp_path.iterdir()) == []
