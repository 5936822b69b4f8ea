"""`python -m runner --help`, and docs/knobs.md: every knob with its default, from the schema.

`python -m runner.config.help > docs/knobs.md` writes that page anew.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # OmegaConf's own
from omegaconf import OmegaConf

from runner.config import parts
from runner.config.knob import Knob
from runner.config.schema import GROUPS, KNOBS
from runner.record import as_text
from runner.system.command import command_of
from runner.system.files import values_folder
from runner.words.columns import wrapped

_HEAD = (
    "Train every combination of the knobs with DeZero, several seeds each, and record every curve"
    " in MLflow."
)
_CODES = (
    "Exit codes: 0 trained and stored; 1 some runs failed; 2 bad configuration or command; 3 data"
    " missing or wrong; 4 safe on disk, MLflow behind; 130 or 143 interrupted. HYDRA_FULL_ERROR=1"
    " shows tracebacks; --hydra-help Hydra's flags."
)
#: Lines are not longer, however wide the terminal is; and where a command's meaning begins.
_WIDEST, _MEANING = 110, 69
#: Modules, what is typed after their commands, and what that does.
_COMMANDS = (
    ("runner", "-m model.channels=1,30 model.dropout=true,false", "all combinations, seeds 0 to 4"),
    ("runner", "-m sweeps=published", "a named sweep of sweeps/"),
    ("runner", "train.epochs=3 seed=7", "one run, a line an epoch"),
    ("runner", "-m ... plan=true", "the plan, and how long it takes"),
    ("runner", "--cfg job -m sweeps=published", "the configuration, and what is swept"),
    ("analysis", "[SWEEP]", "what its claims earned, and a report"),
    ("runner.ui", "", "browse the curves in MLflow"),
    ("runner.status", "[SWEEP]", "what ran, is running, is left"),
    ("runner.sync", "[--from OTHER_ROOT]", "bring MLflow in step"),
    ("runner.forget", "SWEEP|RUN", "remove what no sweep needs"),
    ("runner.export", "RUN", "write a trained model"),
    ("runner.card", "", "whether a GPU computes right"),
)
#: The tab key is of the console script alone.
_COMPLETION = ('eval "$(ablation-runner -sc install=bash)"', "complete its words by tab")

_PAGE = """\
# Knobs

<!-- `python -m runner.config.help > docs/knobs.md` writes this page. -->

Every value of a configuration, in the order of `runner/config/schema.py`. Type `KEY=VALUE` after
`python -m runner` to change it, and `KEY=A,B` after `python -m runner -m` to sweep it. A knob in
the *run key* bears on numbers: another value is another run, unless it has no effect there.
`ablation-runner` is the same command as `python -m runner`; after
`eval "$(ablation-runner -sc install=bash)"` the tab key completes its knobs, groups and sweeps (in
zsh `install=zsh`, after `autoload -Uz compinit bashcompinit; compinit; bashcompinit`).
A file `runner.py` of yours in the working directory is what `python -m runner` starts there;
`ablation-runner` says so, and which file to rename.

