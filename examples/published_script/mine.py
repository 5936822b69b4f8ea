"""The network of the published script, as it stood there; its training loop is left out."""

import dezero.functions as F
import dezero.layers as L
from dezero import Model


class SimpleConvNet(Model):
    def __init__(self, channels=30, hidden_size=100):
        super().__init__()
        self.conv = L.Conv2d(channels, kernel_size=3, stride=1, pad=1)
        self.fc1 = L.Linear(hidden_size)
        self.fc2 = L.Linear(10)

    def forward(self, x):
        x = F.relu(self.conv(x))
        x = F.pooling(x, 2, 2)
        x = F.reshape(x, (x.shape[0], -1))
        x = F.dropout(F.relu(self.fc1(x)))
        return self.fc2(x)
