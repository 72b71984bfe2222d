"""A physics-informed network: twelve noisy measurements of a damped oscillator, and the law of motion for everything else.

    python oscillator.py [--quick]

A plain network fits the measurements and knows nothing beyond them. The other is also held to x'' + friction x' + stiffness x = 0 at
points all over the interval; x' and x'' are gradients of the network with respect to time, made with create_graph so that the loss, which
contains them, can be differentiated once more. Friction is not given: it is learned along.
Source: Raissi, Perdikaris and Karniadakis, Physics-informed neural networks, 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from commandline import arguments
from pictures import new_figure, save_figure, save_graph

import tinygrad_nd as nd
from tinygrad_nd import nn

FRICTION, STIFFNESS, MEASURED = 4.0, 400.0, 0.4  # measurements end at 0.4 s of 1 s


def motion(t: np.ndarray) -> np.ndarray:
    """The exact solution from x = 1 at rest."""
    decay = FRICTION / 2
    omega = np.sqrt(STIFFNESS - decay**2)
    return np.exp(-decay * t) * (np.cos(omega * t) + decay / omega * np.sin(omega * t))


class Motion(nn.Module):
    """Times (N, 1) to positions (N, 1); sines of several frequencies first, so that oscillations are easy to learn."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.waves = nn.Linear(1, 32, init=lambda shape, **how: nd.init.normal(shape, std=12.0, **how), rng=rng)
        self.hidden = nn.Linear(32, 32, init=nd.init.glorot_normal, rng=rng)
        self.position = nn.Linear(32, 1, init=nd.init.glorot_normal, rng=rng)
        self.friction = nd.Parameter(np.float32(1.0))

    def forward(self, t: Any) -> nd.Tensor:
        return self.position(nd.tanh(self.hidden(nd.sin(self.waves(t)))))


def misfit(model: Motion, batch: Any) -> nd.Tensor:
    """How far the network is from the measurements."""
    times, positions, _ = batch
    return nd.mse_loss(model(times), positions)


def misfit_and_law(model: Motion, batch: Any) -> nd.Tensor:
    """... and from the law of motion, divided by the stiffness to be of the order of positions."""
    t = nd.tensor(batch[2], requires_grad=True, name="t")
    x = model(t)
    with nd.scope("velocity"):
        velocity = nd.gradients(x.sum(), t, create_graph=True)
    with nd.scope("acceleration"):
        acceleration = nd.gradients(velocity.sum(), t, create_graph=True)
    with nd.scope("law"):
        law = (acceleration + model.friction * velocity + STIFFNESS * x) / STIFFNESS
        return misfit(model, batch) + nd.mean(nd.square(law))


def train(loss: Callable[..., nd.Tensor], measurements: Any, args: Any) -> tuple[Motion, nd.History]:
    net = Motion(np.random.default_rng(args.seed))
    anywhere = np.linspace(0, 1, 60, dtype=np.float32)[:, None]
    data = [(*measurements, anywhere)] * args.steps
    optimiser = nd.optim.Adam(net.parameters(), lr=5e-3)
    schedule = nd.optim.OneCycleLR(optimiser, max_lr=5e-3, total_steps=args.epochs * args.steps)
    return net, nd.fit(net, loss, data, optimiser, args.epochs, schedule=schedule, schedule_every="step")


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    args = arguments(__doc__, argv, epochs=(10, 2), steps=(500, 50))
    rng = np.random.default_rng(args.seed)
    times = np.linspace(0, MEASURED, 12, dtype=np.float32)[:, None]
    measurements = times, (motion(times) + 0.02 * rng.standard_normal(times.shape)).astype(np.float32)
    plain, _ = train(misfit, measurements, args)
    physical, history = train(misfit_and_law, measurements, args)

    every = np.linspace(0, 1, 500, dtype=np.float32)[:, None]
    with nd.no_grad():
        found = {"network": plain(every).data, "network that knows the law": physical(every).data}
    errors = [float(np.sqrt(np.mean((x - motion(every)) ** 2))) for x in found.values()]
    graph = save_graph(args.out / "oscillator_graph.svg", misfit_and_law(physical, (*measurements, every)), depth=0)
    picture = save_figure(plot(every, measurements, found, errors), args.out / "oscillator.png")
    print(f"error: plain {errors[0]:.3f}, with the law {errors[1]:.3f}; friction {physical.friction.item():.2f}, truly {FRICTION}")
    print(f"wrote {picture} and {graph}")
    return {"losses": history["loss"], "plain": errors[0], "physical": errors[1], "friction": physical.friction.item()}


def plot(t: np.ndarray, measurements: Any, found: dict[str, np.ndarray], errors: Sequence[float]) -> Any:
    figure = new_figure(10, 4.5)
    axes = figure.subplots()
    axes.axvspan(0, MEASURED, color="#1f77b4", alpha=0.08)
    axes.plot(t, motion(t), color="black", lw=5, alpha=0.2, label="exact motion")
    for (name, x), error, color in zip(found.items(), errors, ("#999999", "#d62728")):
        axes.plot(t, x, color=color, lw=1.8, label=f"{name}: error {error:.3f}")
    axes.plot(*measurements, "o", color="#1f77b4", label="measurements")
    axes.set(title="a damped oscillator, measured only at first", xlabel="s", ylabel="position", xlim=(0, 1), ylim=(-1.3, 1.5))
    axes.legend(frameon=False, ncols=2, loc="upper right")
    return figure


if __name__ == "__main__":
    main()
