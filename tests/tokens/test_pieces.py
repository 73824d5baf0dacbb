"""Pieces of words: what is merged first, and that nothing is left to chance."""

from medmae.tokens.pieces import learn_pieces


def test_letters_come_first_then_the_most_frequent_neighbours():
    found = learn_pieces({"low": 5, "lot": 3, "so": 1}, size=20)
    assert found[:5] == ["##o", "l", "##w", "##t", "s"]
    assert found[5:] == ["lo", "low", "lot"]


def test_ties_go_by_the_alphabet_whatever_the_order_of_words():
    words = {"ab": 2, "cd": 2, "ef": 2}
    assert learn_pieces(words, size=7) == learn_pieces(dict(reversed(words.items())), size=7)
    assert learn_pieces(words, size=7)[-1] == "ab"


def test_what_occurs_once_is_spelled_and_no_more_is_learnt_than_asked():
    assert "smith" not in learn_pieces({"smith": 1, "lung": 4}, size=100)
    assert learn_pieces({"aaa": 3}, size=3) == ["##a", "a", "##aa"]
    assert learn_pieces({"abc": 9, "ad": 1}, size=2) == ["a", "##b"]
