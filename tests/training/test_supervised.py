"""A supervised method is trained, logged, guarded and advised like one that hides tokens."""

from __future__ import annotations

import json

import pytest
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import CSVLogger
from torch.utils.data import DataLoader

from medmae.methods.mt_unet import mt_unet_tiny
from medmae.nn.checkpointing import checkpoint_activations
from medmae.training import Checkpoints, ResumableLoader, fit
from medmae.training.out_of_memory import training_advice
from medmae.training.sizes import Sizes
from tests.training.toys import Blobs, module, trainer


class Pairs(Blobs):
    """The target is the negative of the image; some images may be spoilt."""

    def __init__(self, count=8, *, nan=()):
        super().__init__(count)
        self.nan = set(nan)

    def __getitem__(self, index):
        image = self.images[index]
        spoilt = image * float("nan") if index in self.nan else image
        return {"image": spoilt, "target": 1 - image, "index": index}

    def describe(self, index):
        return {"case": f"case-{index}"}


class Stacks(Pairs):
    """Three contrasts, one of which is missing in every other sample."""

    def __getitem__(self, index):
        pair = super().__getitem__(index)
        image = torch.cat([pair["image"], pair["target"], pair["image"] / 2])
        return {"image": image, "available": torch.tensor([True, True, index % 2 == 0]), "index": index}


def loader(data):
    return DataLoader(data, batch_size=4)


def learning(**options):
    torch.manual_seed(0)
    return module(method=mt_unet_tiny(**options))


def test_it_learns_and_its_terms_are_logged(tmp_path):
    learner = learning()
    logger = CSVLogger(tmp_path, name="", version="logs")
    run = trainer(tmp_path, epochs=4, logger=logger, log_every_n_steps=1)
    fit(trainer=run, module=learner, train_loader=loader(Pairs()), val_loader=loader(Pairs(4)))
    head, *rows = (tmp_path / "logs" / "metrics.csv").read_text().splitlines()
    table = [dict(zip(head.split(","), row.split(","), strict=True)) for row in rows]
    steps = [row for row in table if row["train/loss"]]
    assert len(steps) == 8
    total = float(steps[0]["train/image"]) + float(steps[0]["train/feature"])
    assert total == pytest.approx(float(steps[0]["train/loss"]), rel=1e-5)
    validated = [float(row["val/loss"]) for row in table if row["val/loss"]]
    assert validated[-1] < 0.95 * validated[0]


def test_what_is_given_is_drawn_from_the_run_s_generator_and_validation_draws_the_same(tmp_path, monkeypatch):
    learner = learning(num_contrasts=3)
    drawn, predict = [], learner.method.predict

    def spy(image, given):
        drawn.append(given)
        return predict(image, given)

    monkeypatch.setattr(learner.method, "predict", spy)
    run = trainer(tmp_path, epochs=2, num_sanity_val_steps=0)
    fit(trainer=run, module=learner, train_loader=loader(Stacks()), val_loader=loader(Stacks(4)))
    # two epochs of two training batches and one validation batch each
    assert len(drawn) == 6
    assert torch.equal(drawn[2], drawn[5])
    assert not torch.equal(drawn[0], drawn[3])


class Interrupt(Callback):
    """Breaks off after some steps; the learning rate is then what it would have been."""

    def __init__(self, *, after):
        self.after = after

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == self.after:
            raise KeyboardInterrupt


def test_a_stopped_run_goes_on_as_if_it_had_not_been(tmp_path):
    def run(folder, *, checkpoint=None, after=None):
        keeper = Checkpoints(folder=tmp_path / folder / "checkpoints", every_steps=1)
        made = trainer(tmp_path / folder, epochs=2, enable_checkpointing=True, callbacks=[keeper])
        made.callbacks.append(Interrupt(after=after))  # at the end, for Lightning puts the keeper last
        learner = learning(num_contrasts=3)
        batches = ResumableLoader(dataset=Stacks(), batch_size=4, shuffle=False)
        fit(trainer=made, module=learner, train_loader=batches, checkpoint=checkpoint)
        return learner.method.state_dict()

    whole = run("whole")
    with pytest.raises(SystemExit):
        run("parts", after=3)
    parts = run("parts", checkpoint="newest")
    assert all(torch.equal(value, parts[key]) for key, value in whole.items())


def test_a_sample_that_is_not_finite_is_named(tmp_path):
    learner = learning()
    with pytest.warns(UserWarning, match=r"step 1 is skipped.*6 \(case case-6\)"):
        fit(trainer=trainer(tmp_path), module=learner, train_loader=loader(Pairs(nan=[6])))
    record = json.loads((tmp_path / "not_finite" / "step-00000001.json").read_text())
    assert [sample["index"] for sample in record["samples"]] == [6]


@pytest.mark.filterwarnings("ignore:step 1 is skipped")
def test_looking_for_the_sample_draws_nothing_that_the_training_would_have_drawn(tmp_path):
    states = []
    for nan in ((), (6,)):
        learner = learning(num_contrasts=3)
        fit(trainer=trainer(tmp_path), module=learner, train_loader=loader(Stacks(nan=nan)))
        states.append((learner.generator.get_state(), torch.get_rng_state()))
        assert learner.guard.skipped == len(nan)
    assert all(torch.equal(one, two) for one, two in zip(*states, strict=True))


def test_where_the_cost_is_not_known_advice_is_given_without_figures():
    method = mt_unet_tiny()
    with pytest.raises(ValueError, match="the cost of MTUNet is not known: it hides no tokens"):
        Sizes.of(method)
    advice = training_advice(method, batch_size=8)
    assert advice[0] == "--batch_size 4 --accumulate 2, as many samples a step"
    assert any("--recompute true" in line for line in advice)
    assert not any("MiB" in line for line in advice)
    checkpoint_activations(method)
    assert not any("--recompute true" in line for line in training_advice(method, batch_size=8))
