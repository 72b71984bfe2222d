"""Functional MRI with noise as strong as the picture: a convolution over space and time takes it away.

    python fmri_denoise.py [--quick]

The series has three axes of space and one of time; so have the kernels, 3x3x3x3. The network learns from the first 14 volumes, as windows
of 6, mirrored and with fresh noise each time, to give back what the scanner gave; it is tested on the last 6, which it never saw. They are
of the same head: what is learned of its anatomy helps, and would not help with another. Held against it are Gaussian filters with a width
for each axis, up to the mean over all time, chosen on the tested volumes themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import datasets
import numpy as np
from commandline import arguments
from pictures import new_figure, save_figure, save_graph

import tinygrad_nd as nd
from tinygrad_nd import nn

LEARNED, WINDOW, NOISE = 14, 6, 1.0  # volumes to learn from, volumes at a time; deviation, where the picture's is 1


def small(shape: tuple[int, ...], **how: Any) -> np.ndarray:
    """He-normal weights, a tenth as large: the network begins near the mean over time."""
    return nd.init.he_normal(shape, **how) / 10


class Denoiser(nn.Module):
    """(N, 1, x, y, z, t) to the same: the mean over time, and what four convolutions add to it from there and from the series itself."""

    def __init__(self, channels: int, rng: np.random.Generator) -> None:
        conv = lambda c, m: nn.Conv(c, m, (3, 3, 3, 3), padding="same", rng=rng)
        self.first, self.second, self.third = conv(2, channels), conv(channels, channels), conv(channels, channels)
        self.last = nn.Conv(channels, 1, (3, 3, 3, 3), padding="same", init=small, rng=rng)

    def forward(self, x: Any) -> nd.Tensor:
        mean = nd.broadcast_to(nd.mean(x, -1, keepdims=True), x.shape)
        h = nd.relu(self.first(nd.concatenate([x, mean], axis=1)))
        h = h + nd.relu(self.second(h))
        h = h + nd.relu(self.third(h))
        return mean + self.last(h)


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    args = arguments(__doc__, argv, epochs=(20, 1), steps=(50, 20), channels=(24, 8))
    series = datasets.fmri()
    starts = np.arange(4 * args.steps) % (LEARNED - WINDOW + 1)

    def windows(batch: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        clean = np.stack([series[..., i : i + WINDOW] for i in batch])[:, None]
        clean = nd.data.augment.flip(clean, rng, axes=(0, 1, 2, 3))
        return nd.data.augment.noise(clean, rng, NOISE), clean

    net = Denoiser(args.channels, np.random.default_rng(args.seed))
    data = nd.data.batches(starts, 4, shuffle=True, rng=args.seed, transform=windows)
    optimiser = nd.optim.Adam(net.parameters(), lr=6e-3)
    schedule = nd.optim.OneCycleLR(optimiser, max_lr=6e-3, total_steps=args.epochs * len(data))
    history = nd.fit(net, nd.mse_loss, data, optimiser, args.epochs, schedule=schedule, schedule_every="step")

    unseen = np.repeat(series[None, None, ..., LEARNED:], 2 if args.quick else 8, axis=0)
    noisy = nd.data.augment.noise(unseen, 1, NOISE)
    with nd.no_grad():
        restored = net(noisy).data
    graph = save_graph(args.out / "fmri_denoise_graph.svg", nd.mse_loss(net(noisy), unseen))
    widths, filtered = best_gaussian(noisy, unseen, args.quick)
    pictures = {"noisy": noisy, f"Gaussian, {widths}": filtered, "network": restored}
    errors = [float(np.mean((p - unseen) ** 2)) for p in pictures.values()]
    for name, error in zip(pictures, errors):
        print(f"{name:40} mean squared error {error:.4f}, {-10 * np.log10(error):5.2f} dB")
    picture = save_figure(plot(unseen, pictures, errors), args.out / "fmri_denoise.png")
    print(f"wrote {picture} and {graph}")
    return {"losses": history["loss"], **dict(zip(("noisy", "gaussian", "network"), errors))}


def best_gaussian(noisy: np.ndarray, truth: np.ndarray, quick: bool) -> tuple[str, np.ndarray]:
    """The Gaussian filter, of all widths in the slice, across slices and in time, that comes nearest to the truth."""
    from scipy.ndimage import gaussian_filter

    grid = product((0.4, 0.6), (0, 0.4), (100,)) if quick else product((0, 0.4, 0.5, 0.6, 0.7), (0, 0.3, 0.4, 0.5), (0, 1, 2, 4, 8, 100))
    error = lambda w: np.mean((gaussian_filter(noisy, (0, 0, w[0], w[0], w[1], w[2])) - truth) ** 2)
    slice_, across, time = best = min(grid, key=error)
    named = "mean over time" if time == 100 else f"{time} in time"
    return f"{slice_} / {across} in space, {named}", gaussian_filter(noisy, (0, 0, best[0], *best))


def plot(truth: np.ndarray, pictures: dict[str, np.ndarray], errors: Sequence[float]) -> Any:
    """The three slices of the first unseen volume, as they were and as each method has them."""
    figure = new_figure(10, 7.5)
    columns = {"truth": (truth, 0.0), **{name: pair for name, *pair in zip(pictures, pictures.values(), errors)}}
    grid = figure.subplots(3, 4)
    for column, (name, (series, error)) in zip(grid.T, columns.items()):
        for z, axes in enumerate(column):
            axes.imshow(series[0, 0, :, :, z, 0].T, cmap="gray", origin="lower", vmin=-2.5, vmax=2)
            axes.set(xticks=[], yticks=[])
        column[0].set_title(name.replace(", ", "\n") + (f"\nerror {error:.3f}" if error else ""), size=10)
    for z, axes in enumerate(grid[:, 0]):
        axes.set_ylabel(f"slice {z}")
    return figure


if __name__ == "__main__":
    main()
