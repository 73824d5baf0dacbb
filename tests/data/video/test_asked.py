"""Clips with questions: which give samples, what counts as an answer, what is cut, and lists of answers."""

from __future__ import annotations

import numpy as np
import pytest

from medmae.data import AnswerList, AskedClips, CaptionWords, Samples
from medmae.data.video.answer_list import spelt, type_of
from medmae.data.video.questions import Question
from medmae.data.video.sampling import DenseFrames, StillFrame, Timeline
from medmae.errors import DataError
from medmae.tokens.text import SPECIAL, Vocabulary
from tests.asked import write_asked

WORDS = Vocabulary((*SPECIAL, "where", "what", "left", "right", "up", "one", "two"))
WHERE = Question(text="where?", answers=("left",), choices=("left", "right"), right=0)
WHAT = Question(text="what one two?", answers=("one", "up"))
ODD = Question(text="what?", answers=("two",))
OPEN = Question(text="what left?")


@pytest.fixture
def prepared(tmp_path):
    return write_asked(tmp_path, [[WHERE, WHAT], [ODD], [], [OPEN]])


def view(**options):
    about = {"sampling": DenseFrames(frames=2, stride=1), "size": 8, "channels": 1, "dtype": "uint8"}
    about |= {"vocabulary": WORDS, "max_words": 6, "answer_words": 4}
    return AskedClips(**{**about, "answers": ("left", "one", "up"), **options})


@pytest.mark.filterwarnings("ignore:.*no answer in the list")
def test_every_answered_question_is_a_sample_with_its_own_clip(prepared):
    samples = Samples(source=prepared, view=view())
    assert [WORDS.decode(one["words"][None])[0] for one in samples] == [
        "where [UNK]",
        "what one two [UNK]",
        "what [UNK]",
    ]
    assert [int(one["image"].max()) for one in samples] == [0, 0, 1]
    assert [one["accepted"].tolist() for one in samples] == [[1, 0, 0], [0, 1, 1], [0, 0, 0]]
    assert samples.describe(1)["question"] == "what one two?"
    assert "label" not in samples[0]


def test_questions_whose_answer_is_not_listed_are_told(prepared):
    with pytest.warns(UserWarning, match="of 3 questions .*1 have no answer in the list"):
        Samples(source=prepared, view=view())


@pytest.mark.filterwarnings("ignore:.*no answer in the list")
def test_in_words_one_of_the_accepted_answers_is_drawn_and_a_test_takes_the_first(prepared):
    samples = Samples(source=prepared, view=view(by="words"))
    drawn = set()
    for epoch in range(12):
        samples.set_epoch(epoch)
        drawn.add(WORDS.decode(samples[1]["answer"][None])[0])
    assert drawn == {"one", "up"}
    tested = Samples(source=prepared, view=view(by="words", test_views=(1, 1)))
    tested.set_epoch(3)
    assert WORDS.decode(tested[1]["answer"][None])[0] == "one"


def test_choices_stand_behind_their_question_and_unused_rows_are_padding(prepared):
    samples = Samples(source=prepared, view=view(by="choices", answers=(), max_choices=3))
    assert len(samples) == 1
    rows = samples[0]["choices"]
    assert [WORDS.words[number] for number in rows[1]] == ["[CLS]", "where", "[UNK]", "[SEP]", "right", "[SEP]"]
    assert rows[2].eq(WORDS.number("[PAD]")).all()
    assert samples[0]["accepted"].tolist() == [1, 0, 0]


def test_of_a_long_question_the_choice_is_kept(tmp_path):
    long = Question(text="what one two up left", choices=("left", "right"), right=1, answers=("right",))
    samples = Samples(
        source=write_asked(tmp_path, [[long]]), view=view(by="choices", answers=(), max_choices=2, max_words=6)
    )
    assert [WORDS.words[n] for n in samples[0]["choices"][1]] == ["[CLS]", "what", "one", "[SEP]", "right", "[SEP]"]


