"""Finding shapes: which collection a source is, by marks that only it has; whose shapes they are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from data_prep.said import nfc
from data_prep.video_files import from_folder, settled
from data_prep.video_line import SPLIT_WORDS
from data_prep.video_lines import Below, videos_of_table
from data_prep.video_source import FoundVideos, Segment, VideoSource, video_at
from data_prep.video_walk import files_below
from medmae.data.identity.doubts import refuse
from medmae.data.identity.given import Given
from medmae.data.identity.spelling import alike
from medmae.data.left_out import OTHER_FILE, LeftOut
from medmae.data.names import file_name_of
from medmae.data.points.collections import COLLECTIONS, Collection, collections_in
from medmae.data.points.masks import is_segmentation
from medmae.data.points.read import SHAPES
from medmae.errors import DataError
from medmae.reading import read_text

Layout = Literal["auto", "folder", "table", "modelnet", "modelnet_text", "shapenet", "medshapenet"]
LAYOUTS = get_args(Layout)
HINT = "give [train|val|test/]class/shape, a table (path,label,subject,split), an npz or h5 of clouds, or --layout"
_TABLES = (".csv", ".tsv", ".json", ".jsonl")
_SHAPENET = re.compile(r"(?P<taxonomy>\d{8})-(?P<model>[0-9a-z]{8,})")
_MEDSHAPENET = re.compile(r"(?P<id>.*\d)[-_](?P<organ>[A-Za-z][A-Za-z_]*?)")
_LISTS = {"train": ("train.txt", "modelnet40_train.txt"), "test": ("test.txt", "modelnet40_test.txt")}


def find_shapes(
    source: Path,
    *,
    root: Path | None = None,
    given: Given | None = None,
    salt: Path | None = None,
    columns: Mapping[str, str] | None = None,
    out: Path | None = None,
    layout: Layout = "auto",
) -> FoundVideos:
    """The shapes below a folder, in a table, or in a file of many, with patients.

    Args:
        source: Folder, file, or table.
        root: Where the paths of a table start; None takes its folder.
        given: What the user says of patients.
        salt: See :func:`medmae.data.identity.headers.salt_of`.
        columns: Our name of a column -> the table's.
        out: Where clouds will be written; if that lies below the source, what is there is no source.
        layout: Which collection it is; ``auto`` looks.

    Raises:
        DataError: No shape; a table that is not one; patients or splits of some only; a layout that does not fit.
    """
    if not source.exists():
        raise DataError("there is no such file or folder", path=source, remedy="check the path")
    if source.is_file() and source.suffix.lower() in _TABLES:
        found = videos_of_table(source, root or source.parent, columns or {}, below=_below_of(out), what="shape")
        _refuse_times(found, source)
    else:
        found = _of_paths(source, out, layout)
    if not found.videos:
        raise DataError("no shape is here", path=source, field="shapes", value=0, remedy=HINT)
    return settled(found, source, given=given, salt=salt)


def _refuse_times(found: FoundVideos, table: Path) -> None:
    """Refuses parts by seconds, and rates: nothing of a shape is of a time."""
    timed = [shape.name for shape in found.videos if shape.rate or any(one.start or one.end for one in shape.segments)]
    if timed:
        raise DataError(
            "a shape has neither seconds nor a rate",
            path=table,
            field="start, end, fps",
            value=timed[:5],
            remedy="take these columns out",
        )


def shapes_below(source: Path, *, out: Path | None = None) -> tuple[list[Path], list[LeftOut]]:
    """Shapes, segmentations and files of many shapes, and files that are none, with the reason."""
    lists = {name for some in _LISTS.values() for name in some}
    return files_below(
        source, out=out, why_not=lambda path: None if _may_be(path) and path.name not in lists else OTHER_FILE
    )


def _below_of(out: Path | None) -> Below:
    return lambda root: shapes_below(root, out=out)


def _may_be(path: Path) -> bool:
    return path.suffix.lower() in (*SHAPES, *COLLECTIONS) or is_segmentation(path)


def _of_paths(source: Path, out: Path | None, layout: Layout) -> FoundVideos:
    paths, left = shapes_below(source, out=out)
    fits = {
        "shapenet": bool(paths) and all(_SHAPENET.fullmatch(path.stem) for path in paths),
        "modelnet_text": any((source / name).is_file() for some in _LISTS.values() for name in some[1:]),
        "modelnet": bool(paths) and all(path.parent.name.lower() in SPLIT_WORDS and _classed(path) for path in paths),
        "medshapenet": len(paths) > 1
        and all(_MEDSHAPENET.fullmatch(path.stem) and _flat(path, source) for path in paths),
    }
    chosen = next((name for name, fit in fits.items() if fit), "folder") if layout == "auto" else layout
    if chosen != "folder" and not fits.get(chosen, False):
        raise DataError(
            "the source is not of this layout",
            path=source,
            field="--layout",
            value=layout,
            remedy="take auto, or folder",
        )
    if chosen == "folder":
        return _with_collections([_from_folder(path, source) for path in paths], left)
    read = {"shapenet": _shapenet, "modelnet_text": _listed, "modelnet": _modelnet, "medshapenet": _medshapenet}
    note = f"read as {chosen}: --layout folder reads it as it lies"
    return FoundVideos(tuple(read[chosen](paths, source)), tuple(left), notes=(note,))


def _from_folder(path: Path, source: Path) -> VideoSource:
    """A file by its folders; ``.nii.gz`` is one suffix."""
    shape = from_folder(path, source, what="shape")
    name = path.name.lower()
    return replace(shape, case=file_name_of(path.name[:-7])) if name.endswith(".nii.gz") else shape


def _classed(path: Path) -> bool:
    """ModelNet calls a file as its class: ``chair/train/chair_0001.off``."""
    return path.stem.startswith(path.parent.parent.name)


def _flat(path: Path, source: Path) -> bool:
    return path.parent == source and path.suffix.lower() == ".stl"


def _modelnet(paths: Sequence[Path], source: Path) -> list[VideoSource]:
    split = {path: SPLIT_WORDS[path.parent.name.lower()] for path in paths}
    return [_shape(path, source, path.parent.parent.name, split=split[path], subject=path.stem) for path in paths]


def _listed(paths: Sequence[Path], source: Path) -> list[VideoSource]:
    """ModelNet40 as text: the class is the name without its number, the split that of the lists."""
    split = _split_lists(source)
    labels = [path.stem.rpartition("_")[0] for path in paths]
    return [
        _shape(path, source, label, split=_listed_as(path, split), subject=path.stem)
        for path, label in zip(paths, labels, strict=True)
    ]


def _shapenet(paths: Sequence[Path], source: Path) -> list[VideoSource]:
    """ShapeNet55: taxonomy as the class; lists lie beside the clouds, or in a folder ShapeNet-55."""
    split: dict[str, str] = {}
    for folder in (source, source / "ShapeNet-55", source.parent / "ShapeNet-55"):
        split |= _split_lists(folder)
    return [
        _shape(path, source, path.stem.partition("-")[0], split=_listed_as(path, split), subject=path.stem)
        for path in paths
    ]


def _medshapenet(paths: Sequence[Path], source: Path) -> list[VideoSource]:
    """MedShapeNet: who, then which organ: ``s0011_liver.stl``."""
    found = []
    for path in paths:
        parts = _MEDSHAPENET.fullmatch(path.stem)
        assert parts is not None, "all were looked at"
        found.append(_shape(path, source, parts["organ"], subject=parts["id"]))
    return found


def _split_lists(folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for split, names in _LISTS.items():
        for name in names:
            if (folder / name).is_file():
                lines = [nfc(line.strip()) for line in read_text(folder / name).splitlines() if line.strip()]
                found |= dict.fromkeys((line.removesuffix(".npy") for line in lines), split)
    return found


def _listed_as(path: Path, split: Mapping[str, str]) -> str | None:
    """None where there are no lists; a shape that lists do not name is no one's."""
    if split and path.stem not in split:
        raise DataError("the lists do not name this shape", path=path, field="name", value=path.stem, remedy="add it")
    return split.get(path.stem)


