"""A page that says how to add something, followed to the letter in a copy of the checkout."""

import re
import shlex
import shutil

from commands import in_copy
from places import REPO

#: `path`: and the block that belongs into that file, or a block of commands.
_STEP = re.compile(r"^`([\w./]+)`:\n\n```\w+\n(.*?)^```$|^```sh\n(.*?)^```$", flags=re.S | re.M)


def follow(page, folder):
    """Make a copy in the folder, do each step of the page, and return what its commands printed, in
    order.

    A block for a file that is there already begins with a line of it, and goes below that line.
    """
    for part in ("runner", "hydra_plugins", "conf", "sweeps"):
        shutil.copytree(REPO / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(REPO / "docs", folder / "docs", ignore=shutil.ignore_patterns("*.png"))
    printed = []
    for path, block, commands in _STEP.findall((REPO / page).read_text(encoding="utf-8")):
        if path:
            _write(folder / path, block)
        for command in commands.splitlines():
            printed.append(typed(folder, *command.split()))
    return printed


def follow_in(page, folder, typed):
    """Do each step of the page in a folder that is empty; `typed(folder, *words)` types a command.

    Returns what the commands printed, in order.
    """
    printed = []
    for path, block, commands in _STEP.findall((REPO / page).read_text(encoding="utf-8")):
        if path:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(block, encoding="utf-8")
        for command in commands.splitlines():
            word, *words = shlex.split(command)
            assert word == "python"
            printed.append(typed(folder, *words))
    return printed


def typed(folder, *words, code=0):
    """A command in the copy; what it does to the root stays there."""
    assert words[0] == "python"
    root = ["runner.root=out"] if words[1:3] == ("-m", "runner") else []
    return in_copy(folder, *words[1:], *root, code=code)


def _write(path, block):
    if not path.exists():
        path.write_text(block, encoding="utf-8")
        return
    first, new = block.split("\n", 1)
    before, line, after = path.read_text(encoding="utf-8").partition(f"\n{first}\n")
    assert line and line not in after, f"{path.name}: one line has to be {first!r}"
    path.write_text(before + line + new + after, encoding="utf-8")
