"""NIfTI in, NIfTI out: the same place, the same shape, marked as synthetic."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
import torch
from torch import nn

from data_prep.mr import prepare
from medmae.data.volumes.cases import VolumeCases
from medmae.data.volumes.intensity import Normalisation
from medmae.errors import DataError
from medmae.evaluate.provenance import WARNING
from medmae.evaluate.synthesis.calibration import Calibration
from medmae.evaluate.synthesis.calibration_file import FittedSpread, write_calibration
from medmae.evaluate.synthesis.evaluation import evaluate_synthesis
from medmae.evaluate.synthesis.network import Synthesiser
from medmae.evaluate.synthesis.synthesise import VolumeSynthesis
from medmae.files import sha256_of
from medmae.methods.mt_unet import mt_unet_tiny
from medmae.nn.vit import MaskedViT
from medmae.tokens.frame import Frame
from medmae.weights.io import save_safetensors

AXES = {"LAS": np.diag([-1.0, 1, 3]), "RPI": np.diag([1.0, -1, -3]), "sagittal": np.eye(3)[:, [2, 0, 1]] * [3, -1, 1]}


class Stub(nn.Module):
    """A method that answers with ``answer(image)``; any-to-any it pastes what was given, as MTUNet does."""

    def __init__(self, *, size, neighbours=0, num_contrasts=None, answer=None):
        super().__init__()
        size = (size, size) if isinstance(size, int) else size
        self.frame, self.block = Frame(tuple(size)), 4
        self.encoders = {
            "encoder": MaskedViT(image_size=8, patch_size=4, embed_dim=8, depth=1, num_heads=1)
        }  # 4 tokens
        self.neighbours, self.num_contrasts = neighbours, num_contrasts
        self.answer = answer or (lambda image: image[:, neighbours : neighbours + 1] if neighbours else image)
        self.given = []

    def synthesise(self, image, given=None):
        made = self.answer(image)
        if given is None:
            return made
        self.given.append(given.tolist())
        return torch.where(given[(...,) + (None,) * (image.ndim - 2)], image, made)


def head(*, shape=(20, 24, 10), seed=0, top=1024, reach=1.25):
    """Whole numbers in a ball, background 0: the extremes are so frequent that the percentiles clip nothing."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.linspace(-reach, reach, n) for n in shape), indexing="ij"))
    values = rng.integers(1, top + 1, shape)
    values[rng.random(shape) < 0.02], values[rng.random(shape) < 0.02] = 1, top
    return np.where((grid**2).sum(axis=0) < 1, values, 0).astype(np.int16)


def write(path, *, axes="LAS", tilt=(0.1, 0.05, 0.0), array=None, **options):
    """Saves a head in a tilted anisotropic frame, whose codes differ."""
    array = head(**options) if array is None else array
    turn = nib.affines.from_matvec(nib.eulerangles.euler2mat(*tilt) @ AXES[axes], [3.25, 4.5, -5])
    image = nib.Nifti1Image(array, turn)
    image.set_sform(turn, code=2)
    image.set_qform(turn, code=1)
    image.header.set_xyzt_units("mm", "sec")
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)
    return path


def native_size(source, contrast="T1"):
    """The longer edge of the slices as they are stored: nothing is resized then."""
    return max(VolumeCases(source=source, contrasts=[contrast])[0].array.shape[2:])


def synthesis(source, out, *, method=None, contrasts=("T1",), targets=("T2",), at_least=None, **options):
    cases = VolumeCases(source=source, contrasts=contrasts, at_least=at_least)
    return VolumeSynthesis(method=method or Stub(size=32), cases=cases, output_dir=out, targets=targets, **options)


def intensities_of(path, target="T2"):
    """A file that says: the target's intensities are mapped as those of this volume."""
    fit = Normalisation.fit(np.asarray(nib.load(path).dataobj))
    file = path.with_suffix("").with_suffix(".json")
    file.write_text(json.dumps({"contrasts": {target: fit.to_dict()}}))
    return file


