"""The restricted unpickler: agrees with the standard one, and refuses whatever it must."""

from __future__ import annotations

import gc
import io
import os
import pickle
import struct
import tracemalloc
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import pickle_machine
from data.source_error import SourceError
from data.stand_ins import NONE
from data.unpickle import MAX_BYTES, Machine, UnpickleError, loads

PROTOCOLS = (2, 3, 4, 5)

numbers = st.floats(allow_nan=False)
keys = st.one_of(st.text(max_size=12), st.integers(-(2**63), 2**63 - 1))
atoms = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    numbers,
    st.text(max_size=70),
    st.binary(min_size=1, max_size=40),
)
epochs = st.dictionaries(st.integers(0, 255), numbers, max_size=30)
evaluations = st.builds(
    lambda name, values: {f"{name}@{place}": value for place, value in enumerate(values)},
    st.sampled_from(["x-valid", "ori-test", "é", ""]),
    st.lists(numbers, max_size=130),
)
flat_pairs = st.one_of(epochs, evaluations).map(
    lambda pairs: [part for pair in pairs.items() for part in pair]
)
values = st.recursive(
    st.one_of(
        atoms,
        epochs,
        evaluations,
        epochs.map(OrderedDict),
        # What looks like a dictionary's pairs, but is a list or tuple, also next to a dictionary.
        flat_pairs,
        flat_pairs.map(tuple),
        st.tuples(epochs, flat_pairs.map(tuple)),
        st.lists(flat_pairs.map(tuple), max_size=2).map(lambda rows: [{}, *rows]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=6),
        st.lists(inner, max_size=5).map(tuple),
        st.dictionaries(keys, inner, max_size=6),
        st.dictionaries(st.tuples(st.text(max_size=5), st.integers(0, 999)), inner, max_size=3),
        inner.map(lambda value: [value, value]),
    ),
    max_leaves=25,
)


def plain(value: Any) -> Any:
    """The value with ordered dictionaries as plain ones, which is how they are read."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(plain(inner) for inner in value)
    return value


def same(left: Any, right: Any) -> bool:
    """Equal in value, type and the order of keys."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        pairs = zip(left.items(), right.items(), strict=False)
        return len(left) == len(right) and all(same(a, b) for a, b in pairs)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


@contextmanager
def allocated() -> Iterator[Callable[[], int]]:
    """Most bytes that were allocated inside."""
    gc.collect()
    tracemalloc.start()
    peaks: list[int] = []
    try:
        yield lambda: peaks[0]
    finally:
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()


def stream(data: bytes, chunk: int = 1 << 20) -> tuple[dict[Any, Any], Any]:
    file = io.BytesIO(data)
    machine = Machine(lambda size: file.read(min(size, chunk)))
    generator = machine.load_items("items", lambda _before: None)
    found: dict[Any, Any] = {}
    while True:
        try:
            key, value = next(generator)
        except StopIteration as stop:
            return found, stop.value
        found[key] = value


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(value=values)
@settings(max_examples=60, deadline=None)
def test_agrees_with_the_standard_unpickler(protocol: int, value: Any) -> None:
    assert same(loads(pickle.dumps(value, protocol)), plain(value))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(
    items=st.dictionaries(st.integers(0, 2000), values, max_size=12),
    before=values,
    after=values,
    chunk=st.sampled_from([1, 7, 100, 5000]),
)
@settings(max_examples=25, deadline=None)
def test_streaming_agrees_too(
    protocol: int, items: dict[int, Any], before: Any, after: Any, chunk: int
) -> None:
    whole = {"before": before, "items": items, "after": after}
    found, rest = stream(pickle.dumps(whole, protocol), chunk)
    assert same(found, plain(items))
    assert same(rest, plain({**whole, "items": {}}))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_streaming_hands_on_items_and_forgets_them(protocol: int) -> None:
    """2,200 items (three batches of the pickler), 35 MB in memory, take that of a few."""
    item = {"".join(["sha", "red"]): 1, "seed": ("cifar10", 777)}
    curve = [epoch / 7 for epoch in range(250)]

    def make() -> dict[str, Any]:
        named = {f"x-valid@{epoch}": value for epoch, value in enumerate(curve)}
        return {**item, "curve": named, "latency": [np.float64(1.5)]}

    expected = make()
    data = pickle.dumps({"items": {index: make() for index in range(2200)}}, protocol)
    count = 0
    with allocated() as peak:
        machine = Machine(io.BytesIO(data).read)
        for index, value in machine.load_items("items", lambda _before: None):
            assert index == count
            assert value == expected
            count += 1
    assert count == 2200
    assert peak() < 12e6


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_constants_may_be_shared_between_items(protocol: int) -> None:
    key, scalar, pair = "".join(["k", "ey"]), np.float64(0.25), ("a", 1)
    filler = {f"x-valid@{epoch}": float(epoch) for epoch in range(20_000)}
    keys = list(filler)
    items = {
        index: {key: scalar, "pair": pair, keys[index]: OrderedDict(), **filler}
        for index in range(12)
    }
    found, _ = stream(pickle.dumps({"items": items}, protocol))
    assert found == items


