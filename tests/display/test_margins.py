"""Which claims ask for less than one test image can tell."""

from types import SimpleNamespace

from studies import claim

from runner.display import margins


def test_a_margin_below_one_test_image_is_told():
    claims = {
        "finer": claim(margin=0.00005),
        "as fine": claim(margin=0.0001),
        "exact": claim(margin=0.0),
        "a mean over epochs": claim(margin=0.00005, metric="auc(test/accuracy)"),
    }
    plan = SimpleNamespace(claims=claims, runs=["a run"])
    sources = SimpleNamespace(entry=lambda run: SimpleNamespace(n_test=10_000))
    assert margins.below_an_image(SimpleNamespace(plan=plan, sources=sources)) == [
        "finer: a margin of 5e-05 is less than one of 10,000 images"
    ]
