"""Fine-tuning on few labels: it learns, keeps the best epoch, uses every sample, and leaves the encoder as it is."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, Subset

from medmae.evaluate.classify.fine_tune import FineTune
from medmae.evaluate.classify.folds import Fold
from medmae.evaluate.classify.mixing import Mixing
from medmae.evaluate.classify.single_label import SingleLabel
from medmae.methods.mae import mae_tiny

LABELS = np.arange(48) % 2
TWO = SingleLabel(classes=("a", "b"))
FOLD = Fold(train=np.arange(12), val=np.arange(12, 24), test=np.arange(24, 48))


class Tiles:
    """Tiles of class 1 are redder."""

    def __init__(self):
        generator = torch.Generator().manual_seed(0)
        self.images = torch.rand(48, 3, 32, 32, generator=generator)
        self.images[:, 0] = self.images[:, 0] * 0.5 + 0.5 * torch.from_numpy(LABELS)[:, None, None]

    def __len__(self):
        return 48

    def __getitem__(self, number):
        return {"image": self.images[number]}


def tuned(**options):
    torch.manual_seed(0)
    options = {"samples": Tiles(), "epochs": 12, "base_lr": 0.1, "mixing": None, **options}
    return FineTune(encoder=mae_tiny().encoder, **options)


def accuracy(probabilities):
    return (probabilities.argmax(axis=1) == LABELS[FOLD.test]).mean()


def test_it_learns_what_tells_the_classes_apart_and_leaves_the_encoder_as_it_is():
    tune = tuned()
    before = copy.deepcopy(tune.encoder.state_dict())
    probabilities = tune(FOLD, LABELS, task=TWO)
    assert probabilities.shape == (24, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert accuracy(probabilities) > 0.9
    for name, value in tune.encoder.state_dict().items():
        assert torch.equal(value, before[name])


def test_the_same_seed_gives_the_same_probabilities_whatever_was_drawn_before():
    tune = tuned(epochs=2, mixing=Mixing())
    first = tune(FOLD, LABELS, task=TWO, seed=3)
    torch.rand(5)
    state = torch.get_rng_state()
    assert np.array_equal(first, tune(FOLD, LABELS, task=TWO, seed=3))
    assert torch.equal(state, torch.get_rng_state())
    assert not np.array_equal(first, tune(FOLD, LABELS, task=TWO, seed=4))


def test_drop_path_and_positions_are_those_of_the_copy_that_is_trained():
    tune = tuned(drop_path=0.2, learn_positions=True)
    model = tune._model(2)
    assert [getattr(block.drop_path1, "drop_prob", 0.0) for block in model.encoder.blocks] == [0.0, 0.1, 0.2]
    assert model.encoder.pos_embed.requires_grad
    assert not tune.encoder.pos_embed.requires_grad
    assert all(isinstance(block.drop_path1, torch.nn.Identity) for block in tune.encoder.blocks)


def test_every_training_sample_is_used_in_every_epoch():
    seen = []

    class Watched(Tiles):
        def __getitem__(self, number):
            seen.append(number)
            return super().__getitem__(number)

    fold = Fold(train=np.arange(11), val=np.empty(0, dtype=int), test=np.arange(24, 48))
    tuned(samples=Watched(), epochs=3, batch_size=5)(fold, LABELS, task=TWO)
    assert sorted(seen[:33]) == sorted(3 * list(range(11)))


def test_samples_that_draw_anew_do_so_in_each_epoch_and_are_tested_as_in_the_first():
    class Drawn(Tiles):
        epoch, seen = 0, []

        def set_epoch(self, epoch):
            self.epoch = epoch

        def __getitem__(self, number):
            self.seen.append((self.epoch, number >= 24))
            return super().__getitem__(number)

    drawn = Drawn()
    samples = ConcatDataset([Subset(drawn, range(48))])
    fold = Fold(train=np.arange(12), val=np.empty(0, dtype=int), test=np.arange(24, 48))
    tuned(samples=samples, epochs=3)(fold, LABELS, task=TWO)
    assert set(drawn.seen) == {(0, False), (1, False), (2, False), (0, True)}


def test_the_best_epoch_of_validation_is_kept_not_the_last():
    # Labels of the training part are wrong and validation is right: the less is learnt the better.
    wrong = np.concatenate([1 - LABELS[:12], LABELS[12:]])
    kept = tuned(epochs=8, warmup_epochs=0)(FOLD, wrong, task=TWO)
    last = Fold(train=FOLD.train, val=FOLD.val[:0], test=FOLD.test)
    final = tuned(epochs=8, warmup_epochs=0)(last, wrong, task=TWO)
    assert accuracy(final) < 0.2
    assert accuracy(kept) > accuracy(final)


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.8, 0.0), (0.0, 1.0), (0.8, 1.0)])
def test_a_mixed_batch_shows_each_class_by_the_share_of_its_pixels(mixup, cutmix):
    images = torch.stack([torch.zeros(3, 16, 16), torch.ones(3, 16, 16)])
    mixing = Mixing(mixup=mixup, cutmix=cutmix, smoothing=0)
    shares = set()
    for seed in range(8):
        generator = torch.Generator().manual_seed(seed)
        mixed, targets = mixing(images, torch.tensor([0, 1]), num_classes=2, generator=generator)
        torch.testing.assert_close(mixed.mean(dim=(1, 2, 3)), targets[:, 1])
        torch.testing.assert_close(targets.sum(dim=1), torch.ones(2))
        shares.add(round(float(targets[0, 0]), 4))
    assert len(shares) > 4


def test_smoothing_alone_leaves_the_images():
    images, labels = torch.rand(2, 3, 8, 8), torch.tensor([0, 2])
    mixing = Mixing(mixup=0, cutmix=0, smoothing=0.1)
    mixed, targets = mixing(images, labels, num_classes=4, generator=torch.Generator())
    assert torch.equal(mixed, images)
    assert targets[0].tolist() == pytest.approx([0.925, 0.025, 0.025, 0.025])
