"""G.pth of lyhkevin/MT-Net, as its layout is described: every learned value finds its place."""

from __future__ import annotations

import pytest
import torch

from medmae.nn.swin_unet import SwinUNet
from medmae.weights.io import import_state
from medmae.weights.maps.mt_unet import MT_UNET


@pytest.mark.parametrize("wrapped", ["", "module."])
def test_the_published_file_fits_and_its_unused_parts_are_reported(wrapped):
    layout = published_layout()
    assert len(layout) == 404
    with torch.device("meta"):
        unet = SwinUNet(grid=(32, 32), patch=(8, 8))
        state = {wrapped + key: torch.empty(shape) for key, shape in layout.items()}
    report = import_state(unet, state, key_map=MT_UNET)
    assert report.missing == report.unexpected == report.reshaped == []
    learned = [key for key in state if MT_UNET.rename(key) is not None]
    assert len(learned) + len(report.dead) == 404
    assert sum(state[key].numel() for key in learned) == 102_726_422
    unused = {".".join(key.removeprefix(wrapped).split(".")[:2]) for key in report.dead if not computed(key)}
    assert unused == {
        *("patch_embed.proj", "patch_embed.norm", "conv.weight", "conv.bias", "up.expand", "up.norm", "output.weight"),
        *("output.bias", "linear.weight", "linear.bias", "norm1.weight", "norm1.bias", "layers1.3", "fusion.3"),
        "concat_back_dim.3",
    }
    assert f"dead {len(report.dead):5d}  " in report.table()


def test_a_file_under_the_published_names_comes_back_as_it_was():
    unet = SwinUNet(grid=(8, 8), patch=(8, 8), embed_dim=16, num_heads=(2, 2, 4, 4), window_size=4)
    own = unet.state_dict()
    names = {theirs_of(ours): ours for ours in own}
    assert len(names) == len(own)
    state = {theirs: torch.randn_like(own[ours]) for theirs, ours in names.items()}
    import_state(unet, state, key_map=MT_UNET)
    assert all(torch.equal(own[ours], state[theirs]) for theirs, ours in names.items())


def theirs_of(ours):
    """Their key of one of ours."""
    keys = (old + ours.removeprefix(new) for old, new in MT_UNET.prefixes if ours.startswith(new))
    return next(key for key in keys if MT_UNET.rename(key) == ours)


def computed(key):
    return key.endswith(("relative_position_index", "attn_mask"))


def swin_block(prefix, *, dim, heads, grid, shifted):
    window = min(8, grid)
    length = window**2
    linears = {
        "attn.qkv": (3 * dim, dim),
        "attn.proj": (dim, dim),
        "mlp.fc1": (4 * dim, dim),
        "mlp.fc2": (dim, 4 * dim),
    }
    shapes = {}
    for name, shape in (linears | {"norm1": (dim,), "norm2": (dim,)}).items():
        shapes |= {f"{prefix}.{name}.weight": shape, f"{prefix}.{name}.bias": shape[:1]}
    shapes[f"{prefix}.attn.relative_position_bias_table"] = ((2 * window - 1) ** 2, heads)
    shapes[f"{prefix}.attn.relative_position_index"] = (length, length)
    if shifted and grid > window:
        shapes[f"{prefix}.attn_mask"] = ((grid // window) ** 2, length, length)
    return shapes


def two_blocks(prefix, **sizes):
    plain = swin_block(f"{prefix}.blocks.0", **sizes, shifted=False)
    return plain | swin_block(f"{prefix}.blocks.1", **sizes, shifted=True)


def published_layout():
    """Section 10: keys and shapes of G.pth (of some that are never used, any shape)."""
    heads, shapes = (8, 8, 16, 32), {}
    for branch, edge in (("layers1", 32), ("layers2", 64)):
        for stage in range(4):
            name, dim = f"{branch}.{stage}", 128 << stage
            shapes |= two_blocks(name, dim=dim, heads=heads[stage], grid=edge >> stage)
            shapes[f"{name}.downsample.reduction.weight"] = (2 * dim, 4 * dim)
            shapes |= {f"{name}.downsample.norm.{part}": (4 * dim,) for part in ("weight", "bias")}
    for level in range(4):
        dim = 256 << level
        shapes |= {f"fusion.{level}.upconv.weight": (dim, 1, 2, 2), f"fusion.{level}.upconv.bias": (dim,)}
        for gate in ("conv1", "conv2"):
            shapes |= {f"fusion.{level}.{gate}.weight": (1, 2 * dim, 1, 1), f"fusion.{level}.{gate}.bias": (1,)}
    for index, dim in enumerate((1024, 512, 256, 128)):
        shapes |= {f"concat_back_dim.{index}.weight": (dim, 2 * dim), f"concat_back_dim.{index}.bias": (dim,)}
    shapes |= {"layers_up.0.expand.weight": (4096, 2048)}
    shapes |= {f"layers_up.0.norm.{part}": (1024,) for part in ("weight", "bias")}
    for index, dim, grid in ((1, 1024, 8), (2, 512, 16), (3, 256, 32)):
        shapes |= two_blocks(f"layers_up.{index}", dim=dim, heads=heads[3 - index], grid=grid)
        shapes[f"layers_up.{index}.upsample.expand.weight"] = (2 * dim, dim)
        shapes |= {f"layers_up.{index}.upsample.norm.{part}": (dim // 2,) for part in ("weight", "bias")}
    for norm, dim in (("norm1", 2048), ("norm2", 2048), ("norm_up", 128)):
        shapes |= {f"{norm}.{part}": (dim,) for part in ("weight", "bias")}
    shapes |= {"to_img.linear.weight": (16, 128), "to_img.linear.bias": (16,)}
    unused = ["patch_embed.proj", "patch_embed.norm", "conv", "output", "linear", "up.norm"]
    shapes |= {f"{name}.{part}": (1,) for name in unused for part in ("weight", "bias")}
    return shapes | {"up.expand.weight": (1,)}
