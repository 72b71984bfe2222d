import copy
import pickle
from dataclasses import dataclass

import numpy as np
import pytest

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
    np.testing.assert_allclose(eye(x).data, x)
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


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.Conv(3, 4, 3), TypeError, r"kernel_size=3 .*\(3, 3\)"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "groups=2"),
        (lambda: nn.ConvTranspose(3, 4, 3), TypeError, "ConvTranspose2d"),
        (lambda: nn.Dropout(1.5), ValueError, "1.5"),
        (lambda: nn.Module()(1), NotImplementedError, "forward"),
        (lambda: nd.optim.SGD(nn.Linear(2, 2), 0.1), TypeError, r"model\.parameters\(\)"),
    ],
)
def test_errors_say_what_came(call, error, message):
    with pytest.raises(error, match=message):
        call()
