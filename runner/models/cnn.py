"""Blocks of convolutions, each followed by a 2x2 max-pool, then the layers of mlp.py."""

from typing import Any

from runner.engine.protocol import Engine
from runner.models.mlp import MLP


class CNN(MLP):
    """Blocks of 3x3 convolutions with ReLU, a 2x2 max-pool after each, then the hidden layers.

    Parameters
    ----------
    channels
        Channels of the only convolution where there are no blocks.
    blocks
        Channels of each convolution, by block; None stands for [[channels]].
    hidden_size, fc_depth, dropout, dropout_ratio, n_classes
        As of MLP.
    """

    def __init__(
        self,
        channels: int,
        blocks: list[list[int]] | None,
        hidden_size: int,
        fc_depth: int,
        dropout: bool,
        dropout_ratio: float,
        n_classes: int,
        engine: Engine,
    ) -> None:
        super().__init__(hidden_size, fc_depth, dropout, dropout_ratio, n_classes, engine)
        self.blocks = [engine.conv_block(channels) for channels in blocks or [[channels]]]
        for i, block in enumerate(self.blocks, start=1):
            setattr(self, f"block{i}", block)

    def forward(self, x: Any) -> Any:
        for block in self.blocks:
            x = block(x)
        return super().forward(x)
