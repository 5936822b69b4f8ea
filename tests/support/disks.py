"""Small disks that a test mounts: a pytest plugin, named by each module that uses it."""

import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
from commands import environment


@pytest.fixture
def small_disk(tmp_path):
    """Call with a shell script that may mount a disk at $DISK: its output and exit codes."""
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("needs user namespaces to mount a small disk: unshare -rm")
    disk = tmp_path / "disk"
    disk.mkdir()
    (tmp_path / "kept").mkdir()

    def run(script, *words, **names):
        env = environment(DISK=disk, KEPT=tmp_path / "kept", PYTHON=sys.executable, **names)
        line = ["unshare", "-rm", "sh", "-c", script, "sh", *words]
        ended = subprocess.run(
            line,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=env,
            cwd=tmp_path,
            timeout=120,
        )
        assert "Traceback" not in ended.stderr, ended.stderr
        codes = [int(code) for code in re.findall("^code (.*)$", ended.stdout, re.MULTILINE)]
        return SimpleNamespace(out=ended.stdout, err_lines=ended.stderr.splitlines(), codes=codes)

    return SimpleNamespace(path=disk, kept=tmp_path / "kept", run=run)
