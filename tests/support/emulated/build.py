"""kernels.cu for the CPU: g++ compiles it after runtime.h, with a launcher per kernel."""

import ctypes
import functools
import hashlib
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
#: Fused products and sums, as a GPU's compiler makes them.
COMPILE = ["g++", "-O2", "-march=native", "-ffp-contract=fast", "-std=c++17", "-shared", "-fPIC"]
COMPILE += ["-Wall", "-Werror", "-Wno-unknown-pragmas", "-Wno-unused-function"]
KERNEL = re.compile(r'extern "C" __global__ void (\w+)\(([^)]*)\)\s*\{')

#: Barriers, and the functions of kernels.cu that contain one.
BARRIERS = re.compile("__syncthreads|__shfl|block_sums|is_last_of")


class Parameter(NamedTuple):
    type_: str  # without const
    is_written: bool  # not const
    is_restrict: bool  # __restrict__: no other parameter points to the same memory


def _parameter(text):
    *words, _ = text.split()
    is_const, is_restrict = words[0] == "const", words[-1] == "__restrict__"
    return Parameter(
        " ".join(words[is_const : len(words) - is_restrict]), not is_const, is_restrict
    )


def kernels(source):
    """Name -> (parameters, whether the kernel has barriers)."""
    matches = list(KERNEL.finditer(source))
    ends = [match.start() for match in matches[1:]] + [len(source)]
    return {
        match[1]: (
            [_parameter(text) for text in match[2].split(",")],
            BARRIERS.search(source, match.end(), end) is not None,
        )
        for match, end in zip(matches, ends, strict=True)
    }


def _launcher(name, parameters, has_barriers):
    copies = [f"auto a{i} = *({p.type_}*)arguments[{i}];\n" for i, p in enumerate(parameters)]
    values = ", ".join(f"a{i}" for i in range(len(parameters)))
    barriers = "true" if has_barriers else "false"
    return (
        f'extern "C" void launch_{name}(\n'
        f"    long stream, int x, int y, int z, int n_threads, void** arguments) {{\n"
        f"{''.join(copies)}"
        f"emulated::put(stream, [=] {{\n"
        f"    emulated::run_grid({{x, y, z}}, n_threads, {barriers},\n"
        f"                       [&] {{ {name}({values}); }});\n"
        f"}});\n}}\n"
    )


@functools.cache
def library(source_path):
    """Path of the compiled library, named by the hash of its source and made when it is missing."""
    source, runtime = Path(source_path).read_text(), (HERE / "runtime.h").read_text()
    parts = [runtime, source, *(_launcher(n, *k) for n, k in kernels(source).items())]
    text = "\n".join(parts)
    folder = (
        Path(os.environ.get("EMULATED_CACHE") or tempfile.gettempdir()) / f"emulated-{os.getuid()}"
    )
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.so"
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=folder) as work:
            (Path(work) / "kernels.cpp").write_text(text)
            subprocess.run([*COMPILE, "kernels.cpp", "-o", "kernels.so"], cwd=work, check=True)
            os.replace(Path(work) / "kernels.so", path)
    return path


@functools.cache
def load(source_path):
    return ctypes.CDLL(str(library(source_path)))
