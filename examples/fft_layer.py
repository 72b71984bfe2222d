"""An N-dimensional layer of FFT convolutions: what its gradients are, and why convolving with the transposed kernel was not it.

    python fft_layer.py [--quick]

With y = x ⋆ w (correlation), dx is the full correlation of the cotangent g with w rotated in every axis, and dw the correlation of the
padded x with g. By FFT these are products with conjugated spectra, cropped at the right place: `algorithm="fft"`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pictures import save_graph

import tinygrad_nd as nd


class FFTLayer(nd.nn.Module):
    """`channels` filters of `kernel_size` in each of `dim` dimensions, drawn from a normal divided by kernel_size**dim."""

    def __init__(self, channels: int, kernel_size: int, dim: int, in_channels: int = 1, mode: str = "same", rng: int | None = None) -> None:
        shape = (channels, in_channels, *(kernel_size,) * dim)
        self.weight = nd.Parameter(nd.init.normal(shape, std=kernel_size**-dim, rng=rng))
        self.mode = mode

    def forward(self, x: nd.Tensor) -> nd.Tensor:
        return nd.conv_nd(x, self.weight, padding=self.mode, algorithm="fft")


def gradients(dim: int, mode: str, algorithm: str, dtype: type) -> list[np.ndarray]:
    """dx and dw of one seeded layer."""
    rng = np.random.default_rng(dim)
    size, k = {1: 40, 2: 14, 3: 8, 4: 5, 5: 4}[dim], 3 if dim < 5 else 2
    x = nd.tensor(rng.standard_normal((2, 2, *(size,) * dim)), dtype, requires_grad=True)
    w = nd.tensor(rng.standard_normal((3, 2, *(k,) * dim)), dtype, requires_grad=True)
    y = nd.conv_nd(x, w, padding=mode, algorithm=algorithm)
    g = rng.standard_normal(y.shape).astype(dtype)
    return [t.data for t in nd.gradients(y, [x, w], g)]


def fft_against_direct() -> dict[str, float]:
    """The largest relative difference of FFT from direct gradients, by dtype, over dimensions and modes."""
    worst = {}
    modes = "same", "valid", "full"
    for dtype in (np.float64, np.float32):
        print(f"{dtype.__name__}: largest difference of FFT from direct gradients")
        for dim in range(1, 6):
            row = []
            for mode in modes:
                pairs = zip(gradients(dim, mode, "fft", dtype), gradients(dim, mode, "direct", dtype))
                row.append(max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs))
            print(f"  dim {dim}", *(f"{mode} {d:.0e}" for mode, d in zip(modes, row)))
            worst[dtype.__name__] = max(worst.get(dtype.__name__, 0.0), *row)
    return worst


def train(dim: int, steps: int) -> list[float]:
    """Two layers learn the response of two others; the loss of every step."""
    rng = np.random.default_rng(0)
    size = {1: 64, 2: 16, 3: 8}[dim]
    x = nd.tensor(rng.standard_normal((4, 1, *(size,) * dim)).astype(np.float32))

    def stack(seed: int) -> nd.nn.Sequential:
        return nd.nn.Sequential(FFTLayer(4, 3, dim, rng=seed), nd.tanh, FFTLayer(1, 3, dim, in_channels=4, rng=seed + 1))

    with nd.no_grad():
        target = stack(10)(x)
        target = target / target.std()
    net = stack(0)
    optimizer = nd.optim.Adam(net.parameters(), lr=0.02)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nd.mse_loss(net(x), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@nd.primitive(x=lambda g, w: nd.conv_nd(g, transposed(w), padding="same"))
def by_hand(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The layer with the hand-written rule for its input, as an operation of its own: the cotangent through the transposed kernel."""
    return np.asarray(nd.conv_nd(x, w, padding="same"))


def transposed(w: nd.Tensor) -> nd.Tensor:
    return w.swapaxes(0, 1).swapaxes(-1, -2)


