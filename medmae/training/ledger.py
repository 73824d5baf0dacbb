"""Arithmetic of a training step, read from the parts of a method: for those that :class:`Sizes` cannot describe.

Methods are composed of parts from the shelf, and what a part costs depends on how many tokens are visible and hidden:
the sum over parts is the step's. Where a method uses a part in another way than is said here, its cost is not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch

from torch import nn

from medmae.methods.base import MaskedMethod, Method
from medmae.methods.saim import SAIM
from medmae.nn.cross_decoder import CrossAttention
from medmae.nn.decoder import MaskedDecoder
from medmae.nn.deconvolution import PatchDeconvolution
from medmae.nn.ema import EMATeacher
from medmae.nn.heads import PatchHead
from medmae.nn.injection import InjectionBlock, InjectionDecoder
from medmae.nn.projector import FeatureDecoder, Projector
from medmae.nn.vit import MaskedViT
from medmae.training.cost import Work, block_work
from medmae.training.sizes import Trunk
from medmae.training.two_streams import two_streams


@dataclass(frozen=True)
class Tokens:
    """Of one sample.

    Attributes:
        visible: V.
        masked: M.
        extra: Class tokens, 0 or 1, in the encoder and whatever reads it.
    """

    visible: int
    masked: int
    extra: int

    @property
    def seen(self) -> int:
        """Tokens of the encoder."""
        return self.visible + self.extra

    @property
    def all(self) -> int:
        """Tokens of a decoder, or of a teacher that sees everything."""
        return self.seen + self.masked


def ledger(method: Method) -> dict[str, Work]:
    """Of one sample, by the names of the method's parts.

    Raises:
        ValueError: If the method hides nothing, or has a part of unknown cost.
    """
    if not isinstance(method, MaskedMethod) or len(method.maskings) != 1:
        raise ValueError(f"the cost of {type(method).__name__} is not known: it hides no tokens, or of several kinds")
    if isinstance(method, SAIM):
        return two_streams(method)
    (masking,) = method.maskings.values()
    mask = masking.sample(1)
    tokens = Tokens(mask.num_visible, mask.num_masked, int(method.encoder.cls_token is not None))
    return {name: part_work(part, tokens) for name, part in method.named_children()}


def ledger_flops(method: Method, *, batch: int, checkpointing: bool = False) -> int:
    """Operations of forward and backward of a batch; as :func:`medmae.training.cost.step_flops` counts them."""
    return batch * sum(part.step(checkpointing=checkpointing) for part in ledger(method).values())


@singledispatch
def part_work(part: nn.Module, tokens: Tokens) -> Work:
    """What one part does for one sample.

    Raises:
        ValueError: If nobody has said what such a part costs.
    """
    raise ValueError(f"the cost of a {type(part).__name__} is not known")


@part_work.register
def _(part: MaskedViT, tokens: Tokens) -> Work:
    embedding = Work(leaf=2 * tokens.visible * part.patches.num_values * part.dim)
    trunk = Trunk.of(part.blocks)
    return embedding + block_work(trunk, tokens=tokens.seen, queries=tokens.seen).times(trunk.depth)


@part_work.register
def _(part: EMATeacher, tokens: Tokens) -> Work:
    """Of an encoder or a projector: every token, forward only."""
    everything = Tokens(tokens.visible + tokens.masked, 0, tokens.extra)
    forward = part_work(part.network, everything)
    return Work(fixed=forward.linear + forward.attention + forward.leaf)


@part_work.register
def _(part: MaskedDecoder, tokens: Tokens) -> Work:
    trunk = Trunk.of(part.blocks)
    embedding = Work(linear=2 * tokens.seen * part.embed.in_features * trunk.dim)
    blocks = block_work(trunk, tokens=tokens.all, queries=tokens.all).times(trunk.depth - 1)
    return embedding + blocks + block_work(trunk, tokens=tokens.all, queries=tokens.masked)


@part_work.register
def _(part: InjectionDecoder, tokens: Tokens) -> Work:
    work = Work(linear=2 * tokens.seen * part.embed.in_features * part.embed.out_features)
    for rank, block in enumerate(part.blocks, start=1):
        queries = tokens.masked if rank == len(part.blocks) else tokens.all
        work = work + _injection_work(block, tokens=tokens.all, queries=queries, source=tokens.seen)
    return work


@part_work.register
def _(part: FeatureDecoder, tokens: Tokens) -> Work:
    """Every token is decoded, and their mean is the one row that the head's matrix sees."""
    trunk, embedding = Trunk.of(part.decoder.blocks), part.decoder.embed.weight.numel()
    blocks = block_work(trunk, tokens=tokens.all, queries=tokens.all).times(trunk.depth)
    return blocks + Work(linear=2 * tokens.seen * embedding + 2 * part.head.pred.weight.numel())


@part_work.register
def _(part: Projector, tokens: Tokens) -> Work:
    """One row a sample; the similarities that follow, a few numbers each, are not counted."""
    return Work(linear=2 * (part.hidden.weight.numel() + part.output.weight.numel()))


@part_work.register
def _(part: PatchHead, tokens: Tokens) -> Work:
    return Work(linear=2 * tokens.masked * part.pred.weight.numel())


@part_work.register
def _(part: PatchDeconvolution, tokens: Tokens) -> Work:
    return Work(linear=2 * tokens.masked * part.weight.numel())


def _injection_work(block: nn.Module, *, tokens: int, queries: int, source: int) -> Work:
    """Of which ``queries`` go on; ``redone`` is all but the MLP's last product."""
    assert isinstance(block, InjectionBlock)
    work = _attention_work(block.attn, queries=queries, source=tokens)
    if block.cross_attn is not None:
        work = work + _attention_work(block.cross_attn, queries=queries, source=source)
    mlp = 2 * queries * block.mlp.fc1.weight.numel()  # as much in its second product
    return Work(work.linear + 2 * mlp, work.attention, redone=work.linear + work.attention + mlp)


def _attention_work(attention: CrossAttention, *, queries: int, source: int) -> Work:
    products = queries * (attention.q.weight.numel() + attention.proj.weight.numel())
    inner = attention.q.out_features
    return Work(2 * products + 2 * source * attention.kv.weight.numel(), 4 * queries * source * inner)
