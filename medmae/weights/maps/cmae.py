"""ZhichengHuang/CMAE: whole pre-training files (458 entries at Base), and the released ones, which hold the encoder.

With the released ones the target branch starts anew: call ``method.restart_teacher()``. Their networks may have been
trained on channels in the order blue, green, red (docs/methods/cmae.md).
"""

from medmae.kinds import SCALES
from medmae.weights.maps.base import KeyMap, Pairs


def _decoder(theirs: str, *, decoder: str, head: str) -> Pairs:
    return (
        (f"{theirs}.mask_token", f"{decoder}.mask_token"),
        (f"{theirs}.decoder_pos_embed", f"{decoder}.pos_embed"),
        (f"{theirs}.decoder_embed.", f"{decoder}.embed."),
        (f"{theirs}.decoder_blocks.", f"{decoder}.blocks."),
        (f"{theirs}.decoder_pred.", f"{head}.pred."),
        (f"{theirs}.norm.", f"{head}.norm."),
    )


CMAE = KeyMap(
    source="ZhichengHuang/CMAE",
    scale=SCALES["imagenet"],
    parts=(
        ("backbone.ln1.", "backbone.norm."),  # the last norm, called as the first of a block
        ("decoder.ln1.", "decoder.norm."),
        (".ln1.", ".norm1."),
        (".ln2.", ".norm2."),
        (".fc1.", ".output."),  # of projectors: blocks have no such name yet
        (".fc0.", ".hidden."),
        (".bn0.", ".norm."),
        (".ffn.layers.0.0.", ".mlp.fc1."),
        (".ffn.layers.1.", ".mlp.fc2."),
        ("patch_embed.projection.", "patch_embed.proj."),
    ),
    prefixes=(
        ("backbone.layers.", "encoder.blocks."),
        ("backbone.", "encoder."),
        ("target_backbone.layers.", "target_encoder.network.blocks."),
        ("target_backbone.", "target_encoder.network."),
        *_decoder("pixel_decoder", decoder="decoder", head="head"),
        *_decoder("feature_decoder", decoder="features.decoder", head="features.head"),
        ("target_projector.", "target_projector.network."),
        ("head.predictor.", "predictor."),
        # The released encoder, without its prefix.
        ("layers.", "encoder.blocks."),
        ("ln1.", "encoder.norm."),
        ("patch_embed.", "encoder.patch_embed."),
        ("cls_token", "encoder.cls_token"),
        ("pos_embed", "encoder.pos_embed"),
    ),
)
