"""Files of the runner's own that somebody changed: refused, repaired or harmless; never a number.

Each mutation is judged by what the program reads of the file. A sweep that finds such files is in
tests/end_to_end/test_sweep_failures.py.
"""

import random
import re
import shutil
from collections import Counter

import numpy as np
import pytest
from commands import EPOCHS, attempt_of, keys_of
from replays import in_process, only_plan

from analysis.read import runs
from runner.data import loading
from runner.errors import DataError, RunnerError, StateError, StoreError
from runner.plan import plan as plans
from runner.state import checkpoint
from runner.state.checkpoint import Checkpoints
from runner.state.journal import write_death
from runner.state.records import End
from runner.state.root import Root
from runner.state.run_record import changed_files, read_run

pytest_plugins = "roots"


def digit(content, chance):
    """One digit is another one."""
    places = [match.start() for match in re.finditer(rb"\d", content)]
    if not places:
        return bit(content, chance)
    at = chance.choice(places)
    others = [d for d in b"0123456789" if d != content[at]]
    return content[:at] + bytes([chance.choice(others)]) + content[at + 1 :]


def bit(content, chance):
    at = chance.randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1 :]


def truncated(content, chance):
    return content[: chance.randrange(len(content))]


def zeros(content, chance):
    first = chance.randrange(len(content))
    last = min(len(content), first + chance.randint(1, 4096))
    return content[:first] + bytes(last - first) + content[last:]


def line_lost(content, chance):
    lines = content.splitlines(keepends=True)
    del lines[chance.randrange(len(lines))]
    return b"".join(lines)


def line_doubled(content, chance):
    lines = content.splitlines(keepends=True)
    at = chance.randrange(len(lines))
    return b"".join([*lines[: at + 1], *lines[at:]])


def folder_in_its_place(content, chance):
    return None


MUTATIONS = (digit, bit, truncated, zeros, line_lost, line_doubled, folder_in_its_place)


@pytest.fixture(params=[70, pytest.param(1500, marks=pytest.mark.long)])
def n(request):
    """How many mutations."""
    return request.param


@pytest.fixture(scope="module")
def kept(main_job, tmp_path_factory):
    """A root with its store, of which single files are changed and put back."""
    root = tmp_path_factory.mktemp("mutated") / "root"
    shutil.copytree(main_job.root / "state", root / "state")
    in_process(root)
    key = keys_of(root, seed=0)[0]
    attempt = attempt_of(root, key)
    arrays = {"weights/W": np.arange(1000, dtype=np.float32)}
    Checkpoints(attempt.path, key).save(arrays, {"epoch": 2, "step": 3})
    return root, key, attempt


def judged_journal(root, key, attempt, whole):
    """The record is as it was, or the run is trained again from a part of it."""
    record = read_run(Root(root).run(key))
    assert record.epochs.items() <= whole.epochs.items()
    assert all(str(attempt.journal) in damage for damage in record.damages)
    if record.trained:
        assert (record.epochs, record.end, record.start) == (whole.epochs, whole.end, whole.start)
        return "harmless"
    return "repaired"


def test_a_journal_gives_its_own_numbers_or_none(kept, n):
    root, key, attempt = kept
    whole = read_run(Root(root).run(key))
    outcomes = under_mutations(
        attempt.journal, lambda: judged_journal(root, key, attempt, whole), n
    )
    assert outcomes["repaired"] > 0.9 * n


def test_a_death_gives_its_own_cause_or_none(kept, tmp_path, n):
    attempt = Root(tmp_path).run("5" * 64).new_attempt()
    write_death(attempt, End("failed", "its worker died (process 123)"))
    from runner.state.journal import JournalReader

    def judged():
        reader = JournalReader(attempt)
        reader.poll()
        end = reader.attempt.end
        assert end is None or end.cause == "its worker died (process 123)"
        return "harmless" if end else "repaired"

    under_mutations(attempt.death, judged, n)


def test_a_plan_is_the_one_that_was_written_or_is_refused_by_its_name(kept, n):
    root, *_ = kept
    (folder,) = Root(root).sweeps()
    whole = only_plan(root)

    def judged():
        try:
            assert plans.read(folder.plan) == whole
            return "harmless"
        except StateError as error:
            assert str(error).startswith(f"{folder.plan}: ") and "\n" not in str(error)
            return "refused"

    # A bit or a digit may fall where JSON reads the same.
    assert under_mutations(folder.plan, judged, n)["refused"] > 0.8 * n


