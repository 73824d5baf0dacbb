"""Questions answered by a method beside baselines and controls: figures, tables, the page, and the table of answers."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch

from medmae.data import AskedClips, Samples
from medmae.data.video.questions import Question
from medmae.data.video.sampling import DenseFrames
from medmae.errors import DataError, SomeFailedError
from medmae.evaluate.words.answer_table import answer_all
from medmae.evaluate.words.answer_task import AnswerAccuracy
from medmae.evaluate.words.answers import evaluate_answers
from medmae.evaluate.words.said import OTHER, OWN, STILL
from medmae.methods.answering import VideoQuestionAnswering
from medmae.methods.simvtp import simvtp_tiny
from medmae.recipes.answering import ByAnswers
from medmae.report import write_report
from medmae.tokens.text import SPECIAL, Vocabulary
from tests.asked import write_asked

WORDS = Vocabulary((*SPECIAL, "how", "bright", "is", "it", "any", "dark", "grey", "white", "no", "yes"))
SHADES = ("dark", "grey", "white")
ANSWERS = (*SHADES, "no")


class Knows(VideoQuestionAnswering):
    """Knows each answer by the grey of its clip; of what is asked otherwise that it is no."""

    def logits(self, batch):
        shade = (batch["image"].mean(dim=(1, 2, 3, 4)) * 255 / 100).round().long()  # (B,)
        if self.by == "choices":
            return 9 * torch.nn.functional.one_hot(shade, batch["choices"].shape[1]).float()
        other = batch["words"][:, 1] == WORDS.number("any")
        return 9 * torch.nn.functional.one_hot(shade.masked_fill(other, 3), 4).float()


def questions(number):
    shade = number % 3
    how = Question(text="how bright is it?", answers=(SHADES[shade],), choices=SHADES, right=shade, type="shade")
    return [how, Question(text="any?", answers=("No", "none"))]


@pytest.fixture
def grey(tmp_path):
    """Clips of three shades of grey."""
    splits, asked = ["train"] * 12 + ["test"] * 6, [questions(number) for number in range(18)]
    return write_asked(tmp_path / "d", asked, splits=splits, edge=32, grey=lambda number: 100 * (number % 3))


def samples(folder, split, by="classes", **options):
    answers = () if by == "choices" else ANSWERS
    view = AskedClips(
        sampling=DenseFrames(frames=4, stride=1), size=32, channels=1, vocabulary=WORDS, max_words=8,
        test_views=(1, 1), answers=answers, by=by, max_choices=3, **options,
    )  # fmt: skip
    return Samples(source=folder, view=view, split=split)


def method(by="classes"):
    encoder = simvtp_tiny(vocabulary=WORDS.words).encoder
    return Knows(encoder=encoder, by=by, answers=() if by == "choices" else ANSWERS)


def evaluated(folder, out, by="classes", **options):
    data = {"held_out": samples(folder, "test", by), "train": samples(folder, "train", by)}
    record = evaluate_answers(method=method(by), out=out / "evaluation", resamples=50, **data, **options)
    (task,) = record["tasks"].values()
    return task


def broken(path):
    path.unlink()  # another process may have it mapped
    path.write_bytes(b"broken")


def accuracy(task, name, metric="accuracy"):
    return task["scores"][name]["metrics"][metric]["mean"]


def test_who_knows_is_right_and_stands_beside_what_sees_no_clip(grey, tmp_path):
    task = evaluated(grey, tmp_path)
    assert accuracy(task, OWN) == 1
    assert accuracy(task, "most frequent answer") == 0.5  # "no", to everything
    assert accuracy(task, "most frequent by question") == pytest.approx(4 / 6)  # one shade of three, and no
    assert accuracy(task, "question words") == pytest.approx(4 / 6)
    assert accuracy(task, "mean intensity, by question") == 1  # which here knows all
    assert accuracy(task, OWN, "accuracy, shade") == 1
    assert task["types"] == {"shade": 6, "other": 6}
    assert task["answerable"] == 1
    assert task["scores"][OWN]["gains"]["accuracy"]["over"].endswith("by question")


def test_of_another_clip_the_answers_that_need_it_are_wrong_and_one_frame_is_enough(grey, tmp_path):
    controls = evaluated(grey, tmp_path)["controls"]
    assert controls[STILL]["metrics"]["accuracy"]["mean"] == 1
    assert controls[STILL]["gains"]["accuracy"]["mean"] == 0
    assert controls[OTHER]["metrics"]["accuracy, shade"]["mean"] == 0  # the next case has another shade
    assert controls[OTHER]["metrics"]["accuracy, other"]["mean"] == 1


def test_choices_stand_beside_chance_place_and_length(grey, tmp_path):
    task = evaluated(grey, tmp_path, by="choices")
    assert accuracy(task, OWN) == 1
    assert accuracy(task, "chance") == pytest.approx(1 / 3)
    assert accuracy(task, "most frequent place") == pytest.approx(1 / 3)
    assert accuracy(task, "longest choice") == pytest.approx(1 / 3)
    assert accuracy(task, "mean intensity, by question") == 1


def test_tables_have_a_line_a_question_and_the_page_shows_clips_with_answers(grey, tmp_path):
    evaluated(grey, tmp_path)
    with (tmp_path / "evaluation" / "answers" / "answers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert (rows[1]["accepted"], rows[1]["answer"], rows[1]["right"]) == ("No | none", "no", "True")
    assert float(rows[0]["probability"]) > 0.9
    assert f"answer of {STILL}" in rows[0]
    (tmp_path / "run.json").write_text(json.dumps({"title": "t", "bundle": "b", "config": {}}))
    page = write_report(tmp_path).read_text()
    for text in (
        "how bright is it?",
        "<ins>no</ins>",
        "One frame of the clip",
        "best baseline",
        "12 questions of 6 videos",
    ):
        assert text in page.replace("\u00a0", " ").replace("Best", "best"), text


def test_a_clip_that_cannot_be_read_is_left_out_and_no_other_answers_for_it(grey, tmp_path):
    broken(grey / "shards" / "c12.npy")
    with pytest.warns(UserWarning, match="is left out"):
        task = evaluated(grey, tmp_path)
    assert task["questions"] == 10
    assert "c12" not in (tmp_path / "evaluation" / "answers" / "answers.csv").read_text()


def test_answers_are_tabled_by_rank_also_where_none_is_known(grey, tmp_path):
    asked = samples(grey, "test", ask=["any?"], answered=False)
    path = answer_all(method(), asked, out=tmp_path, best=2)
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == ["1", "2"] * 6
    assert rows[0]["answer"] == "no"
    broken(grey / "shards" / "c12.npy")
    asked = samples(grey, "test", ask=["any?"], answered=False)
    with pytest.warns(UserWarning, match="is left out"), pytest.raises(SomeFailedError, match="c12"):
        answer_all(method(), asked, out=tmp_path, best=2)


def test_where_nothing_can_be_read_it_is_refused(grey, tmp_path):
    for path in (grey / "shards").iterdir():
        broken(path)
    with pytest.warns(UserWarning, match="is left out"), pytest.raises(DataError, match="can be read"):
        evaluated(grey, tmp_path)


def test_a_type_that_a_draw_lacks_has_no_figure():
    task = AnswerAccuracy(types=["yes or no", "other"])
    targets, right = np.array([0, 0, 1]), np.array([[1.0], [0.0], [1.0]])
    found = task.weighted(targets, right, np.array([[1, 1, 1], [2, 1, 0]]))
    assert found["accuracy"].tolist() == pytest.approx([2 / 3, 2 / 3])
    assert found["accuracy, yes or no"].tolist() == pytest.approx([1 / 2, 2 / 3])
    assert found["accuracy, other"][0] == 1
    assert np.isnan(found["accuracy, other"][1])


def test_the_best_epoch_is_judged_by_accuracy_and_what_is_not_listed_is_wrong():
    logits = torch.tensor([[3.0, 0.0], [3.0, 0.0], [0.0, 3.0]])
    batch = {"accepted": torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])}
    judge = ByAnswers()
    first, second = judge.score(*judge.said({"logits": logits}, batch))
    assert first == pytest.approx(2 / 3)
    assert second == pytest.approx(float(logits[0].log_softmax(0)[0]))
