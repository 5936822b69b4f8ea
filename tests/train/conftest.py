"""A short training, by each engine."""

import functools

import pytest
from short_training import N_IMAGES


@pytest.fixture(params=["stock", "fast"])
def engine(request):
    """The loop must hold to these tests whichever engine computes."""
    return request.param


@pytest.fixture
def new_run(new_run, engine):
    return functools.partial(new_run, engine=engine)


@pytest.fixture
def data(digits, few):
    return few(digits, N_IMAGES, 130)
