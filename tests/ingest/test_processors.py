"""How many processors may be used, from made-up trees of /proc and /sys."""

import os
import subprocess
import sys

import pytest

from tyk_endpoint_stats.ingest.processors import cgroup_processors, usable_processors


def tree(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


V1 = "12:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n"


@pytest.mark.parametrize(
    ("files", "processors"),
    [
        ({}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "100000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 0.5),
        # A group is bound by those above it: a pod's, a slice's.
        (
            {
                "proc/self/cgroup": "0::/kubepods.slice/pod1/container\n",
                "sys/fs/cgroup/kubepods.slice/cpu.max": "800000 100000\n",
                "sys/fs/cgroup/kubepods.slice/pod1/cpu.max": "200000 100000\n",
                "sys/fs/cgroup/kubepods.slice/pod1/container/cpu.max": "max 100000\n",
            },
            2,
        ),
        # Another group's quota is not ours.
        ({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/b/cpu.max": "100000 100000\n"}, None),
        # Version 1, seen from the host, and in a container whose mount begins at its own group.
        (
            {
                "proc/self/cgroup": V1,
                "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "300000\n",
                "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000\n",
            },
            3,
        ),
        (
            {
                "proc/self/cgroup": V1,
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "40000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "20000\n",
            },
            2,
        ),
        (
            {
                "proc/self/cgroup": V1,
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            None,
        ),
        # What no kernel writes is no quota, and no error.
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": ""}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "100000 0"}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "some many"}, None),
        ({"proc/self/cgroup": "half a line\n:::\n\n"}, None),
        ({"proc/self/cgroup": "0::/../../etc\n", "sys/etc/cpu.max": "100000 100000"}, None),
    ],
)
def test_the_quota_is_the_least_of_all_groups(tmp_path, files, processors):
    assert cgroup_processors(tree(tmp_path, files)) == processors


@pytest.mark.parametrize(("quota", "processors"), [("50000", 1), ("150000", 1), ("200000", 2), ("6400000", 64)])
def test_a_quota_bounds_what_the_scheduler_leaves(tmp_path, monkeypatch, quota, processors):
    """The broken twin is the number of the machine's processors, which is 64 each time."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)))
    tree(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": f"{quota} 100000\n"})
    assert usable_processors(tmp_path) == processors
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {5})
    assert usable_processors(tmp_path) == 1


def test_a_system_without_affinity_and_groups_has_all_processors(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert usable_processors(tmp_path) == 7
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_processors(tmp_path) == 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_a_process_that_is_bound_to_one_processor_has_one():
    code = (
        "import os\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from tyk_endpoint_stats.ingest.processors import usable_processors\n"
        "print(usable_processors())"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "1\n"


def test_all_the_groups_of_this_machine_are_read():
    assert 1 <= usable_processors() <= (os.cpu_count() or 1)
