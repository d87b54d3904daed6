"""How many processors this process may use: fewer than the machine has, in a container or under ``taskset``.

``os.cpu_count()`` is 64 in a container that is given one processor of 64: as many processes would take turns on it,
and each of them needs memory.
"""

import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["cgroup_processors", "usable_processors"]


def usable_processors(root: Path = Path("/")) -> int:
    """The processors that the scheduler and the container's quota leave, at least 1.

    Args:
        root: below which ``proc`` and ``sys`` lie.
    """
    # macOS and Windows have no such call; Python 3.13 has os.process_cpu_count for all.
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cgroup_processors(root)
    return max(1, affinity if quota is None else min(affinity, int(quota)))


def cgroup_processors(root: Path) -> float | None:
    """The processors' time per time that the control groups of this process leave; ``None``: they set no quota.

    Read from the files of Linux (``Documentation/admin-guide/cgroup-v2.rst``: ``cpu.max``; for version 1
    ``scheduler/sched-bwc.rst``: ``cpu.cfs_quota_us``). A group is bound by all the groups above it.

    Args:
        root: below which ``proc`` and ``sys`` lie.
    """
    quotas = [quota for folder in _folders(root) if (quota := _quota_of(folder)) is not None]
    return min(quotas, default=None)


def _folders(root: Path) -> Iterator[Path]:
    """The folders of this process's groups and of those above them, of either version."""
    groups = root / "sys/fs/cgroup"
    for line in (_text(root / "proc/self/cgroup") or "").splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        # Version 1 has a folder for the controllers, named for one of them or for all; version 2 has none.
        for mounted in {groups / controllers, groups / "cpu"} if controllers else {groups}:
            parts = [part for part in path.split("/") if part not in ("", "..")]
            # In a container the path may be that on its host, where only the top is ours.
            yield from (mounted.joinpath(*parts[:depth]) for depth in range(len(parts) + 1))


def _quota_of(folder: Path) -> float | None:
    text = _text(folder / "cpu.max")  # "200000 100000", "max 100000"
    if text is None:
        text = f"{_text(folder / 'cpu.cfs_quota_us')} {_text(folder / 'cpu.cfs_period_us')}"  # "-1": no quota
    try:
        quota_us, period_us = map(int, text.split())
    except ValueError:
        return None
    return quota_us / period_us if quota_us > 0 and period_us > 0 else None


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
