"""CSV of figures."""

import math

from medmae.evaluate.tables import write_csv


def test_what_is_missing_is_an_empty_cell_and_numbers_keep_their_digits(tmp_path):
    rows = [{"case": "a", "psnr": 27.123456789, "n": 3}, {"case": "b, c", "psnr": math.nan, "n": None}]
    write_csv(tmp_path / "x.csv", rows)
    assert (tmp_path / "x.csv").read_text() == 'case,psnr,n\na,27.123457,3\n"b, c",,\n'
