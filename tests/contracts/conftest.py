"""A method of each name that a test asks for, a batch of it, and the masks of that batch."""

from __future__ import annotations

import pytest

from tests.contracts.cases import BUILD, built, seeded, unordered


@pytest.fixture(params=BUILD)
def name(request):
    return request.param


@pytest.fixture
def method(name):
    return built(name)


@pytest.fixture
def batch(method):
    return method.example_batch(3, generator=seeded(1))


@pytest.fixture
def masks(method, batch):
    return unordered(method.draw_masks(batch, generator=seeded(2)))
