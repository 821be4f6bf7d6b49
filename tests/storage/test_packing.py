import hashlib
import io
import json
import re
import struct
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zstandard
from networks import IMAGES, network
from torch import Tensor, nn

import fggp
from fggp.cli import main
from fggp.models import build
from fggp.storage.packed_file import LARGEST, MAGIC, WORD_BYTES
from fggp.storage.packing import PackError
from fggp.storage.sparse_coding import FORMS, decode, encode
from fggp.storage.state_dicts import read_weights, write_weights

State = dict[str, Tensor]


def bits(tensor: Tensor) -> Tensor:
    plain = tensor.detach().clone(memory_format=torch.contiguous_format)
    return plain.reshape(-1).view(torch.uint8)


def assert_same(found: State, expected: State) -> None:
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype, name
        assert found[name].shape == tensor.shape, name
        assert torch.equal(bits(found[name]), bits(tensor)), name


def there_and_back(state: State, folder: Path, **options: bool) -> State:
    written = fggp.pack(state, folder / "w.fggp", **options)
    assert written == (folder / "w.fggp").stat().st_size
    return fggp.unpack(folder / "w.fggp")


def random_bits(dtype: torch.dtype, shape: tuple[int, ...], zeros: float, seed: int) -> Tensor:
    """Any bits at all, with a share of +0.0, and half as many words of the sign alone."""
    rng = np.random.default_rng(seed)
    width = WORD_BYTES[str(dtype).removeprefix("torch.")]
    words = int(np.prod(shape)) * (2 if dtype.is_complex else 1)
    raw = rng.integers(0, 256, (words, width), dtype=np.uint8)
    drawn = rng.random(words)
    raw[drawn < zeros * 1.5] = 0
    raw[(zeros <= drawn) & (drawn < zeros * 1.5), -1] = 128
    if dtype == torch.bool:
        raw &= 1
    return torch.from_numpy(raw.reshape(-1)).view(dtype).reshape(shape)


@pytest.mark.parametrize("name", WORD_BYTES)
def test_every_bit_of_every_dtype_comes_back(name: str, tmp_path: Path) -> None:
    dtype = getattr(torch, name)
    shapes = [(), (0,), (0, 3), (1,), (7,), (3, 4, 5), (2, 1000)]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "ComplexHalf support is experimental")
        state = {
            f"{shape} {zeros}": random_bits(dtype, shape, zeros, seed)
            for seed, shape in enumerate(shapes)
            for zeros in (0.0, 0.3, 0.6, 0.66)
        }
        assert_same(there_and_back(state, tmp_path), state)


def test_zeros_of_both_signs_nan_payloads_and_denormals_come_back(tmp_path: Path) -> None:
    words = [0, 1 << 31, 0x7FC00000, 0x7F800001, 0xFFC12345, 0x7F800000, 0xFF800000, 1, 0x807FFFFF]
    special = torch.tensor(words, dtype=torch.uint32).view(torch.float32)
    sparse = torch.cat([special, torch.zeros(5000), torch.full((5000,), -0.0), special])
    assert torch.signbit(sparse).sum() > 5000
    state = {"special": special, "sparse": sparse, "scalar": torch.tensor(-0.0)}
    assert_same(there_and_back(state, tmp_path), state)


def test_the_order_of_the_names_and_their_letters_come_back(tmp_path: Path) -> None:
    names = ["z", "a.b.weight", "", "ü 重み", 'quote"\\', "a", "\n", "B"]
    state = {name: torch.full((1,), i) for i, name in enumerate(names)}
    assert_same(there_and_back(state, tmp_path), state)
    assert fggp.unpack(tmp_path / "w.fggp").keys() == state.keys()
    assert there_and_back({}, tmp_path) == {}


def test_views_of_any_layout_are_stored_by_their_logical_index(tmp_path: Path) -> None:
    whole = torch.arange(120.0).reshape(2, 3, 4, 5)
    number = torch.tensor([1 + 2j, -0.0 - 3j])
    state = {
        "turned": whole.permute(3, 1, 0, 2),
        "every other": whole.reshape(-1)[1::2],
        "one of many": whole.reshape(-1)[5::100][:1],
        "a number of many": whole[1, 2, 3, 4],
        "none of many": whole[:0].permute(3, 1, 0, 2),
        "channels last": whole.contiguous(memory_format=torch.channels_last),
        "widened": torch.zeros(1).expand(4, 5),
        "conjugate": number.conj(),
        "negated": number.conj().imag,
        "one negated": number[:1].conj().imag,
        "parameter": nn.Parameter(whole),
    }
    expected = {name: tensor.detach().clone().contiguous() for name, tensor in state.items()}
    expected["conjugate"] = expected["conjugate"].resolve_conj()
    for name in ("negated", "one negated"):
        assert state[name].is_neg()
        expected[name] = expected[name].resolve_neg()
    found = there_and_back(state, tmp_path)
    assert_same(found, expected)
    assert not found["parameter"].requires_grad


