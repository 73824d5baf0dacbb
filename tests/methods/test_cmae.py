"""CMAE: its published sizes, and what its specification promises."""

from __future__ import annotations

import math

import pytest
import pytorch_lightning as pl
import torch
from torch.testing import assert_close
from torch.utils.data import DataLoader

from medmae.data.augment.pixel_shift import PixelShiftViews
from medmae.masking import Mask
from medmae.methods.cmae import CMAE, cmae_base, cmae_large, cmae_tiny
from medmae.methods.mae import mae_tiny
from medmae.nn.heads import Classifier
from medmae.weights.io import import_state
from medmae.weights.maps.cmae import CMAE as CMAE_MAP
from tests.training.toys import Blobs, trainer
from tests.training.toys import module as learner

DECODER = ("decoder", "head")
FEATURES = ("features",)
SIZES = {"embed_dim": 48, "depth": 2, "num_heads": 4, "decoder_dim": 32, "decoder_depth": 1, "decoder_heads": 4}
SMALL = {**SIZES, "projector_dim": 64, "projection_dim": 16}


def count(*modules, trainable=False):
    return sum(p.numel() for module in modules for p in module.parameters() if p.requires_grad or not trainable)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def method():
    torch.manual_seed(0)
    return cmae_tiny()


@pytest.fixture
def batch(method):
    return method.example_batch(4, generator=seeded(1))


@pytest.fixture
def mask(method, batch):
    return method.draw_masks(batch, generator=seeded(2))["image"]


@pytest.fixture(scope="module")
def base():
    with torch.device("meta"):
        return cmae_base()


def parts_of(method, *names):
    return [method.get_submodule(name) for name in names]


@pytest.mark.parametrize(
    ("names", "total", "trainable"),
    [
        (("encoder",), 85_798_656, 85_647_360),
        (("target_encoder",), 85_797_120, 0),
        (DECODER, 26_109_184, 26_008_320),
        (FEATURES, 7_194_880, 7_094_016),
        (("projector",), 1_577_472, 1_577_472),
        (("target_projector",), 1_577_472, 0),
        (("predictor",), 791_040, 791_040),
    ],
)
def test_parameter_counts_of_every_part_are_the_published_ones(base, names, total, trainable):
    assert count(*parts_of(base, *names)) == total
    assert count(*parts_of(base, *names), trainable=True) == trainable


def test_the_whole_has_the_published_counts_entries_and_buffers(base):
    assert (count(base), count(base, trainable=True)) == (208_845_824, 121_118_208)
    assert len(base.state_dict()) == 458
    learnt = {name for name, _ in base.named_parameters()}
    assert sum(value.numel() for name, value in base.state_dict().items() if name not in learnt) == 9_219


def test_epsilons_are_1e_6_everywhere_batch_norms_too(base):
    norms = [part for part in base.modules() if isinstance(part, torch.nn.LayerNorm | torch.nn.BatchNorm1d)]
    assert sum(isinstance(part, torch.nn.BatchNorm1d) for part in norms) == 3
    assert {part.eps for part in norms} == {1e-6}


def test_base_sees_68_of_196_patches_and_the_target_branch_all_of_them(base):
    lengths = []
    trunks = (base.encoder, base.target_encoder.network, base.decoder, base.features.decoder)
    for trunk in trunks:
        trunk.blocks[0].register_forward_pre_hook(lambda _, inputs: lengths.append(inputs[0].shape[1]))
    mask = base({"image": torch.empty(2, 3, 224, 224, device="meta")}).masks["image"]
    assert (mask.num_tokens, mask.num_visible, mask.num_masked) == (196, 68, 128)
    assert sorted(lengths) == [69, 197, 197, 197]


def test_large_is_built_although_its_width_is_not_that_of_a_patch():
    with torch.device("meta"):
        large = cmae_large()
    assert large.features.head.pred.out_features == 1024 != large.patches.num_values
    assert count(*parts_of(large, "encoder")) == 303_301_632


def test_a_fresh_target_is_a_copy_of_the_online_branch_without_its_last_norm(method, batch):
    online, target = method.encoder, method.target_encoder.network
    own = dict(online.named_parameters())
    assert own.keys() - dict(target.named_parameters()).keys() == {"norm.weight", "norm.bias"}
    assert all(torch.equal(parameter, own[name]) for name, parameter in target.named_parameters())
    assert_close(method.target_encoder(batch["image"]), online(batch["image"], final_norm=False))


def test_no_gradient_enters_the_target_branch_and_both_decoders_send_one_to_the_encoder(method, batch, mask):
    terms = method(batch, masks={"image": mask}).terms
    reached = {}
    for name, others in (("image", (*FEATURES, "projector", "predictor")), ("contrast", DECODER)):
        method.zero_grad()
        terms[name].backward(retain_graph=True)
        assert all(p.grad is None for part in parts_of(method, *others) for p in part.parameters())
        reached[name] = method.encoder.patch_embed.proj.weight.grad.clone()
        assert reached[name].any()
        assert all(p.grad is None for p in [*method.target_encoder.parameters(), *method.target_projector.parameters()])
    assert not torch.allclose(reached["image"], reached["contrast"])


