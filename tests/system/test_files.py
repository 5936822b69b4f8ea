"""A folder that is replaced whole: what is there after a fault, and how it heals."""

import json
import multiprocessing
import os
import shutil
import signal
from pathlib import Path

import pytest

from runner.system.files import SEAL, is_whole, replace_folder, sealed, sha256


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def replace(folder, text):
    with replace_folder(folder) as beside:
        (beside / "deep").mkdir()
        (beside / "deep" / "page").write_text(text)


def test_a_folder_takes_the_place_of_the_one_before_and_nothing_is_left_beside_it(tmp_path):
    for text in ("old", "new"):
        replace(tmp_path / "made" / "out", text)
        assert contents(tmp_path) == {"made/out/deep/page": text}
    assert os.stat(tmp_path / "made" / "out").st_mode & 0o777 == 0o755
    (tmp_path / "link").symlink_to(tmp_path / "made" / "out")
    replace(tmp_path / "link", "by a link")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "made"]
    assert contents(tmp_path / "made") == {"out/deep/page": "by a link"}


def test_of_two_processes_that_fill_one_folder_the_last_to_end_wins(tmp_path):
    with replace_folder(tmp_path / "out") as first, replace_folder(tmp_path / "out") as second:
        (first / "page").write_text("first")
        (second / "page").write_text("second")
        with replace_folder(tmp_path / "out.2") as other:
            (other / "page").write_text("other")
    assert contents(tmp_path) == {"out/page": "first", "out.2/page": "other"}


def test_an_exception_leaves_the_folder_before_as_it_was(tmp_path, monkeypatch):
    replace(tmp_path / "out", "old")
    with pytest.raises(ZeroDivisionError), replace_folder(tmp_path / "out") as beside:
        (beside / "page").write_text(str(1 / 0))
    assert contents(tmp_path) == {"out/deep/page": "old"}

    rename = Path.rename

    def refused(path, target):
        if path.suffix == ".tmp":
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(KeyboardInterrupt):
        replace(tmp_path / "out", "new")
    assert contents(tmp_path) == {"out/deep/page": "old"}, "also between the two renames"


def killed(folder, n_steps):
    """Replace a folder and be killed after so many steps: two renames and a removal."""
    steps = []

    def counted(function):
        def step(*arguments, **options):
            if len(steps) == n_steps:
                os.kill(os.getpid(), signal.SIGKILL)
            steps.append(function.__name__)
            return function(*arguments, **options)

        return step

    Path.rename, shutil.rmtree = counted(Path.rename), counted(shutil.rmtree)
    replace(folder, "new")


@pytest.mark.parametrize(
    "n_steps, left",
    [(0, "out"), (1, ".old"), (2, "out")],
    ids=["before", "between the renames", "after"],
)
def test_a_killed_process_leaves_the_old_folder_or_the_new_one_and_the_next_heals_it(
    n_steps, left, tmp_path
):
    replace(tmp_path / "out", "old")
    process = multiprocessing.get_context("fork").Process(
        target=killed, args=(tmp_path / "out", n_steps)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    (there,) = [path for path in tmp_path.iterdir() if path.name.endswith(left)]
    expected = "new" if n_steps == 2 else "old"
    assert contents(there) == {"deep/page": expected}
    assert len(list(tmp_path.iterdir())) == 2, (
        "a half-filled folder, or the old one, lies beside it"
    )

    with pytest.raises(ZeroDivisionError), replace_folder(tmp_path / "out"):
        raise ZeroDivisionError
    assert contents(tmp_path) == {"out/deep/page": expected}
    replace(tmp_path / "out", "newer")
    assert contents(tmp_path) == {"out/deep/page": "newer"} and len(list(tmp_path.iterdir())) == 1


# JSON that proves itself.


def test_a_sealed_value_is_whole_until_any_part_of_it_is_another():
    unsealed = {"b": [1, {"c": "ä\udcff"}], "a": 0.1, "d": [], "c": {"f": [2], "e": None}}
    values = sealed(unsealed)
    assert values[SEAL] == sha256(unsealed)
    assert is_whole(values) and is_whole(json.loads(json.dumps(values)))
    assert is_whole(dict(reversed(values.items()))), "the order of names is none"
    for changed in (
        values | {"a": 0.2},
        values | {"g": None},
        {name: value for name, value in values.items() if name != "a"},
        values | {SEAL: "0" * 64},
        {name: value for name, value in values.items() if name != SEAL},
    ):
        assert not is_whole(changed)