def test_unpacked_tensors_can_be_written_to(tmp_path: Path) -> None:
    state = {str(zeros): random_bits(torch.uint8, (300,), zeros, 1) for zeros in (0, 0.6)}
    for tensor in there_and_back(state, tmp_path).values():
        assert int(tensor.fill_(3).sum()) == 900


def pruned(model: nn.Module, sparsity: str) -> nn.Module:
    """Mask a model as a training does, which leaves -0.0 where a weight was negative."""
    method = fggp.method("random", sparsity=sparsity, steps=2)
    fggp.Pruner(model, torch.optim.SGD(model.parameters(), lr=0.1), method)
    return model


@torch.no_grad()
def test_a_model_computes_the_same_from_its_unpacked_weights(tmp_path: Path) -> None:
    model, other = pruned(network(), "0.9").eval(), network(seed=1).eval()
    for options in ({}, {"positive_zeros": True}):
        fggp.pack(model, tmp_path / "w.fggp", **options)
        other.load_state_dict(fggp.unpack(tmp_path / "w.fggp"))
        assert torch.equal(other(IMAGES), model(IMAGES))


def test_equal_weights_are_equal_bytes_from_a_module_and_from_its_state(tmp_path: Path) -> None:
    model = pruned(network(), "0.5")
    fggp.pack(model, tmp_path / "one.fggp")
    fggp.pack(model.state_dict(), str(tmp_path / "two.fggp"))
    assert (tmp_path / "one.fggp").read_bytes() == (tmp_path / "two.fggp").read_bytes()


def test_positive_zeros_change_zeros_of_floating_point_alone(tmp_path: Path) -> None:
    state = {
        f"{name} {zeros}": random_bits(getattr(torch, name), (4000,), zeros, 5)
        for name in ("float32", "bfloat16", "float64", "int32", "bool", "float8_e4m3fnuz")
        for zeros in (0.2, 0.6)
    }
    expected = dict(state)
    for name, tensor in state.items():
        if name.startswith(("float32", "bfloat16", "float64")):
            expected[name] = torch.where(tensor == 0, torch.zeros_like(tensor), tensor)
            assert not torch.equal(bits(expected[name]), bits(tensor)), "there is -0.0 to store"
    assert_same(there_and_back(state, tmp_path, positive_zeros=True), expected)


