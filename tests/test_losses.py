"""Losses: PyTorch's values and derivatives over their arguments, exact tails, both engines, and errors instead of broadcasts."""

from itertools import product
from math import exp, inf, log, log1p

import numpy as np
import peers
import pytest
from in_turn import in_turn

import tinygrad_nd as nd
from tinygrad_nd.kernels import losses
from tinygrad_nd.testing import check_grads

pytestmark = pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")  # PyTorch's, about its own kl_div
RNG = np.random.default_rng(9)
REDUCTIONS = ("mean", "sum", "none")
SHAPES = [(), (5,), (3, 4), (2, 3, 4), (2, 3, 1, 2)]


def normal(shape):
    return RNG.standard_normal(shape) * 2


def unit(shape):
    return 0.02 + 0.96 * RNG.random(shape)


def signs(shape):
    return np.where(RNG.random(shape) < 0.5, -1.0, 1.0)


# name, the arguments beside reduction, what makes each input, and which of them are differentiable in PyTorch
POINTWISE = [
    ("mse_loss", {}, (normal, normal), 2),
    ("l1_loss", {}, (normal, normal), 2),
    ("smooth_l1_loss", {}, (normal, normal), 2),
    ("smooth_l1_loss", {"beta": 0.3}, (normal, normal), 2),
    ("smooth_l1_loss", {"beta": 0.0}, (normal, normal), 2),
    ("huber_loss", {}, (normal, normal), 2),
    ("huber_loss", {"delta": 0.3}, (normal, normal), 2),
    ("binary_cross_entropy", {}, (unit, unit), 2),
    ("binary_cross_entropy_with_logits", {}, (normal, unit), 2),
    ("kl_div", {}, (normal, unit), 2),
    ("kl_div", {"log_target": True}, (normal, normal), 2),
    ("poisson_nll_loss", {}, (normal, unit), 2),
    ("poisson_nll_loss", {"full": True}, (normal, lambda s: 5 * unit(s)), 1),
    ("poisson_nll_loss", {"log_input": False, "full": True}, (unit, lambda s: 5 * unit(s)), 1),
    ("soft_margin_loss", {}, (normal, signs), 1),
    ("hinge_embedding_loss", {}, (normal, signs), 1),
    ("hinge_embedding_loss", {"margin": 2.5}, (normal, signs), 1),
    ("margin_ranking_loss", {"margin": 0.4}, (normal, normal, signs), 2),
    ("gaussian_nll_loss", {}, (normal, normal, unit), 3),
    ("gaussian_nll_loss", {"full": True, "eps": 0.3}, (normal, normal, unit), 3),
]


@pytest.mark.peer("losses", "torch", ranks=(0, 1, 2, 3, 4), order=2)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name, keywords, makers, free", POINTWISE, ids=[f"{r[0]}{r[1] or ''}" for r in POINTWISE])
def test_losses_of_pairs_are_pytorchs(name, keywords, makers, free, reduction, torch):
    if name == "margin_ranking_loss":
        shapes = SHAPES[1:2]  # PyTorch takes vectors; more axes below
    else:
        shapes = SHAPES[1:] if name == "gaussian_nll_loss" else SHAPES
    for shape in shapes:
        arrays = [make(shape) for make in makers]
        ours = lambda *xs: getattr(nd, name)(*xs, *arrays[free:], **keywords, reduction=reduction)  # noqa: B023
        fixed = [torch.tensor(a) for a in arrays[free:]]
        theirs = lambda *xs: getattr(torch.nn.functional, name)(*xs, *fixed, **keywords, reduction=reduction)  # noqa: B023
        peers.equal_torch(ours, theirs, arrays[:free], name=name)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "hinge_embedding_loss", "margin_ranking_loss"])
def test_kinks_are_pytorchs(name, torch):
    x, t = np.array([1.0, 0.0, 2.0, 1.0, -1.0]), np.array([1.0, 1.0, 1.0, -1.0, 0.0])
    f, g = getattr(nd, name), getattr(torch.nn.functional, name)
    fixed = torch.tensor(t)
    if name == "margin_ranking_loss":
        peers.equal_torch(lambda x: f(x, t, t), lambda x: g(x, fixed, fixed), [x])
    else:
        peers.equal_torch(lambda x: f(x, t), lambda x: g(x, fixed), [x], 1)


