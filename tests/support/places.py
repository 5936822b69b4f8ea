"""Where the checkout and the parts of the test suite are."""

import os
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
REPO = TESTS.parent
#: The PYTHONPATH under which support/faulty/sitecustomize.py makes the runs of a command misbehave.
FAULTY = os.pathsep.join((str(TESTS / "support" / "faulty"), str(REPO)))
#: What untouched DeZero computes.
REFERENCE = TESTS / "support" / "reference"
EMULATED = TESTS / "support" / "emulated"
#: A root that version 1 left; tests/end_to_end/test_version1.py says of which commands.
VERSION1 = TESTS / "support" / "version1.tar.xz"
