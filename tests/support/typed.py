"""The command as a user types it: in a folder, with arguments as typed."""

import os
import subprocess
import sys

from runner.config import quoting

SMOKE = [
    "-m",
    "sweeps=smoke",
    "train.epochs=1",
    "seed=0",
    "model.dropout=true",
    "progress=false",
    "device=cpu",
]


def quoted(path):
    return quoting.quoted(str(path))


def run_in(folder, *arguments, **environment):
    """Run the command in `folder`, with arguments as typed: exit code, output, errors."""
    started = subprocess.run(
        [sys.executable, "-m", "runner", *arguments],
        cwd=folder,
        env={**os.environ, "HYDRA_FULL_ERROR": "0", **environment},
        capture_output=True,
        timeout=120,
    )
    return (
        started.returncode,
        started.stdout.decode("utf-8", "replace"),
        started.stderr.decode("utf-8", "replace"),
    )


def assert_one_line(stderr, *expected):
    assert stderr.startswith("runner: ") and stderr.count("\n") == 1 and stderr.endswith("\n"), (
        stderr
    )
    assert "Traceback" not in stderr
    assert len(stderr) < 600
    for text in expected:
        assert text in stderr, f"{text!r} is not in {stderr!r}"


def options(root, arguments):
    given = {argument.partition("=")[0] for argument in arguments}
    defaults = {"runner.root": quoted(root), "data": "digits"}
    return [*arguments, *(f"{key}={value}" for key, value in defaults.items() if key not in given)]
