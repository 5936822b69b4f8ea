"""The book's multi-layer perceptron: hidden layers on flat pixels, then a score for each class."""

from typing import Any

from runner.engine.dezero import Model
from runner.engine.protocol import Engine


class MLP(Model):  # type: ignore[misc]  # DeZero is untyped
    """`fc_depth` times [linear, ReLU, dropout], then linear.

    Parameters
    ----------
    hidden_size
        Units of each hidden layer.
    fc_depth
        Number of hidden layers.
    dropout, dropout_ratio
        Whether dropout follows each hidden layer, and the share of units that it drops.
    n_classes
        Number of scores.
    """

    def __init__(
        self,
        hidden_size: int,
        fc_depth: int,
        dropout: bool,
        dropout_ratio: float,
        n_classes: int,
        engine: Engine,
    ) -> None:
        super().__init__()
        ratio = dropout_ratio if dropout else None
        self.hidden = []
        for i in range(1, fc_depth + 1):
            layer = engine.hidden(f"fc{i}", hidden_size, ratio)
            setattr(self, f"fc{i}", layer)
            self.hidden.append(layer)
        self.out = engine.output(n_classes)

    def forward(self, x: Any) -> Any:
        # x.reshape leaves an array an array; F.flatten would make a Variable of it, whose gradient
        # is computed.
        x = x.reshape(len(x), -1)
        for layer in self.hidden:
            x = layer(x)
        return self.out(x)
