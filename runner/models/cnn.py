"""Blocks of convolutions, each followed by a 2x2 max-pool, then the layers of mlp.py."""

from typing import Any

from runner.config.schema import ModelConfig
from runner.engine.protocol import Engine
from runner.models.mlp import MLP


class CNN(MLP):
    """The blocks of `model.blocks`, then the hidden layers.

    By default there is one block of one convolution with `model.channels`.
    """

    def __init__(self, config: ModelConfig, engine: Engine, n_classes: int) -> None:
        super().__init__(config, engine, n_classes)
        self.blocks = [
            engine.conv_block(channels) for channels in config.blocks or [[config.channels]]
        ]
        for i, block in enumerate(self.blocks, start=1):
            setattr(self, f"block{i}", block)

    def forward(self, x: Any) -> Any:
        for block in self.blocks:
            x = block(x)
        return super().forward(x)


def build(config: ModelConfig, engine: Engine, n_classes: int) -> CNN:
    """`model=cnn`."""
    return CNN(config, engine, n_classes)
