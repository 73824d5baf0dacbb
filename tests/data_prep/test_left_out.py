"""Nothing is missing without a word: what is not read is listed, and what fails is the smallest thing that can."""

from __future__ import annotations

import csv
import json

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from data_prep.mr import prepare as prepare_volumes
from data_prep.slides import find_slides
from data_prep.tiles import prepare as prepare_tiles
from data_prep.tiny.wsi import picture, write_pyramid
from data_prep.video import VideoPreparation
from medmae.data import Manifest
from medmae.data.left_out import LeftOut, spoken
from medmae.data.slides.wsi import Slide
from medmae.errors import DataError, ExitCode

QUIET = Console(quiet=True)


def run(prepare, source, out, **options):
    return prepare(source=source, out=out, console=QUIET, workers=0, **options)


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def prepared(source, out, **options):
    """Contrasts and labels of each case, names of files that failed, and of those that are left out."""
    run(prepare_volumes, source, out, **options)
    cases = {
        row["case"]: " ".join(one["name"] for one in (*row["contrasts"], *row["labels"])) for row in Manifest.read(out)
    }
    failed = {line["file"].rpartition("/")[2] for line in table(out / "quarantine.csv")}
    return cases, failed, {line["file"].rpartition("/")[2]: line["reason"] for line in table(out / "left_out.csv")}


