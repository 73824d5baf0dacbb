"""Slices of patients in one file of 8-bit images, for :mod:`synthesis`: a machine with nothing but torch reads them.

python benchmarks/synthesis_pack.py PREPARED... --contrasts T1,T2,FLAIR --size 104 --out cohort.npz
python benchmarks/synthesis_pack.py PREPARED... --size 96 --resize --out real.npz
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import Tensor

from medmae.data.contrasts import label_kind
from medmae.data.evenly import evenly
from medmae.data.volumes.slices import around
from medmae.evaluate.synthesis.task import Task

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True)
class Pack:
    """Slices of all patients, case by case.

    Attributes:
        name: Of the file.
        images: ``(K, C, S, S)`` uint8; a missing contrast is 0.
        lesions: ``(K, S, S)`` bool.
        cases: ``(K,)``.
        subjects: ``(K,)``.
        contrasts: Names of the channels.
    """

    name: str
    images: np.ndarray
    lesions: np.ndarray
    cases: np.ndarray
    subjects: np.ndarray
    contrasts: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> Pack:
        """As :func:`main` wrote it."""
        with np.load(path, allow_pickle=False) as file:
            parts = (file[name] for name in ("images", "lesions", "cases", "subjects"))
            return cls(path.stem, *parts, tuple(file["contrasts"].tolist()))

    @property
    def size(self) -> int:
        """Edge of a slice in pixels."""
        return self.images.shape[-1]

    def of(self, subjects: list[str], contrast: str, *, neighbours: int = 0) -> Tensor:
        """Slices ``(K, 1 + 2 * neighbours, S, S)`` in [0, 1] on the device."""
        volumes = [self.volume(case, contrast) for case in self.cases_of(subjects)]
        return torch.cat(
            [volume[around(range(len(volume)), neighbours=neighbours, count=len(volume))] for volume in volumes]
        )

    def stacks(self, subjects: list[str], given: tuple[str, ...]) -> Tensor:
        """Slices ``(K, C, S, S)`` in [0, 1] on the device, 0 in the contrasts that are not given."""
        channels = [self.of(subjects, name) for name in self.contrasts]
        return torch.cat([x if name in given else 0 * x for name, x in zip(self.contrasts, channels, strict=True)], 1)

    def volume(self, case: str, contrast: str) -> Tensor:
        """Slices ``(K, S, S)`` in [0, 1] on the device."""
        found = self.images[self.cases == case, self.contrasts.index(contrast)]
        return torch.from_numpy(found).to(DEVICE).float().div_(255)

    def cases_of(self, subjects: list[str]) -> list[str]:
        """Their names, as they lie in the file."""
        return list(dict.fromkeys(self.cases[np.isin(self.subjects, subjects)].tolist()))


@dataclass(frozen=True)
class PackedCases:
    """Packed slices of some patients as cases, a volume each, for the baselines that an evaluation fits."""

    data: Pack
    subjects: list[str]
    sources: tuple[str, ...]
    target: str

    def tasks(self) -> list[Task]:
        """One a case."""
        channels = self.sources if len(self.sources) == 1 else self.data.contrasts
        pair: dict[str, Any] = {"channels": channels, "sources": self.sources, "target": self.target}
        return [Task(row={"case": case}, **pair) for case in self.data.cases_of(self.subjects)]

    def read(self, task: Task) -> Any:
        """``image`` ``(S, C, H, W)`` and ``real`` ``(S, H, W)``."""
        case = task.row["case"]
        given = {name: self.data.volume(case, name).cpu().numpy() for name in task.channels}
        image = np.stack([x if name in task.sources else 0 * x for name, x in given.items()], axis=1)
        return SimpleNamespace(image=image, real=self.data.volume(case, self.target).cpu().numpy())


def main(
    prepared: Annotated[list[Path], typer.Argument(help="Folders of medmae prep mr.")],
    contrasts: str = "T1,T2,FLAIR",
    size: int = 104,
    resize: Annotated[bool, typer.Option(help="Resize slices to that; otherwise they are padded.")] = False,
    per_case: Annotated[int, typer.Option(help="At most so many slices of a case, evenly spread.")] = 60,
    out: Path = Path("pack.npz"),
) -> None:
    """Puts slices of prepared data sets into one file."""
    from medmae.data import Samples, Slices, Stacks
    from medmae.data.volumes.slices import fit

    names = contrasts.split(",")
    images, lesions, owners, subjects = [], [], [], []
    for folder in prepared:
        cut = Slices(size=size, resize=resize, min_foreground=0.05)
        data = Samples(source=folder, view=Stacks(cut=cut, contrasts=names), split=None)
        cases: dict[str, list[int]] = {}
        for index in range(len(data)):
            cases.setdefault(str(data.describe(index)["case"]), []).append(index)
        rows = {row["case"]: row for row in data.source.rows}
        for case, members in cases.items():
            marked = [label["shard"] for label in rows[case]["labels"] if label_kind(label["name"]) == "lesion"]
            for index in np.array(members)[evenly(len(members), per_case)].tolist():
                about, image = data.describe(index), data[index]["image"]
                lesion = torch.zeros(1, size, size)
                if marked:
                    plane = data.source.shards[marked[0]][int(about["slice"])] > 0
                    lesion = fit(torch.from_numpy(plane).float()[None], size=size, resize=resize)
                images.append((image * 255).round().byte().numpy())
                lesions.append((lesion[0] >= 0.5).numpy())
                owners.append(case)
                subjects.append(str(about["subject"]))
    whose = {"cases": np.array(owners), "subjects": np.array(subjects), "contrasts": np.array(names)}
    np.savez_compressed(out, images=np.stack(images), lesions=np.stack(lesions), **whose)
    print(f"{out}: {len(images)} slices of {len(set(subjects))} patients, {out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    typer.run(main)
