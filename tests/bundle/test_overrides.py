"""What a user types as ``--key value`` is that value."""

from __future__ import annotations

import pytest

from medmae.bundle.overrides import UNKNOWN, check_value, parse_options, read_value
from medmae.errors import DataError
from medmae.kinds import Scale

TEXTS = ["study#2", "$HOME", "@x", "%x", "2026", "True", "1.5", "2024_11_30", "a,b", "[0,1]", "false", " a  b ", "é"]


def test_options_are_kept_as_they_were_typed() -> None:
    arguments = ["--a::b", "[1,2]", "--c=text=more", "--d", "-1", "--e#f", "$@a", "--two-words", "study#2"]
    options = {"a::b": "[1,2]", "c": "text=more", "d": "-1", "e::f": "$@a", "two_words": "study#2"}
    assert parse_options(arguments) == options


@pytest.mark.parametrize("arguments", [["value"], ["--key"], ["--", "x"]])
def test_malformed_options_are_refused(arguments: list[str]) -> None:
    with pytest.raises(ValueError, match=r"--"):
        parse_options(arguments)


@pytest.mark.parametrize("text", TEXTS)
def test_text_stays_text_where_the_recipe_has_a_path_or_a_name(text: str) -> None:
    assert read_value("layout", text, "pca") == text
    assert read_value("pretrained", text, None) == text
    for key in ("dataset_dir", "output_dir", "images::model_dir", "manifest"):
        assert read_value(key, text, UNKNOWN) == text


def test_only_a_text_that_may_be_left_out_can_be_null() -> None:
    for word in ("null", "None"):
        assert read_value("checkpoint", word, None) is None
        assert read_value("calibration", word, UNKNOWN) is None
        assert read_value("dataset_dir", word, "./images") == word


YAML = {
    **{"true": True, "False": False, "null": None, "None": None, "[true]": [True], "'8'": "8", "[1": "[1", "": ""},
    **{
        "1e-4": 1e-4,
        "-1": -1,
        "2.": 2.0,
        ".5": 0.5,
        "[1, 0.5]": [1, 0.5],
        "160,256": [160, 256],
        "[[1], [2]]": [[1], [2]],
    },
    **{"(160, 256)": [160, 256], "{rgb: mse}": {"rgb": "mse"}, "{'rgb': 'mse'}": {"rgb": "mse"}, "@x": "@x"},
    **{
        word: word
        for word in ("yes", "on", "1_000", "2024-11-30", "010", "a,b", "cuda:1", "a #b", "!!python/name:os.x")
    },
}


@pytest.mark.parametrize(("text", "value"), YAML.items())
def test_all_else_is_yaml(text: str, value: object) -> None:
    found = read_value("anything", text)
    assert found == value
    assert type(found) is type(value)


def test_a_list_of_names_holds_texts() -> None:
    for text in ("[0,1]", "0,1", "['0', '1']", "(0, 1)"):
        assert read_value("classes", text, ["a"]) == ["0", "1"]
        assert read_value("classes", text, None) == ["0", "1"]
    assert read_value("classes", "null", ["a"]) is None
    with pytest.raises(DataError, match=r"--contrasts.*a list of names"):
        check_value("contrasts", read_value("contrasts", "T1", None), None)


@pytest.mark.parametrize("text", ["{rgb:mse}", "[{rgb:mse}]", "{a: {rgb:mse}}", "[{a: [{rgb:mse,h: mse}]}]"])
def test_yaml_without_a_space_after_a_colon_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="space after a colon"):
        read_value("outputs", text, {"rgb": "mse"})


@pytest.mark.parametrize(
    ("now", "texts", "expected"),
    [
        (True, ["false ", "yes", "0", "null", "off", ""], "true or false"),
        (8, ["many", "true", "[1, a]", "1_000", "a,b", "{}", "{a: 1}"], "a number"),
        (0.5, ["half", "False"], "a number"),
        ([1, 2], ["one", "[one]"], "a list"),
        (None, ["word", "[word]"], "null, a number or a list"),
        ({"_target_": "medmae.data.Clips"}, ["word", "3", "false", "[1]", "@whole"], "an object"),
    ],
)
def test_what_is_of_another_kind_than_the_recipe_s_is_refused(now: object, texts: list[str], expected: str) -> None:
    for text in texts:
        value = read_value("key", text, now)
        if value is False:  # YAML takes no blanks for a part of a word
            continue
        with pytest.raises(DataError, match=f"--key.*{expected}") as refused:
            check_value("key", value, now)
        assert repr(value) in str(refused.value)


@pytest.mark.parametrize(
    ("now", "text"),
    [
        (True, "false"),
        (8, "0.5"),
        (8, "null"),
        ([1.0], "[2]"),
        (None, "3"),
        (None, "[1]"),
        ({}, "ddp"),
        ({"_target_": "DDP"}, "ddp"),
    ],
)
def test_what_fits_is_taken(now: object, text: str) -> None:
    check_value("key", read_value("key", text, now), now)


def test_null_is_no_method_and_may_be_no_augmentation() -> None:
    with pytest.raises(DataError, match="--method"):
        check_value("method", None, {"_target_": "medmae.methods.mae.mae_base"})
    check_value("augment", None, {"_target_": "medmae.data.augment.image.ImageAugment"})


def test_an_empty_path_is_refused() -> None:
    with pytest.raises(DataError, match=r"--dataset_dir.*a path"):
        check_value("dataset_dir", read_value("dataset_dir", "", "./images"), "./images")


@pytest.mark.parametrize(
    ("key", "text", "now"),
    [("mask_ratio", "0,9", 0.75), ("batch_size", "[4,8]", 32), ("seeds", "0", [0, 1]), ("views", "null", [5, 3])],
)
def test_a_list_stands_where_the_recipe_has_one_and_nowhere_else(key, text, now):
    with pytest.raises(DataError, match=key):
        check_value(key, read_value(key, text, now), now)


@pytest.mark.parametrize("key", ["image_size", "read_size", "method::patch_size", "train::dataset::view::size"])
def test_sizes_are_one_number_or_one_an_axis(key):
    assert read_value(key, "256,192", 224) == [256, 192]
    check_value(key, [256, 192], 224)
    check_value(key, 96, [32, 96, 96])


@pytest.mark.parametrize("now", ["imagenet", None, {"mean": [0.0], "std": [1.0]}])
def test_a_scale_is_a_name_or_its_numbers(now):
    numbers = read_value("scale", "{mean: [0.5, 0.4, 0.3], std: 0.2}", now)
    check_value("scale", numbers, now)
    assert Scale.of(numbers) == Scale((0.5, 0.4, 0.3), (0.2,))
    assert read_value("method::scale", "half", now) == "half"
    assert read_value("scale", "null", now) is None
    for wrong in ("{mean: [0.5]}", "{mean: [0.5], std: [1]", "{x}"):
        with pytest.raises(DataError, match=r"a name, such as imagenet, null, or \{mean"):
            check_value("scale", read_value("scale", wrong, now), now)


def test_a_scale_that_is_a_list_or_a_number_is_no_encoder_s():
    assert read_value("crop::scale", "[0.2, 1]", [0.5, 1.0]) == [0.2, 1]
    assert read_value("scale", "2", 1.0) == 2


def test_a_drop_path_is_a_rate_and_no_path():
    assert read_value("drop_path", "0", 0.1) == 0
    assert read_value("pretraining::drop_path", "0.2", 0.1) == 0.2
    assert read_value("weights_path", "0", "a") == "0"
