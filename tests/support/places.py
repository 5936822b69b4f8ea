"""Where the checkout and the parts of the test suite are."""

from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
REPO = TESTS.parent
#: A sitecustomize.py that makes runs misbehave, for PYTHONPATH.
FAULTY = TESTS / "support" / "faulty"
#: What untouched DeZero computes.
REFERENCE = TESTS / "support" / "reference"
EMULATED = TESTS / "support" / "emulated"