def test_a_checkpoint_is_the_one_that_was_written_or_is_not_used(kept, n):
    _, key, attempt = kept
    path = attempt.path / "checkpoint"

    def judged():
        found = Checkpoints(attempt.path, key).load()
        if found is None:
            return "refused"
        arrays, position = found
        assert position == {"epoch": 2, "step": 3}
        assert np.array_equal(arrays["weights/W"], np.arange(1000, dtype=np.float32))
        return "harmless"

    assert under_mutations(path, judged, n)["refused"] > 0.9 * n


def test_a_final_state_is_the_one_that_was_written_or_is_not_used(kept, n):
    _, key, attempt = kept
    path = attempt.final_state(EPOCHS)
    whole, at = checkpoint.read(path, key)

    def judged():
        found = checkpoint.read(path, key)
        if found is None:
            return "refused"
        arrays, position = found
        assert position == at and arrays.keys() == whole.keys()
        assert all(np.array_equal(arrays[name], whole[name]) for name in whole)
        return "harmless"

    assert under_mutations(path, judged, n)["refused"] > 0.9 * n


@pytest.mark.parametrize(
    "name", ["weights.npz", "test_correct.npy", "test_predicted.npy", "config.json"]
)
def test_results_are_what_was_written_or_named(name, kept, n):
    root, key, attempt = kept
    end, path = read_run(Root(root).run(key)).end, attempt.path / name
    whole = path.read_bytes()

    def judged():
        if changed_files(attempt, end.sha256):
            return "refused"
        assert path.read_bytes() == whole
        return "harmless"

    under_mutations(path, judged, n)


@pytest.mark.parametrize("name", ["test_images.npy", "train_labels.npy"])
def test_a_kept_data_set_is_the_one_that_was_checked_or_is_refused(name, kept, n):
    root, *_ = kept
    run = only_plan(root).runs[0]
    (folder,) = Root(root).data.iterdir()
    whole = getattr(loading.load(run.data_name, run.data_sha256, Root(root).data), name[:-4]).copy()

    def judged():
        try:
            dataset = loading.load(run.data_name, run.data_sha256, Root(root).data)
        except DataError as error:
            assert "\n" not in str(error)
            return "refused"
        assert np.array_equal(getattr(dataset, name[:-4]), whole)
        return "harmless"

    under_mutations(folder / name, judged, max(7, n // 10))


@pytest.mark.parametrize("name", ["sweep.json", "test_correct.npy"])
def test_what_mlflow_keeps_gives_its_own_conclusions_or_is_refused(name, kept, n):
    root, *_ = kept
    uri = runs.local_uri(root)
    sweep = runs.read(uri)
    answers = runs.correct(sweep)
    place = sweep.run_id if name == "sweep.json" else sweep.runs["run_id"].iloc[0]
    path = Root(root).artifacts / place / "artifacts" / name

    def judged():
        try:
            again = runs.read(uri)
            assert again.runs.equals(sweep.runs) and again.claims == sweep.claims
            for key, answer in runs.correct(again).items():
                assert np.array_equal(answer, answers[key])
            return "harmless"
        except (StoreError, StateError) as error:
            assert "\n" not in str(error)
            return "refused"

    under_mutations(path, judged, max(7, n // 10))


def under_mutations(path, judged, n):
    """How often a changed file was judged as what; afterwards it is as it was."""
    content, chance, outcomes = path.read_bytes(), random.Random(path.name), Counter()
    try:
        for number in range(n):
            mutation = MUTATIONS[number % len(MUTATIONS)]
            changed = mutation(content, chance)
            if changed is None:
                path.unlink()
                path.mkdir()
            else:
                path.write_bytes(changed)
            try:
                outcomes[judged()] += 1
            except (AssertionError, RunnerError) as error:
                raise AssertionError(f"mutation {number} ({mutation.__name__}): {error}") from error
            if changed is None:
                path.rmdir()
    finally:
        if path.is_dir():
            path.rmdir()
        path.write_bytes(content)
    assert sum(outcomes.values()) == n
    print(f"{path.name}: {n} mutations: {dict(outcomes)}")
    return outcomes
