"""A trained model as an MLflow model of the flavour `pyfunc`."""

import importlib.metadata
import json
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

from mlflow.pyfunc import save_model

from runner import __version__
from runner.export.trained import Description
from runner.plan import fingerprint
from runner.plan.kept import config_from

#: What an environment needs beside this package.
_PACKAGES = ("dezero", "numpy", "hydra-core", "omegaconf", "numba")


def write(description: Description, weights: Path, folder: Path) -> None:
    """Write the model, with the user's own code that it needs, into a folder that is not there."""
    with tempfile.TemporaryDirectory() as place:
        run = Path(place) / "run"
        run.mkdir()
        shutil.copy(weights, run / "weights.npz")
        (run / "description.json").write_text(json.dumps(asdict(description), indent=1), "utf-8")
        save_model(
            str(folder),
            python_model=str(Path(__file__).with_name("served.py")),
            artifacts={"run": str(run)},
            code_paths=_own_code(description) or None,
            pip_requirements=[f"{name}=={importlib.metadata.version(name)}" for name in _PACKAGES],
            metadata={"run_key": description.run_key, "runner": __version__},
        )


def _own_code(description: Description) -> list[str]:
    """The files and package folders of the user's own code."""
    targets = fingerprint.own_targets(config_from(description.config))
    files = fingerprint.own_modules(targets)
    top = {name: file for name, file in files.items() if "." not in name}
    return sorted(str(file.parent if file.name == "__init__.py" else file) for file in top.values())
