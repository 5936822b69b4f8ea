"""Ray, as far as a sweep needs it: its tasks, its streaming generators and its object store.

Ray's door. Not hydra-ray-launcher, which wants another cloudpickle and sends a function for each
run, and no actors: a task is started again by whoever has its checkpoint, which is the sweep's
process.
"""

import contextlib
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Hashable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from runner.errors import ConfigError
from runner.state.root import Root
from runner.system.language import Said, say
from runner.train import provenance
from runner.work.remote import contained, program, task
from runner.work.remote.asked import Asked
from runner.work.remote.seam import Hello, Order, Over, Parcel

#: A cluster that is there answers within this.
_ANSWER_S = 15.0
#: A node that is busy takes its time to start a process.
_HELLO_S = 60.0
_LOOK_S = 0.5
#: A task sends no more than so many parcels before the first of them is kept.
_AHEAD = 4
#: A process that only connects: Ray's own patience is minutes, and some of its errors end it.
_PROBE = "import sys, ray; ray.init(address=sys.argv[1], log_to_driver=False, logging_level=40)"


class Ray:
    """An `Engine`: the connection of this process to a Ray.

    Attributes
    ----------
    n_tasks
        How many tasks run at a time, at most; 0 before it is connected.
    """

    name: ClassVar[str] = "ray"
    asked: ClassVar[str] = "Ray"

    def __init__(self, asked: Asked) -> None:
        self.of = asked
        self.n_tasks = asked.tasks
        self._gate: Any = None
        self._train: Any = None
        self._data: dict[str, Any] = {}
        self._root: Root | None = None

    def check(self, device: str) -> None:
        """Connect, and refuse what the cluster cannot do; nothing is written.

        Raises
        ------
        ConfigError
            No Ray, none that answers, one of another version, fewer cards than are asked for, nodes
            with another program.
        """
        self.of.check(device)
        try:
            self._prepare_environment()
            import ray
        except ImportError:
            raise ConfigError(
                "hydra/launcher=ray: Ray is not installed here: pip install '.[ray]'"
            ) from None
        if not ray.is_initialized():
            # It would print what nodes report, such as the log of a dead one.
            ray._private.worker.listen_error_messages = lambda worker, threads_stopped: None
            with contained.signals_kept(), contained.quiet():
                self._begin_own() if self.of.is_own else self._connect()
        nodes = [node for node in ray.nodes() if node["Alive"]]
        suited = [node for node in nodes if self._room(node)]
        if not suited:
            raise ConfigError(self._too_much(nodes))
        there = self._greeted(suited)
        if not there:
            raise ConfigError(
                f"hydra.launcher.address={self.of.address}: its nodes are dead; nothing was written"
            )
        self.n_tasks = self.of.tasks or sum(map(self._room, there))

    def _prepare_environment(self) -> None:
        """Set what Ray reads when it is imported."""
        # Nobody is told how often it is used.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if self.of.is_own:
            # Who else is on this machine cannot send it work.
            os.environ.setdefault("RAY_AUTH_MODE", "token")
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))

    def _begin_own(self) -> None:
        """Start a Ray that ends with this process; it listens on 127.0.0.1 alone."""
        import ray
        from ray._private import ray_constants

        # On Linux Ray takes the host's own address instead, where others reach it.
        ray_constants.ENABLE_RAY_CLUSTER = False
        gpus = {} if self.of.gpus else {"num_gpus": 0}
        ray.init(
            address="local", include_dashboard=False, _node_ip_address="127.0.0.1",
            num_cpus=max(provenance.cores(), self.of.cpus), log_to_driver=False,
            logging_level="ERROR", **gpus,
        )  # fmt: skip

    def _connect(self) -> None:
        import ray

        address = self.of.address
        line = [sys.executable, "-c", _PROBE, address]
        how = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
        try:
            probed = subprocess.run(line, timeout=_ANSWER_S, start_new_session=True, **how)  # type: ignore[call-overload]
            why = contained.last_words(probed.stderr) if probed.returncode else ""
        except subprocess.TimeoutExpired:
            why = f"no answer within {_ANSWER_S:g} s"
        try:
            if not why:
                ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        except Exception as error:  # RuntimeError, ConnectionError, ValueError
            why = contained.last_words(str(error))
        if why:
            raise ConfigError(f"hydra.launcher.address={address}: {why}; nothing was written")

    def _room(self, node: dict[str, Any]) -> int:
        """How many tasks a node takes at a time."""
        has: dict[str, float] = node["Resources"]
        asked = {"CPU": self.of.cpus, "GPU": self.of.gpus, "memory": self.of.memory_bytes or 0}
        return min(int(has.get(name, 0) // n) for name, n in asked.items() if n)

    def _too_much(self, nodes: Sequence[dict[str, Any]]) -> str:
        asked = {"CPU": "cpus", "GPU": "gpus", "memory": "memory"}
        most = {of: max(node["Resources"].get(of, 0) for node in nodes) for of in asked}
        there = f"{most['CPU']:g} CPUs, {most['GPU']:g} GPUs, {most['memory'] / 2**30:.1f} GiB"
        words = " ".join(f"hydra.launcher.{at}={getattr(self.of, at)}" for at in asked.values())
        return f"{words}: no node of this Ray has that; the most of each that one has: {there}"

    def _greeted(self, nodes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The nodes that are there, each asked which program it has.

        Raises
        ------
        ConfigError
            When one has another, or none.
        """
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        asked = {
            ray.remote(num_cpus=0, max_retries=0)(_hello)
            .options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False))
            .remote(): node
            for node in nodes
        }
        there = dict(asked)
        answered, _ = ray.wait(list(asked), num_returns=len(asked), timeout=_HELLO_S)
        for answer in answered:
            host = asked[answer]["NodeManagerAddress"]
            try:
                theirs = ray.get(answer)
            except ray.exceptions.RayTaskError as error:
                raise ConfigError(
                    f"hydra/launcher=ray: {host} has not this program"
                    f" ({contained.last_words(str(error))}); install the same there"
                ) from None
            except ray.exceptions.RayError:
                # Ray takes ten seconds and more to find out that a node is dead.
                del there[answer]
                continue
            if other := program.is_other(self.name, host, theirs):
                raise ConfigError(other)
        return list(there.values())

    @property
    def words(self) -> Said:
        """`Ray at 10.0.0.1:6379 (12 nodes)`."""
        if self.of.is_own:
            return say("a Ray of its own on this machine")
        import ray

        n = sum(node["Alive"] for node in ray.nodes())
        at = ray.get_runtime_context().gcs_address
        return say("Ray at {address} ({n} nodes)", address=at, n=n)

    @contextlib.contextmanager
    def ready(self, root: Root) -> Iterator[None]:
        """Take orders in the block, whose data lie below a root; no task outlives it."""
        import ray

        self._root = root
        # Its end asks all tasks to stop. Its host may die: then Ray starts it again.
        self._gate = ray.remote(num_cpus=0, max_retries=-1)(_wait).remote()
        self._train = ray.remote(
            num_cpus=self.of.cpus, num_gpus=self.of.gpus, memory=self.of.memory_bytes,
            # By default a task that was meant for a dead node waits for the end of another one.
            scheduling_strategy="SPREAD",
            # Who has the checkpoint sends it again.
            max_retries=0, num_returns="streaming", _generator_backpressure_num_objects=_AHEAD,
        )(_train)  # fmt: skip
        try:
            yield
        finally:
            self.stop()
            self._data.clear()

    def start(self, order: Order) -> Hashable:
        import ray

        for name in order.data:
            if name not in self._data:
                self._data[name] = ray.put(self._arrays(name))
        # In lists: Ray waits for what stands alone, and sends it by value.
        data = {name: [self._data[name]] for name in order.data}
        handle: Hashable = self._train.remote(order, data, [self._gate])
        return handle

    def _arrays(self, name: str) -> dict[str, Any]:
        assert self._root is not None
        files = (self._root.data / name).glob("*.npy")
        return {file.name: np.fromfile(file, dtype=np.uint8) for file in files}

    def news(self, tasks: Sequence[Hashable]) -> list[tuple[Hashable, Hello | Parcel | Over]]:
        import ray

        if not tasks:
            return []
        ready, _ = ray.wait(tasks, num_returns=1, timeout=_LOOK_S, fetch_local=False)
        if ready:
            ready, _ = ray.wait(tasks, num_returns=len(tasks), timeout=0, fetch_local=False)
        return [(handle, self._next(handle)) for handle in ready]

    def _next(self, handle: Any) -> Hello | Parcel | Over:
        import ray

        try:
            item: Hello | Parcel | Over = ray.get(next(handle))
            return item
        except StopIteration:
            return Over()
        except ray.exceptions.OutOfMemoryError:
            return Over("out of memory", is_out_of_memory=True)
        except ray.exceptions.RayTaskError as error:
            return Over(contained.last_words(str(error)))
        except ray.exceptions.RayError as error:
            # What it sent may be lost while it still runs.
            self.drop(handle)
            return Over(type(error).__name__)

    def free(self) -> str:
        import ray

        there, free = ray.cluster_resources(), ray.available_resources()
        names = ["CPU", "GPU"] if self.of.gpus else ["CPU"]
        return ", ".join(f"{free.get(n, 0):g} of {there.get(n, 0):g} {n}s free" for n in names)

    def stop(self) -> None:
        import ray

        ray.cancel(self._gate, force=True)

    def drop(self, handle: Any) -> None:
        import ray

        ray.cancel(handle, force=True)


def _train(order: Order, data: dict[str, list[Any]], gate: list[Any]) -> Iterator[Any]:
    """On a node: what Ray calls."""
    import ray

    def is_asked_to_stop() -> bool:
        return bool(ray.wait(gate, timeout=0, fetch_local=False)[0])

    arrays = {name: ray.get(refs[0]) for name, refs in data.items()}
    yield from task.train(order, arrays, is_asked_to_stop)


def _hello() -> str:
    return program.name()


def _wait() -> None:
    threading.Event().wait()
