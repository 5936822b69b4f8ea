"""LeNet in small, with the activation as a knob."""

from runner import F, L, Model

ACTIVATIONS = {"relu": F.relu, "tanh": F.tanh, "sigmoid": F.sigmoid, "leaky_relu": F.leaky_relu}


class LeNet(Model):
    """Two convolutions and one hidden layer.

    Parameters
    ----------
    width
        Channels of the first convolution.
    activation
        relu, tanh, sigmoid or leaky_relu.
    """

    def __init__(self, width: int = 6, activation: str = "relu"):
        super().__init__()
        self.conv1 = L.Conv2d(width, kernel_size=3, pad=1)
        self.conv2 = L.Conv2d(2 * width, kernel_size=3, pad=1)
        self.fc = L.Linear(64)
        self.out = L.Linear(10)
        self.activation = ACTIVATIONS[activation]

    def forward(self, x):
        x = F.pooling(self.activation(self.conv1(x)), 2, 2)
        x = F.pooling(self.activation(self.conv2(x)), 2, 2)
        x = self.activation(self.fc(F.reshape(x, (len(x), -1))))
        return self.out(x)
