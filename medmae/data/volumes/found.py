"""What a search through a folder finds: volumes, what they show and whose they are, and all files that are none."""

from __future__ import annotations

from dataclasses import dataclass, field

from medmae.data.contrasts import Named
from medmae.data.identity.tree import Names, Unit
from medmae.data.left_out import LeftOut
from medmae.data.volumes.volume_file import Source

WHY = {
    "label": "a label map",
    "map": "a quantitative map, and no image",
    "other": "a localiser, functional, diffusion or other series",
    "unknown": "a volume whose name tells no contrast",
}


@dataclass(frozen=True)
class FoundVolume:
    """One volume.

    Args:
        parts: Folders below the root.
        named: What it shows.
        source: Where its files are.
        unit: The names that tell whose it is.
        bids: Root of the BIDS data set, subject and session, where the name follows BIDS.
    """

    parts: tuple[str, ...]
    named: Named
    source: Source
    unit: Unit
    bids: tuple[Names, str, str | None] | None = None


@dataclass
class Walked:
    """What lies below a folder.

    Args:
        volumes: Images and label maps.
        left: All other files, with the reason.
        held: DICOM series among these that are no images by what they say: only a table can take them for some.
    """

    volumes: list[FoundVolume] = field(default_factory=list)
    left: list[LeftOut] = field(default_factory=list)
    held: list[FoundVolume] = field(default_factory=list)
