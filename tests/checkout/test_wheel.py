"""The wheel carries conf/, sweeps/ and hydra_plugins/, and runs from any folder."""

import zipfile

import pytest
from places import REPO as ROOT


def test_the_wheel_holds_every_value_file_and_the_plugin(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("conf", "sweeps"):
        files = [f.relative_to(ROOT) for f in (ROOT / folder).rglob("*") if f.is_file()]
        assert len(files) >= 6
        assert {f"runner/values/{f.as_posix()}" for f in files} <= names
    assert {"hydra_plugins/plan_sweeper.py", "runner/py.typed", "analysis/py.typed"} <= names
    assert not [n for n in names if n.startswith(("tests/", "conf/", "sweeps/"))]


@pytest.mark.long
def test_a_bare_environment_trains_from_the_wheel_in_any_folder(bare, tmp_path):
    planned = bare(tmp_path, "-m", "runner", "-m", "sweeps=smoke", "seed=0", "plan=true")
    assert "): 2 cells x 1 seed = 2 runs" in planned.stdout
    ended = bare(tmp_path, "-m", "runner", "-m", "sweeps=smoke", "seed=0")
    assert "2 of 2 runs trained and stored" in ended.stdout
    # Without a checkout the root is the working directory.
    assert {p.name for p in tmp_path.iterdir()} >= {"state", "mlflow.db", "mlartifacts"}
