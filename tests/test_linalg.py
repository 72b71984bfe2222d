"""Linear algebra and einsum: NumPy's values, types and errors; derivatives at the points where they are not plain."""

import itertools

import numpy as np
import pytest
from in_turn import in_turn

import tinygrad_nd as nd
from tinygrad_nd.testing import check_grads

L, NL = nd.linalg, np.linalg
LinAlgError = np.linalg.LinAlgError
rng = np.random.default_rng(0)


def normal(*shape):
    return rng.standard_normal(shape)


def z(*shape):
    return normal(*shape) + 1j * normal(*shape)


def definite(a):
    return a @ np.conj(a.swapaxes(-1, -2)) + np.eye(a.shape[-1], dtype=a.dtype)


def agree(f, expected, *arrays):
    """Both on tensors and through NumPy's dispatch, values, shapes and dtypes are NumPy's."""
    want = expected(*arrays)
    for call in (f, expected) if f is not expected else (f,):
        got = call(*(nd.tensor(a) if isinstance(a, np.ndarray) else a for a in arrays))
        for g, w in zip(got if isinstance(got, tuple) else (got,), want if isinstance(want, tuple) else (want,)):
            w = np.asarray(w)
            assert isinstance(g, nd.Tensor | np.integer) and g.shape == w.shape and g.dtype == w.dtype
            single = w.dtype.char in "fF"
            np.testing.assert_allclose(np.asarray(g), w, rtol=1e-4 if single else 1e-11, atol=1e-5 if single else 1e-12)


SQUARE = [normal(3, 3), z(3, 3), normal(2, 4, 3, 3), z(2, 3, 3), normal(0, 3, 3), normal(0, 0), normal(2, 0, 0),
          (normal(3, 3) + 3 * np.eye(3)).astype(np.float32), np.arange(9).reshape(3, 3) ** 2 % 7]  # fmt: skip
OBLONG = [normal(4, 3), normal(3, 4), z(2, 4, 3), z(2, 3, 4), normal(3, 3), normal(0, 3), normal(3, 0), normal(2, 0, 3),
          normal(4, 3).astype(np.float32), z(3, 4).astype(np.complex64), normal(4, 6)[::-1, ::2], normal(3, 2).T]  # fmt: skip


def test_the_rank_of_a_vector_is_a_number_in_half_precision_too():
    assert nd.linalg.matrix_rank(np.ones(3, np.float16)).tolist() == 1


@pytest.mark.parametrize("a", SQUARE, ids=lambda a: f"{a.dtype}{a.shape}")
def test_functions_of_square_matrices(a):
    for name in "inv det slogdet eig eigvals svdvals matrix_norm matrix_rank".split():
        agree(getattr(L, name), getattr(NL, name), a)
    for n in (0, 1, 2, 5, -1, -3):
        agree(lambda a: L.matrix_power(a, n), lambda a: NL.matrix_power(a, n), a)
    for uplo in "LU":
        agree(lambda a: L.eigvalsh(a, uplo), lambda a: NL.eigvalsh(a, uplo), a)
    if a.dtype.kind != "i":
        s, b = definite(a), normal(a.shape[-1], 2).astype(a.dtype)
        for name in "cholesky eigh eigvalsh".split():
            agree(getattr(L, name), getattr(NL, name), s)
        agree(lambda a: L.cholesky(a, upper=True), lambda a: NL.cholesky(a, upper=True), s)
        agree(L.solve, NL.solve, a, b)
        agree(L.solve, NL.solve, a, b[:, 0])
    if a.size:
        for p in (None, 1, -1, 2, -2, np.inf, -np.inf, "fro"):
            agree(lambda a: L.cond(a, p), lambda a: NL.cond(a, p), a)


@pytest.mark.parametrize("a", OBLONG, ids=lambda a: f"{a.dtype}{a.shape}")
def test_functions_of_oblong_matrices(a):
    for mode in ("reduced", "complete", "r"):
        agree(lambda a: L.qr(a, mode), lambda a: NL.qr(a, mode), a)
    for full in (True, False):
        agree(lambda a: L.svd(a, full_matrices=full), lambda a: NL.svd(a, full_matrices=full), a)
    agree(lambda a: L.svd(a, compute_uv=False), lambda a: NL.svd(a, compute_uv=False), a)
    agree(L.pinv, NL.pinv, a)
    agree(lambda a: L.pinv(a, rtol=None), lambda a: NL.pinv(a, rtol=None), a)
    if a.ndim == 2:
        for b, rcond in itertools.product((normal(len(a)), normal(len(a), 2)), (None, -1, 1e-3)):
            agree(lambda a, b: L.lstsq(a, b, rcond), lambda a, b: NL.lstsq(a, b, rcond), a, b.astype(a.dtype))