# ------------------------------------------------------------------------------------------------------ the same place
@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("crop", [None, (4, 8, 8), (32, 32, 32)])
def test_a_network_that_changes_nothing_gives_the_file_back_bit_for_bit_and_on_its_grid(tmp_path, axes, crop):
    source = write(tmp_path / "p1" / "T1.nii.gz", axes=axes)
    method = Stub(size=crop or native_size(source))
    synthesis(tmp_path, tmp_path / "out", method=method, target_intensity=intensities_of(source)).run()
    before, after = nib.load(source), nib.load(tmp_path / "out" / "p1_desc-syntheticT2.nii.gz")
    np.testing.assert_array_equal(np.asarray(after.dataobj), np.asarray(before.dataobj))
    assert after.get_data_dtype() == np.float32
    assert after.shape == before.shape
    np.testing.assert_array_equal(after.affine, before.affine)
    for name in ("sform_code", "qform_code", "xyzt_units", "pixdim", "quatern_b", "qoffset_x", "srow_x", "srow_z"):
        np.testing.assert_array_equal(after.header[name], before.header[name])


def test_what_lies_outside_the_head_and_in_empty_slices_keeps_the_background(tmp_path):
    array = head(reach=1.8)
    array[array > 0] += 100
    array -= 50  # background -50
    source = write(tmp_path / "T1.nii.gz", array=array)
    method = Stub(size=native_size(source), answer=lambda image: image * 0 + 0.5)
    synthesis(source, tmp_path / "out", method=method, target_intensity=intensities_of(source)).run()
    made = np.asarray(nib.load(next((tmp_path / "out").glob("*.nii.gz"))).dataobj)
    fit = Normalisation.fit(array)
    assert fit.background == -50
    assert set(np.unique(made)) == {-50, fit.invert(np.float32(0.5)).item()}
    box = np.argwhere(array != -50)
    low, high = box.min(axis=0), box.max(axis=0)
    assert (made[0] == -50).all()  # more than the margin of 2 voxels away
    assert (made[:, :, : low[2]] == -50).all()  # slices in the margin: empty
    assert (made[:, :, high[2] + 1 :] == -50).all()


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_itk_and_nibabel_read_the_image_alike_and_where_the_source_lies(tmp_path, dtype):
    sitk = pytest.importorskip("SimpleITK")
    source = write(tmp_path / "T1.nii.gz", tilt=(0.2, -0.1, 0.3))
    method = Stub(size=native_size(source), answer=lambda image: image.sqrt())
    options = {"target_intensity": intensities_of(source), "dtype": dtype}
    synthesis(source, tmp_path / "out", method=method, **options).run()
    path = next((tmp_path / "out").glob("*.nii.gz"))
    before, after, ours = sitk.ReadImage(str(source)), sitk.ReadImage(str(path)), nib.load(path)
    assert after.GetSize() == before.GetSize() == ours.shape
    for name in ("GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(after, name)() == getattr(before, name)()
    np.testing.assert_allclose(after.GetSpacing(), ours.header.get_zooms(), rtol=1e-6)
    np.testing.assert_allclose(np.asarray(after.GetOrigin()) * [-1, -1, 1], ours.affine[:3, 3], atol=1e-4)
    data = np.transpose(sitk.GetArrayFromImage(after), (2, 1, 0))
    np.testing.assert_allclose(data, ours.get_fdata(), rtol=1e-6, atol=1e-3)
    assert data.max() > 1000


def test_a_4d_source_with_a_single_volume_keeps_its_shape(tmp_path):
    source = write(tmp_path / "T1.nii.gz", array=head()[..., None])
    synthesis(source, tmp_path / "out").run()
    assert nib.load(next((tmp_path / "out").glob("*.nii.gz"))).shape == (20, 24, 10, 1)


# --------------------------------------------------------------------------------------------------------- intensities
def test_without_known_intensities_the_image_lies_between_0_and_1_and_says_so(tmp_path):
    source = write(tmp_path / "p1" / "T1.nii.gz")
    synthesis(source, tmp_path / "out", method=Stub(size=native_size(source))).run()
    made = nib.load(tmp_path / "out" / "p1_desc-syntheticT2.nii.gz").get_fdata()
    assert (made.min(), made.max()) == (0, 1)
    note = json.loads((tmp_path / "out" / "p1_desc-syntheticT2.json").read_text())
    assert note["intensity"] == "in [0, 1]: those of the target are unknown"


def test_whole_numbers_of_any_range_come_back_to_the_last_bit(tmp_path):
    source = write(tmp_path / "T1.nii.gz", top=1234)
    method = Stub(size=native_size(source))
    synthesis(source, tmp_path / "out", method=method, target_intensity=intensities_of(source)).run()
    made = np.asarray(nib.load(next((tmp_path / "out").glob("*.nii.gz"))).dataobj)
    np.testing.assert_allclose(made, head(top=1234), rtol=2e-7)
    np.testing.assert_array_equal(np.rint(made), head(top=1234))


def test_int16_has_a_slope_and_keeps_background_and_values_within_its_step(tmp_path):
    array = head(top=5000) - 50
    source = write(tmp_path / "T1.nii.gz", array=array.astype(np.int16))
    options = {"target_intensity": intensities_of(source), "method": Stub(size=native_size(source))}
    synthesis(source, tmp_path / "whole", **options).run()
    synthesis(source, tmp_path / "small", dtype="int16", **options).run()
    whole, small = (nib.load(next((tmp_path / name).glob("*.nii.gz"))) for name in ("whole", "small"))
    assert small.get_data_dtype() == np.int16
    assert small.dataobj.slope == pytest.approx(5000 / 32767)
    np.testing.assert_allclose(small.get_fdata(), whole.get_fdata(), atol=5000 / 32767 / 2 + 1e-3)
    assert (small.get_fdata()[array == -50] == -50).all()


def test_a_constant_answer_can_be_stored_as_int16(tmp_path):
    source = write(tmp_path / "T1.nii.gz")
    method = Stub(size=32, answer=torch.zeros_like)
    synthesis(source, tmp_path / "out", method=method, dtype="int16").run()
    assert (nib.load(next((tmp_path / "out").glob("*.nii.gz"))).get_fdata() == 0).all()


# ------------------------------------------------------------------------------------------------- marks and provenance
def test_name_header_and_note_say_that_the_image_is_synthetic(tmp_path):
    source = write(tmp_path / "sub-01" / "ses-2" / "anat" / "sub-01_ses-2_T1w.nii.gz")
    weights = tmp_path / "weights.safetensors"
    save_safetensors({"weight": torch.zeros(1)}, weights)
    config = {"preset": "tiny", "seed": 3}
    options = {"weights": weights, "config": config, "target_intensity": intensities_of(source)}
    synthesis(tmp_path / "sub-01", tmp_path / "out", **options).run()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "sub-01_ses-2_desc-syntheticT2.json",
        "sub-01_ses-2_desc-syntheticT2.nii.gz",
    ]
    header = nib.load(tmp_path / "out" / "sub-01_ses-2_desc-syntheticT2.nii.gz").header
    assert b"synthetic" in bytes(header["descrip"])
    assert b"not for diagnosis" in bytes(header["descrip"])
    note = json.loads((tmp_path / "out" / "sub-01_ses-2_desc-syntheticT2.json").read_text())
    assert note["warning"] == WARNING
    assert (note["case"], note["target"]) == ("sub-01_ses-2", "T2")
    (given,) = note["sources"]
    assert (given["contrast"], given["file"], given["sha256"]) == ("T1", source.name, sha256_of(source))
    assert Normalisation.from_dict(given["normalisation"]) == Normalisation.fit(head())
    assert Normalisation.from_dict(note["intensity"]) == Normalisation.fit(head())
    unjudged = {"run": None, "quality": "not judged: no evaluation has said how good it is"}
    assert note["weights"] == {"file": "weights.safetensors", "sha256": sha256_of(weights), **unjudged}
    assert note["config"] == config
    assert note["settings"] == {"uncertainty": False, "smooth": 0.0, "overlap": 0.5, "dtype": "float32"}
    assert {"medmae", "torch", "monai", "nibabel"} <= set(note["versions"])
    assert str(tmp_path) not in json.dumps(note)  # folders may name a patient


