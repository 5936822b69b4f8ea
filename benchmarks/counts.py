"""What a step cannot do without: multiply-adds, and bytes to and from memory.

Counted are direct convolutions and plain matrix products; a max-pool right after a ReLU passes
gradients to one pixel in four, so that backward its convolution has a quarter of the multiply-adds.
After BatchNorm every pixel has a gradient. Im2col's traffic is not counted: a convolution can do
without.

Only the standard library is imported here, as in nets.py.
"""

from benchmarks.nets import BATCH, POOLED_SIDE, SIDE, Net

FLOAT32_BYTES = 4
#: Adam reads p, g, m, v and writes p, m, v.
ADAM_NUMBERS = 7
_WINDOW = 3 * 3


def linear_multiply_adds(net: Net, training: bool) -> int:
    """Of the linear layers: y = x W; training, gW = x' gy, too, and gx = gy W' but for images."""
    sizes = net.layer_sizes
    products = [n_in * n_out for n_in, n_out in zip(sizes, sizes[1:], strict=False)]
    n = sum(products)
    if training:
        n = 3 * n - (0 if net.channels else products[0])
    return BATCH * n


def convolution_multiply_adds(net: Net, training: bool) -> int:
    """Of the convolutions, gradients of their weights and, but for images, inputs included."""
    pairs = [_WINDOW * n_in * n_out for n_in, n_out in net.convolutions]
    n = SIDE**2 * sum(pairs)
    if training:
        n += (SIDE if net.users else POOLED_SIDE) ** 2 * sum(pairs)
        n += SIDE**2 * sum(pairs[1:])
    return BATCH * n


def layer_bytes(net: Net, training: bool) -> int:
    """Of a batch: read as uint8, written as float32; and the output of each layer but the last,
    written once and, training, read once.

    A convolution whose max-pool follows at once need not write more than the pooled numbers;
    training, BatchNorm has to see a whole batch first.
    """
    n_outputs = sum(net.layer_sizes[:-1] if net.channels else net.layer_sizes[1:-1])
    if net.users:
        n_outputs += net.channels * SIDE**2 * (2 if training else 1)
    pixels = SIDE**2 * (1 + FLOAT32_BYTES)
    return BATCH * (pixels + n_outputs * FLOAT32_BYTES * (2 if training else 1))


def adam_bytes(net: Net) -> int:
    """Of an update."""
    return ADAM_NUMBERS * FLOAT32_BYTES * net.n_parameters
