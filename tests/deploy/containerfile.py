"""The steps of a Containerfile without an engine: this machine's root below, an overlay above, and ``chroot``.

Needs root, for mounts in a namespace of its own; nothing of it is seen outside, and nothing outside is changed.
"""

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

from msgspec import Struct

__all__ = ["Image", "build", "can_mount"]

_NEW_NAMESPACES = ("unshare", "--mount", "--pid", "--fork", "--kill-child")


class Image(Struct):
    """What was built: the files above the base, and how to run it."""

    files: Path
    environment: dict[str, str]
    user: str
    folder: str
    volumes: list[str]
    command: list[str]
    default: list[str]

    def start(self, volume: Path, *arguments: str, **environment: str) -> "subprocess.Popen[bytes]":
        """Run it as process 1, with a root that can't be written to and a volume."""
        variables = [f"{name}={value}" for name, value in {**self.environment, **environment}.items()]
        inside = shlex.join([*self.command, *(arguments or self.default)])
        script = f"""
            set -e
            root=$(mktemp -d)
            mount -t overlay overlay -o lowerdir={self.files}:/ "$root"
            mount -t proc proc "$root/proc"
            mount --rbind /dev "$root/dev"
            mount --bind {volume} "$root{self.volumes[0]}"
            exec chroot --userspec={self.user} --groups= "$root" env -i {shlex.join(variables)} \\
                sh -c 'cd {self.folder} && exec {inside}'
        """
        # Its own group of processes: signals of a terminal do not come through.
        return subprocess.Popen(
            [*_NEW_NAMESPACES, "bash", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


def can_mount() -> bool:
    """Whether this machine lets us try at all."""
    done = subprocess.run(
        [*_NEW_NAMESPACES, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False
    )
    return done.returncode == 0


def build(file: Path, context: Path, work: Path) -> Image:
    """Do what a Containerfile says.

    Args:
        file: a line an instruction; ``FROM`` is this machine, whatever it names.
        context: what ``COPY`` without ``--from`` copies.
        work: an empty folder on another file system than the machine's root.
    """
    image = Image(Path(), {}, "0:0", "/", [], [], [])
    stages: dict[str, Path] = {}
    for line in file.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        instruction, _, rest = line.partition(" ")
        words = rest.split()
        match instruction:
            case "FROM":
                image = Image(work / f"stage{len(stages)}", {}, "0:0", "/", [], [], [])
                image.files.mkdir()
                stages[words[2] if len(words) > 2 else ""] = image.files
            case "COPY" if words[0].startswith("--from="):
                origin = stages[words[0].removeprefix("--from=")] / words[1].strip("/")
                subprocess.run(["cp", "-a", origin, image.files / words[2].strip("/")], check=True)
            case "COPY":
                ignored = shutil.ignore_patterns(
                    *(name.removeprefix("**/") for name in context.joinpath(".dockerignore").read_text().split())
                )
                shutil.copytree(context / words[0], image.files / words[1].strip("/"), ignore=ignored)
            case "RUN":
                _run(image, rest, work)
            case "ENV":
                name, _, value = rest.partition("=")
                image.environment[name] = value
            case "USER":
                image.user = rest
            case "WORKDIR":
                image.folder = rest
            case "VOLUME":
                image.volumes.append(rest)
            case "ENTRYPOINT":
                image.command = json.loads(rest)
            case "CMD":
                image.default = json.loads(rest)
            case "EXPOSE":
                assert words == ["3000"]
            case _:
                raise AssertionError(f"{instruction} is not known here")
    return image


def _run(image: Image, command: str, work: Path) -> None:
    (work / "work").mkdir(exist_ok=True)
    script = f"""
        set -e
        root=$(mktemp -d)
        mount -t overlay overlay -o lowerdir=/,upperdir={image.files},workdir={work}/work "$root"
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        mount -t tmpfs none "$root/tmp"
        exec chroot "$root" sh -c {shlex.quote(command)}
    """
    # The network's settings are the machine's; the paths are those of the image.
    environment = {name: value for name, value in os.environ.items() if name.upper().startswith(("PIP_", "HTTP"))}
    environment |= {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin", "HOME": "/root"}
    subprocess.run([*_NEW_NAMESPACES, "bash", "-c", script], env=environment, check=True, capture_output=True)