| knob | default | meaning | allowed | has an effect | run key | in MLflow |
|---|---|---|---|---|---|---|
"""


def text(folder: Path, own: Path | None = None) -> str:
    """The whole help, as wide as the terminal.

    Parameters
    ----------
    folder
        What holds conf/ and sweeps/.
    own
        The user's folder, whose conf/ and sweeps/ give further choices.
    """
    typed = [(f"{command_of(module)} {words}", does) for module, words, does in _COMMANDS]
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    lines = [*wrapped(_HEAD, width), ""]
    beside = [f"  {words:<{_MEANING - 2}}{does}" for words, does in [*typed, _COMPLETION]]
    below = [f"  {words.rstrip()}\n      {does}" for words, does in [*typed, _COMPLETION]]
    lines += beside if max(map(len, beside)) <= width else below
    lines += ["", *wrapped(_CODES, width), "", "Choices:"]
    for group in GROUPS:
        place = group if group == "sweeps" else f"conf/{group}"
        folders = [folder / place, *([own / place] if own else [])]
        options = sorted({file.stem for found in folders for file in found.glob("*.yaml")})
        lines += wrapped(f"{group}={' | '.join(options)}", width, "  ", " " * 6)
    lines += ["", "Knobs (key=default):"]
    for name, knob, value in _explained(folder):
        only = f" Only {_condition(knob)}." if knob.has_effect else ""
        sentences = f"{knob.comment} Allowed: {knob.allowed.text}.{only}{_variable(knob)}"
        lines.append(f"  {name}={as_text(value)}")
        lines += wrapped(sentences, width, " " * 6, " " * 6)
    return "\n".join([*lines, *(_own_knobs(own) if own and own != folder else [])])


def _own_knobs(folder: Path) -> Iterator[str]:
    """Lines for the user's files of conf/: what each names, and the knobs that it has then."""
    files = [f for section in parts.SECTIONS for f in (folder / "conf" / section).glob("*.yaml")]
    if files:
        yield "\nYour files, and the knobs that each brings (key=default):"
    for file in sorted(files):
        section = file.parent.name
        try:
            values = _values(file)
        except (OSError, ValueError, yaml.YAMLError) as error:
            yield f"  {section}={file.stem}: {str(error).splitlines()[0]}"
            continue
        yield f"  {section}={file.stem}: {values.get(parts.TARGET, f'without {parts.TARGET}')}"
        for key, value in values.items():
            if key == parts.TARGET:
                continue
            known = KNOBS.get(f"{section}.{key}")
            comment = parts.parameter(section, values, key).comment
            if known and not known.is_argument:
                comment = known.comment
            yield f"      {section}.{key}={as_text(value)}  {comment}"


def page(folder: Path) -> str:
    """docs/knobs.md."""
    rows = [
        f"| `{name}` | `{as_text(value)}` | {knob.comment}{_variable(knob)} | {knob.allowed.text}"
        f" | {_condition(knob)} | {_yes(knob.bears_on_numbers)} | {_yes(knob.recorded)} |\n"
        for name, knob, value in _explained(folder)
    ]
    return _PAGE + "".join(rows)


def defaults(folder: Path) -> dict[str, Any]:
    """The value of each knob in conf/, by dotted name, where nothing is typed.

    One that the chosen files do not have has the value of the first file that has it.
    """
    values = _values(folder / "conf" / "config.yaml")
    for section, known in parts.SECTIONS.items():
        files = sorted((folder / "conf" / section).glob("*.yaml"))
        others = {k: v for file in reversed(files) for k, v in _values(file).items()}
        named = {known.label: parts.label(section, values[section])}
        values[section] = others | named | values[section]
    found = {}
    for name in KNOBS:
        value: Any = values
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        variable = re.fullmatch(r"\$\{oc\.env:\w+,(.*)\}", str(value))
        found[name] = yaml.safe_load(variable[1]) if variable else value
    return found


def _values(file: Path) -> dict[str, Any]:
    """The values of a file of conf/ over those of the files that its defaults list names."""
    own: Any = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    merged: dict[str, Any] = {}
    for default in own.pop("defaults", []):
        if isinstance(default, dict):  # a group with its option
            ((group, option),) = default.items()
            if group in GROUPS and group != "sweeps" and option is not None:
                chosen = _values(file.parent / group / f"{option}.yaml")
                merged[group] = merged.get(group, {}) | chosen
        elif default not in ("_self_", "schema"):
            merged |= _values(file.with_name(f"{default}.yaml"))
    merged |= own
    return merged


def _explained(folder: Path) -> Iterator[tuple[str, Knob, Any]]:
    """Each knob that a user may set, with its name and its default."""
    values = defaults(folder)
    return ((n, knob, values[n]) for n, knob in KNOBS.items() if not n.startswith("worker."))


def _variable(knob: Knob) -> str:
    return f" ${knob.variable} gives another default." if knob.variable else ""


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "no"


def _condition(knob: Knob) -> str:
    """When it changes anything, in words."""
    return "always" if knob.has_effect is None else knob.has_effect.words


if __name__ == "__main__":
    print(page(values_folder()), end="")
