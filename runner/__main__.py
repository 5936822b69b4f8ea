"""`python -m runner`: one line and an exit code for whatever goes wrong."""

import os
import sys

# Before NumPy is imported, and inherited by every worker: OpenBLAS gives other bits with two threads, so a
# run has one, and a core more is a run more.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"


def main() -> None:
    """The command line."""
    full_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    try:
        if not {"--help", "-h"}.isdisjoint(sys.argv[1:]):
            _help()
            return
        _run()
    except KeyboardInterrupt:
        print("runner: interrupted; what is trained is kept, the same command goes on", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        line, code = _explained(error)
        if full_traceback:
            raise
        if code is None:
            raise
        print(f"runner: {line}", file=sys.stderr)
        sys.exit(code)


def _help() -> None:
    from pathlib import Path

    from runner import help as helps

    here = Path(__file__).resolve().parent
    print(helps.text(here if (here / "conf").is_dir() else here.parent))


def _run() -> None:
    from hydra._internal.utils import get_args_parser

    from runner import app, overrides

    arguments = get_args_parser().parse_args()
    if not (arguments.hydra_help or arguments.info or arguments.shell_completion):
        overrides.check(arguments.overrides, bool(arguments.multirun))
    # Makes Hydra raise its errors instead of printing them and exiting with 1.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    app.main()


def _explained(error: Exception) -> tuple[str, int | None]:
    """The line for an error and its exit code; no code for one that only a programmer can mend."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from runner.config import from_omegaconf
    from runner.errors import RunnerError

    if isinstance(error, RunnerError):
        return str(error), error.exit_code
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OmegaConfBaseException) and cause.full_key:
            return str(from_omegaconf(cause)), 2
        cause = cause.__cause__
    if isinstance(error, (HydraException, OmegaConfBaseException, ValueError)):
        return " ".join(str(error).split()), 2
    return str(error), None


if __name__ == "__main__":
    main()
