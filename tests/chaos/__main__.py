"""`make chaos`: kill sweeps again and again; the table of what was lost, and exit code 1 if anything was."""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from commands import environment

from chaos.figures import table
from chaos.harness import Harness
from chaos.subjects import Ours, Plain
from runner import store


def main():
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0, help="of what is killed when (default: %(default)s)")
    parser.add_argument("--peer", action="store_true", help="the plain Hydra and MLflow script as well")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    print(f"seed {arguments.seed}, in {folder}", flush=True)
    code = "import sys; from pathlib import Path; from runner import store; store.connect(None, Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, folder], check=True, env=environment(), stderr=subprocess.DEVNULL)
    subjects = [Ours, Plain] if arguments.peer else [Ours]
    found = []
    for subject in subjects:
        place = folder / subject.__name__.lower()
        place.mkdir()
        found.append(Harness(subject(store.database(folder)), place, arguments.seed, arguments.kills).run())
    print(table(found))
    if arguments.out:
        content = [vars(one) for one in found]
        arguments.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    wrong = [line for one in found for line in one.violations]
    for line in wrong:
        print(f"VIOLATION: {line}", file=sys.stderr)
    print(f"what is left of the last sweep is in {folder}" if wrong else "nothing was lost")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
