import copy
import inspect
import pickle
from collections import deque
from dataclasses import dataclass

import numpy as np
import pytest
from in_turn import in_turn

import tinygrad_nd as nd
from tinygrad_nd import nn


class Block(nn.Module):
    def __init__(self, channels):
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, rng=0)

    def forward(self, x):
        return nd.relu(self.conv(x)) + x


class Net(nn.Module):
    """Parameters in every place they may sit."""

    def __init__(self):
        self.scale = nd.Parameter(np.float32([2.0]))
        self.blocks = [Block(2), Block(2)]
        self.heads = {"a": nn.Linear(2, 3, rng=1), "b": nn.Linear(2, 1, bias=False, rng=2)}
        self.mean = nd.tensor(np.zeros(2, np.float32))
        self._cache = nd.tensor(np.zeros(9))
        self.activation = nd.relu
        self.size = 7

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        x = x.mean((2, 3)) * self.scale
        return self.heads["a"](x), self.heads["b"](x)


PATHS = ["scale", "blocks.0.conv.weight", "blocks.0.conv.bias", "blocks.1.conv.weight", "blocks.1.conv.bias"]
PATHS += ["heads.a.weight", "heads.a.bias", "heads.b.weight"]
X = np.ones((1, 2, 4, 4), np.float32)


def scopes(t):
    """The scopes of all nodes below t."""
    found, stack = set(), [t._node]
    while stack:
        node = stack.pop()
        if node is not None and node.op is not None:
            found.add(node.scope)
            stack.extend(node.parents)
    return found


def test_attributes_in_any_container_are_parameters():
    assert [name for name, _ in Net().named_parameters()] == PATHS


def test_a_leaf_that_requires_grad_is_learned_and_other_tensors_are_state():
    net = Net()
    net.extra = nd.tensor([1.0], requires_grad=True)
    net.last = net.extra * 2  # the result of a computation is neither
    assert [n for n, _ in net.named_parameters()] == [*PATHS, "extra"]
    assert sorted(net.state_dict()) == sorted([*PATHS, "mean", "extra"])


def test_modules_are_listed_by_path():
    names = [name for name, _ in Net().named_modules()]
    assert names == ["", "blocks.0", "blocks.0.conv", "blocks.1", "blocks.1.conv", "heads.a", "heads.b"]


def test_a_shared_parameter_counts_once_and_is_saved_under_both_paths():
    net = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    net[1].weight = net[0].weight
    assert len(net.parameters()) == 1
    assert list(net.state_dict()) == ["0.weight", "1.weight"]
    assert repr(net).splitlines()[0].split() == ["Sequential()", "9", "parameters"]


def test_a_module_used_twice_counts_once():
    layer = nn.Linear(3, 3)
    net = nn.Sequential(layer, nd.relu, layer)
    assert len(net.parameters()) == 2 and len(net.modules()) == 2
    nd.sum(net(np.ones((2, 3), np.float32))).backward()
    assert layer.weight.grad is not None


def test_a_dataclass_may_be_a_module():
    @dataclass
    class Affine(nn.Module):
        scale: nd.Tensor
        inner: nn.Module

        def forward(self, x):
            return self.inner(x) * self.scale

    a = Affine(nd.Parameter(np.float32([2.0])), nn.Linear(2, 2))
    net = nn.Sequential(a, Affine(nd.Parameter(np.float32([3.0])), a.inner))
    assert scopes(net(np.ones((1, 2), np.float32))) == {"Sequential/0", "Sequential/0/inner", "Sequential/1", "Sequential/1/inner"}
    assert len(net.parameters()) == 4


def test_a_part_may_know_its_whole():
    net = Net()
    net.blocks[0].whole = net
    assert len(net.named_parameters()) == len(PATHS) and len(net.state_dict()) == len(PATHS) + 1
    assert "whole" not in repr(net)


def test_two_tensors_of_one_path_are_not_saved_as_one():
    net = Net()
    net.heads["b.c"], net.heads["b"] = nn.Linear(1, 1), {"c": nn.Linear(1, 1)}
    with pytest.raises(ValueError, match=r"Net.state_dict: two tensors are called 'heads\.b\.c\.weight'"):
        net.state_dict()


def test_calls_open_scopes_of_attribute_paths():
    a, b = Net()(X)
    inside = {"Net", "Net/blocks.0", "Net/blocks.0/conv", "Net/blocks.1", "Net/blocks.1/conv", "Net/heads.a"}
    assert scopes(a) == inside
    assert scopes(b) - scopes(a) == {"Net/heads.b"}


def test_scopes_follow_parts_that_come_later_or_from_below():
    net = Net()
    net(X)
    net.blocks.append(Block(2))
    assert "Net/blocks.2/conv" in scopes(net(X)[0])

    class Deep(nn.Module):
        def __init__(self):
            self.block = Block(2)

        def forward(self, x):
            return nn.ReLU()(self.block.conv(x))

    assert scopes(Deep()(X)) == {"Deep/block.conv", "Deep/ReLU"}


