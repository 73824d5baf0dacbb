"""AV-MAE: what reads what, what is learnt of whom, and samples that lack a kind of data."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from medmae.kinds import Kind
from medmae.masking import Mask
from medmae.methods.av_mae import AVMAE, av_mae_tiny
from medmae.methods.registry import create
from medmae.nn.streams import ClipStream, DataStream, SpectrogramStream
from medmae.objectives.pixel import TargetNorm
from medmae.objectives.target import PatchTarget
from medmae.weights.io import import_state
from medmae.weights.maps.av_mae import AV_MAE

FUSIONS = [{"fusion": "early"}, {"fusion": "shared"}, {"fusion": "separate"}, {"fusion": "mid", "fusion_layers": 1}]
FUSED = [options for options in FUSIONS if options["fusion"] in ("early", "mid")]
APART = [options for options in FUSIONS if options not in FUSED]


def named(options):
    return options["fusion"]


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def built(**options):
    torch.manual_seed(0)
    return av_mae_tiny(**options)


def batch_of(method, count=2):
    return method.example_batch(count, generator=seeded(1))


def with_other_sound(batch):
    return {**batch, "audio": torch.rand(batch["audio"].shape, generator=seeded(9))}


@pytest.mark.parametrize(
    ("stream", "ratio", "tokens", "visible"),
    [
        (ClipStream(), 0.9, 1568, 157),
        (SpectrogramStream(frames=800), 0.5, 400, 200),
        (SpectrogramStream(), 0.7, 496, 149),
    ],
)
def test_tokens_and_visible_ones_are_as_many_as_published(stream, ratio, tokens, visible):
    with torch.device("meta"):
        method = AVMAE(streams=[stream], mask_ratio={stream.name: ratio}, embed_dim=32, depth=2, num_heads=2)
    mask = method.maskings[stream.name].sample(1)
    assert (mask.num_tokens, mask.num_visible) == (tokens, visible)


def test_what_no_patch_holds_is_neither_seen_nor_a_target_nor_hidden():
    method = built()
    batch = batch_of(method)
    late = {**batch, "audio": batch["audio"].clone()}
    late["audio"][:, :, 48:] = 7.0
    before, after = (method(some, generator=seeded(2)) for some in (batch, late))
    assert torch.equal(before.loss, after.loss)
    shown = method.show(late, before.masks)["audio"]
    assert not shown.hidden[:, :, 48:].any()
    assert torch.equal(shown.made[:, :, 48:], late["audio"][:, :, 48:])
    with pytest.raises(ValueError, match=r"audio must be of size \(50, 32\), got \(48, 32\)"):
        method({**batch, "audio": batch["audio"][:, :, :48]}, generator=seeded(2))


@pytest.mark.parametrize("options", APART, ids=named)
def test_apart_the_clip_is_encoded_as_if_there_were_no_sound(options):
    method = built(**options)
    batch = batch_of(method)
    masks = method.draw_masks(batch, generator=seeded(2))
    clip, other = (method.encoder(some, masks)["image"] for some in (batch, with_other_sound(batch)))
    assert torch.equal(clip, other)


@pytest.mark.parametrize("options", FUSED, ids=named)
def test_fused_the_sound_changes_how_the_clip_is_encoded(options):
    method = built(**options)
    batch = batch_of(method)
    masks = method.draw_masks(batch, generator=seeded(2))
    clip, other = (method.encoder(some, masks)["image"] for some in (batch, with_other_sound(batch)))
    assert not torch.allclose(clip, other, atol=1e-4)


@pytest.mark.parametrize(("decoder", "minds"), [("shared", False), ("separate", False), ("joint", True)])
def test_only_a_joint_decoder_rebuilds_the_clip_from_what_was_encoded_of_the_sound(decoder, minds):
    method = built(fusion="shared", decoder=decoder)
    batch = batch_of(method)
    masks = method.draw_masks(batch, generator=seeded(2))
    latent = method.encoder(batch, masks)
    changed = {**latent, "audio": torch.randn(latent["audio"].shape, generator=seeded(3))}
    there = dict.fromkeys(latent)
    clip, other = (method.decoder(some, masks, there)["image"] for some in (latent, changed))
    assert torch.equal(clip, other) != minds


def test_the_loss_is_of_hidden_tokens_alone_and_a_mean_over_the_whole_batch():
    method = built()
    batch = batch_of(method)
    out = method(batch, generator=seeded(2))
    vit, mask = method.encoder.vits["image"], out.masks["image"]
    rows = vit.patchify(batch["image"])

    def loss(rows):
        return (out.prediction["image"] - mask.hidden(rows)).square().sum() / (2 * mask.num_masked * rows.shape[2]) / 2

    assert_close(out.terms["image"], loss(rows))
    for index, same in ((mask.visible, True), (mask.masked, False)):
        altered = rows.clone()
        altered[0, index[0, 0]] += 1.0
        assert torch.equal(loss(altered), loss(rows)) == same


@pytest.mark.parametrize("kind", ["audio", "image"])
def test_inpainting_learns_each_kind_from_the_other_and_from_nothing_of_itself(kind):
    method = built(fusion="separate", objective="inpainting")
    batch = {name: data.requires_grad_() for name, data in batch_of(method).items()}
    other = {"audio": "image", "image": "audio"}[kind]
    masks = method.draw_masks(batch, generator=seeded(2))
    method(batch, masks=masks).terms[kind].backward()
    seen = {}
    for name, data in batch.items():
        vit, stream = method.encoder.vits[name], method.encoder.given_as[name]
        seen[name] = masks[name].keep(vit.patches.patchify(stream.cut(data.grad)))
    assert not seen[kind].any()
    assert seen[other].any()


def test_inpainting_asks_for_every_hidden_token_and_as_published_not_for_the_first():
    batch = batch_of(built())
    ours, theirs = (
        built(fusion="separate", objective=objective) for objective in ("inpainting", "inpainting_in_place")
    )
    masks = ours.draw_masks(batch, generator=seeded(2))
    counts = {name: mask.num_masked for name, mask in masks.items()}
    assert {name: rows.shape[1] for name, rows in ours(batch, masks=masks).prediction.items()} == counts
    found = theirs(batch, masks=masks).prediction
    assert found["image"].shape[1] == masks["image"].num_tokens - masks["audio"].num_visible
    assert found["audio"].shape[1] == masks["audio"].num_tokens - masks["image"].num_visible
    shown = theirs.show(batch, masks)
    assert all(one.made.isfinite().all() for one in shown.values())


def test_heads_that_begin_as_zeros_predict_nothing_and_lose_the_mean_square_of_their_targets():
    method = built(head_init="zero")
    batch = batch_of(method)
    out = method(batch, generator=seeded(2))
    for name, prediction in out.prediction.items():
        assert not prediction.any()
        vit, stream = method.encoder.vits[name], method.encoder.given_as[name]
        target = out.masks[name].hidden(vit.patchify(stream.cut(batch[name])))
        assert_close(out.terms[name], target.square().mean() / 2)
    assert not any(entrance.mask_token.any() for entrance in method.decoder.entrances.values())


@pytest.mark.parametrize(
    ("preset", "options", "count"),
    [
        ("large_vggsound", {}, 621_040_384),
        ("large", {}, 595_849_984),
        ("large", {"fusion": "early"}, 318_728_960),
        ("large", {"fusion": "shared"}, 318_728_960),
        ("large", {"fusion": "separate", "decoder": "separate", "objective": "inpainting"}, 633_650_944),
        ("base", {"fusion": "separate"}, 179_869_696),
        ("base", {}, 165_695_488),
        ("base", {"fusion": "early"}, 94_813_696),
        ("base", {"fusion": "shared"}, 94_813_696),
        ("base", {"fusion": "separate", "decoder": "separate", "objective": "inpainting"}, 186_968_320),
    ],
)
def test_parameters_are_as_many_as_published(preset, options, count):
    with torch.device("meta"):
        method = create("av_mae", preset=preset, **options)
    assert sum(parameter.numel() for parameter in method.parameters()) == count


@pytest.mark.parametrize("options", [*FUSIONS, {"fusion": "early", "decoder": "joint"}], ids=str)
def test_the_order_of_visible_tokens_changes_no_prediction(options):
    method = built(**options)
    batch = batch_of(method)
    masks = method.draw_masks(batch, generator=seeded(2))
    turned = {name: Mask(mask.visible.flip(1), mask.masked, mask.num_tokens) for name, mask in masks.items()}
    first, second = (method(batch, masks=some).prediction for some in (masks, turned))
    for name, prediction in first.items():
        assert_close(second[name], prediction, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("layers", [0, 1, 2, 3])
def test_in_the_middle_exactly_as_many_blocks_mix_as_are_asked_for(layers):
    encoder = built(fusion="mid", fusion_layers=layers).encoder
    assert len(encoder.trunk.blocks) == layers
    assert {len(vit.blocks) for vit in encoder.vits.values()} == {3 - layers}
    batch = batch_of(built())
    first, second = (encoder.given(some) for some in (batch, with_other_sound(batch)))
    for number in range(4):
        own, fused = min(number, 3 - layers), max(0, number - (3 - layers))
        clips = [
            encoder.fuse(encoder.apart(given, num_blocks=own), given, num_blocks=fused)["image"]
            for given in (first, second)
        ]
        assert torch.equal(*clips) == (fused == 0)


@pytest.mark.parametrize(("layers", "fusion"), [(0, "separate"), (3, "early")])
def test_the_ends_of_the_middle_are_separate_and_early_but_for_their_norms(layers, fusion):
    mid, end = built(fusion="mid", fusion_layers=layers).encoder, built(fusion=fusion).encoder
    norm = mid.trunk if layers == 0 else None
    for module in [norm] if norm else mid.vits.values():
        module.norm = nn.Identity()
    end.load_state_dict(mid.state_dict())
    batch = batch_of(built())
    for name, tokens in end(batch).items():
        assert_close(mid(batch)[name], tokens)


def test_a_clip_without_sound_is_encoded_and_rebuilt_alone_and_that_is_told():
    for options in FUSIONS:
        method = built(**options)
        batch = batch_of(method)
        with pytest.warns(UserWarning, match="without audio are trained on what else they have"):
            out = method({"image": batch["image"]}, generator=seeded(2))
        assert set(out.terms) == set(out.prediction) == set(out.masks) == {"image"}
        assert set(method.show({"image": batch["image"]}, out.masks)) == {"image"}


JOINT, INPAINTING = {"fusion": "early", "decoder": "joint"}, {"fusion": "separate", "objective": "inpainting"}


@pytest.mark.parametrize("options", [*FUSIONS, JOINT, INPAINTING], ids=str)
def test_of_samples_in_one_batch_those_without_sound_are_as_they_are_alone(options):
    method = built(**options)
    batch = batch_of(method, 3)
    masks = method.draw_masks(batch, generator=seeded(2))
    lacking = {**batch, "available": torch.tensor([[True, True], [True, False], [False, True]])}
    spoilt = {**lacking, "audio": batch["audio"].clone(), "image": batch["image"].clone()}
    spoilt["audio"][1], spoilt["image"][2] = float("nan"), float("nan")
    with pytest.warns(UserWarning, match="without image or audio"):
        out, same = (method(some, masks=masks) for some in (lacking, spoilt))
    assert torch.equal(out.loss, same.loss)
    for sample, name in ((1, "image"), (2, "audio")):
        own = {name: masks[name].of_sample(sample)}
        with pytest.warns(UserWarning, match="without"):
            alone = method({name: batch[name][sample : sample + 1]}, masks=own)
        assert_close(out.prediction[name][sample : sample + 1], alone.prediction[name], atol=1e-5, rtol=1e-4)
    whole = method(batch, masks=masks)
    assert_close(out.prediction["image"][0], whole.prediction["image"][0], atol=1e-5, rtol=1e-4)
    shown = method.show(spoilt, masks)
    assert not shown["audio"].hidden[1].any()
    assert shown["audio"].hidden[0].any()
    assert_close(shown["audio"].made[1], spoilt["audio"][1], equal_nan=True)


def test_what_a_sample_lacks_counts_in_no_loss():
    method = built(fusion="separate")
    batch = batch_of(method)
    masks = method.draw_masks(batch, generator=seeded(2))
    with pytest.warns(UserWarning, match="without audio"):
        out = method({**batch, "available": torch.tensor([[True, True], [True, False]])}, masks=masks)
    one = method({name: data[:1] for name, data in batch.items()}, masks={n: m.of_sample(0) for n, m in masks.items()})
    assert_close(out.terms["audio"], one.terms["audio"])


def test_whole_samples_are_not_warned_of_and_empty_ones_are_refused():
    method = built()
    batch = batch_of(method)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        method(batch, generator=seeded(2))
    with pytest.raises(ValueError, match="a sample has none of image, audio"):
        method({**batch, "available": torch.tensor([[True, True], [False, False]])}, generator=seeded(2))
    with pytest.raises(ValueError, match="one of image, audio"):
        method.encoder({"sound": batch["audio"]})


def test_features_are_the_mean_of_what_a_sample_has():
    encoder = built(fusion="separate").encoder.eval()
    batch = batch_of(built())
    clip, sound = (encoder.features({name: batch[name]}) for name in ("image", "audio"))
    assert_close(encoder.features(batch), (clip + sound) / 2)
    part = encoder.features({**batch, "available": torch.tensor([[True, True], [True, False]])})
    assert_close(part[1], clip[1])
    inner = [encoder.features(batch, block=block) for block in (1, 2, 3)]
    assert all(rows.shape == (2, encoder.dim) for rows in inner)
    assert not torch.allclose(inner[0], inner[1])
    with pytest.raises(ValueError, match="takes 'image', 'audio'"):
        encoder.features(batch["image"])


def test_an_echo_and_a_phonocardiogram_and_a_third_need_no_new_method():
    ecg = Kind.of("ecg", ["time"], channels=["I", "II"], unit="mV", peak=None)
    streams = (
        ClipStream(num_frames=4, image_size=16, patch_size=8, channels=1, called="echo"),
        SpectrogramStream(frames=32, bands=16, patch_size=8, called="heart"),
        DataStream(of=ecg, extent=(64,), patch_size=(8,)),
    )
    method = built(
        streams=streams,
        mask_ratio={"echo": 0.5, "heart": 0.5, "ecg": 0.75},
        hiding={"echo": "tube"},
        objective="inpainting",
    )
    out = method(batch_of(method), generator=seeded(2))
    assert set(out.terms) == {"echo", "heart", "ecg"}
    hidden = out.masks["echo"].as_bool().reshape(2, 2, 4)
    assert torch.equal(hidden[:, 0], hidden[:, 1])
    shown = method.show(batch_of(method), out.masks)
    assert {name: one.kind.roles for name, one in shown.items()} == {n: k.roles for n, k in method.kinds.items()}


@pytest.mark.parametrize("target", [
    PatchTarget(grey=True), PatchTarget(centre=True), PatchTarget(norm=TargetNorm(unbiased=False)),
    PatchTarget(grey=True, centre=True, norm=TargetNorm(unbiased=False, per_channel=True)),
], ids=str)  # fmt: skip
def test_a_perfect_prediction_of_any_target_is_shown_as_far_as_it_tells(target):
    method = built(targets={"image": target})
    batch = batch_of(method)
    masks = method.draw_masks(batch, generator=seeded(2))
    given, vit = method.encoder.given(batch), method.encoder.vits["image"]
    perfect = target(masks["image"].hidden(given.rows["image"]), vit.patches)
    shown = method.shown(batch, given, masks, {"image": perfect, "audio": torch.zeros(2, 12, 64)})["image"]
    best, hidden = shown.made if target.norm is None else shown.by_patch, shown.hidden.expand_as(shown.given)
    expected = vit.unpatchify(target.spread(target.plain(given.rows["image"], vit.patches), vit.patches))
    assert_close(best[hidden], expected[hidden], atol=1e-5, rtol=1e-4)
    if target.centre:
        assert torch.equal(best[:, :, 0][hidden[:, :, 0]], best[:, :, 1][hidden[:, :, 1]])
    if target.grey:
        assert_close(best[:, 0][hidden[:, 0]], best[:, 2][hidden[:, 2]])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"fusion": "separate", "decoder": "separate"}, "learn each kind by itself"),
        ({"decoder": "joint", "objective": "inpainting"}, "rebuilt from others"),
        ({"fusion": "early", "fusion_layers": 1}, "of fusion='mid'"),
        ({"fusion": "mid", "fusion_layers": 4}, "from 0 to depth=3"),
        ({"fusion": "late"}, "fusion"),
        ({"mask_ratio": {"image": 0.5}}, "mask_ratio is not said of audio"),
        ({"mask_ratio": {"image": 0.5, "sound": 0.5}}, "said of .'sound'., and there are image, audio"),
        ({"targets": {"audio": PatchTarget(grey=True)}}, "grey target is of three colours"),
        ({"targets": {"audio": PatchTarget(centre=True)}}, "middle frame is of cubes"),
        ({"streams": (ClipStream(), ClipStream())}, "names of their own"),
        ({"streams": (ClipStream(), SpectrogramStream(frames=8))}, "holds no patch"),
    ],
)
def test_what_does_not_fit_together_is_refused(options, match):
    with pytest.raises(ValueError, match=match):
        built(**options)


def theirs_of(method):
    """Their state of random numbers, from our names: a separate pair."""
    state = {}
    for name, theirs in (("image", "rgb"), ("audio", "spectrogram")):
        vit = method.encoder.vits[name]
        state[f"embedding_{theirs}/kernel"] = vit.patch_embed.proj.weight.movedim((0, 1), (-1, -2)).clone()
        state[f"embedding_{theirs}/bias"] = vit.patch_embed.proj.bias.clone()
    return state


def test_a_file_that_lacks_a_tensor_or_holds_another_is_refused_and_nothing_is_loaded():
    method = built(fusion="separate")
    before = {key: value.clone() for key, value in method.state_dict().items()}
    with pytest.raises(ValueError, match=r"do not fit AVMAE(.|\n)*missing"):
        import_state(method, theirs_of(method), key_map=AV_MAE)
    with pytest.raises(ValueError, match=r"no place for|unexpected"):
        import_state(method, {**theirs_of(method), "embedding_spec/kernel": torch.zeros(2)}, key_map=AV_MAE)
    assert all(torch.equal(value, before[key]) for key, value in method.state_dict().items())


@pytest.mark.parametrize("objective", ["reconstruction", "inpainting"])
def test_what_was_not_heard_is_neither_seen_nor_a_target(objective):
    method = built(objective=objective)
    batch = batch_of(method, 3)
    heard = torch.ones(3, 1, 50, 32, dtype=torch.bool)
    heard[0, :, 24:], heard[1] = False, False  # half of a sound; none, which "available" says
    batch |= {"heard": heard, "available": torch.tensor([[True, True], [True, False], [True, True]])}
    masks = method.draw_masks(batch, generator=seeded(2))
    counts = (masks["audio"].num_visible, masks["audio"].num_masked, masks["audio"].skipped)
    assert counts == (6, 6, 12)
    rows = masks["audio"].visible[0], masks["audio"].masked[0]
    assert all(bool((index < 12).all()) for index in rows)  # 3 of 6 rows of 4 patches
    other = {**batch, "audio": batch["audio"].clone()}
    other["audio"][0, :, 24:] = 9.0
    with pytest.warns(UserWarning, match="without audio"):
        before, after = (method(some, masks=masks) for some in (batch, other))
    assert torch.equal(before.loss, after.loss)
    shown = method.show(batch, masks)["audio"]
    assert not shown.hidden[0, :, 24:].any()
    assert shown.hidden[0, :, :24].any()


def test_what_was_not_heard_is_shown_as_it_is_given_and_not_as_rebuilt():
    method, batch = av_mae_tiny(), av_mae_tiny().example_batch(2)
    batch["heard"] = torch.ones(2, 1, 50, 32, dtype=torch.bool)
    batch["heard"][0, :, 24:] = False
    shown = method.show(batch, method.draw_masks(batch, generator=torch.Generator().manual_seed(3)))["audio"]
    assert not shown.hidden[0, :, 24:].any()
    assert torch.equal(shown.made[0, :, 24:], batch["audio"][0, :, 24:])
    assert not torch.equal(shown.made[0, :, :24], batch["audio"][0, :, :24])
