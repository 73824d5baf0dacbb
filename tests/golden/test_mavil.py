"""MAViL's network and contrasts give the reference's numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from medmae.methods.mavil_sizes import AUDIOSET
from medmae.nn.fused_encoder import FusedEncoder
from medmae.nn.fused_head import FusedClassifier
from medmae.nn.positions import ClipSinCos
from medmae.objectives.pairwise import pair_contrast
from medmae.weights.io import import_state
from medmae.weights.maps import mavil as maps


@pytest.fixture(scope="module")
def reference(golden):
    return golden("mavil")


def plain():
    """Streams whose data comes as the network expects it."""
    return tuple(replace(stream, scale=None) for stream in AUDIOSET)


def encoder_of_the_reference():
    return FusedEncoder(
        streams=plain(),
        fusion="mid",
        fusion_layers=1,
        embed_dim=32,
        depth=3,
        num_heads=4,
        class_token="first",
        stream_norm=False,
        fused_norm=False,
    )


def test_pooled_tokens_and_logits_are_theirs(reference):
    network = FusedClassifier(encoder=encoder_of_the_reference(), num_classes=7)
    state, dead = maps.MAVIL.apply(reference.part("state."))
    assert dead == []
    network.load_state_dict(state)
    network.eval()
    batch = {
        "audio": reference["in.audio_f16"].float().unsqueeze(0),
        "image": reference["in.video_f16"].float().unsqueeze(0),
    }
    reference.compare(network.pooled(batch), reference["out.pooled_av"])
    reference.compare(network(batch), reference["out.logits"])


def test_a_published_file_lists_its_decoders_and_no_other_tensor_goes_unused(reference):
    network = FusedClassifier(encoder=encoder_of_the_reference(), num_classes=7)
    public = dict(reference.part("state."))
    decoders = {"mask_token": torch.zeros(1, 1, 32), "decoder_blocks.0.norm1.weight": torch.ones(32)}
    report = import_state(network, {**public, **decoders}, key_map=maps.MAVIL)
    assert sorted(report.dead) == sorted(decoders)
    with pytest.raises(ValueError, match=r"(?s)unexpected.*blocks_a\.0\.norm1\.weight"):
        import_state(network, {**public, "blocks_a.0.norm1.weight": torch.ones(32)}, key_map=maps.MAVIL)


def test_positions_of_clips_are_theirs(reference):
    table = ClipSinCos().table(grid=(4, 14, 14), dim=32, prefix=1)
    reference.compare(table.squeeze(0), reference["out.pos_embed_v_3d_sincos_D32_t4"])


def test_contrasts_are_theirs(reference):
    audio, video, audio_again, video_again = (
        reference[f"in.{name}"].unsqueeze(1) for name in ("za", "zv", "za_view2", "zv_view2")
    )

    def both_ways(one, other, temperature):
        return sum(pair_contrast(*pair, temperature=temperature)[0] for pair in ((one, other), (other, one))) / 2

    inter = both_ways(audio, video, 0.1)
    intra = (both_ways(audio, audio_again, 1.0) + both_ways(video, video_again, 1.0)) / 2
    reference.compare(inter, reference["out.inter_tau0.1"].squeeze())
    reference.compare(intra, reference["out.intra_tau1.0"].squeeze())
    assert inter.item() == pytest.approx(1.7683684, rel=1e-5)
    assert intra.item() == pytest.approx(1.8224014, rel=1e-5)
