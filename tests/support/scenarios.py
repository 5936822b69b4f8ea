"""A table of what each scenario of a tier came to, at the end of pytest's output: a plugin."""

import contextlib
import time
from types import SimpleNamespace

import pytest

ROWS = []


def begun(name):
    """A new row of the table."""
    row = SimpleNamespace(name=name, seconds=0.0, rows="", equal="no", note="")
    ROWS.append(row)
    return row


@pytest.fixture
def scenario():
    """Call for a timed block, which gives `rows` and `note`; it is equal unless it raises."""

    @contextlib.contextmanager
    def timed(name):
        row, began = begun(name), time.monotonic()
        try:
            yield row
            row.equal = "yes"
        finally:
            row.seconds = time.monotonic() - began

    return timed


def pytest_terminal_summary(terminalreporter):
    if ROWS:
        width = max(len(row.name) for row in ROWS)
        terminalreporter.write_line(f"{'scenario':<{width}}  seconds   rows  equal")
    for row in ROWS:
        line = f"{row.name:<{width}}  {row.seconds:7.1f}  {row.rows:5}  {row.equal:<5}  {row.note}"
        terminalreporter.write_line(line.rstrip())