@pytest.mark.parametrize("x", [normal(4), normal(3, 4), z(3, 4), normal(2, 3, 4), normal(0, 3), z(2, 3).astype(np.complex64)], ids=np.shape)
@in_turn("ord", [None, 0, 1, -1, 2, -2, 3, 0.5, np.inf, -np.inf, "fro", "nuc"])
def test_norms_or_their_refusal(x, ord):
    for axis, keepdims in itertools.product((None, 0, -1, (0, 1), (1, 0), (-1, 0)), (False, True)):
        with np.errstate(all="ignore"):
            try:
                expected = NL.norm(x, ord, axis, keepdims)
            except ValueError as error:
                with pytest.raises(type(error), match="norm: "):
                    L.norm(nd.tensor(x), ord, axis, keepdims)
                continue
            found = L.norm(nd.tensor(x), ord, axis, keepdims)
        assert found.shape == expected.shape and found.dtype == expected.dtype
        np.testing.assert_allclose(found.data, expected, rtol=1e-5)


@pytest.mark.parametrize("x", [normal(3, 4), normal(2, 3, 4), z(4, 3), np.ones((3, 3), bool)], ids=lambda a: f"{a.dtype}{a.shape}")
@in_turn("k", [0, 1, -1, 2, -3, 5])
def test_diagonals_and_triangles(x, k):
    for name in ("tril", "triu", "diagflat"):
        agree(lambda a: getattr(nd, name)(a, k), lambda a: getattr(np, name)(a, k), x)
    for axes in ((0, 1), (1, 0), (-1, 0)):
        agree(lambda a: nd.diagonal(a, k, *axes), lambda a: np.diagonal(a, k, *axes), x)
        agree(lambda a: nd.trace(a, k, *axes), lambda a: np.trace(a, k, *axes), x)
    agree(lambda a: L.diagonal(a, offset=k), lambda a: NL.diagonal(a, offset=k), x)
    agree(lambda a: L.trace(a, offset=k), lambda a: NL.trace(a, offset=k), x)
    agree(lambda a: nd.diag(a, k), lambda a: np.diag(a, k), x[..., 0] if x.ndim == 3 else x)
    agree(lambda a: nd.diag(a, k), lambda a: np.diag(a, k), x.ravel()[:3])


def test_products():
    for a, b in ((normal(3, 4), normal(2, 2)), (normal(3), normal(2, 2)), (normal(2, 3, 4), normal(5, 1)), (np.array(2.0), z(3))):
        agree(nd.kron, np.kron, a, b)
    agree(nd.vdot, np.vdot, z(3, 4), z(12))
    for a, b in ((normal(3, 4), normal(4)), (z(2, 1, 3), z(5, 3)), (normal(0), normal(0)), (np.arange(3), np.arange(3))):
        agree(nd.vecdot, np.vecdot, a, b)
        agree(L.vecdot, NL.vecdot, a, b)
    agree(nd.matvec, np.matvec, z(2, 3, 4), z(4))
    agree(nd.vecmat, np.vecmat, z(3), z(2, 3, 4))
    agree(L.outer, NL.outer, z(3), z(4))
    agree(L.cross, NL.cross, normal(4, 3), normal(3))
    agree(lambda a, b: L.tensordot(a, b, axes=1), lambda a, b: NL.tensordot(a, b, axes=1), normal(3, 4), normal(4, 2))
    for shapes in (((3,), (3, 5), (5, 2), (2,)), ((10, 3), (3, 5), (5, 2), (2, 7)), ((10, 3), (3, 5), (5,)), ((3, 4), (4, 2))):
        agree(lambda *a: L.multi_dot(a), lambda *a: NL.multi_dot(a), *(normal(*s) for s in shapes))
    agree(L.tensorsolve, NL.tensorsolve, normal(6, 4, 2, 3, 4), normal(6, 4))
    agree(lambda a, b: L.tensorsolve(a, b, (0, 2)), lambda a, b: NL.tensorsolve(a, b, (0, 2)), normal(3, 6, 2, 1), normal(6, 1))
    agree(L.tensorinv, NL.tensorinv, normal(4, 6, 8, 3))


