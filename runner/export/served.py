"""What an exported model runs: MLflow executes a copy of this file where it is loaded."""

import json
from pathlib import Path
from typing import Any

from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from runner.export.trained import Description, Trained


class Served(PythonModel):
    """Predicts with a `Trained` that is made from the artifacts of an MLflow model."""

    #: Images are no table, and MLflow is not to check them as one.
    _skip_type_hint_validation = True

    def load_context(self, context: Any) -> None:
        folder = Path(context.artifacts["run"])
        description = Description(**json.loads((folder / "description.json").read_text("utf-8")))
        self.trained = Trained(description, (folder / "weights.npz").read_bytes())

    # MLflow would take annotations for a schema.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """The scores of images, as `Trained.__call__` gives them."""
        return self.trained(model_input)


set_model(Served())
