"""Every public function has a row, and with it derivatives to order 2 and forward mode; and the README's numbers are true."""

import re
from pathlib import Path

import pytest
from coverage_table import YES, counts, summary, table

README = (Path(__file__).parents[1] / "README.md").read_text()
CONSTANT = """
    arange empty eye fromfunction identity ones tri zeros indices
"""  # made from no array
HOW = "python -m tests.coverage_table prints the table and the summary for the README"


@pytest.fixture(scope="module")
def rows():
    return table()


def test_every_function_is_run_by_a_row(rows):
    assert not {r.name for r in rows if not r.sampled} - set(CONSTANT.split()), HOW


def test_there_are_250_functions_of_numpys_names_and_np_f_finds_them(rows):
    assert counts(rows)["of NumPy's names"] >= 250
    assert not [r.name for r in rows if r.numpy == "no"]


def test_a_function_with_a_gradient_has_it_to_order_2(rows):
    assert not [r.name for r in rows if r.order == 1]
    assert len([r for r in rows if r.complex == YES]) >= 200


def test_the_readme_says_what_the_table_counts(rows):
    assert summary(rows) in README, HOW
    (stated,) = re.findall(r"(\d+) array functions", README)
    assert int(stated) == len([row for row in rows if row.family != "networks"]), HOW
