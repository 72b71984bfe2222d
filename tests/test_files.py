"""Files of arrays: what goes in comes out, whatever is wrong is found, and a save is whole or has not been."""

import io
import json
import os
import pickle
import stat
import struct
import threading
import warnings
import zipfile

import numpy as np
import pytest

import tinygrad_nd as nd
from tinygrad_nd.files import ensure_writable, replacing

SUFFIXES = (".npz", ".safetensors")
IMAGES = np.arange(120.0).reshape(2, 3, 4, 5)
ARRAYS = {
    **{kind: np.arange(-3, 3).astype(kind) for kind in "? i1 u1 i2 u2 i4 u4 i8 u8 f2 f4 f8 c8".split()},
    "a number": np.float64(-0.0),
    "no numbers": np.zeros((3, 0, 2), np.float32),
    "of higher rank": np.zeros((1,) * 40, np.int8),
    "strided": IMAGES[:, ::2, ::-1],
    "broadcast": np.broadcast_to(np.float32(2), (3, 4)),
    "channels last": np.moveaxis(IMAGES, -1, 1),
    "big-endian": np.arange(5, dtype=">f4"),
    "Fortran": np.asfortranarray(IMAGES.astype("f4")),
    "not finite": np.array([np.nan, -np.inf, 5e-324]),
    "nan payload": np.array([0x7FC00001, 0xFFC00002], "u4").view("f4"),
}
ONLY_NPZ = {
    "c16": np.array([1j]),
    "text": np.array(["", "déjà"]),
    "bytes": np.array([b"a", b"bc"]),
    "times": np.array(["2026-01-01", "NaT"], "M8[ns]"),
    "records": np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]),
    "long": np.array([np.pi], np.longdouble),
    "no text": np.array([""], "U0"),
}
NAMES = [
    "",
    "a/b.weight",
    "../../etc/passwd",
    "/absolute",
    "a.npy",
    "a",
    "naïve 模型 🙂",
    "x" * 5000,
    "C:\\w",
    "line\nbreak",
    " ",
    "self",
    "file",
]


def same(found, expected):
    assert found.dtype.newbyteorder("=") == expected.dtype.newbyteorder("=") and found.shape == expected.shape
    assert found.tobytes() == expected.astype(found.dtype).tobytes() and found.flags.writeable


@pytest.fixture(params=SUFFIXES)
def path(request, tmp_path):
    return tmp_path / f"w{request.param}"


def test_every_array_comes_back_to_the_last_bit(path):
    arrays = ARRAYS | (ONLY_NPZ if path.suffix == ".npz" else {})
    assert nd.save(path, arrays) == path
    found = nd.load(str(path))
    assert list(found) == list(arrays)
    for name, expected in arrays.items():
        same(found[name], np.asarray(expected))
    if path.suffix == ".npz":
        assert found["big-endian"].dtype == ">f4" and found["Fortran"].flags.f_contiguous
    assert all(a.flags.aligned for a in found.values())


def test_every_name_comes_back(path):
    nd.save(path, {name: np.int64(i) for i, name in enumerate(NAMES)})
    assert {name: int(a) for name, a in nd.load(path).items()} == {name: i for i, name in enumerate(NAMES)}
    assert nd.load(nd.save(path, {})) == {}


def test_models_tensors_and_numbers_are_saved_and_the_caller_keeps_his_arrays(path):
    model = nd.nn.Sequential(nd.nn.Conv2d(2, 3, 3), nd.nn.BatchNorm(3), nd.nn.Flatten(), nd.nn.Linear(12, 2))
    nd.save(path, model)
    other = nd.nn.Sequential(nd.nn.Conv2d(2, 3, 3), nd.nn.BatchNorm(3), nd.nn.Flatten(), nd.nn.Linear(12, 2))
    other.load_state_dict(nd.load(path))
    assert all((a == b).all() for a, b in zip(model.state_dict().values(), other.state_dict().values()))
    w = np.ones((2, 3), ">f8").T
    nd.save(path, {"t": nd.Parameter([1.0]), "n": 3, "list": [[1.5], [2]], "w": w})
    assert nd.load(path)["t"].dtype == np.float32 and nd.load(path)["list"].shape == (2, 1) and w.dtype == ">f8"
    with pytest.raises(ValueError, match=r"(?s)missing: 0.weight.*unexpected: t"):
        model.load_state_dict(nd.load(path))


