"""facebookresearch/AudioMAE: MAE's names, of an encoder and either decoder; position tables are in the file."""

from medmae.kinds import SCALES
from medmae.weights.maps.base import DECODER_PREFIXES, ENCODER_PREFIXES, KeyMap

AUDIO_MAE = KeyMap(
    source="facebookresearch/AudioMAE",
    prefixes=(
        *ENCODER_PREFIXES,
        *DECODER_PREFIXES,
        ("decoder_norm.", "head.norm."),
        ("decoder_pred.", "head.pred."),
    ),
    scale=SCALES["audiomae"],
    eps=1e-6,
)
