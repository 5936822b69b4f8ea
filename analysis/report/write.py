"""The report of a study, an HTML file, Markdown, figures and frames: whole or not at all."""

import re
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path

import pandas as pd

from analysis.decide.study import Study
from analysis.report import page, tables
from analysis.report.pictures.drawings import Drawing, drawings
from runner.errors import StoreError
from runner.state.root import Root
from runner.system.faults import crash_point
from runner.system.files import no_room, replace_folder, values_folder
from runner.system.language import ENGLISH

#: Control characters but for tab and line break: a terminal that shows a file would obey them.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def report(
    study: Study,
    root: Root,
    out: Path | None = None,
    language: str = ENGLISH,
    figures: Collection[str] = (),
) -> Path:
    """Write the report of a study below the root, unless `out` is given; the HTML file's path.

    Raises
    ------
    StoreError, OSError
        As `write`.
    """
    folder = out or root.reports / study.sweep.key[:16]
    return write(study, folder, _published(study.sweep.name), language, figures)


def write(
    study: Study,
    folder: Path,
    published: pd.DataFrame | None = None,
    language: str = ENGLISH,
    figures: Collection[str] = (),
) -> Path:
    """Write a report into a folder and return the HTML file's path.

    `report.html`, `report.md`, `answers.md`, `figures/*.svg`, `runs.csv`, `epochs.csv`,
    `claims.csv`, `contrasts.csv` and the same as Parquet. A report that was there is replaced once
    the new one is whole.

    Parameters
    ----------
    published
        The published curves (`curves.published`), for a sweep that repeats them.
    language
        Of the answers on the page; all else is in English.
    figures
        Further formats of the figures, of `formats.FORMATS`, each in two widths for a paper.

    Raises
    ------
    StoreError
        When the folder holds something that is no report, or may not be written.
    OSError
        Naming the folder and, where the disk is full, how much room it has left.
    """
    try:
        if folder.exists() and not _is_report_or_empty(folder):
            raise StoreError(
                f"{folder}: there is something that is no report; give another folder by --out"
            )
        with replace_folder(folder) as beside:
            _fill(study, beside, published, language, figures)
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise StoreError(
            f"{folder}: cannot be written ({error.strerror}); give another folder by --out"
        ) from error
    except OSError as error:
        raise no_room(error, folder) from error
    return folder / page.HTML


def texts(
    study: Study, frames: dict[str, pd.DataFrame], drawn: list[Drawing], language: str = ENGLISH
) -> dict[str, Iterator[str]]:
    """The pages and the CSV files by their names, in pieces; any text is only text in them."""
    pages = page.pages(study, drawn, language)
    files = {name: iter([text]) for name, text in pages.items()}
    files |= {f"{name}.csv": tables.csv_pieces(frame) for name, frame in frames.items()}
    return {name: map(partial(_CONTROLS.sub, "?"), pieces) for name, pieces in files.items()}


def _published(name: str) -> pd.DataFrame | None:
    """The published curves, for the sweep that repeats them."""
    path = values_folder() / "sweeps" / "published_curves.csv"
    return pd.read_csv(path) if name == "published" and path.is_file() else None


def _is_report_or_empty(folder: Path) -> bool:
    return folder.is_dir() and ((folder / page.HTML).is_file() or not any(folder.iterdir()))


def _fill(
    study: Study,
    folder: Path,
    published: pd.DataFrame | None,
    language: str,
    endings: Collection[str],
) -> None:
    drawn = drawings(study, published)
    (folder / "figures").mkdir()
    for drawing in drawn:
        (folder / "figures" / f"{drawing.name}.svg").write_bytes(drawing.svg)
        for name, content in (file for ending in endings for file in drawing.files(ending)):
            (folder / "figures" / name).write_bytes(content)
    crash_point("report_half")
    frames = tables.frames(study)
    for name, frame in frames.items():
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    for name, pieces in texts(study, frames, drawn, language).items():
        with open(folder / name, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(pieces)
