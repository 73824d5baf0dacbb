"""MAE and VideoMAE of equal sizes and equal maths: ours, Hugging Face's, MONAI's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Loss = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Case:
    """Sizes of one comparison."""

    title: str
    batch: int
    channels: int
    size: tuple[int, ...]
    encoder: tuple[int, int, int]  # width, depth, heads
    decoder: tuple[int, int, int]
    smallest: str = "tiny"  # case of the same makers, for what they import


CASES = {
    "b16_224": Case("MAE ViT-B/16, 224 px", 8, 3, (224, 224), (768, 12, 12), (512, 8, 16)),
    "s16_96": Case("MAE ViT-S/16, 96 px", 8, 3, (96, 96), (384, 12, 6), (512, 8, 16)),
    "tiny": Case("nothing to speak of", 1, 1, (32, 32), (48, 1, 3), (48, 1, 3)),
    "videomae_s16_112": Case(
        "VideoMAE ViT-S, 16 x 112 px", 4, 3, (16, 112, 112), (384, 12, 6), (192, 4, 3), "tiny_clip"
    ),
    "videomae_b16_224": Case(
        "VideoMAE ViT-B, 16 x 224 px", 2, 3, (16, 224, 224), (768, 12, 12), (384, 4, 6), "tiny_clip"
    ),
    "tiny_clip": Case("nothing to speak of", 1, 3, (4, 32, 32), (48, 1, 3), (48, 1, 3)),
    "volume_96": Case("MAE ViT-B, 96^3 in patches of 16", 2, 1, (96, 96, 96), (768, 12, 12), (384, 8, 12)),
}


def ours(case: Case) -> tuple[nn.Module, Loss]:
    """Ours, with raw pixels as target, as the peers have."""
    from medmae.methods.mae import MAE

    width, depth, heads = case.encoder
    decoder_width, decoder_depth, decoder_heads = case.decoder
    model = MAE(
        image_size=case.size,
        patch_size=(16,) * len(case.size),
        in_channels=case.channels,
        embed_dim=width,
        depth=depth,
        num_heads=heads,
        decoder_dim=decoder_width,
        decoder_depth=decoder_depth,
        decoder_heads=decoder_heads,
        target_norm=None,
    )
    return model, lambda data: model({"image": data}).loss


def hugging_face(case: Case) -> tuple[nn.Module, Loss]:
    """transformers.ViTMAEForPreTraining with the same sizes."""
    from transformers import ViTMAEConfig, ViTMAEForPreTraining

    width, depth, heads = case.encoder
    decoder_width, decoder_depth, decoder_heads = case.decoder
    config = ViTMAEConfig(
        hidden_size=width,
        num_hidden_layers=depth,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        image_size=case.size[0],
        patch_size=16,
        num_channels=case.channels,
        decoder_hidden_size=decoder_width,
        decoder_num_hidden_layers=decoder_depth,
        decoder_num_attention_heads=decoder_heads,
        decoder_intermediate_size=4 * decoder_width,
        mask_ratio=0.75,
        norm_pix_loss=False,
    )
    model = ViTMAEForPreTraining(config)
    return model, lambda data: model(pixel_values=data).loss


def monai(case: Case) -> tuple[nn.Module, Loss]:
    """monai.networks.nets.MaskedAutoEncoderViT, with the loss that it leaves to its user."""
    from einops import rearrange
    from monai.networks.nets import MaskedAutoEncoderViT

    width, depth, heads = case.encoder
    decoder_width, decoder_depth, decoder_heads = case.decoder
    model = MaskedAutoEncoderViT(
        in_channels=case.channels,
        img_size=case.size,
        patch_size=(16,) * len(case.size),
        hidden_size=width,
        mlp_dim=4 * width,
        num_layers=depth,
        num_heads=heads,
        masking_ratio=0.75,
        decoder_hidden_size=decoder_width,
        decoder_mlp_dim=4 * decoder_width,
        decoder_num_layers=decoder_depth,
        decoder_num_heads=decoder_heads,
        qkv_bias=True,
        spatial_dims=len(case.size),
    )
    pattern = {
        2: "b c (h p1) (w p2) -> b (h w) (p1 p2 c)",
        3: "b c (h p1) (w p2) (d p3) -> b (h w d) (p1 p2 p3 c)",
    }[len(case.size)]
    patch = {f"p{axis + 1}": 16 for axis in range(len(case.size))}

    def loss(data: Tensor) -> Tensor:
        prediction, mask = model(data)
        target = rearrange(data, pattern, **patch)
        error = (prediction - target).square().mean(dim=-1)
        return (error * mask).sum() / mask.sum()

    return model, loss


def our_videomae(case: Case) -> tuple[nn.Module, Loss]:
    """Ours, with the published target; its tubes are drawn in the step."""
    from medmae.methods.videomae import VideoMAE

    width, depth, heads = case.encoder
    decoder_width, decoder_depth, decoder_heads = case.decoder
    model = VideoMAE(
        num_frames=case.size[0],
        image_size=case.size[1:],
        in_channels=case.channels,
        embed_dim=width,
        depth=depth,
        num_heads=heads,
        decoder_dim=decoder_width,
        decoder_depth=decoder_depth,
        decoder_heads=decoder_heads,
    )
    return model, lambda data: model({"image": data}).loss


def hugging_face_videomae(case: Case) -> tuple[nn.Module, Loss]:
    """transformers.VideoMAEForPreTraining with the same sizes; its user draws the tubes, before the step."""
    from transformers import VideoMAEConfig, VideoMAEForPreTraining

    from medmae.masking.tube import TubeMasking

    width, depth, heads = case.encoder
    decoder_width, decoder_depth, decoder_heads = case.decoder
    frames, height, size = case.size
    config = VideoMAEConfig(
        hidden_size=width,
        num_hidden_layers=depth,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        image_size=size,
        num_frames=frames,
        num_channels=case.channels,
        decoder_hidden_size=decoder_width,
        decoder_num_hidden_layers=decoder_depth,
        decoder_num_attention_heads=decoder_heads,
        decoder_intermediate_size=4 * decoder_width,
        use_mean_pooling=False,
    )
    model = VideoMAEForPreTraining(config)
    hidden = TubeMasking(grid=(frames // 2, height // 16, size // 16)).sample(case.batch).as_bool()
    return model, lambda data: model(pixel_values=data.transpose(1, 2), bool_masked_pos=hidden).loss


MAKERS = {
    "medmae": ours,
    "HF ViTMAE": hugging_face,
    "MONAI MAE": monai,
    "medmae VideoMAE": our_videomae,
    "HF VideoMAE": hugging_face_videomae,
}


def step_gflop(case: Case, maker: str = "medmae") -> float:
    """Floating-point operations of our step (forward and backward), counted by torch."""
    from torch.utils.flop_counter import FlopCounterMode

    _, loss = MAKERS[maker](case)
    with FlopCounterMode(display=False) as counter:
        loss(torch.rand(case.batch, case.channels, *case.size)).backward()
    return counter.get_total_flops() / 1e9
