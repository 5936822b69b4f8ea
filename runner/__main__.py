"""`python -m runner`: one line and an exit code for whatever goes wrong."""

import argparse
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import NoReturn

# Before NumPy is imported, and inherited by every worker: OpenBLAS gives other bits with two
# threads, so a run has one, and a core more is a run more.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"


def main() -> None:
    """The command line."""
    from runner import words
    from runner.system import limits, sources, streams
    from runner.tracking.store import arguments
    from runner.work import stop

    # Said in a line of our own, where it matters; see work/processes.py.
    warnings.filterwarnings("ignore", message=".*joblib will operate in serial mode")
    stop.end_at_once_when_asked()
    arguments.forget_empty_variables()
    streams.outlast_readers()
    words.speak(_language())
    full_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    try:
        if not {"--help", "-h"}.isdisjoint(sys.argv[1:]):
            _help()
            return
        limits.check_address_space()
        _check_folder()
        sources.make_folder_importable()
        _run()
    except KeyboardInterrupt as stopped:
        words.complain("interrupted; what is trained is kept, the same command goes on")
        sys.exit(stop.exit_code(getattr(stopped, "number", signal.SIGINT)))
    except SystemExit as left:
        # What a single run could not do comes as the cause; see app.main.
        if not isinstance(left.__cause__, Exception):
            raise
        _fail(left.__cause__, full_traceback)
    except Exception as error:
        _fail(error, full_traceback)


def _language() -> str:
    """The language that was typed, for what is told before there is a configuration."""
    typed = dict(word.partition("=")[::2] for word in sys.argv[1:])
    return typed.get("runner.language", "")


def _fail(error: Exception, full_traceback: bool) -> NoReturn:
    from runner import words

    line, code = _explained(error)
    if full_traceback or code is None:
        raise error
    words.complain(line)
    sys.exit(code)


def _help() -> None:
    from runner.config import help as helps
    from runner.system.files import values_folder

    print(helps.text(values_folder(), Path.cwd()))


def _check_folder() -> None:
    """Refuse a folder whose modules stand in for this program's, or say what they do there."""
    from runner import words
    from runner.errors import ConfigError
    from runner.system import sources

    if mine := sources.hidden_by_folder("runner"):
        raise ConfigError(
            f"{mine}: workers would take it for this program's own package; rename it, or type the"
            " command in another folder"
        )
    if mine := sources.hidden_by_folder("analysis"):
        words.complain(
            f"{mine}: python -m analysis starts it in this folder; ablation-analysis is this"
            " program's"
        )


def _run() -> None:
    from hydra._internal.utils import get_args_parser

    from runner import app
    from runner.config import overrides

    # Hydra 1.3 has a help text that is no str, which Python 3.14 refuses while a parser is made
    # (facebookresearch/hydra#3121).
    argparse.ArgumentParser._check_help = lambda *_: None  # type: ignore[attr-defined]
    parser = get_args_parser()
    parser.error = _refuse  # type: ignore[method-assign]
    arguments = parser.parse_args()
    if arguments.experimental_rerun:
        _refuse("--experimental-rerun is not supported; type the command again")
    if arguments.shell_completion:
        _check_completion(arguments.overrides)
    app.check_files(arguments.config_dir)
    if not (arguments.hydra_help or arguments.info or arguments.shell_completion):
        overrides.check(arguments.overrides, bool(arguments.multirun))
    # Makes Hydra raise its errors instead of printing them and exiting with 1.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    if arguments.cfg and arguments.multirun:
        _show_sweep(arguments)
        return
    app.main()


def _show_sweep(arguments: argparse.Namespace) -> None:
    """Show the configuration of a sweep, and what is swept, as `--cfg` asks for.

    Hydra shows no multirun. So it is asked for one job, with what was swept on the command line as
    the sweeper's parameters, which is where a file of sweeps/ has it.
    """
    from runner import app
    from runner.config import overrides

    words = overrides.as_parameters(arguments.overrides)
    words += ["--config-dir", arguments.config_dir] if arguments.config_dir else []
    words += ["--resolve"] if arguments.resolve else []
    of_job = ["--cfg", arguments.cfg]
    shown = [[*of_job, "--package", arguments.package] if arguments.package else of_job]
    if arguments.cfg == "job" and not arguments.package:
        shown.append(["--cfg", "hydra", "--package", "hydra.sweeper.params"])
    for flags in shown:
        sys.argv[1:] = [*flags, *words]
        app.main()


def _check_completion(words: list[str]) -> None:
    """Refuse to complete `python -m runner`: the shells' functions of Hydra's know no `-m`."""
    if Path(sys.argv[0]).name == "__main__.py":
        _refuse(
            "tab completion is for the command ablation-runner; type:"
            ' eval "$(ablation-runner -sc install=bash)"'
        )
    if any(word.startswith("query") for word in words) and "COMP_LINE" not in os.environ:
        _refuse("-sc query is what a shell asks while a command is typed; COMP_LINE is not set")


def _refuse(message: str) -> NoReturn:
    """One line instead of argparse's usage."""
    from runner.errors import ConfigError
    from runner.system.command import command_of

    raise ConfigError(f"{message} ({command_of('runner')} --help)")


def _explained(error: Exception) -> tuple[str, int | None]:
    """The line for an error and its exit code; no code for one that only a programmer can mend."""
    from runner.errors import RunnerError
    from runner.system import limits

    if isinstance(error, RunnerError):
        return str(error), error.exit_code
    limit = limits.told_address_space()
    if limits.is_out_of_memory(error):
        told = f"out of memory ({error})" if str(error) else "out of memory"
        return f"{told}{limit}; what is trained is kept, the same command goes on", 1
    # Imported here, where there is memory for them.
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from runner.config import overrides
    from runner.system.files import no_room

    if isinstance(error, (HydraException, OmegaConfBaseException, ValueError)):
        return overrides.one_line(error), 2
    if isinstance(error, OSError):  # such as a disk on which not even a failure can be written down
        if error.filename:
            error = no_room(error, Path(error.filename))
        return f"{error}; what is trained is kept, the same command goes on", 1
    if limit:  # libraries that get no memory raise nearly anything
        told = " ".join(f"{type(error).__name__}: {error}".split())
        return f"{told}; possibly out of memory{limit}; what is trained is kept", 1
    return str(error), None


if __name__ == "__main__":
    main()
