"""Makes files in the official containers, of any number of cells, without torch.

The structure is that of the real records (cells 0, 11 and 284 of NATS-Bench, which a test compares
it with); the values are random, but the same for the same cell in every container. A file of all
15,625 cells is never held in memory: the pickle of one cell is taken as a template, into which
another cell's index, string, floats and memo indexes are written.

    python -m tests.official --container pth-legacy --cells 1000 OUT
"""

from __future__ import annotations

import argparse
import bz2
import multiprocessing
import os
import pickle
import pickletools
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from analysis.spaces.nasbench201 import all_cells

Container = Literal["folder", "pbz2", "pth-legacy", "pth-zip"]
Kind = Literal["accuracy", "loss", "time"]
Take = Callable[[int, Kind], list[float]]
Floats = npt.NDArray[np.float64]

NATS_KEYS = ("12", "200")
PTH_KEYS = ("less", "full")
MAGIC = 0x1950A86A20F9469CFC6C

DATASETS = {
    "cifar10-valid": (10, ("x-valid", "ori-test")),
    "cifar10": (10, ("ori-test",)),
    "cifar100": (100, ("x-valid", "x-test", "ori-test")),
    "ImageNet16-120": (120, ("x-valid", "x-test", "ori-test")),
}
EVERY_EPOCH = {
    "cifar10-valid": ("x-valid",),
    "cifar10": ("ori-test",),
    "cifar100": ("ori-test",),
    "ImageNet16-120": ("ori-test",),
}
"""Sets that the 200-epoch runs record at each epoch; of the others, only the last is."""


@cache
def strings() -> list[str]:
    """All cell strings in official order."""
    return [cell.arch for cell in all_cells()]


def seeds_of(index: int) -> tuple[int, ...]:
    """Seeds of the 200-epoch runs, in the files' order; every other cell has two."""
    return (999, 777, 888) if index % 2 == 0 else (777, 888)


def record(index: int, keys: Sequence[str] = NATS_KEYS) -> dict[str, Any]:
    """One cell's record, as the packages' ``state_dict`` makes it."""
    values = iter(values_of(index).tolist())
    return build(index, keys, lambda count, _: [next(values) for _ in range(count)])


def benchmark(indexes: Sequence[int], keys: Sequence[str] = NATS_KEYS) -> dict[str, Any]:
    """What an official file holds, for these cells."""
    return {
        "meta_archs": strings(),
        "total_archs": len(strings()),
        "arch2infos": {index: record(index, keys) for index in indexes},
        "evaluated_indexes": set(indexes),
    }


def build(index: int, keys: Sequence[str], take: Take) -> dict[str, Any]:
    """The structure of a record, its floats from ``take(count, kind)``."""
    states = OrderedDict()
    for key, epochs in zip(keys, (12, 200), strict=True):
        if epochs == 12:
            trials = [("cifar10-valid", 777), *((dataset, 111) for dataset in DATASETS)]
        else:
            trials = [(dataset, seed) for seed in seeds_of(index) for dataset in DATASETS]
        seeds: dict[str, list[int]] = {}
        for dataset, seed in trials:
            seeds[dataset] = sorted([*seeds.get(dataset, []), seed])
        arch = strings()[index]
        states[key] = {
            "arch_index": index,
            "arch_str": arch,
            "all_results": {
                (dataset, seed): _trial(arch, dataset, seed, epochs, take)
                for dataset, seed in trials
            },
            "dataset_seed": seeds,
            "clear_net_done": True,
        }
    return states


def _trial(arch: str, dataset: str, seed: int, epochs: int, take: Take) -> dict[str, Any]:
    classes, sets = DATASETS[dataset]
    every_epoch = sets if epochs == 12 else EVERY_EPOCH[dataset]
    recorded = [f"{name}@{epoch}" for name in every_epoch for epoch in range(epochs)]
    recorded += [f"{name}@{epochs - 1}" for name in sets if name not in every_epoch]
    timed = [f"{name}@{epoch}" for name in sets for epoch in range(epochs)]
    every = range(epochs)

    def curve(kind: Kind) -> dict[int, float]:
        return dict(zip(every, take(epochs, kind), strict=True))

    def evaluated(names: list[str], kind: Kind) -> dict[str, float]:
        # Texts of their own each time, as in the real files, where none refers back to another.
        own = [name.encode().decode() for name in names]
        return dict(zip(own, take(len(names), kind), strict=True))

    return {
        "name": dataset,
        "train_acc1es": curve("accuracy"),
        "train_acc5es": curve("accuracy") if epochs == 12 else None,
        "train_losses": curve("loss"),
        "train_times": OrderedDict(curve("time")),
        "arch_config": {"channel": 16, "num_cells": 5, "arch_str": arch, "class_num": classes},
        "params": np.float64(0.073306 + classes / 1e6),
        "flop": take(1, "loss")[0],
        "seed": f"{seed:04d}",
        "epochs": epochs,
        "latency": [np.float64(0.0125 + classes / 1e6)],
        "eval_names": list(sets),
        "eval_acc1es": evaluated(recorded, "accuracy"),
        "eval_times": evaluated(timed, "time"),
        "eval_losses": evaluated(recorded, "loss"),
        "net_state_dict": None,
    }


