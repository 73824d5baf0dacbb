"""What a hospital's number of files costs: open files, seconds a patient, memory of failures, a flat DICOM folder.

    python benchmarks/hospital.py shards
    python benchmarks/hospital.py patients
    python benchmarks/hospital.py failing
    python benchmarks/hospital.py flat

Each prints the lines of its table in docs/scale.md. Inputs are made in a temporary folder; every measured command runs
in a process of its own on one thread, and CPU seconds are those of that process, imports included.
"""

from __future__ import annotations

import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from document import table
from machine import describe

app = typer.Typer(add_completion=False)
FILES = 512  # that a process may have open
HEADER = ["what", "CPU s", "peak MiB", "result"]
# In a process of its own: whoever reads a shard is noted down, whichever sample it is for.
TRAIN = """
import json, sys
from medmae.data.shards import Shards
seen, real = set(), Shards.__getitem__
def noted(shards, name):
    array = real(shards, name)
    seen.add(name)
    return array
Shards.__getitem__ = noted
rows = [json.loads(line) for line in open(sys.argv[1] + "/manifest.jsonl")]
train = {row["shard"] for row in rows if row["split"] == "train"}
import medmae
try:
    medmae.pretrain("mae", sys.argv[1], out=sys.argv[2], preset="tiny", config="train", epochs=1, batch_size=40,
                    num_workers=0, image_size=32)
finally:
    print("RESULT", len(train & seen), len(train))
"""


@dataclass(frozen=True)
class Measured:
    """What a process took.

    Args:
        cpu_s: User and system time.
        peak_mib: Largest resident memory.
        code: With which it ended.
        text: What it wrote.
    """

    cpu_s: float
    peak_mib: float
    code: int
    text: str

    def line(self, what: str, result: str) -> list[str]:
        """A line of a table."""
        return [what, f"{self.cpu_s:.1f}", f"{self.peak_mib:.0f}", result]


def measured(command: list[str], *, files: int | None = None) -> Measured:
    """Runs a command on one thread; ``files`` is the soft and hard limit of open files."""

    def limited() -> None:
        if files is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment, preexec_fn=limited)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        return Measured(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, process.returncode, out.read())


def prepared(kind: str, source: Path, out: Path) -> Measured:
    """``medmae prep KIND`` in its own process."""
    return measured([sys.executable, "-m", "medmae", "prep", kind, str(source), str(out), "--workers", "0"])


def tell(lines: list[list[str]]) -> None:
    typer.echo(describe())
    typer.echo(table(HEADER, lines))


