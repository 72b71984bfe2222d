"""One row or more for every registered operation: how to call it, and on what.

A row's function takes tensors; its arrays are float64 (or complex128) and keep away from jumps. `linear` rows must pass the dot test; rows
that are not `differentiable` must give constants; `keeps_dtype=False` marks functions that choose their own dtype, `promotes=False` those
that keep their first operand's, as NumPy does where it fills a result made like it.
"""

from collections.abc import Callable

import pytest
from in_turn import in_turn

from . import composed, convolutions, core, fourier, functions, linear_algebra, networks, order, shapes, windows
from .rows import Sample

__all__ = ["SAMPLES", "Sample", "for_each"]

_FAMILIES = (core, convolutions, functions, linear_algebra, fourier, order, shapes, windows, networks, composed)
SAMPLES: list[Sample] = [sample for family in _FAMILIES for sample in family.SAMPLES]


def for_each(samples: list[Sample]) -> Callable[[Callable[[Sample], None]], Callable[[str], None]]:
    """Makes of a fact about one sample a test for every operation among `samples`: its rows in turn."""
    rows: dict[str, list[Sample]] = {}
    for sample in samples:
        rows.setdefault(sample.op, []).append(sample)

    def tested(fact: Callable[[Sample], None]) -> Callable[[str], None]:
        @pytest.mark.parametrize("op", rows)
        def test(op: str) -> None:
            in_turn("sample", rows[op])(fact)()

        return test

    return tested
