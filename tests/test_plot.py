"""Figures: what they hold, what is refused, and that nothing global is touched."""

import subprocess
import sys

import numpy as np
import pytest
from in_turn import in_turn

import tinygrad_nd as nd

matplotlib = pytest.importorskip("matplotlib")
rng = np.random.default_rng(0)


def title(figure) -> str:
    return figure.axes[0].get_title()


def image(figure) -> np.ndarray:
    return np.ma.filled(figure.axes[0].images[0].get_array(), np.nan)


def two_layers() -> tuple[nd.Tensor, dict[str, nd.Parameter]]:
    p = {name: nd.Parameter(rng.standard_normal((3, 3)), name=name) for name in ("first", "second")}
    return nd.tanh(nd.ones((2, 3)) @ p["first"] @ p["second"]).sum(), p


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((4, 6), "weight (4, 6)"),
        ((5, 2, 7), "a line per channel"),
        ((5, 3, 4, 4), "channels as colours"),
        ((5, 1, 4, 4), "weight (5, 1, 4, 4)"),
        ((5, 9, 4, 4), "the first 8 of 9 channels"),
        ((2, 1, 5, 3, 4, 4), "slice 2, 1 of (5, 3)"),
    ],
)
def test_filters_of_every_rank(shape, says):
    figure = nd.plot.filters(nd.Parameter(rng.standard_normal(shape)), most=8)
    assert isinstance(figure, matplotlib.figure.Figure) and says in title(figure)
    figure.canvas.draw()


def test_filters_are_tiles_in_order_on_one_scale():
    w = rng.standard_normal((2, 2, 3, 3))
    shown = image(nd.plot.filters(w))
    np.testing.assert_array_equal(shown[:3, 4:], w[0, 1])
    np.testing.assert_array_equal(shown[4:, :3], w[1, 0])
    assert np.isnan(shown[3]).all()


def test_feature_maps_tell_dead_channels_and_take_either_layout():
    x = rng.random((2, 5, 4, 3))
    x[1, 2] = 0
    figure = nd.plot.feature_maps(nd.tensor(x), 1)
    assert "1 of them 0" in title(figure)
    same = nd.plot.feature_maps(np.moveaxis(x, 1, -1), -1, layout="N*C")
    np.testing.assert_array_equal(image(figure), image(same))
    assert "slice 1 of (3,)" in title(nd.plot.feature_maps(rng.random((1, 2, 3, 4, 4))))
    x[0, 0, 0, 0] = np.nan
    figure = nd.plot.feature_maps(x)
    assert "nan or inf" in title(figure)
    figure.canvas.draw()


def test_losses_of_sequences_mappings_and_histories():
    (axes,) = nd.plot.losses([3.0, 2.0, np.nan, 1.0], smoothing=0.5).axes
    assert [len(line.get_xdata()) for line in axes.lines] == [4, 4, 1]  # the curve, its average, the mark
    np.testing.assert_allclose(axes.lines[1].get_ydata(), [3, 7 / 3, 7 / 3, 11 / 7])
    once = nd.plot.losses([3.0])
    once.canvas.draw()
    assert all(float(t).is_integer() for t in once.axes[0].get_xticks()), "there is no half an epoch"
    both = nd.plot.losses({"loss": [1.0, 0.5], "val_loss": [1.0, 0.9], "accuracy": [0.1, 0.2], "lr": [1.0, 0.1]})
    assert [a.get_ylabel() for a in both.axes] == ["loss", "accuracy"]
    assert len(nd.plot.losses({"sgd": [1.0], "adam": [2.0]}).axes) == len(nd.plot.losses([[1.0, 2.0], [3.0]]).axes) == 1


def test_gradient_norms_of_a_loss_are_computed_without_touching_it():
    loss, p = two_layers()
    figure = nd.plot.gradient_norms(loss)
    assert all(t.grad is None for t in p.values())
    loss.backward()
    widths = [bar.get_x() + bar.get_width() for bar in figure.axes[0].patches]
    assert widths == pytest.approx([float(np.linalg.norm(t.grad.data)) for t in p.values()])
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["first", "second"]
    p["first"].grad = None
    p["second"].grad = np.full((3, 3), np.inf)
    for of in (p, list(p.values())):
        assert {t.get_text().strip() for t in nd.plot.gradient_norms(of).axes[0].texts} == {"none", "nan or inf"}


@in_turn(
    "call, error, says",
    [
        (lambda: nd.plot.filters(np.ones(3)), ValueError, r"\(M, C, \*k\).*\(3,\)"),
        (lambda: nd.plot.filters(np.ones((3, 0, 2))), ValueError, "empty"),
        (lambda: nd.plot.filters(np.ones((3, 2), complex)), TypeError, "complex128.*magnitude"),
        (lambda: nd.plot.filters(np.ones((3, 2)), most=0), ValueError, "most=0 must be at least 1"),
        (lambda: nd.plot.feature_maps(np.ones((2, 3))), ValueError, r"\(N, C, \*n\)"),
        (lambda: nd.plot.feature_maps(np.ones((2, 3, 4)), 2), ValueError, "index=2.*2 examples"),
        (lambda: nd.plot.feature_maps(np.ones((2, 3, 4)), layout="NHWC"), ValueError, "layout"),
        (lambda: nd.plot.losses([]), ValueError, "nothing to draw"),
        (lambda: nd.plot.losses(3.0), TypeError, "sequence of numbers"),
        (lambda: nd.plot.losses({"loss": ["a"]}), TypeError, "'loss' is list"),
        (lambda: nd.plot.losses([1.0], smoothing=1.0), ValueError, "below 1"),
        (lambda: nd.plot.gradient_norms(two_layers()[1]), ValueError, r"loss.backward\(\)"),
        (lambda: nd.plot.gradient_norms([1.0]), TypeError, "float"),
        (lambda: nd.plot.gradient_norms([]), ValueError, "no parameters"),
    ],
)
def test_what_cannot_be_drawn_is_explained(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'plot.losses: needs matplotlib; pip install "tinygrad_nd\[plot\]"'):
        nd.plot.losses([1.0])


def test_matplotlib_is_imported_only_when_asked_for_and_pyplot_never():
    code = (
        "import sys, tinygrad_nd as nd; assert 'matplotlib' not in sys.modules; nd.plot.filters([[1.0, 2.0]]); nd.plot.losses([1.0]);"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
