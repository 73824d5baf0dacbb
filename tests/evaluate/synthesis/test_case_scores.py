"""Who is tested on what."""

import numpy as np
import pytest

from medmae.data.volumes.intensity import Normalisation
from medmae.errors import DataError
from medmae.evaluate.synthesis.case_scores import SynthesisCases, require_tasks, stored_foreground


def cases(manifest, *, split="test", source="T1", target="T2", contrasts=None):
    return SynthesisCases(
        manifest=manifest, split=split, source=source, target=target, contrasts=contrasts, min_foreground=0.02
    )


def ways(found):
    return [(task.row["case"], task.way) for task in found.tasks()]


def test_a_pair_is_one_task_for_each_case_that_has_both(make_set):
    manifest = make_set(contrasts={**dict.fromkeys("abcd", ("T1", "T2")), "e": ("T1", "FLAIR")})
    assert ways(cases(manifest)) == [("d", "T1 → T2")]


def test_any_to_any_makes_each_contrast_of_a_case_from_its_others(make_set):
    three = ("FLAIR", "T1", "T2")
    manifest = make_set(contrasts={**dict.fromkeys("abcd", three), "e": ("T1", "T2")})
    found = cases(manifest, source=None, target=None, contrasts=three)
    assert ways(found) == [
        ("d", "T1+T2 → FLAIR"),
        ("d", "FLAIR+T2 → T1"),
        ("d", "FLAIR+T1 → T2"),
        ("e", "T2 → T1"),
        ("e", "T1 → T2"),
    ]


def test_any_to_any_can_be_asked_for_some_targets_from_some_sources(make_set):
    three = ("FLAIR", "T1", "T2")
    found = cases(make_set(contrasts=three), source="T1", target=["T2", "FLAIR"], contrasts=three)
    assert ways(found)[:2] == [("d", "T1 → T2"), ("d", "T1 → FLAIR")]


def test_a_task_s_arrays_are_those_of_its_case_and_the_target_is_hidden(make_set):
    three = ("T2", "FLAIR", "T1")
    manifest = make_set(contrasts=("T1", "T2", "FLAIR"), lesion=("d",))
    found = cases(manifest, source=None, target="T2", contrasts=three)
    task = found.tasks()[0]
    volumes = found.read(task)
    shard = np.load(manifest.folder / "shards" / "d.npy")
    assert not volumes.image[:, 0].any()
    assert task.given.tolist() == [False, True, True]
    assert task.output == 0
    assert np.array_equal(volumes.image[:, 2], shard[:, 0])
    assert np.array_equal(volumes.source, shard[:, 2])
    assert np.array_equal(volumes.real, shard[:, 1])
    assert np.array_equal(volumes.foreground, shard[:, 1] > 0)
    assert volumes.lesion.sum() == 2 * 4 * 4
    assert volumes.spacing == (4.0, 1.0, 1.5)
    assert volumes.start == (0, 0, 0)
    assert found.labels == {"lesion": ["lesion"]}


def test_a_brain_mask_is_no_lesion_and_anatomy_is_neither(make_set):
    manifest = make_set(lesion=("d",), brain=("d", "e"))
    manifest.rows[4]["labels"].append({**manifest.rows[4]["labels"][0], "name": "aseg"})
    found = cases(manifest)
    both, masked = (found.read(task) for task in found.tasks())
    assert both.lesion.sum() == 2 * 4 * 4
    assert both.brain.sum() == masked.brain.sum() > 1000
    assert masked.lesion is None
    assert found.labels == {"lesion": ["lesion"], "brain": ["brain_mask"], "other": ["aseg"]}


def test_a_case_without_label_map_has_no_lesion(make_set):
    found = cases(make_set(lesion=("d",)))
    assert found.read(found.tasks()[1]).lesion is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "T1"}, "one source and another target"),
        ({"source": None}, "one source and another target"),
        ({"source": ["T1", "T2"]}, "one source and another target"),
        ({"contrasts": ["T1", "T2"], "target": "FLAIR"}, r"some of the contrasts.*\['FLAIR'\]"),
        ({"target": "PD"}, "no contrast PD"),
    ],
)
def test_what_cannot_be_made_is_refused(make_set, options, message):
    with pytest.raises(ValueError, match=message):
        cases(make_set(), **options)


def test_a_split_without_such_a_case_is_refused_with_its_name_and_a_remedy(make_set):
    found = cases(make_set(splits={"a": "train", "d": "test"}), split="val")
    with pytest.raises(DataError, match=r"split = 'val'.*because; put at least one subject") as caught:
        require_tasks(found, split="val", why="because")
    assert caught.value.path


@pytest.mark.parametrize("rule", ["corner", "otsu"])
def test_the_foreground_of_a_stored_volume_is_that_of_its_source(rule):
    rng = np.random.default_rng(0)
    air = rng.integers(1, 60, (8, 30, 30)) if rule == "otsu" else np.zeros((8, 30, 30))
    volume = air.astype(np.float32)
    volume[2:6, 8:22, 8:22] = rng.integers(700, 900, (4, 14, 14))
    fit = Normalisation.fit(volume, rule=rule)
    found = stored_foreground(fit.apply(volume), {"normalisation": fit.to_dict()})
    assert np.array_equal(found, fit.foreground(volume))
    assert 0.1 < found.mean() < 0.2
