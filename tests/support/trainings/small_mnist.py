"""A MNIST of 50 images, its files in every form, and processes that prepare it."""

import gzip
import hashlib
import json
import os
import struct
import subprocess
import sys
from dataclasses import replace

import numpy as np
from places import REPO, TESTS

from runner.data.catalogue import CATALOGUE
from runner.data.idx import STEMS

SUPPORT = TESTS / "support"
IMAGES, LABELS = STEMS[:2]
HTML = b"<!DOCTYPE html><html><body>Please log in to the hotel's network</body></html>"


def idx_bytes(array):
    return (
        bytes([0, 0, 8, array.ndim])
        + struct.pack(f">{array.ndim}I", *array.shape)
        + array.tobytes()
    )


def small_arrays():
    rng = np.random.default_rng(0)

    def pair(n):
        return [rng.integers(0, 256, (n, 4, 4), np.uint8), rng.integers(0, 10, n, np.uint8)]

    return pair(30) + pair(20)


def small_files():
    return {stem: idx_bytes(array) for stem, array in zip(STEMS, small_arrays(), strict=True)}


ZIPPED = gzip.compress(small_files()[IMAGES])


def entry(*mirrors):
    """The entry of the catalogue that makes `small_files()` the right MNIST."""
    images, labels, test_images, test_labels = small_arrays()
    files = tuple(hashlib.sha256(content).hexdigest() for content in small_files().values())
    return replace(
        CATALOGUE["mnist"],
        n_train=30,
        n_test=20,
        image_shape=(1, 4, 4),
        sha256=written_out_digest([images[:, None], labels, test_images[:, None], test_labels]),
        source=replace(CATALOGUE["mnist"].source, mirrors=mirrors, sha256=files),
    )


def written_out_digest(arrays):
    """The definition in runner/data/loading.py's docstring, said a second time."""
    parts = b""
    for array in arrays:
        parts += (
            "x".join(str(n) for n in array.shape).encode()
            + b";"
            + hashlib.sha256(array.tobytes()).digest()
        )
    return hashlib.sha256(parts).hexdigest()


def write_files(folder, files, zipped=True):
    folder.mkdir(parents=True, exist_ok=True)
    for stem, content in files.items():
        (folder / (f"{stem}.gz" if zipped else stem)).write_bytes(
            gzip.compress(content, mtime=0) if zipped else content
        )
    return folder


def everything_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def good_pages():
    return {
        f"{stem}.gz": gzip.compress(content, mtime=0) for stem, content in small_files().items()
    }


def start_children(n, work, folder, **environment):
    """Start processes that run `work`, statements about `cache`, once the file `go` appears."""
    child = (
        "import json, sys, time; from pathlib import Path\n"
        f"sys.path[:0] = {[str(REPO), str(SUPPORT), str(SUPPORT / 'trainings')]!r}\n"
        "import small_mnist; from runner.data import loading as data\n"
        "from runner.data.catalogue import CATALOGUE\n"
        f"cache, go = Path({str(folder / 'cache')!r}), Path({str(folder / 'go')!r})\n"
        "print('ready', flush=True)\n"
        "while not go.exists(): time.sleep(0.001)\n" + work
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", child],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        for _ in range(n)
    ]
    for process in children:
        assert process.stdout.readline() == "ready\n", process.communicate()[1]
    (folder / "go").touch()
    return children


def outputs(children):
    results = []
    for process in children:
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        results.append(json.loads(out))
    return results