HEAD = (14, 16, 10)
SPOILT = {  # file of p1 -> its voxels; what becomes of it: failed, or left out by its name
    "dwi.nii.gz": (lambda: np.ones((*HEAD, 4), np.int16), "failed"),
    "aseg.nii.gz": (lambda: np.full(HEAD, 1001, np.int16), "failed"),
    "lesion_prob.nii.gz": (lambda: np.random.default_rng(0).random(HEAD, np.float32), "left out"),
    "T1_map.nii.gz": (lambda: np.ones(HEAD, np.float32), "left out"),
    "localizer.nii.gz": (lambda: np.ones((4, 4, 3), np.int16), "left out"),
    "PD.nii.gz": (lambda: np.ones((5, 6, 7), np.int16), "failed"),  # another grid
    "something.nii.gz": (lambda: np.ones(HEAD, np.int16), "left out"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_one_volume_that_cannot_be_used_costs_nothing_but_itself(name, cohort, tmp_path, save):
    array, fate = SPOILT[name]
    source = cohort(("p1", "p2"))
    save(source / "p1" / name, array=array())
    cases, failed, left = prepared(source, tmp_path / "out")
    assert cases == {"p1": "T1 T2", "p2": "T1 T2"}
    assert (failed, set(left)) == (({name}, set()) if fate == "failed" else (set(), {name}))


def test_odd_units_cost_nothing(cohort, tmp_path):
    source = cohort(("p1", "p2"))
    image = nib.load(source / "p1" / "T1.nii.gz")
    image.header["xyzt_units"] = 7
    nib.save(image, source / "p1" / "T1.nii.gz")
    assert prepared(source, tmp_path / "out")[:2] == ({"p1": "T1 T2", "p2": "T1 T2"}, set())


def test_two_raters_are_two_label_maps(cohort, tmp_path, save):
    source = cohort(("p1", "p2"))
    for number, name in enumerate(("rater1_seg", "rater2_seg", "seg", "bert/seg")):
        mask = np.zeros(HEAD, np.uint8)
        mask[4:7, 4:7, 4 + number % 3] = 1
        save(source / "p1" / f"{name}.nii.gz", array=mask)
    cases, failed, left = prepared(source, tmp_path / "out")
    assert cases["p1"] == "T1 T2 bert_seg rater1_seg rater2_seg seg"
    assert (failed, left) == (set(), {})


@pytest.mark.parametrize(
    ("rule", "cases", "failed", "left"),
    [
        (None, {"sub-01": "T1 T2", "sub-02": "T1"}, {"sub-01_run-2_T1w.nii.gz"}, set()),
        ("first", {"sub-01": "T1 T2", "sub-02": "T1"}, set(), {"sub-01_run-2_T1w.nii.gz"}),
        ("last", {"sub-01": "T1 T2", "sub-02": "T1"}, set(), {"sub-01_run-1_T1w.nii.gz"}),
        ("all-as-sessions", {"sub-01_run-1": "T1 T2", "sub-01_run-2": "T1", "sub-02": "T1"}, set(), set()),
    ],
)
def test_a_rule_chooses_among_runs_and_without_one_the_first_counts_and_the_other_is_told(
    rule, cases, failed, left, tmp_path, save
):
    for seed, name in enumerate(("01/anat/sub-01_run-1_T1w", "01/anat/sub-01_run-2_T1w", "01/anat/sub-01_T2w")):
        save(tmp_path / "raw" / f"sub-{name}.nii.gz", seed=seed)
    save(tmp_path / "raw" / "sub-02" / "anat" / "sub-02_T1w.nii.gz", seed=9)
    found = prepared(tmp_path / "raw", tmp_path / "out", run=rule)
    assert (found[0], found[1], set(found[2])) == (cases, failed, left)
    rows = {row["case"]: row for row in Manifest.read(tmp_path / "out")}
    assert len({row["subject"] for row in rows.values()}) == 2
    if rule != "all-as-sessions":
        (one, _) = rows["sub-01"]["contrasts"]
        assert one["flags"] == ["run:2/2" if rule == "last" else "run:1/2"]
        assert f"run-{2 if rule == 'last' else 1}_" in one["source"]


@pytest.mark.parametrize(
    ("rule", "cases", "left"),
    [
        ("first", {"sub-01": "T1 brain_mask:run-1"}, {"run-2_T1w", "run-2_desc-brain_mask"}),
        ("last", {"sub-01": "T1 brain_mask:run-2"}, {"run-1_T1w", "run-1_desc-brain_mask"}),
        (
            "all-as-sessions",
            {"sub-01_run-1": "T1 brain_mask:run-1", "sub-01_run-2": "T1 brain_mask:run-2"},
            set(),
        ),
    ],
)
def test_a_label_map_goes_with_the_run_that_it_was_drawn_on(rule, cases, left, tmp_path, save):
    mask = np.zeros(HEAD, np.uint8)
    mask[4:7, 4:7, 4:7] = 1
    for number in (1, 2):
        name = f"sub-01/anat/sub-01_run-{number}"
        save(tmp_path / "raw" / f"{name}_T1w.nii.gz", seed=number)
        save(tmp_path / "raw" / f"derivatives/bet/{name}_desc-brain_mask.nii.gz", array=mask)
    result = run(prepare_volumes, tmp_path / "raw", tmp_path / "out", run=rule)
    assert (result.exit_code, result.quarantined) == (ExitCode.OK, 0)
    found = {}
    for row in Manifest.read(tmp_path / "out"):
        (label,) = row["labels"]
        drawn = "run-" + label["source"].partition("_run-")[2][0]
        found[row["case"]] = f"{row['contrasts'][0]['name']} {label['name']}:{drawn}"
    assert found == cases
    assert {one.path.name.removeprefix("sub-01_").removesuffix(".nii.gz") for one in result.left_out} == left


@pytest.mark.parametrize("names", [("T1", "T1_2"), ("T1_1", "T1_2"), ("T1_run1", "T1_run2"), ("T1w_MPR1", "T1w_MPR2")])
def test_runs_are_known_by_a_number_at_the_end(names, tmp_path, save):
    for seed, name in enumerate(names):
        save(tmp_path / "raw" / "p1" / f"{name}.nii.gz", seed=seed)
    cases, failed, left = prepared(tmp_path / "raw", tmp_path / "out", run="last")
    assert (cases, failed, set(left)) == ({"p1": "T1"}, set(), {f"{names[0]}.nii.gz"})


def test_two_files_of_a_contrast_that_are_no_runs_cost_that_contrast_alone(cohort, tmp_path, save):
    source = cohort(("p1", "p2"))
    save(source / "p1" / "sag_T1.nii.gz", seed=7)
    cases, failed, _ = prepared(source, tmp_path / "out", run="first")
    assert cases == {"p1": "T2", "p2": "T1 T2"}
    assert failed == {"sag_T1.nii.gz", "T1.nii.gz"}
    assert "without:T1" in next(iter(Manifest.read(tmp_path / "out")))["flags"]


def test_derivatives_sourcedata_and_other_spaces_are_known_by_bids(tmp_path, save):
    mask = np.zeros(HEAD, np.uint8)
    mask[4:7, 4:7, 4:7] = 1
    for number, s in enumerate(("01", "02")):
        anat, prep = f"sub-{s}/anat/sub-{s}", f"derivatives/fmriprep/sub-{s}/anat/sub-{s}"
        save(tmp_path / "raw" / f"{anat}_T1w.nii.gz", seed=number)
        save(tmp_path / "raw" / f"sourcedata/{anat}_T1w.nii.gz", seed=number)
        save(tmp_path / "raw" / f"{prep}_desc-preproc_T1w.nii.gz", seed=10 + number)
        save(tmp_path / "raw" / f"{prep}_desc-brain_mask.nii.gz", array=mask)
        save(tmp_path / "raw" / f"{prep}_space-MNI152NLin2009cAsym_res-2_desc-brain_mask.nii.gz", array=mask)
        save(tmp_path / "raw" / f"{prep}_label-GM_probseg.nii.gz", array=mask.astype(np.float32) / 2)
    cases, failed, left = prepared(tmp_path / "raw", tmp_path / "out")
    assert cases == {"sub-01": "T1 brain_mask", "sub-02": "T1 brain_mask"}
    assert failed == set()
    reasons = {name.removeprefix("sub-01_"): why for name, why in left.items() if name.startswith("sub-01")}
    assert reasons == {
        "T1w.nii.gz": "an image of BIDS sourcedata",
        "desc-preproc_T1w.nii.gz": "an image of BIDS derivatives",
        "space-MNI152NLin2009cAsym_res-2_desc-brain_mask.nii.gz": "a label map in another space than the images",
        "label-GM_probseg.nii.gz": "a quantitative map, and no image",
    }
    alone = prepared(tmp_path / "raw" / "derivatives" / "fmriprep", tmp_path / "alone")
    assert alone[0] == {"sub-01": "T1 brain_mask", "sub-02": "T1 brain_mask"}


def test_a_missing_file_of_a_table_costs_its_volume_alone(cohort, tmp_path):
    source = cohort(("p1", "p2"))
    lines = ["p1,T1,p1/T1.nii.gz", "p1,T2,gone.nii.gz", "p2,T1,p2/T1.nii.gz", "p3,T1,gone.nii.gz"]
    (source / "t.csv").write_text("subject,contrast,path\n" + "\n".join(lines) + "\n")
    cases, failed, _ = prepared(source / "t.csv", tmp_path / "out")
    assert (cases, failed) == ({"p1": "T1", "p2": "T1"}, {"gone.nii.gz"})
    assert [line["case"] for line in table(tmp_path / "out" / "quarantine.csv")] == ["p3", "p1"]


def test_the_patients_of_which_nothing_is_used_are_failures(cohort, tmp_path, save):
    source = cohort(("p1", "p2"))
    (source / "p3").mkdir()
    (source / "p4").mkdir()
    (source / "p4" / "T1.mnc").write_bytes(b"CDF")
    save(source / "p5" / "scan.nii.gz", seed=9)
    (source / "code").mkdir()
    (source / "p1" / "notes").mkdir()
    (source / "notes.txt").write_text("hello")
    result = run(prepare_volumes, source, tmp_path / "out")
    assert result.exit_code == ExitCode.SOME_FAILED
    lines = table(tmp_path / "out" / "quarantine.csv")
    assert [(line["case"], line["file"].rpartition("/")[2]) for line in lines] == [
        ("p4", "T1.mnc"), ("p3", "p3"), ("p4", "p4"), ("p5", "p5"),
    ]  # fmt: skip
    assert "scan.nii.gz: a volume whose name tells no contrast" in lines[3]["reason"]
    counts = json.loads((tmp_path / "out" / "prep.json").read_text())["counts"]
    assert sum(counts["left_out"].values()) == len(result.left_out) == 3
    assert counts["quarantined"] == result.quarantined == 4


def test_sessions_of_a_patient_are_no_patients(tmp_path, save):
    for seed, visit in enumerate(("ses-1", "ses-2")):
        save(tmp_path / "raw" / "sub-01" / visit / "anat" / f"sub-01_{visit}_T1w.nii.gz", seed=seed)
    (tmp_path / "raw" / "sub-01" / "ses-3" / "func").mkdir(parents=True)
    (tmp_path / "raw" / "derivatives" / "x").mkdir(parents=True)
    assert run(prepare_volumes, tmp_path / "raw", tmp_path / "out").exit_code == ExitCode.OK


def test_names_that_no_case_has_are_refused_and_cases_without_the_wanted_ones_fail(cohort, tmp_path, save):
    source = cohort(("p1", "p2"))
    save(source / "p3" / "T2.nii.gz", seed=9)
    with pytest.raises(DataError, match=r"no case has what is wanted .*FLIAR.*there are T1, T2"):
        run(prepare_volumes, source, tmp_path / "out", contrasts="T1,fliar")
    cases, failed, left = prepared(source, tmp_path / "out", contrasts="t1w")
    assert cases == {"p1": "T1", "p2": "T1"}
    assert failed == {"T2.nii.gz"}
    assert left == {"T2.nii.gz": "not among --contrasts"}


def test_a_table_overrules_what_names_say(cohort, tmp_path, save):
    source = cohort(("p1", "p2"))
    save(source / "p1" / "scan7.nii.gz", seed=8)
    save(source / "p1" / "T1_map.nii.gz", seed=9)
    lines = ["p1,anna,", "p2,bert,", "p1/scan7.nii.gz,anna,FLAIR", "p1/T1.nii.gz,anna,PD"]
    (tmp_path / "who.csv").write_text("path,subject,contrast\n" + "\n".join(lines) + "\n")
    cases, failed, left = prepared(source, tmp_path / "out", subjects=tmp_path / "who.csv")
    assert cases == {"anna": "FLAIR PD T2", "bert": "T1 T2"}
    assert (failed, set(left)) == (set(), {"T1_map.nii.gz"})


def pictures(folder, names):
    for seed, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return folder


def test_one_png_of_forty_costs_nothing_but_itself(tmp_path):
    source = pictures(tmp_path / "raw", [f"{name}/{n}.png" for name in ("a", "b") for n in range(20)])
    bad = source / "a" / "7.png"
    bad.write_bytes(bad.read_bytes()[:60])
    assert run(prepare_tiles, source, tmp_path / "out").quarantined == 1
    assert sum(row["count"] for row in Manifest.read(tmp_path / "out")) == 39
    assert [line["file"] for line in table(tmp_path / "out" / "quarantine.csv")] == [str(bad)]


def test_class_folders_are_followed_listed_and_fail_if_they_give_nothing(tmp_path):
    source = pictures(
        tmp_path / "raw", ["polyp/1.bmp", "polyp/2.png", "ulcer/1.webp", "polyp/more/9.png", "scan/1.gif"]
    )
    pictures(tmp_path / "archive" / "normal", ["1.jfif", "2.ppm", "3.PNG"])
    (source / "normal").symlink_to(tmp_path / "archive" / "normal")
    (source / "adenoma").mkdir()
    (source / "polyp" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (source / "about.txt").write_text("x")
    result = run(prepare_tiles, source, tmp_path / "out")
    labels = [label for row in Manifest.read(tmp_path / "out") for label in row["tiles"]["label"]]
    assert {name: labels.count(name) for name in sorted(set(labels))} == {"normal": 3, "polyp": 2, "ulcer": 1}
    failed = {line["file"].rpartition("/")[2] for line in table(tmp_path / "out" / "quarantine.csv")}
    assert failed == {"gone.png", "adenoma", "scan"}
    assert {one.path.name: one.reason for one in result.left_out} == {
        "9.png": "an image that lies elsewhere than in [train|val|test/]class/",
        "1.gif": "an image of a format that is not read, to be converted to PNG",
        "about.txt": "not of a format that is read here",
    }
    (source / "normal" / "loop").symlink_to(source)
    with pytest.raises(DataError, match="leads back"):
        run(prepare_tiles, source, tmp_path / "out")


def test_slides_behind_links_and_under_other_names_are_found_and_the_rest_is_listed(tmp_path):
    source, archive = tmp_path / "slides", tmp_path / "archive"
    write_pyramid(source / "a.tif", picture(128, 128))
    write_pyramid(archive / "b.tif", picture(128, 128, seed=1))
    (source / "batch2").symlink_to(archive)
    for seed, name in enumerate(("c.qptiff", "d.vsi", "e.image"), 2):
        write_pyramid(tmp_path / "x.tif", picture(128, 128, seed=seed)).rename(source / name)
    (source / "gone.svs").symlink_to(tmp_path / "nowhere.svs")
    (source / "f.isyntax").write_bytes(b"Philips")
    (source / "thumb.jpg").write_bytes(b"\xff\xd8\xff")
    left = []
    found = find_slides(source, left=left)
    assert [slide.path.name for slide in found] == ["a.tif", "b.tif", "c.qptiff", "d.vsi", "e.image", "gone.svs"]
    assert {one.path.name: one.damaged for one in left} == {"f.isyntax": True, "thumb.jpg": False}
    with pytest.raises(DataError, match="no such slide"):
        Slide(found[-1].path)


def test_videos_behind_links_are_found_and_a_class_folder_without_one_fails(tmp_path):
    for label in ("jump", "run"):
        for number in range(2):
            frames = tmp_path / "archive" / label / f"clip{number}"
            pictures(frames, [f"{frame}.png" for frame in range(3)])
    source = tmp_path / "raw"
    source.mkdir()
    for label in ("jump", "run"):
        (source / label).symlink_to(tmp_path / "archive" / label)
    (source / "walk").mkdir()
    (source / "walk" / "clip.xyz").write_bytes(b"?")
    (source / "run" / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    found = VideoPreparation(source=source, out=tmp_path / "out", dry_run=True, console=QUIET)
    units = found.find()
    assert sorted(video.name for video in units.units) == [
        "jump/clip0", "jump/clip1", "run/clip0", "run/clip1", "run/gone.mp4",
    ]  # fmt: skip
    assert [(one.path.name, one.reason) for one in units.left_out] == [
        ("clip.xyz", "not of a format that is read here")
    ]
    assert [name for name, _ in found.with_failures(units).failed] == ["walk"]


def test_what_fails_of_a_case_does_not_make_it_be_prepared_again_and_is_told_again(cohort, tmp_path, save):
    source = cohort(("p1", "p2"))
    save(source / "p1" / "PD.nii.gz", seed=8, shape=(20, 22, 12))
    save(source / "p1" / "T1_2.nii.gz", seed=9)
    first = prepared(source, tmp_path / "out")
    assert first[0] == {"p1": "T1 T2", "p2": "T1 T2"}
    assert first[1] == {"PD.nii.gz", "T1_2.nii.gz"}
    rows = list(Manifest.read(tmp_path / "out"))
    assert run(prepare_volumes, source, tmp_path / "out").kept == 2
    assert prepared(source, tmp_path / "out") == first
    assert list(Manifest.read(tmp_path / "out")) == rows
    (source / "p1" / "T1_2.nii.gz").unlink()  # the flag run:1/2 is no longer true
    result = run(prepare_volumes, source, tmp_path / "out")
    assert (result.kept, result.prepared, result.quarantined) == (1, 1, 1)


def test_records_of_an_earlier_version_are_read(cohort, tmp_path):
    source = cohort(("p1",))
    run(prepare_volumes, source, tmp_path / "out")
    record = tmp_path / "out" / "shards" / "p1.json"
    record.write_text(json.dumps(json.loads(record.read_text())["row"]))
    assert run(prepare_volumes, source, tmp_path / "out").kept == 1


def test_what_is_hidden_is_listed_and_of_that_only_tools_make_no_noise(cohort, tmp_path):
    source = cohort(("p1", "p2"))
    for name in (".old/T1.nii.gz", "p1/.T2_new.nii.gz", ".git/HEAD", "p2/._T1.nii.gz"):
        path = source / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    _, failed, left = prepared(source, tmp_path / "out")
    hidden, tools = "hidden, by the dot before its name", "a tool's own, and hidden"
    assert left == {".old": hidden, ".T2_new.nii.gz": hidden, ".git": tools, "._T1.nii.gz": tools}
    assert not failed
    assert len(spoken([LeftOut(source / name, why) for name, why in left.items()])) == 1
