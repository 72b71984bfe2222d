"""Modules against PyTorch's of the same architecture: its state_dict loads, outputs and gradients are equal, and ours loads there."""

import numpy as np
import pytest

import tinygrad_nd as nd
from tinygrad_nd import nn

torch = pytest.importorskip("torch")
tn = torch.nn


@pytest.fixture(autouse=True)
def double():
    """Both libraries make float64 parameters."""
    before = nd.default_dtype()
    nd.set_default_dtype(np.float64)
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)
    nd.set_default_dtype(before)


def normal(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape)


def leaves(found):
    """The tensors in nested tuples, without None."""
    return [t for part in found for t in leaves(part)] if isinstance(found, tuple) else [] if found is None else [found]


class TheirBlock(tn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv, self.norm = tn.Conv2d(c, c, 3, padding=1, bias=False), tn.BatchNorm2d(c)

    def forward(self, x):
        return torch.relu(self.norm(self.conv(x)) + x)


class TheirNet(tn.Module):
    """Lists, dicts, sequences in sequences, and a weight used twice."""

    def __init__(self):
        super().__init__()
        self.stem = tn.Sequential(tn.Conv2d(3, 4, 3, stride=2), tn.GroupNorm(2, 4), tn.Sequential(tn.PReLU(4), tn.MaxPool2d(2)))
        self.blocks = tn.ModuleList([TheirBlock(4), TheirBlock(4)])
        self.heads = tn.ModuleDict({"a": tn.Linear(4, 5), "b": tn.Linear(4, 5)})
        self.heads["b"].weight = self.heads["a"].weight
        self.scale = tn.Parameter(torch.tensor([0.5]))
        self.register_buffer("shift", torch.tensor([0.25]))

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        x = x.mean((2, 3)) * self.scale + self.shift
        return self.heads["a"](x), self.heads["b"](x)


class OurBlock(nn.Module):
    def __init__(self, c):
        self.conv, self.norm = nn.Conv2d(c, c, 3, padding=1, bias=False), nn.BatchNorm2d(c)

    def forward(self, x):
        return nd.relu(self.norm(self.conv(x)) + x)


class OurNet(nn.Module):
    def __init__(self):
        self.stem = nn.Sequential(nn.Conv2d(None, 4, 3, stride=2), nn.GroupNorm(2, None), nn.Sequential(nn.PReLU(4), nn.MaxPool2d(2)))
        self.blocks = [OurBlock(4), OurBlock(4)]
        self.heads = {"a": nn.Linear(4, 5), "b": nn.Linear(4, 5)}
        self.heads["b"].weight = self.heads["a"].weight
        self.scale, self.shift = nd.Parameter([0.5]), nd.tensor([0.25])

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        x = x.mean((2, 3)) * self.scale + self.shift
        return self.heads["a"](x), self.heads["b"](x)


IMAGE, SERIES, VOLUME, ROWS = normal(2, 4, 7, 6), normal(3, 4, 9), normal(2, 4, 5, 4, 3), normal(6, 5)
STEPS, LONE = normal(5, 3, 4), normal(5, 4)
H, TWO = normal(2, 3, 6), normal(4, 3, 6)
PADDED = np.array([[0, 0, 0, 0, 1], [0, 0, 1, 1, 1], [0] * 5], bool)
CAUSAL = np.triu(np.ones((5, 5), bool), 1)
ADDED = normal(12, 5, 5)

PAIRS = {  # ours, theirs, arguments; the state of theirs goes into ours
    "conv1d": (lambda: nn.Conv1d(4, 6, 3, dilation=2, groups=2), lambda: tn.Conv1d(4, 6, 3, dilation=2, groups=2), (SERIES,)),
    "conv2d": (lambda: nn.Conv2d(None, 6, 3, 2, 1), lambda: tn.Conv2d(4, 6, 3, 2, 1), (IMAGE,)),
    "conv3d": (lambda: nn.Conv3d(4, 2, (3, 2, 1), bias=False), lambda: tn.Conv3d(4, 2, (3, 2, 1), bias=False), (VOLUME,)),
    "lazy groups": (lambda: nn.Conv2d(None, 6, 3, groups=2), lambda: tn.Conv2d(4, 6, 3, groups=2), (IMAGE,)),
    "conv transpose 1d": (lambda: nn.ConvTranspose1d(4, 3, 4, 3), lambda: tn.ConvTranspose1d(4, 3, 4, 3), (SERIES,)),
    "conv transpose 2d": (lambda: nn.ConvTranspose2d(None, 6, 3, 2, 1, 1, groups=2), lambda: tn.ConvTranspose2d(4, 6, 3, 2, 1, 1, groups=2),
                          (IMAGE,)),
    "linear": (lambda: nn.Linear(5, 3), lambda: tn.Linear(5, 3), (ROWS,)),
    "lazy linear": (lambda: nn.Linear(None, 3, bias=False), lambda: tn.Linear(5, 3, bias=False), (ROWS,)),
    "bilinear": (lambda: nn.Bilinear(5, 4, 3), lambda: tn.Bilinear(5, 4, 3), (ROWS, ROWS[..., :4])),
    "embedding": (lambda: nn.Embedding(7, 3, 2), lambda: tn.Embedding(7, 3, 2), (np.array([[0, 2, 6], [2, 2, 1]]),)),
    "batch norm 1d": (lambda: nn.BatchNorm1d(5), lambda: tn.BatchNorm1d(5), (ROWS,)),
    "batch norm 2d": (lambda: nn.BatchNorm2d(None, 1e-3, 0.3), lambda: tn.BatchNorm2d(4, 1e-3, 0.3), (IMAGE,)),
    "batch norm 3d": (lambda: nn.BatchNorm3d(4, momentum=None), lambda: tn.BatchNorm3d(4, momentum=None), (VOLUME,)),
    "batch norm, bare": (lambda: nn.BatchNorm2d(4, affine=False, track_running_stats=False),
                         lambda: tn.BatchNorm2d(4, affine=False, track_running_stats=False), (IMAGE,)),
    "instance norm": (lambda: nn.InstanceNorm2d(4), lambda: tn.InstanceNorm2d(4), (IMAGE,)),
    "instance norm, all": (lambda: nn.InstanceNorm1d(None, 1e-5, 0.2, True, True), lambda: tn.InstanceNorm1d(4, 1e-5, 0.2, True, True),
                           (SERIES,)),
    "group norm": (lambda: nn.GroupNorm(2, 4), lambda: tn.GroupNorm(2, 4), (SERIES,)),
    "layer norm": (lambda: nn.LayerNorm((7, 6)), lambda: tn.LayerNorm((7, 6)), (IMAGE,)),
    "layer norm, no bias": (lambda: nn.LayerNorm(5, 1e-4, bias=False), lambda: tn.LayerNorm(5, 1e-4, bias=False), (ROWS,)),
    "rms norm": (lambda: nn.RMSNorm(5), lambda: tn.RMSNorm(5), (ROWS,)),
    "pools": (lambda: nn.Sequential(nn.MaxPool2d(2, 1), nn.AvgPool2d(3, 2, 1), nn.AdaptiveAvgPool2d(3), nn.LPPool2d(2, 2)),
              lambda: tn.Sequential(tn.MaxPool2d(2, 1), tn.AvgPool2d(3, 2, 1), tn.AdaptiveAvgPool2d(3), tn.LPPool2d(2, 2)), (IMAGE,)),
    "pools, no batch": (lambda: nn.Sequential(nn.MaxPool2d(2, 1), nn.AdaptiveMaxPool2d((None, 2))),
                        lambda: tn.Sequential(tn.MaxPool2d(2, 1), tn.AdaptiveMaxPool2d((None, 2))), (IMAGE[0],)),
    "pads": (lambda: nn.Sequential(nn.Pad(1, value=2.0), nn.Pad(((2, 0), (0, 1)), "reflect"), nn.Pad((1, 0), "replicate"),
                                   nn.Pad(1, "circular")),
             lambda: tn.Sequential(tn.ConstantPad2d(1, 2.0), tn.ReflectionPad2d((0, 1, 2, 0)), tn.ReplicationPad2d((0, 0, 1, 1)),
                                   tn.CircularPad2d(1)), (IMAGE,)),
    "flatten": (lambda: nn.Sequential(nn.Flatten(2), nn.Identity(), nn.Unflatten(-1, (3, -1)), nn.Flatten(0, 1)),
                lambda: tn.Sequential(tn.Flatten(2), tn.Identity(), tn.Unflatten(-1, (3, -1)), tn.Flatten(0, 1)), (IMAGE,)),
    "net": (OurNet, TheirNet, (normal(2, 3, 9, 9),)),
    **{f"{kind}{' '.join(map(str, ['', *options.values()]))}": (
           lambda kind=kind, options=options: getattr(nn, kind)(4, 6, **options),
           lambda kind=kind, options=options: getattr(tn, kind)(4, 6, **options), (STEPS, *state))
       for kind, options, state in [
           ("RNN", {}, ()), ("GRU", {}, ()), ("LSTM", {}, ()),
           ("RNN", {"num_layers": 2, "nonlinearity": "relu"}, (H,)),
           ("GRU", {"num_layers": 2, "bidirectional": True}, (TWO,)),
           ("LSTM", {"num_layers": 2, "bidirectional": True, "bias": False}, ((TWO, TWO / 2),)),
       ]},
    "lazy LSTM": (lambda: nn.LSTM(None, 6, batch_first=True), lambda: tn.LSTM(4, 6, batch_first=True), (STEPS,)),
    "GRU, no batch": (lambda: nn.GRU(4, 6, bidirectional=True), lambda: tn.GRU(4, 6, bidirectional=True), (LONE, H[:, 0])),
    "RNN cell": (lambda: nn.RNNCell(5, 3, nonlinearity="relu"), lambda: tn.RNNCell(5, 3, nonlinearity="relu"), (ROWS,)),
    "GRU cell": (lambda: nn.GRUCell(5, 3, bias=False), lambda: tn.GRUCell(5, 3, bias=False), (ROWS, normal(6, 3))),
    "LSTM cell": (lambda: nn.LSTMCell(None, 3), lambda: tn.LSTMCell(5, 3), (ROWS, (normal(6, 3), normal(6, 3)))),
    "attention": (lambda: nn.MultiHeadAttention(4, 2), lambda: tn.MultiheadAttention(4, 2), (STEPS,) * 3),
    "attention, masks": (lambda: nn.MultiHeadAttention(4, 2, bias=False), lambda: tn.MultiheadAttention(4, 2, bias=False),
                         (STEPS, STEPS, STEPS, PADDED, True, CAUSAL)),
    "attention, heads": (lambda: nn.MultiHeadAttention(4, 4, batch_first=True), lambda: tn.MultiheadAttention(4, 4, batch_first=True),
                         (normal(3, 5, 4),) * 3 + (None, True, ADDED, False)),
    "attention, no weights": (lambda: nn.MultiHeadAttention(4, 2), lambda: tn.MultiheadAttention(4, 2),
                              (STEPS, STEPS, STEPS, None, False, CAUSAL)),
    "attention, across": (lambda: nn.MultiHeadAttention(4, 2, kdim=3, vdim=5), lambda: tn.MultiheadAttention(4, 2, kdim=3, vdim=5),
                          (STEPS, normal(7, 3, 3), normal(7, 3, 5))),
    "attention, no batch": (lambda: nn.MultiheadAttention(4, 2), lambda: tn.MultiheadAttention(4, 2), (LONE, normal(3, 4), normal(3, 4))),
    "encoder layer": (lambda: nn.TransformerEncoderLayer(4, 2, 8, 0.0), lambda: tn.TransformerEncoderLayer(4, 2, 8, 0.0), (STEPS,)),
    "encoder": (lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, 0.0, "gelu", norm_first=True, batch_first=True), 2,
                                              nn.LayerNorm(4)),
                lambda: tn.TransformerEncoder(tn.TransformerEncoderLayer(4, 2, 8, 0.0, "gelu", norm_first=True, batch_first=True), 2,
                                              tn.LayerNorm(4), enable_nested_tensor=False), (normal(3, 5, 4), CAUSAL)),
    "decoder": (lambda: nn.TransformerDecoder(nn.TransformerDecoderLayer(4, 2, 8, 0.0), 2),
                lambda: tn.TransformerDecoder(tn.TransformerDecoderLayer(4, 2, 8, 0.0), 2), (STEPS, normal(7, 3, 4), CAUSAL)),
}  # fmt: skip


