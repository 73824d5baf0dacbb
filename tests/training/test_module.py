"""MaskedModule under Lightning's Trainer."""

import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger

from medmae.errors import DataError
from medmae.methods.bootmae import bootmae_tiny
from medmae.training import fit
from tests.training.toys import Blobs, loader, module, trainer


def masks_of(learner, monkeypatch):
    seen = []
    draw = learner.method.draw_masks

    def spy(batch, *, generator=None):
        masks = draw(batch, generator=generator)
        seen.append(masks["image"].visible.clone())
        return masks

    monkeypatch.setattr(learner.method, "draw_masks", spy)
    return seen


def test_training_lowers_the_loss_of_a_fixed_batch(tmp_path):
    learner = module()
    batch = {"image": Blobs(8).images}
    mask = learner.method.draw_masks(batch, generator=torch.Generator().manual_seed(9))["image"]
    before = learner.method(batch, masks={"image": mask}).loss.item()
    fit(trainer=trainer(tmp_path, epochs=20), module=learner, train_loader=loader())
    assert learner.method(batch, masks={"image": mask}).loss.item() < 0.8 * before


def test_the_same_seed_gives_the_same_weights(tmp_path):
    weights = []
    for _ in range(2):
        learner = module(seed=3)
        fit(trainer=trainer(tmp_path), module=learner, train_loader=loader())
        weights.append(learner.method.encoder.norm.weight.detach().clone())
    assert torch.equal(weights[0], weights[1])


def test_another_seed_draws_other_masks(tmp_path, monkeypatch):
    first, second = module(seed=0), module(seed=1)
    masks = []
    for learner in (first, second):
        masks.append(masks_of(learner, monkeypatch))
        fit(trainer=trainer(tmp_path), module=learner, train_loader=loader())
    assert not torch.equal(masks[0][0], masks[1][0])


def test_validation_draws_the_same_masks_every_epoch(tmp_path, monkeypatch):
    learner = module()
    seen = masks_of(learner, monkeypatch)
    run = trainer(tmp_path, epochs=2, num_sanity_val_steps=0)
    fit(trainer=run, module=learner, train_loader=loader(), val_loader=loader(8))
    # two epochs of two training batches and one validation batch each
    assert len(seen) == 6
    assert torch.equal(seen[2], seen[5])
    assert not torch.equal(seen[0], seen[3])


@pytest.mark.parametrize("length", [{"epochs": 2}, {"epochs": -1, "max_steps": 4}])
def test_the_learning_rate_follows_the_schedule_at_every_step(tmp_path, length):
    learner = module()
    rates = []

    def spy(*args, **kwargs):
        rates.append(learner.trainer.optimizers[0].param_groups[0]["lr"])
        return type(learner).optimizer_step(learner, *args, **kwargs)

    learner.optimizer_step = spy
    fit(trainer=trainer(tmp_path, **length), module=learner, train_loader=loader())
    expected = [learner.schedule.value(step / 2, peak=2e-3, epochs=2) for step in range(4)]
    assert rates == pytest.approx(expected)


def test_the_log_holds_the_loss_and_every_term_and_the_terms_add_up(tmp_path):
    learner = module()
    logger = CSVLogger(tmp_path, name="", version="logs")
    run = trainer(tmp_path, logger=logger, log_every_n_steps=1)
    fit(trainer=run, module=learner, train_loader=loader(), val_loader=loader(8))
    head, *rows = (tmp_path / "logs" / "metrics.csv").read_text().splitlines()
    table = [dict(zip(head.split(","), row.split(","), strict=True)) for row in rows]
    step = next(row for row in table if row["train/loss"])
    assert float(step["train/image"]) + float(step["train/edge"]) == pytest.approx(float(step["train/loss"]), rel=1e-5)
    assert any(row["val/loss"] for row in table)
    assert float(step["lr"]) == pytest.approx(2e-3)


