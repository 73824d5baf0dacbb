"""CAV-MAE as a preset of MAViL gives the numbers of the published code (YuanGongND/cav-mae), from its weights.

Their sounds lie on their side: frequency is the height there and time is here, in patches and in the order of tokens.
"""

from __future__ import annotations

import pytest
import torch

from medmae.masking import Mask
from medmae.methods.mavil import cav_mae_base
from medmae.nn.positions import ClipSinCos, SinCos
from medmae.nn.streams import ClipStream, SpectrogramStream

TIMES, BANDS = 4, 8  # patches of sound
STREAMS = (
    SpectrogramStream(frames=64, bands=128, positions=SinCos("first_first")),
    ClipStream(num_frames=1, tubelet_size=1, image_size=32, scale=None, positions=ClipSinCos()),
)
SIZES = {
    "streams": STREAMS,
    "embed_dim": 16,
    "depth": 1,
    "num_heads": 2,
    "decoder_dim": 16,
    "decoder_depth": {"image": 2},
    "decoder_heads": 2,
}
OURS = {
    "blocks_u.0.norm1_a.": "encoder.trunk.blocks.0.norms1.audio.",
    "blocks_u.0.norm1_v.": "encoder.trunk.blocks.0.norms1.image.",
    "blocks_u.0.norm2_a.": "encoder.trunk.blocks.0.norms2.audio.",
    "blocks_u.0.norm2_v.": "encoder.trunk.blocks.0.norms2.image.",
    "blocks_u.": "encoder.trunk.blocks.",
    "norm_a.": "encoder.trunk.norms.audio.",
    "norm_v.": "encoder.trunk.norms.image.",
    "norm.": "encoder.trunk.norm.",
    "decoder_blocks.": "decoder.trunks.all.blocks.",
    "decoder_norm.": "decoder.trunks.all.norm.",
}
OF_A_KIND = {
    "patch_embed_{}.": "encoder.streams.{}.patch_embed.",
    "pos_embed_{}": "encoder.streams.{}.pos_embed",
    "blocks_{}.": "encoder.streams.{}.blocks.",
    "modality_{}": "encoder.kind_tokens.{}",
    "decoder_modality_{}": "decoder.kind_tokens.{}",
    "decoder_pos_embed_{}": "decoder.entrances.{}.pos_embed",
    "decoder_pred_{}.": "heads.{}.1.",
}


def lying(rows):
    """Tokens of sound ``(..., N, D)``, band after band, as ours: time after time."""
    return rows.unflatten(-2, (BANDS, TIMES)).transpose(-3, -2).flatten(-3, -2)


def turned_patch(rows):
    """Values of a patch of sound, frequency first, as ours, time first; the first axis is theirs."""
    return rows.unflatten(0, (16, 16)).transpose(0, 1).flatten(0, 1)


def state_of(reference):
    """Their weights by our names, with sounds upright."""
    found = {}
    for key, value in reference.part("state.").items():
        if key in ("mask_token", "decoder_embed.weight", "decoder_embed.bias"):
            name = key.replace("decoder_embed", "embed")
            found |= {f"decoder.entrances.{kind}.{name}": value for kind in ("audio", "image")}
            continue
        ours = None
        for their, our in OURS.items():
            ours = ours or (key.replace(their, our) if key.startswith(their) else None)
        for short, kind in (("a", "audio"), ("v", "image")):
            for their, our in OF_A_KIND.items():
                start = their.format(short)
                ours = ours or (key.replace(start, our.format(kind)) if key.startswith(start) else None)
        if key == "patch_embed_a.proj.weight":
            value = value.transpose(2, 3)
        elif key.endswith("pos_embed_a"):
            value = lying(value)
        elif key.startswith("decoder_pred_a."):
            value = turned_patch(value)
        elif key == "patch_embed_v.proj.weight":
            value = value.unsqueeze(2)  # of a cube of one frame
        found[str(ours)] = value
    return found


@pytest.fixture(scope="module")
def reference(golden):
    return golden("cav_mae")


@pytest.fixture(scope="module")
def method(reference):
    method, state = cav_mae_base(**SIZES).eval(), state_of(reference)
    drawn = {name: table.clone() for name, table in method.state_dict().items() if name.endswith("pos_embed")}
    for name, table in drawn.items():
        reference.compare(state[name], table)  # theirs are those that ours begin with
    shapes = {name: value.shape for name, value in method.state_dict().items()}
    method.load_state_dict({name: value.reshape(shapes[name]) for name, value in state.items()})
    return method


@pytest.fixture(scope="module")
def batch(reference):
    return {"audio": reference["in.audio"].unsqueeze(1), "image": reference["in.image"].unsqueeze(2)}


@pytest.fixture(scope="module")
def masks(reference):
    places = torch.arange(TIMES * BANDS).reshape(TIMES, BANDS).t().flatten()  # of their token in our order
    found = {}
    for name in ("audio", "image"):
        order = reference[f"mask.restore_{name}"].long().argsort(dim=1)
        order = places[order] if name == "audio" else order
        count = order.shape[1] // 4
        found[name] = Mask(order[:, :count], order[:, count:], order.shape[1])
    return found


def test_losses_are_theirs(reference, method, batch, masks):
    found = method(batch, masks=masks)
    assert set(found.terms) == {"audio", "image", "inter"}
    reference.compare(found.terms["audio"], reference["out.loss_audio"])
    reference.compare(found.terms["image"], reference["out.loss_image"])
    reference.compare(found.terms["inter"], 0.01 * reference["out.contrast"])
    reference.compare(found.loss, reference["out.loss"])


def test_contrast_both_ways_is_theirs(reference, batch, masks, method):
    both = cav_mae_base(**SIZES, one_way=False, inter_weight=1.0).eval()
    both.load_state_dict(method.state_dict())
    found = both(batch, masks=masks).terms["inter"]
    reference.compare(found, reference["out.contrast_both_ways"])
    assert not torch.isclose(found, reference["out.contrast"], rtol=1e-3)


def test_predictions_are_theirs(reference, method, batch, masks):
    found = method(batch, masks=masks).prediction
    theirs = {"audio": lying(reference["out.pred_audio"]), "image": reference["out.pred_image"]}
    theirs["audio"] = theirs["audio"].unflatten(-1, (16, 16)).transpose(-1, -2).flatten(-2)
    for name, rows in theirs.items():
        reference.compare(found[name][:1], masks[name].of_samples(torch.tensor([0])).hidden(rows))


def test_what_the_shared_block_gives_is_theirs(reference, method, batch, masks):
    given = method.encoder.given(batch)
    apart = method.encoder.apart(given, masks)
    reference.compare(torch.cat(list(method.encoder.fuse(apart, given).values()), dim=1), reference["out.latent"])
    for name, rows in method.encoder.singly(apart).items():
        reference.compare(rows, reference[f"out.of_{name}"])


def test_points_of_whole_clips_are_theirs(reference, method, batch):
    for name, rows in method.points(batch).items():
        reference.compare(rows, reference[f"out.feature_{name}"])