REFUSED = [
    ({"x": np.array([object()])}, TypeError, "'x' holds objects.*nothing is pickled"),
    ({"x": None}, TypeError, "'x' is a NoneType"),
    ({"state": {"x": 1}}, TypeError, "'state' is a dict.*Checkpoint"),
    ({"x": np.ma.masked_array([1, 2], [0, 1])}, TypeError, "MaskedArray"),
    ({"x": [[1], [2, 3]]}, ValueError, "'x' is no array"),
    ({1: np.ones(2)}, TypeError, "names are strings, but one is 1"),
    ({"\ud800": np.ones(2)}, ValueError, "UTF-8"),
    (np.ones(2), TypeError, "ndarray; give it a name"),
    ([("x", 1)], TypeError, "got list"),
]
REFUSED_BY = {
    ".npz": [({"a\0b": 1}, ValueError, "cannot hold an array named"), ({"x" * 70000: 1}, ValueError, "70000 characters")],
    ".safetensors": [(({"z": 1j}), TypeError, "'z', whose dtype is complex128"), ({"t": "text"}, TypeError, "'t', whose dtype is <U4")]
    + [({"__metadata__": 1}, ValueError, "its own word"), ({"long": np.longdouble(1)}, TypeError, "'long', whose dtype")],
}


def test_what_a_file_cannot_hold_is_refused_and_the_old_file_stays(path):
    nd.save(path, {"x": 1})
    before = path.read_bytes()
    for mapping, kind, message in REFUSED + REFUSED_BY[path.suffix]:
        with pytest.raises(kind, match=message):
            nd.save(path, {"first": np.ones(9), **mapping} if isinstance(mapping, dict) else mapping)
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]
    acts = [lambda p: nd.save(p, {}), ensure_writable, nd.load]
    for act in acts:
        for other in (path.with_suffix(".pt"), "x.npy", "none"):
            with pytest.raises(ValueError, match=r"ends in .*; use one of .npz .safetensors"):
                act(other)
    with pytest.raises(FileNotFoundError):
        nd.load(path.parent / "none.npz")


def test_types_that_numpy_got_from_elsewhere_are_refused_or_widened(path):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    with pytest.raises(TypeError, match="'x', whose dtype is bfloat16"):
        nd.save(path, {"x": np.ones(3, ml_dtypes.bfloat16)})


def test_numpy_reads_what_we_write_and_we_what_it_writes(tmp_path):
    arrays = {k: np.asarray(a) for k, a in {**ARRAYS, **ONLY_NPZ}.items() if k != "no text"}
    nd.save(tmp_path / "ours.npz", arrays)
    with np.load(tmp_path / "ours.npz", allow_pickle=False) as found:
        assert list(found) == list(arrays)
        for name in arrays:
            assert found[name].tobytes() == arrays[name].tobytes()
    for write in (np.savez, np.savez_compressed):
        write(tmp_path / "theirs.npz", **arrays)
        found = nd.load(tmp_path / "theirs.npz")
        for name in arrays:
            same(found[name], arrays[name])


def test_safetensors_reads_what_we_write_and_we_what_it_writes(tmp_path):
    theirs = pytest.importorskip("safetensors.numpy")
    nd.save(tmp_path / "ours.safetensors", ARRAYS)
    found = theirs.load_file(tmp_path / "ours.safetensors")
    for name, array in ARRAYS.items():
        if name != "f2" or "f2" in found:
            assert found[name].tobytes() == array.astype(array.dtype.newbyteorder("<")).tobytes(), name
    arrays = {name: np.ascontiguousarray(a) for name, a in ARRAYS.items() if a.dtype.isnative and a.ndim}
    theirs.save_file(arrays, tmp_path / "theirs.safetensors", {"format": "np"})
    found = nd.load(tmp_path / "theirs.safetensors")
    for name in arrays:
        same(found[name], arrays[name])