@cache
def _layout(n_seeds: int) -> tuple[npt.NDArray[np.int64], Floats, Floats]:
    """Of each float of a record: its block (the call of ``take``), and what to scale it by."""
    blocks: list[tuple[int, Kind]] = []

    def take(count: int, kind: Kind) -> list[float]:
        blocks.append((count, kind))
        return [0.0] * count

    build(0 if n_seeds == 3 else 1, NATS_KEYS, take)
    counts = [count for count, _ in blocks]
    of = np.repeat(np.arange(len(blocks)), counts)
    is_time = np.repeat([kind == "time" for _, kind in blocks], counts)
    scale = np.repeat([{"accuracy": 25_000, "loss": 4, "time": 30}[k] for _, k in blocks], counts)
    return of, is_time.astype(np.float64), scale.astype(np.float64)


def values_of(index: int) -> Floats:
    """A record's floats in the order of `build`: accuracies in steps of 0.004, times constant."""
    of, is_time, scale = _layout(len(seeds_of(index)))
    random = np.random.default_rng(index)
    each, per_block = random.random(len(of)), random.random(of[-1] + 1)
    values = np.where(is_time == 1, per_block[of], each) * scale
    return np.where(scale == 25_000, np.round(values) / 250, values)


class Template:
    """The pickle of an object, into which other floats, integers and texts can be written.

    Args:
        whole: the object; its floats are 0.0, 1.0, ...: places in the values that `fill` takes.
        protocol: of the pickle.
        holes: integers and texts that `fill` replaces.
    """

    def __init__(self, whole: object, protocol: int, holes: Sequence[object] = ()) -> None:
        data = pickle.dumps(whole, protocol)
        self.memo = 0
        self._holes: list[object] = []
        pieces: list[bytearray] = [bytearray()]
        floats: list[list[tuple[int, int]]] = [[]]
        indexes: list[list[tuple[int, int]]] = [[]]
        ops = [(op.name, arg, pos or 0) for op, arg, pos in pickletools.genops(data)]
        for (name, arg, start), end in zip(
            ops, [*(op[2] for op in ops[1:]), len(data)], strict=True
        ):
            code = data[start:end]
            if name in ("PROTO", "FRAME", "STOP"):
                continue
            if type(arg) in (int, str) and arg in holes and "GET" not in name and "PUT" not in name:
                self._holes.append(arg)
                pieces.append(bytearray())
                floats.append([])
                indexes.append([])
                continue
            self.memo += name == "MEMOIZE" or "PUT" in name
            if name == "BINFLOAT":
                floats[-1].append((len(pieces[-1]) + 1, int(arg or 0)))
            elif "PUT" in name or "GET" in name:
                indexes[-1].append((len(pieces[-1]) + 1, int(arg or 0)))
                code = (b"r" if "PUT" in name else b"j") + b"0000"
            pieces[-1] += code
        self._pieces = [np.frombuffer(bytes(piece), np.uint8) for piece in pieces]
        self._floats = [np.array(found, np.int64).reshape(-1, 2).T for found in floats]
        self._indexes = [np.array(found, np.int64).reshape(-1, 2).T for found in indexes]

    def fill(self, base: int, values: Floats | None = None, *fillings: bytes) -> bytes:
        """The opcodes, without header and stop, of an object whose memo starts at ``base``."""
        parts: list[bytes] = []
        replaced = dict(zip(dict.fromkeys(self._holes), fillings, strict=True))
        for number, piece in enumerate(self._pieces):
            filled = piece.copy()
            places, ids = self._floats[number]
            if values is not None and len(places):
                filled[places[:, None] + np.arange(8)] = (
                    values[ids].astype(">f8").view(np.uint8).reshape(-1, 8)
                )
            places, ids = self._indexes[number]
            if len(places):
                filled[places[:, None] + np.arange(4)] = (
                    (ids + base).astype("<u4").view(np.uint8).reshape(-1, 4)
                )
            parts.append(filled.tobytes())
            if number < len(self._holes):
                parts.append(replaced[self._holes[number]])
        return b"".join(parts)


_MODELS = {3: 15_000, 2: 15_001}
"""Cells whose index is no other integer of a record, by their number of seeds."""


@cache
def _cell_template(n_seeds: int, keys: Sequence[str], protocol: int) -> Template:
    index = _MODELS[n_seeds]
    counter = iter(range(10**9))
    model = build(index, keys, lambda count, _: [float(next(counter)) for _ in range(count)])
    return Template(model, protocol, (index, strings()[index]))


def cell_opcodes(index: int, keys: Sequence[str], protocol: int, base: int) -> bytes:
    """The opcodes of one cell's record."""
    arch = strings()[index].encode()
    text = b"\x8c" + bytes([len(arch)]) if protocol >= 4 else b"X" + struct.pack("<I", len(arch))
    template = _cell_template(len(seeds_of(index)), tuple(keys), protocol)
    return template.fill(base, values_of(index), b"M" + struct.pack("<H", index), text + arch)