def test_what_is_written_as_call_is_the_forward():
    class Line(nn.Module):
        def __init__(self):
            self.inner = nn.Linear(2, 1)

        def __call__(self, x):
            return self.inner(x)

    class Twice(Line):
        def __call__(self, x):
            return 2 * super().__call__(x)

    line = Line()
    assert scopes(line(np.ones((1, 2), np.float32))) == {"Line/inner"}
    twice = Twice()
    twice.inner, x = line.inner, np.ones((3, 2), np.float32)
    np.testing.assert_array_equal(twice(x).data, 2 * line(x).data)


def test_a_failing_forward_leaves_no_scope_behind():
    with pytest.raises(ValueError):
        Net()(np.ones((1, 3, 4, 4), np.float32))
    t = nd.tensor([1.0], requires_grad=True)
    assert scopes(t * 2) == {""}
    assert scopes(nn.ReLU()(t)) == {"ReLU"}


def test_the_first_call_names_what_has_no_name():
    net = Net()
    net.scale.name = "mine"
    net(X)
    assert [p.name for p in net.parameters()] == ["mine", *PATHS[1:]]
    assert net.mean.name == "mean"


def test_state_dict_holds_copies_and_loads_into_another():
    a, b = Net(), Net()
    state = a.state_dict()
    for name in state:
        state[name] += 1
    np.testing.assert_array_equal(a.scale.data, [2.0])
    b.load_state_dict(state)
    np.testing.assert_array_equal(b.scale.data, [3.0])
    state["scale"][:] = 9
    np.testing.assert_array_equal(b.scale.data, [3.0])
    a.load_state_dict({k: nd.tensor(v) for k, v in b.state_dict().items()})
    np.testing.assert_array_equal(a.mean.data, [1, 1])


def test_a_state_dict_that_does_not_fit_changes_nothing():
    net = Net()
    state = net.state_dict()
    del state["heads.a.bias"]
    state |= {"scale": np.zeros(3, np.float32), "mean": np.zeros(2), "other": np.zeros(1), "heads.b.weight": state["heads.b.weight"] + 1}
    before = net.state_dict()
    with pytest.raises(ValueError) as error:
        net.load_state_dict(state)
    assert str(error.value).splitlines() == [
        "Net.load_state_dict: nothing was loaded",
        "  missing: heads.a.bias (3,)",
        "  unexpected: other",
        "  mismatched: scale is (3,) float32, but the module has (1,) float32",
        "  mismatched: mean is (2,) float64, but the module has (2,) float32",
    ]
    with pytest.raises(ValueError, match="mismatched: scale"):
        net.load_state_dict(state, strict=False)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    del state["scale"], state["mean"]
    net.load_state_dict(state, strict=False)
    np.testing.assert_array_equal(net.heads["b"].weight.data, before["heads.b.weight"] + 1)


def test_train_and_eval_reach_every_part():
    net = nn.Sequential(nn.Dropout(0.5, rng=0), nn.Sequential(nn.Dropout(0.5, rng=1)))
    x = np.ones((50, 4), np.float32)
    assert set(np.unique(net(x).data)) == {0, 4}
    assert net.eval() is net
    np.testing.assert_array_equal(net(x).data, x)
    assert not any(m.training for m in net.modules()) and all(m.training for m in net.train().modules())


def test_dropout_draws_anew_at_each_call():
    layer = nn.Dropout(0.5, rng=0)
    x = np.ones(100, np.float32)
    assert (layer(x).data != layer(x).data).any()


def test_zero_grad_clears():
    net = Net()
    nd.sum(net(X)[0]).backward()
    assert net.scale.grad is not None
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