def raw_safetensors(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def test_bfloat16_becomes_the_float32_of_the_same_value(tmp_path):
    values = np.array([1.0, -2.5, np.inf, 2.0**-130], np.float32)
    halves = (values.view("u4") >> 16).astype("<u2").tobytes()
    row = {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}
    (tmp_path / "b.safetensors").write_bytes(raw_safetensors({"x": row}, halves))
    np.testing.assert_array_equal(nd.load(tmp_path / "b.safetensors")["x"], values.reshape(2, 2))


def test_a_changed_byte_is_found_or_carries_no_data(path):
    """Each byte of a file in turn, with one bit changed, and with all of them or cleared; and the file cut off before it."""
    arrays = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "ü": np.arange(3)}
    raw = nd.save(path, arrays).read_bytes()
    harmless = 0
    for i in range(len(raw)):
        for other in {raw[i] ^ 1 << i % 8, (raw[i] ^ 0xFF, 0)[i % 2]} - {raw[i]}:
            path.write_bytes(raw[:i] + bytes([other]) + raw[i + 1 :])
            try:
                found = nd.load(path)
            except ValueError as error:
                assert str(path) in str(error)
                continue
            harmless += 1
            assert list(found) == list(arrays)
            for name in arrays:
                same(found[name], arrays[name])
        path.write_bytes(raw[:i])
        with pytest.raises(ValueError, match="nothing was loaded"):
            nd.load(path)
    assert harmless < len(raw)  # of two each: dates, permissions and the like, which zip says twice
    path.write_bytes(raw + b"more")
    with pytest.raises(ValueError, match="nothing was loaded"):
        nd.load(path)


class Evil:
    def __reduce__(self):
        return os.mkdir, ("unpickled",)


def npy(array=None, header=None, data=b"", version=1):
    file = io.BytesIO()
    if header is None:
        np.lib.format.write_array(file, array, allow_pickle=True)
        return file.getvalue()
    text = header.encode() + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text + data


def described(shape="(2,)", descr="'<f8'"):
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}"


def raw_zip(*members, compression=zipfile.ZIP_STORED, change=None, comment=b""):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name twice
        for name, data in members:
            archive.writestr(name, data)
        if change:
            change(archive.infolist())
        archive.comment = comment
    return file.getvalue()


def overlapping(members):
    members[1].header_offset, members[1].CRC, members[1].file_size = 0, members[0].CRC, members[0].file_size
    members[1].compress_size, members[1].filename = members[0].compress_size, "b.npy"


def setting(**values):
    def change(members):
        for key, value in values.items():
            setattr(members[0], key, value)

    return change


