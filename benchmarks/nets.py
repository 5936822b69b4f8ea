"""The five networks that are timed, as sizes; each contestant builds them in its own way.

Only the standard library is imported here: the module is also read by a Python that has PyTorch and
nothing else.
"""

from dataclasses import dataclass

#: Images a step, in training and in evaluation.
BATCH = 100
N_CLASSES = 10
#: Of an epoch.
N_TRAIN_IMAGES, N_TEST_IMAGES = 60_000, 10_000
#: Height and width of an image, before and after the 2x2 max-pool.
SIDE, POOLED_SIDE = 28, 14
LEARNING_RATE, WEIGHT_DECAY, DROPOUT_RATIO = 1e-3, 1e-4, 0.5
#: DeZero's, of its BatchNorm: what is added to a variance, and how much of an average stays.
NORM_EPS, NORM_DECAY = 2e-5, 0.9
FULL_SCALE = 255.0


@dataclass(frozen=True)
class Net:
    """One 3x3 convolution with ReLU and 2x2 max-pool, or none (0 channels); then hidden layers;
    then 10 scores."""

    channels: int
    hidden: tuple[int, ...]
    #: Whether each hidden layer ends with dropout.
    dropout: bool
    #: As users write one (users_net.py): two convolutions before the pool, BatchNorm after each,
    #: and tanh where the others have ReLU.
    users: bool = False

    @property
    def convolutions(self) -> tuple[tuple[int, int], ...]:
        """Channels in and out of each."""
        if not self.channels:
            return ()
        first = (1, self.channels)
        return (first, (self.channels, self.channels)) if self.users else (first,)

    @property
    def layer_sizes(self) -> tuple[int, ...]:
        """Inputs of the first linear layer, units of each hidden one, classes."""
        n_features = self.channels * POOLED_SIDE**2 if self.channels else SIDE**2
        return n_features, *self.hidden, N_CLASSES

    @property
    def n_parameters(self) -> int:
        sizes = self.layer_sizes
        linear = sum((n_in + 1) * n_out for n_in, n_out in zip(sizes, sizes[1:], strict=False))
        convolution = sum((9 * n_in + 1) * n_out for n_in, n_out in self.convolutions)
        norm = 2 * sum(n_out for _, n_out in self.convolutions) if self.users else 0
        return linear + convolution + norm


NETS = {
    "conv30_fc100": Net(channels=30, hidden=(100,), dropout=True),
    "conv1_fc1000x2": Net(channels=1, hidden=(1000, 1000), dropout=True),
    "conv1_fc100": Net(channels=1, hidden=(100,), dropout=True),
    "book_mlp": Net(channels=0, hidden=(1000, 1000), dropout=False),
    "users_net": Net(channels=16, hidden=(100,), dropout=False, users=True),
}