def angle() -> float:
    """Degrees between the true gradient of a first layer's weights and what reaches it through the hand-written rule of the second."""
    rng = np.random.default_rng(0)
    x, second = rng.standard_normal((4, 1, 16, 16)), rng.standard_normal((4, 4, 5, 5))
    first = nd.tensor(rng.standard_normal((4, 1, 5, 5)), requires_grad=True)
    g = rng.standard_normal((4, 4, 16, 16))
    true, hand = (
        nd.gradients(layer(nd.conv_nd(x, first, padding="same"), second), first, g).data.ravel()
        for layer in (lambda h, w: nd.conv_nd(h, w, padding="same"), by_hand)
    )
    return float(np.degrees(np.arccos(true @ hand / np.linalg.norm(true) / np.linalg.norm(hand))))


GLYPH = np.array([[1, 1, 1], [1, 0, 0], [1, 1, 0], [1, 0, 0], [1, 0, 0]], float)  # an F: no symmetry to hide behind


def stamps(out: Path) -> tuple[dict[str, np.ndarray], Path]:
    """What one output pixel sends back to the input, truly and by hand; and where the true gradient's graph was drawn.

    A pixel y[j] = sum_t x[j + t] w[t] depends on x[j + t] by w[t], so its gradient is the kernel itself, stamped where it looked.
    """
    x = nd.tensor(np.zeros((1, 1, 9, 9)), requires_grad=True, name="x")
    w = nd.tensor(GLYPH[None, None], requires_grad=True, name="w")
    g = np.zeros((1, 1, 9, 9))
    g[0, 0, 4, 4] = 1
    g = nd.tensor(g, requires_grad=True, name="g: one pixel")
    true = nd.gradients(nd.conv_nd(x, w, padding="same"), x, g, create_graph=True)
    drawn = save_graph(out / "fft_layer_gradient.svg", true)
    hand = nd.gradients(by_hand(x, w.detach()), x, g.detach())
    return {"kernel": GLYPH, "its gradient": true.data[0, 0], "by hand": hand.data[0, 0]}, drawn


def side_by_side(pictures: dict[str, np.ndarray]) -> str:
    """Small arrays as text, one beside another."""
    blocks = []
    for title, a in pictures.items():
        lines = [title, *("".join(" #"[round(abs(v))] * 2 if abs(v) > 0.5 else " ." for v in row) for row in a)]
        blocks.append([line.ljust(max(map(len, lines))) for line in lines])
    height = max(map(len, blocks))
    return "\n".join("   ".join(b[i] if i < len(b) else " " * len(b[0]) for b in blocks).rstrip() for i in range(height))


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer training steps")
    parser.add_argument("--out", type=Path, default=Path("output"))
    args = parser.parse_args(argv)

    worst = fft_against_direct()
    numbers = {f"difference_{dtype}": d for dtype, d in worst.items()}
    for dim in (1, 2, 3):
        losses = train(dim, 30 if args.quick else 300)
        numbers[f"loss_ratio_{dim}"] = losses[-1] / losses[0]
        print(f"training in {dim}-D: loss {losses[0]:.3f} -> {losses[-1]:.4f} in {len(losses)} steps")
    pictures, drawn = stamps(args.out)
    numbers["angle"] = angle()
    print("\nWhat one output pixel sends back to the input:\n")
    print(side_by_side(pictures))
    print("\nThe gradient is the kernel as it stands. Correlation with a kernel stamps it rotated, so it must be rotated first, in every")
    print("axis. The transposed kernel only swaps the axes: its stamp is another letter.")
    print(f"Through one such layer the weight gradient of the layer below is turned by {numbers['angle']:.0f} degrees.")
    print(f"The true gradient's own graph: {drawn}")
    numbers["stamp"] = float(np.abs(pictures["its gradient"][2:7, 3:6] - GLYPH).max())
    return numbers


if __name__ == "__main__":
    main()
