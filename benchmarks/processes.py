"""Starts, asks and ends the processes of the contestants."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import contestants

_CHECKOUT = Path(__file__).resolve().parent.parent
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NPROC",  # JAX
)


class BenchmarkError(Exception):
    """A contestant died or computes nonsense: there is nothing to compare."""


@dataclass(frozen=True)
class Setting:
    """A contestant with a number of threads in each of its processes."""

    contestant: str
    threads: int


def environment(threads: int) -> dict[str, str]:
    """The environment of this process, with the number of threads of every library set."""
    # Inductor's compiler processes would outlive the compilation.
    return (
        os.environ
        | dict.fromkeys(_THREAD_VARIABLES, str(threads))
        | {"TORCHINDUCTOR_COMPILE_THREADS": "1"}
    )


class Worker:
    """One process of benchmarks/worker.py. Ends when closed, or when this process ends."""

    def __init__(self, python: str, setting: Setting, net: str, folder: Path) -> None:
        self.setting = setting
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        self._process = subprocess.Popen(
            [
                python,
                "-m",
                "benchmarks.worker",
                setting.contestant,
                net,
                str(folder),
                str(setting.threads),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            bufsize=1,
            cwd=_CHECKOUT,
            env=environment(setting.threads),
        )

    def ask(self, command: str) -> None:
        """Send a command and go on; `answer` waits."""
        assert self._process.stdin
        try:
            self._process.stdin.write(command + "\n")
        except BrokenPipeError:
            raise BenchmarkError(self._death()) from None

    def answer(self) -> dict[str, Any]:
        """The next answer of the process; the first comes after it has warmed up."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise BenchmarkError(self._death())
        answer = json.loads(line)
        assert isinstance(answer, dict)
        return answer

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin and self._process.stdout
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        self._errors.close()

    def _death(self) -> str:
        self._process.wait()
        self._errors.seek(0)
        said = "".join(self._errors.readlines()[-15:])
        return (
            f"{self.setting.contestant} died with exit status {self._process.returncode}:\n{said}"
        )


#: Whose versions the interpreter of the peers is asked for, to see whether it has them.
PYTORCH_PACKAGES, JAX_PACKAGES = ("numpy", "torch"), ("numpy", "jax", "jaxlib", "optax")


def probe(python: str, packages: tuple[str, ...]) -> tuple[dict[str, str], str | None]:
    """The versions of a Python and of these packages in it, and why it cannot import them, or
    None."""
    code = (
        f"import json, platform, {', '.join(packages)}\n"
        "found = {'python': platform.python_version()}\n"
        f"found |= {{p.__name__: p.__version__ for p in ({', '.join(packages)},)}}\n"
        "print(json.dumps(found))"
    )
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=120)
    except (OSError, subprocess.TimeoutExpired) as error:
        return {}, type(error).__name__
    if done.returncode:
        return {}, (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    return json.loads(done.stdout), None


def pythons(torch_python: str, names: list[str]) -> dict[str, str]:
    """The interpreter of each contestant."""
    of_peers = {*contestants.PYTORCH, *contestants.IN_JAX}
    return {name: torch_python if name in of_peers else sys.executable for name in names}