def test_a_resumed_run_goes_on_with_the_masks_that_would_have_come_next(tmp_path, monkeypatch):
    whole = module()
    expected = masks_of(whole, monkeypatch)
    fit(trainer=trainer(tmp_path / "a", epochs=2), module=whole, train_loader=loader())

    first = module()
    keeper = ModelCheckpoint(dirpath=tmp_path / "b", filename="one", save_on_train_epoch_end=True)
    run = trainer(tmp_path / "b", epochs=2, enable_checkpointing=True, callbacks=[keeper], limit_train_batches=2)
    run.fit_loop.max_epochs = 1
    fit(trainer=run, module=first, train_loader=loader())

    second = module()
    seen = masks_of(second, monkeypatch)
    run = trainer(tmp_path / "c", epochs=2)
    fit(trainer=run, module=second, train_loader=loader(), checkpoint=tmp_path / "b" / "one.ckpt")
    assert torch.equal(seen[0], expected[2])


def test_augmentation_is_applied_in_training_only(tmp_path):
    calls = []

    def darken(images, *, generator):
        calls.append(generator)
        return images * 0.5

    learner = module(augment={"image": darken})
    fit(trainer=trainer(tmp_path), module=learner, train_loader=loader(), val_loader=loader(8))
    assert len(calls) == 2
    assert all(generator is learner.generator for generator in calls)


def test_one_augmentation_can_move_all_of_a_batch_together(tmp_path, monkeypatch):
    class Darken:
        def __init__(self):
            self.factor = 0.5
            self.generators = []

        def __call__(self, batch, *, generator):
            self.generators.append(generator)
            return {name: value * self.factor for name, value in batch.items()}

    augment = Darken()
    learner = module(augment=augment)
    brightest, forward = [], learner.method.forward

    def spy(batch, **options):
        brightest.append(float(batch["image"].max()))
        return forward(batch, **options)

    monkeypatch.setattr(learner.method, "forward", spy)
    run = trainer(tmp_path, num_sanity_val_steps=0)
    fit(trainer=run, module=learner, train_loader=loader(), val_loader=loader(8))
    assert augment.generators == [learner.generator] * 2
    assert max(brightest[:2]) <= 0.5 < brightest[2]  # two steps of training, then validation, which is left as it is
    assert learner.describe(trainer=run, loader=loader())["augment"]["factor"] == 0.5  # a resumed run must share it


def test_the_teacher_moves_once_after_each_optimiser_step(tmp_path, monkeypatch):
    learner = module()
    moved = []
    monkeypatch.setattr(learner.method, "update_teacher", lambda *, progress: moved.append(progress))
    fit(trainer=trainer(tmp_path, accumulate_grad_batches=2), module=learner, train_loader=loader(32))
    assert moved == [0.0, 0.5]  # the progress at which each of the two steps was made


def test_the_momentum_of_a_teacher_is_logged_and_nobody_is_warned_of_its_mode(tmp_path, recwarn):
    learner = module(method=bootmae_tiny(image_size=64, in_channels=1, momentum=(0.9, 0.9, 0.9)))
    logger = CSVLogger(tmp_path, name="", version="logs")
    fit(trainer=trainer(tmp_path, logger=logger, log_every_n_steps=1), module=learner, train_loader=loader())
    head, first, *_ = (tmp_path / "logs" / "metrics.csv").read_text().splitlines()
    assert float(dict(zip(head.split(","), first.split(","), strict=True))["teacher_momentum"]) == pytest.approx(0.9)
    assert not [str(warning.message) for warning in recwarn if "eval mode" in str(warning.message)]


def test_an_empty_loader_is_refused_with_the_counts(tmp_path):
    with pytest.raises(DataError, match=r"no batch.*\(4, 8, True\).*batch_size"):
        fit(trainer=trainer(tmp_path), module=module(), train_loader=loader(4, drop_last=True))


def test_an_output_folder_that_cannot_be_written_is_refused_before_training(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DataError, match="cannot write"):
        fit(trainer=trainer(tmp_path / "file" / "run"), module=module(), train_loader=loader())
