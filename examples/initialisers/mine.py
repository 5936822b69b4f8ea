"""Five hidden layers whose weights start as in chapter 6 of the first book."""

import numpy as np

from runner import F, L, Model


class Deep(Model):
    """Five hidden layers of 100 units.

    Parameters
    ----------
    start
        Their standard deviation: std001 (0.01), xavier (sqrt(1 / n)) or he (sqrt(2 / n)).
    activation
        relu or sigmoid.
    """

    def __init__(self, start: str = "he", activation: str = "relu", n_in: int = 64):
        super().__init__()
        self.activation = {"relu": F.relu, "sigmoid": F.sigmoid}[activation]
        self.hidden = []
        for i in range(5):
            layer = L.Linear(100, in_size=n_in)
            std = {"std001": 0.01, "xavier": np.sqrt(1 / n_in), "he": np.sqrt(2 / n_in)}[start]
            layer.W.data = (np.random.randn(n_in, 100) * std).astype(np.float32)
            setattr(self, f"fc{i + 1}", layer)
            self.hidden.append(layer)
            n_in = 100
        self.out = L.Linear(10)

    def forward(self, x):
        x = x.reshape(len(x), -1)
        for layer in self.hidden:
            x = self.activation(layer(x))
        return self.out(x)
