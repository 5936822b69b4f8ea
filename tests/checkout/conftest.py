"""The wheel, and a bare environment that has it and no checkout."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from places import REPO as ROOT


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def bare(wheel, tmp_path_factory):
    """Call with a folder and words: Python types them there, in an environment of the wheel."""
    environment = tmp_path_factory.mktemp("bare") / "venv"
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    purelib = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    found = subprocess.run(purelib, capture_output=True, text=True, check=True)
    site = Path(found.stdout.strip())
    zipfile.ZipFile(wheel).extractall(site)
    # Its dependencies are linked one by one: the .pth line of the checkout would hide what the
    # wheel lacks.
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if entry.name == "hydra_plugins":
            for plugin in entry.iterdir():
                if not (site / "hydra_plugins" / plugin.name).exists():
                    (site / "hydra_plugins" / plugin.name).symlink_to(plugin)
        elif entry.suffix != ".pth" and not (site / entry.name).exists():
            (site / entry.name).symlink_to(entry)
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}

    def typed(folder, *words, code=0, timeout=300):
        ended = subprocess.run(
            [python, *words], cwd=folder, env=clean, capture_output=True, text=True, timeout=timeout
        )
        assert ended.returncode == code, f"{words}\n{ended.stdout}\n{ended.stderr}"
        return ended

    where = typed(environment, "-c", "import runner; print(runner.__file__)")
    assert where.stdout.startswith(str(site))
    return typed