def test_an_uncertainty_that_nobody_calibrated_has_an_image_and_a_note_that_say_so(tmp_path, caplog):
    source = write(tmp_path / "p1" / "T1.nii.gz")
    lean = lambda image: image * torch.linspace(0, 1, image.shape[-1])  # noqa: E731
    options = {"uncertainty": True, "target_intensity": intensities_of(source)}
    synthesis(source, tmp_path / "out", method=Stub(size=24, answer=lean), **options).run()
    names = [f"p1_desc-{kind}T2.{ending}" for kind in ("synthetic", "uncalibrated") for ending in ("json", "nii.gz")]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    image = nib.load(tmp_path / "out" / "p1_desc-uncalibratedT2.nii.gz")
    spread = image.get_fdata()
    assert spread.min() == 0  # a spread is not moved by the target's background
    assert 100 < spread.max() < 1024  # but stretched
    assert b"uncalibrated spread" in bytes(image.header["descrip"])
    note = json.loads((tmp_path / "out" / "p1_desc-uncalibratedT2.json").read_text())
    assert note["settings"]["uncertainty"] is True
    assert note["uncertainty"]["calibrated"] is False
    assert "marked as uncalibrated" in caplog.text


def test_a_spread_of_an_earlier_run_does_not_stay_beside_a_new_image(tmp_path):
    source, out = write(tmp_path / "p1" / "T1.nii.gz"), tmp_path / "out"
    synthesis(source, out, uncertainty=True).run()
    others = [out / f"{stem}.nii.gz" for stem in ("p1_desc-uncertaintyFLAIR", "p10_desc-uncertaintyT2")]
    for path in others:
        path.write_bytes(b"")
    synthesis(source, out).run()
    made = [out / f"p1_desc-syntheticT2.{ending}" for ending in ("json", "nii.gz")]
    assert set(out.iterdir()) == {*made, *others}