def test_an_object_shared_between_items_is_refused_not_guessed() -> None:
    shared = [1.5, 2.5]
    filler = "x" * 500_000
    items = {i: {"filler": filler + str(i), "list": shared} for i in range(12)}
    with pytest.raises(UnpickleError, match="memo entry"):
        stream(pickle.dumps({"items": items}, 4))


def test_skipped_dictionaries_are_left_empty_and_their_keys_still_known() -> None:
    keys = [f"x-valid@{epoch}" for epoch in range(200)]
    value = {"eval_times": dict.fromkeys(keys, 1.5), "again": keys}
    read = loads(pickle.dumps(value, 4), skip=frozenset(["eval_times"]))
    assert read == {"eval_times": {}, "again": keys}


def test_only_dictionaries_are_skipped() -> None:
    pairs = ("a@1", 1.0, "a@2", 2.0)
    skip = frozenset(["eval_times"])
    in_list = ["eval_times", {"a": 1}, list(pairs)]
    assert loads(pickle.dumps(in_list, 4), skip=skip) == in_list
    in_tuple = ["eval_times", {}, pairs]
    assert loads(pickle.dumps(in_tuple, 4)) == in_tuple
    with pytest.raises(UnpickleError, match="to be skipped is no dictionary"):
        loads(pickle.dumps(in_tuple, 4), skip=skip)
    pairs_of_text = {"eval_times": {**{f"a@{i}": 1.0 for i in range(1500)}, "b": {"c": 1}}}
    read = loads(pickle.dumps(pairs_of_text, 4), skip=skip)
    assert read["eval_times"]["b"] == {"c": 1}


@pytest.mark.parametrize("size", [2, 511, 512, 513, 1024, 3001])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_runs_of_any_length(size: int, protocol: int) -> None:
    value = {f"x-valid@{place}": place / 3 for place in range(size)}
    flat = [part for pair in value.items() for part in pair]
    whole = [value, tuple(flat), flat, [*flat, "x-valid@0"], {"keys": list(value)}]
    assert same(loads(pickle.dumps(whole, protocol)), whole)
    numbers = [number for place in range(size) for number in (place % 256, place / 7)]
    assert loads(pickle.dumps(({}, tuple(numbers)), protocol)) == ({}, tuple(numbers))
    assert loads(pickle.dumps(tuple(numbers), protocol)) == tuple(numbers)


def test_descending_memo_indexes_are_not_gone_through_again_and_again() -> None:
    pairs = b"".join(
        b"X\x04\0\0\0"
        + b"%04d" % (place % 10_000)
        + b"r"
        + struct.pack("<I", 10**6 - place)
        + b"G"
        + struct.pack(">d", place)
        for place in range(5000)
    )
    assert len(loads(b"\x80\x02}(" + pairs + b"u.")) == 5000


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "scalar",
    [np.float64(3.7), np.float32(0.5), np.int64(-3), np.uint8(7), np.bool_(True), np.int32(9)],
)
def test_numpy_scalars_become_plain_numbers(protocol: int, scalar: np.generic) -> None:
    read = loads(pickle.dumps({"a": [scalar, scalar]}, protocol))
    assert read == {"a": [scalar.item(), scalar.item()]}
    assert type(read["a"][0]) is type(scalar.item())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_set_of_integers(protocol: int) -> None:
    assert loads(pickle.dumps({"evaluated": {1, 5, 9}}, protocol)) == {"evaluated": {1, 5, 9}}


def text(value: str) -> bytes:
    return b"\x8c" + bytes([len(value.encode())]) + value.encode()


