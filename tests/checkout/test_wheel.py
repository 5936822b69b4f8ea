"""The wheel carries conf/, sweeps/ and hydra_plugins/, and runs from any folder."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from places import REPO as ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    built = subprocess.run(
        [
            sys.executable,
            "-m",
            "build",
            "--wheel",
            "--no-isolation",
            "--outdir",
            str(folder),
            str(ROOT),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert built.returncode == 0, built.stderr
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_every_value_file_and_the_plugin(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("conf", "sweeps"):
        files = [f.relative_to(ROOT) for f in (ROOT / folder).rglob("*") if f.is_file()]
        assert len(files) >= 6
        assert {f"runner/{f.as_posix()}" for f in files} <= names
    assert "hydra_plugins/plan_sweeper.py" in names
    assert not [n for n in names if n.startswith(("tests/", "conf/", "sweeps/"))]


@pytest.mark.long
def test_a_bare_environment_trains_from_the_wheel_in_any_folder(wheel, tmp_path):
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    site = Path(
        subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    )
    zipfile.ZipFile(wheel).extractall(site)
    # Its dependencies are linked one by one: the .pth line of the checkout would hide what the
    # wheel lacks.
    installed = Path(sysconfig.get_path("purelib"))
    for entry in installed.iterdir():
        if entry.name == "hydra_plugins":
            for plugin in entry.iterdir():
                (site / "hydra_plugins" / plugin.name).symlink_to(plugin)
        elif entry.suffix != ".pth" and not (site / entry.name).exists():
            (site / entry.name).symlink_to(entry)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    where = subprocess.run(
        [python, "-c", "import runner; print(runner.__file__)"],
        cwd=elsewhere, env=clean, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert where.stdout.startswith(str(site))
    ended = subprocess.run(
        [python, "-m", "runner", "-m", "sweeps=smoke", "seed=0"],
        cwd=elsewhere, env=clean, capture_output=True, text=True, timeout=180,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "2 of 2 runs trained and stored" in ended.stdout
    # Without a checkout the root is the working directory.
    assert {p.name for p in elsewhere.iterdir()} >= {"state", "mlflow.db", "mlartifacts"}