@pytest.mark.filterwarnings("ignore:.*not in the vocabulary")
def test_unanswered_questions_and_others_can_be_asked(prepared):
    samples = Samples(source=prepared, view=view(answered=False, answers=("left", "1", "two")))
    assert len(samples) == 4
    asked = Samples(source=prepared, view=view(answered=False, ask=["where?", "what?"]))
    assert len(asked) == 8  # of every clip, asked something before or not
    assert [asked.describe(number)["question"] for number in (0, 1)] == ["where?", "what?"]


@pytest.mark.filterwarnings("ignore:.*")
def test_views_of_a_question_stand_side_by_side(prepared):
    samples = Samples(source=prepared, view=view(test_views=(2, 1)))
    assert [tuple(samples.item(number).numbers) for number in range(4)] == [(0, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1)]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"vocabulary": None}, "no vocabulary"),
        ({"answers": ()}, "closed list of answers"),
        ({"by": "sentences"}, "by"),
        ({"by": "choices", "ask": ["where?"]}, "choices are those of a question in the data"),
    ],
)
def test_views_that_cannot_ask_are_refused(options, reason):
    with pytest.raises(ValueError, match=reason):
        view(**options)


def test_data_without_questions_or_with_too_many_choices_are_refused(tmp_path, prepared):
    with pytest.raises(DataError, match="no video of this data set has such a question"):
        Samples(source=write_asked(tmp_path / "silent", [[], []]), view=view())
    with pytest.raises(DataError, match=r"a question has 2 choices.*--max_choices 2"):
        Samples(source=prepared, view=view(by="choices", answers=(), max_choices=1))


def test_answers_are_listed_by_frequency_as_they_are_compared_and_of_one_split_alone(tmp_path):
    both = Question(text="what?", answers=("A ring", "circle"))
    asked = [[ODD, both], [ODD, WHERE], [Question(text="what?", answers=("up", "up!"))], [OPEN], [ODD]]
    folder = write_asked(tmp_path, asked, splits=["train"] * 4 + ["test"])
    assert AnswerList(source=folder) == ("two", "left", "up", "circle", "a ring")  # one half each, the last two
    assert AnswerList(source=folder, size=2) == ("two", "left")
    assert AnswerList(source=folder, by="choices") == ()
    with pytest.raises(DataError, match="no question of this split has an answer"):
        AnswerList(source=folder, split="val")


@pytest.mark.parametrize(
    ("answer", "compared"),
    [
        ("To the LEFT.", "to left"), ("two", "2"), ("3.5 cm", "3.5 cm"), ("3,5", "3 5"), ("yes!", "yes"),
        ("the", "the"), ("x-ray", "x-ray"), ("-5", "-5"), ("50 %", "50 %"), ("and/or", "and or"), ("1/2", "1/2"),
    ],
)  # fmt: skip
def test_answers_are_compared_without_case_articles_and_punctuation(answer, compared):
    assert spelt(answer) == compared


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        (("Yes",), "yes or no"), (("no", "yes"), "yes or no"), (("three",), "number"), (("3.5 cm",), "number"),
        (("left",), "other"), ((), "other"),
    ],
)  # fmt: skip
def test_types_of_answers_are_told_by_the_answers_unless_the_source_says_them(answers, kind):
    assert type_of(Question(text="?", answers=answers)) == kind
    assert type_of(Question(text="?", answers=answers, type="way")) == "way"


def test_words_of_questions_and_answers_are_learnt_too(prepared):
    words = Vocabulary.of(CaptionWords(source=prepared))
    assert words.encode(["where?", "what one two?", "left", "right", "up"], max_words=40).unknown == 0


def test_a_control_sees_the_middle_frame_of_a_clip_all_the_time():
    still, dense = StillFrame(frames=4, stride=2), DenseFrames(frames=4, stride=2)
    video = Timeline(count=20)
    assert still.views(video, 2).tolist() == [[frame] * 4 for frame in dense.views(video, 2)[:, 2].tolist()]
    assert len(set(still.draw(video, np.random.default_rng(0)).tolist())) == 1
