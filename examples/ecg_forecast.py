"""What will the heart do in 22 ms? A dilated causal network learns two beats and forecasts the third.

    python ecg_forecast.py [--quick]

Seven gated layers with dilations 1, 2, 4 … 64 see 128 samples (0.36 s) back and none ahead. They are held against the best linear
forecast (an autoregression by least squares, whose order and ridge are chosen on the third beat itself, in its favour) and against
"as it is now". Source: van den Oord et al., WaveNet: a generative model for raw audio, 2016.
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

RATE, SEEN, BACK, AHEAD = 360, 700, 128, 8  # samples: per second, before the third beat, looked back at, forecast


class Gated(nn.Module):
    """tanh(a) sigmoid(b) of a causal convolution's two halves: what goes on to the next layer, and what to the result."""

    def __init__(self, channels: int, dilation: int, rng: np.random.Generator) -> None:
        self.look = nn.Conv1d(channels, 2 * channels, 2, dilation=dilation, padding="causal", init=nd.init.glorot_normal, rng=rng)
        self.mix = nn.Conv1d(channels, channels, 1, rng=rng)

    def forward(self, x: nd.Tensor) -> tuple[nd.Tensor, nd.Tensor]:
        a, b = nd.split(self.look(x), 2, axis=1)
        h = self.mix(nd.tanh(a) * nd.sigmoid(b))
        return x + h, h


class WaveNet(nn.Module):
    """(N, 1, n) to (N, 1, n): at each sample, the one AHEAD of it."""

    def __init__(self, channels: int, layers: int, rng: np.random.Generator) -> None:
        self.first = nn.Conv1d(1, channels, 1, rng=rng)
        self.layers = [Gated(channels, 2**i, rng) for i in range(layers)]
        self.last = nn.Sequential(nn.ReLU(), nn.Conv1d(channels, channels, 1, rng=rng), nn.ReLU(), nn.Conv1d(channels, 1, 1, rng=rng))

    def forward(self, x: nd.Tensor) -> nd.Tensor:
        h, found = self.first(x), []
        for layer in self.layers:
            h, skip = layer(h)
            found.append(skip)
        return x + self.last(sum(found))


def vary(batch: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The signal and its future, stronger or weaker, higher or lower, and with a little noise in what is seen."""
    strength, level = rng.uniform(0.7, 1.3, (len(batch), 1, 1)), rng.normal(0, 0.15, (len(batch), 1, 1))
    x = (batch * strength + level).astype(np.float32)
    return nd.data.augment.noise(x[..., :-AHEAD], rng, 0.01), x[..., AHEAD:]


def loss(forecast: nd.Tensor, future: np.ndarray) -> nd.Tensor:
    return nd.mse_loss(forecast[..., BACK:], future[..., BACK:])  # before that, the past is padding


def autoregression(signal: np.ndarray, order: int, ridge: float) -> np.ndarray:
    """The forecast for every sample, by least squares on the `order` samples up to now, fitted before the third beat."""
    padded = np.concatenate([np.full(order - 1, signal[0]), signal])
    past = np.c_[np.lib.stride_tricks.sliding_window_view(padded, order), np.ones(len(signal))]
    x, y = past[order - 1 : SEEN - AHEAD], signal[order - 1 + AHEAD : SEEN]
    return past @ np.linalg.solve(x.T @ x + ridge * np.eye(order + 1), x.T @ y)


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    args = arguments(__doc__, argv, epochs=(10, 1))
    signal = datasets.ecg()
    net = WaveNet(16, 7, np.random.default_rng(args.seed))
    data = nd.data.batches(np.broadcast_to(signal[:SEEN], (240, 1, SEEN)), 8, rng=args.seed, transform=vary)
    optimiser = nd.optim.Adam(net.parameters(), lr=5e-3)
    schedule = nd.optim.OneCycleLR(optimiser, max_lr=5e-3, total_steps=args.epochs * len(data))
    history = nd.fit(net, loss, data, optimiser, args.epochs, schedule=schedule, schedule_every="step")

    now = np.arange(SEEN, len(signal) - AHEAD)  # forecasts made from here on, of nothing that was learned from
    error = lambda forecast: float(np.sqrt(np.mean((forecast[now] - signal[now + AHEAD]) ** 2)))
    linear = min((autoregression(signal, p, r) for p in (1, 2, 4, 8, 16, 32, 64, 128) for r in (1e-6, 1e-4, 1e-2)), key=error)
    forecast = net(nd.astensor(signal[None, None], name="ECG"))
    graph = save_graph(args.out / "ecg_forecast_graph.svg", loss(forecast[..., :-AHEAD], signal[None, None, AHEAD:]), depth=1)
    forecasts = {"network": forecast.data[0, 0], "best autoregression": linear, "as it is now": signal}
    errors = {name: error(f) for name, f in forecasts.items()}
    picture = save_figure(plot(signal, now, forecasts, errors), args.out / "ecg_forecast.png")
    print("error in mV, 22 ms ahead:", ", ".join(f"{name} {e:.3f}" for name, e in errors.items()))
    print(f"wrote {picture} and {graph}")
    return {"losses": history["loss"], **dict(zip(("network", "linear", "naive"), errors.values()))}


def plot(signal: np.ndarray, now: np.ndarray, forecasts: dict[str, np.ndarray], errors: dict[str, float]) -> Any:
    figure = new_figure(11, 6)
    above, below = figure.subplots(2, 1, height_ratios=(1, 2))
    seconds = np.arange(len(signal)) / RATE
    above.plot(seconds, signal, color="black", lw=0.9)
    above.axvspan(seconds[SEEN], seconds[-1], color="#1f77b4", alpha=0.12, label="never seen")
    above.set(title="electrocardiogram: learned from the first two beats", ylabel="mV", xlim=(0, seconds[-1]))
    above.legend(frameon=False, loc="upper left")
    below.plot(seconds[now + AHEAD], signal[now + AHEAD], color="black", lw=4, alpha=0.25, label="what came")
    for (name, forecast), color in zip(forecasts.items(), ("#d62728", "#1f77b4", "#999999")):
        below.plot(seconds[now + AHEAD], forecast[now], color=color, lw=1.3, label=f"{name}: error {errors[name]:.3f} mV")
    below.set(title="the third beat, forecast 22 ms ahead", xlabel="s", ylabel="mV", xlim=(seconds[now[60]], seconds[now[260]]))
    below.legend(frameon=False)
    return figure


if __name__ == "__main__":
    main()
