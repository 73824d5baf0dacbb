"""The probe of speed."""

from __future__ import annotations

import torch

from medmae.speed import matmul_gflops


def test_what_is_measured_changes_no_random_number_of_what_follows():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    assert matmul_gflops("cpu", size=64, repeats=1) > 0
    assert torch.equal(torch.get_rng_state(), before)
