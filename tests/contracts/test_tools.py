"""Every tool takes whatever keeps the contracts: training, resume, weights, features, evaluation and the report."""

from __future__ import annotations

import copy
import hashlib
import json

import numpy as np
import pytest
import torch
from pytorch_lightning import seed_everything
from pytorch_lightning.callbacks import Callback
from torch import nn
from torch.utils.data import Dataset

from medmae.errors import DataError
from medmae.evaluate.features.extractor import FeatureExtractor
from medmae.evaluate.features.features import features
from medmae.evaluate.reconstruct.reconstruction import evaluate_reconstruction, not_scorable
from medmae.recipes.finish import save_models
from medmae.report import write_report
from medmae.training import Checkpoints, MaskedModule, OptimizerSpec, ResumableLoader, WarmupCosine, fit
from medmae.training.out_of_memory import NotEnoughMemoryError, explaining_out_of_memory, training_advice
from medmae.weights.io import load_weights
from medmae.weights.pretrained import load_encoder
from medmae.weights.scales import read_scales
from tests.contracts.cases import STUBS, built, seeded
from tests.training.toys import trainer

pytestmark = pytest.mark.parametrize("name", STUBS)

SCORED = {"audiovisual": {"audio", "video"}, "captions": {"video"}}  # by what; of the others nothing is


class Some(Dataset):
    """Samples of a method's own kinds, three a subject."""

    def __init__(self, method, count=9):
        self.batch = method.example_batch(count, generator=seeded(3))

    def __len__(self):
        return len(next(iter(self.batch.values())))

    def __getitem__(self, index):
        return {**{key: value[index] for key, value in self.batch.items()}, "index": index}

    @property
    def sha256(self):
        return hashlib.sha256(repr(sorted(self.batch.items())).encode()).hexdigest()

    def describe(self, index):
        return {"case": f"s{index // 3}", "subject": f"s{index // 3}", "place": index}


class Diary(Callback):
    """The loss of every step; breaks off after some."""

    def __init__(self, stop_after=None):
        self.losses, self.stop_after = [], stop_after

    def on_train_batch_end(self, trainer, learner, outputs, batch, batch_idx):
        self.losses.append(outputs["loss"].item())
        if len(self.losses) == self.stop_after:
            raise KeyboardInterrupt


def train(name, folder, *, dataset=None, stop_after=None, checkpoint=None, epochs=3, **options):
    seed_everything(0 if checkpoint else 7)
    method, diary = built(name), Diary(stop_after)
    run = trainer(
        folder,
        epochs=epochs,
        enable_checkpointing=True,
        callbacks=[Checkpoints(folder=folder / "checkpoints", every_steps=1)],
    )
    run.callbacks.append(diary)
    spec = OptimizerSpec(base_lr=2e-3, scale_by_batch=False)
    learner = MaskedModule(method=method, optimizer=spec, schedule=WarmupCosine(warmup_epochs=0), seed=3, **options)
    loader = ResumableLoader(dataset=dataset or Some(method), batch_size=3, seed=5)
    held_out = ResumableLoader(dataset=Some(method, 3), batch_size=3, shuffle=False)
    try:
        fit(trainer=run, module=learner, train_loader=loader, val_loader=held_out, checkpoint=checkpoint)
    except SystemExit:
        assert stop_after is not None
    return diary.losses, learner


def test_a_run_stopped_within_an_epoch_goes_on_bit_for_bit(name, tmp_path):
    whole, learner = train(name, tmp_path / "whole")
    before, _ = train(name, tmp_path / "stopped", stop_after=4)
    after, resumed = train(name, tmp_path / "stopped", checkpoint="newest")
    assert len(whole) == 9
    assert before + after == whole
    for key, value in learner.method.state_dict().items():
        assert torch.equal(resumed.method.state_dict()[key], value)


def test_a_few_steps_lower_the_loss_and_recomputed_activations_change_nothing(name, tmp_path):
    plain, _ = train(name, tmp_path / "plain")
    again, learner = train(name, tmp_path / "again", recompute=True)
    assert again == pytest.approx(plain, rel=1e-4)
    batch = learner.method.example_batch(9, generator=seeded(3))
    assert learner.method(batch, generator=seeded(0)).loss < built(name)(batch, generator=seeded(0)).loss


def test_a_sample_that_is_not_finite_is_found_whatever_the_method_makes_of_one_alone(name, tmp_path):
    spoilt = Some(built(name))
    kind = next(key for key, value in spoilt.batch.items() if value.is_floating_point())
    spoilt.batch[kind][4] = float("nan")
    with pytest.warns(UserWarning, match="is skipped"):
        _, learner = train(name, tmp_path, dataset=spoilt, epochs=1)
    assert learner.guard.skipped == 1
    (note,) = (tmp_path / "not_finite").glob("*.json")
    assert [sample["index"] for sample in json.loads(note.read_text())["samples"]] == [4]
    assert all(parameter.isfinite().all() for parameter in learner.method.parameters())


