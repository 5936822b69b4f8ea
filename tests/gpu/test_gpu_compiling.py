"""The kernels compile by nvcc and by NVRTC, the compiler of CuPy; no GPU is needed."""

import ctypes
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runner.engine.gpu import convolution, linear, module
from runner.engine.gpu.batches import STATE
from runner.engine.gpu.module import SOURCE

ARCHITECTURES = ["75", "80", "90", "120"]  # Turing, Ampere, Hopper, Blackwell


def nvrtc():
    """NVRTC, from the system or from the wheel that `.[cuda12]` installs; None without either."""
    places = [Path(p) / "nvidia" for p in sys.path] + [Path("/usr/local/cuda")]
    files = [file for place in places if place.is_dir() for file in place.rglob("libnvrtc.so*")]
    return next((ctypes.CDLL(str(file)) for file in sorted(files)), None)


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not installed")
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_nvcc_compiles_the_kernels_and_none_spills(architecture, tmp_path):
    line = [
        "nvcc",
        f"-arch=sm_{architecture}",
        "-std=c++17",
        "-Werror=all-warnings",
        "-cubin",
        "-Xptxas",
        "-v",
    ]
    compiled = subprocess.run(
        [*line, "-o", tmp_path / "kernels.cubin", SOURCE], capture_output=True, text=True
    )
    assert compiled.returncode == 0, compiled.stderr
    names = re.findall(r'extern "C" __global__ void (\w+)', SOURCE.read_text())
    assert (
        set(re.findall(r"entry function '(\w+)'", compiled.stderr)) == set(names)
        and len(names) >= 20
    )
    spills = re.findall(r"(\d+) bytes spill stores, (\d+) bytes spill loads", compiled.stderr)
    assert len(spills) >= len(names) and set(spills) == {("0", "0")}


@pytest.mark.skipif(nvrtc() is None, reason="NVRTC is not installed")
@pytest.mark.parametrize("architecture", ARCHITECTURES[:1])
def test_nvrtc_compiles_the_kernels(architecture):
    library, program = nvrtc(), ctypes.c_void_p()
    assert (
        library.nvrtcCreateProgram(
            ctypes.byref(program), SOURCE.read_bytes(), b"kernels.cu", 0, None, None
        )
        == 0
    )
    # The options of CuPy, and that of module.py.
    options = [f"--gpu-architecture=sm_{architecture}".encode(), b"-ftz=true", b"--std=c++17"]
    status = library.nvrtcCompileProgram(
        program, len(options), (ctypes.c_char_p * len(options))(*options)
    )
    size = ctypes.c_size_t()
    library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, log)
    assert status == 0, log.value.decode()
    library.nvrtcGetCUBINSize(program, ctypes.byref(size))
    assert size.value > 10_000


def test_kernels_and_python_agree_on_their_constants():
    defined = {
        name: int(value) for name, value in re.findall(r"#define (\w+) (\d+)\n", SOURCE.read_text())
    }
    of_python = {
        "THREADS": module.THREADS,
        "CHANNELS": convolution._CHANNELS,
        "SLICES": convolution._SLICES,
        "NARROW": linear._NARROW,
        "CLOSED": 4,  # runner/engine/cpu/images/pool.py
    }
    assert defined == of_python
    struct = re.search(r"struct State \{(.*?)\};", SOURCE.read_text(), re.DOTALL)[1]
    fields = re.findall(r"(long long|double) (\w+);", struct)
    types = {"long long": "<i8", "double": "<f8"}
    assert [(name, types[type_]) for type_, name in fields] == STATE.descr