def both(args):
    """The arguments as tensors of either library, floats requiring grad, the same array as the same tensor."""
    made = {}

    def one(a):
        if isinstance(a, tuple):
            pairs = [one(part) for part in a]
            return tuple(p[0] for p in pairs), tuple(p[1] for p in pairs)
        if not isinstance(a, np.ndarray):
            return a, a
        live = a.dtype.kind == "f"
        return made.setdefault(id(a), (nd.tensor(a, requires_grad=live), torch.tensor(a, requires_grad=live)))

    pairs = [one(a) for a in args]
    return [p[0] for p in pairs], [p[1] for p in pairs], [p for p in made.values() if p[0].requires_grad]


@pytest.mark.parametrize("name", PAIRS)
def test_their_state_gives_their_outputs_and_gradients_and_ours_loads_there(name):
    make, theirs, args = PAIRS[name]
    ours, theirs = make(), theirs()
    ours.load_state_dict(theirs.state_dict())
    for training in (True, True, False):
        ours.train(training), theirs.train(training)
        xs, ts, leaves_of_both = both(args)
        y, t = leaves(ours(*xs)), leaves(theirs(*ts))
        assert [a.shape for a in y] == [tuple(b.shape) for b in t]
        for a, b in zip(y, t):
            np.testing.assert_allclose(a.data, b.detach().numpy(), rtol=1e-9, atol=1e-11)
        ours.zero_grad(), theirs.zero_grad()
        nd.sum(sum(nd.sum(nd.sin(a)) for a in y)).backward()
        sum(torch.sin(b).sum() for b in t).backward()
        wanted = dict(theirs.named_parameters())
        assert [n for n, _ in ours.named_parameters() if n not in wanted] == []
        for n, p in ours.named_parameters():
            np.testing.assert_allclose(p.grad.data, wanted[n].grad.numpy(), rtol=1e-8, atol=1e-10, err_msg=n)
        for a, b in leaves_of_both:
            np.testing.assert_allclose(a.grad.data, b.grad.numpy(), rtol=1e-8, atol=1e-10)
    state = ours.state_dict()
    assert {k: v.shape for k, v in state.items()} == {k: tuple(v.shape) for k, v in theirs.state_dict().items()}
    for k, v in theirs.state_dict().items():
        np.testing.assert_allclose(state[k], v.numpy(), rtol=1e-9, atol=1e-11, err_msg=k)
    theirs.load_state_dict({k: torch.tensor(v + 1) for k, v in state.items()})


def test_a_state_without_the_batch_counter_loads():
    theirs = tn.BatchNorm2d(4).state_dict()
    del theirs["num_batches_tracked"]
    nn.BatchNorm2d(4).load_state_dict(theirs)