def opcodes(indexes: Sequence[int], keys: Sequence[str], protocol: int) -> Iterator[bytes]:
    """The pickle of `benchmark`, in parts of up to 100 cells."""
    for job in jobs(indexes, keys, protocol):
        yield part(job)


Job = tuple[bytes, Sequence[int], tuple[str, ...], int, int, bytes]


def jobs(indexes: Sequence[int], keys: Sequence[str], protocol: int) -> Iterator[Job]:
    """What `part` makes one after another, so that processes can share the work."""
    memo = 0

    def plain(value: object) -> bytes:
        nonlocal memo
        template = Template(value, protocol)
        memo += template.memo
        return template.fill(memo - template.memo)

    before = b"\x80" + bytes([protocol]) + b"("
    before += b"".join(map(plain, ("meta_archs", strings(), "total_archs", len(strings()))))
    before += plain("arch2infos") + plain({})
    before = before.replace(b"(", b"}(", 1)
    for start in range(0, len(indexes), 100):
        some = indexes[start : start + 100]
        yield before + b"(", some, tuple(keys), protocol, memo, b"u"
        before = b""
        memo += sum(_cell_template(len(seeds_of(i)), tuple(keys), protocol).memo for i in some)
    yield (
        before + plain("evaluated_indexes") + plain(set(indexes)) + b"u.",
        (),
        (),
        protocol,
        0,
        b"",
    )


def part(job: Job) -> bytes:
    """One part of a pickle."""
    before, indexes, keys, protocol, memo, after = job
    parts = [before]
    for index in indexes:
        parts += [b"M" + struct.pack("<H", index), cell_opcodes(index, keys, protocol, memo)]
        memo += _cell_template(len(seeds_of(index)), keys, protocol).memo
    return b"".join([*parts, after])


def packed_part(job: Job) -> bytes:
    """One part as a bzip2 stream of its own."""
    return bz2.compress(part(job))


def torch_legacy(pickled: Iterator[bytes] | Sequence[bytes]) -> Iterator[bytes]:
    """What torch before 1.6 writes: five pickles in a row."""
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
    for value in (MAGIC, 1001, system):
        yield pickle.dumps(value, 2)
    yield from pickled
    yield pickle.dumps([], 2)


def write_zip(path: Path, pickled: Iterator[bytes] | Sequence[bytes]) -> None:
    """What torch from 1.6 on writes: an uncompressed zip archive."""
    with zipfile.ZipFile(path, "w") as archive:
        with archive.open("archive/data.pkl", "w", force_zip64=True) as member:
            for some in pickled:
                member.write(some)
        archive.writestr("archive/version", b"3\n")


def pack(whole: object, container: Container, path: Path, protocol: int | None = None) -> Path:
    """Writes any object as the plain pickler and the container do (no folder)."""
    pickled = pickle.dumps(whole, protocol or (4 if container == "pbz2" else 2))
    if container == "pbz2":
        path.write_bytes(bz2.compress(pickled))
    elif container == "pth-zip":
        write_zip(path, [pickled])
    else:
        path.write_bytes(b"".join(torch_legacy([pickled])))
    return path


def write(container: Container, indexes: Sequence[int], path: Path, workers: int = 1) -> Path:
    """Writes an official file or folder of these cells, however many."""
    with multiprocessing.get_context("spawn").Pool(workers) if workers > 1 else _Here() as pool:
        if container == "folder":
            path.mkdir(parents=True, exist_ok=True)
            meta = {**benchmark(()), "arch2infos": None}
            (path / "meta.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps(meta, 4)))
            for _ in pool.imap(partial(_write_record, path), indexes, 20):
                pass
        elif container == "pbz2":
            with path.open("wb") as file:
                file.writelines(pool.imap(packed_part, jobs(indexes, NATS_KEYS, 4)))
        else:
            parts = pool.imap(part, jobs(indexes, PTH_KEYS, 2))
            if container == "pth-zip":
                write_zip(path, parts)
            else:
                with path.open("wb") as file:
                    file.writelines(torch_legacy(parts))
    return path


def _write_record(folder: Path, index: int) -> None:
    data = b"\x80\x04" + cell_opcodes(index, NATS_KEYS, 4, 0) + b"."
    (folder / f"{index:06d}.pickle.pbz2").write_bytes(bz2.compress(data))


class _Here:
    """Stands for a pool where no processes are wanted."""

    def __enter__(self) -> _Here:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def imap(self, function: Callable[[Any], Any], items: Any, _chunk: int = 1) -> Iterator[Any]:
        return map(function, items)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    choices = ("folder", "pbz2", "pth-legacy", "pth-zip")
    parser.add_argument("--container", choices=choices, required=True)
    parser.add_argument("--cells", type=int, default=len(strings()))
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    write(options.container, range(options.cells), options.out, os.cpu_count() or 1)


if __name__ == "__main__":
    main()