@app.command()
def shards(count: Annotated[int, typer.Option(help="Shards, of one patient each.")] = 2000) -> None:
    """One epoch over more shards than a process may hold open."""
    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "raw"), Path(folder, "prepared")
        source.mkdir()
        random = np.random.default_rng(0)
        for number in range(count):
            pixels = random.integers(0, 255, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(source / f"patient{number:05d}.png")
        first = prepared("tiles", source, out)
        train = measured([sys.executable, "-c", TRAIN, str(out), str(Path(folder, "run"))], files=FILES)
        found = [line for line in train.text.splitlines() if line.startswith("RESULT")]
        if not found:
            raise SystemExit(train.text)
        warned = sum("unreadable" in line or "replaced" in line for line in train.text.splitlines())
        _, seen, wanted = found[0].split()
        told = f"{seen} of {wanted} training shards read, {warned} warnings, exit {train.code}"
        if train.code:  # after the last shard was read: only its own words tell why
            typer.echo(train.text, err=True)
        tell([
            first.line(f"prep tiles, {count} patients", f"exit {first.code}"),
            train.line(f"training, 1 epoch, {FILES} open files at most", told),
        ])  # fmt: skip


@app.command()
def patients(counts: Annotated[str, typer.Option(help="Numbers of patients.")] = "1500,6000") -> None:
    """Patients of one tiny volume each: the first time, and when there is nothing to do."""
    import nibabel as nib

    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for count in map(int, counts.split(",")):
            source, out = Path(folder, f"raw{count}"), Path(folder, f"out{count}")
            for number in range(count):
                volume = np.random.default_rng(number).integers(1, 900, (8, 8, 6), dtype=np.int16)
                volume[0] = 0
                (source / f"p{number:05d}").mkdir(parents=True)
                nib.save(nib.Nifti1Image(volume, np.eye(4)), source / f"p{number:05d}" / "T1.nii")
            for what in ("first time", "nothing to do"):
                took = prepared("mr", source, out)
                rows = sum(1 for _ in (out / "manifest.jsonl").open())
                lines.append(took.line(f"prep mr, {count} patients, {what}", f"{rows} cases, exit {took.code}"))
    tell(lines)


@app.command()
def failing(count: Annotated[int, typer.Option(help="Cases that fail late.")] = 100) -> None:
    """Cases that fail after their voxels were read, beside as many that do not: memory stays flat."""
    import nibabel as nib

    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for cases in (4, count):
            source, out = Path(folder, f"raw{cases}"), Path(folder, f"out{cases}")
            for number in range(cases + 1):
                volume = np.random.default_rng(number).random((128, 128, 80), dtype=np.float32)
                volume[0] = 0
                volume[9, 9, 9] = 0.5 if number == cases else np.nan
                (source / f"p{number:05d}").mkdir(parents=True)
                nib.save(nib.Nifti1Image(volume, np.eye(4)), source / f"p{number:05d}" / "T1.nii")
            took = prepared("mr", source, out)
            with (out / "quarantine.csv").open() as file:
                failures = len(list(csv.DictReader(file)))
            lines.append(took.line(f"prep mr, {cases} failing cases of 5 MB", f"{failures} failures, exit {took.code}"))
    tell(lines)


@app.command()
def flat(
    slices: Annotated[int, typer.Option(help="Files of each series.")] = 25,
    broken: Annotated[int, typer.Option(help="Files that are cut in their header.")] = 3,
) -> None:
    """One folder of 20 patients with 4 series each, some files of which are broken."""
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "export"), Path(folder, "out")
        source.mkdir()
        for patient in range(20):
            for number, words in enumerate(("t1_se", "t2_tse", "t2_flair", "t1_se_km")):
                write_series(source, patient, number, words, slices)
        for number in range(broken):
            path = source / f"{number}-{number}-{slices - 1 if number else slices // 2}.dcm"  # the first in the middle
            path.write_bytes(path.read_bytes()[:300])
        took = prepared("mr", source, out)
        rows = [json.loads(line) for line in (out / "manifest.jsonl").open()]
        contrasts = Counter(one["name"] for row in rows for one in row["contrasts"])
        told = sum("unreadable_slices" in flag for row in rows for one in row["contrasts"] for flag in one["flags"])
        with (out / "quarantine.csv").open() as file:
            failures = [line["file"].rpartition("/")[2] for line in csv.DictReader(file)]
        result = f"{len(rows)} cases, {dict(contrasts)}, {told} flagged, failures {failures}, exit {took.code}"
        tell([took.line(f"prep mr, one folder of {80 * slices} files, {broken} broken", result)])


def write_series(folder: Path, patient: int, number: int, words: str, slices: int) -> None:
    """Writes an MR series of 16 x 16 pixels."""
    import pydicom

    random = np.random.default_rng(patient * 10 + number)
    for place in range(slices):
        uid = f"1.2.3.{patient}.{number}.{place + 1}"
        meta = pydicom.dataset.FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", uid
        meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        data = pydicom.dataset.FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        data.SOPClassUID, data.SOPInstanceUID, data.Modality = meta.MediaStorageSOPClassUID, uid, "MR"
        data.PatientID, data.SeriesDescription, data.SeriesNumber = f"ID{patient:03d}", words, number + 1
        data.StudyInstanceUID, data.SeriesInstanceUID = f"1.2.3.{patient}", f"1.2.3.{patient}.{number}"
        data.InstanceNumber, data.SliceThickness, data.PixelSpacing = place + 1, 3, [1, 1]
        data.ImageOrientationPatient, data.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 3 * place]
        data.Rows, data.Columns, data.SamplesPerPixel, data.PhotometricInterpretation = 16, 16, 1, "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 0
        pixels = np.zeros((16, 16), np.uint16)
        pixels[2:-2, 2:-2] = random.integers(1, 900, (12, 12))
        data.PixelData = pixels.tobytes()
        data.save_as(folder / f"{patient}-{number}-{place}.dcm", enforce_file_format=True)


if __name__ == "__main__":
    app()
