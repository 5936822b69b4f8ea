import ctypes
import os
import sys
import time
import weakref

import cupy
from cupy import LIBRARY, MemoryPool, _here, using_allocator  # noqa: F401

n_launches = 0
#: Streams that do not wait for each other's launches; CUDA too reads the variable once.
N_CONNECTIONS = int(os.environ.get("CUDA_DEVICE_MAX_CONNECTIONS") or 8)
#: Whether a kernel has failed. A test sets it; no kernel can fail here.
is_lost = False
GRAPH_BYTES = int(os.environ.get("EMULATED_GRAPH_BYTES") or 0)


_ERRORS = {
    2: "cudaErrorMemoryAllocation: out of memory",
    700: "cudaErrorIllegalAddress: an illegal memory access was encountered",
    900: "cudaErrorStreamCaptureUnsupported: operation not permitted when stream is capturing",
}


class memory:
    OutOfMemoryError = cupy.OutOfMemoryError


class Stream:
    def __init__(self, null=False, non_blocking=False):
        self.ptr = 0 if null else LIBRARY.emulated_stream()
        self._before = []

    def __enter__(self):
        self._before.append(getattr(_here, "stream", None))
        _here.stream = self
        return self

    def __exit__(self, *_):
        _here.stream = self._before.pop()

    def synchronize(self):
        cupy._alive()
        if LIBRARY.emulated_wait(self.ptr):
            raise RuntimeError("operation not permitted when stream is capturing")

    @property
    def done(self):
        return not LIBRARY.emulated_pending(self.ptr)

    def record(self, event=None):
        event = event or Event()
        event.stream, event.at = self, time.perf_counter()
        return event

    def begin_capture(self, mode=None):
        assert self.ptr, "the null stream cannot be captured"
        if cupy.faults.has("no_capture"):
            raise runtime.CUDARuntimeError(900)
        LIBRARY.emulated_begin(self.ptr)

    def end_capture(self):
        return Graph(LIBRARY.emulated_end(self.ptr))


Stream.null = Stream(null=True)


def get_current_stream():
    return cupy._stream()


class Graph:
    n_launched = 0

    def __init__(self, number):
        if not cupy._Gpu.take(GRAPH_BYTES):
            raise runtime.CUDARuntimeError(2)
        self.number = number
        weakref.finalize(self, cupy._Gpu.give, GRAPH_BYTES).atexit = False
        weakref.finalize(self, LIBRARY.emulated_forget, ctypes.c_long(number)).atexit = False

    def debug_dot_str(self, flags=0):
        # The format of CUDA for a kernel; here a graph has no other nodes.
        line = '"graph_{0}_node_{1}"[style="bold" shape="octagon" label="{1}\n<name>\n"];\n'
        nodes = "".join(
            line.format(self.number, i) for i in range(LIBRARY.emulated_nodes(self.number))
        )
        return (
            f'digraph dot {{\nsubgraph cluster_1 {{\nlabel="graph_{self.number}"\n{nodes}}}\n}}\n'
        )

    def launch(self, stream=None):
        cupy._alive()
        LIBRARY.emulated_launch(self.number, (stream or cupy._stream()).ptr)
        Graph.n_launched += 1

    def upload(self, stream=None):
        pass


class Event:
    stream = at = None


def get_elapsed_time(first, last):
    if LIBRARY.emulated_pending(last.stream.ptr):
        raise RuntimeError("cudaErrorNotReady: device not ready")
    return max(1e-3, 1e3 * (last.at - first.at))


def _freed(_):
    """As Cython does when CuPy cannot free something: the error is printed twice, not raised."""
    if is_lost:
        try:
            raise runtime.CUDARuntimeError(700)
        except runtime.CUDARuntimeError:
            sys.excepthook(*sys.exc_info())
            raise


# Its lines are Cython's, of no file of Python's.
_freed.__code__ = _freed.__code__.replace(co_filename="cupy_backends/cuda/api/driver.pyx")
Graph.__del__ = _freed


class Device:
    _current = [0]

    def __init__(self, number=None):
        self.id = Device._current[-1] if number is None else number

    def __enter__(self):
        if not cupy._BYTES:  # CUDA takes memory for whoever uses a card
            raise runtime.CUDARuntimeError(2)
        Device._current.append(self.id)
        return self

    def __exit__(self, *_):
        Device._current.pop()

    @property
    def pci_bus_id(self):
        return f"0000:0{1 + _visible()[self.id]}:00.0"

    def synchronize(self):
        cupy._alive()
        LIBRARY.emulated_wait_all()

    @property
    def mem_info(self):
        used = 0 if cupy.faults.has("memory") else cupy._Gpu.used
        return cupy._BYTES - used, cupy._BYTES


class runtime:
    class CUDARuntimeError(RuntimeError):
        def __init__(self, status):
            self.status = status
            super().__init__(f"{_ERRORS[status]}")

    @staticmethod
    def deviceSynchronize():
        Device().synchronize()

    @staticmethod
    def getDeviceCount():
        return len(_visible())

    @staticmethod
    def getDeviceProperties(number):
        uuid = bytes([*[0] * 15, 1 + _visible()[number]])
        return {"name": b"emulated card", "uuid": uuid, "totalGlobalMem": cupy._BYTES}

    @staticmethod
    def driverGetVersion():
        return 12090

    runtimeGetVersion = driverGetVersion


def _visible():
    """The numbers of the cards that the process may see."""
    there = list(range(int(os.environ.get("EMULATED_GPUS") or 1)))
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return there if named is None else [there[int(n)] for n in named.split(",") if n]


def physical():
    """The number of the current card among all of the machine's."""
    return _visible()[Device().id]