def _shape(path: Path, source: Path, label: str, *, subject: str, split: str | None = None) -> VideoSource:
    """One shape of a collection: where objects are no one's, each is a subject of its own."""
    name = path.relative_to(source).as_posix() if path != source else path.name
    about = {"segments": (Segment(label=nfc(label)),), "what": "shape", "split": split}
    return video_at(path, name, subject=nfc(subject), known=True, **about)


def _with_collections(shapes: Sequence[VideoSource], left: Sequence[LeftOut]) -> FoundVideos:
    """Each array of a file of many shapes as a source of its own, with a segment a shape."""
    found: list[VideoSource] = []
    notes: list[str] = []
    for shape in shapes:
        if shape.path.suffix.lower() not in COLLECTIONS:
            found.append(shape)
            continue
        try:
            arrays, others = collections_in(shape.path)
        except DataError as error:
            found.append(replace(shape, fault=error))
            continue
        refuse(alike({name for one in arrays for name in one.subjects or ()}), path=shape.path)
        found += [_of_array(shape, one) for one in arrays]
        notes += [f"{shape.name}: {', '.join(others)} are not taken"] if others else []
    return FoundVideos(tuple(found), tuple(left), notes=tuple(notes))


def _of_array(shape: VideoSource, array: Collection) -> VideoSource:
    labels = array.labels or (shape.segments[0].label,) * array.count
    segments = tuple(Segment(name=f"{place:05d}", label=label) for place, label in enumerate(labels))
    about = (("array", array.key), ("voxels", array.voxels), ("subjects", array.subjects))
    case = file_name_of(f"{shape.path.stem}_{array.key}")
    return replace(
        shape,
        case=case,
        name=f"{shape.name}/{array.key}",
        split=shape.split or array.split,
        segments=segments,
        about=about,
    )
