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
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from runner.config import parts
from runner.config.schema import Config
from runner.errors import ConfigError
from runner.record import CODE_OF_VERSION_1
from runner.system import sources
from runner.system.files import PACKAGE
from runner.system.user_code import is_users

#: Fingerprints of code that computes the same numbers, each with the name of the code that was the
#: first to compute them, and the test that showed it.
EQUAL: dict[str, tuple[str, str]] = {
    "a4df40d14c849864f0ec22c3eb5d810939982ab6fc2aee26250a762cd32c741f": (
        CODE_OF_VERSION_1,
        "tests/plan/test_equal_code.py",
    ),
    "e6d2287a927458a795cb17cc41b417b37ce4667e029e533ad7866dac2f05f6ce": (
        CODE_OF_VERSION_1,
        "tests/gpu/test_gpu_equal_code.py",
    ),
    # Captured steps and threads on the CPU.
    "93b89c22988d933fc06efc2597ba6544a84f6c8cc3b2d9217625d8ed792cd94d": (
        CODE_OF_VERSION_1,
        "tests/plan/test_equal_code.py",
    ),
    "7a1f4e63a7c190bd60a870bdd94cb3783b103d021c5f09bd37ebe449d3566210": (
        CODE_OF_VERSION_1,
        "tests/gpu/test_gpu_equal_code.py",
    ),
}

#: What bears on numbers.
_ROOMS = ("data", "engine", "models", "seeding.py", "train")
_ON_GPU = "engine/gpu"

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
    """The fingerprint of all code of this program that trains, 64 hexadecimal digits.

    Parameters
    ----------
    package
        The folder of the package `runner`.
    """
    return _fingerprint(counted(device, package), package)


def own_code(config: Config) -> str:
    """The fingerprint of the user's own code that a configuration names; empty where all ships.

    Own data count by their bytes.
    """
    targets = own_targets(config)
    return own_fingerprint(targets) if targets else ""


def own_targets(config: Config) -> list[str]:
    """The import paths of the user's own code in a configuration, that of data left out."""
    found = [
        str(values[parts.TARGET])
        for section, values in (("model", config.model), ("optimizer", config.optimizer))
        if not parts.ships(section, values)
    ]
    augment = config.data["augment"]
    return [*found, *config.metrics.values(), *([augment] if augment else [])]


def own_fingerprint(targets: Iterable[str]) -> str:
    """The fingerprint of the modules of import paths, and of the user's that those import.

    A module is the user's unless it is installed or part of this program. Where an import path
    leads into an installed package, the modules of that package count.
    """
    files = own_modules(targets).items()
    return _joined(
        {module: _read(file, module, file.stat().st_mtime_ns)[0] for module, file in files}
    )


def own_modules(targets: Iterable[str]) -> dict[str, Path]:
    """The files that `own_fingerprint` covers, by the full names of their modules."""
    modules = [target.rpartition(".")[0] for target in targets]
    packages = {module.partition(".")[0] for module in modules}
    files: dict[str, Path] = {}
    while modules:
        module = modules.pop()
        file = sources.find(module)
        is_known = module.partition(".")[0] in packages
        if file is None or module in files or not (is_known or is_users(str(file))):
            continue
        files[module] = file
        modules += _read(file, module, file.stat().st_mtime_ns)[1]
        # The packages that a module lies in run, too.
        modules += [module.rpartition(".")[0]] if "." in module else []
    return files


@functools.cache
def _read(file: Path, module: str, mtime_ns: int) -> tuple[str, list[str]]:
    """The hash of a module's file, and the full names of what it may import."""
    return _hash(file), list(sources.imported(module, file, _tree(file)))


def counted(device: str, package: Path = PACKAGE) -> list[Path]:
    """The files of this program that count."""
    files = [file for room in _ROOMS for file in _sources(package / room)]
    on_gpu = package / _ON_GPU
    return [file for file in files if device == "gpu" or not file.is_relative_to(on_gpu)]


def _fingerprint(files: list[Path], package: Path) -> str:
    return _joined({file.relative_to(package).as_posix(): _hash(file) for file in files})


def _joined(hashes: Mapping[str, str]) -> str:
    lines = [f"{name} {sha256}\n" for name, sha256 in sorted(hashes.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _hash(file: Path) -> str:
    text = _canonical_cuda(file) if file.suffix != ".py" else "".join(_canonical(_tree(file)))
    return hashlib.sha256(text.encode()).hexdigest()


def _sources(place: Path) -> Iterator[Path]:
    """The sources of a room, or the file itself."""
    if place.suffix == ".py":
        yield place
        return
    for suffix in ("py", "cu", "cuh", "h"):
        yield from place.rglob(f"*.{suffix}")


def _tree(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_bytes(), str(file))
    except SyntaxError as error:
        raise ConfigError(f"{file.name}, line {error.lineno}: {error.msg}") from None


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
                value = (
                    _texts_joined(value) if isinstance(node, ast.JoinedStr) else _effective(value)
                )
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


def _texts_joined(parts: list[ast.expr]) -> list[ast.expr]:
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
