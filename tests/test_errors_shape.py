"""What joins, moves, selects and sorts refuses malformed calls as NumPy does, in its own name."""

import operator

import numpy as np
import pytest
from in_turn import in_turn

import tinygrad_nd as nd

V, M, C = np.arange(6.0), np.arange(12.0).reshape(3, 4), np.arange(24.0).reshape(2, 3, 4)
S, E, I = np.array(1.0), np.zeros((0, 2)), np.arange(3)
CALLS = {
    "reshape": [(M, 5), (M, (5, -1)), (M, (2, 6), "X"), (M, "a"), (M, 1.5)],
    "ravel": [(M, "Z")],
    "transpose": [(M, (0,)), (M, (0, 2)), (M, (0, 0))],
    "swapaxes": [(M, 0, 2)],
    "moveaxis": [(M, 0, 5), (M, (0, 1), 0), (M, (0, 0), (0, 1))],
    "rollaxis": [(M, 3), (M, 0, 4)],
    "expand_dims": [(M, 4), (M, (0, 0)), (M, "")],
    "squeeze": [(M, 0), (M, 3)],
    "broadcast_to": [(M, (2, 3)), (M, (-1, 4))],
    "broadcast_arrays": [(M, V)],
    "broadcast_shapes": [((2,), (3,))],
    "concatenate": [([],), ([M, V],), ([M, M], 2), ([1.0, 2.0],), (5,), ([M, M[:2]], 1)],
    "stack": [([],), ([M, V],), ([M, M], 4)],
    "vstack": [([M, V],), ([],)],
    "hstack": [([M, V],)],
    "dstack": [([M, V],)],
    "column_stack": [([M, V],)],
    "block": [([[M], M],), ((M, M),), ([],)],
    "append": [(M, V, 0)],
    "split": [(M, 5), (M, 2, 3), (M, 2)],
    "array_split": [(M, 0), (M, 2, 5)],
    "hsplit": [(S, 1), (M, 3)],
    "vsplit": [(V, 2)],
    "dsplit": [(M, 2)],
    "unstack": [(S,)],
    "flip": [(M, 3)],
    "flipud": [(S,)],
    "fliplr": [(V,)],
    "rot90": [(V,), (M, 1, (0, 0)), (M, 1, (0, 1, 2)), (M, 1, (0, 3))],
    "roll": [(M, 1, 3), (M, (1, 2), (0, 1, 2))],
    "tile": [(M, -1), (M, 1.5)],
    "repeat": [(M, [1, 2]), (M, -1), (M, 2, 3), (M, [1, 2, 3], 1)],
    "resize": [(M, (-1, 2))],
    "delete": [(M, 5, 0), (M, [0, 9], 1), (M, 1, 3), (V, 1.5)],
    "insert": [(V, 9, 1.0), (M, 1, [1, 2], 0), (M, 1, 1.0, 5), (V, [1, 9], 1.0)],
    "trim_zeros": [(V, "x"), (M, "f", 3)],
    "pad": [(M, -1), (M, ((1, 2), (3, 4), (5, 6))), (M, 1, "nope"), (M, 1.5), (E, 1, "edge")],
    "take": [(V, [9]), (V, [0], 2), (np.zeros(0), [0])],
    "take_along_axis": [
        (M, I, 0),
        (M, np.array([[9]]), 0),
        (M, S.reshape(1, 1), 0),
        (M, np.array([[0]]), 3),
        (M, np.zeros((2, 1), int), 1),
    ],
    "choose": [([0, 5], [[1.0, 2], [3, 4]]), ([0.5], [[1.0]]), ([0, 1], [[1.0, 2.0, 3.0], [1.0, 2.0]])],
    "compress": [([[True]], M), ([True] * 5, M, 0)],
    "extract": [([1] * 20, M)],
    "sort": [(M, 3), (S,)],
    "partition": [(V, 9), (M, 0, 3), (V, 1.5)],
    "argsort": [(M, 3)],
    "argpartition": [(V, 9)],
    "median": [(M, 3), (M, (0, 0))],
    "quantile": [(M, 1.5), (M, -0.1), (M, 0.5, 3), (np.zeros(0), 0.5), (M + 1j, 0.5)],
    "percentile": [(M, 150)],
    "nanquantile": [(M, 1.5)],
    "cov": [(C,)],
    "corrcoef": [(C,)],
    "bincount": [([-1, 2],), ([0.5],), ([[1, 2]],), ([1, 2], [1.0])],
    "histogram": [(V, 0), (V, [2, 1])],
    "searchsorted": [(M, 1.0)],
    "digitize": [(V, [3, 1, 2])],
    "linspace": [(0, 1, -1), (0, 1, 2.5)],
    "logspace": [(0, 1, -1)],
    "geomspace": [(0, 1, 3)],
    "vander": [(M,)],
    "full": [((-1,), 1.0)],
    "zeros": [(-1,)],
    "ix_": [(M,)],
}


def tensors(x):
    if isinstance(x, np.ndarray) and x.dtype.kind in "fc":
        return nd.tensor(x, requires_grad=True)
    return type(x)(map(tensors, x)) if type(x) in (list, tuple) else x


@in_turn("name", CALLS)
def test_errors_are_numpys_in_our_words(name):
    for args in CALLS[name]:
        with pytest.raises(Exception) as expected:
            getattr(np, name)(*args)
        with pytest.raises((expected.type, *(k for k in (ValueError, TypeError, IndexError) if issubclass(expected.type, k)))) as found:
            getattr(nd, name)(*map(tensors, args))
        assert name in str(found.value)


@pytest.mark.parametrize(
    "name", ["concatenate", "stack", "sort", "unique", "tile", "pad", "median", "take", "flip", "roll", "repeat", "block"]
)
def test_text_and_objects_are_refused(name):
    rest = {"tile": (2,), "pad": (1,), "take": ([0],), "roll": (1,), "repeat": (2,)}.get(name, ())
    for strange in (["a", "b"], np.array([None, 1]), [object()]):
        with pytest.raises(TypeError):
            getattr(nd, name)(strange, *rest)


@pytest.mark.parametrize(
    "call, kind, words",
    [
        (lambda: nd.round(V, "a"), TypeError, "round: decimals must be an int"),
        (lambda: nd.round(V, 2**80), ValueError, "round: decimals=.* must be at least -308 and at most 308"),
        (lambda: nd.linspace(0, 1, "a"), TypeError, "linspace: num must be an int"),
        (lambda: nd.linspace(0, 1, -3), ValueError, "linspace: num=-3 must be at least 0"),
        (lambda: nd.geomspace(1, 2, -3), ValueError, "geomspace: num=-3 must be at least 0"),
        (lambda: nd.partition(V, 9), ValueError, "partition: kth=9 of the 6 entries along axis 0"),
        (lambda: nd.partition(V, [0, "a"]), TypeError, "partition: kth must be an int"),
        (lambda: nd.unwrap(V, discont="a"), TypeError, "unwrap: discont must be a number"),
        (lambda: nd.unwrap(V, period=0.0), ValueError, "unwrap: period=0.0 must be above 0"),
        (lambda: operator.delitem(nd.tensor(V), 0), TypeError, "nd.delete"),
    ],
)
def test_counts_and_places_are_told_in_our_words(call, kind, words):
    with pytest.raises(kind, match=words):
        call()


def test_topk_counts():
    for k in (-1, 5):
        with pytest.raises(ValueError, match=f"topk: k={k} of the 4 entries"):
            nd.topk(M, k)