def test_rates_may_fall_from_layer_to_layer_of_all_encoders(name):
    method = built(name)
    optimiser = OptimizerSpec(layer_decay=0.5).build(method, batch_size=256)
    scale = {id(p): group["lr_scale"] for group in optimiser.param_groups for p in group["params"]}
    assert len(scale) == sum(parameter.requires_grad for parameter in method.parameters())
    for encoder in method.encoders.values():
        rates = [{scale[id(p)] for p in layer if p.requires_grad} for layer in encoder.layers()]
        assert all(len(rate) == 1 for rate in rates)
        assert rates == sorted(rates, key=max)
        assert max(rates[-1]) == 0.5


def test_the_end_of_memory_is_explained(name):
    method = built(name)
    advice = training_advice(method, batch_size=4)
    with (
        pytest.raises(NotEnoughMemoryError, match="batch_size"),
        explaining_out_of_memory(method=method, batch_size=4, advice=lambda: advice),
    ):
        raise MemoryError


def test_files_hold_what_was_trained_and_say_what_encoders_expect(name, tmp_path):
    method = built(name)
    hashes = save_models(method=method, network=nn.ModuleDict(dict(method.encoders)), model_dir=tmp_path)
    assert set(hashes) == {"model.pt", "model.safetensors", "pretraining.safetensors"}
    assert set(read_scales(tmp_path / "pretraining.safetensors")) <= {path for path, _ in method.named_modules()}
    twin, batch = built(name, seed=1), method.example_batch(3, generator=seeded(1))
    load_weights(twin, tmp_path / "pretraining.safetensors")
    assert torch.equal(twin(batch, generator=seeded(0)).loss, method(batch, generator=seeded(0)).loss)


def test_each_encoder_of_a_file_is_loaded_by_its_name_and_no_other_is_touched(name, tmp_path):
    method = built(name)
    save_models(method=method, network=nn.ModuleDict(dict(method.encoders)), model_dir=tmp_path)
    for part, encoder in method.encoders.items():
        other = built(name, seed=1)
        before = copy.deepcopy(other.state_dict())
        load_encoder(other, tmp_path / "pretraining.safetensors", part=part, into=[part])
        own = {f"{part}.{key}": value for key, value in encoder.state_dict().items()}
        for key, value in other.state_dict().items():
            assert torch.equal(value, own[key] if key in own else before[key])


def test_features_of_samples_are_those_of_each_encoder_and_are_kept(name, tmp_path):
    method = built(name)
    samples = Some(method)
    for part, encoder in method.encoders.items():
        extract = FeatureExtractor(encoder=encoder, name=part)
        found = features(extract, samples, cache=tmp_path / f"{part}.h5", batch_size=4)
        with torch.no_grad():
            expected = encoder.eval().features({kind: samples.batch[kind] for kind in encoder.kinds})
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-5)
        before = (tmp_path / f"{part}.h5").stat().st_mtime_ns
        features(extract, samples, cache=tmp_path / f"{part}.h5", batch_size=4)
        assert (tmp_path / f"{part}.h5").stat().st_mtime_ns == before


def test_what_is_rebuilt_is_scored_and_what_cannot_be_is_refused_with_a_reason(name, tmp_path):
    method = built(name)
    held_out = Some(method)
    if name in SCORED:
        assert not_scorable(method) is None
        summary = evaluate_reconstruction(method=method, dataset=held_out, out=tmp_path, foreground=False)
        found = [key for key in summary if key.startswith("psnr_") and key.endswith("_model")]  # one, or one a kind
        assert found
        assert all(summary[key]["n_subjects"] == 3 for key in found)
        rows = (tmp_path / "reconstruction.csv").read_text().splitlines()[1:]
        assert {row.split(",")[2] for row in rows} == SCORED[name]
        return
    with pytest.raises(DataError, match=r"rebuilds|scored"):
        evaluate_reconstruction(method=method, dataset=held_out, out=tmp_path, foreground=False)


def test_the_report_of_a_run_is_written(name, tmp_path):
    _, learner = train(name, tmp_path, epochs=1)
    about = {"title": name, "method": type(learner.method).__name__, "config": {}, "hashes": {}, "seconds": 1.0}
    (tmp_path / "run.json").write_text(json.dumps(about))
    if not not_scorable(learner.method):
        evaluate_reconstruction(method=learner.method, dataset=Some(learner.method), out=tmp_path / "evaluation")
    assert name in write_report(tmp_path).read_text(encoding="utf-8")
