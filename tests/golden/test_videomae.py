"""VideoMAE gives the numbers of the published code (MCG-NJU/VideoMAE), from its weights and its mask."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.kinds import SCALES
from medmae.masking import Mask
from medmae.methods.videomae import VideoMAE
from medmae.nn.heads import Classifier
from medmae.weights.io import import_state
from medmae.weights.maps.videomae import VIDEOMAE, VIDEOMAE_CLASSIFIER

CLOSE = {"atol": 1e-5, "rtol": 1e-4}
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
def batch(reference):
    """The clip in [0, 1]; theirs is scaled."""
    return {"image": SCALES["imagenet"].invert(reference["in.video"])}


@pytest.fixture
def mask(reference):
    return Mask.from_bool(reference["mask.bool_masked_pos"].bool())


def test_tokens_are_the_reference_s(reference, make, batch):
    encoder = make().encoder
    assert_close(encoder.patch_embed(encoder.patchify(batch["image"])), reference["out.patch_tokens"], **CLOSE)


def test_positions_of_encoder_and_decoder_are_the_reference_s(reference, make):
    method = make()
    for part, name in ((method.encoder, "encoder"), (method.decoder, "decoder")):
        assert_close(part.pos_embed, reference[f"out.pos_embed_{name}"], atol=1e-6, rtol=0)
        assert_close(part.pos_embed[0, 0], torch.tensor([0.0, 1.0]).repeat(part.pos_embed.shape[2] // 2))


def test_the_latent_of_what_is_visible_is_the_reference_s(reference, make, batch, mask):
    assert_close(make().encoder(batch["image"], mask.visible), reference["out.latent"], **CLOSE)


def test_predictions_are_the_reference_s(reference, make, batch, mask):
    assert_close(make()(batch, masks={"image": mask}).prediction["image"], reference["out.pred"], **CLOSE)


@pytest.mark.parametrize(("options", "name"), [({}, "norm"), ({"target_norm": None}, "raw")])
def test_targets_and_losses_are_the_reference_s(options, name, reference, make, batch, mask):
    method = make(**options)
    target = method.target(mask.hidden(method.patches.cut(batch["image"])))[:, :16]
    assert_close(target, reference[f"out.target_{name}"], atol=2e-5, rtol=1e-4)
    assert_close(method(batch, masks={"image": mask}).loss, reference[f"out.loss_{name}_pix"], atol=1e-5, rtol=1e-5)


def test_a_fine_tuned_classifier_gives_the_reference_s_features_and_logits(reference, batch):
    encoder = VideoMAE(**SIZES).encoder
    classifier = Classifier(encoder=encoder, num_classes=5).eval()
    state = {key.removeprefix("encoder."): value for key, value in reference.part("state.").items()}
    whole = {key: value for key, value in state.items() if key.startswith(("patch_embed.", "blocks."))}
    assert import_state(classifier, whole | reference.part("state_ft."), key_map=VIDEOMAE_CLASSIFIER).fits
    assert_close(classifier.features(batch["image"]), reference["out.ft_features"], **CLOSE)
    assert_close(classifier(batch["image"]), reference["out.ft_logits"], **CLOSE)


def test_the_reference_s_state_has_as_many_entries_as_ours_and_goes_back_to_it(reference, make):
    theirs, method = reference.part("state."), make()
    assert method.state_dict().keys().__len__() == len(theirs)
    written = VIDEOMAE.write(method.state_dict())
    assert written.keys() == theirs.keys()
    assert all(torch.equal(written[key], value) for key, value in theirs.items())
