"""A full disk or a forbidden folder is told in a line, leaves no half file, and costs no result."""

import contextlib
import re
import shutil
import sqlite3
import subprocess
import sys

import pytest
from commands import environment, image, journals, listing, sync
from places import FAULTY

from runner.state.root import Root

pytest_plugins = ("disks", "roots")

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        sys.platform != "linux", reason="mounts, limits and capabilities as Linux has them"
    ),
]

TINY = ("data=digits", "model.channels=2", "model.hidden_size=16")


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


TRAIN = """
mount -t tmpfs -o size=3m tmpfs "$DISK" && cp "$STORE" "$DISK"/mlflow.db
"$PYTHON" -m runner "$@"; echo "code $?"
ls "$DISK"/state > /dev/null; find "$DISK"/state -name '.*.tmp'
mount -o remount,size=64m "$DISK"
"$PYTHON" -m runner "$@"; echo "code $?"
"""


def test_a_full_disk_costs_the_run_and_says_where_and_the_next_start_goes_on(
    small_disk, empty_store
):
    words = (
        "-m",
        "data=digits",
        "model.channels=8",
        "model.hidden_size=8,8192",
        "train.epochs=2",
        "seed=0",
        "hydra/launcher=basic",
        f"runner.root={small_disk.path}",
    )
    ended = small_disk.run(TRAIN, *words, STORE=empty_store)
    (line_of_run,) = [line for line in ended.err_lines if "failed: hidden_size=8192" in line]
    assert (
        "No space left on device" in line_of_run
        and "bytes free" in line_of_run
        and str(small_disk.path / "state") in line_of_run
    )
    assert "2 of 2 runs trained and stored" in ended.out and ended.codes == [1, 0]
    assert ".tmp" not in ended.out, "half-written files are removed at once"


REPORT = """
report() { "$PYTHON" -m analysis --root "$1" --out "$2" > "${3-/dev/null}"; echo "code $?"; }
mount -t tmpfs -o size=64m tmpfs "$DISK"
report "$OLD" "$DISK"/report; cp -r "$DISK" "$KEPT"/old
for room in 20 600; do
    mount -o remount,size=$(($(du -sk "$DISK" | cut -f1) + room))k "$DISK"
    report "$NEW" "$DISK"/report; cp -r "$DISK" "$KEPT/$room"
done
mount -o remount,size=64m "$DISK"
report "$NEW" "$DISK"/report; cp -r "$DISK" "$KEPT"/new
report "$NEW" "$KEPT"/undisturbed/report; report "$NEW" "$KEPT"/undisturbed/report /dev/full
"""


def test_a_full_disk_leaves_the_report_before_and_the_same_command_writes_the_new_one(
    small_disk, main_job, new_root
):
    old = new_root("old")
    shutil.copy(Root(main_job.root).database, Root(old).database)
    with contextlib.closing(sqlite3.connect(Root(old).database)) as file, file:
        file.execute(
            "update runs set lifecycle_stage = 'deleted' where name = 'channels=1 dropout=true"
            " seed=1'"
        )
    ended = small_disk.run(REPORT, OLD=old, NEW=main_job.root)
    assert ended.codes == [0, 1, 1, 0, 0, 1]
    where = re.escape(str(small_disk.path / "report"))
    full = r"analysis: \[Errno 28\] No space left on device"
    assert len(ended.err_lines) == 3
    for line in ended.err_lines[:2]:
        assert re.fullmatch(rf"{full}, [\d,]+ bytes free: '{where}'", line)
    assert re.fullmatch(full, ended.err_lines[2]), "what is printed does not fit"
    kept = {path.name: contents(path) for path in small_disk.kept.iterdir()}
    assert kept["20"] == kept["600"] == kept["old"]
    assert kept["new"] == kept["undisturbed"] != kept["old"]
    for path in small_disk.kept.iterdir():
        assert [entry.name for entry in path.iterdir()] == ["report"], "no folder is left beside it"


STORE_ALONE = """
mount -t tmpfs -o size=64m tmpfs "$DISK" && cp "$STORE" "$DISK"/mlflow.db
mount -o remount,size=$(($(du -sk "$DISK" | cut -f1) + 100))k "$DISK"
"$PYTHON" -m runner "$@"; echo "code $?"
"$PYTHON" -m runner.sync --root "$ROOT" --uri "sqlite:///$DISK/mlflow.db"; echo "code $?"
mount -o remount,size=64m "$DISK"
"$PYTHON" -m runner.sync --root "$ROOT" --uri "sqlite:///$DISK/mlflow.db"; echo "code $?"
cp "$DISK"/mlflow.db "$KEPT"
"""


def test_a_full_disk_under_the_store_alone_stops_no_run_and_sync_brings_it_in_step(
    small_disk, root, new_root
):
    words = (
        "-m",
        *TINY,
        "model.dropout=true,false",
        "seed=0,1",
        "train.epochs=30",
        "runner.workers=2",
        f"runner.root={root}",
        f"tracking.uri=sqlite:///{small_disk.path}/mlflow.db",
    )
    ended = small_disk.run(STORE_ALONE, *words, STORE=Root(root).database, ROOT=root)
    assert ended.codes == [4, 4, 0]
    full = r"\(sqlite3.OperationalError\) database or disk is full"
    assert len(ended.err_lines) == 2
    assert re.match(
        rf"runner: 4 runs are kept in {root}/state and not in MLflow yet: the store's disk is full"
        rf" \({full}\); once",
        ended.err_lines[0],
    )
    assert re.fullmatch(
        rf"runner.sync: the store's disk is full \({full}\); nothing is lost, run it again",
        ended.err_lines[1],
    )
    assert "4 runs looked at; the store is in step" in ended.out
    assert all(journal[-1]["status"] == "done" for journal in journals(root).values())
    # A store that is rebuilt from journals equals that of an undisturbed sweep (test_replay.py).
    undisturbed = new_root("undisturbed", state=root)
    sync(undisturbed)
    assert image(small_disk.kept / "mlflow.db") == image(Root(undisturbed).database)