@pytest.mark.parametrize("how", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
def test_a_copy_is_its_own_model(how):
    net = nn.Sequential(Block(2), nd.relu, Block(2))
    y = net(X)
    other = how(net)
    again = other(X)
    np.testing.assert_array_equal(again.data, y.data)
    assert scopes(again) == scopes(y)
    other[0].conv.bias.data = np.float32([5, 5])
    np.testing.assert_array_equal(net(X).data, y.data)


def test_repr_is_a_tree_of_calls_shapes_and_counts():
    net = Net()
    rows = [line.split("  ") for line in repr(net).splitlines()]
    assert repr(net).splitlines()[0].split("  ")[0] == "Net()"
    assert f"{sum(p.size for p in net.parameters()):,} parameters" == rows[0][-1].strip()
    text = repr(net)
    assert "    conv: Conv2d(2, 2, (3, 3), padding=1)" in text and "weight (2, 2, 3, 3), bias (2,)" in text
    assert "heads.b: Linear(2, 1, bias=False)" in text and "  activation: relu" in text


def test_sequential_indexes_slices_and_names():
    first, last = nn.Linear(3, 4), nn.Linear(4, 2)
    net = nn.Sequential({"first": first, "act": nd.relu, "last": last})
    assert len(net) == 3 and list(net) == [first, nd.relu, last]
    assert net[0] is first and net[-1] is last and net["act"] is nd.relu
    assert list(net.state_dict()) == ["first.weight", "first.bias", "last.weight", "last.bias"]
    assert list(net[1:].state_dict()) == ["last.weight", "last.bias"]
    x = np.ones((1, 3), np.float32)
    np.testing.assert_array_equal(net(x).data, net[1:](net[:1](x)).data)
    with pytest.raises(TypeError, match="layer 1 must be"):
        nn.Sequential(first, 3)


def test_a_layer_is_not_hidden_by_an_attribute_of_its_name():
    net = nn.Sequential({"head": nn.Linear(2, 2)})
    net.head = nn.Linear(2, 3)
    with pytest.raises(ValueError, match="Sequential: head is a layer and an attribute besides"):
        net.parameters()


def test_a_subclass_of_sequential_may_have_more_parts():
    class Headed(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Linear(2, 2))
            self.head = nn.Linear(2, 1)

        def forward(self, x):
            return self.head(super().forward(x))

    assert list(Headed().state_dict()) == ["0.weight", "0.bias", "head.weight", "head.bias"]
    assert Headed()(np.ones((1, 2), np.float32)).shape == (1, 1)


@pytest.mark.parametrize("rank", range(6))
def test_conv_takes_its_rank_from_the_kernel(rank):
    layer = nn.Conv(4, 6, (2,) * rank, groups=2, rng=0)
    assert layer.weight.shape == (6, 2, *(2,) * rank) and layer.bias.shape == (6,)
    x = np.random.default_rng(0).standard_normal((2, 4, *(3,) * rank)).astype(np.float32)
    y = layer(x)
    assert y.shape == (2, 6, *(2,) * rank) and y.dtype == np.float32
    np.testing.assert_array_equal(y.data, nd.conv_nd(x, layer.weight, layer.bias, groups=2).data)


@pytest.mark.parametrize(("kind", "rank"), [(nn.Conv1d, 1), (nn.Conv2d, 2), (nn.Conv3d, 3)])
def test_conv_of_a_named_rank_takes_an_int(kind, rank):
    assert kind(2, 3, 3).weight.shape == (3, 2, *(3,) * rank)
    with pytest.raises(ValueError, match=kind.__name__):
        kind(2, 3, (3,) * (rank + 1))


@pytest.mark.parametrize("groups", [1, 2])
def test_conv_transpose_is_the_adjoint_of_conv(groups):
    there = nn.Conv2d(4, 6, 3, stride=2, groups=groups, bias=False, dtype=np.float64)
    back = nn.ConvTranspose2d(6, 4, 3, stride=2, groups=groups, bias=False, dtype=np.float64)
    back.weight.data = there.weight.data
    rng = np.random.default_rng(0)
    x, g = rng.standard_normal((2, 4, 7, 7)), rng.standard_normal((2, 6, 3, 3))
    assert np.vdot(there(x).data, g) == pytest.approx(np.vdot(x, back(g).data))


def test_conv_transpose_weights_have_the_variance_of_their_fan():
    w = nn.ConvTranspose2d(64, 16, 4, groups=2, rng=0).weight
    assert w.shape == (64, 8, 4, 4)
    assert w.data.var() == pytest.approx(2 / (32 * 16), rel=0.05)


def test_layers_take_dtype_seed_and_initialiser():
    a, b = (nn.Linear(3, 4, rng=5, dtype=np.float64) for _ in range(2))
    assert a.weight.dtype == a.bias.dtype == np.float64
    np.testing.assert_array_equal(a.weight.data, b.weight.data)
    eye = nn.Conv1d(3, 3, 3, padding=1, init=nd.init.dirac)
    x = np.random.default_rng(0).standard_normal((2, 3, 8)).astype(np.float32)
    np.testing.assert_allclose(eye(x).data, x, atol=1e-6)
    assert nn.Linear(2, 2, bias=False).bias is None


def test_layers_without_weights_are_the_functions():
    x = np.random.default_rng(0).standard_normal((2, 3, 6, 6)).astype(np.float32)
    pairs = [
        (nn.MaxPool(2), nd.max_pool_nd(x, 2)),
        (nn.MaxPool((3,), 2), nd.max_pool_nd(x, (3,), 2)),
        (nn.AvgPool(3, 2, 1, count_include_pad=False), nd.avg_pool_nd(x, 3, 2, 1, count_include_pad=False)),
        (nn.ReLU(), nd.relu(x)),
        (nn.Sigmoid(), nd.sigmoid(x)),
        (nn.Tanh(), nd.tanh(x)),
        (nn.Softmax(1), nd.softmax(x, 1)),
        (nn.LogSoftmax(1), nd.log_softmax(x, 1)),
        (nn.Flatten(), nd.tensor(x.reshape(2, -1))),
        (nn.Flatten(2), nd.tensor(x.reshape(2, 3, -1))),
    ]
    for layer, expected in pairs:
        y = layer(nd.tensor(x))
        assert y.shape == expected.shape, layer
        np.testing.assert_array_equal(y.data, expected.data)


def drawn(layer, seed=3):
    """A layer in double precision whose parameters are all drawn, so that none is zero or one."""
    rng = np.random.default_rng(seed)
    layer.astype(np.float64)
    for p in layer.parameters():
        p.data = rng.standard_normal(p.shape)
    return layer


@in_turn("layer, f", [
    (nn.LayerNorm((6, 5)), lambda x, w, b: nd.layer_norm(x, (6, 5), w, b)),
    (nn.RMSNorm(5, 0.1), lambda x, w: nd.rms_norm(x, 5, w, 0.1)),
    (nn.InstanceNorm(4, affine=True), lambda x, w, b: nd.instance_norm(x, weight=w, bias=b)),
    (nn.GroupNorm(2, 4), lambda x, w, b: nd.group_norm(x, 2, w, b)),
    (nn.PReLU(4), nd.prelu),
])  # fmt: skip
def test_layers_with_weights_are_the_functions_of_them(layer, f):
    x = np.random.default_rng(0).standard_normal((2, 4, 6, 5))
    np.testing.assert_array_equal(drawn(layer)(x).data, f(x, *layer.parameters()).data)


def test_a_bilinear_layer_is_its_sum():
    x, y = np.random.default_rng(0).standard_normal((2, 7, 3))
    layer = drawn(nn.Bilinear(3, 3, 4))
    expected = np.einsum("ni,oij,nj->no", x, layer.weight.data, y) + layer.bias.data
    np.testing.assert_allclose(layer(x, y).data, expected, rtol=1e-12)


def test_attention_whose_keys_and_values_have_other_widths():
    rng = np.random.default_rng(0)
    a = drawn(nn.MultiHeadAttention(8, 2, kdim=5, vdim=6, batch_first=True))
    q, k, v = (rng.standard_normal(s) for s in ((3, 4, 8), (3, 7, 5), (3, 7, 6)))
    found, weights = a(q, k, v)
    parts = zip((q, k, v), (a.q_proj_weight, a.k_proj_weight, a.v_proj_weight), np.split(a.in_proj_bias.data, 3))
    q, k, v = ((t @ w.data.T + b).reshape(3, -1, 2, 4).swapaxes(1, 2) for t, w, b in parts)
    e = np.exp(q @ k.mT / 2)
    e /= e.sum(-1, keepdims=True)
    np.testing.assert_allclose(weights.data, e.mean(1), rtol=1e-10)
    np.testing.assert_allclose(found.data, (e @ v).swapaxes(1, 2).reshape(3, 4, 8) @ a.out_proj.weight.data.T + a.out_proj.bias.data)


@pytest.mark.parametrize("norm_first", [False, True])
def test_transformers_are_attention_and_dense_layers_around_which_x_goes(norm_first):
    x, memory = np.random.default_rng(0).standard_normal((2, 5, 3, 8))
    step = lambda x, norm, f: x + f(norm(x)) if norm_first else norm(x + f(x))
    for layers, stack in ((nn.TransformerEncoderLayer, nn.TransformerEncoder), (nn.TransformerDecoderLayer, nn.TransformerDecoder)):
        a = drawn(layers(8, 2, 16, 0.0, norm_first=norm_first))
        given = (memory,) if layers is nn.TransformerDecoderLayer else ()

        def once(x, a=a, given=given):
            x = step(nd.tensor(x), a.norm1, lambda x: a.self_attn(x, x, x)[0])
            x = step(x, a.norm2, lambda x: a.multihead_attn(x, *given, *given)[0]) if given else x
            return step(x, a.norm3 if given else a.norm2, lambda x: a.linear2(nd.relu(a.linear1(x))))

        np.testing.assert_allclose(a(x, *given).data, once(x).data, rtol=1e-9)
        last = nn.LayerNorm(8)
        np.testing.assert_allclose(stack(a, 2, last)(x, *given).data, last(once(once(x).data)).data, rtol=1e-7)


def test_flatten_keeps_an_empty_batch():
    assert nn.Flatten()(nd.tensor(np.zeros((0, 3, 4)))).shape == (0, 12)


def test_channels_last_layers():
    x = np.random.default_rng(0).standard_normal((2, 6, 6, 3)).astype(np.float32)
    conv = nn.Conv2d(3, 4, 3, layout="N*C", rng=0)
    y = nn.MaxPool(2, layout="N*C")(conv(x))
    expected = nd.max_pool_nd(nd.conv_nd(np.moveaxis(x, -1, 1), conv.weight, conv.bias), 2)
    np.testing.assert_allclose(np.moveaxis(y.data, -1, 1), expected.data, rtol=1e-5, atol=1e-6)


def test_a_state_dict_goes_to_pytorch_and_back():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, stride=2), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(36, 5))
    ours = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(36, 5))
    ours.load_state_dict(theirs.state_dict())
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)
    np.testing.assert_allclose(ours(x).data, theirs(torch.from_numpy(x)).detach().numpy(), rtol=1e-4, atol=1e-5)
    theirs.load_state_dict({k: torch.from_numpy(v) for k, v in ours.state_dict().items()})


