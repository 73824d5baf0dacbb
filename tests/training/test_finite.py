"""Who names the samples of a step that is skipped, where several processes train."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from torch.utils.data import DataLoader

from medmae.methods.cmae import cmae_tiny
from medmae.methods.edge_mae import edge_mae_tiny
from medmae.training import fit
from medmae.training.finite import FiniteGuard
from medmae.training.schedule import WarmupStep
from tests.training.toys import Blobs, module, trainer


def skipped(folder, *, spoilt: bool, rank: int | None, anyone: bool) -> dict:
    """The record of one process, whose own batch is spoilt or not."""
    method, guard = edge_mae_tiny(), FiniteGuard()
    images = Blobs(2).images.clone()
    images[1] *= float("nan") if spoilt else 1.0
    batch = {"image": images, "index": torch.tensor([4, 5])}
    guard.watch(batch, method(batch, generator=torch.Generator().manual_seed(0)))
    with pytest.warns(UserWarning, match="step 3 is skipped"):
        guard.skip(method, step=3, folder=folder, dataset=None, rank=rank, decide=lambda mine: mine or anyone)
    (path,) = folder.glob("*.json")
    return {"file": path.name, **json.loads(path.read_text())}


def test_every_process_writes_a_record_of_its_own(tmp_path):
    assert skipped(tmp_path / "a", spoilt=True, rank=1, anyone=True)["file"] == "step-00000003-rank-1.json"
    assert skipped(tmp_path / "b", spoilt=True, rank=None, anyone=False)["file"] == "step-00000003.json"


def test_only_the_process_with_the_bad_sample_names_one(tmp_path):
    assert [s["index"] for s in skipped(tmp_path / "bad", spoilt=True, rank=0, anyone=True)["samples"]] == [5]
    assert skipped(tmp_path / "good", spoilt=False, rank=1, anyone=True)["samples"] == []


def test_where_no_sample_is_bad_by_itself_all_are_named(tmp_path):
    assert [s["index"] for s in skipped(tmp_path, spoilt=False, rank=0, anyone=False)["samples"]] == [4, 5]


def test_a_batch_norm_that_refuses_single_samples_is_no_obstacle(tmp_path):
    """As that of several GPUs (``sync_batchnorm``) does where one trains alone."""
    method, guard = torch.nn.SyncBatchNorm.convert_sync_batchnorm(cmae_tiny(in_channels=1)), FiniteGuard()
    images = Blobs(2, size=32).images
    images[1] *= float("nan")
    modes = {name: part.training for name, part in method.named_modules()}
    guard.begin(method)
    guard.watch({"image": images}, method({"image": images}))
    with pytest.warns(UserWarning, match="sample 1 of the batch"):
        guard.skip(method, step=3, folder=tmp_path, dataset=None)
    (record,) = json.loads((tmp_path / "step-00000003.json").read_text())["samples"]
    assert record["name"] == "sample 1 of the batch"
    assert {name: part.training for name, part in method.named_modules()} == modes
    assert all(bool(buffer.isfinite().all()) for buffer in method.buffers())


@pytest.mark.filterwarnings("ignore:step . is skipped")
@pytest.mark.parametrize("accumulated", [1, 2])
def test_statistics_of_a_batch_norm_forget_a_step_that_is_skipped(accumulated, tmp_path):
    """The last step is spoilt, by its last batch: what stays is what the steps before it left."""
    method, good = cmae_tiny(in_channels=1), Blobs(8, size=32)
    spoilt = Blobs(12, size=32)
    spoilt.images[:8] = good.images
    spoilt.images[-1] *= float("nan")
    learnt = []
    for part, data in {"good": good, "spoilt": spoilt}.items():
        learner = module(method=copy.deepcopy(method), schedule=WarmupStep())
        run = trainer(tmp_path / part, accumulate_grad_batches=accumulated)
        fit(trainer=run, module=learner, train_loader=DataLoader(data, batch_size=4 // accumulated))
        learnt.append({name: value.clone() for name, value in learner.method.named_buffers()})
    assert learner.guard.skipped == 1
    torch.testing.assert_close(learnt[1], learnt[0], rtol=0, atol=0)
    assert learnt[0]["projector.norm.num_batches_tracked"] == 2 * accumulated
