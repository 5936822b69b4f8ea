"""The book's multi-layer perceptron: hidden layers on flat pixels, then a score for each class."""

from typing import Any

from runner.config.schema import ModelConfig
from runner.engine.dezero import Model
from runner.engine.protocol import Engine


class MLP(Model):  # type: ignore[misc]  # DeZero is untyped
    """`fc_depth` times [linear, ReLU, dropout], then linear."""

    def __init__(self, config: ModelConfig, engine: Engine, n_classes: int) -> None:
        super().__init__()
        ratio = config.dropout_ratio if config.dropout else None
        self.hidden = []
        for i in range(1, config.fc_depth + 1):
            layer = engine.hidden(f"fc{i}", config.hidden_size, ratio)
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


def build(config: ModelConfig, engine: Engine, n_classes: int) -> MLP:
    """`model=mlp`."""
    return MLP(config, engine, n_classes)
