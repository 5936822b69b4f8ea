"""A user's folder for tests in one process: its modules and files of conf/ (a pytest plugin)."""

import importlib
import itertools
import os
import sys
import textwrap

import pytest

from runner.config.knobs.signature import signature_of


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The working directory; call it with a path and a text to write a file there."""
    folder = tmp_path / "my-study"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    times, loaded = itertools.count(10**18, 10**9), set(sys.modules)

    def write(path, text):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
        os.utime(file, ns=(time := next(times), time))  # two edits may come in one tick
        importlib.invalidate_caches()
        signature_of.cache_clear()
        return file

    yield write
    signature_of.cache_clear()
    for name in set(sys.modules) - loaded:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(folder)):
            del sys.modules[name]