def name(module: str, attribute: str) -> bytes:
    return text(module) + text(attribute) + b"\x93"


P4 = b"\x80\x04"
DTYPE = name("numpy", "dtype")
SCALAR = name("numpy.core.multiarray", "scalar")
F8 = DTYPE + text("f8") + b"\x89\x88\x87R"
RUN = text("echo danger") + b"\x85R."


class Danger:
    """Unpickles to a call; the mark would be made by the standard unpickler."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call[0], tuple(self.call[1:])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (P4 + name("os", "system") + RUN, r"refused: the file asks for 'os.system'; allowed: "),
        (b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.", "os.system"),
        (b"\x80\x02cposix\nsystem\n(X\x04\x00\x00\x00truetR.", "posix.system"),
        (P4 + name("builtins", "eval") + RUN, "builtins.eval"),
        (P4 + name("builtins", "getattr") + RUN, "builtins.getattr"),
        (P4 + name("collections", "OrderedDict.__init__") + RUN, "OrderedDict.__init__"),
        (P4 + name("collections", "namedtuple") + RUN, "collections.namedtuple"),
        (P4 + name("numpy", "load") + RUN, "numpy.load"),
        (P4 + name("numpy.core.multiarray", "_reconstruct") + RUN, "_reconstruct"),
        (P4 + b"K\x01K\x02\x93.", "refused"),
        (P4 + text("os") + b"\x94]\x93.", "refused"),
        (P4 + b"cos\nsystem", "refused|cut short"),
        (P4 + b"c" + b"a" * 1000 + b"\nb\n.", "cut short|refused|damaged"),
    ],
)
def test_globals_are_refused_by_name(data: bytes, message: str) -> None:
    with pytest.raises(UnpickleError, match=message):
        loads(data)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nothing_is_run(protocol: int, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    for call in (
        (os.mkdir, str(mark)),
        (eval, f"__import__('os').mkdir({str(mark)!r})"),
        (Path.mkdir, mark),
        (pickle.loads, pickle.dumps(Danger(os.mkdir, str(mark)))),
    ):
        for nested in (Danger(*call), {"a": [Danger(*call)]}, {"arch2infos": {0: Danger(*call)}}):
            with pytest.raises(UnpickleError, match="refused"):
                loads(pickle.dumps(nested, protocol))
    assert not mark.exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        # A scalar of objects holds a pickle of its own, which numpy would load.
        (P4 + SCALAR + DTYPE + text("O8") + b"\x89\x88\x87RC\x04abcd\x86R.", "refused"),
        (P4 + SCALAR + DTYPE + text("O") + b"\x89\x88\x87RC\x04abcd\x86R.", "refused"),
        (P4 + DTYPE + text("V99999999999") + b"\x89\x88\x87R.", "refused"),
        (P4 + DTYPE + text("f8,f8") + b"\x89\x88\x87R.", "refused"),
        (P4 + DTYPE + b"]" + b"\x85R.", "refused"),
        (P4 + DTYPE + b"}" + b"\x85R.", "refused"),
        (P4 + DTYPE + SCALAR + b"\x89\x88\x87R.", "refused"),
        (P4 + DTYPE + b")R.", "refused"),
        (P4 + SCALAR + F8 + b"C\x03abc\x86R.", "refused"),
        (P4 + SCALAR + F8 + b"\x85R.", "refused"),
        (P4 + SCALAR + F8 + text("12345678") + b"\x86R.", "refused"),
        (P4 + SCALAR + b")R.", "refused"),
        # The state of a dtype: too short, with fields, with metadata, with a strange order.
        (P4 + F8 + b"(K\x03\x8c\x01<tb.", "state"),
        (P4 + F8 + b"(K\x03\x8c\x01<N]}K\x01K\x01K\x00tb.", "state"),
        (P4 + F8 + b"(K\x03\x8c\x01!NNNK\x01K\x01K\x00tb.", "order"),
        (P4 + F8 + b"}b.", "state"),
        (P4 + F8 + b"Nb.", "state"),
        # The state of anything else.
        (P4 + name("collections", "OrderedDict") + b")R}b.", "refused"),
        (P4 + name("collections", "OrderedDict") + b"}b.", "refused"),
        (P4 + SCALAR + b"N}" + text("make") + b"K\x01s\x86b.", "refused"),
        (P4 + b"]}b.", "refused"),
        # Calls with other arguments than the official files have.
        (P4 + name("collections", "OrderedDict") + b"](]K\x01ae\x85R.", "refused"),
        (P4 + name("_codecs", "encode") + text("abc") + text("rot13") + b"\x86R.", "refused"),
        (P4 + name("_codecs", "encode") + text("é") + text("zip") + b"\x86R.", "refused"),
        (P4 + name("builtins", "set") + b"](](e\x85R.", "refused|damaged"),
        (P4 + b"]" + b")R.", "no global"),
        (P4 + text("os.system") + b")R.", "no global"),
        (P4 + SCALAR + b"]R.", "no global"),
    ],
)
def test_arguments_and_states_are_checked(data: bytes, message: str) -> None:
    with pytest.raises(UnpickleError, match=message):
        loads(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x80\x02Ppersistent\n.", "outside the file"),
        (b"\x80\x02X\x01\x00\x00\x00aQ.", "outside the file"),
        (P4 + b"\x82\x01.", "extension"),
        (P4 + b"\x83\x01\x00.", "extension"),
        (P4 + b"\x84\x01\x00\x00\x00.", "extension"),
        (P4 + b"(ios\nsystem\n.", "instance"),
        (P4 + b"(" + name("os", "system") + b"o.", "refused"),
        (P4 + b")}\x92.", "instance"),
        (b"\x80\x05\x97.", "outside the file"),
        (P4 + b"K\x012.", "opcode 0x32"),
        (P4 + b"I1\n.", "opcode"),
        (P4 + b"S'a'\n.", "opcode"),
        (b"\x80\x00.", "no pickle|protocol"),
        (b"\x80\x01N.", "protocol"),
        (b"\x80\x06N.", "protocol"),
        (b"(dp0\n.", "no pickle"),
        (b"", "no pickle"),
        (b"\x00" * 100, "no pickle"),
        (P4 + b"\x00.", "opcode 0x00"),
    ],
)
def test_opcodes_that_no_plain_value_needs_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(UnpickleError, match=message):
        loads(data)


@pytest.mark.parametrize(
    "data",
    [
        P4 + b"Nr" + struct.pack("<I", 2**32 - 1) + b".",  # LONG_BINPUT of a huge index
        b"\x80\x02]r" + struct.pack("<I", 2**31) + b"q\x00.",
    ],
)
def test_a_huge_memo_index_costs_nothing(data: bytes) -> None:
    with allocated() as peak:
        assert loads(data) in (None, [])
    assert peak() < 1e6


@pytest.mark.parametrize(
    "data",
    [
        P4 + b"B" + struct.pack("<I", 2**32 - 1) + b"abc.",
        P4 + b"X" + struct.pack("<I", 2**32 - 1) + b"abc.",
        b"\x80\x05\x96" + struct.pack("<Q", 2**62) + b"abc.",
        P4 + b"\x8d" + struct.pack("<Q", 2**62) + b"abc.",
        P4 + b"\x8e" + struct.pack("<Q", 2**62) + b"abc.",
        P4 + b"\x8b" + struct.pack("<i", 2**31 - 1) + b"abc.",
        P4 + b"\x95" + struct.pack("<Q", 2**63) + b"h\x05.",
        P4 + b"j" + struct.pack("<I", 2**32 - 1) + b".",
        P4 + b"\x8a\xff" + b"\xff" * 254 + b"\x7f.",
        P4 + b"C\xffabc",
        P4 + b"X" + struct.pack("<I", MAX_BYTES) + b"abc.",
    ],
)
def test_declared_lengths_are_not_believed(data: bytes) -> None:
    with allocated() as peak, pytest.raises(UnpickleError):
        loads(data)
    assert peak() < 1e6


def test_deep_nesting_ends_in_an_error_or_a_value_never_a_crash() -> None:
    assert loads(P4 + b"]" * 100_000 + b"a" * 99_999 + b".") is not None
    assert loads(P4 + b")" + b"\x85" * 100_000 + b".") is not None
    with pytest.raises(UnpickleError, match="nests deeper"):
        loads(P4 + b"(" * 100_000 + b".")
    with pytest.raises(UnpickleError, match="key"):
        loads(P4 + b"})" + b"\x85" * 100_000 + b"Ns.")


def test_tuples_that_double_cannot_be_hashed() -> None:
    """A key of 2^60 parts in 250 bytes: ((((a, a), (a, a)), ...)."""
    doubled = b"".join(b"h" + bytes([n]) + b"h" + bytes([n]) + b"\x86\x94" for n in range(60))
    built = b"(" + text("a") + b"\x94" + doubled + b"t\x94"
    for start, end in ((b"}", b"Ns."), (b"\x8f(", b"\x90."), (b"}(", b"Nu.")):
        with pytest.raises(UnpickleError, match="key or set member"):
            loads(P4 + built + start + b"h\x3c" + end)


@pytest.mark.parametrize(
    "key",
    [b"]", b"}", b"G" + b"\0" * 8, b"N", b"\x88", b"C\x01a", b"\x8f", b"\x8a\x0a" + b"a" * 10],
)
def test_keys_are_texts_and_integers(key: bytes) -> None:
    for data in (b"}" + key + b"Ns.", b"}(" + key + b"Nu.", b"\x8f(" + key + b"\x90."):
        with pytest.raises(UnpickleError):
            loads(P4 + data)


@pytest.mark.parametrize("unit", [b"]", b"N", b"G" + b"\0" * 8])
def test_one_object_is_bounded(unit: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickle_machine, "MAX_BYTES", 1 << 19)
    data = P4 + b"](" + unit * (3_000_000 // len(unit)) + b"e."
    with pytest.raises(UnpickleError, match="one object takes more"):
        loads(data)


def test_sets_are_bounded() -> None:
    with pytest.raises(UnpickleError, match="sets"):
        loads(P4 + b"](" + b"\x8f" * 100_000 + b"e.")


def test_one_streamed_item_is_bounded_but_their_sum_is_not() -> None:
    small = {"items": dict.fromkeys(range(20), b"x" * 1_000_000)}
    found, _ = stream(pickle.dumps(small, 4))
    assert len(found) == 20
    large = {"items": {0: [b"x" * 1_000_000 for _ in range(20)], 1: 2}}
    with pytest.raises(UnpickleError, match="more than 4 MB"):
        stream(pickle.dumps(large, 4))


@given(
    data=st.binary(max_size=300),
    protocol=st.sampled_from(PROTOCOLS),
)
@settings(max_examples=300, deadline=None)
def test_any_bytes_end_in_a_value_or_our_error(data: bytes, protocol: int) -> None:
    with suppress(SourceError):
        loads(bytes([0x80, protocol]) + data)


@given(
    value=values,
    protocol=st.sampled_from(PROTOCOLS),
    changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4),
    cut=st.integers(0, 10_000),
)
@settings(max_examples=300, deadline=None)
def test_a_damaged_pickle_ends_in_a_value_or_our_error(
    value: Any, protocol: int, changes: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray(pickle.dumps({"items": {0: value, 1: value}}, protocol))
    for place, byte in changes:
        data[place % len(data)] = byte
    if cut < 5000:
        del data[len(data) - cut % len(data) :]
    readers: list[Callable[[bytes], Any]] = [loads, stream]
    for read in readers:
        with suppress(SourceError):
            read(bytes(data))


def test_a_cut_pickle_says_so() -> None:
    data = pickle.dumps({"a": list(range(100)), "b": "text"}, 4)
    for end in range(2, len(data) - 1):
        with pytest.raises(UnpickleError):
            loads(data[:end])
    with pytest.raises(UnpickleError, match="cut short"):
        loads(data[:-1])


def test_bytes_after_the_pickle_are_refused() -> None:
    with pytest.raises(UnpickleError, match="more bytes follow"):
        loads(pickle.dumps(1, 4) + b"x")


def test_no_global_at_all_where_none_is_allowed() -> None:
    with pytest.raises(UnpickleError, match=r"collections\.OrderedDict"):
        loads(pickle.dumps(OrderedDict(a=1), 4), NONE)
    with pytest.raises(UnpickleError, match=r"fractions\.Fraction"):
        loads(pickle.dumps(Fraction(1, 3), 4))


def test_several_pickles_in_a_row() -> None:
    several: list[object] = [1, {"a": 2.5}, []]
    data = b"".join(pickle.dumps(value, 2) for value in several)
    machine = Machine(io.BytesIO(data).read)
    assert [machine.load() for _ in several] == several
    assert machine.at_end()
    with pytest.raises(UnpickleError):
        machine.load()
