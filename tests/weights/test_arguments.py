"""What somebody wants of a network whose weights say how it was built."""

from __future__ import annotations

import pytest

from medmae.errors import DataError
from medmae.methods.edge_mae import edge_mae_paper
from medmae.methods.he_mmae import he_mmae_tiny
from medmae.methods.mae import mae_huge, mae_tiny
from medmae.methods.presets import known_as
from medmae.methods.registry import methods
from medmae.nn.arguments import same
from medmae.nn.config import config_by, config_of
from medmae.nn.heads import Classifier
from medmae.nn.vit import MaskedViT
from medmae.weights.arguments import Wanted, shapes, with_arguments


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (32, [32, 32], True),
        ([32, 24], {"_tuple_": [32, 24]}, True),
        (32, [32, 24], False),
        ((1.0,), 1, True),
        ("imagenet", "half", False),
        ([], 1, False),
        ({"rgb": "mse", "h": "l1"}, {"h": "l1", "rgb": "mse"}, True),
        (None, 0, False),
    ],
)
def test_arguments_are_compared_by_what_they_mean(one, other, equal):
    assert same(one, other) is equal
    assert same(other, one) is equal


@pytest.mark.parametrize("name", methods())
def test_a_preset_says_what_it_would_build(name):
    make = methods()[name].presets["tiny"]
    assert config_by(make) == config_of(make())


def test_a_teacher_that_a_preset_makes_on_the_way_is_not_what_it_would_build():
    def taught(**options: int) -> Classifier:
        MaskedViT(image_size=16, patch_size=8, embed_dim=48, depth=1, num_heads=4)  # such as a teacher
        encoder = MaskedViT(image_size=32, patch_size=8, embed_dim=48, depth=1, num_heads=4)
        return Classifier(encoder=encoder, num_classes=3)

    assert config_by(taught) == config_of(taught())


def test_nothing_is_built_for_that(monkeypatch):
    monkeypatch.setattr("medmae.nn.vit.PatchEmbed", None)
    assert config_by(mae_huge)["embed_dim"] == 1280
    assert config_by(edge_mae_paper, image_size=64)["in_channels"] == 1  # its own, which no preset names
    with pytest.raises(TypeError):
        config_by(he_mmae_tiny, imagesize=16)
    with pytest.raises(ValueError, match="nothing that remembers"):
        config_by(dict)


def test_the_nearest_preset_and_what_was_changed_of_it_are_known():
    about = known_as(mae_tiny(image_size=16, mask_ratio=0.5))
    assert about == {"method": "mae", "preset": "tiny", "changed": {"image_size": 16, "mask_ratio": 0.5}}


@pytest.mark.parametrize(
    "name", ["image_size", "depth", "decoder_dim", "unet_depths", "num_contrasts", "neighbours", "num_frames"]
)
def test_sizes_shape_a_network(name):
    assert shapes(name)


@pytest.mark.parametrize("name", ["mask_ratio", "num_visible", "drop_path", "scale", "alphas", "strategy"])
def test_other_arguments_do_not(name):
    assert not shapes(name)


def test_a_size_that_the_weights_do_not_have_is_refused_and_all_else_is_taken():
    config = {"_target_": "x", "network": {"_target_": "y", "depth": 2}, "mask_ratio": 0.75}
    taken = with_arguments(
        config, {"mask_ratio": Wanted(0.5, "mask_ratio"), "network.depth": Wanted(2, "depth")}, path="w"
    )
    assert (taken["mask_ratio"], config["mask_ratio"]) == (0.5, 0.75)
    with pytest.raises(DataError, match=r"w: .* trained with layers = 2, and 3 is wanted .*--layers 2"):
        with_arguments(config, {"network.depth": Wanted(3, "layers")}, path="w")
