"""Losses of the untouched dezero==0.0.13, where it still runs as it was written: NumPy 1.23.5.

There `np.int` exists and the weights stay float32. Our repaired DeZero on NumPy 2 must come to the
same losses, within 1e-5 relative: BLAS threads and BLAS kernels alone move them by up to 1e-6.

    python3.11 -m venv /tmp/np123 /tmp/np123/bin/pip install numpy==1.23.5 dezero==0.0.13
    matplotlib==3.7.5 /tmp/np123/bin/python tests/reference/untouched_dezero.py >
    tests/reference/untouched_dezero.json

`inputs(net_name)` makes all that a net is fed, and needs NumPy alone: a test can feed the same
numbers.
"""

import json
import math
import platform

import numpy as np

BATCH = 100
STEPS = 20

# channels None: no convolution, flat pixels / 255. Else: raw pixels through conv, ReLU and 2x2 max
# pooling.
NETS = {
    "book_mlp": dict(seed=1, gain=5, channels=None, hidden=[1000, 1000], dropout=False),
    "conv1": dict(seed=2, gain=1, channels=1, hidden=[1000, 1000], dropout=True),
    "conv30": dict(seed=3, gain=1, channels=30, hidden=[100], dropout=True),
}


# =============================================================================
# What is fed (the stream of RandomState is frozen: the same in every NumPy)
# =============================================================================
def inputs(net_name):
    """Return the start `weights` by name, and the `images`, `labels` and dropout `masks` of every
    step."""
    net = NETS[net_name]
    rs = np.random.RandomState(net["seed"])
    weights = make_weights(rs, net["channels"], net["hidden"])
    images, labels = make_data(rs, BATCH * STEPS, net["gain"])
    hidden = net["hidden"] if net["dropout"] else []
    masks = [[rs.rand(BATCH, size) > 0.5 for size in hidden] for _ in range(STEPS)]
    return dict(weights=weights, images=images, labels=labels, masks=masks)


def make_weights(rs, channels, hidden):
    """DeZero's own initialisation, with the scale cast so that the weights stay float32 under NumPy
    2 too."""
    weights = {}

    def add(name, shape, fan_in, out_size):
        weights[name + "/W"] = rs.randn(*shape).astype(np.float32) * np.float32(
            math.sqrt(1 / fan_in)
        )
        weights[name + "/b"] = np.zeros(out_size, dtype=np.float32)

    in_size = 28 * 28
    if channels:
        add("block1/conv1", (channels, 1, 3, 3), 9, channels)
        in_size = channels * 14 * 14
    for i, out_size in enumerate(hidden, 1):
        add(f"fc{i}/linear", (in_size, out_size), in_size, out_size)
        in_size = out_size
    add("out", (in_size, 10), in_size, 10)
    return weights


def make_data(rs, n, gain):
    """Images that can be learned: each label has a sparse pattern, with noise on the pixels it
    lights.

    They are sparse, and dim (0-50) before `gain`: on bright raw pixels the convolutional nets blow
    rounding up past 1e-5 within 20 steps. book_mlp, which divides by 255, takes them at full
    brightness. A tenth of the labels is drawn afresh, or else the losses fall to 0.0 and cannot be
    compared relatively.
    """
    patterns = rs.randint(10, 41, (10, 28, 28)) * (rs.rand(10, 28, 28) < 0.05)
    labels = rs.randint(0, 10, n)
    images = patterns[labels]
    noise = rs.randint(-10, 11, images.shape)
    images = np.where(images > 0, images + noise, 0) * gain
    labels = np.where(rs.rand(n) < 0.1, rs.randint(0, 10, n), labels)
    return images.reshape(n, 1, 28, 28).astype(np.uint8), labels.astype(np.uint8)


def as_x(net_name, images):
    """Return uint8 images as the float32 batch that the net takes."""
    x = images.astype(np.float32)
    if NETS[net_name]["channels"] is None:
        return x.reshape(len(x), -1) / np.float32(255)
    return x


# =============================================================================
# The untouched DeZero (imported only here)
# =============================================================================
def make_model(net_name):
    """Build the net out of DeZero's layers, under the weight names of `inputs`."""
    import dezero.functions as F
    import dezero.layers as L
    from dezero import Layer, Model

    net = NETS[net_name]

    class ConvBlock(Layer):
        def __init__(self, channels):
            super().__init__()
            self.conv1 = L.Conv2d(channels, kernel_size=3, stride=1, pad=1)

        def forward(self, x):
            return F.pooling(F.relu(self.conv1(x)), 2, 2)

    class FullBlock(Layer):
        def __init__(self, out_size):
            super().__init__()
            self.linear = L.Linear(out_size)

        def forward(self, x):
            x = F.relu(self.linear(x))
            return F.dropout(x, 0.5) if net["dropout"] else x

    class Net(Model):
        def __init__(self):
            super().__init__()
            if net["channels"]:
                self.block1 = ConvBlock(net["channels"])
            self.fcs = []
            for i, out_size in enumerate(net["hidden"], 1):
                fc = FullBlock(out_size)
                setattr(self, f"fc{i}", fc)
                self.fcs.append(fc)
            self.out = L.Linear(10)

        def forward(self, x):
            if net["channels"]:
                x = F.reshape(self.block1(x), (len(x), -1))
            for fc in self.fcs:
                x = fc(x)
            return self.out(x)

    return Net()


class FixedMasks:
    """While open, `np.random.rand` hands out the masks in turn: F.dropout keeps a unit where rand >
    0.5."""

    def __init__(self, masks):
        self.masks = iter(masks)

    def __enter__(self):
        self.rand = np.random.rand
        np.random.rand = self.next_mask

    def __exit__(self, *exc):
        np.random.rand = self.rand

    def next_mask(self, *shape):
        mask = next(self.masks)
        assert mask.shape == shape
        return mask.astype(np.float64)  # 1.0 keeps, 0.0 drops


def train(net_name):
    """Train one net for STEPS steps; return its losses, its accuracies and sums over its final
    weights."""
    import dezero.functions as F
    from dezero import optimizers

    fed = inputs(net_name)
    model = make_model(net_name)
    params = {}
    model._flatten_params(params)
    assert params.keys() == fed["weights"].keys()
    for name, param in params.items():
        param.data = fed["weights"][name]

    optimizer = optimizers.Adam().setup(model)
    optimizer.add_hook(optimizers.WeightDecay(1e-4))

    losses, accuracies = [], []
    for step in range(STEPS):
        batch = slice(step * BATCH, (step + 1) * BATCH)
        x, t = as_x(net_name, fed["images"][batch]), fed["labels"][batch]
        with FixedMasks(fed["masks"][step]):
            y = model(x)
        loss = F.softmax_cross_entropy(y, t)
        acc = F.accuracy(y, t)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        losses.append(float(loss.data))
        accuracies.append(float(acc.data))

    for name, param in params.items():
        assert param.data.dtype == np.float32, name
    assert np.isfinite(losses).all()
    assert np.mean(losses[-5:]) < 0.5 * losses[0], losses

    sums = {}
    for name in sorted(params):
        W = params[name].data.astype(np.float64)
        sums[name] = dict(sum=float(W.sum()), abs_sum=float(np.abs(W).sum()))
    return dict(losses=losses, accuracies=accuracies, weights=sums)


def main():
    import dezero

    versions = dict(
        python=platform.python_version(), numpy=np.__version__, dezero=dezero.__version__
    )
    nets = {net_name: train(net_name) for net_name in NETS}
    print(json.dumps(dict(versions=versions, nets=nets), indent=1))


if __name__ == "__main__":
    main()
