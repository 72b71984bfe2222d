"""Shapes, joining, padding, selection, sorting, quantiles and sets: NumPy's values, shapes and dtypes for NumPy's arguments."""

import warnings

import numpy as np
import pytest
from in_turn import in_turn

import tinygrad_nd as nd

rng = np.random.default_rng(0)
V = rng.standard_normal(6)
M = rng.standard_normal((3, 4))
C = rng.standard_normal((2, 3, 4))
I = rng.integers(-3, 4, (3, 4))
Z = M + 1j * rng.standard_normal((3, 4))
F = rng.standard_normal((3, 4)).astype(np.float32)
H = rng.standard_normal((3, 4)).astype(np.float16)
E = np.zeros((0, 3))
S = np.array(2.5)
B = I > 0
TIES = rng.integers(0, 4, (5, 6)).astype(float)
FORTRAN = np.asfortranarray(M)
BACKWARDS = M[::-1, ::-2]
HOLES = np.where(rng.random((4, 5, 6)) < 0.2, np.nan, rng.standard_normal((4, 5, 6)))
MANY = [V, M, C, I, Z, F, H, E, S, B, FORTRAN, BACKWARDS]

METHODS = """
    inverted_cdf averaged_inverted_cdf closest_observation interpolated_inverted_cdf hazen weibull linear median_unbiased normal_unbiased
    lower higher midpoint nearest
""".split()


def each(*arrays, **kwargs):
    """The call with each array in turn as its first argument."""
    return [((a, *rest), kwargs) for a in arrays for rest in [()]]


def call(*args, **kwargs):
    return (args, kwargs)


