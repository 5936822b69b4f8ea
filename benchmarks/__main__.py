"""`python -m benchmarks`: time everybody, and write a table and a JSON file named after the
machine."""

import argparse
import datetime
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import images, machine, processes, summary, tables
from benchmarks.measure import NetResult, contestants_of, measure
from benchmarks.nets import BATCH, NETS
from runner.system.files import write_whole
from runner.train import provenance

RESULTS = Path(__file__).resolve().parent / "results"
#: What --quick stands for: enough to see that everything runs, too little to say how fast.
_QUICK: dict[str, Any] = {"nets": ["conv30_fc100"], "rounds": 2, "seconds": 0.1}


def main() -> None:
    args = _arguments()
    started, cores = time.monotonic(), provenance.cores()

    def say(text: str) -> None:
        print(f"{time.monotonic() - started:6.0f} s  {text}", file=sys.stderr, flush=True)

    pytorch = processes.probe(args.torch_python, processes.PYTORCH_PACKAGES)
    jax = processes.probe(args.torch_python, processes.JAX_PACKAGES)
    for name, (_, missing) in {"PyTorch": pytorch, "JAX": jax}.items():
        if missing:
            say(f"without {name} ({missing}); TORCH_PYTHON=PYTHON names an interpreter that has it")
    results = []
    with tempfile.TemporaryDirectory() as folder:
        images.write(Path(folder))
        for net in args.nets:
            names = contestants_of(net, pytorch=not pytorch[1], jax=not jax[1])
            pythons = processes.pythons(args.torch_python, names)
            results.append(
                measure(net, pythons, Path(folder), cores, args.rounds, args.seconds, say)
            )

    rows = [row for result in results for row in summary.rows(result, cores)]
    report = {
        "date": datetime.date.today().isoformat(),
        "machine": machine.machine(),
        "versions": machine.versions(),
        "pytorch_versions": pytorch[0],
        "pytorch_missing": pytorch[1],
        "jax_versions": jax[0],
        "jax_missing": jax[1],
        "settings": {
            "rounds": args.rounds,
            "seconds": args.seconds,
            "batch": BATCH,
            "quick": args.quick,
        },
        "targets": summary.target_lines(results, rows),
        "rows": [asdict(row) for row in rows],
        "nets": {result.net: _raw(result) for result in results},
    }
    text = tables.markdown(report, results, rows, cores)
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / f"{machine.slug()}.json"
    write_whole(path, (json.dumps(report, indent=1) + "\n").encode("ascii"))
    write_whole(path.with_suffix(".md"), text.encode("utf-8"))
    print(text)
    say(f"written: {path.name} and {path.with_suffix('.md').name}")


def _raw(result: NetResult) -> dict[str, Any]:
    measurements = [
        {
            "round": m.round,
            "task": m.entry.task,
            "contestant": m.entry.setting.contestant,
            "threads": m.entry.setting.threads,
            "n_processes": m.entry.n_processes,
            "n_batches": m.n_batches,
            "seconds": [round(s, 6) for s in m.seconds],
            "images_per_s": round(m.images_per_s, 1),
        }
        for m in result.measurements
    ]
    return {
        "n_parameters": NETS[result.net].n_parameters,
        "losses": result.losses,
        "failed": result.failed,
        "measurements": measurements,
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--nets", nargs="+", choices=NETS, metavar="NET", help=f"default: {' '.join(NETS)}"
    )
    parser.add_argument("--rounds", type=int, help="how often everybody is timed (default: 5)")
    parser.add_argument(
        "--seconds", type=float, help="about how long one timing takes (default: 0.8)"
    )
    parser.add_argument(
        "--torch-python",
        default=os.environ.get("TORCH_PYTHON") or sys.executable,
        metavar="PYTHON",
        help="an interpreter with PyTorch and JAX (default: $TORCH_PYTHON, else this one)",
    )
    parser.add_argument(
        "--out", type=Path, help="folder for the two files (default: benchmarks/results)"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="one net, short rounds, into benchmarks/results/quick: does it run?",
    )
    args = parser.parse_args()
    defaults = _QUICK if args.quick else {"nets": list(NETS), "rounds": 5, "seconds": 0.8}
    for name, value in defaults.items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    # So that a quick look never overwrites figures that were measured with care.
    args.out = args.out or (RESULTS / "quick" if args.quick else RESULTS)
    return args


if __name__ == "__main__":
    main()
