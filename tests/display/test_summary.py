"""What is said before a sweep is trained."""

from types import SimpleNamespace

from studies import claim

from runner.display import summary


def test_a_margin_below_one_test_image_is_told(capsys):
    claims = {
        "finer": claim(margin=0.00005),
        "as fine": claim(margin=0.0001),
        "exact": claim(margin=0.0),
        "a mean over epochs": claim(margin=0.00005, metric="auc(test/accuracy)"),
    }
    plan = SimpleNamespace(claims=claims, runs=["a run"])
    sources = SimpleNamespace(entry=lambda run: SimpleNamespace(n_test=10_000))
    summary._tell_margins(SimpleNamespace(plan=plan, sources=sources))
    assert capsys.readouterr().out == (
        "  finer: a margin of 5e-05 is less than one of 10,000 images\n"
    )
