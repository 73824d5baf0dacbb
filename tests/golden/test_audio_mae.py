"""Audio-MAE gives the numbers of the published code (facebookresearch/AudioMAE), from its weights and its noise."""

from __future__ import annotations

import pytest
import torch

from medmae.masking import Mask
from medmae.masking.lines import LineMasking
from medmae.methods.audio_mae import AudioMAE
from medmae.nn.positions import SinCos
from medmae.weights.io import import_state
from medmae.weights.maps.audio_mae import AUDIO_MAE

SIZES = {
    "embed_dim": 48,
    "depth": 2,
    "num_heads": 4,
    "decoder": "global",
    "decoder_dim": 32,
    "decoder_depth": 2,
    "decoder_heads": 4,
}


@pytest.fixture(scope="module")
def reference(golden):
    return golden("audio_mae")


@pytest.fixture
def make(reference):
    def build(**options):
        method = AudioMAE(**SIZES, turned_positions=True, **options)
        assert import_state(method, reference.part("state."), key_map=AUDIO_MAE).fits
        return method

    return build


@pytest.fixture
def batch(reference):
    return {"audio": reference["in.fbank_sample"]}  # scaled already


def test_the_mask_of_their_noise_is_theirs(reference):
    masking = AudioMAE(**SIZES).masking
    mask = masking.sample(2, noise=reference["mask.noise"])
    assert (mask.num_visible, mask.num_masked) == (102, 410)
    assert torch.equal(mask.as_bool(), reference["mask.mask"].bool())
    assert torch.equal(mask.visible, reference["mask.ids_restore"].argsort(dim=1)[:, :102])


def test_the_mask_of_time_and_frequency_is_theirs(reference):
    masking = LineMasking(grid=(64, 8), ratios=(0.7, 0.3))
    mask = masking.sample(2, noise=torch.cat([reference["mask.noise_t"], reference["mask.noise_f"]], dim=1))
    assert (masking.kept, mask.num_visible) == ([19, 5], 95)
    assert torch.equal(mask.as_bool(), reference["mask.mask_2d_t07_f03"].bool())
    assert torch.equal(mask.visible, reference["mask.ids_restore_2d"].argsort(dim=1)[:, :95])


@pytest.mark.parametrize(("turned", "name"), [(True, "8x64"), (False, "64x8")])
def test_positions_are_theirs_turned_over_or_as_tokens_stand(reference, turned, name):
    method = AudioMAE(**SIZES, turned_positions=turned)
    reference.compare(method.encoder.pos_embed[0], reference[f"out.posemb_grid_{name}"])
    assert torch.equal(method.decoder.pos_embed, SinCos(turned=turned).table(grid=(64, 8), dim=32, prefix=1))


def test_the_decoder_makes_their_predictions_of_their_latent(reference):
    method = AudioMAE(**SIZES, turned_positions=True)
    renamed, _ = AUDIO_MAE.apply(reference.part("state.", only=("decoder_", "mask_token")))
    left = method.load_state_dict(renamed, strict=False)
    assert not left.unexpected_keys
    assert all(key.startswith("encoder.") for key in left.missing_keys)
    mask = Mask.from_noise(reference["mask.noise"], num_visible=102)
    found = method.head(method.decoder(reference["out.latent"], mask, masked_only=False))
    reference.compare(found[:, :64], reference["out.pred"])


def test_their_tables_are_refused_by_a_network_whose_tokens_stand_otherwise(reference):
    with pytest.raises(ValueError, match="of another grid"):
        import_state(AudioMAE(**SIZES), reference.part("state."), key_map=AUDIO_MAE)


def test_the_latent_and_predictions_are_theirs(reference, make, batch):
    method = make().eval()
    mask = Mask.from_noise(reference["mask.noise"], num_visible=102)
    reference.compare(method.encoder(batch["audio"], mask.visible), reference["out.latent"])
    reference.compare(method.predict(batch, mask)[:, :64], reference["out.pred"])


@pytest.mark.parametrize(("options", "name"), [({}, "norm_pix"), ({"target_norm": None}, "raw")])
def test_losses_are_theirs(options, name, reference, make, batch):
    mask = Mask.from_noise(reference["mask.noise"], num_visible=102)
    reference.compare(make(**options)(batch, masks={"audio": mask}).loss, reference[f"out.loss_{name}"][0])
