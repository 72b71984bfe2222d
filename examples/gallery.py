"""The pictures of the README: a network folded and open, a residual block, what flows, a convolution's VJP, and a nan being found.

    python gallery.py                  into examples/gallery/
    python gallery.py --out pictures

Every picture is made by a function of its own below; each is a few lines that work on any model.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import photos_cnn

import tinygrad_nd as nd
from tinygrad_nd import nn

HERE = Path(__file__).parent


def photo_network(batch: int = 2) -> tuple[nd.Tensor, dict[str, nd.Parameter]]:
    """The loss of the network of photos_cnn.py, on noise, and its parameters: five convolutions, three dense layers."""
    rng = np.random.default_rng(0)
    images = nd.tensor(rng.standard_normal((batch, 3, 96, 96)), "float32", name="images")
    parameters = photos_cnn.parameters(rng)
    scores = photos_cnn.network(images, parameters)
    with nd.scope("cross entropy"):
        return nd.cross_entropy(scores, rng.integers(0, 8, batch)), parameters


def network_open() -> nd.Drawing:
    loss, _parameters = photo_network()
    return nd.draw(loss)


def network_folded() -> nd.Drawing:
    """Scopes folded; the dearest are the darkest."""
    loss, _parameters = photo_network(batch=16)
    return nd.draw(loss, depth=0, cost=True)


class Residual(nn.Module):
    """Two 3x3 convolutions, each with its norm, and a way around them."""

    def __init__(self, c: int, rng: np.random.Generator) -> None:
        self.conv1, self.norm1 = nn.Conv2d(c, c, 3, padding=1, bias=False, rng=rng), nn.BatchNorm(c)
        self.conv2, self.norm2 = nn.Conv2d(c, c, 3, padding=1, bias=False, rng=rng), nn.BatchNorm(c)

    def forward(self, x: Any) -> nd.Tensor:
        h = nd.relu(self.norm1(self.conv1(x)))
        return nd.relu(self.norm2(self.conv2(h)) + x)


def residual_block() -> nd.Drawing:
    rng = np.random.default_rng(0)
    x = nd.tensor(rng.standard_normal((2, 16, 8, 8)), "float32", requires_grad=True, name="x")
    y = Residual(16, rng)(x)
    return nd.draw(y, depth=1, grads=True)


def convolution_vjp() -> nd.Drawing:
    """At stride 2, over 9x9 images."""
    x = nd.tensor(np.ones((1, 3, 9, 9)), requires_grad=True)
    w = nd.Parameter(np.ones((4, 3, 3, 3)))
    return nd.draw_vjp(nd.conv_nd(x, w, stride=2, padding=1))


def convolution_in_numbers() -> str:
    x = nd.tensor(np.ones((1, 1, 5, 5)), requires_grad=True)
    w = nd.tensor(np.arange(1.0, 10.0).reshape(1, 1, 3, 3), requires_grad=True)
    return nd.explain_vjp(nd.conv_nd(x, w, stride=2, padding=1), at=(2, 3))


def nan_found() -> nd.Drawing:
    """The distance of two points is not differentiable where they meet: the root's slope is infinite there, and infinity times 0 is nan."""
    points = nd.tensor([[0.0, 0.0], [3.0, 4.0]], requires_grad=True, name="points")
    centre = nd.tensor([[0.0, 0.0]], requires_grad=True, name="centre")
    with nd.debug.sources(), nd.scope("distance"):
        distance = nd.sqrt(nd.sum(nd.square(points - centre), axis=1))
    loss = nd.mean(distance)
    try:
        with nd.debug.anomaly():
            loss.backward()
    except nd.debug.Anomaly as found:
        print(found)
        return nd.draw(loss, grads=True, source=True, mark=found)
    raise AssertionError("there should be an infinity")


PICTURES: dict[str, Callable[[], Any]] = {
    f.__name__: f for f in (network_folded, network_open, residual_block, convolution_vjp, convolution_in_numbers, nan_found)
}


def main(argv: Sequence[str] | None = None) -> list[Path]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "gallery")
    out = parser.parse_args(argv).out
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, picture in PICTURES.items():
        path = out / f"{name}.svg"
        drawn = picture()
        svg = drawn.svg() if isinstance(drawn, nd.Drawing) else drawn
        path.write_text(svg.replace(f"{HERE}/", ""), encoding="utf-8")
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
        paths.append(path)
    return paths


if __name__ == "__main__":
    main()