def test_with_a_calibration_the_error_to_expect_is_written_and_nothing_in_the_background(tmp_path):
    source = write(tmp_path / "p1" / "T1.nii.gz")
    lean = lambda image: image * torch.linspace(0, 1, image.shape[-1])  # noqa: E731
    options = {"uncertainty": True, "target_intensity": intensities_of(source), "method": Stub(size=24, answer=lean)}
    fitted = FittedSpread(calibration=Calibration(std=(0.0, 1.0), error=(0.25, 2.25)), subjects=("v1", "v2"))
    weights = tmp_path / "weights.safetensors"
    save_safetensors({"weight": torch.zeros(1)}, weights)
    write_calibration(tmp_path / "calibration.json", fitted, weights_sha256=sha256_of(weights))
    synthesis(source, tmp_path / "raw", **options).run()
    synthesis(source, tmp_path / "out", **options, weights=weights, calibration=tmp_path / "calibration.json").run()
    spread = nib.load(tmp_path / "raw" / "p1_desc-uncalibratedT2.nii.gz").get_fdata()
    image = nib.load(tmp_path / "out" / "p1_desc-uncertaintyT2.nii.gz")
    scale = Normalisation.fit(head()).maximum
    np.testing.assert_allclose(image.get_fdata(), np.where(head() > 0, 0.25 * scale + 2 * spread, 0), rtol=1e-5)
    assert b"error to expect" in bytes(image.header["descrip"])
    about = json.loads((tmp_path / "out" / "p1_desc-uncertaintyT2.json").read_text())["uncertainty"]
    assert (about["calibrated"], about["validation_subjects"]) == (True, 2)
    assert about["sha256"] == sha256_of(tmp_path / "calibration.json")


# ------------------------------------------------------------------------------------------- whose image, and made when
def test_a_target_that_a_case_has_is_not_made_by_a_network_of_pairs_unless_it_is_asked_to(tmp_path, caplog):
    for case, contrasts in {"p1": ("T1", "T2"), "p2": ("T1", "FLAIR")}.items():
        for contrast in contrasts:
            write(tmp_path / "raw" / case / f"{contrast}.nii.gz")
    synthesis(tmp_path / "raw", tmp_path / "out").run()
    assert [path.name for path in (tmp_path / "out").glob("*.nii.gz")] == ["p2_desc-syntheticT2.nii.gz"]
    assert "1 of 2 cases have the target already and were passed over: p1; --remake true" in caplog.text
    caplog.clear()
    synthesis(tmp_path / "raw", tmp_path / "out", remake=True).run()
    assert len(list((tmp_path / "out").glob("*.nii.gz"))) == 2
    assert "passed over" not in caplog.text


