"""Shapes and segmentations in true formats, for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

CUBE = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)


def ball(radius: float = 10.0, rings: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Corners and triangles of a closed sphere."""
    import trimesh

    found = trimesh.creation.uv_sphere(radius=radius, count=[rings, rings])
    return np.asarray(found.vertices), np.asarray(found.faces)


def off(path: Path, points: np.ndarray, faces: np.ndarray, *, head: str = "OFF\n") -> Path:
    """A mesh as text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{head}{len(points)} {len(faces)} 0"]
    lines += [" ".join(f"{value:.7g}" for value in point) for point in points]
    lines += [" ".join(map(str, (len(face), *face))) for face in faces]
    path.write_text("\n".join(lines) + "\n")
    return path


def ply(path: Path, points: np.ndarray, faces: np.ndarray, *, comment: str = "", extra: bool = False) -> Path:
    """A mesh as text, with other properties of its corners if asked for."""
    more = "property uchar red\nproperty float quality\n" if extra else ""
    head = f"ply\nformat ascii 1.0\n{comment}element vertex {len(points)}\n"
    head += f"property float x\nproperty float y\nproperty float z\n{more}"
    head += f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    lines = [" ".join(map(str, (*point, *((255, 0.5) if extra else ())))) for point in points]
    lines += [" ".join(map(str, (len(face), *face))) for face in faces]
    path.write_text(head + "\n".join(lines) + "\n")
    return path


def segmentation(path: Path, mask: np.ndarray, affine: np.ndarray | None = None) -> Path:
    """A NIfTI label map."""
    import nibabel as nib

    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), np.eye(4) if affine is None else affine), path)
    return path


def dicom_seg(path: Path, mask: np.ndarray) -> Path:
    """A DICOM SEG object ``(slices, rows, columns)``, voxels of 1.5 x 1.5 x 2 mm, of one segment called Liver."""
    import highdicom as hd
    import pydicom
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    study, series, frame = (generate_uid() for _ in range(3))
    images = []
    for number in range(len(mask)):
        one = pydicom.Dataset()
        one.file_meta = pydicom.dataset.FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.SOPClassUID, one.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", generate_uid()
        one.StudyInstanceUID, one.SeriesInstanceUID, one.FrameOfReferenceUID = study, series, frame
        one.PatientID, one.PatientName = "p1", "One^Nobody"
        for empty in ("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber", "StudyID"):
            setattr(one, empty, "")
        one.ReferringPhysicianName, one.Modality, one.Manufacturer = "", "CT", "none"
        one.SeriesNumber, one.InstanceNumber = 1, number + 1
        one.Rows, one.Columns = mask.shape[1:]
        one.PixelSpacing, one.SliceThickness = [1.5, 1.5], 2.0
        one.ImagePositionPatient, one.ImageOrientationPatient = [10.0, 20.0, 30.0 + 2 * number], [1, 0, 0, 0, 1, 0]
        one.BitsAllocated = one.BitsStored = 16
        one.HighBit, one.PixelRepresentation, one.SamplesPerPixel = 15, 0, 1
        one.PhotometricInterpretation, one.PixelData = "MONOCHROME2", bytes(2 * mask[0].size)
        images.append(one)
    described = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label="Liver",
        segmented_property_category=hd.sr.CodedConcept("85756007", "SCT", "Tissue"),
        segmented_property_type=hd.sr.CodedConcept("10200004", "SCT", "Liver"),
        algorithm_type="MANUAL",
    )
    made = hd.seg.Segmentation(
        source_images=images,
        pixel_array=mask.astype(np.uint8),
        segmentation_type="BINARY",
        segment_descriptions=[described],
        series_instance_uid=generate_uid(),
        series_number=2,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="none",
        manufacturer_model_name="none",
        software_versions="1",
        device_serial_number="1",
    )
    made.save_as(path)
    return path
