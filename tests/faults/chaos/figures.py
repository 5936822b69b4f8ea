"""What the harness counted, as a table and as JSON."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Figures:
    """The counts of one subject over all its sweeps."""

    subject: str
    seed: int
    #: Kind of kill -> how many.
    kills: Counter = field(default_factory=Counter)
    #: Named point -> visits.
    points: Counter = field(default_factory=Counter)
    sweeps: int = 0
    starts: int = 0
    resumes: int = 0
    epochs_needed: int = 0
    epochs_computed: int = 0
    #: Computed a second time, beyond what a kill may cost: an epoch of each worker.
    epochs_lost_beyond: int = 0
    epochs_of_a_third_run: int = 0
    duplicate_runs: int = 0
    left_running: int = 0
    missing_rows: int = 0
    duplicate_rows: int = 0
    runs_compared: int = 0
    runs_equal: int = 0
    reports_compared: int = 0
    reports_equal: int = 0
    two_writers: int = 0
    broken_stores: int = 0
    orphans: int = 0
    #: Kind of kill -> the longest time from it to the end of the last process.
    longest_stop_s: Counter = field(default_factory=Counter)
    temporary_files_left: int = 0
    manual_steps: int = 0
    longest_recovery_s: float = 0.0
    wall_s: float = 0.0
    #: What must never be, in words, with the step at which it was.
    violations: list = field(default_factory=list)

    @property
    def n_kills(self):
        return sum(self.kills.values())

    def __add__(self, other):
        """Those of two harnesses that ran side by side."""
        total = Figures(self.subject, self.seed)
        for name, value in vars(self).items():
            if name not in ("subject", "seed"):
                values = value, getattr(other, name)
                setattr(
                    total, name, _longest(*values) if name.endswith("_s") else values[0] + values[1]
                )
        return total

    def rows(self):
        kinds = ", ".join(f"{kind} {n}" for kind, n in sorted(self.kills.items()))
        longest = sorted(self.longest_stop_s.items(), key=lambda item: -item[1])
        stops = ", ".join(f"{kind} {seconds:.1f} s" for kind, seconds in longest)
        least = f", least {min(self.points.values())}" if self.points else ""
        return {
            "kills": f"{self.n_kills} ({kinds})",
            "named points visited": f"{len(self.points)}{least}",
            "sweeps, starts": f"{self.sweeps}, {self.starts}",
            "runs resumed from a checkpoint": self.resumes,
            "epochs needed, computed": f"{self.epochs_needed}, {self.epochs_computed}",
            "epochs repeated beyond one a worker and kill": self.epochs_lost_beyond,
            "epochs that a third run computed": self.epochs_of_a_third_run,
            "runs there twice": self.duplicate_runs,
            "runs left RUNNING": self.left_running,
            "rows of metrics missing, twice": f"{self.missing_rows}, {self.duplicate_rows}",
            "runs equal bit for bit to undisturbed ones": (
                f"{self.runs_equal} of {self.runs_compared}"
            ),
            "reports equal byte for byte": f"{self.reports_equal} of {self.reports_compared}",
            "two writers on one run": self.two_writers,
            "stores that fail SQLite's integrity check": self.broken_stores,
            "processes left": self.orphans,
            "longest stop": stops or "none",
            "temporary files left": self.temporary_files_left,
            "manual steps": self.manual_steps,
            "longest recovery": f"{self.longest_recovery_s:.1f} s",
            "wall time": f"{self.wall_s:.0f} s",
            "violations": len(self.violations),
        }


def _longest(first, second):
    """The longer of two times, of each kind where there are kinds."""
    return first | second if isinstance(first, Counter) else max(first, second)


def table(all_figures):
    """The subjects side by side, as Markdown."""
    names = " | ".join(figures.subject for figures in all_figures)
    lines = [f"| seed {all_figures[0].seed} | {names} |", "| --- " * (len(all_figures) + 1) + "|"]
    for name in all_figures[0].rows():
        lines.append(
            f"| {name} | {' | '.join(str(figures.rows()[name]) for figures in all_figures)} |"
        )
    return "\n".join(lines)
