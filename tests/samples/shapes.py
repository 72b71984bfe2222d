"""Rows for shapes, joining, rearranging, padding, selection and grids."""

from __future__ import annotations

import numpy as np

import tinygrad_nd as nd
from tinygrad_nd.ops import rearrange

from .rows import Sample, apart, normal, positive, rows

X = (normal(3, 4),)
Z = (normal(3, 4) + 1j * normal(3, 4),)
CUBE = (normal(2, 3, 4),)
PAIR = (normal(3, 4), normal(3, 4))
VECTOR = (normal(5),)

MOVES = {  # op, function, operands: moves of values, all of them linear
    "reshape": [(lambda x: nd.reshape(x, (2, 6)), X), (lambda x: nd.expand_dims(x, (0, -1)), Z), (lambda x: nd.squeeze(x[:1], 0), X),
                (lambda x: nd.atleast_3d(x), X), (lambda x: nd.atleast_2d(x[0]), X), (lambda x: nd.atleast_1d(x[0, 0]), X)],
    "transpose": [(lambda x: nd.reshape(x, (2, 6), order="F"), Z), (lambda x: nd.ravel(x, order="F"), CUBE),
                  (lambda x: nd.rollaxis(x, 2), CUBE),
                  (lambda x: nd.moveaxis(x, (0, 1), (-1, 0)), CUBE), (lambda x: nd.swapaxes(x, 0, 2), CUBE)],
    "broadcast_to": [(lambda x: nd.tile(x, (2, 1, 2)), X), (lambda x: nd.broadcast_arrays(x, normal(2, 1, 1))[0], X),
                     (lambda x: nd.full((2, 3, 4), x), X), (lambda x: nd.full_like(np.zeros((2, 3), np.float16), x[0, 0], x.dtype), X)],
    "repeat": [(lambda x: nd.repeat(x, 3, 1), Z), (lambda x: nd.repeat(x, 2), X)],
    "unrepeat": [(lambda x: rearrange._unrepeat(x, count=2, axis=1, size=2), X)],
    "flip": [(nd.flipud, X), (nd.fliplr, Z), (lambda x: nd.rot90(x), X), (lambda x: nd.rot90(x, 3, (1, 2)), CUBE),
             (lambda x: nd.rot90(x, 2), X)],
    "roll": [(lambda x: nd.roll(x, 2), X), (lambda x: nd.roll(x, (1, -2), (0, 1)), Z), (lambda x: nd.roll(x, 1, 0), X)],
    "concatenate": [(lambda x: nd.hstack([x, x, x]), X), (lambda x: nd.vstack([x[0], x]), X), (lambda x: nd.dstack([x, x]), X),
                    (lambda x: nd.column_stack([x[:, 0], x]), X), (lambda x: nd.append(x, x), Z)],
    "stack": [(lambda x: nd.stack([x, x], 1), Z)],
    "crop": [(lambda x: nd.resize(x, (5, 4)), X), (lambda x: nd.resize(x, (2, 2)), X), (lambda x: nd.split(x, 2, 1)[1], X),
             (lambda x: nd.array_split(x, 3, 1)[0], X), (lambda x: nd.hsplit(x, 2)[0], X),
             (lambda x: nd.vsplit(x, 3)[1], X),
             (lambda x: nd.dsplit(x, [1])[1], CUBE)],
    "take_along": [(lambda x: nd.repeat(x, [2, 0, 1], 0), X), (lambda x: nd.delete(x, [0, 2], 1), Z),
                   (lambda x: nd.insert(x, [1, 1], x[:, :2], 1), X), (lambda x: nd.take(x, [5, -7], 0, mode="wrap"), X),
                   (lambda x: nd.take(x, [9], mode="clip"), X),
                   (lambda x: nd.compress([True, False, True], x, 0), X), (lambda x: nd.extract(np.eye(3, 4), x), X)]
    + [(lambda x, m=m: nd.pad(x, ((5, 4), (7, 1)), m, reflect_type="odd"), x) for m in ("reflect", "symmetric") for x in (X, Z)],
    "extend": [(lambda x, m=m: nd.pad(x, ((1, 2), (3, 0)), m), x) for m in ("edge", "reflect", "symmetric", "wrap") for x in (X, Z)],
    "zero_pad": [(lambda x: nd.pad(x, 1), Z), (lambda x: nd.pad(x, {1: (0, 2)}), X)],
    "pick": [(lambda x: nd.take_along_axis(x, np.array([[0, 0], [3, -1], [1, 1]]), 1), X),
             (lambda x: nd.take_along_axis(x, np.array([[2, 0, 2, 1]]), 0), Z),
             (lambda x: nd.take_along_axis(x, np.array([5, 5]), None), X),
             (lambda x: nd.choose([0, 1, 1, 2], x), X)],
    "getitem": [(lambda x: nd.unstack(x, axis=1)[2], Z),
                (lambda x: nd.trim_zeros(nd.concatenate([x[:2] * 0, x])), VECTOR)],
    "mean": [(lambda x: nd.pad(x, 2, "mean"), X), (lambda x: nd.pad(x, ((1, 2), (3, 0)), "mean", stat_length=((1, 2), (2, 1))), Z)],
    "cast": [],
}  # fmt: skip

