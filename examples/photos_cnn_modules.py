"""The network of photos_cnn.py as modules: the same numbers from a Sequential that owns its weights.

Run it in the same ways, with the same options.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from photos_cnn import arguments, train

import tinygrad_nd as nd
from tinygrad_nd import nn


def network(rng: np.random.Generator) -> nn.Sequential:
    """Images (N, 3, 96, 96) to class scores (N, 8)."""
    return nn.Sequential(
        {
            "conv1": nn.Conv2d(3, 40, 4, stride=2, rng=rng),
            "relu1": nd.relu,
            "pool1": nn.MaxPool(3, 2),
            "conv2": nn.Conv2d(40, 105, 2, rng=rng),
            "relu2": nd.relu,
            "pool2": nn.MaxPool(4, 2),
            "conv3": nn.Conv2d(105, 158, 2, rng=rng),
            "relu3": nd.relu,
            "conv4": nn.Conv2d(158, 158, 2, rng=rng),
            "relu4": nd.relu,
            "conv5": nn.Conv2d(158, 105, 2, rng=rng),
            "relu5": nd.relu,
            "pool5": nn.MaxPool(3, 2),
            "flatten": nn.Flatten(),
            "dense1": nn.Linear(945, 945, rng=rng),
            "relu6": nd.relu,
            "dense2": nn.Linear(945, 475, rng=rng),
            "relu7": nd.relu,
            "dense3": nn.Linear(475, 8, rng=rng),
        }
    )


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    args = arguments(__doc__, argv)
    net = network(np.random.default_rng(args.seed))
    print(net)
    return train(net, net.parameters(), args)


if __name__ == "__main__":
    main()
