"""What the system allows: the kernel's files of both versions of cgroups, and `ulimit -v`."""

import errno
import os
import resource

import pytest

from runner.__main__ import _explained
from runner.errors import ConfigError
from runner.system import limits

GIB = 2**30


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.fixture
def free(tmp_path):
    """The free memory of a machine with 8 GiB of 16 available, and with these files of groups."""

    def of(group, files):
        write(
            tmp_path / "proc", {"meminfo": f"MemTotal: {16 * 2**20} kB\nMemAvailable: {2**23} kB\n"}
        )
        write(tmp_path / "proc", {"self/cgroup": group})
        write(tmp_path / "cgroup", files)
        return limits.free_memory(tmp_path / "proc", tmp_path / "cgroup") / GIB

    return of


def test_without_a_container_it_is_what_the_kernel_calls_available(free):
    assert free("0::/user\n", {"user/memory.max": "max\n"}) == 8


def test_a_limit_of_version_2_counts_less_what_the_group_cannot_give_back(free):
    stat = f"anon {GIB}\nfile {2 * GIB}\n"
    assert free("0::/a/b\n", {"a/memory.max": f"{4 * GIB}\n", "a/memory.stat": stat}) == 3


def test_the_tightest_group_of_those_around_decides(free):
    limits_of = {"a/memory.max": f"{2 * GIB}\n", "a/b/memory.max": f"{4 * GIB}\n"}
    assert free("0::/a/b\n", limits_of) == 2


def test_a_limit_of_version_1_counts_and_the_path_may_be_that_of_the_host(free):
    stat = f"total_cache {GIB}\ntotal_rss {GIB}\n"
    files = {"memory/memory.limit_in_bytes": f"{3 * GIB}\n", "memory/memory.stat": stat}
    assert free("9:cpu,cpuacct:/x\n4:memory:/docker/123\n0::/\n", files) == 2


def test_a_group_over_its_limit_leaves_nothing(free):
    files = {"memory.max": f"{GIB}\n", "memory.stat": f"anon {2 * GIB}\n"}
    assert free("0::/\n", files) == 0


def test_without_the_kernels_files_the_machine_has_its_memory(tmp_path):
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert limits.free_memory(tmp_path, tmp_path) == physical


@pytest.fixture
def ulimit(monkeypatch):
    def of(n_bytes):
        monkeypatch.setattr(resource, "getrlimit", lambda _: (n_bytes, n_bytes))

    return of


def test_too_few_addresses_are_refused_at_the_start_with_the_line_that_helps(ulimit):
    ulimit(500_000 * 1024)
    with pytest.raises(ConfigError, match=r"ulimit -v 500000 leaves .* or more, or unlimited"):
        limits.check_address_space()
    ulimit(8_000_000 * 1024)
    limits.check_address_space()
    ulimit(resource.RLIM_INFINITY)
    limits.check_address_space()
    assert limits.told_address_space() == ""


OUT_OF_MEMORY = [
    MemoryError("Unable to allocate 2 GiB"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    ImportError("libx.so: failed to map segment from shared object"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
def test_an_error_for_want_of_memory_is_a_line_that_names_the_limit(ulimit, error):
    ulimit(2_000_000 * 1024)
    line, code = _explained(error)
    assert line.startswith("out of memory (") and "; ulimit -v 2000000; " in line and code == 1


def test_under_a_limit_any_unknown_error_may_be_for_want_of_memory(ulimit):
    ulimit(resource.RLIM_INFINITY)
    assert _explained(RuntimeError("can't start new thread"))[1] is None
    ulimit(2_000_000 * 1024)
    line, code = _explained(RuntimeError("can't start new thread"))
    assert "possibly out of memory; ulimit -v 2000000" in line and code == 1
