"""`python -m runner --help`: every knob with its default and its comment, read from conf/ itself."""

import re
from pathlib import Path

_HEAD = """\
Train every combination of the knobs with DeZero, several seeds each, and record every curve in MLflow.

  python -m runner -m model.channels=1,30 model.dropout=true,false   every combination, seeds 0 to 4
  python -m runner -m sweeps=published                               a named sweep of sweeps/
  python -m runner train.epochs=3 seed=7                             one run, a line an epoch
  python -m runner -m ... plan=true                                  what would be trained, how long, where
  python -m runner.ui                                                browse the curves in MLflow
  python -m runner.sync                                              bring MLflow in step with state/

Exit codes: 0 trained and stored; 1 some runs failed; 2 bad configuration or command; 3 data missing or wrong;
4 safe on disk, MLflow behind; 130 or 143 interrupted. HYDRA_FULL_ERROR=1 shows tracebacks; --hydra-help Hydra's flags.
"""

#: conf/ file -> prefix of its knobs, in the order shown.
_FILES = {
    "config.yaml": "",
    "model/cnn.yaml": "model.",
    "data/mnist.yaml": "data.",
    "optimizer/adam.yaml": "optimizer.",
    "engine/fast.yaml": "engine.",
}


def text(folder: Path) -> str:
    """The whole help, for the folder that holds conf/ and sweeps/."""
    groups = [
        f"  {group}={'|'.join(sorted(f.stem for f in (folder / place).glob('*.yaml')))}"
        for group, place in {
            "model": "conf/model",
            "data": "conf/data",
            "optimizer": "conf/optimizer",
            "engine": "conf/engine",
            "preset": "conf/preset",
            "sweeps": "sweeps",
        }.items()
    ]
    sections = [_HEAD, "Choices:", *groups, "", "Knobs (key=default):"]
    for file, prefix in _FILES.items():
        for key, value, comment in knobs(folder / "conf" / file):
            sections += [f"  {prefix}{key}={value}", f"      {comment}"]
    return "\n".join(sections)


def knobs(file: Path) -> list[tuple[str, str, str]]:
    """(key, default, comment) of each commented knob of a conf/ file, read as text: YAML drops comments."""
    found = []
    section = comment = ""
    for line in file.read_text(encoding="utf-8").splitlines():
        indent, key, value = _split(line)
        if line.lstrip().startswith("#"):
            comment = line.strip().lstrip("# ")
            continue
        if key and not indent:
            section = key
        if key and value and comment and section not in ("defaults", "hydra", "worker"):
            found.append((f"{section}.{key}" if indent else key, value, comment))
        comment = ""
    return found


def _split(line: str) -> tuple[str, str, str]:
    match = re.fullmatch(r"( *)([a-z_0-9]+):(?: (.*))?", line)
    return (match[1], match[2], match[3] or "") if match else ("", "", "")
