"""Edge-MAE: its published size, its two targets, and what its specification promises."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.masking import Mask
from medmae.methods.edge_mae import EdgeMAE, edge_mae_paper, edge_mae_tiny
from medmae.nn.heads import FeatureMap
from medmae.objectives.edge import SobelEdges
from medmae.objectives.pixel import TargetNorm, masked_mse
from medmae.weights.io import import_state
from medmae.weights.maps.edge_mae import EDGE_MAE


def count(tensors, *, trainable=False):
    return sum(t.numel() for t in tensors if t.requires_grad or not trainable)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def method():
    torch.manual_seed(0)
    return edge_mae_tiny()


@pytest.fixture
def batch(method):
    return method.example_batch(2, generator=seeded(1))


@pytest.fixture
def mask(method, batch):
    return method.draw_masks(batch, generator=seeded(2))["image"]


@pytest.fixture
def held(method):
    """The method with a prediction that no input changes."""
    for head in (method.image_head, method.edge_head):
        torch.nn.init.zeros_(head.pred.weight)
    return method


def test_parameter_counts_are_the_published_ones_without_the_unused_blocks():
    with torch.device("meta"):
        method = edge_mae_paper()
    assert count(method.parameters()) == 3_301_458 - 299_904 == 3_001_554
    assert count(method.parameters(), trainable=True) == 3_104_640 - 299_904
    assert count(method.encoder.parameters()) == 2_519_168
    assert count(method.encoder.parameters(), trainable=True) == 2_387_968


def test_307_of_1024_tokens_are_visible_in_every_sample():
    with torch.device("meta"):
        method, image = edge_mae_paper(), torch.empty(3, 1, 256, 256)
    mask = method({"image": image}).masks["image"]
    assert (mask.num_tokens, mask.visible.shape, mask.masked.shape) == (1024, (3, 307), (3, 717))


@pytest.mark.parametrize("wrapped", ["", "module."])
def test_the_published_file_fits_and_its_unused_blocks_are_reported(wrapped):
    layout = published_layout()
    assert len(layout) == 331
    with torch.device("meta"):
        method = edge_mae_paper()
        state = {wrapped + key: torch.empty(shape) for key, shape in layout.items()}
    assert count(state.values()) == 3_301_458
    report = import_state(method, state, key_map=EDGE_MAE)
    assert report.missing == report.unexpected == report.reshaped == []
    assert len(report.dead) == 2 * 3 * 12
    assert count(state[key] for key in report.dead) == 299_904
    assert "dead    72  " in report.table()


def test_the_published_encoder_file_fills_the_encoder():
    with torch.device("meta"):
        method = edge_mae_paper()
        whole = {key: torch.empty(shape) for key, shape in published_layout().items()}
    kept = ("cls_token", "pos_embed", "patch_embed.", "blocks.", "norm.")
    state = {key: value for key, value in whole.items() if key.startswith(kept)}
    assert len(state) == 150
    assert len(import_state(method.encoder, state).matched) == 150
    report = import_state(method, state, key_map=EDGE_MAE, strict=False)
    assert [key for key in report.missing if key.startswith("encoder.")] == report.unexpected == []


def test_the_loss_is_ten_times_the_image_plus_the_edge(method, batch, mask):
    out = method(batch, masks={"image": mask})
    plain = edge_mae_tiny(image_weight=1.0)
    plain.load_state_dict(method.state_dict())
    image = plain(batch, masks={"image": mask}).terms["image"]
    assert_close(out.loss, 10 * image + out.terms["edge"])


def test_predictions_lie_between_0_and_1_and_pictures_have_the_size_of_the_input(method, batch, mask):
    for prediction in method(batch, masks={"image": mask}).prediction.values():
        assert prediction.shape == (2, mask.num_masked, 64)
        assert 0 < prediction.min() < prediction.max() < 1
    pictures = method.show(batch, {"image": mask})
    for shown in pictures.values():
        assert {tuple(data.shape) for data in (shown.given, shown.made, shown.hidden)} == {(2, 1, 64, 64)}
    assert {name: shown.beside for name, shown in pictures.items()} == {"image": None, "edge": "image"}


def test_the_edge_picture_shows_true_edges_where_visible(method, batch, mask):
    pictures = method.show(batch, {"image": mask})
    drawn, true = method.patches.patchify(pictures["edge"].made), method.patches.patchify(SobelEdges()(batch["image"]))
    assert torch.equal(mask.keep(drawn), mask.keep(true))
    assert_close(mask.hidden(drawn), method(batch, masks={"image": mask}).prediction["edge"])


def losses_after_change(held, *, row, column):
    """Losses before and after one pixel of patch (3, 3), which alone is visible with its left neighbour, changes."""
    image = torch.full((1, 1, 64, 64), 0.2)
    hidden = torch.ones(1, 8, 8, dtype=torch.bool)
    hidden[0, 3, 2:4] = False
    mask = Mask.from_bool(hidden.flatten(1))
    before = held({"image": image}, masks={"image": mask})
    image[0, 0, 24 + row, 24 + column] = 0.4
    return before.terms, held({"image": image}, masks={"image": mask}).terms


@pytest.mark.parametrize(("row", "column"), [(4, 4), (1, 1), (6, 6), (4, 0)])
def test_a_visible_target_pixel_away_from_hidden_patches_changes_neither_loss(held, row, column):
    before, after = losses_after_change(held, row=row, column=column)
    assert torch.equal(after["image"], before["image"])
    assert torch.equal(after["edge"], before["edge"])


@pytest.mark.parametrize(("row", "column"), [(0, 4), (7, 4), (4, 7)])
def test_a_visible_pixel_at_the_border_of_a_hidden_patch_changes_the_edge_loss_alone(held, row, column):
    before, after = losses_after_change(held, row=row, column=column)
    assert torch.equal(after["image"], before["image"])
    assert not torch.equal(after["edge"], before["edge"])


def test_without_patch_weights_the_image_loss_is_plain_and_the_edge_loss_as_before(method, batch, mask):
    plain = edge_mae_tiny(patchwise=False)
    plain.load_state_dict(method.state_dict())
    with_weights, without = method(batch, masks={"image": mask}), plain(batch, masks={"image": mask})
    target = mask.hidden(method.patches.patchify(batch["image"]))
    assert_close(without.terms["image"], 10 * masked_mse(without.prediction["image"], target))
    assert without.terms["image"] < with_weights.terms["image"]  # hard weights lie above 1
    assert torch.equal(without.terms["edge"], with_weights.terms["edge"])


@pytest.mark.parametrize(
    ("schedule", "progress", "mode"),
    [
        ("reference", 0.0, "hard"),
        ("reference", 1.0, "hard"),
        ("curriculum", 0.0, "easy"),
        ("curriculum", 0.499, "easy"),
        ("curriculum", 0.5, "hard"),
        ("curriculum", 1.0, "hard"),
    ],
)
def test_the_curriculum_goes_from_easy_to_hard_at_half_time(schedule, progress, mode):
    assert edge_mae_tiny(schedule=schedule).weight_mode(progress) == mode


def test_the_curriculum_changes_the_losses(method, batch, mask):
    eased = edge_mae_tiny(schedule="curriculum")
    eased.load_state_dict(method.state_dict())
    early, late = (eased(batch, masks={"image": mask}, progress=progress) for progress in (0.2, 0.8))
    reference = method(batch, masks={"image": mask}, progress=0.2)
    assert torch.equal(late.loss, reference.loss)
    assert early.terms["image"] < late.terms["image"]
    assert early.terms["edge"] < late.terms["edge"]


def test_an_unknown_schedule_is_refused():
    with pytest.raises(ValueError, match="'reference' or 'curriculum', got 'Curriculum'"):
        edge_mae_tiny(schedule="Curriculum")


def test_without_an_edge_head_nothing_of_it_is_built_or_trained(batch, mask):
    method = edge_mae_tiny(edge_head=False)
    out = method(batch, masks={"image": mask})
    assert set(out.terms) == set(out.prediction) == {"image"}
    assert not any(key.startswith("edge_head") for key in method.state_dict())
    assert set(method.show(batch, {"image": mask})) == {"image"}


def test_a_volume_trains_with_three_axes_of_edges_and_neighbours():
    method = edge_mae_tiny(image_size=(8, 16, 16), patch_size=4, in_channels=2)
    batch = method.example_batch(2, generator=seeded(0))
    out = method(batch, generator=seeded(1))
    out.loss.backward()
    assert (out.masks["image"].num_tokens, out.masks["image"].num_visible) == (32, 9)
    assert out.prediction["edge"].shape == (2, 23, 4**3 * 2)
    assert method.encoder.patch_embed.proj.weight.grad.isfinite().all()
    assert method.show(batch, out.masks)["edge"].made.shape == (2, 2, 8, 16, 16)


def test_a_signal_is_refused_because_it_has_no_sobel():
    with pytest.raises(ValueError, match="got 1 axes"):
        edge_mae_tiny(image_size=(64,), patch_size=(8,))


def test_the_contrast_token_tells_contrasts_apart_and_learns():
    torch.manual_seed(0)
    method = edge_mae_tiny(num_contrasts=3)
    assert count(method.parameters()) == count(edge_mae_tiny().parameters()) + 3 * 32
    batch = method.example_batch(2, generator=seeded(1))
    assert batch["contrast"].tolist() == [0, 1]
    out = method(batch, generator=seeded(2))
    other = method({**batch, "contrast": torch.tensor([2, 1])}, masks=out.masks)
    assert not torch.allclose(out.prediction["image"][0], other.prediction["image"][0], atol=1e-7)
    assert_close(out.prediction["image"][1], other.prediction["image"][1])
    out.loss.backward()
    learned = method.contrast_token.weight.grad.abs().sum(dim=1) > 0
    assert learned.tolist() == [True, True, False]  # the third is in no sample


def test_a_normalised_target_takes_the_sigmoid_off_the_image_alone(batch, mask):
    method = edge_mae_tiny(target_norm=TargetNorm())
    torch.nn.init.zeros_(method.image_head.pred.weight)
    torch.nn.init.constant_(method.image_head.pred.bias, -2.0)
    out = method(batch, masks={"image": mask})
    assert (out.prediction["image"] == -2).all()
    assert out.prediction["edge"].min() > 0
    pasted = method.patches.patchify(method.show(batch, {"image": mask})["image"].by_patch)
    true = method.patches.patchify(batch["image"])
    assert_close(mask.keep(pasted), mask.keep(true))
    drawn = true.mean(dim=2, keepdim=True) - 2 * true.std(dim=2, keepdim=True)
    assert_close(mask.hidden(pasted), mask.hidden(drawn.expand_as(true)), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("term", ["image", "edge"])
def test_either_term_alone_trains_the_encoder(method, batch, mask, term):
    method(batch, masks={"image": mask}).terms[term].backward()
    assert method.encoder.patch_embed.proj.weight.grad.abs().sum() > 0


def test_downstream_there_is_no_class_token(method, batch):
    tokens = method.encoder(batch["image"], use_class_token=False)
    assert tokens.shape == (2, 64, 32)
    features = FeatureMap(encoder=method.encoder, use_class_token=False)
    before = features(batch["image"])
    torch.nn.init.ones_(method.encoder.cls_token)
    assert torch.equal(features(batch["image"]), before)


def published_layout():
    """Section 10: keys and shapes of EdgeMAE.pth."""
    shapes = {
        "cls_token": (1, 1, 128),
        "pos_embed": (1, 1025, 128),
        "mask_token": (1, 1, 64),
        "decoder_pos_embed": (1, 1025, 64),
        "patch_embed.proj.weight": (128, 1, 8, 8),
        "patch_embed.proj.bias": (128,),
        "decoder_embed.weight": (64, 128),
        "decoder_embed.bias": (64,),
        "operator.filter.weight": (2, 1, 3, 3),
    }
    for norm, width in (("norm", 128), ("rec_norm", 64), ("edge_norm", 64)):
        shapes |= {f"{norm}.weight": (width,), f"{norm}.bias": (width,)}
    for head in ("rec_pred", "edge_pred"):
        shapes |= {f"{head}.weight": (64, 64), f"{head}.bias": (64,)}
    stacks = (("blocks", 12, 128), ("decoder_blocks", 8, 64), ("rec_blocks", 3, 64), ("edge_blocks", 3, 64))
    for blocks, depth, d in stacks:
        linears = {"attn.qkv": (3 * d, d), "attn.proj": (d, d), "mlp.fc1": (4 * d, d), "mlp.fc2": (d, 4 * d)}
        for index in range(depth):
            for name, shape in (linears | {"norm1": (d,), "norm2": (d,)}).items():
                shapes[f"{blocks}.{index}.{name}.weight"] = shape
                shapes[f"{blocks}.{index}.{name}.bias"] = shape[:1]
    return shapes


def test_paper_values_are_the_defaults():
    with torch.device("meta"):
        method = EdgeMAE()
    assert (method.masking.ratio, method.image_weight, method.encoder.norm.eps) == (0.7, 10.0, 1e-5)
    assert (method.schedule, method.patchwise, method.edge_head.sigmoid) == ("reference", True, True)


def test_edge_targets_stay_in_full_precision_under_autocast():
    method = edge_mae_tiny()
    image = torch.rand(1, 1, 64, 64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        edges = method.sobel(image)
    assert edges.dtype == torch.float32
    assert torch.equal(edges, method.sobel(image))


def test_a_step_runs_under_autocast():
    method = edge_mae_tiny()
    batch = method.example_batch(1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = method(batch)
        pictures = method.show(batch, output.masks)
    assert torch.isfinite(output.loss)
    assert torch.isfinite(pictures["image"].made.float()).all()


def test_a_contrast_token_without_contrasts_in_the_batch_is_refused():
    method = edge_mae_tiny(num_contrasts=3)
    with pytest.raises(ValueError, match='needs "contrast"'):
        method({"image": torch.rand(1, 1, 64, 64)})


def test_untrained_heads_show_the_brightness_they_were_told():
    method = edge_mae_tiny(initial_brightness=0.1)
    for head in (method.image_head, method.edge_head):
        torch.nn.init.zeros_(head.pred.weight)
    batch = method.example_batch(2, generator=seeded(1))
    for made in method(batch).prediction.values():
        assert_close(made, torch.full_like(made, 0.1))
    assert edge_mae_tiny(initial_brightness=0.1, target_norm=TargetNorm()).image_head.pred.bias.abs().max() == 0
