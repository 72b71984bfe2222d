"""Grey and white matter in a noisy brain scan, voxel by voxel: a 3-D U-Net with transposed convolutions.

    python brain_unet.py [--quick]

The average of 152 brains is so clean that intensity alone tells its tissues apart; so noise is added, as of a fast scan. The brain is
cut into eight slabs from back to front: the network learns from random pieces of six, and is tested on the other two, which it never
saw. Two rules are held against it: the likeliest tissue by intensity, and the same after Gaussian smoothing, its width chosen on the
tested slabs.
Source: Çiçek et al., 3D U-Net: learning dense volumetric segmentation from sparse annotation, 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import datasets
import numpy as np
from commandline import arguments
from pictures import new_figure, save_figure, save_graph

import tinygrad_nd as nd
from tinygrad_nd import nn

NOISE, PIECE = 0.15, 24
BOX = np.s_[22:174, 24:216, 0:160]  # the brain and some air
LEARNED, TESTED = (0, 1, 3, 4, 6, 7), (2, 5)  # slabs


class Twice(nn.Sequential):
    """Two 3x3x3 convolutions, each rectified."""

    def __init__(self, inside: int, outside: int, rng: np.random.Generator) -> None:
        super().__init__(
            nn.Conv3d(inside, outside, 3, padding="same", rng=rng), nn.ReLU(),
            nn.Conv3d(outside, outside, 3, padding="same", rng=rng), nn.ReLU(),
        )  # fmt: skip


class UNet(nn.Module):
    """Volumes (N, 1, *n), n multiples of 4, to scores (N, 3, *n): down twice, and up again beside what was there on the way."""

    def __init__(self, c: int, rng: np.random.Generator) -> None:
        self.down1, self.down2, self.bottom = Twice(1, c, rng), Twice(c, 2 * c, rng), Twice(2 * c, 4 * c, rng)
        self.up2, self.join2 = nn.ConvTranspose3d(4 * c, 2 * c, 2, stride=2, rng=rng), Twice(4 * c, 2 * c, rng)
        self.up1, self.join1 = nn.ConvTranspose3d(2 * c, c, 2, stride=2, rng=rng), Twice(2 * c, c, rng)
        self.scores = nn.Conv3d(c, 3, 1, rng=rng)

    def forward(self, x: Any) -> nd.Tensor:
        fine = self.down1(4 * x - 2)  # about -2 to 2
        middle = self.down2(nd.max_pool_nd(fine, 2))
        coarse = self.bottom(nd.max_pool_nd(middle, 2))
        middle = self.join2(nd.concatenate([self.up2(coarse), middle], axis=1))
        fine = self.join1(nd.concatenate([self.up1(middle), fine], axis=1))
        return self.scores(fine)


def slab(volume: np.ndarray, i: int) -> np.ndarray:
    """One of eight, 24 mm thick."""
    return np.split(volume, 8, axis=1)[i]


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    args = arguments(__doc__, argv, epochs=(10, 1), steps=(50, 8), coarse=(1, 2))
    t1, tissue = (volume[BOX][(slice(None, None, args.coarse),) * 3] for volume in datasets.brain())

    def pieces(batch: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Random pieces of the slabs to learn from, with fresh noise."""
        x, y = [], []
        for which in rng.choice(LEARNED, len(batch)):
            i, j = rng.integers(t1.shape[0] - PIECE + 1), rng.integers(t1.shape[2] - PIECE + 1)
            where = np.s_[i : i + PIECE, :, j : j + PIECE]
            x.append(slab(t1, which)[where])
            y.append(slab(tissue, which)[where])
        return nd.data.augment.noise(np.stack(x)[:, None], rng, NOISE), np.stack(y)

    net = UNet(12, np.random.default_rng(args.seed))
    data = nd.data.batches(np.arange(8 * args.steps), 8, rng=args.seed, transform=pieces)
    optimiser = nd.optim.Adam(net.parameters(), lr=8e-3)
    schedule = nd.optim.OneCycleLR(optimiser, max_lr=8e-3, total_steps=args.epochs * len(data))
    history = nd.fit(net, nd.cross_entropy, data, optimiser, args.epochs, metrics=[nd.accuracy], schedule=schedule, schedule_every="step")

    scan = nd.data.augment.noise(t1, 1, NOISE)
    net.eval()
    with nd.no_grad():
        found = {i: net(slab(scan, i)[None, None]).data[0].argmax(0) for i in TESTED}
    truth = np.stack([slab(tissue, i) for i in TESTED])
    graph = save_graph(args.out / "brain_unet_graph.svg", nd.cross_entropy(net(slab(scan, 2)[None, None]), slab(tissue, 2)[None]), depth=1)
    scores = {"network": dice(np.stack(list(found.values())), truth), **rules(scan, tissue, truth)}
    for name, (grey, white) in scores.items():
        print(f"Dice on unseen slabs, {name:24} grey {grey:.3f}  white {white:.3f}")
    picture = save_figure(plot(scan, tissue, found, scores["network"]), args.out / "brain_unet.png")
    print(f"wrote {picture} and {graph}")
    return {"losses": history["loss"], **{name: min(pair) for name, pair in scores.items()}}


def dice(found: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """2 |A and B| / (|A| + |B|) of grey and of white matter: 1 is perfect."""
    grey, white = (float(2 * np.sum((found == t) & (truth == t)) / (np.sum(found == t) + np.sum(truth == t))) for t in (1, 2))
    return grey, white


def rules(scan: np.ndarray, tissue: np.ndarray, truth: np.ndarray) -> dict[str, tuple[float, float]]:
    """The Dice of the likeliest tissue by intensity, as counted in the slabs to learn from; and after smoothing, of the best width."""
    from scipy.ndimage import gaussian_filter

    def rule(width: float) -> tuple[float, float]:
        level = np.clip(64 * gaussian_filter(scan, width) + 32, 0, 127).astype(int)
        counts = np.zeros((128, 3))
        np.add.at(counts, (np.stack([slab(level, i) for i in LEARNED]), np.stack([slab(tissue, i) for i in LEARNED])), 1)
        return dice(counts.argmax(1)[np.stack([slab(level, i) for i in TESTED])], truth)

    return {"by intensity": rule(0), "by smoothed intensity": max(map(rule, (0.8, 1.0, 1.2, 1.4)), key=sum)}


def plot(scan: np.ndarray, tissue: np.ndarray, found: dict[int, np.ndarray], score: tuple[float, float]) -> Any:
    """For each tested slab its middle: the scan, the truth, what the network found, and where they differ."""
    figure = new_figure(11, 6)
    figure.suptitle(f"tissue in unseen slabs: Dice {score[0]:.3f} of grey matter, {score[1]:.3f} of white")
    for row, (i, result) in zip(figure.subplots(2, 4), found.items()):
        noisy, truth, result = (volume[:, volume.shape[1] // 2] for volume in (slab(scan, i), slab(tissue, i), result))
        images = {"noisy scan": noisy, "truth": truth, "network": result, "differences": result != truth}
        for axes, (title, image) in zip(row, images.items()):
            axes.imshow(image.T, origin="lower", cmap="gray" if title == "noisy scan" else "bone" if title != "differences" else "Reds")
            axes.set(title=title, xticks=[], yticks=[])
    return figure


if __name__ == "__main__":
    main()
