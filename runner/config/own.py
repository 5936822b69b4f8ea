"""The user's files of configuration: conf/ and sweeps/ of the working directory."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from runner.config.schema import GROUPS
from runner.errors import ConfigError
from runner.system.files import values_folder


def search_path() -> list[str]:
    """Where Hydra is to look in the working directory, each with its scheme: for conf/, sweeps/."""
    here = Path.cwd()
    if here == values_folder():
        return []
    places = {here / "conf": f"file://{here / 'conf'}", here / "sweeps": f"sweeps://{here}"}
    return [place for folder, place in places.items() if folder.is_dir()]


def folders() -> list[Path]:
    """The folders of the working directory that hold files of this program's groups."""
    here = Path.cwd()
    if here == values_folder():
        return []
    return [folder for group in GROUPS if (folder := here / _folder(group)).is_dir()]


def check_name(folder: Path, file: Path) -> None:
    """Refuse a file of `folders()` that would be hidden by one that ships.

    Raises
    ------
    ConfigError
    """
    if file.parent != folder or folder not in folders():
        return
    group = folder.name
    if (values_folder() / _folder(group) / file.name).is_file():
        raise ConfigError(
            f"{file.relative_to(Path.cwd())}: {group}={file.stem} ships already; give yours another"
            " name"
        )


def chosen(choices: Iterable[Mapping[str, str | None]]) -> list[str]:
    """The user's files among the options that Hydra chose, by group, each once."""
    here = Path.cwd()
    if here == values_folder():
        return []
    pairs = dict.fromkeys(pair for of_cell in choices for pair in of_cell.items())
    files = (f"{_folder(group)}/{option}.yaml" for group, option in pairs if group in GROUPS)
    return [
        file for file in files if (here / file).is_file() and not (values_folder() / file).is_file()
    ]


def _folder(group: str) -> str:
    return "sweeps" if group == "sweeps" else f"conf/{group}"
