"""An image is read row by row."""

from runner import L, Model


class RowReader(Model):
    """A recurrent layer over the rows of an image, and a linear layer on its last state.

    Parameters
    ----------
    cell
        lstm or rnn.
    hidden_size
        Units of the recurrent layer.
    """

    def __init__(self, cell: str = "lstm", hidden_size: int = 32):
        super().__init__()
        self.rnn = {"lstm": L.LSTM, "rnn": L.RNN}[cell](hidden_size)
        self.out = L.Linear(10)

    def forward(self, x):
        self.rnn.reset_state()
        for row in range(x.shape[2]):
            h = self.rnn(x[:, 0, row])
        return self.out(h)