SAMPLES: list[Sample] = [
    *[s for op, moves in MOVES.items() for f, x in moves for s in rows(op, f, x, linear=x is not Z)],
    *rows("roll", lambda x: rearrange._roll(x, shift=(1, 1), axes=(0, 0)), X, linear=True),
    *rows("concatenate", lambda x, y: nd.append(x, y, 1), PAIR, linear=True),
    *rows("assemble", lambda x, y: nd.block([[x, y], [y, x]]), PAIR, linear=True),
    *rows("take_along", lambda x, v: nd.insert(x, [0, 2], v, axis=1), (normal(3, 4), normal(3, 2)), (normal(3, 4), normal()), linear=True,
          promotes=False),
    *rows("take_along", lambda x, v: nd.insert(x, 1, v, axis=1), (normal(3, 4), normal(3)), linear=True, promotes=False),
    *rows("getitem", lambda x, y: nd.choose([[0], [1], [0]], [x, y]), PAIR, (normal(3, 4), normal(4)), linear=True),
    *rows("setitem", lambda x, v: nd.put_along_axis(x, np.array([[0], [2], [1]]), v, 1), (normal(3, 4), normal(3, 1)), linear=True,
          promotes=False),
    *rows("concatenate", lambda x, c: nd.pad(x, ((1, 2), (0, 1)), constant_values=c), (normal(3, 4), normal(2, 2)),
          (normal(3, 4), normal()), linear=True, promotes=False),
    *rows("zero_pad", lambda x: nd.pad(x, ((1, 2), (0, 1)), constant_values=((1, 2), (3, 4))), X, Z),
    *rows("concatenate", lambda x, e: nd.pad(x, ((3, 2), (0, 4)), "linear_ramp", end_values=e), (normal(3, 4), normal(2, 2)),
          (normal(3, 4), normal()), Z + (normal(),), promotes=False),
    *[s for m in ("maximum", "minimum", "median") for s in rows("concatenate", lambda x, m=m: nd.pad(x, ((1, 2),
    (3, 0)), m, stat_length=(2, 3)), (apart(3, 4),))],
    # functions of slices
    *rows("stack", lambda x: nd.apply_along_axis(lambda s, k: s[:2] ** k, 1, x, 3), X),
    *rows("sum", lambda x: nd.apply_over_axes(nd.sum, x, (0, 2)), CUBE, linear=True),
    *rows("stack", lambda x: nd.array([[x[0, 0], x[1, 1]], [x[2, 2], x[0, 0]]]), X, Z),
    *rows("alias", lambda x: nd.array(x, ndmin=3), X, linear=True),
    # grids
    *rows("linspace", lambda a, b: nd.linspace(a, b, 5), (normal(1), normal(1)), (normal(3), normal(2, 1)), linear=True),
    *rows("linspace", lambda a, b: nd.linspace(a, b, 4, endpoint=False, axis=-1), (normal(3), normal()),
          (normal(3) + 1j * normal(3), normal(3))),
    *rows("linspace", lambda a, b: nd.linspace(a, b, 4, axis=1, retstep=True)[0], (normal(3), normal(3)), linear=True),
    *rows("linspace", lambda a, b: nd.logspace(a, b, 4), (normal(1), normal(1)), (normal(3), normal(3))),
    *rows("linspace", lambda a, b, c: nd.logspace(a, b, 4, base=c, axis=1), (normal(2), normal(2), positive(2))),
    *rows("geomspace", lambda a, b: nd.geomspace(a, b, 5), (positive(1), positive(1)), (positive(3), positive(2, 1)),
          (-positive(2), -positive(2)), keeps_dtype=False),
    *rows("geomspace", lambda a, b: nd.geomspace(a, b, 4, endpoint=False, axis=-1),
          (positive(3) + 1j * positive(3), positive(3) + 2j * positive(3)), keeps_dtype=False),
    *rows("broadcast_to", lambda x, y: nd.multiply(*nd.meshgrid(x, y, [1, 2])[:2]), (normal(3), normal(4))),
    *rows("broadcast_to", lambda x, y: nd.multiply(*nd.meshgrid(x, y, indexing="ij")), (normal(3), normal(4))),
    *rows("powers", lambda x: nd.vander(x, 4), (positive(3),), (normal(3) + 1j * normal(3),), (np.array([0.0, 1.0]),), keeps_dtype=False),
    *rows("powers", lambda x: nd.vander(x, increasing=True), (positive(3),), (positive(1),), keeps_dtype=False),
]  # fmt: skip
