"""MT-UNet beyond the paper: neighbouring slices, volumes, and any contrasts in, any missing ones out."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from medmae.masking.subset import draw_subset
from medmae.methods.mt_unet import mt_unet_tiny
from medmae.nn.heads import SynthesisNetwork
from medmae.objectives.feature import feature_consistency
from medmae.tokens.frame import Frame

FORMS = {
    "pairs": {},
    "neighbours": {"neighbours": 2},
    "any to any": {"num_contrasts": 3},
    "volume": {"image_size": (16, 32, 32), "unet_depths": (2, 2), "unet_heads": (2, 4)},
    "oblong": {"image_size": (32, 64)},
    "no feature extractor": {"feature_weight": 0.0},
    "practical": {"decoder": "conv_unet"},
    "practical, neighbours": {"decoder": "conv_unet", "neighbours": 1},
    "practical, any to any": {"decoder": "conv_unet", "num_contrasts": 3},
    "practical, own pixels": {"decoder": "conv_unet", "image_size": 72, "encoder_size": 64},
    "practical, any to any, own pixels": {
        "decoder": "conv_unet",
        "image_size": 42,
        "encoder_size": 64,
        "num_contrasts": 3,
    },
    "practical, volume": {"decoder": "conv_unet", "image_size": (16, 32, 32)},
}
HALF = ["pairs", "practical"]


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def tiny(**options):
    torch.manual_seed(0)
    return mt_unet_tiny(**options)


@pytest.fixture(params=["swin_unet", "conv_unet"])
def any_to_any(request):
    return tiny(num_contrasts=4, decoder=request.param).eval()  # batch norm would mix samples


@pytest.fixture
def stack(any_to_any):
    batch = any_to_any.example_batch(3, generator=seeded(1))
    batch["available"][1, 2] = batch["available"][2, :2] = False
    batch["image"] = batch["image"] * batch["available"][..., None, None]
    return batch


def draw_of(stack, *, seed):
    return draw_subset(stack["available"], generator=seeded(seed))


@pytest.mark.parametrize("form", FORMS)
def test_in_every_form_all_that_is_trainable_learns_and_a_picture_has_the_size_of_the_data(form):
    method = tiny(**FORMS[form])
    batch = method.example_batch(2, generator=seeded(1))
    out = method(batch, generator=seeded(2))
    out.loss.backward()
    idle = [key for key, p in method.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
    assert idle == []
    channels = method.num_contrasts or 1
    assert out.prediction["image"].shape == (2, channels, *batch["image"].shape[2:])
    assert 0 < out.prediction["image"].min() < out.prediction["image"].max() < 1


@pytest.mark.parametrize("form", FORMS)
def test_in_every_form_a_batch_of_one_works(form):
    method = tiny(**FORMS[form])
    batch = method.example_batch(1, generator=seeded(1))
    assert method(batch, generator=seeded(2)).loss.isfinite()
    given = torch.tensor([[True, False, True]]) if method.num_contrasts else None
    assert len(method.synthesise(batch["image"], given)) == 1


@pytest.mark.parametrize("form", ["pairs", "any to any", "practical"])
def test_a_step_under_autocast_gives_a_picture_in_full_precision(form):
    method = tiny(**FORMS[form])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = method(method.example_batch(1), generator=seeded(0))
    assert out.loss.isfinite()
    assert out.prediction["image"].dtype == torch.float32


@pytest.mark.parametrize(
    ("form", "dtype"), [*((form, torch.float64) for form in FORMS), *((form, torch.float16) for form in HALF)]
)
def test_weights_of_another_precision_make_a_step(form, dtype):
    method = tiny(**FORMS[form]).to(dtype)
    batch = {
        key: value.to(dtype) if value.is_floating_point() else value
        for key, value in method.example_batch(2, generator=seeded(1)).items()
    }
    assert method(batch, generator=seeded(2)).loss.isfinite()


def test_neighbours_are_seen_and_the_feature_extractor_knows_single_slices():
    method = tiny(neighbours=1)
    batch = method.example_batch(1, generator=seeded(1))
    assert batch["image"].shape == (1, 3, 64, 64)
    assert method.feature_extractor.patches.channels == 1
    before = method.synthesise(batch["image"])
    for channel in range(3):
        image = batch["image"].clone()
        image[:, channel] = 0
        assert not torch.allclose(method.synthesise(image), before, atol=1e-6)


def test_convolutions_see_pictures_as_they_are_and_the_encoder_as_it_was_pre_trained():
    method = tiny(decoder="conv_unet", image_size=72, encoder_size=64).eval()
    assert (method.frame, method.patches.size, method.block) == (Frame((72, 72), resize=False), (64, 64), 8)
    seen = {}
    method.encoder.register_forward_pre_hook(lambda _, inputs: seen.update(encoder=inputs[0]))
    method.unet.register_forward_pre_hook(lambda _, inputs: seen.update(unet=inputs[1]))
    image = torch.rand(2, 1, 90, 81, generator=seeded(1))
    assert method.synthesise(image).shape == image.shape
    assert torch.equal(seen["unet"], image)
    assert_close(seen["encoder"], F.interpolate(image, size=(64, 64), mode="bilinear"))


def test_features_are_compared_as_the_encoder_sees_pictures():
    method = tiny(decoder="conv_unet", image_size=72, encoder_size=64).eval()
    batch = method.example_batch(2, generator=seeded(1))
    out = method(batch)
    pair = (F.interpolate(i, size=(64, 64), mode="bilinear") for i in (out.prediction["image"], batch["target"]))
    assert_close(out.terms["feature"], feature_consistency(method.feature_extractor, *pair))


@pytest.mark.parametrize("form", ["practical, neighbours", "practical, any to any"])
def test_what_is_background_in_all_that_is_given_stays_background(form):
    method = tiny(**FORMS[form], keep_background=True, image_size=64).eval()
    batch = method.example_batch(1, generator=seeded(1))
    batch["image"][..., :20] = 0
    given = None
    if method.num_contrasts:
        given = torch.tensor([[True, True, False]])
        batch["image"][:, 0, :, 30:40] = 0  # of one contrast alone
        batch["image"][:, 2, :, :20] = 0.5  # of the one to make, which tells nothing
    picture = method.predict(batch["image"], given)
    assert not picture[..., :20].any()
    assert (picture[..., 20:] > 0).all()


def test_a_squared_error_is_a_term_of_its_own_and_can_be_the_only_one():
    method = tiny(squared_weight=7.0, image_weight=0.0, feature_weight=0.0).eval()
    batch = method.example_batch(2, generator=seeded(1))
    out = method(batch)
    assert_close(out.loss, 7 * F.mse_loss(out.prediction["image"], batch["target"]))
    assert (out.terms.keys(), tiny().eval()(batch).terms.keys()) == ({"squared"}, {"image", "feature"})
    with pytest.raises(ValueError, match="both 0"):
        tiny(image_weight=0.0)


def test_what_makes_pictures_of_tokens_alone_has_no_pixels_of_its_own():
    assert tiny().frame == Frame((64, 64))
    with pytest.raises(ValueError, match=r"encoder_size = 32 .*are for decoder='conv_unet'"):
        tiny(encoder_size=32)
    with pytest.raises(ValueError, match="keep_background = True are for decoder='conv_unet'"):
        tiny(keep_background=True)


# ---------------------------------------------------------------------------------------------------------- any to any
def test_what_is_not_given_does_not_influence_the_prediction(any_to_any, stack):
    given = torch.tensor([[1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]], dtype=torch.bool)
    before = any_to_any.predict(stack["image"], given)
    noise = torch.rand(stack["image"].shape, generator=seeded(5))
    hidden = torch.where(given[..., None, None], stack["image"], noise)
    assert torch.equal(any_to_any.predict(hidden, given), before)
    for contrast in (0, 2):
        image = stack["image"].clone()
        image[0, contrast] = noise[0, contrast]
        after = any_to_any.predict(image, given)
        assert not torch.allclose(after[0], before[0], atol=1e-6)
        assert_close(after[1:], before[1:])


def test_the_loss_is_on_what_is_there_and_not_given(any_to_any, stack):
    out = any_to_any(stack, generator=seeded(3))
    given = draw_of(stack, seed=3)
    wanted = stack["available"] & ~given
    picture = any_to_any.predict(stack["image"], given)
    assert_close(out.prediction["image"], picture)
    errors = (picture - stack["image"]).abs().flatten(2).mean(dim=2)[wanted]
    assert 3 <= len(errors) < 9
    assert_close(out.terms["image"], 10_000 * errors.mean())


def test_a_missing_contrast_changes_nothing_whatever_its_channel_holds(any_to_any, stack):
    noise = torch.rand(stack["image"].shape, generator=seeded(5))
    image = torch.where(stack["available"][..., None, None], stack["image"], noise)
    before, after = (any_to_any({**stack, "image": i}, generator=seeded(3)) for i in (stack["image"], image))
    assert torch.equal(after.loss, before.loss)


def test_another_seed_gives_other_contrasts(any_to_any, stack):
    assert not torch.equal(draw_of(stack, seed=3), draw_of(stack, seed=4))
    first, again, other = (any_to_any(stack, generator=seeded(seed)).loss for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_synthesising_passes_on_what_is_given_and_makes_the_rest(any_to_any, stack):
    given = stack["available"]
    picture = any_to_any.synthesise(stack["image"], given)
    assert torch.equal(picture[given], stack["image"][given])
    assert_close(picture[~given], any_to_any.predict(stack["image"], given)[~given])
    assert (picture[~given] > 0).all()


def test_the_plain_network_takes_empty_channels_for_missing_ones(any_to_any, stack):
    picture = SynthesisNetwork(any_to_any)(stack["image"])
    assert_close(picture, any_to_any.synthesise(stack["image"], stack["available"]))


def test_the_contrast_embedding_tells_contrasts_apart(any_to_any, stack):
    torch.nn.init.normal_(any_to_any.contrasts.weight)
    same = stack["image"][:1, :1].expand(1, 4, 64, 64)
    pictures = [any_to_any.predict(same, torch.eye(4, dtype=torch.bool)[i : i + 1]) for i in (0, 1)]
    assert not torch.allclose(*pictures, atol=1e-5)


def test_an_image_of_another_shape_is_refused(any_to_any):
    with pytest.raises(ValueError, match=r"expected data of shape \(B, 1, 64, 64\), got \(1, 1, 32, 32\)"):
        tiny().synthesise(torch.rand(1, 1, 32, 32))
    with pytest.raises(ValueError, match=r"expected data of shape \(B, 4, 64, 64\), got \(1, 3, 64, 64\)"):
        any_to_any.synthesise(torch.rand(1, 3, 64, 64), torch.ones(1, 3, dtype=torch.bool))


def test_given_is_asked_of_the_any_to_any_form_and_of_no_other(any_to_any):
    with pytest.raises(ValueError, match="given belongs to a method built with num_contrasts"):
        tiny().synthesise(torch.rand(1, 1, 64, 64), torch.ones(1, 1, dtype=torch.bool))
    with pytest.raises(ValueError, match="such a method needs it"):
        any_to_any.synthesise(torch.rand(1, 4, 64, 64))


def test_a_sample_of_which_nothing_is_given_is_refused(any_to_any):
    given = torch.tensor([[True, False, False, False], [False] * 4])
    with pytest.raises(ValueError, match="at least one contrast a sample"):
        any_to_any.synthesise(torch.rand(2, 4, 64, 64), given)


def test_a_sample_with_one_contrast_is_refused_in_training(any_to_any, stack):
    stack["available"][1] = torch.tensor([True, False, False, False])
    with pytest.raises(ValueError, match=r"samples \[1\] of the batch have fewer than two contrasts"):
        any_to_any(stack)


def test_a_batch_without_what_is_available_is_refused(any_to_any, stack):
    with pytest.raises(ValueError, match=r"""needs "available" in the batch, got \['image'\]"""):
        any_to_any({"image": stack["image"]})
