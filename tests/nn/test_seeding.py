"""Drawing by a seed from torch's own generators."""

from __future__ import annotations

import torch

from medmae.nn.seeding import drawn_by


def test_what_is_drawn_depends_on_the_seed_and_the_generators_are_put_back(monkeypatch):
    def refuse(seed):
        raise AssertionError("the generators of all CUDA devices are seeded, and nobody puts them back")

    monkeypatch.setattr(torch.cuda, "manual_seed_all", refuse)
    before, drawn = torch.get_rng_state(), []
    for seed in (3, 3, 4):
        with drawn_by(seed):
            drawn.append(torch.rand(4))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert torch.equal(torch.get_rng_state(), before)
