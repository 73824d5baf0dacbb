"""lyhkevin/MT-Net: G.pth (404 entries), the generator, into our Swin U-Net; E.pth has Edge-MAE's layout."""

from medmae.kinds import SCALES
from medmae.weights.maps.base import KeyMap

_STAGES = 4


def _level(index: int) -> tuple[tuple[str, str], ...]:
    """A level of the decoder, the deepest being 0; their fusions are counted from the other end."""
    ours, theirs = f"levels.{index}.", f"fusion.{_STAGES - 2 - index}."
    return (
        (f"{theirs}upconv.", f"{ours}fusion.up."),
        (f"{theirs}conv1.", f"{ours}fusion.coarse_gate."),
        (f"{theirs}conv2.", f"{ours}fusion.fine_gate."),
        (f"concat_back_dim.{index}.", f"{ours}merge."),
        (f"layers_up.{index + 1}.", ours),
    )


MT_UNET = KeyMap(
    source="lyhkevin/MT-Net",
    scale=SCALES["identity"],
    prefixes=(
        ("layers1.", "coarse."),
        ("layers2.", "fine."),
        ("layers_up.0.", "expand."),
        ("norm2.", "norm."),
        ("norm_up.", "head.norm."),
        ("to_img.linear.", "head.pred."),
        *(pair for index in range(_STAGES - 1) for pair in _level(index)),
    ),
    dead=(
        *("patch_embed.", "conv.", "up.", "output.", "linear.", "norm1."),
        *(f"{part}.{_STAGES - 1}." for part in ("layers1", "fusion", "concat_back_dim")),
    ),
    computed=(".relative_position_index", ".attn_mask"),
)
