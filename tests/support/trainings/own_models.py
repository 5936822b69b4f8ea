"""Models of a user's own, each a file as somebody with the book would write it."""

import os
import re
import sys
import textwrap

from places import REPO

from runner.config.knobs.signature import signature_of

KIND = "own"
_HEAD = "import numpy as np\nfrom runner import Model\nfrom runner.engine.dezero import F, L\n"

#: The published script: dropout by DeZero's function on what the layers give.
PUBLISHED = """
class Net(Model):
    def __init__(self):
        super().__init__()
        self.conv1 = L.Conv2d(3, kernel_size=3, stride=1, pad=1)
        self.fc2 = L.Linear(20)
        self.fc3 = L.Linear(10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.pooling(x, 2, 2)
        x = F.dropout(x, 0.2)
        x = F.reshape(x, (x.shape[0], -1))
        x = F.dropout(F.relu(self.fc2(x)))
        return self.fc3(x)
"""
BATCH_NORM = """
class Net(Model):
    def __init__(self):
        super().__init__()
        self.conv1 = L.Conv2d(3, kernel_size=3, stride=1, pad=1)
        self.bn1 = L.BatchNorm()
        self.fc2 = L.Linear(20)
        self.bn2 = L.BatchNorm()
        self.fc3 = L.Linear(10)

    def forward(self, x):
        x = F.pooling(F.relu(self.bn1(self.conv1(x))), 2, 2)
        x = F.relu(self.bn2(self.fc2(F.flatten(x))))
        return self.fc3(x)
"""
#: Two residual blocks with batch normalisation, the second of half the size.
RESIDUAL = """
class Block(L.Layer):
    def __init__(self, channels, stride):
        super().__init__()
        self.conv1 = L.Conv2d(channels, kernel_size=3, stride=stride, pad=1, nobias=True)
        self.bn1 = L.BatchNorm()
        self.conv2 = L.Conv2d(channels, kernel_size=3, stride=1, pad=1, nobias=True)
        self.bn2 = L.BatchNorm()
        self.stride = stride
        if stride > 1:
            self.conv3 = L.Conv2d(channels, kernel_size=1, stride=stride, nobias=True)
            self.bn3 = L.BatchNorm()

    def forward(self, x):
        h = F.relu(self.bn1(self.conv1(x)))
        h = self.bn2(self.conv2(h))
        skipped = self.bn3(self.conv3(x)) if self.stride > 1 else x
        return F.relu(h + skipped)


class Net(Model):
    def __init__(self, channels=4):
        super().__init__()
        self.conv = L.Conv2d(channels, kernel_size=3, pad=1, nobias=True)
        self.bn = L.BatchNorm()
        self.block1 = Block(channels, stride=1)
        self.block2 = Block(2 * channels, stride=2)
        self.out = L.Linear(10)

    def forward(self, x):
        x = F.relu(self.bn(self.conv(x)))
        x = self.block2(self.block1(x))
        x = F.average_pooling(x, x.shape[2:])
        return self.out(F.flatten(x))
"""
#: Running averages of one's own: an attribute that is made in training and put in place anew.
OWN_AVERAGES = """
import dezero


class Centre(L.Layer):
    def __init__(self):
        super().__init__()
        self.mean = None

    def forward(self, x):
        if dezero.Config.train:
            mean = x.data.mean(axis=0)
            self.mean = mean if self.mean is None else 0.9 * self.mean + 0.1 * mean
        return x - self.mean if self.mean is not None else x


class Net(Model):
    def __init__(self):
        super().__init__()
        self.fc1 = L.Linear(20)
        self.centre = Centre()
        self.fc2 = L.Linear(10)

    def forward(self, x):
        return self.fc2(F.dropout(F.relu(self.centre(self.fc1(F.flatten(x))))))
"""

#: Of the engine's own parts, with dropout by DeZero's function.
OF_PARTS = """
class Net(Model):
    def __init__(self, engine):
        super().__init__()
        self.fc1, self.out = engine.hidden("fc1", 12, None), engine.output(10)

    def forward(self, x):
        return self.out(F.dropout(self.fc1(x.reshape(len(x), -1)), 0.3))
"""


def net(init="", forward="", base="Model", head=""):
    """A net with more lines in its constructor, and other ones in its forward pass."""
    forward = forward or "return self.out(F.relu(self.fc1(F.flatten(x))))"
    return (
        head
        + f"class Net({base}):\n    def __init__(self):\n        super().__init__()\n"
        + "        self.fc1 = L.Linear(20)\n        self.out = L.Linear(10)\n"
        + textwrap.indent(textwrap.dedent(init), " " * 8)
        + "\n    def forward(self, x):\n"
        + textwrap.indent(textwrap.dedent(forward), " " * 8)
        + "\n"
    )


def example(name):
    """The module of a folder of examples/."""
    return (REPO / "examples" / name / "mine.py").read_text()


def module(source):
    """The text of the module that somebody with the book would write."""
    return _HEAD + source.lstrip("\n")


def define(source, folder, monkeypatch):
    """Write the module of this net, to be found by this process and by those it starts; the import
    path of the net, which is the last class."""
    (folder / f"{KIND}.py").write_text(module(source))
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, KIND, raising=False)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(REPO)]))
    signature_of.cache_clear()
    *_, name = re.findall(r"^class (\w+)", source, re.MULTILINE)
    return f"{KIND}.{name}"


def line_of(source, text):
    """The place of the line with this text, as a message names it."""
    lines = module(source).splitlines()
    return f"{KIND}.py:{1 + next(i for i, line in enumerate(lines) if text in line)}"