def test_what_numpy_does_not_have_agrees_with_scipy():
    scipy = pytest.importorskip("scipy.linalg")
    for a in (
        normal(3, 3),
        z(2, 3, 3),
        normal(4, 4) * 10,
        np.triu(normal(4, 4), 1),
        np.zeros((2, 2)),
        normal(0, 0),
        np.array([[0, 1e9], [0, 0]]),
    ):
        np.testing.assert_allclose(L.expm(a).data, scipy.expm(a), rtol=1e-9, atol=1e-9)
    a, b = z(3, 3) + 3 * np.eye(3), normal(3, 2)
    for lower, trans, unit in itertools.product((False, True), (0, 1, 2, "N", "T", "C"), (False, True)):
        np.testing.assert_allclose(L.solve_triangular(a, b, trans, lower, unit).data, scipy.solve_triangular(a, b, trans, lower, unit))
    for lower in (False, True):
        factor = scipy.cho_factor(definite(a), lower=lower)
        np.testing.assert_allclose(L.cho_solve(factor, b).data, scipy.cho_solve(factor, b))


# Einsum.

EINSUMS = """
    ij,jk:2,3:3,4 ij,jk->ki:2,3:3,4 ii:3,3 ii->i:3,3 ijj->i:2,3,3 ijij->ji:2,3,2,3 iii->:3,3,3 ij->ji:2,3 ij->:2,3 ba:2,3 i,i:3:3
    i,j->ji:3:2 ...ij,...jk:2,1,2,3:5,3,4 ...i,...i->...:2,3:3 i...->...i:2,3,4 b...i,bij->b...j:2,4,5,3:2,3,6 ij,ij->i:2,3:2,3
    ij,jk:2,1:3,4 ij,ij->ij:2,1:1,3 ij,jk,kl->il:2,3:3,4:4,5 i,ij,j:3:3,4:4 ...,...:2,3:3 ,i::3 a,b,c->cba:2:3:4 aab,bc->ac:2,2,3:3,4
    ijk,kj->i:2,3,4:4,3 ij,kj->ik:0,3:2,3 ij,jk->ik:2,0:0,3 i...i->...:3,2,3 ij->...:2,3 zA,Az:2,3:3,2 ij,jk,ik->ijk:2,3:3,4:2,4
    ij,jk:2,3:4,5 ij:2 ij,jk:2,3 ij->ijk:2,3 ij->ii:2,3 i.j:2,3 1j:2,3 ...ij->ij:2,3,4 ii->i:1,3 ij->i->j:2,3
"""


@pytest.mark.parametrize("kind", ["f", "F", "i"])
@in_turn("case", EINSUMS.split())
def test_einsum_is_numpys(case, kind):
    subscripts, *shapes = case.split(":")
    arrays = [(5 * z(*(int(n) for n in s.split(",") if n))) for s in shapes]
    arrays = [np.asarray(a if kind == "F" else a.real.astype(int) if kind == "i" else a.real) for a in arrays]
    try:
        expected = np.asarray(np.einsum(subscripts, *arrays))
    except ValueError:
        with pytest.raises(ValueError, match="einsum: "):
            nd.einsum(subscripts, *map(nd.tensor, arrays))
        return
    for f, options in itertools.product((nd.einsum, np.einsum), ({}, {"optimize": True}, {"optimize": False}, {"optimize": "optimal"})):
        found = f(subscripts, *map(nd.tensor, arrays), **options)
        assert found.shape == expected.shape and found.dtype == expected.dtype
        np.testing.assert_allclose(found.data, expected, rtol=1e-9, atol=1e-9)


def test_einsum_in_the_form_of_lists_and_with_a_path():
    a, b, c = nd.tensor(normal(2, 3)), nd.tensor(normal(3, 4)), nd.tensor(normal(4, 2))
    for lists in ((a, [0, 1], b, [1, 2]), (a, [0, 1], b, [1, 2], [2, 0]), (a, [Ellipsis, 1], b, [1, 2], [Ellipsis, 2]), (a, [5, 3])):
        expected = np.einsum(*(x.data if isinstance(x, nd.Tensor) else x for x in lists))
        np.testing.assert_allclose(nd.einsum(*lists).data, expected)
    path = nd.einsum_path("ij,jk,kl", a, b, c)[0]
    for optimize in (path, ["einsum_path", (0, 1, 2)], ["einsum_path", (0, 2), (0, 1)]):
        np.testing.assert_allclose(nd.einsum("ij,jk,kl", a, b, c, optimize=optimize).data, a.data @ b.data @ c.data)
    with pytest.raises(ValueError, match="greedy"):
        nd.einsum("ij,jk,kl", a, b, c, optimize="nope")


def test_einsum_computes_in_the_dtype_asked_for_and_else_in_its_operands():
    a = np.full((2, 2), 100, np.int8)
    assert nd.einsum("ij->i", a).dtype == np.einsum("ij->i", a).dtype == np.int8
    assert nd.einsum("ij->i", a > 0).tolist() == [True, True]
    assert nd.einsum("ij->i", a, dtype=float).tolist() == [200.0, 200.0]
    with pytest.raises(TypeError, match="einsum: .*float64.*float32"):
        nd.einsum("ij->i", a.astype(float), dtype=np.float32)


