"""A network as users write one, with DeZero's own layers and functions.

Imported after whatever makes `import dezero` work, and repairs it where that is wanted
(contestants/dezero_as_shipped.py, dezero_float32.py, ours.py).
"""

from typing import Any

import dezero.functions as F
import dezero.layers as L
from dezero import Model


class UsersNet(Model):  # type: ignore[misc]  # DeZero is untyped
    """Two 3x3 convolutions, a pool and two linear layers, with tanh between them.

    Parameters
    ----------
    channels
        Of both convolutions.
    norm
        Whether BatchNorm follows each convolution.
    """

    def __init__(self, channels: int, hidden_size: int, n_classes: int, norm: bool) -> None:
        super().__init__()
        self.conv1 = L.Conv2d(channels, 3, stride=1, pad=1)
        self.conv2 = L.Conv2d(channels, 3, stride=1, pad=1)
        self.norm1 = L.BatchNorm() if norm else None
        self.norm2 = L.BatchNorm() if norm else None
        self.fc1, self.fc2 = L.Linear(hidden_size), L.Linear(n_classes)

    def forward(self, x: Any) -> Any:
        x = self.conv1(x)
        x = F.tanh(self.norm1(x) if self.norm1 else x)
        x = self.conv2(x)
        x = F.tanh(self.norm2(x) if self.norm2 else x)
        x = F.flatten(F.pooling(x, 2, 2))
        return self.fc2(F.tanh(self.fc1(x)))
