"""Kinds of rows are found where rooms declare them."""

from __future__ import annotations

from medmae.data.rows import row_fault, row_kinds


def test_rooms_declare_the_kinds_of_rows_that_they_write():
    assert {"volume", "slide", "tiles"} <= set(row_kinds())
    assert all(kind.made_by.startswith("medmae prep ") for kind in row_kinds().values())


def test_a_row_of_a_kind_that_no_room_knows_is_refused():
    assert row_fault({"kind": "photos"}).startswith("kind 'photos' is not one of ")
    assert row_fault([]) == "a list where an object is expected"