# Derivatives at particular points.


def test_equal_eigenvalues_and_singular_values_have_derivatives_by_themselves():
    eye, move = np.eye(3), normal(3, 3)
    weights = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(nd.grad(lambda a: (L.eigvalsh(a) * weights).sum())(eye).data, np.diag(weights))
    np.testing.assert_allclose(nd.grad(lambda a: L.eigh(a)[0].sum())(eye).data, eye)
    np.testing.assert_allclose(nd.grad(lambda a: L.svdvals(a).sum())(eye).data, eye, atol=1e-12)
    np.testing.assert_allclose(nd.jvp(L.eigvalsh, [eye], [move])[1].data, np.diag(move))
    assert np.isfinite(nd.grad(lambda a: nd.square(L.svd(a)[1]).sum())(np.zeros((3, 2))).data).all()


def test_a_projector_on_one_eigenvector_does_not_mind_that_others_are_degenerate():
    def largest(a):
        v = L.eigh(a).eigenvectors[:, -1:]
        return v @ v.mT

    a = np.diag([1.0, 1.0, 3.0])
    check_grads(lambda x: largest(x + x.mT), [a / 2], order=1)


@pytest.mark.parametrize("ord", [None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])
def test_the_slope_of_a_norm_is_0_at_0(ord):
    assert not nd.grad(lambda a: L.norm(a, ord))(np.zeros((2, 3))).data.any()


@pytest.mark.parametrize("ord", [0, 0.5, 1, 1.5, 2, 3, -1, np.inf])
def test_the_slope_of_a_norm_of_vectors_is_0_at_0_and_finite_beside(ord):
    slope = nd.grad(lambda a: L.vector_norm(a, ord=ord, axis=1).sum())(np.array([[0.0, 0.0], [0.0, 2.0]])).data
    assert np.isfinite(slope).all() and not slope[0].any()
    assert slope[1, 1] == pytest.approx(0 if ord in (0, -1) else 1, rel=1e-14)


@pytest.mark.parametrize("a", [np.ones((3, 3)), np.arange(9.0).reshape(3, 3), np.zeros((2, 2)), np.diag([1.0, 2.0, 0.0])], ids=np.shape)
def test_the_determinant_is_a_polynomial_also_where_it_is_0(a):
    check_grads(L.det, [a], order=3, rtol=1e-4)


def test_a_branch_not_taken_has_no_gradient_though_the_matrix_is_singular():
    a = np.stack([np.ones((2, 2)), 2 * np.eye(2)])
    slope = nd.grad(lambda a: nd.where(L.det(a) > 0, L.slogdet(a).logabsdet, 0.0).sum())(a)
    np.testing.assert_allclose(slope.data, [np.zeros((2, 2)), np.eye(2) / 2])
    assert np.isinf(nd.grad(lambda a: L.slogdet(a)[1])(np.ones((2, 2))).data).all()


def test_gradients_of_hermitian_functions_are_hermitian_and_agree_with_differences():
    s = definite(z(3, 3))
    for f in (L.cholesky, L.eigvalsh):
        check_grads(f, [s])
        x = nd.tensor(s, requires_grad=True)
        nd.abs(f(x)).sum().backward()
        np.testing.assert_allclose(x.grad.data, np.conj(x.grad.data.T))


def test_the_pseudo_inverse_and_least_squares_at_less_than_full_rank():
    """Along the matrices of that rank the derivative is the one of the definition."""
    u, v, b = normal(4, 2), normal(2, 3), normal(4)
    check_grads(lambda u: L.pinv(u @ v, 1e-8), [u])
    check_grads(lambda u, b: L.lstsq(u @ v, b, 1e-8)[0], [u, b])


def test_the_exponential_scales_its_derivative_not_its_effort():
    a, g = normal(3, 3), normal(3, 3)
    small = nd.vjp(L.expm, a)[1](g)[0]
    large = nd.vjp(L.expm, a)[1](g * 1e30)[0]
    np.testing.assert_allclose(large.data, small.data * 1e30, rtol=1e-12)


# Errors.


