"""facebookresearch/mae: pre-training, encoder-only and fine-tuned files; timm's `*.mae` have the same keys."""

from medmae.kinds import SCALES
from medmae.weights.maps.base import DECODER_PREFIXES, ENCODER_PREFIXES, KeyMap, TwoWayMap

MAE = TwoWayMap(
    source="facebookresearch/mae",
    scale=SCALES["imagenet"],
    prefixes=(*ENCODER_PREFIXES, *DECODER_PREFIXES, ("decoder_norm.", "head.norm."), ("decoder_pred.", "head.pred.")),
    dead=("head.weight", "head.bias", "fc_norm."),  # of a classifier that was fine-tuned
    rest="encoder.",
)

# A fine-tuned or linear-probe classifier: head.* and fc_norm.* keep their names.
MAE_CLASSIFIER = KeyMap(source="facebookresearch/mae (classifier)", prefixes=ENCODER_PREFIXES, scale=SCALES["imagenet"])
