"""What files of flax call the parts of a ViT, and how their kernels lie."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from medmae.weights.maps.base import KeyMap, Pairs

_ATTENTION = "MultiHeadDotProductAttention_0."
VIT_PARTS: Pairs = (
    ("LayerNorm_0.", "norm1."),
    ("LayerNorm_1.", "norm2."),
    ("MlpBlock_0.Dense_0.", "mlp.fc1."),
    ("MlpBlock_0.Dense_1.", "mlp.fc2."),
    (f"{_ATTENTION}query.", "attn.q."),
    (f"{_ATTENTION}key.", "attn.k."),
    (f"{_ATTENTION}value.", "attn.v."),
    (f"{_ATTENTION}out.", "attn.proj."),
    ("encoder_norm.", "norm."),
    ("encoderblock_", "blocks."),
    (".kernel", ".weight"),
    (".scale", ".weight"),
)


class FlaxMap(KeyMap):
    """Also turns kernels: (in, out) to (out, in), heads side by side, channels before the axes of a patch.

    Keys are the paths of a flattened tree, with slashes or points, with or without ``params`` in front.
    """

    def apply(self, state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
        """Renamed state in our shapes, and the dead keys that were dropped."""
        plain = {key.replace("/", ".").removeprefix("params."): value for key, value in state.items()}
        return super().apply({key: _turned(key, value) for key, value in plain.items()})


def _turned(key: str, value: Tensor) -> Tensor:
    """In our shape; of other axes than such a tensor has, as it is: it is refused where it is to be loaded."""
    if _ATTENTION in key:
        if key.endswith("out.kernel") and value.ndim == 3:
            return value.flatten(0, 1).t()  # (heads, d, D) -> (D, D)
        if key.endswith(".kernel") and value.ndim == 3:
            return value.flatten(1).t()  # (D, heads, d) -> (D, D)
        return value.flatten()
    if not key.endswith(".kernel") or value.ndim < 2:
        return value
    return value.permute(-1, -2, *range(value.ndim - 2))  # (in, out), (*patch, C, D) -> (out, in), (D, C, *patch)