@in_turn(
    "call, kind, says",
    [
        (lambda t: L.inv(t(2, 3)), LinAlgError, r"inv: .*\(2, 3\)"),
        (lambda t: L.inv(t(2, 2)), LinAlgError, r"inv: Singular matrix.*\(2, 2\)"),
        (lambda t: L.det(t(3)), LinAlgError, r"det: .*\(3,\)"),
        (lambda t: L.cholesky(-t(2, 2)), LinAlgError, r"cholesky: .*positive definite"),
        (lambda t: L.svd(t(2, 2) * np.nan), LinAlgError, r"svd: .*\(2, 2\)"),
        (lambda t: L.solve(t(2, 2), t(3)), ValueError, r"solve: .*\(2, 2\).*\(3,\)"),
        (lambda t: L.lstsq(t(2, 2), t(3)), LinAlgError, r"lstsq: .*\(2, 2\).*\(3,\)"),
        (lambda t: L.eigh(t(2, 2), "X"), ValueError, "eigh: UPLO"),
        (lambda t: L.qr(t(2, 2), "raw"), ValueError, "qr: mode"),
        (lambda t: L.matrix_power(t(2, 2), 1.5), TypeError, "matrix_power: .*1.5"),
        (lambda t: L.matrix_power(t(2, 2), -1), LinAlgError, "matrix_power: .*Singular"),
        (lambda t: L.multi_dot([t(2, 2)]), ValueError, "multi_dot: .*two"),
        (lambda t: L.multi_dot([t(2, 2), t(3, 3), t(3, 3)]), ValueError, r"multi_dot: .*\(2, 2\).*\(3, 3\)"),
        (lambda t: L.tensorsolve(t(2, 3), t(2)), LinAlgError, r"tensorsolve: .*\(2, 3\)"),
        (lambda t: L.tensorinv(t(2, 2), 0), ValueError, "tensorinv: ind"),
        (lambda t: L.matrix_norm(t(2, 2), ord=3), ValueError, "matrix_norm: ord"),
        (lambda t: L.outer(t(2, 2), t(2)), ValueError, r"outer: .*\(2, 2\)"),
        (lambda t: nd.vdot(t(2), t(3)), ValueError, "vdot: .*2 and 3"),
        (lambda t: nd.vecdot(t(2), t(3)), ValueError, r"vecdot: .*\(2,\).*\(3,\)"),
        (lambda t: nd.dot(t(2, 3), t(2, 3)), ValueError, r"dot: .*\(2, 3\)"),
        (lambda t: nd.diag(t(2, 2, 2)), ValueError, r"diag: .*\(2, 2, 2\)"),
        (lambda t: nd.trace(t(2)), ValueError, r"trace: .*\(2,\)"),
        (lambda t: nd.diagonal(t(2, 2), 0, 1, 1), ValueError, "diagonal: .*same axis"),
        (lambda t: L.inv([["a", "b"], ["c", "d"]]), TypeError, "inv: needs numbers"),
        (lambda t: L.norm(np.array([None])), TypeError, "norm: needs numbers"),
        (lambda t: L.norm(t(2), None, 3), np.exceptions.AxisError, "norm: axis=3"),
    ],
)
def test_errors_are_numpys_and_name_function_and_shapes(call, kind, says):
    with pytest.raises(kind, match=f"^{says}"):
        call(lambda *shape: nd.ones(shape))


def test_half_precision_is_kept_though_lapack_has_none():
    a = (normal(3, 3) + 3 * np.eye(3)).astype(np.float16)
    for f in (L.inv, L.svdvals, L.det, L.expm, lambda a: L.qr(a)[1]):
        x = nd.tensor(a, requires_grad=True)
        y = f(x)
        y.sum().backward()
        assert y.dtype == x.grad.dtype == np.float16
        np.testing.assert_allclose(y.data, f(a.astype(float)).data, rtol=1e-2, atol=1e-2)


def test_long_doubles_keep_their_digits_in_norms_and_ramps():
    x = np.arange(1, 4, dtype=np.longdouble) / 3
    assert nd.linalg.norm(x, 3).data == np.linalg.norm(x, 3)
    ramp = nd.pad(x, 3, "linear_ramp", end_values=x[1]).data - np.pad(x, 3, "linear_ramp", end_values=x[1])
    assert abs(ramp).max() <= np.finfo(np.longdouble).eps


def test_matrices_of_unlike_precision_are_solved_in_the_finer():
    a, b = (normal(3, 3) + 3 * np.eye(3)).astype(np.float16), normal(3, 2)
    for f in (L.solve, L.solve_triangular, lambda a, b: L.lstsq(a, b)[0]):
        x, exact = (nd.vjp(lambda b: f(a, b), b) for a in (a, a.astype(float)))  # noqa: B023
        np.testing.assert_allclose(x[0].data, exact[0].data, 1e-12)
        np.testing.assert_allclose(x[1](b)[0].data, exact[1](b)[0].data, 1e-12)
