"""Photographs out of focus, sharpened by 31x31 kernels: convolutions so large that they run by FFT without being told.

    python large_kernels.py [--quick]

Two layers of 31x31 kernels learn to undo a blur (a disc of 13 pixels) from the left halves of eight photographs, and are tested on the
right halves. Held against them is the Wiener filter, with the noise-to-signal ratio that does best on the tested pictures themselves. At
the end one training step is timed with the algorithm that the library picked, and with matrix products.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import photographs
from commandline import arguments
from pictures import new_figure, save_figure, save_graph

import tinygrad_nd as nd
from tinygrad_nd import nn

KERNEL, NOISE = 31, 0.01


def disc(diameter: int) -> np.ndarray:
    """(1, 1, diameter, diameter): what a point becomes out of focus; sums to 1."""
    r = np.arange(diameter) - diameter // 2
    inside = np.hypot(r[:, None], r) <= diameter / 2
    return (inside / inside.sum()).astype(np.float32)[None, None]


class Sharpener(nn.Module):
    """Grey images (N, 1, n, n) to the same with the blur undone: two convolutions, and nothing between that is not linear.

    A leaky ReLU between them did worse on the right halves in as many steps, by 0.4 dB or more.
    """

    def __init__(self, channels: int, algorithm: str, rng: np.random.Generator) -> None:
        how = {"padding": "same", "padding_mode": "reflect", "algorithm": algorithm, "rng": rng}
        self.look = nn.Conv2d(1, channels, KERNEL, init=faint, **how)
        self.mend = nn.Conv2d(channels, 1, KERNEL, init=faint, **how)

    def forward(self, x: Any) -> nd.Tensor:
        return x + self.mend(self.look(x))


def faint(shape: tuple[int, ...], **how: Any) -> np.ndarray:
    """Weights so small that the image is nearly left as it is at first."""
    return nd.init.he_normal(shape, **how) / 60


def loss(found: nd.Tensor, sharp: np.ndarray) -> nd.Tensor:
    """The squared error, and much more that of the differences between neighbours: there is little energy in fine detail."""
    error = found - sharp
    down, across = error[:, :, 1:] - error[:, :, :-1], error[..., 1:] - error[..., :-1]
    return nd.mean(nd.square(error)) + 100 * (nd.mean(nd.square(down)) + nd.mean(nd.square(across)))


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    args = arguments(__doc__, argv, epochs=(30, 1), crops=(256, 16), channels=(8, 2))
    rng = np.random.default_rng(args.seed)
    images = photographs.load()
    blur = disc(13)

    def pairs(count: int, half: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Blurred crops with a little noise, and sharp ones: (count, 1, 96, 96) each."""
        sharp = photographs.crops(images, count, half, rng)[0].mean(1, keepdims=True)
        blurred = nd.conv_nd(sharp, blur, padding="same", padding_mode="reflect").data
        return nd.data.augment.noise(blurred, rng, NOISE), sharp

    net = Sharpener(args.channels, "auto", rng)
    data = nd.data.batches(pairs(args.crops, "left", rng), 8, shuffle=True, rng=args.seed)
    optimiser = nd.optim.Adam(net.parameters(), lr=6e-4)
    schedule = nd.optim.OneCycleLR(optimiser, max_lr=6e-4, total_steps=args.epochs * len(data))
    history = nd.fit(net, loss, data, optimiser, args.epochs, schedule=schedule, schedule_every="step")

    blurred, sharp = pairs(32, "right", np.random.default_rng(12345))
    with nd.no_grad():
        mended = net(blurred).data
    graph = save_graph(args.out / "large_kernels_graph.svg", loss(net(blurred), sharp))
    wiener = min((wiener_filter(blurred, blur, ratio) for ratio in np.logspace(-4, -1, 7)), key=lambda found: np.mean((found - sharp) ** 2))
    found = {"out of focus": blurred, "Wiener filter": wiener, "network": mended, "truth": sharp}
    psnr = {name: float(10 * np.log10(4 / np.mean((p - sharp) ** 2))) for name, p in found.items() if p is not sharp}
    print(*(f"{name} {p:.2f} dB" for name, p in psnr.items()), sep=", ")

    told = nd.explain_conv((8, args.channels, 96, 96), (1, args.channels, KERNEL, KERNEL), padding="same")  # which it prints, too
    seconds = {name: step_time(Sharpener(args.channels, name, np.random.default_rng(0)), *next(iter(data))) for name in ("auto", "gemm")}
    faster = seconds["gemm"] / seconds["auto"]
    print(f"a training step: {1e3 * seconds['auto']:.0f} ms as picked, {1e3 * seconds['gemm']:.0f} ms by gemm, {faster:.1f} times as long")
    picture = save_figure(plot(found, psnr, net.look.weight.data), args.out / "large_kernels.png")
    print(f"wrote {picture} and {graph}")
    return {"losses": history["loss"], **psnr, "faster": faster, "by_fft": told.count("* fft")}


def wiener_filter(blurred: np.ndarray, blur: np.ndarray, ratio: float) -> np.ndarray:
    """The best linear filter where noise has so much of the signal's power, after mirroring so that edges do not ring."""
    n, k = blurred.shape[-1], blur.shape[-1]
    mirrored = np.pad(blurred, [(0, 0), (0, 0), (n // 2, n // 2), (n // 2, n // 2)], "symmetric")
    centred = np.roll(np.pad(blur[0, 0], (0, 2 * n - k)), (-(k // 2), -(k // 2)), (0, 1))
    transfer = np.fft.rfft2(centred)
    found = np.fft.irfft2(np.fft.rfft2(mirrored) * transfer.conj() / (np.abs(transfer) ** 2 + ratio), mirrored.shape[-2:])
    return found[..., n // 2 : -(n // 2), n // 2 : -(n // 2)]


def step_time(net: Sharpener, x: np.ndarray, y: np.ndarray) -> float:
    """Seconds of a loss and its gradients, the best of three."""
    best = np.inf
    for _ in range(3):
        start = time.perf_counter()
        loss(net(x), y).backward()
        best = min(best, time.perf_counter() - start)
    return best


def plot(found: dict[str, np.ndarray], psnr: dict[str, float], kernels: np.ndarray) -> Any:
    """Three unseen crops, and below them the kernels of the first layer."""
    figure = new_figure(10, 10)
    grid = figure.subplots(4, 4)
    for column, (name, images) in zip(grid.T, found.items()):
        column[0].set_title(name + (f", {psnr[name]:.2f} dB" if name in psnr else ""))
        for axes, image in zip(column[:3], images):
            axes.imshow(image[0], cmap="gray", vmin=-1, vmax=1)
    for axes, kernel in zip(grid[3], kernels[:, 0]):
        axes.imshow(kernel, cmap="RdBu_r", vmin=-np.abs(kernel).max(), vmax=np.abs(kernel).max())
        axes.set_xlabel("a 31x31 kernel")
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
    for axes in grid[3, len(kernels) :]:
        axes.set_axis_off()
    return figure


if __name__ == "__main__":
    main()
