"""The code that a run's numbers depend on, as a hash: the same code is the same run.

A fingerprint is the SHA-256 of the syntax trees of the rooms that bear on numbers, so that
comments, docstrings and formatting do not count. Where a change is known to leave every number
alone, `EQUAL` says so, and runs keep their keys. `python -m runner.plan.fingerprint` prints the
fingerprints of this code.
"""

import ast
import functools
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runner.config.effects import SHIPPED_MODELS
from runner.record import CODE_OF_VERSION_1
from runner.system.files import PACKAGE

#: Fingerprints of code that computes the same numbers, each with the name of the code that was the
#: first to compute them, and the test that showed it.
EQUAL: dict[str, tuple[str, str]] = {
    "6409d6455c8d2c4c1b78a88ec3a39d0ae38213c9c00ca6576097ef4b33068414": (
        CODE_OF_VERSION_1,
        "tests/plan/test_equal_code.py",
    ),
    "2569c524bde8e27a57071322ab4ffe90978a165b0fb8b8f56cb97283d9e8770f": (
        CODE_OF_VERSION_1,
        "tests/gpu/test_gpu_equal_code.py",
    ),
}

#: What bears on numbers, beside the models.
_ROOMS = ("data", "engine", "seeding.py", "train")
_ON_GPU = "engine/gpu"
_MODELS = "models"

#: Fields of a syntax tree that say nothing, or the same as their place in it.
_LEFT_OUT = frozenset(("ctx", "kind", "type_comment", "type_ignores"))
#: A text in quotes, or a comment.
_CUDA_TEXT_OR_COMMENT = re.compile(r'("(?:\\.|[^"\\\n])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)


def code_name(device: str) -> str:
    """The name of this code in run keys and records: its fingerprint, or that of an equal one.

    Parameters
    ----------
    device
        "cpu" or "gpu": kernels for a GPU do not count on the CPU.
    """
    fingerprint = code_fingerprint(device)
    name, _ = EQUAL.get(fingerprint, (fingerprint, ""))
    return name


@functools.cache
def code_fingerprint(device: str, package: Path = PACKAGE) -> str:
    """The fingerprint of all code that trains the models that ship, 64 hexadecimal digits.

    Parameters
    ----------
    package
        The folder of the package `runner`.
    """
    return _fingerprint(counted(device, package), package)


@functools.cache
def own_model_fingerprint(kind: str, package: Path = PACKAGE) -> str:
    """The fingerprint of the file of a model that does not ship, and of what it imports there."""
    shipped = _with_imports(package / _MODELS, ("__init__", *SHIPPED_MODELS))
    own = _with_imports(package / _MODELS, (kind,))
    return _fingerprint([file for file in own if file not in shipped], package)


def counted(device: str, package: Path = PACKAGE) -> list[Path]:
    """The files that count for the models that ship."""
    files = [file for room in _ROOMS for file in _sources(package / room)]
    files += _with_imports(package / _MODELS, ("__init__", *SHIPPED_MODELS))
    on_gpu = package / _ON_GPU
    return [file for file in files if device == "gpu" or not file.is_relative_to(on_gpu)]


def _fingerprint(files: list[Path], package: Path) -> str:
    contents = {}
    for file in files:
        text = _canonical_cuda(file) if file.suffix != ".py" else "".join(_canonical(_tree(file)))
        contents[file.relative_to(package).as_posix()] = hashlib.sha256(text.encode()).hexdigest()
    lines = [f"{name} {sha256}\n" for name, sha256 in sorted(contents.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _sources(place: Path) -> Iterator[Path]:
    """The sources of a room, or the file itself."""
    if place.suffix == ".py":
        yield place
        return
    for suffix in ("py", "cu", "cuh", "h"):
        yield from place.rglob(f"*.{suffix}")


def _with_imports(folder: Path, modules: tuple[str, ...]) -> list[Path]:
    """The files of modules of `runner.models`, and of what those import from there."""
    files: list[Path] = []
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        for file in (folder / f"{name}.py", *(folder / name).rglob("*.py")):
            if file.is_file() and file not in files:
                files.append(file)
                waiting += _imported_models(_tree(file))
    return files


def _imported_models(tree: ast.Module) -> Iterator[str]:
    """The modules of `runner.models` that a module there imports."""
    here = f"{PACKAGE.name}.{_MODELS}"
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = ".".join(filter(None, (here if node.level else "", node.module)))
            names = [f"{origin}.{alias.name}" for alias in node.names]
        for name in names:
            if name.startswith(here + "."):
                yield name.removeprefix(here + ".").partition(".")[0]


def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_bytes(), str(file))


def _canonical(node: Any) -> list[str]:
    """A syntax tree in words that are the same in every version of Python."""
    words: list[str] = []
    _write(node, words)
    return words


def _write(node: Any, words: list[str]) -> None:
    if isinstance(node, ast.AST):
        words.append(type(node).__name__ + "(")
        for name in node._fields:
            value = getattr(node, name, None)
            if value is None or name in _LEFT_OUT:
                continue
            if isinstance(value, list):
                value = _joined(value) if isinstance(node, ast.JoinedStr) else _effective(value)
                if not value:
                    continue
                words.append(name + "=[")
                for item in value:
                    _write(item, words)
                words.append("]")
            else:
                words.append(name + "=")
                _write(value, words)
        words.append(")")
    else:
        words.append(f"{type(node).__name__} {ascii(node)},")


def _effective(items: list[Any]) -> list[Any]:
    """The statements of a block without docstrings and `pass`; any other list as it is."""
    return [
        item
        for item in items
        if not isinstance(item, ast.Pass)
        and not (isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant))
    ]


def _joined(parts: list[ast.expr]) -> list[ast.expr]:
    """The parts of an f-string; adjacent texts are one, which they are not in every Python."""
    joined: list[ast.expr] = []
    for part in parts:
        if isinstance(part, ast.Constant) and joined and isinstance(joined[-1], ast.Constant):
            joined[-1] = ast.Constant(str(joined[-1].value) + str(part.value))
        else:
            joined.append(part)
    return [part for part in joined if not (isinstance(part, ast.Constant) and part.value == "")]


def _canonical_cuda(file: Path) -> str:
    """A source in CUDA C++ without comments, empty lines, and more than one blank between words."""
    text = file.read_text(encoding="utf-8")
    text = _CUDA_TEXT_OR_COMMENT.sub(lambda match: match[1] or " ", text)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return "\n".join(filter(None, lines))


def main() -> None:
    """Print the fingerprint of the code for each device, and the name under which runs know it."""
    for device in ("cpu", "gpu"):
        print(f"{device} {code_fingerprint(device)} {code_name(device)}")


if __name__ == "__main__":
    main()
