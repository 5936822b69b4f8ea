"""Who is the best peer, what counts as a single run, and the targets' arithmetic."""

import pytest

from benchmarks import contestants, summary, tables
from benchmarks.measure import Entry, Measurement, NetResult, contestants_of
from benchmarks.processes import Setting

CORES = 2


def measured(seconds, net="users_net"):
    """A result of two rounds; `seconds` of 10 batches, by contestant, threads, processes, task."""
    result = NetResult(net)
    for (name, threads, n, task), s in seconds.items():
        for r, factor in enumerate((1, 2)):
            entry = Entry(task, Setting(name, threads), n)
            result.measurements.append(Measurement(r, entry, 10, [s * factor] * n))
    return result


def rows_of(result):
    return {(row.task, row.mode, row.group): row for row in summary.rows(result, CORES)}


OURS = {
    (contestants.OURS, 1, 1, "train"): 1.0,
    (contestants.OURS, 1, 2, "train"): 1.0,
    (contestants.OURS, 1, 2, "evaluate"): 0.3,
}


def test_five_seeds_in_a_process_count_five_times_and_are_no_single_run():
    peers = {
        (contestants.EAGER, 2, 1, "train"): 2.0,
        (contestants.VMAP, 2, 1, "train"): 5.0,
        (contestants.JAX, 2, 1, "train"): 4.0,
    }
    rows = rows_of(measured(OURS | peers))
    best = rows["train", "whole machine", "best_peer"]
    assert best.entry.setting.contestant == contestants.VMAP
    assert best.images_per_s.high == 5 * 10 * 100 / 5.0
    assert best.ours_over_it == summary.Spread(2.0, 2.0, 2.0)
    alone = rows["train", "single run", "best_peer"]
    assert alone.entry.setting.contestant == contestants.EAGER


def test_jax_is_a_peer():
    peers = {
        (contestants.EAGER, 2, 1, "train"): 2.0,
        (contestants.JAX, 1, 2, "train"): 1.0,
    }
    row = rows_of(measured(OURS | peers))["train", "whole machine", "best_peer"]
    assert row.entry == Entry("train", Setting(contestants.JAX, 1), 2)


def test_targets_are_of_the_best_peer_of_a_time_and_of_an_epochs_evaluation():
    others = {
        (contestants.EAGER, 1, 2, "train"): 3.5,
        (contestants.BLAS_AND_COPIES, 1, 2, "train"): 0.5,
    }
    results = [measured(OURS | others), measured(OURS | others, net="book_mlp")]
    rows = [row for result in results for row in summary.rows(result, CORES)]
    lines = {(t["net"], t["mode"], t["of"]): t for t in summary.target_lines(results, rows)}
    assert len(lines) == len(summary.TARGETS)
    peer = lines["users_net", "whole machine", "best_peer"]
    assert peer["measured"]["median"] == pytest.approx(3.5) and peer["reached"] is True
    blas = lines["book_mlp", "whole machine", "blas_and_copies"]
    assert blas["measured"]["median"] == pytest.approx(2.0) and blas["reached"] is False
    # 10,000 images at a third of a training image's time, over 60,000.
    evaluation = lines["book_mlp", "whole machine", "evaluation"]
    assert evaluation["measured"]["median"] == pytest.approx(0.3 / 6)
    assert evaluation["reached"] is True
    missing = lines["conv1_fc100", "whole machine", "best_peer"]
    assert missing["measured"] is None and missing["reached"] is None


def test_the_tables_name_the_bounds_the_best_peer_and_what_is_missing():
    others = {
        (contestants.VMAP, 2, 1, "train"): 10.0,
        (contestants.BLAS_AND_COPIES, 1, 2, "train"): 0.5,
        (contestants.FMA_AND_BANDWIDTH, 1, 2, "train"): 0.25,
    }
    result = measured(OURS | others)
    rows = summary.rows(result, CORES)
    report = {
        "machine": dict(processor="A", cores=2, system="S", memory_gib=1),
        "settings": dict(rounds=2, seconds=1),
        "date": "today",
        "versions": {"numpy": "2"},
        "pytorch_versions": {"torch": "3"},
        "pytorch_missing": None,
        "jax_versions": {},
        "jax_missing": "No module named 'jax'",
        "targets": summary.target_lines([result], rows),
    }
    text = tables.markdown(report, [result], rows, CORES)
    assert "PyTorch's environment: torch 3." in text
    assert "JAX was left out: No module named 'jax'." in text
    comparison = next(line for line in text.splitlines() if "| training | whole machine |" in line)
    shown = "| 4.00 (4.00 to 4.00) | 2.00 (2.00 to 2.00) | 4.00 (4.00 to 4.00) |"
    assert comparison.endswith(f"{shown} PyTorch vmap, 5 seeds |")
    assert "| users_net | whole machine | training: at least 3 times the best peer |" in text
    assert "at most 12% of the time of training 60,000 | 5.0% (5.0% to 5.0%) | yes |" in text


def test_where_a_library_is_missing_its_rows_are_left_out():
    everybody = contestants_of("users_net", pytorch=True, jax=True)
    without = contestants_of("users_net", pytorch=False, jax=False)
    assert {contestants.VMAP, contestants.JAX, contestants.CHANNELS_LAST} <= set(everybody)
    bounds = list(contestants.BOUNDS)
    assert without == [*contestants.DEZERO, contestants.OURS, *bounds]
    mlp = contestants_of("book_mlp", pytorch=True, jax=True)
    assert contestants.JAX_VMAP in mlp and contestants.CHANNELS_LAST not in mlp