def test_an_image_says_whether_training_saw_its_subject(tmp_path, caplog):
    for name in ("p1", "p2"):
        write(tmp_path / "raw" / name / "T1.nii.gz")
    weights = tmp_path / "run" / "models" / "weights.safetensors"
    weights.parent.mkdir(parents=True)
    save_safetensors({"weight": torch.zeros(1)}, weights)

    def told(**options):
        synthesis(tmp_path / "raw", tmp_path / "out", **options).run()
        notes = (json.loads((tmp_path / "out" / f"{p}_desc-syntheticT2.json").read_text()) for p in ("p1", "p2"))
        return [note["subject_in_training"] for note in notes]

    assert told() == told(weights=weights) == ["unknown", "unknown"]
    assert "whom training saw" not in caplog.text
    (tmp_path / "run" / "run.json").write_text(json.dumps({"data": {"subjects": {"train": ["p2"]}}}))
    assert told(weights=weights) == [False, True]
    assert "1 cases are of subjects whom training saw, and tell nothing of new patients: p2" in caplog.text


def test_smoothing_along_slices_is_an_option(tmp_path):
    source = write(tmp_path / "T1.nii.gz")
    method = Stub(size=native_size(source))
    for name, sigma in (("rough", 0.0), ("smooth", 1.0)):
        synthesis(source, tmp_path / name, method=method, smooth=sigma).run()
    rough, smooth = (nib.load(next((tmp_path / n).glob("*.nii.gz"))).get_fdata() for n in ("rough", "smooth"))
    stripes = [np.abs(np.diff(image[8:12, 10:14, 3:7], axis=2)).mean() for image in (rough, smooth)]
    assert stripes[1] < 0.6 * stripes[0]


# ----------------------------------------------------------------------------------------------------------- evaluation
def test_evaluation_shows_a_network_what_inference_shows_it_though_the_target_is_wider(tmp_path):
    for number in range(2):
        write(tmp_path / "raw" / f"p{number}" / "T1.nii.gz", seed=number, shape=(20, 24, 10), reach=1.6)
        write(tmp_path / "raw" / f"p{number}" / "T2.nii.gz", seed=number, shape=(20, 24, 10))
    (tmp_path / "split.csv").write_text("subject,split\np0,train\np1,test\n")
    options = {"split": tmp_path / "split.csv", "dtype": "float32", "workers": 0}
    prepared = prepare(source=tmp_path / "raw", out=tmp_path / "prepared", **options)
    seen = {"evaluation": [], "inference": []}
    network = Stub(size=32, answer=lambda image: seen["evaluation"].append(image) or image)
    pair = {"source": "T1", "target": "T2", "synthesiser": Synthesiser(network=network.synthesise, size=32)}
    evaluate_synthesis(manifest=prepared.manifest, out=tmp_path / "evaluation", **pair)
    method = Stub(size=32, answer=lambda image: seen["inference"].append(image) or image)
    synthesis(tmp_path / "raw" / "p1" / "T1.nii.gz", tmp_path / "out", method=method).run()
    torch.testing.assert_close(*(torch.cat(images) for images in seen.values()), rtol=0, atol=0)


# ----------------------------------------------------------------------------------------------------------- any to any
def test_an_any_to_any_network_makes_what_a_case_lacks_out_of_what_it_has(tmp_path):
    for number, name in enumerate(("T1", "FLAIR")):
        write(tmp_path / "p1" / f"{name}.nii.gz", seed=number)
    for number, name in enumerate(("T1", "T2", "FLAIR")):
        write(tmp_path / "p2" / f"{name}.nii.gz", seed=number)
    write(tmp_path / "p3" / "T2.nii.gz")
    method = Stub(size=24, num_contrasts=3, answer=lambda image: image.sum(dim=1, keepdim=True).expand_as(image) / 2)
    options = {"contrasts": ("FLAIR", "T1", "T2"), "targets": None, "at_least": 1}
    synthesis(tmp_path, tmp_path / "out", method=method, **options).run()
    names = sorted(path.name for path in (tmp_path / "out").glob("*.nii.gz"))
    assert names == [
        f"{case}_desc-synthetic{name}.nii.gz" for case, name in (("p1", "T2"), ("p3", "FLAIR"), ("p3", "T1"))
    ]
    assert {tuple(row) for batch in method.given for row in batch} == {(True, True, False), (False, False, True)}
    note = json.loads((tmp_path / "out" / "p1_desc-syntheticT2.json").read_text())
    assert [given["contrast"] for given in note["sources"]] == ["FLAIR", "T1"]