TABLE = {
    # shapes
    "reshape": [call(a, -1, order=o) for a in (V, M, C, FORTRAN, E) if a.size for o in "CFA"]
    + [call(C, (4, -1), order=o) for o in "CF"] + [call(C.T, (3, 8), order="A"), call(E, (3, 0)), call(S, (1, 1)), call(M, 12)],
    "ravel": [call(a, order=o) for a in (*MANY, C.transpose(1, 2, 0)) for o in "CF"] + [call(a, order="K")
              for a in (M, FORTRAN, C.transpose(1, 2, 0))],
    "transpose": each(*MANY) + [call(C, (2, 0, 1)), call(C, (-1, 0, 1))],
    "matrix_transpose": each(M, C, Z, E),
    "swapaxes": [call(C, 0, -1), call(M, 0, 0)],
    "moveaxis": [call(C, 0, -1), call(C, (0, 1), (-1, 0)), call(C, [2, 0], [0, 1]), call(C, -1, 0)],
    "rollaxis": [call(C, i, j) for i in (0, 1, 2, -1) for j in (-2, 0, 1, 3)],
    "expand_dims": [call(a, 0) for a in MANY] + [call(M, (0, -1)), call(M, (1, 2)), call(M, -1)],
    "squeeze": [call(C[:, :1, :1]), call(C[:, :1, :1], 1), call(C[:, :1, :1], (1, -1)), call(S)],
    "atleast_1d": [*each(*MANY), call(S, V), call(1.5)],
    "atleast_2d": [*each(*MANY), call(S, V, C)],
    "atleast_3d": [*each(*MANY), call(S, V, M, C)],
    "broadcast_to": [call(V, (2, 6)), call(S, (2, 3)), call(M[:, :1], (2, 3, 4)), call(S, 3)],
    "broadcast_arrays": [call(M, V[:4], S), call(C, M[:, :1]), call(V)],
    "broadcast_shapes": [call((2, 1), (3,)), call(3, (1,)), call()],
    # joining
    "concatenate": [call([M, I], 1), call([M, F]), call([C, C], -1), call([V, M, S], None), call([F, I], dtype=np.float64), call([Z, M]),
                    call((E, E)), call([M, M], 0, dtype=np.float32), call([I, B], axis=0)],
    "stack": [call([M, I]), call([M, F], 1), call([S, S]), call([V, V], -1), call([F, F], dtype=np.float64)],
    "vstack": [call([V, V]), call([M, M]), call([S, S]), call([M, V[:4]]), call([M, M], dtype=np.float32)],
    "hstack": [call([V, V]), call([M, M]), call([S, S]), call([C, C]), call([M, I], dtype=np.float32)],
    "dstack": [call([V, V]), call([M, M]), call([S, S]), call([C, C])],
    "column_stack": [call([V, V]), call([M, M]), call([S, S]), call([V[:3], M])],
    "append": [call(V, 1.5), call(M, M, 0), call(M, M, axis=1), call(M, [1, 2]), call(I, 2.5)],
    "block": [call([[M, M], [M, M]]), call([V, V]), call([V, 1.0]), call([[S, V[:1]], [V[:1], S]]), call(M), call([[[C]], [[C]]])],
    "split": [call(M, 2, 1), call(V, [1, 4]), call(V, [4, 1, 9]), call(C, 3, axis=1), call(V, [])],
    "array_split": [call(V, 4), call(M, 3, 1), call(V, [2, 3]), call(V, 8), call(M, 2, -1)],
    "hsplit": [call(V, 2), call(M, 2), call(C, [1])],
    "vsplit": [call(M, 3), call(C, [1])],
    "dsplit": [call(C, 2)],
    "unstack": [call(M), call(C, axis=1), call(C, axis=-1), call(V), call(E)],
    # rearranging
    "flip": [*each(*MANY), call(C, 1), call(C, (0, -1))],
    "flipud": each(V, M, C),
    "fliplr": each(M, C),
    "rot90": [call(a, k, axes=x) for a in (C,) for k in range(-4, 6) for x in ((0, 1), (1, 0), (2, 1))] + [call(M)],
    "roll": [call(M, 2), call(M, 1, 0), call(M, -5, 1), call(M, (1, 2), (0, 1)), call(M, 1, (0, 1)), call(M, (1, 2), 0), call(E, 1),
             call(S, 1)],
    "tile": [call(M, 2), call(M, (2, 1)), call(V, (2, 3)), call(M, (2, 1, 2)), call(S, 3), call(M, 0), call(M, ()), call(Z, (1, 2)),
             call(E, (2, 2))],
    "repeat": [call(M, 2), call(M, 2, 0), call(M, [1, 0, 2], 0), call(M, [2], 1), call(S, 3), call(M, 0, 1), call(V, np.arange(6)),
               call(Z, 2, -1)],
    "resize": [call(M, (5, 5)), call(M, (2, 2)), call(V, 9), call(E, (2, 2)), call(V, 0)],
    "delete": [call(M, 1, 0), call(M, [0, -1], 1), call(M, slice(None, None, 2), 1), call(M, 3), call(V, B[0, [0, 1, 2, 3, 0, 1]]),
               call(V, [])],
    "insert": [call(V, 1, 9.0), call(V, 1, [7.0, 8.0]), call(V, [1, 3], 9.0), call(V, [1, 3], [7, 8]), call(M, 1, 9.0, axis=0),
               call(M, 1, [1, 2, 3], axis=1), call(M, [1], [[1], [2], [3]], axis=1), call(M, [0, 2, 2], 5, axis=1),
               call(M, -1, M[0], axis=0),
               call(M, slice(0, 3), 1.0, axis=1), call(M, 1, 5.0), call(I, 1, 5.7), call(M, [1, 2], M[:, :2], axis=1),
               call(V, [], 1.0), call(V, 6, 1.0),
               call(M, 2, np.ones((3, 2)).T, axis=1), call(V, -6, 0.0)],
    "trim_zeros": [call(np.array([0, 0, 1.0, 0, 2, 0])), call(np.array([0, 0, 1.0, 0]), "f"), call(np.array([0, 0, 1.0, 0]), "b"),
                   call(np.zeros(3)),
                   call(np.pad(M, 2)), call(np.pad(M, 2), axis=1), call(np.pad(M, 1), "f", axis=(0,))],
    "pad": [call(M, w, mode=m) for w in (1, ((2, 1), (0, 3)), (1, 2), ((5, 7), (9, 8)))
            for m in ("constant", "edge", "linear_ramp", "maximum", "minimum", "mean", "median", "reflect", "symmetric", "wrap")]
    + [call(M, ((1, 2), (3, 4)), "constant", constant_values=c) for c in (1.5, (1, 2), ((1, 2), (3, 4)), np.inf)]
    + [call(C, 3, m, stat_length=n) for m in ("maximum", "minimum", "mean", "median") for n in (1, 2, (1, 3), ((1, 2), (2, 1), (9, 1)))]
    + [call(M, w, m, reflect_type="odd") for m in ("reflect", "symmetric") for w in (1, (2, 3), ((9, 11), (13, 17)), ((0, 5), (7, 0)))]
    + [call(V[:1], 3, m, reflect_type=t) for m in ("reflect", "symmetric") for t in ("even", "odd")]
    + [call(V[:2], 5, m, reflect_type=t) for m in ("reflect", "symmetric") for t in ("even", "odd")]
    + [call(a, 2, m) for a in (I, Z, F, H) for m in ("constant", "edge", "linear_ramp", "maximum", "mean", "reflect", "wrap")]
    + [call(M, 2, "linear_ramp", end_values=e) for e in (1.0, (1, 2), ((1, 2), (3, 4)))] + [call(M, {0: 1, -1: (2, 3)}), call(E, ((0, 0),
       (1, 2)), "edge"),
       call(E, ((1, 1), (0, 0))), call(I, 1, "mean"), call(I, 2, "linear_ramp", end_values=5)],
    # selection
    "take": [call(M, i, axis=a, mode=m) for i in ([0, 2, 1], [[0, 1], [2, 2]], 1) for a in (None, 0, 1, -1)
             for m in ("raise", "wrap", "clip")]
    + [call(M, [5, -7], 0, mode=m) for m in ("wrap", "clip")] + [call(V, []), call(M, [-1, -2], 0)],
    "take_along_axis": [call(M, np.argsort(M, 0), 0), call(M, np.argsort(M, 1), 1), call(M, np.array([[0], [-1], [0]]), 1),
                        call(M, np.array([[0, 0, 3]]), 1),
                        call(M, np.array([0, 7]), None), call(M, np.array([[1, 1, 1]]), axis=-1),
                        call(M[:, :1], np.array([[0, 1], [2, 2]]), 0)],
    "choose": [call([0, 1, 2, 1], [[1, 2, 3, 4], [5, 6, 7, 8.5], [9, 8, 7, 6]]), call([0, 1, 5], (V[:3], V[3:]), mode="clip"),
               call(B.astype(int), [M, 0.0]),
               call([0, 1, -5], (V[:3], V[3:]), mode="wrap"), call(1, (V, V * 2)), call(I % 2, [M[:1], M[:, :1]])],
    "compress": [call([True, False, True], M, 0), call([0, 1], M, axis=1), call([True, False, True], M)],
    "extract": [call(M > 0, M), call([1, 0, 1], V[:3])],
    "select": [call([M > 0, M < -1], [M, I], 7.5), call([V > 0], [V]), call([M > 0, M > -1], [S, V[:4]]), call([V > 0], [1], 2)],
    "where": [call(M > 0), call(M > 0, M, 0.0)],
    # sorting
    "sort": [call(a, axis=x) for a in (C, TIES, I.reshape(2, 2, 3), HOLES) for x in (-1, 0, 1, None)] + each(Z, F, H, B, E)
    + [call(M, kind="stable"), call(M, stable=True), call(M, kind="heapsort")],
    "partition": [call(C, 2), call(C, (0, 3), axis=-1), call(TIES, 2, axis=0), call(TIES, 4, axis=None), call(M, -1), call(M, [0, -1], 0)],
    "sort_complex": each(M, Z, I, F, M.astype(np.longdouble)),
    "argsort": [call(C, axis=x, kind="stable") for x in (-1, 0, None)] + each(Z),
    "argpartition": [call(V, 2)],
    "lexsort": [call((TIES[0], V)), call(TIES)],
    # quantiles
    "median": [call(a, axis=x, keepdims=k) for a in (C, TIES.reshape(5, 3, 2), HOLES, I.reshape(2, 2, 3)) for x in (None, 0, -1, (0, 2),
               (1, -1)) for k in (False, True)]
    + each(V, F, H, Z, S, B),
    "nanmedian": [call(HOLES, axis=x, keepdims=k) for x in (None, 0, 1, (0, 2)) for k in (False, True)] + each(V, F, I),
    **{name: [call(a, q * scale, axis=x, method=m) for a in (C, TIES)
    for q in (0.3, np.array([0.0, 0.25, 0.5, 0.9, 1.0]), np.array([[0.1, 0.2], [0.7, 1.0]])) for x in (None, 0, -1)
              for m in METHODS]
       + [call(C, q * scale, axis=(0, 2), keepdims=True) for q in (0.3, np.array([0.2, 0.8]))] + [call(a, 0.3 * scale)
          for a in (F, H, I, S, HOLES)]
       + [call(F, np.array([0.3]) * scale), call(I, 1 * scale), call(HOLES, 0.3 * scale, axis=1)]
       + [call(M, [], axis=0), call(I, [0, 1], method="midpoint")]
       + [call(TIES, q * scale, axis=x, method="inverted_cdf", weights=w) for q in (0.4, np.array([0.0, 0.5, 1.0])) for x, w in
          ((None, np.abs(TIES) + 0.5), (0, np.arange(5.0)), (1, np.abs(TIES) + 0.5))]
       for name, scale in (("quantile", 1), ("percentile", 100))},
    **{name: [call(HOLES, q * scale, axis=x, method=m, keepdims=k) for q in (0.3, np.array([0.0, 0.5, 1.0])) for x in (None, 0,
    (1, 2)) for k in (False, True)
              for m in METHODS[:: int(scale**0.5) // 3 or 1]]
       + [call(HOLES[0], 0.4 * scale, axis=0, method="inverted_cdf", weights=np.arange(30.0).reshape(5, 6) + 1),
          call(F, 0.3 * scale), call(F, 0.3 * scale, axis=1), call(H, 0.3 * scale, 0), call(I, 0.3 * scale), call(I, 0.3 * scale, 0)]
       for name, scale in (("nanquantile", 1), ("nanpercentile", 100))},
    # statistics
    "cov": [call(M), call(M, rowvar=False), call(V), call(M, M[::-1]), call(M, bias=True), call(M, ddof=0), call(Z), call(F),
            call(F, dtype=np.float32),
            call(M, fweights=[1, 2, 3, 1]), call(M, aweights=[0.5, 2, 1, 1]),
            call(M, fweights=[1, 2, 3, 1], aweights=[0.5, 2, 1, 1]), call(V, V[::-1]),
            call(M, ddof=0, aweights=[0.5, 2, 1, 1]), call(I)],
    "corrcoef": [call(M), call(M, rowvar=False), call(V), call(V, V**2), call(Z), call(M, dtype=np.float32)],
    "bincount": [call([0, 1, 1, 5]), call([0, 1, 1], [0.5, 1.5, 2]), call([1, 2], minlength=6), call(np.array([], int))],
    "histogram": [call(M), call(M, 4), call(V, [-1, 0, 1]), call(V, 5, density=True), call(V, 3, (0, 2)),
                  call(V, 4, weights=np.arange(6.0))],
    "histogram2d": [call(V, V[::-1], 3)],
    "histogramdd": [call(M, 2)],
    "histogram_bin_edges": [call(V, "auto"), call(V, 4)],
    # places and sets
    "nonzero": each(M, I, B, V),
    "argwhere": each(I, B, V),
    "flatnonzero": each(I, B),
    "searchsorted": [call(np.sort(V), M), call(np.sort(V), 0.0, side="right"), call(V, 0.5, sorter=np.argsort(V))],
    "digitize": [call(M, np.sort(V)), call(V, [0, 1], right=True)],
    "unravel_index": [call([3, 7], (3, 4))],
    "ravel_multi_index": [call(([0, 1], [2, 3]), (3, 4)), call(([[0], [1]], 3), (3, 4))],
    "ix_": [call([0, 1], [2, 3]), call([True, False], [1])],
    "diag_indices": [call(3), call(2, 3)],
    "diag_indices_from": each(M[:, :3]),
    "tril_indices": [call(3), call(3, -1, 4)],
    "triu_indices": [call(3), call(3, 1, 4)],
    "tril_indices_from": [call(M)],
    "triu_indices_from": [call(M, 1)],
    "unique": [call(TIES), call(TIES, return_counts=True, return_inverse=True, return_index=True), call(TIES, axis=0), call(HOLES),
               call(I)],
    "unique_values": each(TIES), "unique_counts": each(TIES), "unique_inverse": each(TIES), "unique_all": each(TIES),
    "isin": [call(I, [1, 2]), call(I, [1, 2], invert=True)],
    "union1d": [call(I, [5, 1])], "intersect1d": [call(I, [5, 1]),
                call(TIES, I, return_indices=True)], "setdiff1d": [call(I, [5, 1])], "setxor1d": [call(I, [5, 1])],
    # grids
    "linspace": [call(0, 1), call(0.0, 2.0, 5, False), call(V[:3], M[0, :3], 4, axis=1), call(1, 2, 1), call(1, 2, 0),
                 call(0, 10, 5, dtype=int), call(0, 1, 5, retstep=True),
                 call(V[:3], 2.0, 4, axis=-1), call(F[0], F[1], 3), call(Z[0], Z[1], 3)],
    "logspace": [call(0, 2, 5), call(0, 2, 5, False, 2.0), call(V[:3], 1.0, 4, axis=1), call(0, 2, 4, base=np.array([2.0, 3.0])),
                 call(0, 2, 3, dtype=np.float32)],
    "geomspace": [call(1, 1000, 4), call(-1.0, -8.0, 4), call(np.array([1.0, 2.0]), 9.0, 5, axis=1), call(1j, 16j, 5),
                  call(1, 256, 9, dtype=int), call(1, 8, 3, False)],
    "meshgrid": [call(V, M[0]), call(V, M[0], indexing="ij"), call(V, M[0], V[:2], sparse=True), call(V), call(),
                 call(V, S, M[0], copy=False)],
    "indices": [call((2, 3)), call((2, 3), float), call((2, 3), sparse=True)],
    "vander": [call(V), call(V, 3), call(V, 4, increasing=True), call([1, 2, 3]), call(V, 0)],
    "tri": [call(3), call(3, 4, 1), call(2, dtype=int)], "identity": [call(3), call(2, int)], "eye": [call(3, k=1)],
    "full": [call((2, 3), 7), call(3, 1.5, np.float32), call((2, 3), V[:3])],
    "full_like": [call(F, 2), call(I, 2.7), call(M, 1, dtype=np.float16), call(M, 2, shape=(3, 1))],
    "zeros_like": [call(M, shape=3), call(I, float, shape=())],
}  # fmt: skip
CASES = [(name, *case) for name, cases in TABLE.items() for case in cases]


def tensors(x):
    """Floating and complex arrays become tensors, also in lists; other arguments stay as they are."""
    if isinstance(x, np.ndarray) and x.dtype.kind in "fc":
        return nd.tensor(x)
    return type(x)(tensors(v) for v in x) if type(x) in (list, tuple) else x


def same(found, expected, what=""):
    if isinstance(expected, (tuple, list)):
        assert type(found) is type(expected) or not hasattr(expected, "_fields"), what
        assert len(found) == len(expected), what
        for f, e in zip(found, expected):
            same(f, e, what)
    elif isinstance(expected, (np.ndarray, np.generic)):
        assert isinstance(found, nd.Tensor), what
        both = found.shape, found.dtype, expected.shape, expected.dtype
        assert both[:2] == both[2:], (what, *both)
        fine = {"e": 2e-3, "f": 1e-5, "F": 1e-5}.get(expected.dtype.char, 1e-12)
        np.testing.assert_allclose(found.data, expected, rtol=fine, atol=fine, err_msg=what)
    else:
        assert found == expected, what


@in_turn("name", TABLE)
def test_values_are_numpys(name):
    for args, kwargs in TABLE[name]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of NaN and of nothing; NumPy warns alike
            expected = getattr(np, name)(*args, **kwargs)
            found = getattr(nd, name)(*map(tensors, args), **{k: tensors(v) for k, v in kwargs.items()})
        same(found, expected, f"{name}{args}{kwargs}"[:400])


def converted(x, dtype):
    if isinstance(x, np.ndarray) and x.dtype.kind in "fc":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of imaginary parts and NaN that are lost
            return (x * 3).astype(dtype)
    return type(x)(converted(v, dtype) for v in x) if type(x) in (list, tuple) else x


@pytest.mark.parametrize("dtype", [np.float32, np.complex64, np.int64, np.uint8, bool])
def test_other_dtypes_give_numpys_values_or_are_refused_where_numpy_refuses(dtype):
    for number, (name, given, kwargs) in enumerate(CASES):
        args = [converted(a, dtype) for a in given]
        what = f"{name} number {number}, {kwargs}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                expected = getattr(np, name)(*args, **kwargs)
            except Exception as error:
                with pytest.raises((type(error), TypeError, ValueError, IndexError)):
                    getattr(nd, name)(*map(tensors, args), **kwargs)
            else:
                same(getattr(nd, name)(*map(tensors, args), **kwargs), expected, what)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_a_function_of_slices_is_applied_to_each(axis):
    def weigh(line, by=2.0):
        return np.stack([line * by, line**2], 1) if axis else line[0] * line[-1]

    x = nd.tensor(C, requires_grad=True)
    for apply in (nd.apply_along_axis, np.apply_along_axis):
        y = apply(weigh, axis, x, by=3.0)
        same(y, np.apply_along_axis(weigh, axis, C, by=3.0))
        assert y.requires_grad
    nd.testing.check_grads(lambda x: nd.apply_along_axis(weigh, axis, x), [C])
    same(nd.apply_along_axis(nd.sum, 1, np.ones((4, 0))), np.zeros(4))
    same(nd.apply_over_axes(np.sum, x, (0, 2)), np.apply_over_axes(np.sum, C, (0, 2)))
    nd.testing.check_grads(lambda x: nd.apply_over_axes(lambda x, axis: nd.prod(x, axis), x, (0, -1)), [C])


NOT_DISPATCHED = {"tri", "identity", "eye", "full", "indices", "diag_indices", "tril_indices", "triu_indices", "broadcast_shapes"}


def test_numpys_own_words_and_order_for_arguments_are_understood():
    x = nd.tensor(M, requires_grad=True)
    for f in (
        lambda x: np.sort(a=x, axis=0),
        lambda x: np.tile(A=x, reps=2),
        lambda x: np.pad(array=x, pad_width=1, mode="reflect", reflect_type="odd"),
        lambda x: np.quantile(x, 0.5, 0, None, False, "hazen", True),
        lambda x: np.median(x, 0, None, False, True),
        lambda x: np.take(x, [7], 0, None, "wrap"),
        lambda x: np.flip(m=x, axis=1),
        lambda x: np.repeat(a=x, repeats=2, axis=0),
        lambda x: np.cov(m=x, rowvar=False),
        lambda x: np.broadcast_to(array=x, shape=(2, 3, 4)),
        lambda x: np.unstack(x, axis=1)[0],
        lambda x: np.expand_dims(a=x, axis=0),
    ):
        y = f(x)
        same(y, f(M))
        assert y.requires_grad
    with pytest.raises(TypeError, match="np.median: cannot write"):
        np.median(x, axis=0, out=np.zeros(4))
    with pytest.raises(TypeError, match="np.median"):
        np.median(x, 0, None, True)


@in_turn("name", [n for n in TABLE if n not in NOT_DISPATCHED])
def test_numpys_function_on_tensors_is_ours(name):
    for args, kwargs in TABLE[name]:
        given = [tensors(a) for a in args]
        if any(isinstance(a, nd.Tensor) for a in given):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                same(getattr(np, name)(*given, **kwargs), getattr(np, name)(*args, **kwargs), f"{name}{args}{kwargs}"[:400])


@pytest.mark.parametrize("dtype", ["f4", "f8", "c8"])
def test_many_numbers_are_reshaped_from_any_memory(dtype):
    """A view where NumPy gives one, else a copy."""
    a = rng.integers(-9, 9, (8, 33, 40, 17)).astype(dtype)
    for view in (a.transpose(0, 2, 3, 1), a[:, ::-1], a[::2, :, ::-3], np.broadcast_to(a[:1], a.shape), a.swapaxes(2, 3)):
        x = nd.tensor(view)
        assert np.array_equal(nd.reshape(x, (len(view), -1)).data, view.reshape(len(view), -1))
        assert np.array_equal(nd.ravel(x).data, view.ravel())
    x = nd.tensor(a.real, requires_grad=True).transpose(0, 2, 3, 1)
    assert np.shares_memory(nd.reshape(x, (8, 40, 17, 3, 11)).data, x.data)
    part = nd.reshape(x[1], (-1,))
    grad = nd.gradients(nd.sum(part * part), x)
    expected = np.zeros(x.shape)
    expected[1] = 2 * x.data[1]
    assert np.array_equal(grad.data, expected)
