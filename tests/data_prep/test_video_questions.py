"""Questions and answers of videos, in tables and JSON, and what of them is refused."""

from __future__ import annotations

import json

import pytest

from data_prep.tiny.captioned import Scene
from data_prep.video_files import find_videos
from medmae.data.video.questions import Question, fault_in, questions_of
from medmae.errors import DataError


@pytest.fixture
def ask(tmp_path):
    """Questions of ``a.mp4``, and all that was found, of a table or of entries of JSON."""

    def read(content, name=None):
        (tmp_path / "a.mp4").touch()
        path = tmp_path / (name or ("t.csv" if isinstance(content, str) else "t.json"))
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        found = find_videos(path)
        return found.videos[0].segments[0].questions, found

    return read


def open_question(**more):
    return {"path": "a.mp4", "question": "what moves?", **more}


def choice(**more):
    return open_question(choices=["a disc", "a ring"], **more)


# ---------------------------------------------------------------------------------------------------------------- forms
def test_an_open_question_has_one_or_several_answers_that_count(ask):
    (one,), _ = ask([open_question(answer="a disc")])
    assert one == Question(text="what moves?", answers=("a disc",))
    (several,), _ = ask([open_question(answer=["disc", "NA", "disc", "circle"], question_id=7, answer_type="shape")])
    assert several == Question(text="what moves?", answers=("disc", "circle"), type="shape", id="7")
    (cell,), _ = ask('path,question,answer\na.mp4,what moves?,"[""disc"", ""circle""]"\n')
    assert cell.answers == ("disc", "circle")


def test_answers_that_are_numbers_and_none_are_texts(ask):
    questions, _ = ask([{"path": "a.mp4", "question": q, "answer": a} for q, a in (("how many?", 0), ("any?", "None"))])
    assert [question.answers for question in questions] == [("0",), ("None",)]


@pytest.mark.parametrize(
    "right", [{"right": 1}, {"answer": 1}, {"answer": "a ring"}, {"correct": "A RING"}, {"answer": "B"}]
)
def test_a_right_choice_is_named_by_number_letter_or_words(right, ask):
    (question,), _ = ask([choice(**right)])
    assert (question.right, question.answers) == (1, ("a ring",))


def test_a_choice_that_is_a_letter_is_a_word_where_there_are_not_so_many_choices(ask):
    (question,), _ = ask([open_question(choices=["x", "y", "z"], right="y")])
    assert (question.right, question.answers) == (1, ("y",))


def test_columns_of_one_choice_each_are_read_in_the_order_of_their_numbers(ask):
    columns = ("a0", "a10", *(f"a{number}" for number in range(1, 10)))  # as a table sorts them
    text = (
        f"video,question,answer,qid,type,{','.join(columns)}\na.mp4,what moves?,10,5,TN,w,z,{','.join('bcdefghij')}\n"
    )
    (first, second), _ = ask(f"{text}a.mp4,who?,1,6,TN,w,,x,,,,,,,,\n")
    assert first == Question(
        text="what moves?", answers=("z",), choices=("w", *"bcdefghij", "z"), right=10, type="TN", id="5"
    )
    assert (second.choices, second.right) == (("w", "x"), 1)


def test_a_number_of_a_choice_is_refused_where_choices_are_counted_from_one_and_holes_are(ask):
    with pytest.raises(DataError, match="its choices are counted from 1") as caught:
        ask("video,question,a1,a2,a3,right\na.mp4,who?,red,green,blue,1\n")
    assert "a0, a1" in caught.value.remedy
    for said in ("green", "b"):
        (question,), _ = ask(f"video,question,a1,a2,a3,right\na.mp4,who?,red,green,blue,{said}\n")
        assert question.answers == ("green",)
    with pytest.raises(DataError, match="not numbered one by one"):
        ask("video,question,a0,a2,right\na.mp4,who?,x,y,1\n")


def test_questions_within_an_entry_and_lines_of_one_video_are_all_its_own(ask):
    nested = [{"question": "where?", "answer": "left"}, {"question": "what?", "choices": ["x", "y"], "answer": 0}]
    questions, found = ask([{"path": "a.mp4", "caption": "it moves", "questions": nested}])
    assert [(one.text, one.answers) for one in questions] == [("where?", ("left",)), ("what?", ("x",))]
    assert found.videos[0].segments[0].captions == ("it moves",)
    rows = "path,caption,question,answer\na.mp4,it moves,where?,left\na.mp4,it moves,what?,x\n"
    questions, found = ask(rows)
    assert len(questions) == 2
    assert found.videos[0].segments[0].captions == ("it moves",)


