"""Action units of occluded faces, from the latent space of a masked autoencoder, as a teacher sees them in whole ones.

Paper: M. Jiang, Y. Wang, M. J. McKeown, Z. J. Wang, "Occlusion-robust FAU recognition by mining latent space of masked
autoencoders", Neurocomputing 2024, arXiv 2212.04029. Reference: none; of the head, its losses and the teacher
CVI-SZU/ME-GraphAU (dda53cb).

Deviations: only the abstract was at hand. It says that latents of an occluded face are mapped to features of action
units without rebuilding the face, and that nodes and edges of a teacher guide that; everything else is ours and can be
set: the mapping, the head (that of ME-GraphAU, as in OpenGraphAU on a ViT), both distances and their weights, shares
and shapes of occlusions. Units that nobody coded enter no loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Unpack, get_args

import torch
from torch import Generator, Tensor, nn

from medmae.errors import check_choice
from medmae.masking.base import Mask, Masking, Masks
from medmae.masking.occlusion import Occlusion, OcclusionMasking
from medmae.methods.action_units import BP4D, check_names, example_faces, said
from medmae.methods.base import Batch, MaskedMethod, StepOutput, count_samples, entry
from medmae.methods.registry import register
from medmae.methods.shown import Shown
from medmae.nn.au_graph import TokenBlock, UnitGraph, UnitHead
from medmae.nn.au_network import UnitNetwork, tokens_of, vit_small_faces
from medmae.nn.decoder import MaskedDecoder
from medmae.nn.seeding import drawn_by
from medmae.nn.sizes import EncoderSizes, sized
from medmae.nn.teacher import FrozenTeacher
from medmae.nn.vit import MaskedViT
from medmae.objectives.action_units import Distance, distillation, unit_terms, weight_tensor

Latents = Literal["visible", "completed", "queries"]
Taught = Literal["told", "plain"]
QUERIES = 4  # of each unit (ours)


def occlusion_au_base(**options: Any) -> OcclusionAU:
    """ViT-B/16, 224 px, the 12 units of BP4D: 93,301,396 parameters with its table of positions."""
    return OcclusionAU(**options)


def occlusion_au_large(**options: Any) -> OcclusionAU:
    """ViT-L/16, 224 px: 310,935,444 parameters of 12 units, 309,878,180 of 8."""
    return OcclusionAU(**{"embed_dim": 1024, "depth": 24, "num_heads": 16, **options})


def occlusion_au_small_faces(**options: Any) -> OcclusionAU:
    """64 px in patches of 8, 4 blocks of width 96 (ours): for a CPU."""
    sizes = {"image_size": 64, "patch_size": 8, "embed_dim": 96, "depth": 4, "num_heads": 4, "unit_dim": 96}
    return OcclusionAU(**{**sizes, **options})


def occlusion_au_tiny(**options: Any) -> OcclusionAU:
    """32 px, three units and a teacher that has learnt nothing, for tests."""
    names = options.get("names", BP4D[:3])
    with drawn_by(11):  # as from one file, whatever the student begins with
        teacher = vit_small_faces(units=len(names), dim=24, image_size=32)
    sizes = {"image_size": 32, "patch_size": 4, "embed_dim": 48, "depth": 2, "num_heads": 4, "unit_dim": 16}
    student = OcclusionAU(**{**sizes, "names": names, "teacher_dim": 24, **options})
    student.learn_from(teacher)
    return student


@register(
    "occlusion_au",
    title="Occlusion-robust action units",
    paper="Jiang et al., Occlusion-robust FAU recognition by mining latent space of masked autoencoders, "
    "Neurocomputing 2024, arXiv 2212.04029",
    presets={
        "tiny": occlusion_au_tiny,
        "base": occlusion_au_base,
        "large": occlusion_au_large,
        "small_faces": occlusion_au_small_faces,
    },
)
class OcclusionAU(MaskedMethod):
    """The student: hidden patches are not given to its encoder, and are not rebuilt.

    Args:
        names: Of units, in order.
        unit_dim: C, width of tokens and nodes of the head.
        teacher_dim: Width of the nodes of the teacher that it will be given (:meth:`learn_from`); None: the same.
        node_weight: Of the distillation of nodes; 0 leaves it out.
        edge_weight: Likewise of edges.
        distance: Between features of student and teacher.
        taught: Whether features are distilled after units were told of each other, or ``plain`` ones before.
        mapping: ``visible`` reads visible tokens alone; ``completed`` fills mask tokens and lets two blocks of a
            decoder see them all; in ``queries`` each unit asks visible tokens by learned ones. None rebuilds a pixel.
        occlusions: What hides a face in training; each sample's is one of them.
        low: Least share of patches hidden.
        high: Greatest.
        unit_weight: See :class:`medmae.methods.action_units.ActionUnits`; so are the next two.
        relation_weight: Of relations.
        intensity_weight: Of intensities.
        intensities: Whether intensities are learnt, too.
        encoder_frozen: Share of training at whose beginning the encoder does not learn: 2 of 20 epochs.
        drop_path: Stochastic depth of the encoder's last block.
        encoder: Sizes of the encoder; see :class:`medmae.nn.sizes.EncoderSizes`.

    Raises:
        ValueError: If names, weights or the teacher's units do not fit, or a choice is not known.
    """

    needs = frozenset({"target"})
    rebuilds = frozenset()  # that is the point of it
    no_weight_decay = frozenset({"cls_token", "mask_token", "query_token"})

    def __init__(
        self,
        *,
        names: Sequence[str] = BP4D,
        unit_dim: int = 512,
        teacher_dim: int | None = None,
        node_weight: float = 1.0,
        edge_weight: float = 1.0,
        distance: Distance = "cosine",
        taught: Taught = "told",
        mapping: Latents = "visible",
        occlusions: Sequence[Occlusion] = ("patches", "block"),
        low: float = 0.25,
        high: float = 0.75,
        unit_weight: Sequence[float] | None = None,
        relation_weight: float = 0.05,
        intensity_weight: float = 1.0,
        intensities: bool = False,
        encoder_frozen: float = 0.1,
        drop_path: float = 0.0,
        **encoder: Unpack[EncoderSizes],
    ) -> None:
        super().__init__()
        for name, value, choices in (
            ("distance", distance, Distance),
            ("taught", taught, Taught),
            ("mapping", mapping, Latents),
        ):
            check_choice(value, get_args(choices), name=name)
        self.names = check_names(names, units=len(names))
        units = len(self.names)
        self.encoder = MaskedViT(**sized(encoder), drop_path=drop_path)
        self.decoder: MaskedDecoder | None = None
        if mapping == "completed":
            self.decoder = MaskedDecoder(self.encoder, dim=unit_dim, depth=2, num_heads=self.encoder.num_heads)
        self.mapper = TokenBlock(dim=self.encoder.dim if self.decoder is None else unit_dim, out=unit_dim)
        queries = QUERIES if mapping == "queries" else 0
        self.head = UnitHead(units=units, dim=unit_dim, intensities=intensities, queries=queries)
        self.masking = OcclusionMasking(grid=self.encoder.patches.grid, kinds=occlusions, low=low, high=high)
        self.node_weight, self.edge_weight, self.distance, self.taught = node_weight, edge_weight, distance, taught
        self.relation_weight, self.intensity_weight = relation_weight, intensity_weight
        self.encoder_frozen = encoder_frozen
        self.register_buffer("unit_weight", weight_tensor(unit_weight, units=units), persistent=False)
        self.unit_weight: Tensor | None
        self.teacher: FrozenTeacher | None = None
        self.node_map, self.edge_map = (
            nn.Linear(unit_dim, teacher_dim) if weight and teacher_dim not in (None, unit_dim) else nn.Identity()
            for weight in (node_weight, edge_weight)
        )

    def weigh(self, weight: Sequence[float]) -> None:
        """Weights units, from labels of training."""
        self.unit_weight = weight_tensor(weight, units=len(self.names))

    def learn_from(self, teacher: UnitNetwork, *, begin: bool = True) -> None:
        """Hands in a teacher that was trained on whole faces of the same people; without one labels alone teach.

        Args:
            teacher: Frozen, and no part of the state (:class:`medmae.methods.action_units.ActionUnits` trains one).
            begin: Whether the head begins as the teacher's, where both are of one width.

        Raises:
            ValueError: If it reads other units, has no edges, or is of another width than was said.
        """
        theirs, ours = teacher.head, self.head
        if len(theirs.units) != len(ours.units) or theirs.extractor is None:
            raise ValueError(
                f"the teacher reads {len(theirs.units)} units{'' if theirs.extractor else ' without edges'}, and the "
                f"student {len(ours.units)} with edges: train one for the same units, in its second stage"
            )
        wanted = {part.out_features if isinstance(part, nn.Linear) else ours.dim for part in self._maps()}
        if wanted - {theirs.dim}:
            raise ValueError(f"the teacher's nodes are {theirs.dim} wide: set teacher_dim={theirs.dim} of the student")
        if begin and theirs.dim == ours.dim:
            ours.load_state_dict(theirs.state_dict(), strict=ours.intensity is None and ours.asking is None)
        self.teacher, self.needs = FrozenTeacher(teacher), frozenset({"target", "teacher"})

    @property
    def maskings(self) -> Mapping[str, Masking]:  # type: ignore[override]
        """See :attr:`MaskedMethod.maskings`."""
        return {self.encoder.kind.name: self.masking}

    @property
    def teachers(self) -> Mapping[str, nn.Module]:
        """See :attr:`Method.teachers`."""
        return {} if self.teacher is None else {"teacher": self.teacher}

    @property
    def network(self) -> UnitNetwork:
        """The one that reads whole faces, of the same weights.

        Raises:
            ValueError: If the mapping needs to know what is hidden.
        """
        if self.decoder is not None:
            raise ValueError("mapping='completed' needs to know what is hidden, and gives no plain network out")
        return UnitNetwork(encoder=self.encoder, mapper=self.mapper, head=self.head)

    def draw_masks(self, batch: Batch, *, generator: Generator | None = None) -> Masks:
        """See :meth:`MaskedMethod.draw_masks`; objects are put on ``"landmarks"`` ``(B, 68, 2)``, if a batch has them.

        Landmarks are shares of the crop (:mod:`medmae.face`); without them faces are taken to stand as a mean one.
        """
        noise = self.masking.draw(count_samples(batch), generator)
        mask = self.masking.mask_on(noise, batch.get("landmarks"))
        return {self.encoder.kind.name: mask.to(entry(batch, self.encoder.kind.name).device)}

    def forward(
        self, batch: Batch, *, generator: Generator | None = None, masks: Masks | None = None, progress: float = 1.0
    ) -> StepOutput:
        """One step on faces and ``target`` ``(B, N)``, NaN where a unit was not coded; see :meth:`Method.forward`."""
        name = self.encoder.kind.name
        masks = masks or self.draw_masks(batch, generator=generator)
        face, target = entry(batch, name), entry(batch, "target")
        graph = self.read(face, masks[name], learns=progress >= self.encoder_frozen)
        terms = unit_terms(
            graph,
            target,
            weight=self.unit_weight,
            relation_weight=self.relation_weight,
            intensity=batch.get("intensity"),
            intensity_weight=self.intensity_weight,
        )
        terms |= self._distilled(graph, face)
        return StepOutput.of(terms=terms, prediction=said(graph.units, graph.intensities), masks=masks)

    def read(self, face: Tensor, mask: Mask | None = None, *, learns: bool = True) -> UnitGraph:
        """Units of faces ``(B, C, H, W)`` of which a part is hidden; None: nothing is.

        Args:
            face: In their own units.
            mask: What is hidden. Padded, where faces show different numbers of patches.
            learns: False lets no gradient reach the encoder.

        Raises:
            ValueError: If tokens are to be replaced, or decoded in part.
        """
        if mask is not None and (mask.replaced or mask.skipped):
            raise ValueError("hidden patches are not given to the encoder: a mask must neither replace nor skip any")
        with torch.set_grad_enabled(learns and torch.is_grad_enabled()):
            if self.decoder is None:
                visible, keys = (None, None) if mask is None else (mask.visible, mask.real)
                tokens = tokens_of(self.encoder, face, visible, keys)  # (B, V, D)
            else:
                mask = mask or Mask.nothing(len(face), num_tokens=self.encoder.patches.num_tokens, device=face.device)
                embedded = self.encoder.embed(self.encoder.patchify(face), mask.visible)
                real = mask.key_mask(prefix=self.encoder.num_positions_prefix)
                tokens = self.encoder.forward_tokens(embedded, key_mask=real)  # (B, 1 + V, D)
        if self.decoder is None:
            return self.head(self.mapper(tokens), keys)
        assert mask is not None
        return self.head(self.mapper(self.decoder(tokens, mask, masked_only=False)))

    @torch.no_grad()
    def show(self, batch: Batch, masks: Masks) -> dict[str, Shown]:
        """See :meth:`MaskedMethod.show`: nothing is made of what is hidden."""
        name = self.encoder.kind.name
        hidden = self.encoder.patches.paint(masks[name].as_bool())
        return {name: Shown(self.encoder.kind, entry(batch, name), hidden)}

    def example_batch(self, batch_size: int = 2, *, generator: Generator | None = None) -> dict[str, Tensor]:
        """See :meth:`Method.example_batch`."""
        size = self.encoder.patches.size
        return example_faces(size, units=len(self.names), count=batch_size, generator=generator)

    def _maps(self) -> list[nn.Module]:
        """Of what is distilled, what brings it to the teacher's width."""
        pairs = ((self.node_weight, self.node_map), (self.edge_weight, self.edge_map))
        return [part for weight, part in pairs if weight]

    def _distilled(self, graph: UnitGraph, face: Tensor) -> dict[str, Tensor]:
        """What the teacher makes of whole faces, and how far the student is from it."""
        if self.teacher is None or not (self.node_weight or self.edge_weight):
            return {}
        wanted: UnitGraph = self.teacher(face)
        terms = {}
        if self.node_weight:
            found, right = (getattr(one, _NODES[self.taught]) for one in (graph, wanted))
            terms["nodes"] = self.node_weight * distillation(self.node_map(found), right, distance=self.distance)
        if self.edge_weight:
            found, right = (getattr(one, _EDGES[self.taught]) for one in (graph, wanted))
            terms["edges"] = self.edge_weight * distillation(self.edge_map(found), right, distance=self.distance)
        return terms


_NODES = {"told": "nodes", "plain": "plain_nodes"}
_EDGES = {"told": "edges", "plain": "plain_edges"}
