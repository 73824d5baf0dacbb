"""The embedded cohort: real anatomy, right contrasts, the same bytes every time."""

from __future__ import annotations

import functools
import json
import shutil
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from sklearn.tree import DecisionTreeRegressor

from data_prep import mr_anatomy, mr_cohort
from data_prep.mr_anatomy import draw_displacement, make_anatomy
from data_prep.mr_cohort import make_cohort
from data_prep.mr_scanner import Coils, acquire, mixed_signal, place_coils, rician
from data_prep.mr_signal import CSF, GREY, LESION, SEQUENCES, TISSUES, WHITE, signal, vary_tissue
from data_prep.mr_template import load_template
from medmae.data.left_out import spoken
from medmae.data.volumes.layouts import find_cases
from medmae.errors import DataError

pytest.importorskip("nilearn", reason="the cohort's template comes with nilearn")
SUFFIXES = ("T1w", "T2w", "FLAIR", "PDw")
SMALL = {"subjects": 2, "resolution_mm": 4.0, "progress": False}
cached_template = functools.lru_cache(maxsize=2)(load_template)  # reading it is what costs


@pytest.fixture(scope="module", autouse=True)
def _one_reading_of_the_template():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mr_cohort, "load_template", lambda *, resolution_mm: cached_template(resolution_mm=4.0))
        yield


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return make_cohort(out=tmp_path_factory.mktemp("cohort"), seed=3, **SMALL)


@pytest.fixture(scope="module")
def template():
    return cached_template(resolution_mm=4.0)


@pytest.fixture(scope="module")
def anatomy(template):
    return make_anatomy(template, resolution_mm=3.0, rng=np.random.default_rng(0), lesion_rng=np.random.default_rng(1))


def _load(cohort, subject, suffix):
    return nib.load(cohort / f"sub-{subject:02d}/anat/sub-{subject:02d}_{suffix}.nii.gz")