def test_a_step_of_the_teacher_keeps_996_of_a_thousand_parts_at_every_share_of_training(method):
    for progress in (0.0, 0.5, 1.0):
        pairs = [(method.encoder, method.target_encoder.network), (method.projector, method.target_projector.network)]
        with torch.no_grad():
            for online, _ in pairs:
                for parameter in online.parameters():
                    parameter += torch.randn(parameter.shape, generator=seeded(0))
        before = [{name: p.clone() for name, p in target.named_parameters()} for _, target in pairs]
        method.update_teacher(progress=progress)
        for (online, target), old in zip(pairs, before, strict=True):
            new = dict(online.named_parameters())
            for name, parameter in target.named_parameters():
                assert_close(parameter.detach(), 0.996 * old[name] + 0.004 * new[name].detach())


def test_the_momentum_can_rise_along_a_cosine():
    method = cmae_tiny(momentum=0.5, last_momentum=1.0)
    with torch.no_grad():
        method.encoder.cls_token += 1
    before = method.target_encoder.network.cls_token.clone()
    method.update_teacher(progress=1.0)
    assert torch.equal(method.target_encoder.network.cls_token, before)
    method.update_teacher(progress=0.0)
    assert_close(method.target_encoder.network.cls_token.detach(), before + 0.5)


def test_statistics_of_the_target_s_batch_norm_are_those_of_the_batches_that_it_saw(method, batch, mask):
    norm = method.target_projector.network.norm
    assert norm.training
    method(batch, masks={"image": mask})
    assert norm.num_batches_tracked == 1
    assert not torch.allclose(norm.running_mean, method.projector.norm.running_mean)
    mean = norm.running_mean.clone()
    method.update_teacher(progress=0.0)
    assert torch.equal(norm.running_mean, mean)
    assert not method.eval().target_projector.network.norm.training
    method(batch, masks={"image": mask})
    assert torch.equal(norm.running_mean, mean)


def test_the_contrast_is_twice_the_temperature_times_cross_entropy(method, batch, mask, monkeypatch):
    alike = torch.ones(4, 24)
    monkeypatch.setattr(method, "target_projection", lambda image: alike)
    assert method(batch, masks={"image": mask}).terms["contrast"].item() == pytest.approx(0.14 * math.log(4), rel=1e-5)
    monkeypatch.setattr(method, "target_projection", lambda image: 5 * torch.eye(4, 24))
    monkeypatch.setattr(method.predictor, "forward", lambda features: torch.eye(4, 24))
    assert method(batch, masks={"image": mask}).terms["contrast"] < 1e-5


def test_the_order_of_visible_tokens_changes_neither_term(method, batch, mask):
    straight = method(batch, masks={"image": mask})
    other = method(batch, masks={"image": Mask(mask.visible.flip(1), mask.masked, mask.num_tokens)})
    for name in ("image", "contrast"):
        assert_close(other.terms[name], straight.terms[name], atol=1e-5, rtol=1e-4)


def test_the_image_term_is_mae_s_of_the_same_weights_and_mask(method, batch, mask):
    sizes = {"image_size": 32, "patch_size": 4, "axis_order": "first_first", "mask_ratio": 0.65}
    twin, own = mae_tiny(**sizes), method.state_dict()
    twin.load_state_dict({name: own[name] for name in twin.state_dict()})
    assert_close(method(batch, masks={"image": mask}).terms["image"], twin(batch, masks={"image": mask}).loss)


def test_visible_pixels_of_the_target_do_not_count(batch, mask):
    method = cmae_tiny(target_norm=None)
    torch.nn.init.zeros_(method.head.pred.weight)  # the prediction is held
    rows = method.patches.patchify(batch["image"])
    changed = method.patches.unpatchify(mask.restore(torch.rand_like(mask.keep(rows)), mask.hidden(rows)))
    before, after = (
        method({"image": image}, masks={"image": mask}).terms["image"] for image in (batch["image"], changed)
    )
    assert torch.equal(before, after)


class Untouched(torch.nn.Module):
    def forward(self, tokens, key_mask=None):
        return tokens


def test_features_are_pooled_over_hidden_and_visible_patches_and_not_the_class_token(method, batch, mask):
    latent = method.encoder(batch["image"], mask.visible)
    with torch.no_grad():  # what a patch is, is all that a head without blocks sees
        method.features.decoder.blocks = torch.nn.ModuleList([Untouched()])
    tokens = method.features.decoder.tokens(latent, mask)
    assert_close(method.pooled(latent, mask), method.features.head(tokens[:, 1:]).mean(dim=1))


def test_without_a_feature_decoder_what_is_visible_is_pooled(batch, mask):
    method = cmae_tiny(feature_depth=0)
    assert method.features is None
    latent = method.encoder(batch["image"], mask.visible)
    assert_close(method.pooled(latent, mask), latent[:, 1:].mean(dim=1))
    method(batch, masks={"image": mask}).loss.backward()


