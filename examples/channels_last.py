"""The four nested loops over channels-last images, and why the input gradient dilates, pads, rotates and correlates.

`conv_nd(..., layout="N*C")` equals the loops for any padding (one-sided, negative), filter shape, stride and dilation. The explanation is
then carried out with the library's own operations and drawn to input_gradient.svg.

    python channels_last.py [--quick]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pictures import save_graph

import tinygrad_nd as nd

Pair = tuple[int, int]
CASES: list[tuple[tuple[int, int], tuple[int, int], tuple[Pair, Pair], tuple[int, int]]] = [
    # filter, stride, padding (before, after) of rows and columns, dilation
    ((3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1)),
    ((3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1)),
    ((2, 5), (1, 1), ((0, 0), (2, 2)), (1, 1)),
    ((4, 4), (2, 2), ((0, 0), (0, 0)), (1, 1)),
    ((3, 2), (3, 2), ((0, 2), (3, 0)), (1, 1)),
    ((2, 3), (2, 1), ((-1, 1), (0, -2)), (1, 1)),
    ((3, 2), (1, 2), ((1, 0), (4, 4)), (2, 3)),
]


def forward_loops(
    x: np.ndarray, w: np.ndarray, stride: Sequence[int], padding: Sequence[Pair], dilation: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """x (m, H, W, C_in), w (fh, fw, C_in, C_out) -> (z (m, H', W', C_out), the padded x)."""
    padded = pad(x, padding)
    (fh, fw), (sh, sw), (dh, dw) = w.shape[:2], stride, dilation
    rows, columns = (padded.shape[1] - dh * (fh - 1) - 1) // sh + 1, (padded.shape[2] - dw * (fw - 1) - 1) // sw + 1
    z = np.zeros((len(x), rows, columns, w.shape[3]), x.dtype)
    for image in range(len(x)):
        for i in range(rows):
            for j in range(columns):
                for f in range(w.shape[3]):
                    window = padded[image, i * sh : i * sh + dh * (fh - 1) + 1 : dh, j * sw : j * sw + dw * (fw - 1) + 1 : dw]
                    z[image, i, j, f] = np.sum(window * w[..., f])
    return z, padded


def backward_loops(
    dz: np.ndarray, x: np.ndarray, w: np.ndarray, stride: Sequence[int], padding: Sequence[Pair], dilation: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """(dx, dw): each window of x hands its share of dz to the pixels and weights that made it."""
    padded = pad(x, padding)
    (fh, fw), (sh, sw), (dh, dw) = w.shape[:2], stride, dilation
    d_padded, d_w = np.zeros_like(padded), np.zeros_like(w)
    for image in range(len(x)):
        for i in range(dz.shape[1]):
            for j in range(dz.shape[2]):
                for f in range(w.shape[3]):
                    window = image, slice(i * sh, i * sh + dh * (fh - 1) + 1, dh), slice(j * sw, j * sw + dw * (fw - 1) + 1, dw)
                    d_padded[window] += w[..., f] * dz[image, i, j, f]
                    d_w[..., f] += padded[window] * dz[image, i, j, f]
    return pad(d_padded, [(-a, -b) for a, b in padding]), d_w


def pad(x: np.ndarray, padding: Sequence[Pair]) -> np.ndarray:
    """Zeros before and after rows and columns; negative crops. (Not `x[:, p:-p]`, which is empty for p = 0.)"""
    (a, b), (c, d) = padding
    x = np.pad(x, ((0, 0), (max(a, 0), max(b, 0)), (max(c, 0), max(d, 0)), (0, 0)))
    return x[:, max(-a, 0) : x.shape[1] - max(-b, 0), max(-c, 0) : x.shape[2] - max(-d, 0)]


def library(
    dz: np.ndarray, x: np.ndarray, w: np.ndarray, stride: Sequence[int], padding: Sequence[Pair], dilation: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(z, dx, dw) in the same shapes as the loops, with no loop."""
    xt, wt = nd.tensor(x, requires_grad=True), nd.tensor(w, requires_grad=True)
    z = nd.conv_nd(xt, wt.transpose(3, 2, 0, 1), stride=stride, padding=padding, dilation=dilation, layout="N*C")
    dx, dw = nd.gradients(z, [xt, wt], dz)
    return z.data, dx.data, dw.data


def input_gradient_explained(g: nd.Tensor, w: nd.Tensor, stride: int, padding: int, size: int) -> nd.Tensor:
    """dx (N, C, n, n) from g (N, M, o, o) and w (M, C, k, k), in four steps that are four boxes of the drawing."""
    k, o = w.shape[-1], g.shape[-1]
    with nd.scope("1 dilate by the stride"):
        spread = stride * (o - 1) + 1
        dilated = nd.zeros((*g.shape[:2], spread, spread)).at[:, :, ::stride, ::stride].set(g)
    with nd.scope("2 pad by k - 1 - p"):
        before = k - 1 - padding
        # after: as much, and the rows that the last stride left over
        after = size + k - 1 - spread - before
        padded = nd.pad(dilated, ((0, 0), (0, 0), (before, after), (before, after)))
    with nd.scope("3 rotate the kernel, swap channels"):
        rotated = nd.flip(w, (2, 3)).swapaxes(0, 1)
    with nd.scope("4 correlate"):
        return nd.conv_nd(padded, rotated)


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="accepted for uniformity: this script takes seconds anyway")
    parser.add_argument("--out", type=Path, default=Path("output"))
    args = parser.parse_args(argv)
    rng = np.random.default_rng(0)
    worst = 0.0
    print("filter  stride  padding             dilation  largest difference of z, dx, dw from the loops")
    for kernel, stride, padding, dilation in CASES:
        x, w = rng.standard_normal((2, 9, 10, 3)), rng.standard_normal((*kernel, 3, 4))
        z, _ = forward_loops(x, w, stride, padding, dilation)
        dz = rng.standard_normal(z.shape)
        loops = z, *backward_loops(dz, x, w, stride, padding, dilation)
        differences = [float(np.abs(a - b).max()) for a, b in zip(loops, library(dz, x, w, stride, padding, dilation))]
        print(f"{kernel!s:7} {stride!s:7} {padding!s:19} {dilation!s:9}", *(f"{d:.0e}" for d in differences))
        worst = max(worst, *differences)

    x = nd.tensor(rng.standard_normal((2, 3, 9, 9)), requires_grad=True)
    w = nd.tensor(rng.standard_normal((4, 3, 3, 3)), requires_grad=True, name="w")
    y = nd.conv_nd(x, w, stride=2, padding=1)
    g = nd.tensor(rng.standard_normal(y.shape), requires_grad=True, name="g")
    by_steps = input_gradient_explained(g, w, stride=2, padding=1, size=9)
    explained = float(np.abs(by_steps.data - nd.gradients(y, x, g).data).max())
    drawn = save_graph(args.out / "input_gradient.svg", by_steps)
    print(f"input gradient as dilate, pad, rotate, correlate: differs by {explained:.0e}; drawn to {drawn}")
    return {"difference": worst, "explained": explained}


if __name__ == "__main__":
    main()