def _bytes(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_preparation_finds_every_subject_contrast_and_lesion_mask(cohort):
    found = find_cases(cohort)
    assert [case.subject for case in found.cases] == ["sub-01", "sub-02"]
    assert all([source.name for source in case.contrasts] == ["FLAIR", "PD", "T1", "T2"] for case in found.cases)
    assert all([source.name for source in case.labels] == ["lesion_mask"] for case in found.cases)
    # What BIDS says of images is none, nor is .bidsignore,
    assert {left.path.suffix or left.path.name for left in found.left_out} == {".json", ".tsv", ".bidsignore"}
    assert not spoken(found.left_out)  # and is listed without a word


def test_all_volumes_lie_on_one_grid_in_mni_space(cohort):
    for suffix in (*SUFFIXES, "desc-lesion_mask"):
        image = _load(cohort, 1, suffix)
        assert image.shape == (50, 59, 48)
        np.testing.assert_array_equal(image.affine, [[4, 0, 0, -98], [0, 4, 0, -134], [0, 0, 4, -72], [0, 0, 0, 1]])
        assert int(image.header["sform_code"]) == int(image.header["qform_code"]) == 4
        assert image.header.get_xyzt_units()[0] == "mm"


def test_the_background_is_exactly_zero_and_the_same_in_every_contrast(cohort):
    brains = [np.asarray(_load(cohort, 2, suffix).dataobj) > 0 for suffix in SUFFIXES]
    assert all(np.array_equal(brains[0], brain) for brain in brains)
    assert 0.1 < brains[0].mean() < 0.4
    assert 1.0e6 < brains[0].sum() * 64 < 2.6e6  # mm^3: a human brain


def test_intensities_are_those_of_a_scanner(cohort):
    for suffix in SUFFIXES:
        image = _load(cohort, 1, suffix)
        values = np.asarray(image.dataobj)
        assert image.get_data_dtype() == np.int16
        assert values.min() == 0
        assert 500 <= np.percentile(values[values > 0], 99.5) <= 1500


def test_lesions_are_bright_on_flair_and_dark_on_t1(cohort):
    lesions = np.asarray(_load(cohort, 1, "desc-lesion_mask").dataobj) > 0
    assert lesions.sum() > 5
    for suffix, low, high in (("FLAIR", 85, 100), ("PDw", 80, 100), ("T2w", 60, 100), ("T1w", 0, 55)):
        values = np.asarray(_load(cohort, 1, suffix).dataobj)
        brain = np.sort(values[values > 0])
        rank = 100 * np.searchsorted(brain, np.median(values[lesions])) / len(brain)
        assert low <= rank <= high, suffix


def test_the_same_seed_gives_the_same_bytes(cohort, tmp_path):
    assert _bytes(make_cohort(out=tmp_path / "again", seed=3, **SMALL)) == _bytes(cohort)


def test_another_seed_gives_other_subjects_and_no_two_subjects_are_alike(cohort, tmp_path):
    other = make_cohort(out=tmp_path / "other", seed=4, contrasts=["T1"], **SMALL)
    first, second = (np.asarray(_load(cohort, subject, "T1w").dataobj) > 0 for subject in (1, 2))
    assert 0.01 < (first != second).sum() / first.sum() < 0.5
    assert (first != (np.asarray(_load(other, 1, "T1w").dataobj) > 0)).any()


def test_leaving_out_contrasts_and_lesions_changes_nothing_else(cohort, tmp_path):
    fewer = make_cohort(out=tmp_path / "fewer", seed=3, contrasts=["PD"], **(SMALL | {"subjects": 1}))
    assert {path.name for path in fewer.rglob("*.nii.gz")} == {"sub-01_PDw.nii.gz", "sub-01_desc-lesion_mask.nii.gz"}
    assert np.array_equal(_load(fewer, 1, "PDw").dataobj, _load(cohort, 1, "PDw").dataobj)
    healthy = make_cohort(out=tmp_path / "healthy", seed=3, contrasts=["PD"], lesions=False, **SMALL)
    assert not list(healthy.rglob("*mask*.nii.gz"))
    brain, same = (np.asarray(_load(folder, 1, "PDw").dataobj) > 0 for folder in (cohort, healthy))
    assert np.array_equal(brain, same)


def test_the_description_says_that_the_data_are_synthetic_and_how_they_were_made(cohort):
    description = json.loads((cohort / "dataset_description.json").read_text())
    assert "synthetic" in description["Name"]
    assert description["BIDSVersion"]
    assert description["SyntheticCohort"]["seed"] == 3
    sidecar = json.loads((cohort / "sub-01/anat/sub-01_FLAIR.json").read_text())
    assert 2.2 < sidecar["InversionTime"] < 2.5
    assert len((cohort / "participants.tsv").read_text().splitlines()) == 3


def test_a_whole_cohort_is_left_alone_and_a_begun_one_is_finished(cohort, tmp_path):
    begun = tmp_path / "begun"
    shutil.copytree(cohort, begun)
    image = begun / "sub-02/anat/sub-02_T1w.nii.gz"
    image.unlink()
    make_cohort(out=begun, seed=3, **SMALL)
    assert not image.exists()  # participants.tsv says that all is there, so nothing was made anew
    (begun / "participants.tsv").unlink()
    make_cohort(out=begun, seed=3, **SMALL)
    assert _bytes(begun) == _bytes(cohort)


def test_a_folder_with_something_else_in_it_is_refused(cohort, tmp_path):
    (tmp_path / "thesis.txt").write_text("do not lose")
    with pytest.raises(DataError, match="empty folder"):
        make_cohort(out=tmp_path, **SMALL)
    with pytest.raises(DataError, match="empty folder"):
        make_cohort(out=cohort, seed=5, **SMALL)


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ({"subjects": 0}, "subjects must be 1 to 999, got 0"),
        ({"seed": -1}, "seed must not be negative, got -1"),
        ({"resolution_mm": 0.1}, "got 0.1"),
        ({"contrasts": ("T1", "DWI")}, "DWI"),
        ({"contrasts": ()}, "contrasts must be some of"),
        ({"contrasts": "T1"}, "contrasts must be some of"),
    ],
)
def test_arguments_out_of_range_are_refused_before_anything_is_written(tmp_path, bad, match):
    with pytest.raises(ValueError, match=match):
        make_cohort(out=tmp_path / "none", **bad)
    assert not (tmp_path / "none").exists()


# ---------------------------------------------------------------------------------------------- anatomy and scanner
def test_the_template_is_a_brain_whose_tissues_add_up(template):
    total = template.fractions.sum(axis=0)
    assert total.max() == pytest.approx(1, abs=1e-4)
    assert np.percentile(total[total > 0.5], 20) > 0.98  # less than 1 only where the brain ends
    litres = template.fractions.sum(axis=(1, 2, 3)) / 1e6  # voxels of 1 mm^3
    assert 0.1 < litres[CSF] < 0.6
    assert 0.5 < litres[GREY] < 1.1
    assert 0.4 < litres[WHITE] < 0.9


