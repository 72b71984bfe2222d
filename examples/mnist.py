"""Handwritten digits: 4000 to learn from, 1000 others to test on, and every mistake on one page.

    python mnist.py [--quick]

Data, model, optimiser and training are the first twenty lines of `main`; the rest is for looking.
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


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    args = arguments(__doc__, argv, epochs=(15, 1), digits=(4000, 640))
    x, y = datasets.mnist()
    x, test_x, y, test_y = nd.data.train_test_split(x, y, test_size=1000, stratify=y, rng=0)

    def vary(batch: Any, rng: np.random.Generator) -> Any:
        return nd.data.augment.shift(batch[0], rng, 2), batch[1]

    data = nd.data.batches((x[: args.digits], y[: args.digits]), 64, shuffle=True, rng=args.seed, transform=vary)
    rng = np.random.default_rng(args.seed)
    net = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding="same", rng=rng), nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding="same", rng=rng), nn.ReLU(), nn.MaxPool(2),
        nn.Conv2d(32, 64, 3, padding="same", rng=rng), nn.ReLU(),
        nn.Conv2d(64, 64, 3, padding="same", rng=rng), nn.ReLU(), nn.MaxPool(2),
        nn.Flatten(), nn.Dropout(0.5, rng=rng), nn.Linear(64 * 7 * 7, 10, rng=rng),
    )  # fmt: skip
    optimiser = nd.optim.AdamW(net.parameters(), lr=2e-3)
    schedule = nd.optim.OneCycleLR(optimiser, max_lr=2e-3, total_steps=args.epochs * len(data))
    history = nd.fit(net, nd.cross_entropy, data, optimiser, args.epochs, metrics=[nd.accuracy], schedule=schedule, schedule_every="step")

    net.eval()
    with nd.no_grad():
        scores = nd.softmax(net(test_x), axis=1).data
    graph = save_graph(args.out / "mnist_graph.svg", nd.cross_entropy(net(test_x[:64]), test_y[:64]))
    accuracy = nd.accuracy(scores, test_y)
    picture = save_figure(mistakes(test_x, test_y, scores), args.out / "mnist.png")
    curves = save_figure(history.plot(), args.out / "mnist_training.png")
    print(f"{accuracy:.1%} of {len(test_y)} unseen digits; wrote {picture}, {curves} and {graph}")
    return {"accuracy": accuracy, "losses": history["loss"]}


def mistakes(x: np.ndarray, y: np.ndarray, scores: np.ndarray, most: int = 24) -> Any:
    """The digits that are taken for others, the surest mistakes first."""
    wrong = np.flatnonzero(scores.argmax(1) != y)
    wrong = wrong[np.argsort(-scores[wrong].max(1))]
    figure = new_figure(8, 5)
    figure.suptitle(f"{len(wrong)} mistakes in {len(y)} unseen digits" + (f", the {most} surest" if len(wrong) > most else ""))
    for axes in figure.subplots(4, 6).flat:
        axes.axis("off")
    for axes, i in zip(figure.axes, wrong):
        taken = scores[i].argmax()
        axes.imshow(x[i, 0], cmap="gray_r")
        axes.set_title(f"{y[i]} taken for {taken} ({scores[i, taken]:.0%})", size=8)
    return figure


if __name__ == "__main__":
    main()
