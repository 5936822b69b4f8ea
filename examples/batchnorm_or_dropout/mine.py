"""A small convolutional network with batch normalisation, dropout, or neither."""

from runner import F, L, Model


class Net(Model):
    """One convolution and one hidden layer.

    Parameters
    ----------
    regulariser
        What follows the hidden layer: batchnorm, dropout or none.
    """

    def __init__(self, regulariser: str = "none"):
        super().__init__()
        self.conv = L.Conv2d(8, kernel_size=3, pad=1)
        self.fc = L.Linear(64)
        self.out = L.Linear(10)
        self.regulariser = regulariser
        if regulariser == "batchnorm":
            self.norm = L.BatchNorm()

    def forward(self, x):
        x = F.pooling(F.relu(self.conv(x)), 2, 2)
        x = self.fc(F.reshape(x, (len(x), -1)))
        if self.regulariser == "batchnorm":
            x = self.norm(x)
        x = F.relu(x)
        if self.regulariser == "dropout":
            x = F.dropout(x, 0.5)
        return self.out(x)