@pytest.fixture(scope="module")
def vgg19() -> State:
    """VGG-19 at 98 % ERK sparsity, with the zeros that masking leaves."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return pruned(build("vgg19"), "0.98").state_dict()


def test_vgg19_at_98_percent_takes_less_than_2_mb(vgg19: State, tmp_path: Path) -> None:
    dense = io.BytesIO()
    torch.save(vgg19, dense)
    zeros = {name: tensor + 0.0 for name, tensor in vgg19.items() if tensor.is_floating_point()}
    size = fggp.pack(vgg19 | zeros, tmp_path / "plain.fggp")
    assert size <= 2_000_000
    assert size * 40 <= len(dense.getvalue())
    assert fggp.pack(vgg19, tmp_path / "positive.fggp", positive_zeros=True) == size
    assert_same(fggp.unpack(tmp_path / "positive.fggp"), vgg19 | zeros)


def test_signs_of_zeros_cost_one_bit_each_and_not_a_value(vgg19: State, tmp_path: Path) -> None:
    weights = torch.cat([tensor.reshape(-1) for name, tensor in vgg19.items() if tensor.ndim > 1])
    negative = int((torch.signbit(weights) & (weights == 0)).sum())
    assert 0.45 < negative / len(weights) < 0.52, "half of the pruned weights are -0.0"
    less = fggp.pack(vgg19, tmp_path / "positive.fggp", positive_zeros=True)
    size = fggp.pack(vgg19, tmp_path / "signs.fggp")
    assert size <= less + 1.03 * len(weights) / 8
    assert_same(fggp.unpack(tmp_path / "signs.fggp"), vgg19)


@pytest.mark.parametrize(
    ("at", "gaps"),
    [
        ([0], [0]),
        ([254], [254]),
        ([255], [255, 0]),
        ([256, 257], [255, 1, 0]),
        ([509, 1020], [255, 254, 255, 255, 0]),
        ([765], [255, 255, 255, 0]),
        ([], []),
    ],
)
def test_gaps_count_zeros_and_255_means_more(at: list[int], gaps: list[int]) -> None:
    words = np.zeros(2000, np.uint32)
    words[at] = 7
    coded = encode(words)
    assert coded.form == "gaps"
    assert coded.gaps.tolist() == gaps
    assert coded.values.tolist() == [7] * len(at) + [0] * 3 * len(at), "lowest bytes first"
    np.testing.assert_array_equal(decode(coded, 2000, 4), words)


@pytest.mark.parametrize(
    ("zeros", "negative", "form"),
    [(0, 0, "dense"), (150, 0, "dense"), (250, 0, "gaps"), (900, 10, "gaps"), (450, 450, "signs")],
)
def test_the_smallest_form_is_taken(zeros: int, negative: int, form: str) -> None:
    words = np.random.default_rng(0).integers(1, 2**31, 1000, dtype=np.uint32)
    words[:zeros], words[zeros : zeros + negative] = 0, 2**31
    coded = encode(words)
    left = 1000 - zeros - negative
    sizes = dict(zip(FORMS, (4000, 5 * (1000 - zeros), 5 * left + 125), strict=True))
    assert coded.form == form == min(sizes, key=sizes.__getitem__)
    taken = len(coded.gaps) + len(coded.signs) + len(coded.values)
    assert taken - sizes[form] in range(4), "at most a few gaps take two bytes"


def refusal(path: Path, content: bytes) -> str:
    """Return the one line that answers a file of that content."""
    path.write_bytes(content)
    with pytest.raises(PackError) as caught:
        fggp.unpack(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "; " in message
    assert "\n" not in message
    return message


@pytest.fixture
def small(tmp_path: Path) -> tuple[Path, bytes]:
    path = tmp_path / "small.fggp"
    state = {"a": torch.tensor([0, 0, 0, 0, 0, 0, -1.5, 0, -0.0, 2]), "n": torch.tensor(3)}
    fggp.pack(state, path)
    return path, path.read_bytes()


def test_a_change_of_any_byte_is_refused(small: tuple[Path, bytes]) -> None:
    path, good = small
    for position in range(len(good)):
        for change in (1, 128, 255):
            bad = bytearray(good)
            bad[position] ^= change
            message = refusal(path, bytes(bad))
            assert ("not a packed file" in message) == (position < len(MAGIC)), position


def test_a_file_cut_short_anywhere_or_with_more_behind_it_is_refused(
    small: tuple[Path, bytes],
) -> None:
    path, good = small
    for length in range(len(good)):
        refusal(path, good[:length])
    for more in (b"\0", b"x", good):
        assert "its checksum does not match" in refusal(path, good + more)


@pytest.mark.parametrize("content", [b"", b"hello\n", b"PK\3\4" + bytes(90), b"\x80\x02}q\0."])
def test_a_foreign_file_is_named_with_the_fix(content: bytes, tmp_path: Path) -> None:
    message = refusal(tmp_path / "w.fggp", content)
    assert "w.fggp: not a packed file (" in message
    assert message.endswith("; make one with `fggp pack`")


def test_a_file_that_is_not_there_or_a_folder_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.fggp", tmp_path):
        with pytest.raises(PackError, match=f"{path}: cannot be read .*; name a file"):
            fggp.unpack(path)


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PackError, match=r"file/w\.fggp: cannot be written .*another folder"):
        fggp.pack(network(), tmp_path / "file" / "w.fggp")


def sealed(frame: bytes) -> bytes:
    """Return a packed file with a checksum that fits, as one who means harm would write it."""
    return MAGIC + hashlib.sha256(frame).digest() + frame


def forged(listing: Any, content: bytes = b"") -> bytes:
    text = listing if isinstance(listing, bytes) else json.dumps(listing).encode()
    whole = len(text).to_bytes(4, "little") + text + content
    return sealed(zstandard.ZstdCompressor().compress(whole))


def test_a_forged_file_is_read_where_it_is_true(tmp_path: Path) -> None:
    (tmp_path / "w.fggp").write_bytes(forged([["x", "uint8", [2], "dense", 2, 0]], b"\1\2"))
    assert fggp.unpack(tmp_path / "w.fggp")["x"].tolist() == [1, 2]


HUGE = 10**12
# A frame whose header says 10^12 bytes: one segment, a content size of 8 bytes, an empty block.
HUGE_FRAME = b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", HUGE) + b"\1\0\0"
BOMBS: dict[str, Callable[[], bytes]] = {
    "a frame": lambda: sealed(HUGE_FRAME),
    "one tensor": lambda: forged([["x", "float32", [HUGE], "gaps", 0, 0]]),
    "signs": lambda: forged([["x", "float32", [HUGE], "signs", 0, 0]]),
    "many tensors": lambda: forged([[str(i), "int8", [9000], "gaps", 0, 0] for i in range(999)]),
    "zeros that compress": lambda: forged(
        [["x", "uint8", [10**7], "dense", 10**7, 0]], bytes(10**7)
    ),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_small_file_that_declares_much_is_refused_before_memory_is_taken(
    bomb: str, tmp_path: Path
) -> None:
    content = BOMBS[bomb]()
    tracemalloc.start()
    try:
        message = refusal(tmp_path / "w.fggp", content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert re.search(r"hold at most \d+\)|bytes that it can hold\)", message), message
    assert peak < 4_000_000


def test_what_is_written_stays_below_what_is_refused(tmp_path: Path) -> None:
    state = {"zeros": torch.zeros(3_000_000), "ones": torch.ones(1000, 1000)}
    size = fggp.pack(state, tmp_path / "w.fggp")
    assert 16_000_000 / LARGEST <= size < 16_000_000 / LARGEST + 100
    assert_same(fggp.unpack(tmp_path / "w.fggp"), state)


ENTRY = ["x", "uint8", [4], "gaps", 1, 1]
UNTRUE: dict[str, tuple[Any, bytes]] = {
    "not JSON": (b"[", b""),
    "not text": (b"\xff", b""),
    "nested": (b"[" * 100_000, b""),
    "not a list": ({"x": 1}, b""),
    "not an entry": ([1], b""),
    "too short an entry": ([ENTRY[:5]], b"\0\1"),
    "a name that is none": ([[1, *ENTRY[1:]]], b"\0\1"),
    "two of one name": ([ENTRY, ENTRY], b"\0\1\0\1"),
    "an unknown dtype": ([["x", "object", *ENTRY[2:]]], b"\0\1"),
    "a dtype that is none": ([["x", [], *ENTRY[2:]]], b"\0\1"),
    "an unknown form": ([[*ENTRY[:3], "pickle", 1, 1]], b"\0\1"),
    "a negative dimension": ([["x", "uint8", [-1, -4], "gaps", 1, 1]], b"\0\1"),
    "a dimension that is none": ([["x", "uint8", [4.0], "gaps", 1, 1]], b"\0\1"),
    "a shape that is none": ([["x", "uint8", 4, "gaps", 1, 1]], b"\0\1"),
    "a number beyond all": ([["x", "uint8", [2**70, 0], "gaps", 0, 0]], b""),
    "a part that begins before it": (
        [["y", "uint8", [4], "gaps", 0, -1], ["x", "uint8", [300], "gaps", 2, 2]],
        b"\1\1\1",
    ),
    "more values than places": ([["x", "uint8", [1], "gaps", 2, 2]], b"\0\0\1\1"),
    "dense and not whole": ([["x", "uint8", [4], "dense", 3, 0]], b"\1\1\1"),
    "dense with gaps": ([["x", "uint8", [4], "dense", 4, 1]], b"\0\1\1\1\1"),
    "too little behind it": ([ENTRY], b"\0"),
    "too much behind it": ([ENTRY], b"\0\1\1"),
    "a place beyond the end": ([ENTRY], b"\4\1"),
    "fewer places than values": ([ENTRY], b"\xff\1"),
    "more places than values": ([["x", "uint8", [4], "gaps", 1, 2]], b"\0\0\1"),
}


@pytest.mark.parametrize("case", UNTRUE)
def test_a_listing_that_is_not_true_is_refused(case: str, tmp_path: Path) -> None:
    assert "w.fggp: damaged (" in refusal(tmp_path / "w.fggp", forged(*UNTRUE[case]))


def test_a_frame_that_is_none_or_does_not_say_its_size_is_refused(tmp_path: Path) -> None:
    silent = zstandard.ZstdCompressor(write_content_size=False).compress(b"\2\0\0\0[]")
    for frame in (b"", b"no frame", silent, HUGE_FRAME[:6]):
        assert "w.fggp: damaged (" in refusal(tmp_path / "w.fggp", sealed(frame))


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ([1], "a list has no weights"),
        ({"epoch": 3}, "'epoch' is not a tensor but int"),
        ({"model": {"w": torch.ones(1)}}, "'model' is not a tensor but dict"),
        ({1: torch.ones(1)}, "1 is not the name of a tensor"),
        ({"w": torch.ones(2).to_sparse()}, "'w' is a cpu tensor of torch.float32 and torch.sparse"),
        ({"w": torch.ones(2, device="meta")}, "'w' is a meta tensor"),
        ({"w": torch.empty(2, dtype=torch.uint4)}, "'w' is a cpu tensor of torch.uint4"),
    ],
)
def test_what_is_no_state_of_dense_tensors_is_refused(
    state: Any, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(PackError) as caught:
        fggp.pack(state, tmp_path / "w.fggp")
    assert reason in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def run(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    status = main([str(argument) for argument in arguments])
    shown = capsys.readouterr()
    return status, shown.out, shown.err


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("out", [".pt", ".safetensors"])
def test_the_command_line_packs_and_unpacks_files(
    suffix: str, out: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = pruned(network(), "0.9").state_dict() | {"half": torch.tensor(0.5).bfloat16()}
    given, packed, back = tmp_path / f"given{suffix}", tmp_path / "w.fggp", tmp_path / f"back{out}"
    write_weights(state, given)
    status, said, _ = run("pack", given, packed, capsys=capsys)
    assert status == 0
    assert f"{packed}: {packed.stat().st_size:,} bytes, 1/" in said
    assert run("unpack", packed, back, capsys=capsys) == (0, f"{back}\n", "")
    found = read_weights(back)
    assert_same({name: found[name] for name in state}, state)
    if (suffix, out) == (".pt", ".pt"):
        assert list(found) == list(state)
    assert run("pack", given, packed, "--positive-zeros", capsys=capsys)[0] == 0
    assert not any(torch.signbit(t[t == 0]).any() for t in fggp.unpack(packed).values())


class Harm:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def test_code_in_a_checkpoint_is_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mark, bad = tmp_path / "mark", tmp_path / "bad.pt"
    torch.save({"w": Harm(mark)}, bad)
    status, _, said = run("pack", bad, tmp_path / "w.fggp", capsys=capsys)
    assert status == 1
    assert said.startswith(f"fggp: {bad}: not the weights of a model (more than tensors in it, or")
    assert said.count("\n") == 1
    assert not mark.exists()
    assert not (tmp_path / "w.fggp").exists()
    torch.load(bad, weights_only=False)
    assert mark.exists(), "it would have run"


def test_what_the_command_line_cannot_use_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("text.pt", "text.safetensors"):
        (tmp_path / name).write_text("hello\n")
    torch.save([1], tmp_path / "list.pt")
    fggp.pack({"w": torch.ones(2, dtype=torch.complex128)}, tmp_path / "w.fggp")
    wrong = {
        ("pack", "text.pt", "o.fggp"): "text.pt: not the weights of a model (",
        ("pack", "text.safetensors", "o.fggp"): "text.safetensors: not the weights of a model (",
        ("pack", "w.fggp", "o.fggp"): "w.fggp: not the weights of a model (",
        ("pack", "list.pt", "o.fggp"): "list.pt: holds a list; write model.state_dict() instead",
        ("pack", "none.pt", "o.fggp"): "none.pt: cannot be read (No such file",
        (
            "pack",
            "list.pt",
            "list.pt",
        ): "list.pt: input and output are the same file; give OUT another name",
        ("unpack", "none.fggp", "o.bin"): "o.bin: its suffix is '.bin'; choose .safetensors or .pt",
        ("unpack", "none.fggp", "o.pt"): "none.fggp: cannot be read (No such file",
        ("unpack", "w.fggp", "o.safetensors"): "o.safetensors: safetensors has no dtype",
        ("unpack", "w.fggp", "list.pt/o.pt"): "list.pt/o.pt: cannot be written (",
    }
    before = sorted(tmp_path.iterdir())
    for (verb, given, out), expected in wrong.items():
        status, _, said = run(verb, tmp_path / given, tmp_path / out, capsys=capsys)
        assert status == 1
        assert said.startswith(f"fggp: {tmp_path}/{expected}")
        assert said.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before
