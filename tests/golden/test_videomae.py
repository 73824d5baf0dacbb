"""VideoMAE gives the numbers of the published code (MCG-NJU/VideoMAE), from its weights and its mask."""

from __future__ import annotations

import pytest
import torch

from medmae.kinds import SCALES
from medmae.masking import Mask
from medmae.methods.videomae import VideoMAE
from medmae.nn.heads import Classifier
from medmae.weights.io import import_state
from medmae.weights.maps.videomae import VIDEOMAE, VIDEOMAE_CLASSIFIER

SIZES = {
    "image_size": 64,
    "embed_dim": 48,
    "depth": 2,
    "num_heads": 4,
    "decoder_dim": 32,
    "decoder_depth": 2,
    "decoder_heads": 2,
    "mask_ratio": 0.75,
    "scale": "imagenet",
}


@pytest.fixture(scope="module")
def reference(golden):
    return golden("videomae")


@pytest.fixture
def make(reference):
    def build(**options):
        method = VideoMAE(**{**SIZES, **options})
        assert import_state(method, reference.part("state."), key_map=VIDEOMAE).fits
        return method

    return build


@pytest.fixture
def classifier(reference):
    """With all but the projection of cubes, which most of the numbers are."""
    network = Classifier(encoder=VideoMAE(**SIZES).encoder, num_classes=5).eval()
    blocks = reference.part("state.encoder.", only=("blocks.",))
    renamed, _ = VIDEOMAE_CLASSIFIER.apply(blocks | reference.part("state_ft."))
    left = network.load_state_dict(renamed, strict=False)
    assert left.missing_keys == ["encoder.patch_embed.proj.weight", "encoder.patch_embed.proj.bias"]
    assert not left.unexpected_keys
    return network


@pytest.fixture
def batch(reference):
    """The clip in [0, 1]; theirs is scaled."""
    return {"image": SCALES["imagenet"].invert(reference["in.video"])}


@pytest.fixture
def mask(reference):
    return Mask.from_bool(reference["mask.bool_masked_pos"].bool())


def test_the_mask_is_tubes_of_as_many_places_as_ours(reference, mask):
    ours = VideoMAE(**SIZES).masking.sample(1)
    assert (mask.num_visible, mask.num_masked) == (ours.num_visible, ours.num_masked) == (32, 96)
    table = mask.as_bool().reshape(-1, 8, 16)
    assert torch.equal(table, table[:, :1].expand_as(table))


def test_tokens_are_the_reference_s(reference, make, batch):
    encoder = make().encoder
    reference.compare(encoder.patch_embed(encoder.patchify(batch["image"])), reference["out.patch_tokens"])


@pytest.mark.parametrize("name", ["encoder", "decoder"])
def test_positions_are_the_reference_s(name, reference):
    positions = VideoMAE(**SIZES).get_submodule(name).pos_embed
    reference.compare(positions, reference[f"out.pos_embed_{name}"])
    assert torch.equal(positions[0, 0], torch.tensor([0.0, 1.0]).repeat(positions.shape[2] // 2))


def test_the_latent_of_visible_tokens_is_the_reference_s(reference, mask):
    encoder = VideoMAE(**SIZES).encoder
    renamed, _ = VIDEOMAE.apply(reference.part("state.encoder.", only=("blocks.", "norm.")))
    assert not encoder.load_state_dict(renamed, strict=False).unexpected_keys
    tokens = mask.keep(reference["out.patch_tokens"] + encoder.pos_embed)
    reference.compare(encoder.forward_tokens(tokens), reference["out.latent"])


def test_the_latent_of_what_is_visible_is_the_reference_s(reference, make, batch, mask):
    reference.compare(make().encoder(batch["image"], mask.visible), reference["out.latent"])


def test_predictions_are_the_reference_s(reference, make, batch, mask):
    reference.compare(make()(batch, masks={"image": mask}).prediction["image"], reference["out.pred"])


@pytest.mark.parametrize(("options", "name"), [({}, "norm"), ({"target_norm": None}, "raw")])
def test_targets_and_losses_are_the_reference_s(options, name, reference, make, batch, mask):
    method = make(**options)
    target = method.target(mask.hidden(method.patches.patchify(batch["image"])))[:, :16]
    reference.compare(target, reference[f"out.target_{name}"])
    reference.compare(method(batch, masks={"image": mask}).loss, reference[f"out.loss_{name}_pix"])


def test_a_fine_tuned_classifier_gives_the_reference_s_features_and_logits(reference, classifier, batch):
    projection = reference.part("state.encoder.", only=("patch_embed.",))
    classifier.encoder.load_state_dict(projection, strict=False)
    reference.compare(classifier.features(batch["image"]), reference["out.ft_features"])
    reference.compare(classifier(batch["image"]), reference["out.ft_logits"])


def test_a_fine_tuned_classifier_gives_the_reference_s_features_and_logits_of_its_tokens(reference, classifier):
    tokens = reference["out.patch_tokens"] + classifier.encoder.pos_embed
    features = classifier.fc_norm(classifier.encoder.forward_tokens(tokens).mean(dim=1))
    reference.compare(features, reference["out.ft_features"])
    reference.compare(classifier.head(features), reference["out.ft_logits"])


def test_the_reference_s_state_has_as_many_entries_as_ours_and_goes_back_to_it(reference, make):
    theirs, method = reference.part("state."), make()
    assert len(method.state_dict()) == len(theirs)
    written = VIDEOMAE.write(method.state_dict())
    assert written.keys() == theirs.keys()
    assert all(torch.equal(written[key], value) for key, value in theirs.items())
