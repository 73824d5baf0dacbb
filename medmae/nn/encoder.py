"""What an encoder is: whatever turns data of one or several kinds into features, be it one network or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, Self, get_args, runtime_checkable

from torch import Tensor, nn

from medmae.errors import check_choice
from medmae.kinds import Kind, Role
from medmae.tokens.patches import Patches

Pool = Literal["mean", "class_token", "all"]
Data = Tensor | Mapping[str, Tensor]


@runtime_checkable
class Encoder(Protocol):
    """The thing one keeps of a pre-training; a :class:`torch.nn.Module`, too.

    :class:`medmae.nn.vit.MaskedViT` is one, and so may be several of them with fusion, a graph or point network, or a
    text encoder. Whoever takes features, probes or fine-tunes asks for no more than this.
    """

    @property
    def dim(self) -> int:
        """D, width of the features."""

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """What it takes, by name, each with the scale that it expects and applies itself."""

    def features(self, batch: Data, *, pool: Pool = "mean", block: int | None = None) -> Tensor:
        """One row a sample, ``(B, D)``, of data in its own units; gradients flow, and the mode stays as it is.

        Args:
            batch: Tensors ``(B, C, *size)`` by kind; where there is one kind, the tensor itself will do.
            pool: The mean of tokens of the data, the class token, or the mean of all tokens.
            block: Takes the features after so many blocks and computes no others, for what an encoder knows may be
                plainer before its last. None is the whole encoder.

        Raises:
            ValueError: If it has no class token or not so many blocks, or data of another form is given.
        """

    def fresh(self, *, seed: int) -> Self:
        """A copy as it was before it learnt anything: weights drawn anew by ``seed``; itself left as it is."""

    def layers(self) -> list[list[nn.Parameter]]:
        """Parameters by layer, from the input up, for rates that fall from layer to layer.

        What stands behind the last layer, such as a final norm, is in none and learns as a head does.
        """


def data_of(batch: Data, encoder: Encoder) -> Tensor:
    """The tensor of an encoder of one kind.

    Raises:
        ValueError: If the batch has no tensor of its kind, or the encoder takes several.
    """
    if isinstance(batch, Tensor):
        return batch
    if len(encoder.kinds) != 1:
        raise ValueError(f"the encoder takes {', '.join(map(repr, encoder.kinds))}, and one kind of data is asked for")
    (name,) = encoder.kinds
    if name not in batch:
        raise ValueError(f"the encoder takes {name!r}, and the batch has {', '.join(map(repr, batch))}")
    return batch[name]


def check_pool(pool: Pool, *, has_class_token: bool) -> None:
    """Refuses a pooling that an encoder cannot do.

    Raises:
        ValueError: If it is none, or the class token is asked for and there is none.
    """
    check_choice(pool, get_args(Pool), name="pool")
    if pool == "class_token" and not has_class_token:
        raise ValueError("pool='class_token' needs an encoder with a class token; this one has none")


def check_block(block: int | None, *, depth: int) -> None:
    """Refuses a block that an encoder does not have.

    Raises:
        ValueError: With the blocks that it has.
    """
    if block is not None and not 1 <= block <= depth:
        raise ValueError(f"block must lie in 1 to {depth}, the encoder's blocks, got {block}")


def mean_of(tokens: Tensor, keys: Tensor | None) -> Tensor:
    """The mean ``(B, D)`` of tokens ``(B, N, D)`` that ``keys`` ``(B, N)`` does not call padding; None: of all."""
    if keys is None:
        return tokens.mean(dim=1)
    weight = keys.unsqueeze(2).to(tokens.dtype)  # (B, N, 1)
    return (tokens * weight).sum(dim=1) / weight.sum(dim=1)


def side_by_side(encoders: Sequence[list[list[nn.Parameter]]]) -> list[list[nn.Parameter]]:
    """The layers of several encoders of any depth, as those of one: their last ones together, below the head."""
    depth = max(map(len, encoders))
    return [
        [parameter for layers in encoders if len(layers) > up for parameter in layers[-1 - up]]
        for up in reversed(range(depth))
    ]


def kind_of(patches: Patches, *, said: Kind | None = None) -> Kind:
    """What data of these patches is: what is said, or else a signal, a picture, a volume, a series of volumes.

    Raises:
        ValueError: If what is said has other axes or channels, or nothing is said of more axes.
    """
    if said is not None:
        if len(said.axes) != patches.ndim or len(said.channels) != patches.channels:
            raise ValueError(
                f"{said.name} has {len(said.channels)} channels and axes {', '.join(said.roles)}, "
                f"and the encoder {patches.channels} channels of {patches.ndim} axes"
            )
        return said
    roles: tuple[Role, ...] = ("time", "depth", "row", "column")
    if patches.ndim == 1:
        return Kind.of("image", ["time"], channels=patches.channels)
    if patches.ndim > len(roles):
        raise ValueError(f"data of {patches.ndim} axes is of no common kind: say it, kind=Kind.of(...)")
    return Kind.of("image", roles[-patches.ndim :], channels=patches.channels)
