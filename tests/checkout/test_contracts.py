"""The import contracts of pyproject.toml: what they forbid fails, and what they do not know."""

import graphlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from places import REPO

LINT = Path(sys.executable).with_name("lint-imports")
FOR_TYPES = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import "

needs_import_linter = pytest.mark.skipif(
    not LINT.exists(), reason="import-linter is not installed beside this Python"
)


@pytest.fixture
def tree(tmp_path):
    """A copy of what the contracts are about."""
    for package in ("runner", "analysis", "hydra_plugins"):
        shutil.copytree(
            REPO / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(REPO / "pyproject.toml", tmp_path)
    return tmp_path


def lint(tree):
    environment = os.environ | {"PYTHONPATH": str(tree), "COLUMNS": "200"}
    line = [LINT, "--no-cache"]
    return subprocess.run(
        line, cwd=tree, env=environment, capture_output=True, text=True, timeout=120
    )


def plant(file, text):
    file.parent.mkdir(parents=True, exist_ok=True)
    before = file.read_text(encoding="utf-8") if file.exists() else '"""A file of its own."""\n'
    file.write_text(f"{before}\n{text}\n", encoding="utf-8")


@needs_import_linter
def test_the_tree_as_it_is_keeps_every_contract(tree):
    ended = lint(tree)
    assert ended.returncode == 0 and " 0 broken" in ended.stdout, ended.stdout


@needs_import_linter
@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("runner/display/summary.py", "import mlflow", "runner.display.summary -> mlflow"),
        ("runner/plan/identity.py", "import cupy", "runner.plan.identity -> cupy"),
        ("runner/state/root.py", "import hydra", "runner.state.root -> hydra"),
        ("analysis/decide/study.py", "import matplotlib", "analysis.decide.study -> matplotlib"),
        ("analysis/statistics/power.py", "import runner.plan.plan", "-> runner.plan.plan"),
        ("runner/state/root.py", "from runner import orchestrator", "-> runner.orchestrator"),
        ("runner/models/cnn.py", "from dezero import Model", "runner.models.cnn -> dezero"),
        ("runner/engine/fast.py", "import numba", "runner.engine.fast -> numba"),
        ("hydra_plugins/quick.py", "import mlflow.entities", "hydra_plugins.quick -> mlflow"),
        ("runner/state/root.py", FOR_TYPES + "runner.sync", "runner.state.root -> runner.sync"),
        ("runner/errors.py", FOR_TYPES + "analysis.read", "runner.errors -> analysis.read"),
        (
            "runner/state/journal.py",
            FOR_TYPES + "runner.state.run_record",
            ".run_record -> .journal",
        ),
        ("runner/misc.py", "", "runner.misc"),
        ("runner/engine/quick.py", "", "runner.engine.quick"),
        ("runner/engine/gpu/quick.py", "", "runner.engine.gpu.quick"),
        ("analysis/helpers/__init__.py", "", "analysis.helpers"),
    ],
    ids=lambda value: value.replace("/", "."),
)
def test_an_import_in_a_wrong_room_or_a_file_in_no_row_fails(file, text, expected, tree):
    plant(tree / file, text)
    ended = lint(tree)
    assert ended.returncode != 0 and expected in ended.stdout, ended.stdout


@needs_import_linter
def test_no_module_imports_itself_by_way_of_others():
    import grimp

    graph = grimp.build_graph("runner", "analysis", cache_dir=None)
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    assert len(imports) > 100
    graphlib.TopologicalSorter(imports).prepare()  # raises CycleError, with the circle
