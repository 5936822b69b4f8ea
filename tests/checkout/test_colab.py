"""examples/colab.ipynb: executed in a bare environment, where it installs the wheel itself."""

import json
import subprocess
import sys
import venv
from importlib.metadata import version

import nbclient
import nbformat
import pytest
from commands import environment
from places import REPO

NOTEBOOK = REPO / "examples" / "colab.ipynb"


def test_it_names_the_wheel_that_is_built(wheel):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert wheel.name in notebook.cells[1].source
    assert not [cell.outputs for cell in notebook.cells if cell.get("outputs")]


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_it_installs_trains_and_shows_a_sweep(wheel, tmp_path, monkeypatch):
    home = tmp_path / "environment"
    venv.create(home, with_pip=True)
    python = str(home / "bin" / "python")
    kernel = [python, "-m", "pip", "install", "--quiet", f"ipykernel=={version('ipykernel')}"]
    if subprocess.run(kernel, capture_output=True, timeout=900).returncode:
        pytest.skip("no package index can be reached")
    spec = tmp_path / "share" / "kernels" / "bare"
    spec.mkdir(parents=True)
    started = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    shown = {"argv": started, "display_name": "bare", "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(shown))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share"))
    folder = tmp_path / "notebooks"
    folder.mkdir()
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    where = {"metadata": {"path": str(folder)}}
    client = nbclient.NotebookClient(notebook, timeout=3000, kernel_name="bare", resources=where)
    client.execute(env=environment(PACKAGE=wheel.as_uri(), PYTHONPATH="", MNIST_ROOT=""))
    said = json.dumps(notebook.cells)
    assert "20 of 20 runs trained and stored" in said and "20 of 20 runs done" in said
    assert "Exploratory: asked after the runs" in said and "image/png" in said
    assert (folder / "state").is_dir() and sys.prefix not in said
    assert list(folder.glob("reports/*/report.html"))
