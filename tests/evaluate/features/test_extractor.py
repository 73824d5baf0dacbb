"""Frozen features of the whole encoder, or of its first blocks."""

import pytest
import torch
from torch.nn import functional as F

from medmae.evaluate.features.extractor import FeatureExtractor
from medmae.methods.av_mae import av_mae_tiny
from medmae.methods.he_mmae import he_mmae_tiny
from medmae.methods.mae import mae_tiny


@pytest.mark.parametrize("pool", ["mean", "class_token"])
def test_features_after_some_blocks_are_those_of_an_encoder_that_ends_there(pool):
    images, encoder = torch.rand(2, 3, 32, 32), mae_tiny().encoder
    short = mae_tiny(depth=2).encoder
    short.load_state_dict(encoder.state_dict(), strict=False)
    tokens = short(images, final_norm=False).detach()
    features = tokens[:, 1:].mean(dim=1) if pool == "mean" else tokens[:, 0]
    got = FeatureExtractor(encoder=encoder, pool=pool, block=2)(images)
    torch.testing.assert_close(got, F.layer_norm(features, features.shape[1:], eps=1e-6))


def test_the_same_weights_with_other_heads_epsilon_scale_or_kind_are_another_encoder():
    weights = mae_tiny().state_dict()
    made = []
    for options in ({}, {}, {"num_heads": 2}, {"norm_eps": 1e-5}, {"scale": "half"}):
        method = mae_tiny(**options)
        method.load_state_dict(weights)
        made.append(FeatureExtractor(encoder=method.encoder).sha256)
    assert made[0] == made[1]
    assert len(set(made)) == 4


def test_an_encoder_of_two_kinds_gives_features_of_samples_that_have_both():
    class Pair(torch.nn.Module):
        """Two networks, added."""

        dim = 48

        def __init__(self):
            super().__init__()
            self.one, self.two = mae_tiny(scale="half").encoder, mae_tiny().encoder

        @property
        def kinds(self):
            return {"face": self.one.kind, "scene": self.two.kind}

        def features(self, batch, *, pool="mean", block=None):
            return self.one.features(batch["face"], pool=pool) + self.two.features(batch["scene"], pool=pool)

    extract = FeatureExtractor(encoder=Pair())
    batch = {"face": torch.rand(2, 3, 32, 32), "scene": torch.rand(2, 3, 32, 32), "index": torch.arange(2)}
    wanted = extract.encoder.one.features(batch["face"]) + extract.encoder.two.features(batch["scene"])
    torch.testing.assert_close(extract.of_batch(batch), wanted.detach())
    with pytest.raises(ValueError, match="no 'scene'"):
        extract.of_batch({"face": batch["face"]})
    with pytest.raises(ValueError, match="Pair has no patch tokens"):
        extract.with_tokens(batch["face"])


@pytest.mark.parametrize("block", [0, 4])
def test_blocks_that_an_encoder_does_not_have_are_refused(block):
    with pytest.raises(ValueError, match=f"block must lie in 1 to 3, .* got {block}"):
        FeatureExtractor(encoder=mae_tiny().encoder, block=block)


def test_samples_of_another_kind_are_refused_by_name_also_where_it_is_one_image():
    extract, images = FeatureExtractor(encoder=he_mmae_tiny().encoder), torch.rand(2, 3, 32, 32)
    with pytest.raises(ValueError, match="takes 'rgb', and samples have no 'rgb' but 'image'"):
        extract.of_batch({"image": images})
    with pytest.raises(ValueError, match="takes 'rgb'"):
        extract.tokens_of_batch({"image": images})
    assert extract.of_batch({"rgb": images}).shape == (2, 32)
    assert extract.tokens_of_batch({"rgb": images}).shape == (2, 16, 32)
    views = torch.stack([images, images.flip(2)], dim=1)
    torch.testing.assert_close(
        extract.tokens_of_batch({"rgb": views, "views": torch.tensor([2, 2])})[:, :16],
        extract.tokens_of_batch({"rgb": images}),
    )


def pairs() -> dict[str, torch.Tensor]:
    """Four clips with spectrograms; the second has no sound, and what stands in its place is no number."""
    batch = av_mae_tiny().example_batch(4, generator=torch.Generator().manual_seed(2))
    batch["audio_there"] = torch.tensor([True, False, True, True])
    batch["audio"] = torch.where(batch["audio_there"][:, None, None, None], batch["audio"], torch.nan)
    return batch


def test_one_encoder_is_asked_for_features_of_a_kind_alone():
    encoder, batch = av_mae_tiny().encoder, pairs()
    seen = FeatureExtractor(encoder=encoder, kinds=["image"]).of_batch(batch)
    torch.testing.assert_close(seen, encoder.features({"image": batch["image"]}))
    extract = FeatureExtractor(encoder=encoder, kinds=["audio"])
    assert extract.has(batch).tolist() == [True, False, True, True]
    heard = {name: value[extract.has(batch)] for name, value in batch.items()}
    torch.testing.assert_close(extract.of_batch(heard), encoder.features({"audio": heard["audio"]}))
    assert not torch.allclose(extract.of_batch(heard), seen[[0, 2, 3]])


def test_samples_that_lack_a_kind_that_is_asked_for_are_refused():
    for kinds in (["audio"], ["audio", "image"]):
        with pytest.raises(ValueError, match=r"1 of 4 samples lack .*audio"):
            FeatureExtractor(encoder=av_mae_tiny().encoder, kinds=kinds).of_batch(pairs())


def test_without_a_choice_each_sample_gives_what_it_has_and_who_lacks_is_told():
    encoder, batch = av_mae_tiny().encoder, pairs()
    with pytest.warns(UserWarning, match="1 samples lack audio"):
        found = FeatureExtractor(encoder=encoder).of_batch(batch)
    torch.testing.assert_close(found[1:2], encoder.features({"image": batch["image"][1:2]}))
    assert found.isfinite().all()


def test_a_kind_that_an_encoder_does_not_take_is_refused():
    with pytest.raises(ValueError, match="takes image, audio, and not 'ecg'"):
        FeatureExtractor(encoder=av_mae_tiny().encoder, kinds=["ecg"])
