"""The official records on a server of their own, and in the packages that they come from."""

from __future__ import annotations

import bz2
import copy
import importlib
import pickle
import shutil
import sys
import types
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import nats_bench
import pytest

from analysis.client import Client
from data.library import Library
from data.sources import recognise
from tests import official
from tests.conftest import NATS_BENCH, client_of, need

CELLS = (0, 11, 284)


class Counting(httpx2.BaseTransport):
    """Hands every request on and keeps its address."""

    def __init__(self, inner: httpx2.BaseTransport) -> None:
        self._inner = inner
        self.asked: list[str] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(str(request.url))
        return self._inner.handle_request(request)


@pytest.fixture(scope="session")
def excerpt(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server that holds the official records of three cells, and nothing else."""
    source = recognise(need(NATS_BENCH))
    home = Path(shutil.copytree(empty_home, tmp_path_factory.mktemp("excerpt") / "home"))
    with closing(Library.open(home)) as library:
        library.import_source(source)
        yield Client(transport=client_of(library)._transport)


@pytest.fixture(scope="session")
def whole() -> dict[str, Any]:
    """The same records as NATS-Bench's one file holds them."""
    packed = {index: (need(NATS_BENCH) / f"{index:06d}.pickle.pbz2") for index in CELLS}
    infos = {i: pickle.loads(bz2.decompress(path.read_bytes())) for i, path in packed.items()}
    return {**official.benchmark(()), "arch2infos": infos, "evaluated_indexes": set(CELLS)}


@pytest.fixture(scope="session")
def nats(whole: dict[str, Any]) -> Any:
    """``nats_bench``'s own class over the records."""
    return nats_bench.create(copy.deepcopy(whole), "tss", verbose=False)


@pytest.fixture(scope="session")
def nas(whole: dict[str, Any]) -> Iterator[Any]:
    """``nas_201_api``'s own class over them; an empty module stands for torch where it is missing.

    The package reads a file by torch, but takes what is in it as a dictionary too.
    """
    renamed = {
        index: {"less": record["12"], "full": record["200"]}
        for index, record in whole["arch2infos"].items()
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "torch", sys.modules.get("torch", types.ModuleType("torch")))
        package = importlib.import_module("nas_201_api")
        yield package.NASBench201API({**whole, "arch2infos": renamed}, verbose=False)
