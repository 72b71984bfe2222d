"""Checkpoints of runs: a run that is killed goes on to the last bit as if it had not been; what does not fit changes nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tinygrad_nd as nd
from tinygrad_nd.files.document import decode, encode


class Decay:
    """A schedule, as one writes it: lr = 0.05 * 0.99^steps."""

    def __init__(self, optimiser):
        self.optimiser, self.steps = optimiser, 0

    def step(self):
        self.steps += 1
        self.optimiser.lr = 0.05 * 0.99**self.steps

    def state_dict(self):
        return {"steps": self.steps}

    def load_state_dict(self, saved):
        self.steps = saved["steps"]


def parts(seed=0):
    """Everything that changes in a run: weights, statistics, dropout, momentum, a schedule, batches and their order, noise, numbers."""
    rng = np.random.default_rng(seed)
    model = nd.nn.Sequential(
        nd.nn.Conv2d(1, 4, 3), nd.nn.BatchNorm(4), nd.nn.ReLU(), nd.nn.Dropout(0.3, rng=seed), nd.nn.Flatten(), nd.nn.Linear(64, 3)
    )
    for p in model.parameters():
        p.data = rng.normal(0, 0.3, p.shape).astype(p.dtype)
    optimiser = nd.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    images, labels = rng.random((50, 1, 6, 6), np.float32), rng.integers(0, 3, 50)
    batches = nd.data.batches((images, labels), 8, shuffle=True, rng=seed)
    slope = nd.Parameter(rng.normal(size=2), name="slope")
    nd.random.seed(seed)
    return {
        "model": model, "optimiser": optimiser, "schedule": Decay(optimiser), "batches": batches, "noise": np.random.default_rng(seed),
        "more": {"slope": slope, "adam": nd.optim.Adam([slope])}, "step": 0, "losses": [],
    }  # fmt: skip


def train(checkpoint, path, steps):
    model, optimiser = checkpoint.model, checkpoint.optimiser
    while checkpoint.step < steps:
        for x, y in checkpoint.batches:
            noise = checkpoint.noise.normal(0, 0.1, x.shape).astype(np.float32) + nd.random.normal(0, 0.1, x.shape, dtype=np.float32)
            optimiser.zero_grad()
            loss = nd.cross_entropy(model(x + noise), y)
            loss.backward()
            optimiser.step()
            checkpoint.schedule.step()
            slope, adam = checkpoint.more["slope"], checkpoint.more["adam"]
            adam.zero_grad()
            nd.sum(nd.sin(slope * float(loss))).backward()
            adam.step()
            checkpoint.losses.append(float(loss))
            checkpoint.step += 1
            if checkpoint.step % 3 == 0 or checkpoint.step == steps:
                checkpoint.save(path)
            if checkpoint.step == steps:
                break


FATAL = [("fsync", 1), ("replace", 1), ("fsync", 2)]  # before the new file is on the disk, before it has the name, and when it has


def kill_again_and_again(folder, kills):
    """Trains without a break; then again, in processes that are killed and that go on from what they find. Prints what happened."""
    whole, broken, steps = folder / "whole.npz", folder / "broken.npz", 10 * kills
    train(nd.Checkpoint(**parts()), whole, steps)
    delays, killed, left = np.random.default_rng(), 0, 0
    while True:
        child = os.fork()
        if child == 0:
            checkpoint = nd.Checkpoint(**parts())
            if broken.exists():
                checkpoint.load(broken)
            if killed < kills and killed % 2:
                die_in_call(*FATAL[killed // 2 % len(FATAL)])
            train(checkpoint, broken, steps)
            os._exit(0)
        if killed < kills and killed % 2 == 0:
            time.sleep(delays.uniform(0, 0.04))
            os.kill(child, signal.SIGKILL)
        if os.waitpid(child, 0)[1] == 0:
            break
        killed += 1
        left += any(folder.glob(".*.part"))
        if broken.exists():
            nd.load(broken)
    print(json.dumps({"killed": killed, "left": left, "the same": whole.read_bytes() == broken.read_bytes()}))


def die_in_call(name, count):
    calls, real = iter(range(1, count)), getattr(os, name)

    def call(*args):
        if next(calls, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args)

    setattr(os, name, call)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_run_killed_at_any_moment_ends_as_if_it_had_not_been(tmp_path):
    kills = 16  # `python tests/test_checkpoint_files.py FOLDER 1000` does it more often
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # a process with threads cannot be forked safely
    done = subprocess.run([sys.executable, __file__, tmp_path, str(kills)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["the same"] and found["killed"] >= kills // 2 and found["left"] >= kills // 5, found
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broken.npz", "whole.npz"]


VALUES = {
    "whole": [0, -1, 2**127 + 12345, True, False, None],
    "floats": [0.1, -0.0, 5e-324, 1.7976931348623157e308, float("inf"), float("-inf"), 1e22],
    "text": ["", "déjà 🙂", "a\0b", "\ud800", "$array"],
    "nested": {"tuple": (1, (2.0,), []), "empty": {}, "list": [[], [{}]]},
    "keys": {1: "one", False: "no", None: 0, (1, 2): 3, "$tuple": 4, 1.5: 5},
    "complex": [1j, complex("nan+infj")],
    "numpy": [np.float32(0.1), np.int64(3), np.complex64(2j), np.bool_(True), np.longdouble(1) / 3, np.str_("a")],
    "arrays": [
        np.arange(6.0).reshape(2, 3),
        np.array(1.5),
        np.zeros((0, 2), "f2"),
        np.array(["a"]),
        {"x/y": np.ones(1), "x": {"y": np.zeros(1)}},
    ],
}


def told(value):
    """A value with the kinds and bits of everything in it."""
    if isinstance(value, dict):
        return [(told(k), told(v)) for k, v in value.items()]
    if isinstance(value, (list, tuple)):
        return [type(value), *map(told, value)]
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape, value.strides if value.size else None, value.tobytes()
    return type(value), value.dtype if isinstance(value, np.generic) else None, repr(value)


def test_values_come_back_as_they_were_through_a_file(tmp_path):
    path = nd.Checkpoint(**VALUES).save(tmp_path / "values.npz")
    checkpoint = nd.Checkpoint(**dict.fromkeys(VALUES))
    checkpoint.load(path)
    assert told(vars(checkpoint)) == told(VALUES)


def test_arrays_keep_their_order_in_memory_which_decides_about_last_bits():
    a = np.arange(120.0).reshape(2, 3, 4, 5)
    for array in (np.moveaxis(a, -1, 1), a.T, a.transpose(1, 0, 3, 2), a, np.asfortranarray(a[0])):
        arrays = {}
        found = decode(json.loads(json.dumps(encode(array, "x", arrays))), arrays)
        np.testing.assert_array_equal(found, array)
        assert found.strides == array.strides


@pytest.mark.parametrize("kind", [np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64])
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_generator_goes_on_where_it_was(kind, suffix, tmp_path):
    rng = np.random.Generator(kind(1))
    rng.integers(5, dtype=np.uint32)  # leaves half of 64 bits for the next
    path = nd.Checkpoint(rng=rng).save(tmp_path / f"g{suffix}")
    expected = rng.integers(2**32, size=5, dtype=np.uint32).tolist(), nd.random.random(2).tolist()
    nd.Checkpoint(rng=rng).load(path)
    assert (rng.integers(2**32, size=5, dtype=np.uint32).tolist(), nd.random.random(2).tolist()) == expected


def state(checkpoint):
    return told({name: told(part) for name, part in captured(checkpoint).items()})


def captured(checkpoint):
    """Everything in the parts of a run, as plain values."""
    has = vars(checkpoint)
    states = {name: part.state_dict() for name, part in has.items() if hasattr(part, "state_dict")}
    generators = [m.generator.bit_generator.state for m in has["model"].modules() if hasattr(m, "generator")]
    more = {"slope": has["more"]["slope"].data, "adam": has["more"]["adam"].state_dict()} if "slope" in has["more"] else {}
    noise = has["noise"].bit_generator.state if isinstance(has["noise"], np.random.Generator) else has["noise"]
    values = {"step": has.get("step"), "losses": has["losses"], "more": more, "dropout": generators, "noise": noise}
    return {**states, **values, "nd.random": nd.random.random(0, rng=None).tolist()}


def another_model():
    model = nd.nn.Sequential(nd.nn.Conv2d(1, 4, 3), nd.nn.Linear(64, 3))
    return {"model": model, "optimiser": nd.optim.SGD(model.parameters(), 0.1)}


def without_dropout(model):
    return nd.nn.Sequential(*[nd.nn.ReLU() if isinstance(layer, nd.nn.Dropout) else layer for layer in model])


MISFITS = {
    "a part more": (lambda p: p | {"average": 0}, ["missing: average"]),
    "a part less": (lambda p: {k: v for k, v in p.items() if k != "step"}, ["unexpected: step"]),
    "another model": (
        lambda p: p | another_model(),
        ["mismatched: model:", "unexpected: 5.weight", "mismatched: 1.weight", "mismatched: optimiser"],
    ),
    "another generator": (lambda p: p | {"noise": np.random.Generator(np.random.MT19937(0))}, ["mismatched: noise:"]),
    "another tensor": (lambda p: p | {"more": p["more"] | {"slope": nd.Parameter([1.0])}}, ["mismatched: more:", r"\(1,\)"]),
    "other names": (lambda p: p | {"more": {"tilt": nd.Parameter([1.0])}}, ["mismatched: more: has tilt, but the file has slope, adam"]),
    "no dropout": (lambda p: p | {"model": without_dropout(p["model"])}, ["mismatched: model: has nothing, but the file has 3.generator"]),
    "fewer layers": (lambda p: p | {"model": nd.nn.Sequential(*list(p["model"])[:3])}, ["mismatched: model:"]),
}


@pytest.mark.parametrize("name", MISFITS)
def test_what_does_not_fit_is_listed_and_changes_nothing(name, tmp_path):
    checkpoint = nd.Checkpoint(**parts(1))
    train(checkpoint, tmp_path / "run.npz", 3)
    change, messages = MISFITS[name]
    other = nd.Checkpoint(**change(parts(2)))
    before = state(other)
    with pytest.raises(ValueError, match="(?s)run.npz: nothing was loaded" + ".*".join(["", *messages])):
        other.load(tmp_path / "run.npz")
    assert state(other) == before


def test_parts_may_be_left_out_when_asked(tmp_path):
    run = parts(1)
    path = nd.Checkpoint(**run).save(tmp_path / "run.npz")
    model, rng = parts(2)["model"], nd.random.random(1)
    with pytest.raises(ValueError, match="unexpected: optimiser"):
        nd.Checkpoint(model=model).load(path)
    checkpoint = nd.Checkpoint(model=model, best=0.5)
    checkpoint.load(path, strict=False)
    assert all((a == b).all() for a, b in zip(model.state_dict().values(), run["model"].state_dict().values()))
    assert checkpoint.best == 0.5 and rng != nd.random.random(1)


def test_a_lazy_model_gets_its_parameters_from_the_file(tmp_path):
    path = nd.Checkpoint(model=nd.nn.Sequential(nd.nn.Linear(3, 2)), step=1).save(tmp_path / "run.npz")
    lazy = nd.nn.Sequential(nd.nn.Linear(None, 2))
    with pytest.raises(ValueError, match="missing: other"):
        nd.Checkpoint(model=lazy, other=nd.Parameter(1.0), step=0).load(path)
    nd.Checkpoint(model=lazy, step=0).load(path)
    assert lazy[0].weight.shape == (2, 3)


def test_what_cannot_be_saved_is_named_and_the_old_file_stays(tmp_path):
    path = nd.Checkpoint(step=1).save(tmp_path / "run.npz")
    before, loop = path.read_bytes(), []
    loop.append(loop)
    for value, name in {lambda: 0: "deep/0/x is a function", object(): "deep/0/x is a object"}.items():
        with pytest.raises(TypeError, match=f"Checkpoint.save: {name}.*nothing was written"):
            nd.Checkpoint(deep=[{"x": value}]).save(path)
    with pytest.raises(ValueError, match="Checkpoint.save: .*nested too deeply"):
        nd.Checkpoint(loop=loop).save(path)
    with pytest.raises(TypeError, match="'x' holds objects"):
        nd.Checkpoint(x=np.array([{}])).save(path)
    assert path.read_bytes() == before
    with pytest.raises(ValueError, match="no part can be called 'save'"):
        nd.Checkpoint(save=1)
    with pytest.raises(AttributeError, match="no part 'epoch'; it has step"):
        nd.Checkpoint(step=1).epoch  # noqa: B018


HOSTILE = {
    "no state": (None, "it holds arrays alone"),
    "no JSON": (b"\x80\x04K\x01.", "no checkpoint"),
    "a list": ([], "no checkpoint"),
    "a later version": ({"version": 2, "parts": {}}, "version 2, but this library reads 1"),
    "no parts": ({"version": 1}, "no checkpoint"),
    "an array that is not there": ({"version": 1, "parts": {"w": {"$array": "none"}}}, "refers to an array 'none'"),
    "axes": ({"version": 1, "parts": {"w": {"$array": "x", "axes": [0, 5]}}}, "no checkpoint"),
    "words": ({"version": 1, "parts": {"w": {"$object": "os.system"}}}, "which means nothing"),
    "a key that is a list": ({"version": 1, "parts": {"w": {"$dict": [[[], 1]]}}}, "no checkpoint"),
    "nan": (b'{"version": 1, "parts": {"w": NaN}}', "NaN, which is no number"),
    "nested": (b'{"version": 1, "parts": {"w": ' + b"[" * 100_000, "nested too deeply"),
    "nested a little": (b'{"version": 1, "parts": {"w": ' + b"[" * 900 + b"]" * 900 + b"}}", "no checkpoint|mismatched"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document_is_refused(name, tmp_path):
    document, message = HOSTILE[name]
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    given = {} if document is None else {"state.json": np.frombuffer(text, np.uint8)}
    path = nd.save(tmp_path / "run.npz", {"x": np.ones(3), **given})
    w = nd.Parameter([1.0, 2.0])
    with pytest.raises(ValueError, match=message) as caught:
        nd.Checkpoint(w=w).load(path)
    assert str(path) in str(caught.value) and w.tolist() == [1, 2]


def test_states_that_lie_are_refused_and_change_nothing(tmp_path):
    """Every number, text and array in the state of a run in turn is replaced; what then does not load changes nothing."""
    path = tmp_path / "run.npz"
    train(nd.Checkpoint(**parts(1)), path, 3)
    arrays = nd.load(path)
    document = json.loads(arrays["state.json"].tobytes())
    refused, lies = 0, ("lie", None, [], {}, -1)
    for i, place in enumerate(places(document["parts"])):
        for lie in (lies[i % 5], lies[(i + 2) % 5]):
            changed = json.loads(json.dumps(document))
            put(changed["parts"], place, lie)
            nd.save(path, arrays | {"state.json": np.frombuffer(json.dumps(changed).encode(), np.uint8)})
            other = nd.Checkpoint(**parts(2))
            before = state(other)
            try:
                other.load(path)
            except ValueError:
                assert state(other) == before, (place, lie)
                refused += 1
    assert refused > 100


def places(value, path=()):
    if isinstance(value, (dict, list)) and value:
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*path, key))
    else:
        yield path


def put(value, path, lie):
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = lie


if __name__ == "__main__":
    kill_again_and_again(Path(sys.argv[1]), int(sys.argv[2]))
