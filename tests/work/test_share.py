"""What a worker looks at to find its next run, counted in journals that are opened."""

import pytest
from configs import configured
from journaling import append

from runner.plan.planned import planned_runs
from runner.state.records import End, Start
from runner.state.root import Root
from runner.state.run_record import RunReader
from runner.work.share import Share, dealt

N_RUNS, LAUNCH = 60, "1-a"


@pytest.fixture
def runs():
    return planned_runs(configured(), range(N_RUNS), {}, ("digits", "ab" * 32), "cpu")


@pytest.fixture
def looked_at(monkeypatch):
    """The keys of the runs whose folders are looked into, in the order of the looks."""
    keys, poll = [], RunReader.poll

    def noted(reader):
        keys.append(reader.folder.key)
        return poll(reader)

    monkeypatch.setattr(RunReader, "poll", noted)
    return keys


def begin(root, run, launch=LAUNCH, *then):
    data = {"name": "digits", "sha256": "d"}
    started = Start(run.run_key, "c" * 64, {}, {}, data, "cpu", 7, launch)
    append(root.run(run.run_key).attempt("first"), started, *then)


def next_open(share):
    return next((run for run in share.runs if share.is_open(run)), None)


def test_the_next_run_costs_a_look_at_those_begun_since_however_many_are_trained(
    runs, looked_at, tmp_path
):
    root = Root(tmp_path)
    workers = [Share(runs, root, LAUNCH) for _ in range(2)]
    looks = []
    for turn in range(N_RUNS):
        looked_at.clear()
        run = next_open(workers[turn % 2])
        assert run is runs[turn]
        begin(root, run, LAUNCH, *[End("done")] * (turn % 3 > 0))
        looks.append(len(looked_at))
    # Its own last run, the one that the other worker has begun since, and the one that is next.
    assert max(looks) == 3
    assert [next_open(share) for share in workers] == [None, None]
    looked_at.clear()
    assert [next_open(share) for share in workers] == [None, None] and looked_at == []


def test_a_run_that_another_sweep_trains_is_looked_at_again_and_the_others_are_not(
    runs, looked_at, tmp_path
):
    root = Root(tmp_path)
    for run in runs[:-1]:
        begin(root, run, LAUNCH, End("done"))
    begin(root, runs[-1], "2-b")
    share = Share(runs, root, LAUNCH)
    assert next_open(share) is runs[-1] and len(looked_at) == N_RUNS
    looked_at.clear()
    assert next_open(share) is runs[-1] and looked_at == [runs[-1].run_key]


def test_what_a_task_of_a_cluster_had_begun_is_its_own_to_go_on_with(runs, tmp_path):
    root = Root(tmp_path)
    begin(root, runs[0])
    assert next_open(Share(runs, root, LAUNCH, is_own=True)) is runs[0]
    assert next_open(Share(runs, root, LAUNCH)) is runs[1]


@pytest.mark.parametrize(
    ("n_cells", "n_seeds", "n"), [(4, 5, 4), (4, 10, 8), (3, 40, 12), (5, 1, 9)]
)
def test_each_share_has_its_part_of_each_cell(n_cells, n_seeds, n):
    cells = [f"{cell}" for _ in range(n_seeds) for cell in range(n_cells)]
    shares = dealt(cells, n)
    assert len(shares) == min(n, len(cells))
    assert sorted(sum(shares, [])) == list(range(len(cells)))
    assert [shares, *shares] == [sorted(shares), *map(sorted, shares)], "in the plan's order"
    counts = [sum(cells[place] == "0" for place in share) for share in shares]
    assert max(counts) <= -(-n_seeds // n) + 1
