"""nd.shapes: sizes without data, held against the functions themselves; tables of layers; receptive fields, held against gradients."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from in_turn import in_turn

import tinygrad_nd as nd
from tinygrad_nd import nn, shapes

# ---- sizes


def outcome(f):
    """What a call gives, or the kind and text of its error without the function's name."""
    try:
        return f()
    except (ValueError, TypeError) as error:
        return type(error), str(error).split(": ", 1)[1]


@in_turn("padding", [0, 2, -1, ((1, 2),), "valid", "same", "same_lower", "full", "causal", "sane", (1, 2), 0.5])
@pytest.mark.parametrize("n, k", list(product((0, 1, 4, 9), (1, 2, 4, 5))))
def test_conv_sizes_and_errors_are_those_of_conv(n, k, padding):
    for stride, dilation in product((1, 2, 3), (1, 2)):
        run = lambda: nd.conv_nd(np.zeros((1, 1, n)), np.zeros((1, 1, k)), None, stride, padding, dilation).shape[2]
        assert outcome(lambda: shapes.conv_nd(n, k, stride, padding, dilation)) == outcome(run)


@in_turn("padding", [0, 1, -1, ((0, 1),), "valid", "same", "causal", "full"])
@pytest.mark.parametrize("n, k", list(product((1, 4), (1, 2, 3))))
def test_transposed_sizes_and_errors_are_those_of_conv_transpose(n, k, padding):
    for stride, extra, dilation in product((1, 2, 3), (0, 1, 2), (1, 2)):
        x, w = np.zeros((1, 1, n)), np.zeros((1, 1, k))
        run = lambda: nd.conv_transpose_nd(x, w, None, stride, padding, extra, 1, dilation).shape[2]
        assert outcome(lambda: shapes.conv_transpose_nd(n, k, stride, padding, extra, dilation)) == outcome(run)


@pytest.mark.parametrize("ceil", [False, True])
@in_turn("n, k, padding", list(product((1, 4, 9), (1, 2, 3), (0, 1, ((0, 2),), "same", -1))))
def test_pool_sizes_and_errors_are_those_of_the_pools(n, k, padding, ceil):
    for stride, dilation in product((None, 1, 2, 3), (1, 2)):
        run = lambda: nd.max_pool_nd(np.zeros((1, 1, n)), (k,), stride, padding, dilation, ceil).shape[2]
        assert outcome(lambda: shapes.pool_nd(n, k, stride, padding, dilation, ceil)) == outcome(run)


def test_ints_give_an_int_and_sequences_a_tuple():
    assert shapes.conv_nd(32, 3, 2, "same") == 16
    assert shapes.conv_nd((32, 20), 3) == (30, 18) and shapes.conv_nd(32, (3, 5)) == (30, 28)
    assert shapes.conv_nd([32], 3) == (30,) and shapes.conv_nd((), ()) == ()
    assert shapes.conv_nd(32, 3, (1, 2)) == (30, 15)
    assert shapes.pool_nd((7, 8), 2) == (3, 4) and shapes.pool_nd(7, 2, ceil_mode=True) == 4
    assert shapes.conv_transpose_nd((16, 8), 3, 2, 1, (1, 0)) == (32, 15)
    assert shapes.conv_transpose_nd(16, 3, 2, output_size=34) == 34
    assert type(shapes.conv_nd(np.int64(32), np.int32(3))) is int


@in_turn(
    "call, kind, words",
    [
        (lambda: shapes.conv_nd(8, 9), ValueError, ("shapes.conv_nd", "9", "8")),
        (lambda: shapes.conv_nd(-1, 1), ValueError, ("shapes.conv_nd", "n=-1")),
        (lambda: shapes.conv_nd(8.0, 3), TypeError, ("shapes.conv_nd", "8.0")),
        (lambda: shapes.conv_nd(None, 3), TypeError, ("shapes.conv_nd", "None")),
        (lambda: shapes.conv_nd((8, 8), (3, 3, 3)), ValueError, ("shapes.conv_nd", "3", "2")),
        (lambda: shapes.conv_nd((8, 8), 3, padding=(1, 2, 3, 4)), ValueError, ("((1, 2), (3, 4))",)),
        (lambda: shapes.conv_transpose_nd(4, 3, 2, output_size=20), ValueError, ("shapes.conv_transpose_nd", "20", "9", "10")),
        (lambda: shapes.pool_nd(4, 5), ValueError, ("shapes.pool_nd", "5", "4")),
        (lambda: shapes.solve_padding(32, 3, 2, 14), ValueError, ("solve_padding", "14", "15")),
        (lambda: shapes.solve_padding((32, 8), 3, 1, (30, 0)), ValueError, ("solve_padding", "out=0", "axis 1")),
        (lambda: shapes.solve_padding(32, 3, 0, 16), ValueError, ("solve_padding", "stride=0")),
        (lambda: shapes.trace(3, (2, 3)), TypeError, ("trace", "int")),
        (lambda: shapes.trace(nd.exp, 5), TypeError, ("trace", "5")),
        (lambda: shapes.receptive_field(np.ones(3), nd.ones(3)), TypeError, ("receptive_field", "output", "ndarray")),
        (lambda: shapes.receptive_field(nd.ones(3), nd.ones(3)), ValueError, ("receptive_field", "requires_grad")),
    ],
)
def test_malformed_calls_say_what_came(call, kind, words):
    with pytest.raises(kind) as caught:
        call()
    assert [w for w in words if w not in str(caught.value)] == [], str(caught.value)