class Lazy(nn.Module):
    """Widths that only a call can tell."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.features = nn.Sequential(nn.Conv2d(None, 6, 3, groups=2, rng=rng), nn.BatchNorm(None), nn.GroupNorm(3, None), nd.relu)
        self.up = nn.ConvTranspose2d(None, 4, 2, groups=2, rng=rng)
        self.last = nn.Conv2d(None, 3, 1, layout="N*C", rng=rng)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(None, 5, rng=rng))

    def forward(self, x):
        return self.head(self.last(nd.moveaxis(self.up(self.features(x)), 1, -1)))


X4 = np.random.default_rng(1).standard_normal((2, 4, 5, 5)).astype(np.float32)


def test_sizes_may_be_numpys():
    k, x = np.int64(2), np.ones((1, 3, 6, 6), np.float32)
    for layer in (nn.Conv2d(3, 4, k), nn.MaxPool2d(k), nn.AdaptiveMaxPool2d(k), nn.Pad(k), nn.Conv(3, 4, np.array([k, k]))):
        assert layer(x).ndim == 4 and repr(layer)
    assert nn.MaxPool2d(k).kernel_size == (2, 2)


def test_a_lazy_model_is_made_by_its_first_call():
    net = Lazy()
    y = net(X4)
    assert net.features[0].weight.shape == (6, 2, 3, 3) and net.features[0].in_channels == 4
    assert net.up.weight.shape == (6, 2, 2, 2) and net.last.weight.shape == (3, 4, 1, 1) and net.head[1].weight.shape == (5, 48)
    assert y.shape == (2, 5) and net.up.weight.name == "up.weight"
    nd.sum(y).backward()
    nd.optim.SGD(net.parameters(), 0.1).step()
    again = Lazy()
    np.testing.assert_array_equal(again(X4).data, y.data)  # the same generator, drawn in order of use


def test_a_state_makes_a_lazy_model():
    net, other = Lazy(), Lazy()
    y = net(X4)
    state = net.state_dict()
    other.load_state_dict(state)
    np.testing.assert_array_equal(other.eval()(X4).data, net.eval()(X4).data)
    assert y.shape == (2, 5) and other.up.in_channels == 6
    with pytest.raises(ValueError, match="missing: up.*all parameters of a ConvTranspose2d"):
        Lazy().load_state_dict({k: v for k, v in state.items() if not k.startswith("up")})


def test_a_wrong_state_leaves_a_lazy_model_waiting():
    net = Lazy()
    state = Lazy()
    state(X4)
    state = state.state_dict()
    for change in ({"head.1.bias": np.zeros(4, np.float32)}, {"up.weight": np.zeros(4, np.float32)}, {"up.weight": np.zeros((5, 2, 2, 2))}):
        with pytest.raises(ValueError, match=f"mismatched: {next(iter(change))[:2]}"):
            net.load_state_dict({**state, **change})
        with pytest.raises(ValueError, match=r"features.0 \(Conv2d\) has no parameters yet"):
            net.parameters()
    net.load_state_dict({}, strict=False)
    assert net(X4).shape == (2, 5)


def test_a_first_call_that_fails_leaves_a_lazy_model_waiting():
    net = Lazy()
    for wrong in (X4.repeat(2, 1)[..., :2], np.moveaxis(X4, 1, -1)):  # of which the first layer takes the width
        with pytest.raises(ValueError):
            nn.Sequential(net, nn.Linear(9, 1))(wrong)
        with pytest.raises(ValueError, match=r"features.0 \(Conv2d\) has no parameters yet"):
            net.parameters()
    assert net(X4).shape == (2, 5) and net.features[0].in_channels == 4


def test_an_unmade_model_says_what_to_do():
    net = Lazy()
    for ask in (net.parameters, net.state_dict, lambda: net.requires_grad_(False)):
        with pytest.raises(ValueError, match=r"Lazy\.\w+: features.0 \(Conv2d\) .* in_channels=None .* call the model once"):
            ask()
    with pytest.raises(AttributeError, match="in_channels is found at the first call"):
        _ = net.up.weight
    assert "0: Conv2d(None, 6, (3, 3), groups=2)" in repr(net) and "in_channels is found at the first call" in repr(net)
    net.zero_grad()
    with pytest.raises(ValueError, match=r"features/0 \(Conv2d\): groups=2 must divide both 3 input"):
        net(X4[:, :3])
    with pytest.raises(ValueError, match=r"features/0 \(Conv2d\): x \(5,\) has no axis -3"):
        net(X4[0, 0, 0])
    assert copy.deepcopy(net).train().astype(np.float64)(X4.astype(float)).dtype == np.float64
    assert net(X4).dtype == np.float32


def test_a_wrong_shape_names_the_path_once():
    with pytest.raises(ValueError) as error:
        Net()(np.ones((1, 3, 4, 4), np.float32))
    assert (
        str(error.value).startswith("Net/blocks.0/conv (Conv2d): conv_nd: weight takes 2 channels") and str(error.value).count("Net") == 1
    )
    with pytest.raises(ValueError, match="^Sequential/0 .Unflatten.: axis 1"):
        nn.Sequential(nn.Unflatten(1, (2, 2)))(np.ones((2, 3)))
    with pytest.raises(TypeError, match=r"^Net: .*forward\(\) missing 1 required"):
        Net()()

    class Odd(nn.Module):
        def forward(self, x):
            raise KeyError("kept as it is")

    with pytest.raises(KeyError) as error:
        nn.Sequential(Odd())(1)
    assert error.value.args == ("kept as it is",) and error.value.__notes__ == ["in Sequential/0 (Odd)"]


def test_hooks_see_and_change_calls_until_they_are_removed():
    net, seen = nn.Sequential(nn.Linear(2, 3, rng=0), nn.ReLU()), []
    x = np.ones((1, 2), np.float32)
    y = net(x).data
    first = net[0].register_forward_pre_hook(lambda m, args: seen.append((m, args)))
    with net[0].register_forward_hook(lambda m, args, out: -out) as second, net[0].register_forward_hook(lambda m, args, out: out * 2):
        np.testing.assert_array_equal(net(x).data, np.maximum(net[0].bias.data - 2 * (net[0].weight.data @ x[0]), 0)[None])
        assert seen == [(net[0], (x,))]
        second.remove(), second.remove()
    with net[0].register_forward_pre_hook(lambda m, args: np.zeros((1, 2), np.float32)):
        assert not net(x).data.any()
    first.remove()
    np.testing.assert_array_equal(net(x).data, y)
    assert len(seen) == 2
    net.register_forward_hook(lambda m, args, out: out.register_hook(lambda g: seen.append(g)) and None)
    nd.sum(copy.deepcopy(net)(x)).backward()
    assert len(seen) == 2  # copies have no hooks
    nd.sum(net(x)).backward()
    np.testing.assert_array_equal(seen[2].data, np.ones((1, 3)))


def test_frozen_parameters_stay_as_they_are():
    net = nn.Sequential(nn.Linear(2, 3, rng=0), nn.Linear(3, 1, rng=1))
    assert net[0].requires_grad_(False) is net[0]
    optimiser, before = nd.optim.SGD(net.parameters(), 0.1), net.state_dict()
    nd.sum(net(np.ones((1, 2), np.float32))).backward()
    optimiser.step()
    moved = [name for name, a in net.state_dict().items() if (a != before[name]).any()]
    assert net[0].weight.grad is None and moved == ["1.weight", "1.bias"] and len(net.parameters()) == 4
    assert net.requires_grad_()[0].weight.requires_grad


def test_buffers_children_and_apply():
    net = Net()
    assert [name for name, _ in net.named_buffers()] == ["mean"]
    assert net.children() == [*net.blocks, *net.heads.values()]
    order = []
    assert net.apply(lambda m: order.append(type(m).__name__)) is net
    assert order[-1] == "Net" and sorted(order) == sorted(type(m).__name__ for m in net.modules())


def test_astype_turns_a_model_and_keeps_its_tensors():
    net = nn.Sequential(nn.Conv2d(2, 3, 3, rng=0), nn.BatchNorm2d(3))
    before, tensors = net.state_dict(), dict(net._state())
    optimiser = nd.optim.SGD(net.parameters(), 0.1)
    y = net(X)
    assert net.astype(np.float64) is net and net(X.astype(float)).dtype == np.float64 and y.dtype == np.float32
    assert all(t is tensors[name] for name, t in net._state()) and tensors["0.weight"].name == "0.weight"
    assert {name: a.dtype for name, a in net.state_dict().items()} == {
        k: np.float64 if v.dtype.kind == "f" else v.dtype for k, v in before.items()
    }
    nd.sum(nd.square(net(X.astype(float)))).backward()
    optimiser.step()
    assert tensors["1.bias"].grad.dtype == tensors["1.bias"].dtype == np.float64
    nd.sum(nd.square(net.astype(np.float32)(X))).backward()
    with pytest.raises(ValueError, match=r"step: 0.weight \(3, 2, 3, 3\) was float64 .* but is float32; make a new optimiser"):
        optimiser.step()
    assert {p.dtype for p in net.parameters()} == {np.dtype(np.float32)}
    with pytest.raises(TypeError, match="real floating dtype, but got int64"):
        net.astype(int)


@pytest.mark.parametrize(
    ("owner", "name", "message"),
    [
        (nn.ReLU(), "register_buffer", "assign it"),
        (nn.ReLU(), "nothing", "'ReLU' object has no attribute 'nothing'"),
        (nn, "ModuleList", "a plain list"),
        (nn, "LazyConv2d", r"Conv2d\(None"),
        (nn, "Nothing", "nn has no 'Nothing'$"),
    ],
)
def test_names_of_other_libraries_point_to_ours(owner, name, message):
    with pytest.raises(AttributeError, match=message):
        getattr(owner, name)


def test_layers_tell_what_they_take_and_their_calls_take_anything():
    for layer, first in ((nn.MaxPool2d, "kernel_size"), (nn.CrossEntropyLoss, "weight"), (nn.GELU, "approximate")):
        assert next(iter(inspect.signature(layer).parameters)) == first
    for layer in (nn.MaxPool2d(2), nn.CrossEntropyLoss(), nn.GELU()):
        assert list(inspect.signature(layer).parameters) == ["args", "kwargs"]


@pytest.mark.parametrize(
    "several",
    [set, frozenset, lambda parts: dict(enumerate(parts)).values(), lambda parts: (p for p in parts), lambda parts: zip(parts), np.array],
)
def test_parts_that_would_not_be_found_are_refused(several):
    net = nn.Module()
    net.blocks = {"first": several([nn.ReLU(), nn.Linear(2, 2)])}
    with pytest.raises(TypeError, match=r"nn: blocks.* is a .*would not be learned; make it a list or dict"):
        net.parameters()
    net.blocks = [{"held": deque([nn.Linear(2, 2)])}, {1, "no part"}, np.array([None])]
    assert [path for path, _ in net.named_parameters()] == ["blocks.0.held.0.weight", "blocks.0.held.0.bias"]


def test_parts_of_a_class_and_in_slots_are_refused():
    with pytest.raises(TypeError, match="Net: layer is of the class, where parts are not found"):
        type("Net", (nn.Module,), {"layer": nn.Linear(2, 2)})
    with pytest.raises(TypeError, match="Net: __slots__ is in slots"):
        type("Net", (nn.Module,), {"__slots__": ("layer",)})
    assert type("Net", (nn.Module,), {"scale": nd.tensor(2.0), "__slots__": ()})().scale.item() == 2


def test_layers_of_a_rank_refuse_others():
    for layer in (nn.BatchNorm2d(3), nn.InstanceNorm2d(3), nn.Dropout2d()):
        with pytest.raises(ValueError, match=r"2d: x needs .*4 axes, but has shape \(3, 4\)"):
            layer(np.ones((3, 4), np.float32))
    assert nn.Dropout2d(0.5, rng=0)(np.ones((2, 3, 4, 4))).shape == (2, 3, 4, 4)
    with pytest.raises(ValueError, match="MaxPool2d: kernel_size"):
        nn.MaxPool2d((2, 2, 2))
    assert repr(nn.MaxPool2d(2)).startswith("MaxPool2d((2, 2))")
    pickle.loads(pickle.dumps(nn.Sequential(nn.MaxPool2d(2), nn.BatchNorm1d(3), nn.Dropout3d())))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_an_instance_norm_of_a_rank_takes_one_example_alone(rank):
    layer, x = getattr(nn, f"InstanceNorm{rank}d")(None, affine=True, bias=False), np.random.default_rng(0).random((3, 4, 5, 6)[: rank + 1])
    np.testing.assert_array_equal(layer(x).data, layer(x[None]).data[0])
    assert [n for n, _ in layer.named_parameters()] == ["weight"] and "bias=False" in repr(layer)


@in_turn(
    "call, error, message",
    [
        (lambda: nn.Conv2d(3, None, 3), TypeError, "out_channels must be an int"),
        (lambda: nn.Flatten(2)(np.ones((2, 3))), ValueError, r"Flatten: x \(2, 3\) has no axes from 2 to -1"),
        (lambda: nn.Unflatten(1, (2, 2))(np.ones((2, 3))), ValueError, r"Unflatten: axis 1 of x \(2, 3\) does not hold the 4"),
        (lambda: nn.Pad(1, "mirror"), ValueError, "reflect', 'replicate' or 'circular'"),
        (lambda: nn.Pad((1, 1, 1, 1))(np.ones((1, 1, 3, 3))), ValueError, "Pad: "),
        (lambda: nn.MultiHeadAttention(5, 2), ValueError, "num_heads=2 must divide embed_dim=5"),
        (
            lambda: nn.MultiHeadAttention(4, 2)(*[np.ones((3, 2, 4))] * 3, np.ones((3, 2))),
            ValueError,
            r"key_padding_mask needs shape \(2, 3\)",
        ),
        (lambda: nn.MultiHeadAttention(4, 2)(*[np.ones((3, 2, 4))] * 3, attn_mask=np.ones((2, 3))), ValueError, r"\(3, 3\) or \(4, 3, 3\)"),
        (lambda: nn.TransformerEncoderLayer(4, 2, activation="sin"), ValueError, "relu, gelu"),
        (lambda: setattr(nn.Linear(2, 2), "weight", np.ones((2, 2))), TypeError, "Linear: weight is a parameter, but a ndarray"),
        (lambda: nn.Sequential(nn.ReLU())["a"], KeyError, "there is no layer 'a', but 0"),
        (lambda: nn.ReLU().register_forward_hook(3), TypeError, "a hook must be a function"),
        (lambda: nn.Conv(3, 4, 3), TypeError, r"kernel_size=3 .*\(3, 3\)"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "groups=2"),
        (lambda: nn.ConvTranspose(3, 4, 3), TypeError, "ConvTranspose2d"),
        (lambda: nn.Dropout(1.5), ValueError, "1.5"),
        (lambda: nn.Dropout("a"), TypeError, "Dropout: p must be a number"),
        (lambda: nn.Linear(3, 4, init="he"), TypeError, "init must be a function"),
        (lambda: nn.Linear(3, 4, init=lambda shape, **_: np.zeros(5)), ValueError, r"\(4, 3\), but gave \(5,\)"),
        (lambda: nn.Linear(3, 4, dtype="int8"), TypeError, "dtype must be a floating one"),
        (lambda: nn.Conv2d(3, 4, 0), ValueError, r"Conv2d: kernel size .* must be at least 1"),
        (lambda: nn.ConvTranspose2d(3, 4, 3, stride=0), ValueError, r"ConvTranspose2d: stride \(0, 0\) must be at least 1"),
        (lambda: nn.Conv2d(3, 4, 3, stride=(1, 2, 3)), ValueError, "Conv2d: stride=.* has 3 entries for 2"),
        (lambda: nn.Embedding("a", 3), TypeError, "Embedding: num_embeddings must be an int"),
        (lambda: nn.ReLU().train("eval"), TypeError, "ReLU.train: mode must be True or False"),
        (lambda: nn.Pad("same"), TypeError, "Pad: padding must be an int.* but is 'same'"),
        (lambda: nn.Embedding(4, 3, init=3), TypeError, "Embedding: init must be a function"),
        (lambda: nn.Embedding(4, 3, init=lambda shape, **_: np.zeros(3)), ValueError, r"shape it is called with, \(4, 3\)"),
        (lambda: nn.BatchNorm(3, momentum=2), ValueError, "BatchNorm: momentum=2"),
        (lambda: nn.BatchNorm2d(3)(np.zeros((0, 3, 1, 1))), ValueError, "no values per channel"),
        (lambda: nn.InstanceNorm2d(3)(np.zeros((2, 4, 8, 8))), ValueError, "num_features is 3, but x .* has 4 channels"),
        (lambda: nn.LayerNorm("a"), TypeError, "LayerNorm: normalized_shape must be an int"),
        (lambda: nn.LayerNorm(()), ValueError, "LayerNorm: normalized_shape needs the length"),
        (lambda: nn.Unflatten(1, (-1, -1)), ValueError, r"Unflatten: shape \(-1, -1\) must hold lengths"),
        (lambda: nn.Unflatten(1, (-1, 2))(np.ones((2, 3))), ValueError, r"Unflatten: axis 1 of x \(2, 3\) does not hold the 2"),
        (lambda: nn.Linear(2, 2).load_state_dict("w.npz"), TypeError, r"Linear.load_state_dict: .*nd.load\(path\) .* but got a str"),
        (lambda: nn.Linear(None, 2).load_state_dict({"weight": [[1], [2, 3]]}), ValueError, "weight is no array but a list"),
        (lambda: nn.LSTM(2, 3)(np.ones((4, 1, 2)), 5), TypeError, r"LSTM: state must be a pair \(h, c\)"),
        (lambda: nn.LSTMCell(2, 3)(np.ones((1, 2)), (1,)), TypeError, r"LSTMCell: state must be a pair"),
        (lambda: nn.RNNCell(2, 3)(np.ones((4, 2)), np.ones((1, 3))), ValueError, r"\(N, hidden_size\) = \(4, 3\), but has \(1, 3\)"),
        (lambda: nn.GRUCell(2, 3)(np.ones((1, 2)), np.ones((4, 3))), ValueError, r"for x \(1, 2\) a state .* = \(1, 3\), but has \(4, 3\)"),
        (lambda: nn.LSTMCell(2, 3)(np.ones((4, 2)), (np.ones((4, 3)), np.ones((4, 1)))), ValueError, r"= \(4, 3\), but has \(4, 1\)"),
        (lambda: nn.MultiHeadAttention(4, 2)(*[np.ones((3, 2, 4))] * 3, [True] * 3), ValueError, r"needs shape \(2, 3\), but has \(3,\)"),
        (lambda: nn.MultiHeadAttention(4, 2)(*[np.ones((3, 2, 4))] * 3, np.eye(2, 3, dtype=int)), TypeError, "booleans, .* but is int64"),
        (lambda: nn.Sequential([nn.ReLU()]), TypeError, r"a list; pass its items, Sequential\(\*layers\)"),
        (lambda: nn.PReLU().load_state_dict({"module.weight": [1.0]}), ValueError, "begin with 'module.': strip it"),
        (lambda: nn.Linear(2, 3, False).load_state_dict({"weight": np.ones((2, 3))}), ValueError, "; perhaps its transpose"),
        (lambda: nd.optim.SGD(dict(nn.PReLU().named_parameters())), TypeError, r"got dict; pass its values\(\)"),
        (lambda: nn.MultiHeadAttention(4, 2)(*[np.ones((3, n, 4)) for n in (2, 1, 2)]), ValueError, "one batch size"),
        (lambda: nn.ReLU().astype("foo"), TypeError, "real floating dtype, but got foo"),
        (lambda: nd.init.zeros(1.5), TypeError, "zeros: a size in shape must be an int"),
        (lambda: nn.Module()(1), NotImplementedError, "forward"),
        (lambda: nd.optim.SGD(nn.Linear(2, 2), 0.1), TypeError, r"model\.parameters\(\)"),
        (lambda: nd.optim.SGD(nn.Sequential(nn.Linear(2, 2)), 0.1), TypeError, r"model\.parameters\(\)"),
        (lambda: nd.Checkpoint("run.npz", nn.ReLU()), TypeError, r"Checkpoint\(model=model\).* got str, ReLU"),
        (lambda: nd.data.batches([[1, 2], [3, 4]], 1), ValueError, r"np\.array\(numbers\)"),
    ],
)
def test_errors_say_what_came(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_table_given_to_an_embedding_stays_as_it_is():
    table = np.ones((3, 2), np.float32)
    weight = nn.Embedding(3, 2, padding_idx=-1, init=lambda shape, **_: table).weight.data
    assert (table == 1).all() and weight.tolist() == [[1, 1], [1, 1], [0, 0]]
