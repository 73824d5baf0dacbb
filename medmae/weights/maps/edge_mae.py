"""lyhkevin/MT-Net and lyhkevin/EdgeMAE: EdgeMAE.pth (331 entries) and its encoder subset E.pth (150)."""

from medmae.kinds import SCALES
from medmae.weights.maps.base import DECODER_PREFIXES, ENCODER_PREFIXES, KeyMap

EDGE_MAE = KeyMap(
    source="lyhkevin/MT-Net",
    scale=SCALES["identity"],
    prefixes=(
        *ENCODER_PREFIXES,
        *DECODER_PREFIXES,
        ("rec_norm.", "image_head.norm."),
        ("rec_pred.", "image_head.pred."),
        ("edge_norm.", "edge_head.norm."),
        ("edge_pred.", "edge_head.pred."),
        ("operator.filter.", "sobel."),
    ),
    dead=("rec_blocks.", "edge_blocks."),
)
