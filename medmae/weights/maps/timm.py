"""timm's ``VisionTransformer``: encoders, with or without a classifier's head, which is left behind."""

from medmae.weights.maps.base import ENCODER_PREFIXES, TwoWayMap

TIMM = TwoWayMap(
    source="timm VisionTransformer",
    # What our encoder has no place for gets its prefix, too, so that it is refused instead of left behind.
    prefixes=(*ENCODER_PREFIXES, *((key, f"encoder.{key}") for key in ("reg_token", "norm_pre.", "fc_norm."))),
    dead=("head.",),
)
