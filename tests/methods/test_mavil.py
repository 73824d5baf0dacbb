"""MAViL: what each part of a step sees, what a teacher gives, what a sample may lack."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch.testing import assert_close

from medmae.methods.mavil import AGAIN, mavil_base, mavil_tiny
from medmae.nn.fused_head import FusedClassifier


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def size(module, *, trained=False):
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not trained)


@pytest.fixture
def method():
    torch.manual_seed(0)
    return mavil_tiny().eval()


@pytest.fixture
def batch(method):
    return method.example_batch(4, generator=seeded(1))


@pytest.fixture
def masks(method, batch):
    return method.draw_masks(batch, generator=seeded(2))


def taught(teacher):
    torch.manual_seed(7)
    return mavil_tiny(teacher=teacher).eval()


def test_sizes_are_the_published_ones():
    with torch.device("meta"):
        method = mavil_base()
        fine_tuned = FusedClassifier(encoder=mavil_base(fusion_layers=3).encoder, num_classes=527)
    assert (size(method.encoder), size(method.encoder, trained=True)) == (186_660_864, 185_664_000)
    assert (size(fine_tuned), size(fine_tuned, trained=True)) == (194_561_807, 193_564_943)


def test_512_and_784_tokens_leave_102_and_156_in_two_draws_of_their_own():
    with torch.device("meta"):
        method = mavil_base(depth=1, decoder_depth={"audio": 2, "image": 1})
    counts = {name: (how.num_tokens, how.num_visible) for name, how in method.maskings.items()}
    assert counts == {
        name + end: n for name, n in (("audio", (512, 102)), ("image", (784, 156))) for end in ("", AGAIN)
    }


def test_class_tokens_make_sequences_of_103_and_157_and_260_when_fused():
    method = mavil_base(depth=1, embed_dim=24, num_heads=2, decoder_dim=16, decoder_heads=2, projection_dim=8).eval()
    batch, seen = method.example_batch(1, generator=seeded(1)), []
    method.encoder.trunk.register_forward_hook(lambda _, given, found: seen.append((given[0].shape, found.shape)))
    apart = method.encoder.apart(method.encoder.given(batch), method.draw_masks(batch, generator=seeded(2)))
    assert {name: rows.shape[1] for name, rows in apart.items()} == {"audio": 103, "image": 157}
    method.encoder.fuse(apart, method.encoder.given(batch))
    assert seen == [((1, 260, 24), (1, 260, 24))]


def test_a_sound_that_lies_on_its_side_is_refused(method, batch):
    with pytest.raises(ValueError, match=r"audio must be of size \(64, 32\), got \(32, 64\)"):
        method({**batch, "audio": batch["audio"].transpose(2, 3)})


def test_fused_blocks_learn_as_the_last_layers_and_not_as_the_first(method):
    layers = method.encoder.layers()
    place = {id(parameter): number for number, layer in enumerate(layers) for parameter in layer}
    fused = {place[id(p)] for p in method.encoder.trunk.blocks.parameters()}
    for vit in method.encoder.vits.values():
        own = [{place[id(p)] for p in block.parameters()} for block in vit.blocks]
        assert own == [{1}, {2}]
        assert {place[id(p)] for p in vit.patch_embed.parameters()} == {0}
    assert fused == {3}
    assert len(layers) == 4


def test_the_two_draws_of_a_kind_differ(masks):
    assert set(masks) == {"audio", "image", "audio_again", "image_again"}
    for name in ("audio", "image"):
        assert not torch.equal(masks[name].as_bool(), masks[name + AGAIN].as_bool())


def test_the_second_draw_is_contrasted_and_nothing_else(method, batch, masks):
    before = method(batch, masks=masks).terms
    other = method(batch, masks={**masks, "audio_again": masks["audio"], "image_again": masks["image"]}).terms
    assert not torch.isclose(other["intra"], before["intra"])
    assert all(torch.equal(other[name], before[name]) for name in ("audio", "image", "inter"))


def test_without_contrasts_it_is_a_plain_autoencoder_of_both(batch):
    plain = mavil_tiny(inter_weight=0.0, intra_weight=0.0).eval()
    masks = plain.draw_masks(batch, generator=seeded(2))
    assert set(masks) == {"audio", "image"}
    assert set(plain(batch, masks=masks).terms) == {"audio", "image"}


def test_only_hidden_targets_count(method, batch, masks):
    given = method.encoder.given(batch)
    wanted = method.wanted(batch, given)
    before = method(batch, masks=masks)
    error = (before.prediction["audio"] - masks["audio"].hidden(wanted["audio"])).square().mean()
    assert_close(before.terms["audio"], error)
    rows = given.rows["audio"]
    assert_close(wanted["audio"].var(dim=2), torch.ones(rows.shape[:2]), atol=1e-3, rtol=0)  # unbiased


def test_contrast_knows_nothing_of_what_is_fused(method, batch, masks):
    before = method(batch, masks=masks).terms
    for parameter in method.encoder.trunk.parameters():
        parameter.data.zero_()
    after = method(batch, masks=masks).terms
    assert_close(after["inter"], before["inter"])
    assert_close(after["intra"], before["intra"])
    assert not torch.isclose(after["audio"], before["audio"])


def test_the_order_of_a_batch_changes_no_loss_and_a_sample_twice_raises_the_contrast(method, batch, masks):
    order = torch.tensor([2, 0, 3, 1])
    turned = method(
        {name: data[order] for name, data in batch.items()},
        masks={name: mask.of_samples(order) for name, mask in masks.items()},
    ).terms
    before = method(batch, masks=masks).terms
    for name, term in before.items():
        assert_close(turned[name], term)
    twice = torch.tensor([0, 0, 2, 3])
    doubled = method(
        {name: data[twice] for name, data in batch.items()},
        masks={name: mask.of_samples(twice) for name, mask in masks.items()},
    ).terms
    assert doubled["inter"] > before["inter"]


def test_clips_of_one_patient_may_be_no_negatives_of_each_other(method, batch, masks):
    loose = method(batch, masks=masks).terms["inter"]
    grouped = method({**batch, "group": torch.tensor([0, 0, 1, 2])}, masks=masks).terms["inter"]
    assert grouped < loose


def test_a_batch_of_sound_alone_trains_what_is_of_sound(batch):
    torch.manual_seed(0)
    method = mavil_tiny()
    with pytest.warns(UserWarning, match="samples without image"):
        out = method({"audio": batch["audio"]}, generator=seeded(2))
    assert set(out.terms) == {"audio", "intra"}
    out.loss.backward()
    assert {name for name, p in method.encoder.streams["image"].named_parameters() if p.grad is not None} == set()
    assert all(p.grad is not None for p in method.encoder.streams["audio"].parameters() if p.requires_grad)


def test_a_sample_without_a_kind_is_in_no_pair_and_in_no_loss_of_it(method, batch, masks):
    there = torch.ones(4, 2, dtype=torch.bool)
    there[1, 0] = False  # no sound
    other = {**batch, "audio": batch["audio"].clone()}
    other["audio"][1] = 9.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first, second = (method({**each, "available": there}, masks=masks).terms for each in (batch, other))
    for name, term in first.items():
        assert_close(second[name], term)
    others = torch.tensor([0, 2, 3])
    rest = method(
        {name: data[others] for name, data in batch.items()},
        masks={name: mask.of_samples(others) for name, mask in masks.items()},
    ).terms
    assert_close(first["audio"], rest["audio"])
    assert_close(first["inter"], rest["inter"])
    assert not torch.isclose(first["image"], rest["image"])


def test_a_teacher_gives_what_is_regressed_and_learns_nothing(method, batch):
    student = taught(method.encoder)
    assert student.needs == {"teacher"}
    assert all(head[1].out_features == 48 for head in student.heads.values())
    before = {name: value.clone() for name, value in student.teacher.network.state_dict().items()}
    first, second = (student(batch, masks=student.draw_masks(batch, generator=seeded(seed))) for seed in (2, 3))
    given = student.encoder.given(batch)
    wanted = student.wanted(batch, given)
    assert_close(wanted["image"].mean(dim=2), torch.zeros(wanted["image"].shape[:2]), atol=1e-5, rtol=0)
    assert wanted["image"].shape[1] == student.encoder.vits["image"].num_tokens  # the class token is gone
    for out in (first, second):
        mask = out.masks["audio"]
        assert_close(out.terms["audio"], (out.prediction["audio"] - mask.hidden(wanted["audio"])).square().mean())
    first.loss.backward()
    assert all(p.grad is None for p in student.teacher.parameters())
    assert all(torch.equal(value, before[name]) for name, value in student.teacher.network.state_dict().items())
    assert not any(name.startswith("teacher") for name in student.state_dict())
    assert not student.teacher.train().network.training
    assert student.rebuilds == frozenset()
    assert all(one.made is None for one in student.show(batch, first.masks).values())


def test_a_teacher_of_other_patches_is_refused(method):
    with pytest.raises(ValueError, match="its student's kinds, patches and width"):
        mavil_tiny(teacher=method.encoder, embed_dim=24)


def test_a_class_of_one_kind_alone_touches_no_weight_of_the_other(method, batch):
    alone = FusedClassifier(encoder=method.encoder, num_classes=3, only="audio")
    alone({"audio": batch["audio"]}).sum().backward()
    touched = {name for name, p in method.encoder.named_parameters() if p.grad is not None}
    assert touched
    assert all(name.startswith("streams.audio.") for name in touched)


def test_a_class_of_both_needs_both(method, batch):
    both = FusedClassifier(encoder=method.encoder, num_classes=3).eval()
    assert both(batch).shape == (4, 3)
    with pytest.raises(ValueError, match="samples lack image"):
        both({"audio": batch["audio"]})
    with pytest.raises(ValueError, match="and not 'words'"):
        FusedClassifier(encoder=method.encoder, num_classes=3, only="words")


def test_both_draws_leave_out_what_was_not_heard_of_a_sound():
    method, batch = mavil_tiny(), mavil_tiny().example_batch(3)
    batch["heard"] = torch.ones(3, 1, 64, 32, dtype=torch.bool)
    batch["heard"][1, :, 40:] = False  # patches of 8 frames: the last 3 rows of 4 were not heard
    masks = method.draw_masks(batch, generator=seeded(3))
    for name in ("audio", "audio_again"):
        used = torch.cat([masks[name].visible[1], masks[name].masked[1]])
        assert len(used) == 20, name
        assert int(used.max()) < 20, name
    assert method(batch, masks=masks).loss.isfinite()