GOOD = npy(np.ones(2))
BAD_ZIPS = {
    "no zip": (b"PK" + bytes(100), "not a zip"),
    "empty": (b"", "not a zip"),
    "pickled objects": (raw_zip(("x.npy", npy(np.array([Evil()], object)))), "holds pickled objects"),
    "a pickle": (raw_zip(("x.npy", pickle.dumps(Evil()))), "no array in version"),
    "objects inside": (raw_zip(("x.npy", npy(header=described(descr="[('a', 'O')]"), data=bytes(16)))), "holds pickled objects"),
    "another file": (raw_zip(("x.pkl", pickle.dumps(Evil()))), "'x.pkl', which is no array"),
    "negative": (raw_zip(("x.npy", npy(header=described("(-2,)"), data=bytes(16)))), "says it is .-2,. float64, but has 16"),
    "two negatives": (raw_zip(("x.npy", npy(header=described("(-2, -1)"), data=bytes(16)))), "but has 16"),
    "huge": (raw_zip(("x.npy", npy(header=described("(2**60,)".replace("2**60", str(2**60))), data=bytes(16)))), "but has 16"),
    "overflowing": (raw_zip(("x.npy", npy(header=described(f"({2**32}, {2**32}, 16)"), data=bytes(16)))), "but has 16"),
    "rank 100": (raw_zip(("x.npy", npy(header=described(str((1,) * 100)), data=bytes(8)))), "(?i)dimension"),
    "code": (raw_zip(("x.npy", npy(header="__import__('os').mkdir('unpickled')"))), "header that says nothing"),
    "nested": (raw_zip(("x.npy", npy(header="(" * 5000))), "header that says nothing"),
    "long header": (raw_zip(("x.npy", npy(header=" " * 60000))), "header that says nothing"),
    "unknown dtype": (raw_zip(("x.npy", npy(header=described(descr="'<q9'"), data=bytes(16)))), "header that says nothing"),
    "version 9": (raw_zip(("x.npy", GOOD.replace(b"NUMPY\x01", b"NUMPY\x09"))), "version 1 or 2"),
    "twice": (raw_zip(("x.npy", GOOD), ("x.npy", GOOD)), "two arrays named 'x'"),
    "overlap": (raw_zip(("a.npy", GOOD), ("b.npy", GOOD), change=overlapping), "reaches into what follows"),
    "short": (raw_zip(("x.npy", GOOD[:-1])), "but has 15 bytes"),
    "long": (raw_zip(("x.npy", GOOD + b"x")), "but has 17 bytes"),
    "checksum": (raw_zip(("x.npy", GOOD), change=setting(CRC=1)), "checksum is wrong"),
    "size": (raw_zip(("x.npy", GOOD), change=setting(file_size=10**9)), "nothing was loaded"),
    "4 GB in 1 kB": (raw_zip(("x.npy", GOOD), change=setting(file_size=0xFFFF0000, compress_type=8)), "would unpack to 4,294"),
    "place": (raw_zip(("x.npy", GOOD), change=setting(header_offset=10**6)), "nothing was loaded"),
    "compression 99": (raw_zip(("x.npy", GOOD), change=setting(compress_type=99)), "nothing was loaded"),
    "no deflation": (raw_zip(("x.npy", GOOD), change=setting(compress_type=8)), "nothing was loaded"),
    "encrypted": (raw_zip(("x.npy", GOOD), change=setting(flag_bits=1)), "encrypted"),
    "a later version": (raw_zip(("x.npy", GOOD), comment=b'tinygrad_nd {"version": 2, "crc32": 0}'), "version 2 of the format"),
    "a broken seal": (raw_zip(("x.npy", GOOD), comment=b'tinygrad_nd {"version": 1, "crc32": 0}'), "not as they were written"),
}
ROW = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
BAD_SAFETENSORS = {
    "empty": (b"", "the file has 0"),
    "length": (b"\x10", "the file has 1"),
    "huge header": (raw_safetensors({}, length=2**64 - 1), "header would end at byte 18,446"),
    "header cut off": (raw_safetensors({"x": ROW})[:40], "header would end"),
    "no JSON": (raw_safetensors(b"\x80\x04K\x01."), "nothing was loaded"),
    "no UTF-8": (raw_safetensors(b'{"\xff": 1}'), "nothing was loaded"),
    "a list": (raw_safetensors([1]), "no JSON object"),
    "nan": (raw_safetensors(b'{"x": NaN}'), "NaN, which is no number"),
    "nested": (raw_safetensors(b'{"x":' * 100_000), "nested too deeply"),
    "twice": (raw_safetensors(b'{"x": 1, "x": 1}'), "'x' twice"),
    "row": (raw_safetensors({"x": 3}), "from where to where"),
    "no offsets": (raw_safetensors({"x": {"dtype": "F32", "shape": [2]}}, bytes(8)), "from where to where"),
    "fractions": (raw_safetensors({"x": ROW | {"data_offsets": [0.0, 8.0]}}, bytes(8)), "from where to where"),
    "overlap": (raw_safetensors({"x": ROW, "y": ROW | {"data_offsets": [4, 12]}}, bytes(12)), "'y' takes 8 bytes, from 8 on"),
    "the same bytes": (raw_safetensors({"x": ROW, "y": ROW}, bytes(8)), "takes 8 bytes, from 8 on"),
    "a gap": (raw_safetensors({"x": ROW, "y": ROW | {"data_offsets": [12, 20]}}, bytes(20)), "from 8 on, but says .12, 20"),
    "backwards": (raw_safetensors({"x": ROW | {"data_offsets": [8, 0]}}, bytes(8)), "from 0 on"),
    "outside": (raw_safetensors({"x": ROW}, bytes(4)), "take 8 bytes, but 4 follow"),
    "left over": (raw_safetensors({"x": ROW}, bytes(9)), "take 8 bytes, but 9 follow"),
    "lying shape": (raw_safetensors({"x": ROW | {"shape": [2**62]}}, bytes(8)), "says .0, 8."),
    "negative": (raw_safetensors({"x": ROW | {"shape": [-2]}}, bytes(8)), "has the shape .-2., which is none"),
    "rank 65": (raw_safetensors({"x": ROW | {"shape": [1] * 64 + [2]}}, bytes(8)), "which is none"),
    "no shape": (raw_safetensors({"x": ROW | {"shape": 2}}, bytes(8)), "shape 2, which is none"),
    "truth as size": (raw_safetensors({"x": ROW | {"shape": [True, 2]}}, bytes(8)), "which is none"),
    "dtype": (raw_safetensors({"x": ROW | {"dtype": "F8_E4M3"}}, bytes(8)), "dtype F8_E4M3, which NumPy does not have"),
    "objects": (raw_safetensors({"x": ROW | {"dtype": "O"}}, bytes(8)), "dtype O"),
    "metadata": (raw_safetensors({"__metadata__": [1], "x": ROW}, bytes(8)), "no JSON object"),
    "half a seal": (raw_safetensors({"__metadata__": {"tinygrad_nd.crc32": "[0]"}, "x": ROW}, bytes(8)), "not as they were written"),
}