def test_a_batch_without_a_second_view_contrasts_images_with_themselves(method, batch, mask):
    alone, with_itself = {"image": batch["image"]}, {"image": batch["image"], "target_view": batch["image"]}
    assert torch.equal(method(alone, masks={"image": mask}).loss, method(with_itself, masks={"image": mask}).loss)
    assert not torch.isclose(method(alone, masks={"image": mask}).loss, method(batch, masks={"image": mask}).loss)


@pytest.mark.parametrize(
    ("channels", "image", "patch", "cell"),
    [
        (1, (32, 48), 8, 2),
        (5, (24, 16), (4, 8), (3, 1)),
        (1, (16, 24, 32), 8, 1),
        (2, (16, 32, 32), 8, 2),
        (2, 64, 4, 2),
    ],
)
def test_channels_sizes_and_axes_are_free(channels, image, patch, cell):
    sizes = {"image_size": image, "patch_size": patch, "in_channels": channels, "mask_cell": cell}
    method = CMAE(**SMALL, **sizes, mask_ratio=0.5)
    batch = method.example_batch(3, generator=seeded(1))
    out = method(batch, generator=seeded(0))
    out.loss.backward()
    assert out.loss.isfinite()
    assert method.encoder.patch_embed.proj.weight.grad.any()
    assert method.show(batch, out.masks)["image"].made.shape == batch["image"].shape


def test_padded_samples_are_refused(method, batch):
    with pytest.raises(ValueError, match="samples are padded"):
        method({**batch, "real": torch.ones(4, 1, 32, 32, dtype=torch.bool)})


def test_the_feature_width_need_not_be_that_of_a_patch():
    method = cmae_tiny(patch_size=8)
    assert method.patches.num_values == 192 != method.features.head.pred.out_features
    assert method(method.example_batch(2, generator=seeded(0)), generator=seeded(1)).loss.isfinite()


def released(method):
    """The encoder as its authors publish it: their names, without a prefix."""
    names = {"blocks.": "layers.", "norm.": "ln1.", "patch_embed.proj.": "patch_embed.projection."}
    inner = {".norm1.": ".ln1.", ".norm2.": ".ln2.", ".mlp.fc1.": ".ffn.layers.0.0.", ".mlp.fc2.": ".ffn.layers.1."}
    state = {}
    for name, value in method.encoder.state_dict().items():
        for ours, theirs in names.items():
            name = theirs + name.removeprefix(ours) if name.startswith(ours) else name
        for ours, theirs in inner.items():
            name = name.replace(ours, theirs)
        state[name] = value
    return state


def test_a_released_encoder_goes_into_the_classifier_but_for_its_last_norm(method):
    model = Classifier(encoder=cmae_tiny().encoder, num_classes=3)
    report = import_state(model, released(method), key_map=CMAE_MAP, strict=False)
    assert report.unexpected == ["encoder.norm.bias", "encoder.norm.weight"]
    assert report.missing == ["fc_norm.bias", "fc_norm.weight", "head.bias", "head.weight"]


def test_training_goes_on_from_a_released_encoder_with_a_target_that_is_its_copy(method, batch):
    with torch.no_grad():
        method.encoder.cls_token += 1
    other = cmae_tiny()
    report = import_state(other, released(method), key_map=CMAE_MAP, strict=False)
    assert report.unexpected == report.reshaped == []
    assert all(
        torch.equal(value, other.encoder.state_dict()[name]) for name, value in method.encoder.state_dict().items()
    )
    image = batch["image"]
    assert not torch.allclose(other.target_encoder(image), method.encoder(image, final_norm=False))
    other.restart_teacher()
    assert_close(other.target_encoder(image), method.encoder(image, final_norm=False))


class Curve(pl.Callback):
    """The losses of training."""

    def __init__(self):
        self.losses = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.losses.append(outputs["loss"].item())


@pytest.mark.slow
def test_it_learns_from_images_whose_views_are_made_on_the_way_and_logs_both_terms(tmp_path):
    torch.manual_seed(0)
    method, curve = cmae_tiny(in_channels=1), Curve()
    module = learner(method=method, augment=PixelShiftViews(size=32, max_shift=4, scale=None, target=None))
    before = method.target_encoder.network.cls_token.clone()
    run = trainer(tmp_path, epochs=15, callbacks=[curve])
    run.fit(module, DataLoader(Blobs(32, size=40), batch_size=16), DataLoader(Blobs(16, size=32), batch_size=8))
    assert {"train/image", "train/contrast", "val/image", "val/contrast"} <= run.callback_metrics.keys()
    assert sum(curve.losses[-2:]) < 0.9 * sum(curve.losses[:2])
    assert not torch.equal(method.target_encoder.network.cls_token, before)
    assert not torch.equal(method.target_encoder.network.cls_token, method.encoder.cls_token)
