"""One training step beside the peers: exact maths, one process, alternating order, matmul probe recorded.

Peers: Hugging Face ViTMAE and MONAI MaskedAutoEncoderViT, each as shipped (default AdamW) and with the fused optimiser
that ours uses. A step is forward, backward, AdamW, zero_grad, in float32 on synthetic data. Every round runs all
contestants once, every other round in reverse; figures are medians of paired ratios (peer / ours) and minima.

    python benchmarks/peers_step.py --case s16_96 --rounds 9
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
import typer
from torch import Tensor, nn

from medmae.methods.mae import MAE

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


CASES = {
    "b16_224": Case("MAE ViT-B/16, 224 px", 8, 3, (224, 224), (768, 12, 12), (512, 8, 16)),
    "s16_96": Case("MAE ViT-S/16, 96 px", 8, 3, (96, 96), (384, 12, 6), (512, 8, 16)),
    "volume_96": Case("MAE ViT-B, 96^3 in patches of 16", 2, 1, (96, 96, 96), (768, 12, 12), (384, 8, 12)),
}


def ours(case: Case) -> tuple[nn.Module, Loss]:
    """Ours, with raw pixels as target, as the peers have."""
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


PEERS = {"hugging_face": hugging_face, "monai": monai}


def contestants(case: Case, *, names: list[str]) -> dict[str, Callable[[Tensor], float]]:
    """Name -> a function that runs one step and gives its seconds."""
    steps = {}
    for name in names:
        maker, _, optimiser = name.partition("+")
        torch.manual_seed(0)
        model, loss = ({"medmae": ours, **PEERS})[maker](case)
        fused = optimiser == "fused" or maker == "medmae"
        # Without a word on it, torch chooses for itself: that is what a user of the peer gets.
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, **({"fused": True} if fused else {}))
        steps[name] = stepper(loss, optimizer)
    return steps


def stepper(loss: Loss, optimizer: torch.optim.Optimizer) -> Callable[[Tensor], float]:
    """One timed step."""

    def step(data: Tensor) -> float:
        started = time.perf_counter()
        loss(data).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return time.perf_counter() - started

    return step


def matmul_probe(size: int = 1024, repeats: int = 8) -> float:
    """GFLOP/s of a square float32 product, the best of several: the limit of this machine at this moment."""
    a, b = torch.rand(size, size), torch.rand(size, size)
    best = min(_seconds(lambda: a @ b) for _ in range(repeats))
    return 2 * size**3 / best / 1e9


def _seconds(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def step_gflop(case: Case) -> float:
    """Floating-point operations of our step (forward and backward), counted by torch."""
    from torch.utils.flop_counter import FlopCounterMode

    model, loss = ours(case)
    with FlopCounterMode(display=False) as counter:
        loss(torch.rand(case.batch, case.channels, *case.size)).backward()
    del model
    return counter.get_total_flops() / 1e9


def main(
    case: Annotated[str, typer.Option(help=f"One of {', '.join(CASES)}.")] = "s16_96",
    rounds: Annotated[int, typer.Option(help="Paired rounds.")] = 9,
    threads: Annotated[int, typer.Option(help="Threads of torch.")] = 1,
) -> None:
    """Prints one line a contestant."""
    torch.set_num_threads(threads)
    sizes = CASES[case]
    makers = ["monai"] if len(sizes.size) == 3 else list(PEERS)
    names = ["medmae", *(f"{maker}{kind}" for maker in makers for kind in ("", "+fused"))]
    steps = contestants(sizes, names=names)
    data = torch.rand(sizes.batch, sizes.channels, *sizes.size)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    probes = [matmul_probe()]
    for name in names:
        steps[name](data)  # warm-up
    for turn in range(rounds):
        for name in names if turn % 2 == 0 else reversed(names):
            seconds[name].append(steps[name](data))
        probes.append(matmul_probe())
    gflop = step_gflop(sizes)
    print(f"{sizes.title}, batch {sizes.batch}, {threads} threads, {rounds} rounds, torch {torch.__version__}")
    print(f"matmul probe {min(probes):.0f} to {max(probes):.0f} GFLOP/s; our step {gflop:.1f} GFLOP")
    print(f"{'contestant':22s} {'median s':>9s} {'min s':>8s} {'paired':>13s} {'of minima':>10s} {'% of probe':>11s}")
    for name in names:
        paired = statistics.median(t / o for t, o in zip(seconds[name], seconds["medmae"], strict=True))
        median, least, best = statistics.median(seconds[name]), min(seconds[name]), min(seconds["medmae"])
        share = f"{gflop / least / max(probes) * 100:11.0f}" if name == "medmae" else ""
        print(f"{name:22s} {median:9.3f} {least:8.3f} {paired:13.3f} {least / best:10.3f} {share}".rstrip())


if __name__ == "__main__":
    typer.run(main)
