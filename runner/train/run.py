"""One run from its configuration to its end. The file to read first: everything else serves it."""

import contextlib
import hashlib
import io
import json
import os
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from runner import engine as engines
from runner import seeding
from runner.engine import device as devices
from runner.engine.loop import Diverged
from runner.engine.protocol import Position
from runner.errors import GaveWay, MetricError, StateError, TimedOut, printable
from runner.plan.plan import PlannedRun, check_code
from runner.record import DIVERGED, DONE, FAILED, KILLED, EpochRecord
from runner.state import checkpoint
from runner.state.checkpoint import Checkpoints, newest
from runner.state.journal import JournalWriter
from runner.state.records import VERSION, Compiling, End, Epoch, Setup, Start
from runner.state.root import AttemptFolder, Root
from runner.state.run_record import RunRecord, differing, read_run
from runner.system.faults import crash_point
from runner.system.files import write_whole
from runner.train import device_data, epochs, fewer_epochs, provenance
from runner.train.assemble import Assembly, assemble

#: Environment variables that have cuBLAS round otherwise than a run's configuration says.
_CUBLAS_NAMES = ("NVIDIA_TF32_OVERRIDE", "CUBLAS_EMULATE_SINGLE_PRECISION")


@dataclass
class _Attempt:
    """What this process writes of a run, and what was there before."""

    folder: AttemptFolder
    journal: JournalWriter
    start: Start
    before: RunRecord


def train_run(
    planned: PlannedRun,
    root: Root,
    launch: str,
    should_stop: Callable[[], bool] = lambda: False,
    is_alone: Callable[[], bool] = lambda: True,
    limit: contextlib.AbstractContextManager[None] | None = None,
    n_threads: int = 1,
) -> Iterator[EpochRecord | None]:
    """Train one run to its end, or go on where it was interrupted; its caller holds the run's lock.

    Yields each epoch's record once it is in the journal, and None where another run of this process
    could be gone on with meanwhile. Whatever happens, the journal's `end` line says it: done,
    diverged, failed (recorded, then raised) or killed.

    Parameters
    ----------
    is_alone
        Whether no other run of this process has memory on the card. A run that does not fit beside
        others has not failed: it is killed, GaveWay is raised, and it can be gone on with.
    limit
        Raises in its block when the time is up. It is entered once the journal has its first line:
        whatever it raises is recorded.
    n_threads
        Of the kernels of `engine=fast` on the CPU; the bits are those of one thread.
    """
    run = root.run(planned.run_key)
    before = read_run(run)
    if before.refusal:
        raise StateError(before.refusal)
    if planned.device != "cpu" or planned.config.engine.name != "fast":
        n_threads = 1
    folder, start = run.new_attempt(), _start(planned, launch, before.attempt, n_threads)
    journal = JournalWriter(folder)
    try:
        journal.write(start)
        with limit or contextlib.nullcontext(), _threads(n_threads):
            yield from _train(planned, root, _Attempt(folder, journal, start, before), should_stop)
    except Diverged as diverged:
        journal.write(End(DIVERGED, str(diverged)))
        Checkpoints(folder.path, planned.run_key).delete()
    except (GeneratorExit, KeyboardInterrupt) as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        journal.write(
            End(KILLED, "interrupted at once" if interrupted else "its caller let go of it")
        )
        raise
    except (
        BaseException
    ) as error:  # SystemExit of a user's model included: no run may end unrecorded
        if devices.is_out_of_memory(error) and not is_alone():
            journal.write(End(KILLED, "out of memory beside other runs; it goes on beside fewer"))
            raise GaveWay from None
        journal.write(End(FAILED, _cause(error)))
        write_whole(folder.error, traceback.format_exc().encode("utf-8", "backslashreplace"))
        raise
    finally:
        journal.close()


