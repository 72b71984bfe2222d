"""The compiled loop of `kernels.margins`."""

# mypy: ignore-errors
import numpy as np

from .plain import exact, summing


@summing
def margins(found, slope, x, places, margin, squared, rate):
    classes, one = x.shape[1], x.dtype.type(1)
    others = np.empty(classes, x.dtype)  # 0 for labels, 1 for what is none
    for r in range(x.shape[0]):
        slope[r], others[:], total = 0, 1, x.dtype.type(0)
        for k in range(places.shape[1]):
            if places[r, k] >= 0:
                others[places[r, k]] = 0
        for k in range(places.shape[1]):
            label = places[r, k]
            if label < 0:
                continue
            distance, steps = margin - x[r, label], x.dtype.type(0)
            for i in range(classes):
                short = _short(distance, x[r, i]) * others[i]
                step = 2 * short if squared else (one if short > 0 else 0)
                total += short * short if squared else short
                slope[r, i] += step * rate
                steps += step
            slope[r, label] -= steps * rate
        found[r] = total / classes


@exact
def _short(distance, x):
    return np.maximum(distance + x, 0)
