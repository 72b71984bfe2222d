"""The transposes of indexing against one addition at a time."""

import numpy as np
import pytest

from tinygrad_nd.kernels import indexing


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("size, count", [(1, 0), (1, 3), (50, 30), (7, 60), (2, 90)])  # nothing, one place, few repeats, some, long runs
def test_scatter_along_adds_every_slice_where_it_came_from(axis, size, count):
    rng = np.random.default_rng(0)
    index = rng.integers(-size, size, count)
    shape = [4, 3, 5]
    shape[axis] = count
    g = rng.standard_normal(shape)
    expected = np.zeros([*shape[:axis], size, *shape[axis + 1 :]])
    for i, place in enumerate(index):
        expected[(slice(None),) * axis + (place,)] += g[(slice(None),) * axis + (i,)]
    np.testing.assert_allclose(indexing.scatter_along(g, index, axis, size), expected, 1e-12, 1e-14)
