"""Retrieval between two kinds of things, of similarities that are known."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from medmae.evaluate.retrieval.entries import Entries, belonging
from medmae.evaluate.retrieval.evaluation import CHANCE, Similarity, evaluate_retrieval
from medmae.report import write_report

CLIPS = Entries(kind="video", owners=["a", "b", "c", "d"], patients=["p", "p", "q", "r"])
TEXTS = Entries(
    kind="text",
    owners=["a", "a", "b", "c", "d"],
    names=["a 1", "a 2", "b 1", "c 1", "d 1"],
    contents=["left", "to the left", "right", "left", "up"],
    patients=["p", "p", "p", "q", "r"],
)


def evaluated(out, similarity, *, rows=TEXTS, columns=CLIPS, **more):
    return evaluate_retrieval({"this network": similarity}, rows=rows, columns=columns, out=out, resamples=50, **more)


def figures(record, way, name="this network"):
    return {metric: each["mean"] for metric, each in record["tasks"][way]["scores"][name]["metrics"].items()}


def numbered(count, *, kind, patients=None):
    return Entries(kind=kind, owners=[str(n) for n in range(count)], patients=patients)


def test_a_perfect_matrix_finds_all_both_ways(tmp_path):
    record = evaluated(tmp_path, belonging(TEXTS, CLIPS).astype(float))
    for way in ("text to video", "video to text"):
        found = figures(record, way)
        assert {found[key] for key in ("r_at_1", "r_at_5", "r_at_10", "median_rank", "mean_rank")} == {1.0}


def test_the_same_similarity_to_all_is_chance_and_scores_no_more_than_it(tmp_path):
    sides = {"rows": numbered(40, kind="sound"), "columns": numbered(40, kind="picture")}
    record = evaluated(tmp_path, np.full((40, 40), 0.3), **sides)
    found = figures(record, "sound to picture")
    assert found == pytest.approx(
        {"r_at_1": 1 / 40, "r_at_5": 5 / 40, "r_at_10": 10 / 40, "median_rank": 20.5, "mean_rank": 20.5, "tied": 1}
    )
    assert figures(record, "sound to picture", CHANCE) == found


def test_chance_of_several_that_belong_is_that_of_a_random_order(tmp_path):
    rows = Entries(kind="face", owners=["x"] * 3 + ["y"] * 9)
    columns = Entries(kind="voice", owners=["x"] * 4 + ["y"] * 8)
    record = evaluated(tmp_path, np.zeros((12, 12)), rows=rows, columns=columns)
    rng, draws = np.random.default_rng(0), 4000
    firsts = [1 + np.argmax(rng.permutation(12) < own) for own in (4, 8) for _ in range(draws)]
    ranks = np.repeat(np.array(firsts).reshape(2, draws), [3, 9], axis=0)
    found = figures(record, "face to voice")
    assert found["mean_rank"] == pytest.approx(ranks.mean(), abs=0.05)
    assert found["r_at_1"] == pytest.approx((ranks <= 1).mean(), abs=0.01)
    assert found["r_at_5"] == pytest.approx((ranks <= 5).mean(), abs=0.01)


def test_any_caption_of_a_clip_is_right_and_each_caption_asks(tmp_path):
    similarity = np.full((5, 4), 0.1)
    similarity[1] = [0.9, 0.2, 0.2, 0.2]  # of clip a its second caption alone is like it
    record = evaluated(tmp_path, similarity)
    assert record["tasks"]["text to video"]["queries"] == 5
    with (tmp_path / "retrieval" / "ranks.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["contestant"] == "this network"]
    (first,) = [row for row in rows if row["way"] == "video to text" and row["query"] == "a"]
    assert (float(first["rank"]), first["most_similar"]) == (1, "a 2")


def test_a_sentence_that_is_said_of_two_clips_is_no_error_and_stands_in_the_gallery_once(tmp_path):
    together = belonging(TEXTS, CLIPS)
    assert together[0].tolist() == together[3].tolist() == [True, False, True, False]  # "left", of a and of c
    record = evaluated(tmp_path, together.astype(float))
    assert (record["tasks"]["video to text"]["gallery"], record["tasks"]["video to text"]["equal"]) == (4, 1)
    assert together[1].tolist() == [True, False, False, False]  # said of a alone
    wrong = together.astype(float)
    wrong[0, 0], wrong[3, 2] = 0, 0  # each is nearest to the other's clip
    assert figures(evaluated(tmp_path, wrong), "text to video")["r_at_1"] == 1


def test_what_has_nothing_that_belongs_to_it_is_in_the_gallery_but_asks_nothing(tmp_path):
    clips = Entries(kind="video", owners=["a", "b", "silent"])
    texts = Entries(kind="text", owners=["a", "b"])
    record = evaluated(tmp_path, np.eye(2, 3), rows=texts, columns=clips)
    back = record["tasks"]["video to text"]
    assert (back["queries"], back["never_asked"]) == (2, 1)
    assert record["tasks"]["text to video"]["gallery"] == 3


def test_intervals_draw_patients_and_none_is_made_of_one(tmp_path):
    clips = numbered(30, kind="video", patients=["p"] * 15 + ["q"] * 15)
    texts = numbered(30, kind="text", patients=["p"] * 15 + ["q"] * 15)
    half = np.diag([1.0] * 15 + [-1.0] * 15)  # all of one patient are found, none of the other
    task = evaluated(tmp_path, half, rows=texts, columns=clips)["tasks"]["text to video"]
    found = task["scores"]["this network"]["metrics"]["r_at_1"]
    assert (found["ci_low"], found["ci_high"], found["n_units"], task["unit"]) == (0.0, 1.0, 2, "patient")
    alone = numbered(30, kind="video", patients=["p"] * 30)
    task = evaluated(tmp_path, half, rows=texts, columns=alone)["tasks"]["video to text"]
    assert task["scores"]["this network"]["metrics"]["r_at_1"]["ci_low"] is None


def test_the_gain_is_over_the_best_baseline(tmp_path):
    together = belonging(TEXTS, CLIPS).astype(float)
    record = evaluated(tmp_path, together, baselines={"lucky": together, "bad": -together})
    gain = record["tasks"]["text to video"]["scores"]["this network"]["gains"]["r_at_1"]
    assert (gain["over"], gain["mean"]) == ("lucky", 0)


def test_each_way_may_have_similarities_of_its_own(tmp_path):
    together = belonging(TEXTS, CLIPS).astype(float)
    record = evaluated(tmp_path, Similarity(of_rows=together, of_columns=-together.T))
    assert figures(record, "text to video")["r_at_1"] == 1
    assert figures(record, "video to text")["r_at_1"] == 0


def test_the_table_has_chance_and_the_sizes_beside_every_figure(tmp_path):
    evaluated(tmp_path, belonging(TEXTS, CLIPS).astype(float))
    with (tmp_path / "retrieval" / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    wanted = {"way": "text to video", "contestant": "this network", "metric": "r_at_1"}
    (row,) = [row for row in rows if wanted.items() <= row.items()]
    assert (float(row["mean"]), row["queries"], row["gallery"], row["patients"]) == (1, "5", "4", "3")
    assert float(row["chance"]) == pytest.approx(np.mean([2, 1, 1, 2, 1]) / 4)


@pytest.mark.parametrize(
    ("similarity", "message"),
    [
        (np.full((5, 4), np.nan), "20 of 20 similarities are no numbers"),
        (np.zeros((4, 5)), "are \\(5, 4\\), got \\(4, 5\\)"),
    ],
)
def test_what_is_no_similarity_of_these_things_is_refused(tmp_path, similarity, message):
    with pytest.raises(ValueError, match=message):
        evaluated(tmp_path, similarity)


def test_kinds_that_cannot_be_told_apart_and_owners_that_never_agree_are_refused(tmp_path):
    other = Entries(kind="video", owners=["x"])
    with pytest.raises(ValueError, match="both kinds are called 'video'"):
        evaluated(tmp_path, np.zeros((1, 4)), rows=other)
    with pytest.raises(ValueError, match="no video belongs to any text"):
        evaluated(tmp_path, np.zeros((1, 4)), rows=Entries(kind="text", owners=["x"]))
    with pytest.raises(ValueError, match="as many of everything"):
        Entries(kind="text", owners=["x"], contents=["a", "b"])
    with pytest.raises(ValueError, match="under other names"):
        evaluated(tmp_path, np.zeros((5, 4)), baselines={"this network": np.zeros((5, 4))})


def test_a_page_tells_both_ways_their_galleries_and_whether_anything_was_learnt(tmp_path):
    rows, columns = (numbered(60, kind=kind, patients=[f"p{n % 20}" for n in range(60)]) for kind in ("text", "video"))
    cost = {"top": 5, "pairs": 600, "seconds": 2.0, "encoding_seconds": 1.0}
    evaluated(tmp_path / "evaluation", np.eye(60), rows=rows, columns=columns, told={"reranking": cost})
    (tmp_path / "run.json").write_text(json.dumps({"title": "Retrieval", "method": "SimVTP"}))
    page = write_report(tmp_path).read_text()
    assert "this network is better than every baseline: R@1 1.000 against 0.017" in page
    assert "60\u00a0queries of 20\u00a0patients, a gallery of 60" in page
    assert "600\u00a0pairs in 2.0 s" in page
