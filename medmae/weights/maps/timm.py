"""timm's ``VisionTransformer``: encoders, with or without a classifier's head, which is left behind.

What our encoder has no place for (registers, the token of a distillation, other norms) is refused.
"""

from medmae.weights.maps.base import ENCODER_PREFIXES, TwoWayMap

TIMM = TwoWayMap(
    source="timm VisionTransformer",
    prefixes=ENCODER_PREFIXES,
    dead=("head.", "head_dist.", "pre_logits."),
    rest="encoder.",
)