def test_a_journal_that_could_not_take_a_line_takes_the_next_one(tmp_path):
    code = """
import resource, sys
from pathlib import Path
from runner.state.journal import JournalReader, JournalWriter
from runner.state.records import End, Epoch, Start
from runner.state.root import Root
folder = Root(Path(sys.argv[1])).run("r").new_attempt()
path, writer = folder.journal, JournalWriter(folder)
writer.write(Start("r", "c", {}, {}, {}, "cpu", 1, "1-a"))
size = path.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, resource.RLIM_INFINITY))
try:
    writer.write(Epoch(1, {}))
except OSError as error:
    print(error)
assert path.stat().st_size == size
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
writer.write(End("failed", "no room"))
reader = JournalReader(folder)
reader.poll()
print(reader.attempt.end.status, reader.attempt.damage)
"""
    line = [sys.executable, "-c", code, str(tmp_path)]
    ended = subprocess.run(line, capture_output=True, text=True, env=environment(), timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert "File too large" in ended.stdout and "journal.jsonl" in ended.stdout
    assert ended.stdout.endswith("failed None\n")


# Places that may not be written.


#: Starts a command without the capabilities that let root write where a mode forbids it.
BOUND = """
import ctypes, os, sys
pr_capbset_drop, cap_dac_override, cap_dac_read_search = 24, 1, 2
for capability in (cap_dac_override, cap_dac_read_search):
    if os.getuid() == 0 and ctypes.CDLL(None).prctl(pr_capbset_drop, capability, 0, 0, 0):
        sys.exit("root may not give up its power over modes here: it lacks CAP_SETPCAP")
os.execvp(sys.argv[1], sys.argv[1:])
"""


def bound_by_modes(*line, **options):
    line = [sys.executable, "-I", "-S", "-c", BOUND, *line]
    return subprocess.run(
        line, capture_output=True, text=True, env=environment(), timeout=60, **options
    )


@pytest.fixture
def forbidden(tmp_path):
    """A folder that may not be written."""
    folder = tmp_path / "forbidden"
    folder.mkdir(mode=0o555)
    probe = bound_by_modes("touch", folder / "probe")
    if "CAP_SETPCAP" in probe.stderr:
        pytest.skip(probe.stderr)
    assert probe.returncode
    return folder


@pytest.mark.parametrize(
    "line",
    [
        "runner -m {tiny} seed=0 runner.root={forbidden}",
        "runner {tiny} seed=0 runner.root={forbidden}/new/er",
        "runner -m {tiny} seed=0 runner.root={tmp}/root"
        " tracking.uri=sqlite:///{forbidden}/mlflow.db",
        "runner.sync --root {main} --uri sqlite:///{forbidden}/mlflow.db",
        "analysis --root {main} --out {forbidden}/report",
    ],
)
def test_what_may_not_be_written_is_refused_before_anything_is_done(
    line, forbidden, tmp_path, main_job
):
    words = line.format(
        tiny=" ".join(TINY), forbidden=forbidden, tmp=tmp_path, main=main_job.root
    ).split()
    before = listing(tmp_path), listing(main_job.root)
    ended = bound_by_modes(sys.executable, "-m", *words, cwd=tmp_path)
    assert ended.returncode == 2, ended.stderr
    assert str(forbidden) in ended.stderr and ended.stderr.count("\n") == 1
    assert (listing(tmp_path), listing(main_job.root)) == before


FILLED = """
mount -t tmpfs -o size=64m tmpfs "$DISK" && cp "$STORE" "$DISK"/mlflow.db
"$PYTHON" -m runner "$@" & sweep=$!
until grep -qs '"kind": "epoch"' "$DISK"/state/*/attempts/*/journal.jsonl; do sleep 0.05; done
dd if=/dev/zero of="$DISK"/filler bs=4k 2> /dev/null
wait $sweep; echo "code $?"
rm "$DISK"/filler
"$PYTHON" -m runner "$@"; echo "code $?"
"""


@pytest.mark.parametrize(
    "how", [("-m", "seed=0,1"), ("-m", "seed=0,1", "hydra/launcher=basic"), ("seed=0",)], ids=str
)
def test_a_disk_that_fills_up_until_not_even_that_can_be_written_down_is_told_in_a_line(
    how, small_disk, empty_store
):
    words = (*how, *TINY, "train.epochs=20", f"runner.root={small_disk.path}")
    slow = {"PYTHONPATH": FAULTY, "EPOCH_SLEEP": "0.2"}
    ended = small_disk.run(FILLED, *words, STORE=empty_store, **slow)
    assert ended.codes == [1, 0], ended.err_lines
    full_disk = [
        line for line in ended.err_lines if "No space left on device, 0 bytes free: " in line
    ]
    assert full_disk and all(line.startswith("runner: ") for line in ended.err_lines), (
        ended.err_lines
    )
    assert re.search(
        "the same command goes on|try again with: python -m runner", ended.err_lines[-1]
    )
