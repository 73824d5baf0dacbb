"""A network is built again from what it was built with."""

from __future__ import annotations

import inspect
import json

import pytest
import torch

from medmae.kinds import Kind, Scale
from medmae.methods.classification import Classification
from medmae.methods.registry import create, methods
from medmae.nn.config import build, config_of, handed_on
from medmae.nn.heads import Classifier, FeatureMap
from medmae.nn.positions import FlatSinusoid
from medmae.nn.teacher import FrozenTeacher
from medmae.nn.vit import MaskedViT


def again(module):
    """Through text, as a file has it."""
    return build(json.loads(json.dumps(config_of(module))))


def same(ours, theirs, call):
    for teacher in getattr(ours, "teachers", {}).values():  # one that was handed in is in no state, and handed in again
        if isinstance(teacher, FrozenTeacher):
            theirs.learn_from(teacher.network)
    theirs.load_state_dict(ours.state_dict())
    assert config_of(theirs) == config_of(ours)
    torch.testing.assert_close(call(ours.eval()), call(theirs.eval()), atol=0, rtol=0)


@pytest.mark.parametrize("name", sorted(methods()))
def test_every_method_is_built_again_key_for_key_and_gives_the_same(name):
    method = create(name, preset="tiny")
    batch = method.example_batch(2, generator=torch.Generator().manual_seed(0))
    same(method, again(method), lambda one: one(batch, generator=torch.Generator().manual_seed(1)).loss)


def test_arguments_that_differ_from_the_defaults_and_those_that_do_not_are_both_remembered():
    encoder = MaskedViT(
        image_size=(4, 16, 16),
        patch_size=(2, 8, 8),
        in_channels=1,
        embed_dim=48,
        depth=2,
        num_heads=4,
        qkv_bias="query_value",
        positions=FlatSinusoid(),
        kind=Kind.clip(channels=1),
        scale=Scale((0.3,), (0.2,)),
    )
    config = config_of(encoder)
    assert (config["num_heads"], config["norm_eps"]) == (4, 1e-6)
    clip = torch.rand(2, 1, 4, 16, 16)
    copy = again(encoder)
    same(encoder, copy, lambda one: one(clip))
    assert copy.kinds == encoder.kinds


def test_networks_around_others_are_built_with_them():
    def encoder():
        return MaskedViT(image_size=16, patch_size=8, embed_dim=48, depth=1, num_heads=4)

    network = Classifier(encoder=encoder(), num_classes=3)
    images = torch.rand(2, 3, 16, 16)
    same(network, again(network), lambda one: one(images))
    whole = Classification(network=network)
    same(whole, again(whole), lambda one: one.network(images))
    plain = FeatureMap(encoder=encoder())
    same(plain, again(plain), lambda one: one(images))


def test_a_network_around_what_nobody_can_describe_is_built_and_says_which_argument_it_is():
    class Strange(Classification):
        pass

    vit = MaskedViT(image_size=16, patch_size=8, embed_dim=48, depth=1, num_heads=4)
    odd = Strange(network=torch.nn.Sequential(vit))
    with pytest.raises(ValueError, match="argument network is a Sequential"):
        config_of(odd)
    with pytest.raises(ValueError, match="Linear does not remember"):
        config_of(torch.nn.Linear(1, 1))


@pytest.mark.parametrize(
    ("target", "match"),
    [
        ("os.system", "no network"),
        ("medmae.nn.config.importlib.import_module", "no network"),
        ("medmae.files.sha256_of", "no network"),
        ("medmae.nn.config.build", "no network"),
        ("medmae.nn.vit.MaskedViT.forward", "no network"),
        ("medmae.nn.nowhere.Thing", "no network"),
        ("medmae.nn.blocks.nn.Linear", "no network"),
        ("medmae.nn.vit.PatchEmbed", "no network"),  # where it is used, not where it is
        ("medmae.nn.blocks.Block", "neither a network"),
        ("medmae.kinds.Scale", "is no network"),
        ("medmae.nn/../x.Y", "no network"),
    ],
)
def test_a_file_builds_nothing_but_networks_of_ours(target, match):
    with pytest.raises(ValueError, match=match):
        build({"_target_": target})


def test_arguments_of_another_version_are_named():
    config = config_of(create("mae", preset="tiny"))
    with pytest.raises(ValueError, match="unheard_of"):
        build({**config, "unheard_of": 1})


def handed(cls):
    rest = [one for one in inspect.signature(cls).parameters.values() if one.kind is inspect.Parameter.VAR_KEYWORD]
    return set(handed_on(rest[0])) if rest else set()


@pytest.mark.parametrize("name", [name for name, spec in methods().items() if handed(spec.cls)])
def test_sizes_that_a_method_hands_on_and_was_not_told_are_remembered_too(name):
    config = config_of(create(name, preset="tiny"))
    assert handed(methods()[name].cls) <= config.keys()
    parts = create(name, preset="tiny").encoder.modules()
    encoder = config_of(next(part for part in parts if isinstance(part, MaskedViT)))
    assert all(config[key] == encoder[key] for key in ("depth", "mlp_ratio", "norm_eps"))
