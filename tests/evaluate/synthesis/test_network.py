"""A network applied to tasks."""

import numpy as np
import pytest
import torch

from medmae.errors import DataError
from medmae.evaluate.synthesis.case_scores import SynthesisCases
from medmae.evaluate.synthesis.network import Synthesiser
from medmae.methods.mt_unet import mt_unet_demo, mt_unet_tiny


def first(manifest, **options):
    options = {"split": "test", "source": "T1", "target": "T2", "contrasts": None, "min_foreground": 0.02, **options}
    found = SynthesisCases(manifest=manifest, **options)
    task = found.tasks()[0]
    return task, found.read(task)


def test_a_pair_comes_back_at_its_own_size_with_what_the_network_gave(make_set, perfect):
    task, volumes = first(make_set())
    made, outputs = Synthesiser(network=perfect, size=40, batch_size=3)(task, volumes.image)
    assert made.shape == volumes.real.shape
    assert sorted(outputs) == np.flatnonzero(volumes.source.any(axis=(1, 2))).tolist()
    assert outputs[5].shape == (40, 40)


def test_where_nothing_is_resized_the_network_s_own_slices_are_those_of_the_volume(make_set, perfect):
    task, volumes = first(make_set(shape=(12, 24, 24)))
    made, outputs = Synthesiser(network=perfect, size=(24, 24))(task, volumes.image)
    assert np.allclose(made, volumes.real, atol=1e-6)
    assert all(np.array_equal(made[z], outputs[z]) for z in outputs)


def test_a_network_that_resizes_nothing_sees_padded_slices_and_gives_them_back(make_set, perfect):
    task, volumes = first(make_set(shape=(12, 24, 20)))
    made, outputs = Synthesiser(network=perfect, size=30, resize=False)(task, volumes.image)
    assert np.allclose(made, volumes.real, atol=1e-6)
    assert outputs[5].shape == (30, 30)


def test_a_method_says_of_which_size_it_wants_slices_and_what_its_pictures_are_made_of():
    own = Synthesiser.of(mt_unet_demo(image_size=50, feature_weight=0.0), device="cpu")
    assert (own.edge, own.resize, own.patch) == (50, False, 8)
    published = Synthesiser.of(mt_unet_tiny(), device="cpu")
    assert (published.edge, published.resize, published.patch) == (64, True, 8)


def test_an_any_to_any_network_is_told_what_is_given_and_asked_for_the_target(make_set, perfect):
    seen = []

    def network(images, given):
        seen.append(given[0].tolist())
        assert given.shape == images.shape[:2]
        t1 = images[:, 2:]
        return torch.cat([torch.zeros_like(t1), perfect(t1), t1], dim=1)

    task, volumes = first(
        make_set(contrasts=("T1", "T2", "FLAIR")), source=None, target="T2", contrasts=("FLAIR", "T2", "T1")
    )
    made, _ = Synthesiser(network=network, size=28)(task, volumes.image)
    assert seen == [[True, False, True]]
    assert np.allclose(made, volumes.real, atol=1e-6)


def test_neighbours_reach_the_network(make_set, perfect):
    task, volumes = first(make_set(shape=(12, 24, 24)))
    made, _ = Synthesiser(network=lambda images: perfect(images[:, 1:2]), size=24, neighbours=1)(task, volumes.image)
    assert np.allclose(made, volumes.real, atol=1e-6)


def test_volume_and_the_network_s_own_slices_are_smoothed_alike(make_set):
    task, volumes = first(make_set(shape=(12, 24, 24)))
    stripes = lambda images: images * torch.linspace(0.2, 1, len(images))[:, None, None, None].roll(1, 0)  # noqa: E731
    made, outputs = Synthesiser(network=stripes, size=24, smooth=1.0)(task, volumes.image)
    rough, _ = Synthesiser(network=stripes, size=24)(task, volumes.image)
    assert not np.allclose(made, rough, atol=0.01)
    head = volumes.source > 0
    assert all(np.allclose(made[z][head[z]], outputs[z][head[z]], atol=1e-6) for z in outputs)


@pytest.mark.parametrize("neighbours", [0, 1])
def test_smoothing_darkens_the_rim_of_no_slice_of_the_network_s_own(make_set, neighbours):
    task, volumes = first(make_set(shape=(12, 24, 24)))
    head = (volumes.image > 0).astype(np.float32)  # (S, 1, H, W)
    own = lambda images: images[:, neighbours : neighbours + 1]  # noqa: E731
    _, outputs = Synthesiser(network=own, size=24, neighbours=neighbours, smooth=1.0)(task, head)
    assert all(np.allclose(outputs[z], head[z, 0], atol=1e-6) for z in outputs)


def test_a_3d_network_is_asked_for_crops_and_has_no_slices_of_its_own(make_set, monkeypatch):
    task, volumes = first(make_set())

    def by_crops(network, image, *, size, **_):
        assert size == (8, 16, 16)
        return image

    monkeypatch.setattr("medmae.evaluate.synthesis.network.synthesise_volume", by_crops)
    synthesiser = Synthesiser(network=lambda crops: crops, size=(8, 16, 16))
    made, outputs = synthesiser(task, volumes.image)
    assert synthesiser.edge is None
    assert outputs == {}
    assert np.array_equal(made, volumes.source)


def test_values_that_are_not_finite_are_refused_with_the_case(make_set):
    task, volumes = first(make_set())
    with pytest.raises(DataError, match=r"not finite.*'d'"):
        Synthesiser(network=lambda images: images / 0.0, size=28)(task, volumes.image)


@pytest.mark.parametrize("broken", [0, 1])
def test_a_spread_that_is_not_finite_is_refused_too(make_set, monkeypatch, broken):
    def augmented(network, image, **_):
        made = [np.zeros_like(image), np.zeros_like(image)]
        made[broken][0, 0, 0, 0] = np.nan
        return made

    monkeypatch.setattr("medmae.evaluate.synthesis.network.uncertainty_volume", augmented)
    task, volumes = first(make_set())
    with pytest.raises(DataError, match=r"not finite.*'d'"):
        Synthesiser(network=None, size=28).with_spread(task, volumes.image)


def test_a_network_that_treats_all_sides_alike_has_no_spread(make_set, perfect):
    task, volumes = first(make_set())
    mean, std = Synthesiser(network=perfect, size=28).with_spread(task, volumes.image)
    assert np.allclose(mean, volumes.real, atol=1e-6)
    assert std.shape == volumes.real.shape
    assert std.max() == 0.0
