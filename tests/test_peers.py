"""The README's table of comparisons is the one of the comparisons that the tests declare, and what they declare is in order."""

from pathlib import Path

import peers_table

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_readmes_table_is_of_the_comparisons_that_are_made():
    assert peers_table.table(peers_table.declared()) in README, "python -m tests.peers_table prints the table for the README"


def test_declarations_name_known_libraries_ranks_and_orders():
    for family, against, rank, order in peers_table.declared():
        assert family and against in peers_table.PEERS and rank in range(7) and order in peers_table.ORDERS


def test_a_table_tells_ranks_and_orders():
    cells = {("convolution", "torch", 1, 2), ("convolution", "torch", 2, 2), ("convolution", "torch", 2, 0), ("convolution", "jax", 5, 0)}
    assert peers_table.table(cells).splitlines()[-1] == "| convolution | 1–2: second derivatives | 5: values |"