def test_sentences_of_which_one_is_right_are_choices_and_no_captions(ask):
    (question,), found = ask([{"video": "a.mp4", "caption": ["a dog runs", "a cat sleeps"], "answer": 1}])
    assert found.videos[0].segments[0].captions == ()
    assert question == Question(text="", answers=("a cat sleeps",), choices=("a dog runs", "a cat sleeps"), right=1)


def test_questions_without_an_answer_are_kept_and_counted(ask):
    questions, found = ask([open_question(), choice(answer=None), choice(question="who?", answer="NA")])
    assert [(one.answers, one.right) for one in questions] == [((), None)] * 3
    assert "3 questions have no answer" in " ".join(found.notes)


def test_questions_of_simulated_clips_are_read_and_come_back_from_a_row(ask):
    scene = Scene("disc", "left", "fast", "dim")
    questions, _ = ask([{"path": "a.mp4", "questions": list(scene.questions)}])
    assert [one.answers for one in questions] == [("disc",), ("left",), ("fast",)]
    row = json.loads(json.dumps({"questions": [question.as_row() for question in questions]}))
    assert fault_in(row) is None
    assert tuple(questions_of(row)) == questions


def test_a_type_without_a_question_is_any_other_column(ask):
    with pytest.warns(UserWarning, match="columns that are not read: type"):
        ask("path,type\na.mp4,linear\n")


def test_what_nobody_reads_of_a_question_is_told(ask):
    with pytest.warns(UserWarning, match="questions.where"):
        ask([{"path": "a.mp4", "questions": [{"question": "what?", "answer": "x", "where": "frame 3"}]}])


# -------------------------------------------------------------------------------------------------------------- refused
@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"path": "a.mp4", "question": "", "answer": "x"}, "has an answer or choices and no question"),
        ({"path": "a.mp4", "question": "NA", "answer": "x"}, "has an answer or choices and no question"),
        ({"path": "a.mp4", "caption": "it moves", "answer": "x"}, "has an answer or choices and no question"),
        (open_question(right=1), "there are no choices"),
        (open_question(answer=True), "has an answer that is no text.*write yes or no"),
        (open_question(answer={"text": "x"}), "holds more than a text"),
        (choice(answer=2), "names a right choice that is none of 2"),
        (choice(answer=-1), "names a right choice that is none of 2"),
        (choice(answer="a square"), "names a right choice that is none of 2"),
        (choice(answer=["a disc", "a ring"]), "does not name one right choice"),
        (choice(answer=True), "does not name one right choice"),
        (open_question(choices=["1", "2", "3"], answer="1"), "names a right choice that is two of 3"),
        (open_question(choices=["x"], answer=0), "choices that are alike, empty, or fewer than two"),
        (open_question(choices=["x", "X"], answer=0), "choices that are alike, empty, or fewer than two"),
        (open_question(choices=["x", "", "y"], answer=0), "choices that are alike, empty, or fewer than two"),
        ({"path": "a.mp4", "questions": ["what?"]}, "holds more than a text"),
        ({"path": "a.mp4", "questions": 3}, "holds more than a text"),
        ({"path": "a.mp4", "questions": [{"question": "what?", "answer": [["x"]]}]}, "holds more than a text"),
    ],
)  # fmt: skip
def test_a_question_that_could_mean_something_else_is_refused(entry, reason, ask):
    with pytest.raises(DataError, match=reason):
        ask([entry])


def test_a_number_in_json_is_the_choice_of_that_number_even_where_choices_are_numbers(ask):
    (question,), _ = ask([open_question(choices=["1", "2", "3"], answer=1)])
    assert question.answers == ("2",)


def test_the_same_question_twice_is_refused_and_not_taken_for_two_answers(ask):
    with pytest.raises(DataError, match=r"ask the same of a.mp4 twice.*all answers that count as a list"):
        ask([open_question(answer="a disc"), open_question(question="What moves?", answer="a ring")])


def test_questions_in_a_cell_are_refused(ask):
    with pytest.raises(DataError, match=r"line 2 holds questions in a cell.*path,question,answer"):
        ask("path,questions\na.mp4,what moves? a disc\n")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"answers": "left"}, "no texts"),
        ({"right": 2, "choices": ["x", "y"]}, "the right choice of a question is 2, and there are 2"),
        ({"right": True, "choices": ["x", "y"]}, "the right choice of a question is True"),
        ({"right": 0, "choices": ["x", "y"], "answers": ["y"]}, "is not its right choice"),
        ({"id": 3}, "type or id"),
        ({"more": 1}, "does not have the keys"),
    ],
)
def test_rows_of_a_manifest_with_bad_questions_are_refused(change, fault):
    entry = {**Question(text="what?", answers=("x",)).as_row(), **change}
    assert fault in fault_in({"questions": [entry]})
    assert "no list of texts" in fault_in({"captions": "x"})
