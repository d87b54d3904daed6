"""What a line of a page prints: as a reader's shell runs it, without a process where none is needed."""

import shlex
import subprocess
from pathlib import Path

from click.testing import CliRunner

from tyk_endpoint_stats.cli.program import program

__all__ = ["printed_by", "shell"]

_OF_A_SHELL = set("|&;<>$`(){}\\~#!=\n")


def shell(folder: Path, command: str, stdin: str = "") -> str:
    """What bash prints that runs a command."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        capture_output=True,
        text=True,
        input=stdin,
        check=False,
    )
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def printed_by(folder: Path, line: str) -> str:
    """What a line prints, in the working folder: our program in this process where the line is that and no more."""
    name, *arguments = shlex.split(line) or [""]
    if name != "tyk-endpoint-stats" or _OF_A_SHELL & set(line):
        return shell(folder, line)
    assert Path.cwd() == folder
    done = CliRunner().invoke(program, arguments, prog_name=name)
    assert done.exit_code == 0, (line, done.output)
    return done.stdout
