"""The transposes of indexing against one addition at a time."""

import numpy as np
import pytest

from tinygrad_nd.kernels import indexing


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("size, count", [(1, 0), (1, 3), (50, 30), (7, 60), (2, 90)])  # nothing, one place, few repeats, some, long runs
def test_scatter_along_adds_every_slice_where_it_came_from(axis, size, count):
    rng = np.random.default_rng(0)
    index = rng.integers(-size, size, count)
    shape = [4, 3, 5] if size < 7 else [14, 13, 15]  # where there are compiled loops, for them
    shape[axis] = count
    g = rng.standard_normal(shape)
    expected = np.zeros([*shape[:axis], size, *shape[axis + 1 :]])
    for i, place in enumerate(index):
        expected[(slice(None),) * axis + (place,)] += g[(slice(None),) * axis + (i,)]
    np.testing.assert_allclose(indexing.scatter_along(g, index, axis, size), expected, 1e-12, 1e-14)


@pytest.mark.parametrize("index", [[0, 0, 0, 1, 2, 3, 3], [3, 0, 1, 2, 3, 0, 1], [2, 1, 0, 1, 2, 3], [0, 1, 2, 3, -1], [1, 2, 3, 0]])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
@pytest.mark.parametrize("large", [0, indexing.LARGE])
def test_places_in_their_order_and_few_besides_are_taken_and_added_as_any_others(index, order, large, monkeypatch):
    monkeypatch.setattr(indexing, "LARGE", large)
    rng, index = np.random.default_rng(0), np.array(index)
    x = rng.standard_normal((3, 4, 5)).transpose(order).copy().transpose(order)
    np.testing.assert_array_equal(indexing.take_along(x, index, 1), x[:, index])
    g = rng.standard_normal((3, len(index), 5)).transpose(order).copy().transpose(order)
    np.testing.assert_allclose((indexing.scatter_along(g, index, 1, 4) * x).sum(), (g * x[:, index]).sum())