@in_turn("n, k, stride, dilation", list(product((1, 5, 8), (1, 2, 3, 4), (1, 2, 3), (1, 2))))
def test_solved_padding_gives_exactly_that_output_or_says_which_are_possible(n, k, stride, dilation):
    unpadded = (n - dilation * (k - 1) - 1) // stride + 1
    for out in range(1, 12):
        if out < unpadded:
            with pytest.raises(ValueError, match=f"gives {unpadded} outputs or more"):
                shapes.solve_padding(n, k, stride, out, dilation)
        else:
            ((before, after),) = shapes.solve_padding(n, k, stride, out, dilation)
            assert 0 <= before <= after <= before + 1
            assert shapes.conv_nd(n, k, stride, ((before, after),), dilation) == out
            if before + after:  # the least
                less = ((before, after - 1),) if after else ((before - 1, after),)
                smaller = n + before + after - 1 > dilation * (k - 1) and shapes.conv_nd(n, k, stride, less, dilation)
                assert smaller is False or smaller < out


def test_the_padding_of_same_is_solved_for_ceil_n_over_s():
    for n, k, s in product((5, 8, 9), (2, 3, 5), (1, 2, 3)):
        if k >= s:
            solved = shapes.solve_padding(n, k, s, -(-n // s))
            np.testing.assert_array_equal(
                nd.conv_nd(np.ones((1, 1, n)), np.ones((1, 1, k)), None, s, solved).data,
                nd.conv_nd(np.ones((1, 1, n)), np.ones((1, 1, k)), None, s, "same").data,
            )


# ---- tables


class Block(nn.Module):
    def __init__(self, c):
        self.conv, self.norm = nn.Conv2d(c, c, 3, padding="same", rng=0), nn.BatchNorm(c)

    def forward(self, x):
        return nd.relu(self.norm(self.conv(x)) + x)


class Net(nn.Module):
    def __init__(self):
        self.stem, self.blocks = nn.Conv2d(3, 4, 3, stride=2, padding=1, rng=0), [Block(4), Block(4)]
        self.drop, self.head = nn.Dropout(0.5, rng=0), nn.Linear(4, 10, rng=0)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(self.drop(nd.mean(x, (2, 3))))


def test_a_table_has_a_row_for_every_layer():
    net = Net()
    table = shapes.trace(net, (2, 3, 16, 16))
    kinds = [row.kind for row in table.rows]
    assert kinds[:5] == ["Conv2d", "Conv2d", "BatchNorm", "add", "relu"] and kinds[-2:] == ["Dropout", "Linear"]
    names = [row.name for row in table.rows]
    assert names[0] == "Net/stem" and names[1] == "Net/blocks.0/conv" and names[3] == "Net/blocks.0" and names[-1] == "Net/head"
    assert table.rows[0].shape == (2, 4, 8, 8) and table.rows[-1].shape == (2, 10)
    assert table.rows[0].flops == 2 * 2 * 4 * 64 * 3 * 9 and table.rows[-1].flops == 2 * 2 * 4 * 10
    assert table.rows[0].parameters == 4 * 3 * 9 + 4
    assert table.rows[0].bytes == 4 * (2 * 3 * 256 + 4 * 27 + 4 + 2 * 4 * 64)
    assert table.parameters == sum(p.size for p in net.parameters())
    assert table.flops == sum(row.flops for row in table.rows) and table.bytes == sum(row.bytes for row in table.rows)


def test_a_printed_table_is_a_summary():
    text = str(shapes.trace(Net(), (2, 3, 16, 16)))
    lines = text.splitlines()
    assert lines[0].split() == ["layer", "kind", "output", "parameters", "flops", "bytes"]
    assert lines[-1].startswith("in all") and f"{sum(p.size for p in Net().parameters()):,}" in lines[-1]
    assert "Net/blocks.1/conv" in text and "(2, 4, 8, 8)" in text


def test_tracing_changes_no_state():
    net = Net()
    net.blocks[0].eval()
    net(np.ones((2, 3, 16, 16), np.float32)).sum().backward()
    state, modes = net.state_dict(), [m.training for m in net.modules()]
    random = net.drop.generator.bit_generator.state
    grads = [p.grad.data.copy() for p in net.parameters()]
    for model in (net, lambda x: net(x) * 2):
        shapes.trace(model, (4, 3, 16, 16))
        assert modes == [m.training for m in net.modules()] and random == net.drop.generator.bit_generator.state
        for name, value in net.state_dict().items():
            np.testing.assert_array_equal(value, state[name])
        for p, g in zip(net.parameters(), grads):
            np.testing.assert_array_equal(p.grad.data, g)


def test_a_model_that_fails_leaves_its_state():
    class Fails(nn.Module):
        def __init__(self):
            self.norm, self.rest = nn.BatchNorm(3), nn.Linear(4, 2)

        def forward(self, x):
            return self.rest(self.norm(x))

    model = Fails()
    with pytest.raises(ValueError):
        shapes.trace(model, (2, 3, 5))
    np.testing.assert_array_equal(model.norm.running_mean.data, np.zeros(3))
    assert shapes.trace(model, (2, 3, 4)).rows[-1].shape == (2, 3, 2)


def test_functions_have_tables_too():
    w, v = nd.Parameter(np.ones((4, 3, 3, 3)), "w"), nd.Parameter(np.ones((5, 4)))

    def f(x):
        with nd.scope("features"):
            h = nd.relu(nd.conv_nd(x, w))
        return nd.linear(nd.mean(h, (2, 3)), v) + nd.linear(nd.max(h, (2, 3)), v)

    table = shapes.trace(f, (2, 3, 6, 6), np.float64)
    rows = {row.kind: row for row in table.rows}
    assert rows["conv_nd"].name == "features" and rows["conv_nd"].parameters == 108 and rows["conv_nd"].shape == (2, 4, 4, 4)
    assert [row.parameters for row in table.rows if row.kind == "linear"] == [20, 0]  # shared: counted where it is used first


def test_a_layer_called_twice_has_two_rows_and_its_parameters_once():
    layer = nn.Linear(4, 4, rng=0)
    table = shapes.trace(nn.Sequential(layer, layer), (2, 4))
    assert [row.parameters for row in table.rows] == [20, 0] and len(table.rows) == 2


def test_several_inputs_and_outputs_and_integers():
    table = shapes.trace(lambda a, b: (a @ b, a + 1), [(2, 3), (3, 4)])
    assert sorted(row.shape for row in table.rows) == [(2, 3), (2, 4)]
    weight = nd.Parameter(np.ones((5, 2)))
    assert shapes.trace(lambda i: nd.take(weight, i, 0), (3,), dtype=int).rows[-1].shape == (3, 2)


# ---- receptive fields


def leaf(*shape):
    return nd.ones(shape, requires_grad=True)


def ones(*k):
    return np.ones((1, 1, *k))


def support(f, n):
    """For each output position the input positions that it depends on, by its gradient."""
    x = leaf(1, 1, n)
    y = f(x)
    rows = [nd.gradients(y[0, 0, j], x, retain_graph=True).data.ravel() for j in range(y.shape[2])]
    return shapes.receptive_field(y, x), [np.flatnonzero(r) for r in rows]


def conv(k, s=1, p=0, d=1):
    return lambda x: nd.conv_nd(x, ones(k), None, s, p, d)


def spread(k, s=1, p=0, d=1):
    return lambda x: nd.conv_transpose_nd(x, ones(k), None, s, p, 0, 1, d)


def average(k, s=None, p=0):
    return lambda x: nd.avg_pool_nd(x, (k,), s, p)


def padded(mode, p):
    return lambda x: nd.conv_nd(x, ones(2 * p + 1), padding=p, padding_mode=mode)


def skip(*layers):
    return lambda x: x + chain(*layers)(x)


def chain(*layers):
    def run(x):
        for f in layers:
            x = f(x)
        return x

    return run


NETS = {
    "nothing": (chain(nd.exp), 1, 1, 0),
    "conv": (conv(3), 3, 1, 0),
    "conv, padded": (conv(3, 1, 1), 3, 1, -1),
    "conv, one side": (conv(3, 1, ((2, 0),)), 3, 1, -2),
    "conv, cropped": (conv(3, 1, ((-2, -1),)), 3, 1, 2),
    "conv, dilated": (conv(3, 2, 2, 2), 5, 2, -2),
    "two convs": (chain(conv(3, 2, 1), conv(3, 2, 1)), 7, 4, -3),
    "conv, pool, conv": (chain(conv(3, 1, 1), average(2), conv(5)), 12, 2, -1),
    "stride over kernel": (chain(conv(2, 3), conv(2)), 5, 3, 0),
    "overlapping pool": (chain(average(3, 2, 1), average(3, 2, 1)), 7, 4, -3),
    "skip": (skip(conv(5, 1, 2)), 5, 1, -2),
    "skip within strides": (chain(conv(3, 2, 1), skip(conv(3, 1, 1), conv(3, 1, 2, 2)), conv(2, 2)), 17, 4, -7),
    "reflected": (padded("reflect", 2), 5, 1, -2),
    "in a circle": (chain(padded("circular", 1), padded("replicate", 1)), 5, 1, -2),
    "cut": (chain(lambda x: x[:, :, 3:-2], conv(2)), 2, 1, 3),
    "every third": (chain(lambda x: x[..., 1::3], conv(2)), 4, 3, 1),
    "by matrix layout": (lambda x: nd.moveaxis(nd.conv_nd(nd.moveaxis(x, 1, -1), ones(3), layout="N*C"), -1, 1), 3, 1, 0),
    "by groups": (lambda x: nd.reshape(nd.conv_nd(nd.reshape(x, (1, 1, -1)), ones(3)), (1, 1, -1)), 3, 1, 0),
    "joined channels": (lambda x: nd.sum(nd.concatenate([x, conv(3, 1, 1)(x)], 1), 1, keepdims=True), 3, 1, -1),
    "stacked": (lambda x: nd.sum(nd.stack([x, conv(3, 1, 1)(x)], 2), 2), 3, 1, -1),
    "down and up": (chain(conv(2, 2), spread(2, 2)), 2, 1, None),
    "down, more, up": (chain(conv(3, 2, 1), conv(3, 1, 1), spread(4, 2, 1)), None, 1, None),
    "up": (spread(3, 2), None, Fraction(1, 2), None),
    "up, dilated": (chain(conv(3, 1, 2, 2), spread(3, 2, 1, 3), conv(3)), None, Fraction(1, 2), None),
    "u-net": (lambda x: x + chain(conv(2, 2), skip(conv(2, 2), conv(3, 1, 1), spread(2, 2)), spread(2, 2))(x), None, 1, None),
    "interpolated": (chain(conv(3, 1, 1), lambda x: nd.interpolate(x, scale_factor=2), conv(3, 1, 1)), None, Fraction(1, 2), None),
    "resized": (chain(lambda x: nd.interpolate(x, 30, mode="linear"), conv(3)), None, Fraction(8, 5), None),
    "adaptive": (lambda x: nd.adaptive_avg_pool_nd(x, (9,)), None, Fraction(16, 3), None),
    "p-norms": (chain(lambda x: nd.lp_pool_nd(x, 2, (3,), 2), conv(3)), 7, 2, 0),
    "pixels shuffled": (lambda x: conv(3)(nd.pixel_shuffle_nd(nd.concatenate([x, conv(3, 1, 1)(x)], 1), 2)), None, Fraction(1, 2), None),
    "pixels gathered": (lambda x: nd.conv_nd(nd.pixel_unshuffle_nd(x, 2), np.ones((1, 2, 3))), 6, 2, 0),
    "flipped there and back": (lambda x: nd.flip(conv(3, 2)(nd.flip(x, 2)), 2), 3, 2, 1),
    "means of pairs": (chain(conv(3), lambda x: nd.mean(nd.reshape(x, (1, 1, -1, 2)), 3)), 4, 2, 0),
    "repeated": (chain(conv(3, 1, 1), lambda x: nd.repeat(x, 2, 2), conv(3, 1, 1)), None, Fraction(1, 2), None),
}


@pytest.mark.parametrize("name", NETS)
def test_receptive_fields_are_the_supports_of_gradients(name):
    f, size, stride, offset = NETS[name]
    field, found = support(f, 48)
    ((s,), (step,), (first,)) = field.size, field.stride, field.offset
    assert (s, step, first) == tuple(b if a is None else a for a, b in zip((size, stride, offset), (s, step, first)))
    inner = range(len(found) // 4, len(found) - len(found) // 4)  # away from the borders
    assert s == max(found[j][-1] - found[j][0] + 1 for j in inner)
    for j in inner:
        begin = step * j + first
        if size is not None and offset is not None:
            assert (found[j][0], found[j][-1]) == (begin, begin + s - 1)
        assert found[j][0] >= begin
    for j, seen in enumerate(found):
        if seen.size and size is not None and offset is not None and "circle" not in name:
            assert seen[0] >= max(step * j + first, 0) and seen[-1] <= step * j + first + s - 1


def test_axes_have_fields_of_their_own():
    x = leaf(2, 3, 20, 30, 9)
    h = nd.conv_nd(x, np.ones((4, 3, 3, 5, 1)), stride=(1, 2, 1), padding=((1, 1), (0, 4), (0, 0)))
    h = nd.max_pool_nd(nd.relu(h), (2, 3, 1), (2, 1, 1))
    assert shapes.receptive_field(h, x) == shapes.ReceptiveField((4, 9, 1), (2, 2, 1), (-1, 0, 0))
    assert shapes.receptive_field(h, x, axes=[3]).size == (9,)
    assert shapes.receptive_field(h, x, axes=[0]).size == (1,)


def test_layers_between_are_followed_from_any_tensor():
    x = leaf(1, 3, 32, 32)
    h = nn.Conv2d(3, 4, 3, stride=2, rng=0)(x)
    y = nn.Sequential(nn.MaxPool(2), nn.GELU(), nn.Conv2d(4, 5, 3, rng=0))(h)
    assert shapes.receptive_field(y, h).size == (6, 6) and shapes.receptive_field(y, h).stride == (2, 2)
    assert shapes.receptive_field(y, x).size == (13, 13) and shapes.receptive_field(y, x).stride == (4, 4)


def test_a_field_may_be_larger_than_the_input():
    x = leaf(1, 1, 8)
    y = chain(*[conv(3, 1, 1)] * 10)(x)
    assert shapes.receptive_field(y, x) == shapes.ReceptiveField((21,), (1,), (-10,))


def test_global_pools_dense_layers_and_squeezes_see_everything():
    x = leaf(2, 3, 9, 7)
    whole = shapes.ReceptiveField((9, 7), (0, 0), (0, 0))
    h = nd.conv_nd(x, np.ones((4, 3, 3, 3)), padding=1)
    assert shapes.receptive_field(nd.global_avg_pool(h), x) == whole
    assert shapes.receptive_field(nd.mean(h, (2, 3)), x) == whole
    assert shapes.receptive_field(nd.linear(nd.reshape(h, (2, -1)), np.ones((2, 252))), x) == whole
    assert shapes.receptive_field(h * nd.sigmoid(nd.global_avg_pool(h)), x) == whole
    assert shapes.receptive_field(nd.sum(h), x) == whole


def test_statistics_of_the_batch_see_everything_and_running_ones_nothing():
    x, norm = leaf(2, 3, 9, 7), nn.BatchNorm(3)
    assert shapes.receptive_field(norm(x), x).size == (9, 7)
    assert shapes.receptive_field(norm.eval()(x), x) == shapes.ReceptiveField((1, 1), (1, 1), (0, 0))
    assert shapes.receptive_field(nd.softmax(x, 1), x).size == (1, 1)


def test_branches_of_different_strides_are_an_error():
    x = leaf(1, 1, 12)
    with pytest.raises(ValueError, match="strides"):
        shapes.receptive_field(nd.concatenate([conv(2, 2)(x), x[:, :, :6]], 1), x)


def test_what_cannot_be_followed_is_an_error():
    x = leaf(1, 1, 12)
    ways = [nd.sort, lambda x: nd.roll(x, 2, 2), lambda x: nd.cumsum(x, 2), lambda x: x[..., [3, 1, 2]], lambda x: nd.take(x, [3, 1, 2], 2)]
    for y in [f(x) for f in ways]:
        with pytest.raises(ValueError, match="cannot follow"):
            shapes.receptive_field(y, x)
    with pytest.raises(ValueError, match=r"receptive_field: axis=\[5\] does not fit a tensor of 3 axes"):
        nd.shapes.receptive_field(nd.max_pool_nd(other := nd.ones((1, 1, 8), requires_grad=True), 2), other, axes=[5])
    with pytest.raises(ValueError, match="does not depend"):
        shapes.receptive_field(leaf(1, 1, 3) * 2, x)