def test_a_target_that_is_there_is_made_without_looking_at_it(tmp_path):
    for number, name in enumerate(("T1", "T2")):
        write(tmp_path / "p1" / f"{name}.nii.gz", seed=number)
    seen = []
    size = native_size(tmp_path)
    method = Stub(size=size, num_contrasts=2, answer=lambda image: seen.append(image) or 1 - image.flip(1))
    options = {"contrasts": ("T1", "T2"), "targets": ["T2"], "at_least": 1}
    synthesis(tmp_path, tmp_path / "out", method=method, **options).run()
    assert all((images[:, 1] == 0).all() for images in seen)
    assert {tuple(row) for batch in method.given for row in batch} == {(True, False)}
    made = nib.load(tmp_path / "out" / "p1_desc-syntheticT2.nii.gz").get_fdata()
    case = VolumeCases(source=tmp_path, contrasts=("T1", "T2"))[0]
    filled = case.array[:, 0].any(axis=(1, 2))
    given, found = case.array[filled, 0], case.grid.to_canonical(made)[filled]
    wanted = np.where(given == 0, 0, 1 - given)  # background stays what it is
    np.testing.assert_allclose(found, wanted, atol=1e-6)  # channel of T2, not of T1


@pytest.mark.parametrize("neighbours", [0, 1])
def test_the_real_method_runs_from_file_to_file(tmp_path, neighbours):
    write(tmp_path / "p1" / "T1.nii.gz")
    method = mt_unet_tiny(neighbours=neighbours)
    synthesis(tmp_path, tmp_path / "out", method=method).run()
    made = nib.load(tmp_path / "out" / "p1_desc-syntheticT2.nii.gz").get_fdata()
    assert 0 < made.max() < 1
    assert not method.training


def test_the_real_any_to_any_method_runs_from_file_to_file(tmp_path):
    write(tmp_path / "p1" / "T1.nii.gz")
    options = {"contrasts": ("T1", "T2"), "targets": None, "at_least": 1}
    synthesis(tmp_path, tmp_path / "out", method=mt_unet_tiny(num_contrasts=2), **options).run()
    assert [path.name for path in (tmp_path / "out").glob("*.nii.gz")] == ["p1_desc-syntheticT2.nii.gz"]


# ------------------------------------------------------------------------------------------------------------- refusals
@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"targets": None}, "a network of pairs makes one target of one other source, got None"),
        ({"targets": ["T1"]}, "a network of pairs makes one target"),
        ({"targets": ["T2", "PD"]}, "a network of pairs makes one target"),
        ({"targets": "T2"}, "targets is a list of contrasts, got 'T2'"),
        ({"method": Stub(size=8, num_contrasts=3)}, r"the network has 3 contrasts, the cases are read for \('T1',\)"),
        ({"method": Stub(size=8, num_contrasts=1)}, r"targets must be some of \('T1',\), each once, got \('T2',\)"),
        ({"dtype": "uint8"}, "dtype must be 'float32' or 'int16', got 'uint8'"),
    ],
)
def test_what_cannot_be_made_is_refused_before_the_work(tmp_path, options, match):
    write(tmp_path / "T1.nii.gz")
    with pytest.raises(ValueError, match=match):
        synthesis(tmp_path, tmp_path / "out", **options)


def test_intensities_that_do_not_know_the_target_are_refused_before_the_work(tmp_path):
    source = write(tmp_path / "T1.nii.gz")
    with pytest.raises(DataError, match=r"it does not tell the intensities of T2 \[contrasts = \['PD'\]\]"):
        synthesis(source, tmp_path / "out", target_intensity=intensities_of(source, target="PD"))
