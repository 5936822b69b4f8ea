"""kernels.cu as a library for the CPU: g++ compiles it behind runtime.h, with a launcher for each kernel."""

import ctypes
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
KERNEL = re.compile(r'extern "C" __global__ void (\w+)\(([^)]*)\)\s*\{')

#: Barriers, and the functions of kernels.cu that have some.
WAITS = re.compile("__syncthreads|__shfl|block_sums|is_last_of")


class Parameter(NamedTuple):
    type_: str  # without const
    is_written: bool  # whether it may be
    is_alone: bool  # whether the compiler was told that no other points to the same


def _parameter(text):
    *words, _ = text.split()
    is_const, is_alone = words[0] == "const", words[-1] == "__restrict__"
    return Parameter(" ".join(words[is_const : len(words) - is_alone]), not is_const, is_alone)


def kernels(source):
    """Name -> (its parameters, whether its threads wait for each other)."""
    found = list(KERNEL.finditer(source))
    ends = [match.start() for match in found[1:]] + [len(source)]
    return {
        match[1]: (
            [_parameter(text) for text in match[2].split(",")],
            WAITS.search(source, match.end(), end) is not None,
        )
        for match, end in zip(found, ends, strict=True)
    }


def _launcher(name, parameters, waits):
    copies = "".join(f"    auto a{i} = *({of.type_}*)arguments[{i}];\n" for i, of in enumerate(parameters))
    given = ", ".join(f"a{i}" for i in range(len(parameters)))
    return (
        f'extern "C" void launch_{name}(long stream, int x, int y, int z, int n_threads, void** arguments) {{\n{copies}'
        f"    emulated::put(stream, [=] {{\n"
        f"        emulated::run_grid({{x, y, z}}, n_threads, {str(waits).lower()}, [&] {{ {name}({given}); }});\n"
        f"    }});\n}}\n"
    )


@functools.cache
def library(source_path):
    """Path of the compiled library; made once for what it is made of."""
    source, runtime = Path(source_path).read_text(), (HERE / "runtime.h").read_text()
    parts = [runtime, source, *(_launcher(n, *k) for n, k in kernels(source).items())]
    text = "\n".join(parts)
    folder = Path(os.environ.get("EMULATED_CACHE") or tempfile.gettempdir()) / f"emulated-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    made = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.so"
    if not made.exists():
        with tempfile.TemporaryDirectory(dir=folder) as work:
            (Path(work) / "kernels.cpp").write_text(text)
            line = ["g++", "-O2", "-march=native", "-ffp-contract=fast", "-std=c++17", "-Wall", "-Werror"]
            line += [
                "-Wno-unknown-pragmas",
                "-Wno-unused-function",
                "-shared",
                "-fPIC",
                "kernels.cpp",
                "-o",
                "kernels.so",
            ]
            subprocess.run(line, cwd=work, check=True)
            os.replace(Path(work) / "kernels.so", made)
    return made


def compiler():
    return shutil.which("g++")


@functools.cache
def load(source_path):
    return ctypes.CDLL(str(library(source_path)))