@pytest.mark.parametrize(
    ("suffix", "raw", "message"),
    [pytest.param(".npz", *row, id=f"npz, {name}") for name, row in BAD_ZIPS.items()]
    + [pytest.param(".safetensors", *row, id=f"safetensors, {name}") for name, row in BAD_SAFETENSORS.items()],
)
def test_a_hostile_file_is_refused(suffix, raw, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"w{suffix}"
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=message) as caught:
        nd.load(path)
    assert str(path) in str(caught.value) and list(tmp_path.iterdir()) == [path]


def test_permissions_are_a_normal_files_and_those_of_an_old_file_stay(path):
    old = os.umask(0o027)
    try:
        nd.save(path, {"x": 1})
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o604)
    nd.save(path, {"x": 2})
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


def test_a_link_is_followed_and_stays_a_link(tmp_path):
    (tmp_path / "runs").mkdir()
    link, target = tmp_path / "latest.npz", tmp_path / "runs" / "7.npz"
    link.symlink_to(target)
    for value in (1, 2):  # a link to nothing yet; then to a file
        nd.save(link, {"x": value})
        assert link.is_symlink() and int(nd.load(target)["x"]) == value
    loop = tmp_path / "loop.npz"
    loop.symlink_to(loop)
    with pytest.raises(OSError, match="nothing was written"):
        nd.save(loop, {"x": 1})
    assert loop.is_symlink()


def test_a_path_that_cannot_be_written_says_so_before_anything_is_done(tmp_path, monkeypatch):
    (tmp_path / "folder.npz").mkdir()
    os.mkfifo(tmp_path / "pipe.npz")
    for name, kind in {"folder.npz": IsADirectoryError, "pipe.npz": OSError, "none/x.npz": FileNotFoundError}.items():
        for act in (ensure_writable, lambda path: nd.save(path, {"x": 1})):
            with pytest.raises(kind, match="nothing was written.*" + name):
                act(tmp_path / name)
    path = nd.save(tmp_path / "x.npz", {"x": 1})
    ensure_writable(path)
    ensure_writable(tmp_path / "new.npz")
    monkeypatch.setattr(os, "access", lambda *_: False)  # for the superuser every file is writable
    with pytest.raises(PermissionError, match="nothing was written"):
        nd.save(path, {"x": 2})
    assert int(nd.load(path)["x"]) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder.npz", "pipe.npz", "x.npz"]


def test_a_full_disk_leaves_the_old_file_and_nothing_beside_it(path):
    resource = pytest.importorskip("resource")
    nd.save(path, {"x": 1})
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        for size in (30_000, 1 << 20):  # fails when the buffer is written out; and in the middle of an array
            with pytest.raises(OSError, match="nothing was written"):
                nd.save(path, {"a": np.zeros(99_000, np.int8), "b": np.zeros(size, np.int8)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


def test_what_killed_writers_left_is_removed_and_what_others_write_is_not(tmp_path):
    left = tmp_path / ".tinygrad_nd-0123456789abcdef.part"
    left.write_bytes(b"half")
    with replacing(tmp_path / "a.txt") as slow:
        slow.write(b"slow")
        nd.save(tmp_path / "b.npz", {"x": 1})
        assert not left.exists()
    assert (tmp_path / "a.txt").read_bytes() == b"slow" and len(list(tmp_path.iterdir())) == 2


def test_threads_that_save_to_one_path_leave_one_whole_file(path):
    def save(i):
        for _ in range(5):
            nd.save(path, {"x": np.full(10_000, i)})

    threads = [threading.Thread(target=save, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    while any(t.is_alive() for t in threads):
        assert not path.exists() or np.unique(nd.load(path)["x"]).size == 1
    assert list(path.parent.iterdir()) == [path]


def test_equal_arrays_make_equal_files(path):
    first, second = (nd.save(path, ARRAYS).read_bytes() for _ in range(2))
    assert first == second