def _train(
    planned: PlannedRun, root: Root, attempt: _Attempt, should_stop: Callable[[], bool]
) -> Iterator[EpochRecord | None]:
    check_code(planned)
    config, folder, journal = planned.config, attempt.folder, attempt.journal
    # Before anything of the engine runs: a first kernel that is kept looks like all of them.
    if engines.compiles(config.engine.name, planned.device):
        journal.write(Compiling())
    assembly = assemble(
        config, planned.device, lambda engine: device_data.load(planned, root, engine)
    )
    engine, n_images = assembly.engine, len(assembly.data.train_images)
    if config.train.batch_size > n_images:
        raise StateError(f"train.batch_size={config.train.batch_size} exceeds the training images")
    assembly.warm_up()
    threadpool_limits(limits=1)  # for the libraries, too, that were loaded only now
    checkpoints, position = Checkpoints(folder.path, planned.run_key), Position()
    run = root.run(planned.run_key)
    earlier = [run.attempt(id).path for id in attempt.before.attempts]
    arrays, reached, refused = newest(earlier, planned.run_key)
    fewer = fewer_epochs.find(planned, root)
    if fewer and fewer.n_epochs >= reached.get("epoch", 0):
        if found := fewer.load():
            arrays, reached = found
        else:
            refused, fewer = [*refused, f"the final state of {fewer.run_key[:8]}"], None
    else:
        fewer = None
    if arrays:
        assembly.restore(arrays)
        position = Position(**reached)
    journal.write(
        Setup(
            fallbacks=list(engine.fallbacks),
            n_parameters=assembly.n_parameters,
            first_batch_order_sha256=seeding.batch_order_sha256(config.seed, n_images),
            goes_on_from_epoch=position.epoch,
            refused_checkpoints=refused,
            taken_from=fewer.run_key if fewer else None,
            image_shape=list(assembly.data.train_images.shape[1:]),
            n_classes=assembly.data.n_classes,
            scale=assembly.data.scale,
        )
    )
    for number, epoch in sorted(fewer.record.epochs.items()) if fewer else ():
        if number < position.epoch:
            journal.write(epoch)

    saved_at, test = time.monotonic(), None
    for record in epochs.train(assembly, position, should_stop):
        if record is None:
            yield None
            continue
        _keep(record, attempt)
        test = record.test_correct, record.test_predicted
        yield record
        if time.monotonic() - saved_at >= config.runner.checkpoint_every_s:
            checkpoints.save(assembly.snapshot(), asdict(position))
            saved_at = time.monotonic()

    if position.epoch <= config.train.epochs:
        checkpoints.save(assembly.snapshot(), asdict(position))
        journal.write(End(KILLED, "asked to stop"))
        return
    if test is None:  # the last epoch had been trained before an interruption
        evaluation = assembly.loop().test()
        test = evaluation.correct, evaluation.predicted
    if config.runner.keep == "always":
        # A disk that is too full for it is none for the run.
        with contextlib.suppress(OSError):
            _keep_final_state(planned, folder, assembly, position)
    hashes = _write_results(planned, folder, assembly.weights(), *test)
    crash_point("before_end")
    undivided = _undivided(attempt.start.n_threads)
    end = End(DONE, sha256=hashes, n_test_images=len(test[0]), undivided=undivided)
    journal.write(end)
    crash_point("after_end")
    checkpoints.delete()


def _threads(n: int) -> contextlib.AbstractContextManager[None]:
    if n == 1:
        return contextlib.nullcontext()
    # The kernels of the CPU: nobody else waits for their import.
    from runner.engine.cpu.threads import team

    return team.of(n)


def _undivided(n_threads: int) -> list[str]:
    """The products that one of several threads computed."""
    if n_threads == 1:
        return []
    from runner.engine.cpu.threads import products

    return products.undivided()


def _start(planned: PlannedRun, launch: str, after: str | None, n_threads: int) -> Start:
    return Start(
        run_key=planned.run_key,
        cell_key=planned.cell_key,
        name=planned.name,
        knobs=planned.knobs,
        config=asdict(planned.config),
        data={"name": planned.data_name, "sha256": planned.data_sha256},
        device=planned.device,
        card=devices.gpu_name() if planned.device == "gpu" else None,
        engine=planned.config.engine.name,
        versions=provenance.versions(),
        git=provenance.commit(),
        code=planned.code,
        own_code=planned.own_code,
        processor=provenance.processor(),
        threads={
            name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        },
        n_threads=n_threads,
        cublas={name: os.environ[name] for name in _CUBLAS_NAMES if name in os.environ},
        pid=os.getpid(),
        launch=launch,
        after=after,
        version=VERSION,
    )


def _keep(record: EpochRecord, attempt: _Attempt) -> None:
    """Write the epoch to the journal; it must have come out as in an earlier attempt.

    Processors, or cards, of two families may round otherwise: the run is then mixed.
    """
    before, metrics = attempt.before, record.metrics()
    earlier = before.epochs.get(record.epoch)
    differ = differing(earlier.metrics, metrics) if earlier else []
    if differ and before.start and before.start.hardware == attempt.start.hardware:
        raise StateError(
            f"epoch {record.epoch} came out differently after a resume ({', '.join(differ)}):"
            " other versions of packages? Move the run's folder away to train it anew"
        )
    attempt.journal.write(Epoch(epoch=record.epoch, metrics=metrics))
    crash_point("after_journal")


def _keep_final_state(
    planned: PlannedRun, folder: AttemptFolder, assembly: Assembly, position: Position
) -> None:
    file = folder.final_state(planned.config.train.epochs)
    checkpoint.write(file, planned.run_key, assembly.snapshot(), asdict(position))


def _write_results(
    planned: PlannedRun,
    folder: AttemptFolder,
    weights: dict[str, Any],
    correct: Any,
    predicted: Any,
) -> dict[str, str]:
    """Weights, one bit and the class of each test image, the configuration; hashes by file name."""
    contents = {
        folder.weights: _npz(weights),
        folder.test_correct: _npy(np.packbits(correct)),
        folder.test_predicted: _npy(predicted),
        folder.config: memoryview(json.dumps(asdict(planned.config), indent=2).encode("ascii")),
    }
    for path, content in contents.items():
        write_whole(path, content)
    return {path.name: hashlib.sha256(content).hexdigest() for path, content in contents.items()}


def _npz(arrays: dict[str, Any]) -> memoryview:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getbuffer()


def _npy(array: Any) -> memoryview:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getbuffer()


def _cause(error: BaseException) -> str:
    """One line for the journal, MLflow and the display."""
    text = printable(" ".join(str(error).split())[:500])
    if isinstance(error, TimedOut | MetricError):
        return text
    if devices.is_out_of_memory(error):
        return f"out of memory ({text})" if text else "out of memory"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