def test_deformations_do_not_fold_and_move_anatomy_by_millimetres():
    for seed in range(8):
        field, jacobian = draw_displacement(
            np.array([197, 233, 189]), rng=np.random.default_rng(seed), centre=np.array([98.0, 116.0, 88.0])
        )
        assert jacobian >= 0.15
        assert 1 < np.abs(field).mean() < 10


def test_a_deformation_that_would_fold_is_made_smaller(monkeypatch):
    monkeypatch.setattr(mr_anatomy, "_FIELDS_MM", ((9.0, 9.0),))
    _, jacobian = draw_displacement(np.array([96, 96, 96]), rng=np.random.default_rng(0), centre=np.full(3, 48.0))
    assert 0.15 <= jacobian < 1


def test_tissue_shares_of_a_subject_add_up_to_one(anatomy):
    np.testing.assert_allclose(anatomy.fractions.sum(axis=0), 1, atol=1e-4)
    assert anatomy.fractions.min() >= 0


def test_lesions_lie_in_the_white_matter_around_the_ventricles(template):
    without = make_anatomy(template, resolution_mm=3.0, rng=np.random.default_rng(0), lesion_rng=None)
    lesioned = make_anatomy(
        template, resolution_mm=3.0, rng=np.random.default_rng(0), lesion_rng=np.random.default_rng(1)
    )
    lesion = lesioned.fractions[LESION]
    assert without.fractions[LESION].max() == 0
    assert (without.fractions[WHITE] * lesion).sum() > 0.7 * lesion.sum()
    assert np.array_equal(without.fractions[CSF], lesioned.fractions[CSF])
    where = np.argwhere(lesioned.mask)[lesion > 0.5] * 3.0 - [98, 134, 72]  # mm in MNI space
    assert np.median(np.abs(where[:, 0])) < 40
    assert -40 < np.median(where[:, 2]) < 45


@pytest.mark.parametrize(
    ("contrast", "dark_to_bright"),
    [
        ("T1", (CSF, GREY, WHITE)),
        ("T2", (WHITE, GREY, CSF)),
        ("FLAIR", (CSF, WHITE, GREY)),
        ("PD", (WHITE, GREY)),
    ],
)
def test_pure_voxels_of_a_noisy_scan_keep_the_order_of_their_tissues(anatomy, contrast, dark_to_bright):
    coils = Coils(bias=np.zeros(anatomy.mask.sum()), flip=np.ones(anatomy.mask.sum()))
    scan = acquire(anatomy, coils=coils, tissues=TISSUES, sequence=SEQUENCES[contrast], rng=np.random.default_rng(0))
    values = scan.array[anatomy.mask]
    means = [values[anatomy.fractions[tissue] > 0.8].mean() for tissue in dark_to_bright]
    assert means == sorted(means)
    assert min(np.diff(means)) > 0.08 * max(means)


def test_tissue_is_not_flat_and_its_texture_is_shared_by_the_contrasts(anatomy):
    white = anatomy.fractions[WHITE] > 0.98
    t1, t2 = (mixed_signal(anatomy, tissues=TISSUES, sequence=SEQUENCES[name])[white] for name in ("T1", "T2"))
    assert 0.01 < t1.std() / t1.mean() < 0.1
    assert np.corrcoef(t1, t2)[0, 1] < -0.5  # longer times: darker on T1, brighter on T2


def test_all_scans_of_a_session_see_the_same_coils(anatomy):
    coils = place_coils(anatomy.mask, np.random.default_rng(0))
    white = anatomy.fractions[WHITE] > 0.98
    brightness = []
    for contrast, seed in (("T2", 1), ("PD", 2)):
        rng = np.random.default_rng(seed)
        scan = acquire(anatomy, coils=coils, tissues=TISSUES, sequence=SEQUENCES[contrast], rng=rng)
        flat = mixed_signal(anatomy, tissues=TISSUES, sequence=SEQUENCES[contrast], flip=coils.flip)
        brightness.append(np.log(scan.array[anatomy.mask] / flat)[white])
        assert 0.06 < scan.bias < 0.25
    assert np.corrcoef(*brightness)[0, 1] > 0.6
    assert np.corrcoef(brightness[0], coils.bias[white])[0, 1] > 0.8


