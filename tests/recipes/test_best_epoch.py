"""The epoch of a fine-tuning that counts is the best on validation samples, after a resume, too."""

import io
import json
from types import SimpleNamespace

import pytest
import torch

from data_prep.tiny import make
from medmae.bundle.run import run_bundle
from medmae.bundle.shipped import shipped
from medmae.evaluate.classify.single_label import SingleLabel
from medmae.methods.classification import Classification
from medmae.methods.mae import mae_tiny
from medmae.nn.heads import Classifier
from medmae.recipes.best_epoch import BestEpoch, ByTask
from medmae.training import MaskedModule

TWO = ByTask(SingleLabel(classes=("a", "b")))
LABELS = torch.tensor([0, 1, 0, 1])


@pytest.fixture
def module():
    return MaskedModule(method=Classification(network=Classifier(encoder=mae_tiny().encoder, num_classes=2)))


def validate(best, module, *, epoch, right, sanity=False):
    """An epoch that leaves its number in the head; so many of four samples are then told right, in two batches."""
    trainer = SimpleNamespace(world_size=1, current_epoch=epoch, sanity_checking=sanity)
    torch.nn.init.constant_(module.method.network.head.bias, epoch)
    said = torch.where(torch.arange(4) < right, LABELS, 1 - LABELS)
    logits = 3.0 * torch.nn.functional.one_hot(said, 2)
    best.on_validation_epoch_start(trainer, module)
    for some in (slice(0, 3), slice(3, 4)):
        best.on_validation_batch_end(trainer, module, {"logits": logits[some]}, {"label": LABELS[some]}, 0)
    best.on_validation_epoch_end(trainer, module)


def test_the_best_epoch_is_kept_through_a_checkpoint_and_given_back(module):
    best = BestEpoch(TWO)
    validate(best, module, epoch=0, right=4, sanity=True)
    for epoch, right in enumerate((2, 4, 4)):
        validate(best, module, epoch=epoch, right=right)
    file = io.BytesIO()
    torch.save(best.state_dict(), file)
    file.seek(0)
    resumed = BestEpoch(TWO)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    validate(resumed, module, epoch=3, right=1)
    assert module.method.network.head.bias.tolist() == [3, 3]
    told = resumed.restore(module)
    assert told == {"selected_epoch": 2, "selected_by": "balanced accuracy 1.000 of validation"}
    assert module.method.network.head.bias.tolist() == [1, 1]


def test_without_validation_the_last_epoch_counts_and_is_called_so(module):
    torch.nn.init.constant_(module.method.network.head.bias, 5)
    assert BestEpoch(TWO).restore(module) == {"selected_epoch": "the last, without validation samples"}
    assert module.method.network.head.bias.tolist() == [5, 5]


@pytest.mark.slow
def test_a_run_says_which_epoch_its_weights_are_of(tmp_path):
    prepared, _ = make("clips", tmp_path / "data")
    known = json.loads((shipped()["video_classification"] / "configs" / "metadata.json").read_text())["medmae_check"]
    sizes = {**known["overrides"], **known["train"], "epochs": 3}
    where = {"dataset_dir": str(prepared), "bundle_root": str(tmp_path / "run"), "output_dir": str(tmp_path / "run")}
    run_bundle("video_classification", "train", overrides={**sizes, **where})
    config = json.loads((tmp_path / "run" / "run.json").read_text())["config"]
    assert config["selected_epoch"] in (1, 2, 3)
    assert config["selected_by"].startswith("balanced accuracy")
