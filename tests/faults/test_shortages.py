"""Without inodes or shared memory a run is told by the right cause, or trained all the same."""

import sys

import pytest
from commands import journals

pytest_plugins = ("disks", "roots")

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="mounts as Linux has them"),
]

TINY = ("data=digits", "model.channels=2", "model.hidden_size=16", "train.epochs=1")


INODES = """
mount -t tmpfs -o size=64m,nr_inodes=4000 tmpfs "$DISK" && cp "$STORE" "$DISK"/mlflow.db
used=$(df --output=iused "$DISK" | tail -1)
mount -o remount,nr_inodes=$((used + LEFT)) "$DISK"
"$PYTHON" -m runner "$@"; echo "code $?"
mount -o remount,nr_inodes=4000 "$DISK"
"$PYTHON" -m runner "$@"; echo "code $?"
"""


# The last inode goes to the data, to the plan, to the attempt, to its results, to the store.
@pytest.mark.parametrize(
    ("left", "code"), [(5, 3), (7, 1), (9, 1), (13, 1), (17, 1), (21, 4), (24, 4)]
)
def test_a_file_system_without_inodes_is_not_said_to_be_full(left, code, small_disk, empty_store):
    words = (*TINY, "seed=0", f"runner.root={small_disk.path}")
    ended = small_disk.run(INODES, *words, STORE=empty_store, LEFT=str(left))
    assert ended.codes == [code, 0], ended.err_lines
    told = "\n".join(ended.err_lines)
    assert "No inodes left on the file system" in told
    assert "No space left" not in told and "disk is full" not in told
    assert "went away" not in told and "unable to open" not in told


NO_SHARED_MEMORY = """
mount -t tmpfs -o ro tmpfs /dev/shm
"$PYTHON" -m runner "$@"; echo "code $?"
"""


@pytest.mark.parametrize("launcher", ["cores", "joblib"])
def test_workers_are_started_without_shared_memory_where_there_is_none(launcher, small_disk, root):
    words = ("-m", *TINY, "seed=0,1", "runner.workers=2", f"hydra/launcher={launcher}")
    ended = small_disk.run(NO_SHARED_MEMORY, *words, f"runner.root={root}")
    assert ended.codes == [0], ended.err_lines
    (line,) = ended.err_lines
    assert "joblib finds no shared memory here (is /dev/shm read-only?)" in line
    # Not threads of one process, in which DeZero's settings would be those of all runs.
    pids = {journal[0]["pid"] for journal in journals(root).values()}
    assert len(pids) == 2
