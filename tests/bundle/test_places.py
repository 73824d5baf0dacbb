"""Misspelt or misplaced ids, at whatever depth, are refused in a line before anything is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from medmae.arguments import UNKNOWN, arguments, takes_whole_numbers
from medmae.bundle.run import run_bundle
from medmae.methods.edge_mae import EdgeMAE, edge_mae_paper
from medmae.recipes import Pretraining, Trainer
from medmae.training import WarmupCosine

RECIPE = "mr_edge_mae_pretraining"


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"bathc_size": "4"}, r"--bathc_size: .* did you mean batch_size"),
        ({"method::mask_ration": "0.5"}, r"edge_mae_paper has no 'mask_ration'; did you mean mask_ratio"),
        ({"method::embed_dims": "64"}, r"did you mean embed_dim"),
        ({"method::num_heads": "ten"}, r"a number"),
        ({"method::mask_ratio::x": "1"}, r"mask_ratio is 0\.7, which has no part 'x'"),
        ({"method::num_heads::x": "1"}, r"leaves method::num_heads out"),
        ({"module::schedule::milestons": "3"}, r"did you mean milestones"),
        ({"module::optimiser::base_lr": "3"}, r"--module::optimiser: .* did you mean optimizer"),
        ({"train::trainr::max_epochs": "3"}, r"train has no 'trainr'; did you mean trainer"),
        ({"train::trainer::max_epoch": "3"}, r"did you mean max_epochs"),
        ({"train::datset": "3"}, r"did you mean dataset"),
        ({"train::dataset::frction": "0.5"}, r"has no 'frction'"),
        ({"training::held_ou": "3"}, r"did you mean held_out"),
        ({"training::model_di": "3"}, r"did you mean model_dir"),
        ({"initialize::7": "3"}, r"which has no part '7'"),
        ({"method::_target_": "medmae.methods.edge_mae.edge_mae_tiny", "method::dpth": "3"}, r"edge_mae_tiny has no"),
        ({"epochs": "ten"}, r"--epochs: .* a number"),
        ({"epochs": "1.5"}, r"--epochs: a whole number belongs here \[epochs = 1.5\]"),
        ({"batch_size": "2.5"}, r"--batch_size: a whole number"),
        ({"accumulate": "1.5"}, r"--accumulate: a whole number"),
        ({"train::trainer::max_epochs": "3.0"}, r"--train::trainer::max_epochs: a whole number"),
        ({"method::depth": "2.5"}, r"--method::depth: a whole number"),
    ],
)
def test_an_id_that_leads_nowhere_is_refused_with_what_was_meant(option, said, monkeypatch) -> None:
    monkeypatch.setattr("medmae.bundle.run.first_look", lambda *_: {})  # as if there were data
    with pytest.raises(ValueError, match=said):
        run_bundle(RECIPE, "train", options=option)


def test_an_overlay_over_what_it_does_not_belong_to_is_refused_with_what_it_belongs_to(tmp_path: Path) -> None:
    for trust in (False, True):
        with pytest.raises(ValueError, match=r"demo\.yaml.*train::dataloader.*train,demo"):
            run_bundle(RECIPE, "inference,demo", options={"dataset_dir": str(tmp_path)}, trust=trust)


def test_fractions_stay_where_they_belong() -> None:
    for target, name in ((Pretraining, "device"), (edge_mae_paper, "mask_ratio"), (WarmupCosine, "warmup_epochs")):
        assert not takes_whole_numbers(target, name)
    assert takes_whole_numbers(edge_mae_paper, "num_heads")
    assert takes_whole_numbers(Trainer, "max_steps")


def test_arguments_reach_base_classes_factories_and_unpacked_sizes() -> None:
    assert arguments(edge_mae_paper) == arguments(EdgeMAE)
    known = arguments(EdgeMAE) or {}
    assert known["mask_ratio"] == 0.7
    assert {"embed_dim", "scale"} <= known.keys()
    assert isinstance(known["embed_dim"], int)
    assert known["scale"] is UNKNOWN
    assert known["num_contrasts"] is None
    assert {"held_out", "model_dir"} <= (arguments(Pretraining) or {}).keys()
    assert {"accelerator", "max_steps", "devices"} <= (arguments(Trainer) or {}).keys()
    assert arguments(dict) is None