def test_more_of_kl_and_gaussian(torch):
    F, x, t = torch.nn.functional, normal((3, 4)), unit((3, 4))
    peers.equal_torch(lambda x, t: nd.kl_div(x, t, reduction="batchmean"), lambda x, t: F.kl_div(x, t, reduction="batchmean"), [x, t])
    zero = np.where(t > 0.5, t, 0.0)
    fixed = torch.tensor(zero)
    peers.equal_torch(lambda x: nd.kl_div(x, zero), lambda x: F.kl_div(x, fixed), [x])
    for v in (unit((3,)), unit((3, 1))):
        peers.equal_torch(nd.gaussian_nll_loss, F.gaussian_nll_loss, [x, t, v])


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_weights_of_binary_losses_are_pytorchs(reduction, torch):
    F, x, t, w, pos = torch.nn.functional, normal((2, 3, 4)), unit((2, 3, 4)), unit((3, 4)), 3 * unit(4)
    W, P = torch.tensor(w), torch.tensor(pos)
    k = {"reduction": reduction}
    peers.equal_torch(lambda x, t: nd.binary_cross_entropy(unitary(x), t, w, **k),
                      lambda x, t: F.binary_cross_entropy(torch.sigmoid(x), t, W, **k), [x, t], tol=1e-9)  # fmt: skip
    name = "binary_cross_entropy_with_logits"
    for ours, theirs in (({"weight": w}, {"weight": W}), ({"pos_weight": pos}, {"pos_weight": P}), ({"weight": w, "pos_weight": pos},
                         {"weight": W, "pos_weight": P})):  # fmt: skip
        f = lambda x, t: getattr(nd, name)(x, t, **ours, **k)  # noqa: B023
        peers.equal_torch(f, lambda x, t: getattr(F, name)(x, t, **theirs, **k), [x, t])  # noqa: B023


def unitary(x):
    return nd.sigmoid(x)


# Class labels.


@pytest.mark.peer("losses", "torch", ranks=(0, 1, 2, 3), order=2)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(4,), (5, 4), (3, 4, 2), (2, 4, 3, 2), (2, 4, 2, 1, 3)])
def test_losses_of_labels_are_pytorchs(shape, reduction, torch):
    F, x, w = torch.nn.functional, normal(shape), unit(4)
    labels = RNG.integers(0, 4, shape[:1] + shape[2:] if len(shape) > 1 else ())
    L, W = torch.tensor(labels), torch.tensor(w)
    for ignored in (-100, int(labels.flat[0])):
        for weight, theirs in ((None, None), (w, W)):
            if ignored != -100 and reduction == "mean" and (labels == ignored).all():
                continue
            k = {"ignore_index": ignored, "reduction": reduction}
            peers.equal_torch(lambda x: nd.nll_loss(x, labels, weight, **k), lambda x: F.nll_loss(x, L, theirs, **k), [x])  # noqa: B023
            for smoothing in (0.0, 0.3, 1.0):
                s = {"label_smoothing": smoothing, **k}
                f = lambda x: nd.cross_entropy(x, labels, weight, **s)  # noqa: B023
                peers.equal_torch(f, lambda x: F.cross_entropy(x, L, theirs, **s), [x])  # noqa: B023


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(4,), (5, 4), (2, 4, 3, 2)])
def test_cross_entropy_against_probabilities_is_pytorchs(shape, reduction, torch):
    F, x, t, w = torch.nn.functional, normal(shape), unit(shape), unit(4)
    W = torch.tensor(w)
    for weight, theirs in ((None, None), (w, W)):
        for smoothing in (0.0, 0.3):
            k = {"label_smoothing": smoothing, "reduction": reduction}
            f = lambda x, t: nd.cross_entropy(x, t, weight, **k)  # noqa: B023
            peers.equal_torch(f, lambda x, t: F.cross_entropy(x, t, theirs, **k), [x, t])  # noqa: B023


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_margins_of_classes_are_pytorchs(reduction, torch):
    F = torch.nn.functional
    for shape in ((4,), (5, 4)):
        x, w = normal(shape), unit(4)
        x.flat[0] = x.flat[1] + 1  # on the margin
        labels, W = RNG.integers(0, 4, shape[:1] if len(shape) > 1 else ()), torch.tensor(w)
        L = torch.tensor(labels)
        for p in (1, 2):
            for weight, theirs in ((None, None), (w, W)):
                k = {"p": p, "margin": 0.7, "reduction": reduction}
                f = lambda x: nd.multi_margin_loss(x, labels, weight, **k)  # noqa: B023
                peers.equal_torch(f, lambda x: F.multi_margin_loss(x, L, weight=theirs, **k), [x], 1)  # noqa: B023
        many = np.array([[0, 2, -1, 1], [3, -1, 3, 3], [-1, 0, 0, 0], [0, 1, 2, 3], [2, 2, 1, -1]])[: len(x)]
        many = many if x.ndim > 1 else many[0]
        M = torch.tensor(many)
        k = {"reduction": reduction}
        f = lambda x: nd.multilabel_margin_loss(x, many, **k)  # noqa: B023
        peers.equal_torch(f, lambda x: F.multilabel_margin_loss(x, M, **k), [x], 1)  # noqa: B023
        t = unit(shape)
        T = torch.tensor(t)
        for weight, theirs in ((None, None), (w, W)):
            f = lambda x: nd.multilabel_soft_margin_loss(x, t, weight, **k)  # noqa: B023
            peers.equal_torch(f, lambda x: F.multilabel_soft_margin_loss(x, T, theirs, **k), [x])  # noqa: B023


