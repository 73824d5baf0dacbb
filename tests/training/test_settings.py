"""What counts as another setting when a run is resumed."""

from __future__ import annotations

import pytest

from medmae.methods.edge_mae import edge_mae_tiny
from medmae.methods.mae import mae_tiny
from medmae.methods.mt_unet import mt_unet_tiny
from medmae.objectives.pixel import TargetNorm
from medmae.training.settings import describe_method, differences
from tests.training.toys import loader, module, trainer


@pytest.mark.parametrize(
    ("maker", "changed"),
    [
        (mae_tiny, {"target_norm": None}),
        (mae_tiny, {"target_norm": TargetNorm(per_channel=True)}),
        (mae_tiny, {"norm_eps": 1e-5}),
        (mae_tiny, {"scale": "half"}),
        (edge_mae_tiny, {"patchwise": False}),
        (edge_mae_tiny, {"target_norm": TargetNorm()}),
        (mt_unet_tiny, {"image_weight": 1.0}),
    ],
)
def test_another_loss_is_another_setting(maker, changed):
    assert differences(describe_method(maker()), describe_method(maker())) == {}
    assert differences(describe_method(maker()), describe_method(maker(**changed)))


@pytest.mark.parametrize("changed", [{"precision": "bf16-mixed"}, {"gradient_clip_val": 0.01}])
def test_another_precision_or_clipping_is_another_setting(tmp_path, changed):
    learner = module()
    before, now = (learner.describe(trainer=trainer(tmp_path, **more), loader=loader()) for more in ({}, changed))
    assert differences(before, now)
