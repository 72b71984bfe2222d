"""Who is speaking? Nine men say /ae/, and a 1-D convolution over time tells them apart.

    python speakers.py [--quick]

270 utterances to learn from, 370 to test on: the data set's own split. Each is 7 to 29 frames of 12 cepstrum coefficients.
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


def vary(batch: Any, rng: np.random.Generator) -> Any:
    """A little noise where there is sound, so that no utterance is learned by heart."""
    x, y = batch
    return nd.data.augment.noise(x, rng, 0.1) * (x != 0), y


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    args = arguments(__doc__, argv, epochs=(60, 6))
    x, y = datasets.japanese_vowels("TRAIN")
    test_x, test_y = datasets.japanese_vowels("TEST")
    data = nd.data.batches((x, y), 32, shuffle=True, rng=args.seed, transform=vary)

    rng = np.random.default_rng(args.seed)
    net = nn.Sequential(
        nn.Conv1d(12, 64, 3, padding="same", rng=rng), nn.ReLU(),
        nn.Conv1d(64, 64, 3, padding="same", rng=rng), nn.ReLU(),
        nn.Conv1d(64, 64, 3, padding="same", dilation=2, rng=rng), nn.ReLU(),
        nn.Dropout(0.3, rng=rng), nn.GlobalAvgPool(), nn.Flatten(), nn.Linear(64, 9, rng=rng),
    )  # fmt: skip
    optimiser = nd.optim.AdamW(net.parameters(), lr=3e-3)
    schedule = nd.optim.OneCycleLR(optimiser, max_lr=3e-3, total_steps=args.epochs * len(data))
    history = nd.fit(net, nd.cross_entropy, data, optimiser, args.epochs, schedule=schedule, schedule_every="step")

    net.eval()
    with nd.no_grad():
        features = net[:-1](test_x)  # (370, 64): what the network hears, before it decides
        scores = net[-1](features).data
    accuracy = nd.accuracy(scores, test_y)
    graph = save_graph(args.out / "speakers_graph.svg", nd.cross_entropy(net(test_x), test_y))
    picture = save_figure(plot(features.data, scores.argmax(1), test_y, accuracy), args.out / "speakers.png")
    print(f"{accuracy:.1%} of {len(test_y)} unseen utterances; wrote {picture} and {graph}")
    return {"accuracy": accuracy, "losses": history["loss"]}


def plot(features: np.ndarray, taken: np.ndarray, speaker: np.ndarray, accuracy: float) -> Any:
    """The utterances on the two directions in which their features vary most, and who was taken for whom."""
    centred = features - features.mean(0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    across, up = (centred @ directions[:2].T).T
    figure = new_figure(11, 5)
    left, right = figure.subplots(1, 2)
    dots = left.scatter(across, up, c=speaker, cmap="Set1", s=14, vmin=-0.5, vmax=8.5)
    wrong = taken != speaker
    left.scatter(across[wrong], up[wrong], s=90, facecolors="none", edgecolors="black", label=f"{wrong.sum()} mistakes")
    left.set(title="what the network hears", xticks=[], yticks=[], xlabel="first principal component", ylabel="second")
    left.legend(frameon=False)
    figure.colorbar(dots, ax=left, label="speaker", ticks=range(9))
    counts = np.zeros((9, 9), int)
    np.add.at(counts, (speaker, taken), 1)
    right.imshow(counts, cmap="Blues")
    for i, j in zip(*np.nonzero(counts)):
        right.text(j, i, counts[i, j], ha="center", va="center", color="white" if 2 * counts[i, j] > counts.max() else "black")
    right.set(title=f"{accuracy:.1%} right", xlabel="taken for", ylabel="speaker", xticks=range(9), yticks=range(9))
    return figure


if __name__ == "__main__":
    main()