# Vectors.


@pytest.mark.peer("losses", "torch", ranks=(0, 1), order=2)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_losses_of_vectors_are_pytorchs(reduction, torch):
    F = torch.nn.functional
    for lead in ((), (5,)):
        a, b, c = (normal((*lead, 6)) for _ in range(3))
        t = signs(lead)
        T = torch.tensor(t)
        for margin in (0.0, -0.4):
            k = {"margin": margin, "reduction": reduction}
            f = lambda a, b: nd.cosine_embedding_loss(a, b, t, **k)  # noqa: B023
            peers.equal_torch(f, lambda a, b: F.cosine_embedding_loss(a, b, T, **k), [a, b])  # noqa: B023
        for p, swap in ((2.0, False), (2.0, True), (1.0, False), (3.0, True)):
            k = {"p": p, "swap": swap, "margin": 2.0, "eps": 1e-5, "reduction": reduction}
            f = lambda a, b, c: nd.triplet_margin_loss(a, b, c, **k)  # noqa: B023
            peers.equal_torch(f, lambda a, b, c: F.triplet_margin_loss(a, b, c, **k), [a, b, c])  # noqa: B023


@pytest.mark.parametrize(("shape", "axis"), [((3, 4), 1), ((70, 40), -1), ((6, 40, 20), 1)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_short_vectors_are_divided_by_eps(shape, axis, dtype, engine):
    x, g, h = (RNG.standard_normal(shape).astype(dtype) for _ in range(3))
    x[0], x[1] = 0, x[1] * 1e-14
    for eps in (1e-12, 4.0):  # the lengths of some are below
        t = nd.tensor(x, requires_grad=True)
        found = nd.normalize(t, axis=axis, eps=eps)
        expected = t / nd.clip(nd.norm(t, axis=axis, keepdims=True), eps, None)
        np.testing.assert_allclose(found.data, expected.data, rtol=1e-5, atol=1e-12)
        ours, theirs = (nd.gradients(y, t, g, create_graph=True) for y in (found, expected))
        np.testing.assert_allclose(ours.data, theirs.data, rtol=2e-5, atol=2e-6 * np.abs(theirs.data).max())
        ours, theirs = (nd.gradients(y, t, h) for y in (ours, theirs))
        np.testing.assert_allclose(ours.data, theirs.data, rtol=2e-5, atol=2e-5 * np.abs(theirs.data).max())



def test_lengths_and_angles_are_pytorchs(torch):
    F, x, y = torch.nn.functional, normal((3, 4, 5)), normal((3, 4, 5))
    x[0, :, 0] = 0  # a vector without a direction
    for axis in (0, 1, 2, -1):
        f = lambda x, y: nd.cosine_similarity(x, y, axis)  # noqa: B023
        peers.equal_torch(f, lambda x, y: F.cosine_similarity(x, y, axis), [x, y], 1)  # noqa: B023
        for p in (1.0, 2.0, 3.0):
            peers.equal_torch(lambda x: nd.normalize(x, p, axis), lambda x: F.normalize(x, p, axis), [x], 1)  # noqa: B023
    peers.equal_torch(nd.cosine_similarity, F.cosine_similarity, [y, x[1:2] + y[:1]])
    peers.equal_torch(nd.cosine_similarity, F.cosine_similarity, [y[:, :1], x[1:2] + y[:1]])  # one entry stands for all along the axis
    for p in (1.0, 2.0, 4.0):
        for keep in (False, True):
            f = lambda a, b: nd.pairwise_distance(a, b, p, keepdims=keep)  # noqa: B023
            peers.equal_torch(f, lambda a, b: F.pairwise_distance(a, b, p, keepdim=keep), [x, y])  # noqa: B023


# Tails, precision, speed's other path.


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_of_logits_are_exact_in_the_tails(dtype):
    for x, t, loss, slope in (
        (1e4, 1, 0.0, 0.0), (-1e4, 0, 0.0, 0.0), (1e4, 0, 1e4, 1.0), (-1e4, 1, 1e4, -1.0), (30, 1, exp(-30), -exp(-30)),
        (-30, 0, exp(-30), exp(-30)), (80, 1, exp(-80), -exp(-80)), (0, 1, log(2), -0.5),
    ):  # fmt: skip
        for size in (1, 4096):
            v, target = nd.tensor(np.full(size, x, dtype), requires_grad=True), np.full(size, t, dtype)
            for pos in (None, 1.0):
                y = nd.binary_cross_entropy_with_logits(v, target, pos_weight=pos, reduction="sum")
                (g,) = nd.gradients(y, [v])
                np.testing.assert_allclose(y.data, size * loss, rtol=2e-6, atol=1e-37)
                np.testing.assert_allclose(g.data, slope, rtol=2e-6, atol=1e-37)
            (g,) = nd.gradients(nd.binary_cross_entropy_with_logits(v, target, reduction="sum"), [v], create_graph=True)
            np.testing.assert_allclose(g.data, slope, rtol=2e-6, atol=1e-37)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [2, 4096])
def test_cross_entropy_is_exact_in_the_tails(dtype, size, engine):
    for pair, label, loss, slope in (
        ((1e4, 1e4), 0, log(2), -0.5), ((1e4, -1e4), 0, 0, 0), ((1e4, -1e4), 1, 2e4, 1),
        ((-1e4, -1e4 - 1), 0, log1p(exp(-1)), -0.268941421),
    ):  # fmt: skip
        x = nd.tensor(np.tile(np.array(pair, dtype), (size, 1)), requires_grad=True)
        y = nd.cross_entropy(x, np.full(size, label), reduction="sum")
        y.backward()
        np.testing.assert_allclose(y.data / size, loss, rtol=2e-6)
        np.testing.assert_allclose(x.grad.data[:, 0], slope, rtol=2e-6)
        other = nd.cross_entropy(x, np.eye(2, dtype=dtype)[np.full(size, label)], reduction="sum")
        np.testing.assert_allclose(other.data / size, loss, rtol=2e-6)


@pytest.mark.parametrize("order", ["C", "F", "gaps"])
@in_turn("name", losses.LOSSES)
def test_single_precision_of_both_engines_is_double_precision_rounded(name, order, engine):
    draw = unit if name in ("binary_cross_entropy", "kl_div") else normal
    x, t = (draw((70, 90, 4)).astype(np.float32) for _ in range(2))
    t[::7] = 0
    x, t = (np.asfortranarray(x), t) if order == "F" else (x[:, ::2], t[:, ::2]) if order == "gaps" else (x, t)
    for reduction in REDUCTIONS:
        found = []
        for dtype in (np.float32, np.float64):
            a, b = nd.tensor(x.astype(dtype), requires_grad=True), nd.tensor(t.astype(dtype), requires_grad=True)
            y = getattr(nd, name)(a, b, reduction=reduction)
            y.backward(np.ones(y.shape, dtype) * 3)
            assert y.dtype == a.grad.dtype == dtype
            np.testing.assert_array_equal(getattr(nd, name)(a.detach(), b.detach(), reduction=reduction).data, y.data)  # without a slope
            found.append((y.data, a.grad.data, b.grad.data))
        for single, double in zip(*found):
            np.testing.assert_allclose(single, double, rtol=5e-6, atol=5e-6 * np.abs(double).max())


@pytest.mark.parametrize("f", [
    lambda x, y: nd.cosine_embedding_loss(x, y, np.sign(np.arange(8) - 3.5)),
    lambda x, y: nd.gaussian_nll_loss(x, y, nd.abs(x) + 4), lambda x, y: nd.scaled_dot_product_attention(x, y, y),
])  # fmt: skip
def test_halves_may_have_products_that_are_none(f):
    for size in (1e-3, 300):
        x, y = ((np.random.default_rng(i).standard_normal((8, 60)) * size).astype(np.float16) for i in (0, 1))
        half, exact = [nd.tensor(a, requires_grad=True) for a in (x, y)], [nd.tensor(a.astype(float), requires_grad=True) for a in (x, y)]
        assert f(*half).dtype == np.float16
        for a, b in zip((f(*half), *nd.gradients(nd.sum(f(*half)), half)), (f(*exact), *nd.gradients(nd.sum(f(*exact)), exact))):
            np.testing.assert_allclose(a.data, b.data, rtol=0.02, atol=0.02 * abs(b.data).max() + 1e-6)


def test_a_mean_of_halves_does_not_overflow():
    x = np.full(5000, 100, np.float16)
    y = nd.mse_loss(x, np.zeros_like(x))
    assert y.dtype == np.float16 and float(y) == 10000
    assert nd.mse_loss(x, np.zeros_like(x), reduction="sum").dtype == np.float16


@pytest.mark.parametrize("f", [
    lambda x, n: nd.triplet_margin_loss(x, x + 1, x - 1, margin=n, eps=n), lambda x, n: nd.margin_ranking_loss(x, x + 1, x, margin=n),
    lambda x, n: nd.hinge_embedding_loss(x, x, margin=n), lambda x, n: nd.cosine_embedding_loss(x, x + 1, -x[:, 0], margin=n),
    lambda x, n: nd.cosine_similarity(x, x + 1, eps=n), lambda x, n: nd.huber_loss(x, -x, delta=n),
])  # fmt: skip
def test_numpys_numbers_as_options_leave_the_dtype_alone(f):
    assert f(np.ones((2, 3), np.float32), np.float64(0.5)).dtype == np.float32


def test_targets_of_whole_numbers_keep_the_dtype_of_the_input():
    x = np.zeros((2, 2), np.float32)
    for name in ("mse_loss", "l1_loss", "binary_cross_entropy_with_logits", "soft_margin_loss", "hinge_embedding_loss"):
        assert getattr(nd, name)(x, np.ones((2, 2), int)).dtype == np.float32
    assert nd.binary_cross_entropy_with_logits(x, np.ones((2, 2), bool)).dtype == np.float32


def test_an_empty_mean_is_no_number():
    none = np.zeros((0, 3))
    for loss in (nd.mse_loss, nd.cross_entropy, nd.kl_div, nd.multilabel_soft_margin_loss, nd.soft_margin_loss):
        assert np.isnan(loss(none, none).data)
    for loss, last in ((nd.gaussian_nll_loss, none), (nd.cosine_embedding_loss, np.ones(0)), (nd.triplet_margin_loss, none)):
        assert np.isnan(loss(none, none, last).data)
    assert np.isnan(nd.cross_entropy(none, np.zeros(0, int)).data)
    assert nd.mse_loss(np.zeros(0), np.zeros(0), reduction="sum").data == 0


def test_a_loss_is_one_node():
    x = nd.tensor(np.full((2, 2), 0.5), requires_grad=True)
    for name in losses.LOSSES:
        assert getattr(nd, name)(x, np.zeros((2, 2)))._node.op.name == name


def test_a_target_written_to_afterwards_changes_no_gradient():
    x = nd.tensor(np.arange(4.0), requires_grad=True)
    for name in losses.LOSSES:
        t = np.full(4, 0.25)
        point = x * 0.2 + 0.1
        before = getattr(nd, name)(point, t)
        expected = nd.gradients(before, [x], retain_graph=True)[0].data
        t[:] = 0.75
        for recorded in (False, True):
            np.testing.assert_allclose(nd.gradients(before, [x], create_graph=recorded, retain_graph=True)[0].data, expected, rtol=1e-12)


@pytest.mark.parametrize("shape", [(3, 4), (3000, 4)])
def test_rows_that_are_ignored_may_hold_anything(shape, engine):
    x = normal(shape).astype(np.float32)
    x[1], labels = np.nan, np.zeros(shape[0], int)
    labels[1] = -100
    t = nd.tensor(x, requires_grad=True)
    for recorded in (False, True):
        loss = nd.cross_entropy(t, labels, label_smoothing=0.1)
        (g,) = nd.gradients(loss, [t], create_graph=recorded)
        assert np.isfinite(loss.data) and np.isfinite(g.data).all() and not g.data[1].any()
        for f in (nd.cross_entropy, nd.nll_loss):  # whatever comes back to such a row, too
            w, given = nd.ones(4, np.float32, requires_grad=True), np.where(np.arange(shape[0]) == 1, np.nan, np.float32(1))
            g, to_weights = nd.gradients(f(t, labels, w, reduction="none"), [t, w], given.astype(np.float32), create_graph=recorded)
            assert np.isfinite(g.data).all() and g.data[0].any() and not g.data[1].any()
            assert to_weights.data[0] and not to_weights.data[1:].any()


@pytest.mark.parametrize("shape", [(3, 4), (3000, 4), (3, 4, 1000)])
@pytest.mark.parametrize("loss", [nd.cross_entropy, nd.nll_loss])
def test_where_all_rows_are_ignored_the_mean_is_no_number_and_its_gradient_zero(loss, shape, engine):
    x = nd.tensor(normal(shape).astype(np.float32), requires_grad=True)
    f = lambda x: loss(x, np.full((shape[0], *shape[2:]), -100))
    mean = f(x)
    recorded, moved = nd.gradients(mean, x, create_graph=True), nd.jvp(f, [x.data], [x.data])[1]
    mean.backward()
    assert np.isnan(mean.data) and not x.grad.data.any() and not recorded.data.any() and not moved.data


def test_ctc_loss_adds_up_every_way_to_spell_a_target():
    x = nd.tensor(nd.log_softmax(normal((4, 5, 3)), -1).data, requires_grad=True)
    targets, counts, sizes = [[], [2], [0, 2], [0, 0], [2, 2]], [0, 1, 2, 2, 2], [0, 3, 4, 3, 2]  # the last does not fit
    spelled = lambda way: [a for a, before in zip(way, [None, *way]) if a not in (before, 1)]
    p = [sum(exp(x.data[range(n), i, np.array(way, int)].sum()) for way in product(range(3), repeat=n) if spelled(way) == t)
         for i, (t, n) in enumerate(zip(targets, sizes))]  # fmt: skip
    expected, rows = [-log(q) if q else inf for q in p], np.array([[9, 9], [2, 9], [0, 2], [0, 0], [2, 2]])
    given = x, rows, sizes, counts
    found = nd.ctc_loss(*given, blank=1, reduction="none")
    np.testing.assert_allclose(found.data, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(nd.ctc_loss(x, [2, 0, 2, 0, 0, 2, 2], sizes, counts, blank=1, reduction="none").data, found.data)
    assert nd.ctc_loss(*given, blank=1).item() == inf and np.isnan(nd.ctc_loss(x * np.nan, *given[1:], blank=1).data)
    found = nd.ctc_loss(*given, blank=1, zero_infinity=True)
    np.testing.assert_allclose(found.data, np.sum(np.array(expected[:4]) / [1, 1, 2, 2]) / 5, rtol=1e-12)
    found.backward()
    assert np.isfinite(x.grad.data).all() and not x.grad.data[:, 4].any() and x.grad.data[1, 2].all()
    alone = nd.ctc_loss(x[:, 2], [0, 2], 4, 2, blank=1, reduction="none")
    assert alone.shape == () and alone.item() == pytest.approx(expected[2], 1e-12)
    certain = np.where(np.arange(3) == [[2], [2], [1]], 0, -np.inf)  # probabilities of 0 and 1
    assert nd.ctc_loss(certain, [2], 3, 1, blank=1).item() == 0 and nd.ctc_loss(certain, [0], 3, 1, blank=1).item() == inf


# Errors.


PAIRS = sorted({r[0] for r in POINTWISE}) + ["multilabel_margin_loss", "multilabel_soft_margin_loss"]


@pytest.mark.parametrize("name", PAIRS)
def test_a_loss_never_broadcasts(name):
    more = (np.ones((4, 1)),) if name in ("margin_ranking_loss", "gaussian_nll_loss") else ()
    with pytest.raises(ValueError, match=rf"^{name}: .*\(4, 1\).*\(4,\)"):
        if name == "margin_ranking_loss":
            nd.margin_ranking_loss(*more, np.ones(4), *more)
        else:
            getattr(nd, name)(np.full((4, 1), 0.5), np.ones(4), *more)


@pytest.mark.parametrize("name", sorted({r[0] for r in POINTWISE}))
def test_a_reduction_that_does_not_exist_is_named(name):
    x = np.full(4, 0.5)
    more = (x,) if name in ("margin_ranking_loss", "gaussian_nll_loss") else ()
    with pytest.raises(ValueError, match=f"^{name}: reduction must be 'mean', 'sum'.*'none'.*'average'"):
        getattr(nd, name)(x, x, *more, reduction="average")


@in_turn("call, kind, words", [
    (lambda: nd.mse_loss(np.ones((4, 1)), np.ones(4)), ValueError, r"does not broadcast, reshape one, as in target.reshape\(\(4, 1\)\)"),
    (lambda: nd.mse_loss(np.ones((4, 2)), np.ones(4)), ValueError, "does not broadcast, give one entry for each"),
    (lambda: nd.mse_loss([1j], [1.0]), TypeError, "mse_loss: needs real numbers"),
    (lambda: nd.huber_loss([1.0], [1.0], delta=0), ValueError, "huber_loss: delta=0 must be above 0"),
    (lambda: nd.smooth_l1_loss([1.0], [1.0], beta=-1), ValueError, "smooth_l1_loss: beta=-1 must be at least 0"),
    (lambda: nd.binary_cross_entropy([2.0], [1.0]), ValueError, "use binary_cross_entropy_with_logits for logits"),
    (lambda: nd.binary_cross_entropy([0.5], [1.0], [1.0, 1.0]), ValueError, r"weight \(2,\) must broadcast to input \(1,\)"),
    (lambda: nd.gaussian_nll_loss([0.5], [1.0], [-1.0]), ValueError, "variance cannot be negative"),
    (lambda: nd.gaussian_nll_loss(np.ones((2, 3)), np.ones((2, 3)), np.ones(3)), ValueError, r"var needs shape \(2, 3\), \(2,\) or"),
    (lambda: nd.nll_loss(np.ones((2, 3)), [0, 3]), ValueError, r"nll_loss: target holds class 3.* classes 0 to 2"),
    (lambda: nd.nll_loss(np.ones((2, 3)), [0.0, 1.0]), TypeError, "nll_loss: target must hold class indices"),
    (lambda: nd.nll_loss(np.ones((2, 3, 4)), [0, 1]), ValueError, r"needs a target of shape \(2, 4\), but got \(2,\)"),
    (lambda: nd.nll_loss(np.ones((2, 3, 4)), np.ones((2, 3), int)), ValueError, r"got \(2, 3\); if the classes are on its last axis"),
    (lambda: nd.cross_entropy(np.ones((2, 3)), [[0], [1]]), ValueError, r"target of shape \(2,\), but got \(2, 1\); squeeze it"),
    (lambda: nd.multi_margin_loss(np.ones((2, 3)), [0, 1], p=3), ValueError, "p must be 1 or 2"),
    (lambda: nd.multilabel_margin_loss(np.ones((1, 3)), [[0, 4, -1]]), ValueError, "holds class 4"),
    (lambda: nd.ctc_loss(np.ones((4, 2)), [1], 5, 1), ValueError, "ctc_loss: input_lengths reach from 5 to 5, but there are 4"),
    (lambda: nd.ctc_loss(np.ones((4, 2)), [0], 4, 1), ValueError, "ctc_loss: targets hold 0, but labels are .* other than blank=0"),
    (lambda: nd.ctc_loss(np.ones((4, 1, 2)), [[2]], [4], [1]), ValueError, "ctc_loss: targets hold 2, but labels are classes 0 to 1"),
    (lambda: nd.ctc_loss(np.ones((4, 1, 2)), [1, 1], [4], [1]), ValueError, "ctc_loss: target_lengths sum to 1, but targets .* are 2"),
    (lambda: nd.ctc_loss(np.ones((4, 2, 2)), [[1]], [4, 4], [1, 1]), ValueError, r"ctc_loss: targets need shape \(2, S\)"),
    (lambda: nd.ctc_loss(np.ones((4, 2, 2)), [[1], [1]], [4.0, 4], [1, 1]), ValueError, "ctc_loss: input_lengths must be 2 whole numbers"),
    (lambda: nd.ctc_loss(np.ones((4, 2)), [1], 4, 1, blank=2), ValueError, "ctc_loss: blank=2 is none of the 2 classes"),
    (lambda: nd.ctc_loss(np.ones(4), [1], 4, 1), ValueError, r"ctc_loss: log_probs needs shape \(T, N, C\)"),
    (lambda: nd.cosine_embedding_loss(np.ones((2, 3)), np.ones((2, 3)), np.ones(3)), ValueError, r"need a target of shape \(2,\)"),
    (lambda: nd.triplet_margin_loss(np.ones((2, 3)), np.ones((2, 3)), np.ones((2, 1))), ValueError, r"anchor \(2, 3\) and negative"),
    (lambda: nd.cosine_similarity(np.ones((2, 3)), np.ones((2, 4))), ValueError, r"cosine_similarity: .*\(2, 3\).*\(2, 4\)"),
    (lambda: nd.normalize(np.ones(3)), ValueError, "normalize"),
])  # fmt: skip
def test_what_does_not_fit_is_named(call, kind, words):
    with pytest.raises(kind, match=words):
        call()


def test_modules_keep_their_arguments(torch):
    x, t = normal((3, 4)).astype(np.float32), normal((3, 4)).astype(np.float32)
    sign, label = signs((3, 4)).astype(np.float32), np.array([0, 3, 1])
    for name, args, keywords in (
        ("MSELoss", (x, t), {"reduction": "sum"}), ("L1Loss", (x, t), {}), ("SmoothL1Loss", (x, t), {"beta": 0.5}),
        ("HuberLoss", (x, t), {"delta": 0.5}), ("CrossEntropyLoss", (x, label), {"label_smoothing": 0.1}), ("NLLLoss", (x, label), {}),
        ("BCEWithLogitsLoss", (x, abs(t) / 9), {}), ("BCELoss", (abs(t) / 9, abs(x) / 9), {}), ("KLDivLoss", (x, t), {"log_target": True}),
        ("PoissonNLLLoss", (x, abs(t)), {"full": True}), ("GaussianNLLLoss", (x, t, abs(x)), {}), ("SoftMarginLoss", (x, sign), {}),
        ("HingeEmbeddingLoss", (x, sign), {"margin": 2.0}), ("MarginRankingLoss", (x[0], t[0], sign[0]), {"margin": 0.5}),
        ("CosineEmbeddingLoss", (x, t, sign[:, 0]), {}), ("TripletMarginLoss", (x, t, sign), {"swap": True}),
        ("MultiMarginLoss", (x, label), {"p": 2}), ("MultiLabelMarginLoss", (x, np.array([[0, 1, -1, 0]] * 3)), {}),
        ("CTCLoss", (x, np.array([1, 2]), np.array(3), np.array(2)), {"blank": 3, "reduction": "sum"}),
        ("MultiLabelSoftMarginLoss", (x, abs(t) / 9), {}), ("CosineSimilarity", (x, t), {}), ("PairwiseDistance", (x, t), {}),
    ):  # fmt: skip
        found = getattr(nd.nn, name)(**keywords)(*args)
        expected = getattr(torch.nn, name)(**keywords)(*map(torch.tensor, args))
        np.testing.assert_allclose(found.data, expected.numpy(), rtol=1e-5, atol=1e-6, err_msg=name)


def test_a_gradient_penalty_has_a_gradient(torch):
    """WGAN-GP: the loss contains the length of a gradient, taken through norms, activations and a dense layer."""
    x, w, v = normal((5, 6)), normal((8, 6)), normal((1, 8))

    def ours(x, w, v):
        g = nd.grad(lambda x: nd.sum(nd.linear(nd.leaky_relu(nd.layer_norm(nd.linear(x, w), 8), 0.2), v)))(x)
        return nd.mean((nd.sum(g * g, 1) ** 0.5 - 1) ** 2)

    def theirs(x, w, v):
        F = torch.nn.functional
        score = F.linear(F.leaky_relu(F.layer_norm(F.linear(x, w), (8,)), 0.2), v).sum()
        (g,) = torch.autograd.grad(score, [x], create_graph=True)
        return (((g * g).sum(1) ** 0.5 - 1) ** 2).mean()

    peers.equal_torch(ours, theirs, [x, w, v], 1, tol=1e-8)  # PyTorch's third derivative of layer_norm is not that of its second
    check_grads(lambda x: ours(x, w, v), [x])


@pytest.mark.parametrize("f", [
    nd.mean, *[lambda x, loss=loss: loss(x, np.zeros_like(x.data)) for loss in (nd.mse_loss, nd.l1_loss, nd.huber_loss, nd.smooth_l1_loss)],
], ids=["mean", "mse", "l1", "huber", "smooth_l1"])  # fmt: skip
def test_forward_mode_of_a_mean_of_many_halves_does_not_overflow(f):
    x = np.full(1 << 17, 1, np.float16)
    moved, bent = nd.jvp(f, [x], [x])[1], nd.hvp(f, [x], x)
    assert moved.dtype == bent.dtype == np.float16
    np.testing.assert_allclose(moved.item(), nd.jvp(f, [x.astype(float)], [x.astype(float)])[1].item(), rtol=2e-3)
    np.testing.assert_allclose(bent.data, nd.hvp(f, [x.astype(float)], x.astype(float)).data, rtol=2e-3, atol=1e-7)
