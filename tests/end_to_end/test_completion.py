"""Tab completes the words of `ablation-runner` in a real bash and a real zsh."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commands import environment
from typed import assert_one_line, run_in

SCRIPTS = Path(sys.executable).parent

# As readline calls the function, with the words of the line up to the cursor.
TAB = """
eval "$(ablation-runner -sc install=bash)"
COMP_LINE=$LINE COMP_POINT=${#LINE} COMP_WORDS=($LINE)
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
declare -x COMP_LINE COMP_POINT
[[ $(complete -p ablation-runner) =~ -F\\ ([a-z_]+) ]] && ${BASH_REMATCH[1]}
echo "${COMPREPLY[@]}"
"""


@pytest.mark.long
@pytest.mark.skipif(
    not (shutil.which("bash") and (SCRIPTS / "ablation-runner").exists()),
    reason="needs bash and an installed ablation-runner",
)
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ablation-runner model.ch", "model.channels="),
        ("ablation-runner -m model.channels=1,30 engine=", "engine=fast engine=stock"),
        ("ablation-runner -m sweeps=pub", "sweeps=published"),
        ("ablation-runner hydra/launcher=co", "hydra/launcher=cores"),
        ("ablation-runner nosuch", ""),
    ],
)
def test_tab_completes_knobs_groups_and_sweeps(line, expected, tmp_path):
    path = os.pathsep.join((str(SCRIPTS), os.environ["PATH"]))
    ended = subprocess.run(
        ["bash", "-c", TAB],
        capture_output=True,
        text=True,
        env=environment(PATH=path, LINE=line),
        cwd=tmp_path,
        timeout=60,
    )
    assert (ended.stdout.strip(), ended.stderr) == (expected, "")
    assert not list(tmp_path.iterdir())


# A terminal of zsh's own, in which a line is typed up to the tab; `#` ends what it became.
ZSH = """
zmodload zsh/zpty
zpty shell zsh -f -i
put() { zpty -w shell "$1" }
put 'PS1=""; autoload -Uz compinit bashcompinit; compinit -u -D; bashcompinit'
put 'eval "$(ablation-runner -sc install=zsh)"; echo READY'
zpty -r -m shell out "*READY*READY*"
zpty -n -w shell "$LINE"$'\t'
zpty -r -m shell out "*$EXPECTED*" && echo "$EXPECTED"
zpty -d shell
"""


@pytest.mark.long
@pytest.mark.skipif(
    not (shutil.which("zsh") and (SCRIPTS / "ablation-runner").exists()),
    reason="needs zsh and an installed ablation-runner",
)
def test_tab_completes_in_zsh(tmp_path):
    path = os.pathsep.join((str(SCRIPTS), os.environ["PATH"]))
    given = {"LINE": "ablation-runner -m sweeps=pub", "EXPECTED": "sweeps=published"}
    ended = subprocess.run(
        ["zsh", "-f", "-c", ZSH],
        capture_output=True,
        text=True,
        env=environment(PATH=path, **given),
        cwd=tmp_path,
        timeout=60,
    )
    assert ended.stdout.strip() == "sweeps=published"


@pytest.mark.parametrize("words", [["-sc", "install=bash"], ["-sc", "query=bash"]], ids=str)
def test_what_hydra_cannot_complete_is_refused_with_the_command_that_it_can(words, tmp_path):
    code, _, stderr = run_in(tmp_path, *words)
    assert_one_line(stderr, 'eval "$(ablation-runner -sc install=bash)"')
    assert code == 2