def test_a_wrong_transmit_field_changes_the_contrast_of_an_inversion_and_only_the_brightness_of_a_spin_echo():
    tissues = [TISSUES[tissue] for tissue in (GREY, WHITE)]
    for contrast, kept in (("T1", False), ("T2", True)):
        grey, white = (
            np.array([signal(SEQUENCES[contrast], t1=t.t1, t2=t.t2, pd=t.pd, flip=flip) for flip in (0.85, 1.0)])
            for t in tissues
        )
        ratios = grey / white
        assert (abs(ratios[0] / ratios[1] - 1) < 1e-6) == kept
        assert abs(grey[0] / grey[1] - 1) > 0.03


def test_the_t1_of_a_lesion_does_not_tell_its_t2_but_its_place_does(template):
    shape = mr_anatomy.grid_shape(template, 3.0)
    weight = np.zeros(shape, np.float32)
    weight[20:30, 30:40, 20:30], weight[40:50, 30:40, 20:30] = 1.0, 0.2  # beside the ventricles, and elsewhere
    found = []
    for seed in range(12):
        share, grades, _ = mr_anatomy.draw_lesions(weight, resolution_mm=3.0, rng=np.random.default_rng(seed))
        x = np.argwhere(share > 0.9)[:, 0]
        found.append(np.stack([*grades[:, share > 0.9], x > 35]))
    t1, t2, elsewhere = np.concatenate(found, axis=1)
    assert np.corrcoef(t1, t2)[0, 1] < 0  # of tissue, both are long together
    assert t2[elsewhere == 1].mean() > 1.15 * t2[elsewhere == 0].mean()


def test_iron_darkens_deep_grey_matter_on_t2_and_not_on_t1(anatomy, template):
    assert 0.01 < template.iron.sum() / template.fractions[GREY].sum() < 0.2
    plain = replace(anatomy, t2_texture=np.zeros_like(anatomy.t2_texture))
    deep = anatomy.t2_texture < -0.1
    assert (anatomy.fractions[GREY][deep] > 0.3).mean() > 0.9
    t1, t2 = (
        mixed_signal(anatomy, tissues=TISSUES, sequence=SEQUENCES[name])[deep].mean()
        / mixed_signal(plain, tissues=TISSUES, sequence=SEQUENCES[name])[deep].mean()
        for name in ("T1", "T2")
    )
    assert t2 < 0.9
    assert t1 == pytest.approx(1, abs=0.02)


def test_t2_varies_by_subject_more_than_t1_and_apart_from_it():
    drawn = [vary_tissue(TISSUES[WHITE], np.random.default_rng(seed)) for seed in range(300)]
    t1, t2 = (np.array([getattr(tissue, name) for tissue in drawn]) for name in ("t1", "t2"))
    assert t2.std() / t2.mean() > 1.5 * t1.std() / t1.mean()
    assert abs(np.corrcoef(t1, t2)[0, 1]) < 0.15


def test_a_table_of_a_subject_s_own_grey_values_is_far_from_what_tissue_and_fields_tell(cohort, template):
    t1, t2 = (np.asarray(_load(cohort, 1, suffix).dataobj).astype(np.float64) for suffix in ("T1w", "T2w"))
    inside = t1 > 0
    tree = DecisionTreeRegressor(min_samples_leaf=50).fit(t1[inside][:, None], t2[inside])
    table = np.abs(tree.predict(t1[inside][:, None]) - t2[inside]).mean() / t2[inside].mean()
    stream = [np.random.default_rng((3, 1, key)) for key in (mr_cohort._ANATOMY, mr_cohort._LESIONS, mr_cohort._COILS)]
    own = make_anatomy(template, resolution_mm=4.0, rng=stream[0], lesion_rng=stream[1])
    coils = place_coils(own.mask, stream[2])
    told = mixed_signal(own, tissues=TISSUES, sequence=SEQUENCES["T2"], flip=coils.flip) * np.exp(coils.bias)
    told *= t2[inside].mean() / told.mean()
    assert np.abs(told - t2[own.mask]).mean() / t2[inside].mean() < 0.6 * table


def test_noise_is_rician_with_the_stated_deviation():
    rng = np.random.default_rng(0)
    strong = rician(np.full(200_000, 10.0), sigma=0.5, rng=rng)
    assert strong.std() == pytest.approx(0.5, rel=0.02)
    empty = rician(np.zeros(200_000), sigma=0.5, rng=rng)
    assert empty.mean() == pytest.approx(0.5 * np.sqrt(np.pi / 2), rel=0.02)  # Rayleigh where there is no signal
    assert rician(np.full(9, -2.0), sigma=0.0, rng=rng) == pytest.approx(2)  # magnitude
