"""The drop-in on tables other than the official records: requests, refusals, unnamed seeds."""

from __future__ import annotations

import copy
import math
import pickle
import re
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from statistics import mean
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from analysis.cells import CellError
from analysis.client import Client, ClientError
from analysis.nasbench import NASBench201API, NotRecordedError, create
from analysis.nasbench.names import DATASETS, HPS
from analysis.nasbench.records import SINGLY
from data.library import Library
from data.sources import packaged_table, recognise
from tests import raw
from tests.analysis.nasbench.conftest import CELLS, Counting
from tests.conftest import NATS_BENCH, ROOT, client_of, need
from tests.service.processes import serving


def counted(client: TestClient) -> tuple[Any, list[str]]:
    """The drop-in over a client, and the addresses that it asks for."""
    transport = Counting(client._transport)
    return create(Client(transport=transport), "tss", verbose=False), transport.asked


def alike(found: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two answers are the same but for the last digit of a mean."""
    return found.keys() == other.keys() and all(
        value == other[name] or value == pytest.approx(other[name], rel=1e-12)
        for name, value in found.items()
    )


@pytest.fixture
def api(client: TestClient) -> Any:
    return counted(client)[0]


# Published numbers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dataset", "best"),
    [
        ("cifar10", (6111, 91.6067)),
        ("cifar100", (9930, 73.4933)),
        ("ImageNet16-120", (10676, 46.7333)),
    ],
)
def test_the_best_of_all_cells(api: Any, dataset: str, best: tuple[int, float]) -> None:
    """DOMAIN.md, section 3: best mean x-valid of the 200-epoch runs."""
    index, accuracy = api.find_best(dataset, "valid", hp="200")
    assert (index, accuracy) == (best[0], pytest.approx(best[1], abs=5e-5))


def test_what_a_fresh_server_has(started_client: TestClient) -> None:
    """The tables trained under other recipes, or on other images, count for nothing."""
    api, _ = counted(started_client)
    info = api.get_more_info(284, "cifar10-valid", hp=200)
    assert info["valid-accuracy"] == pytest.approx(86.0467, abs=5e-5)  # DOMAIN.md, section 3
    assert {"train-accuracy", "valid-loss", "test-accuracy"}.isdisjoint(info)
    assert api.get_latency(284, "cifar10-valid", "200") > 0
    assert api.statistics("cifar100", "200") == {2: 7456, 3: 15_625 - 7456}
    assert len(api.evaluated_indexes) == 15_625
    assert api.avaliable_hps == ["200"]


def made(library: Library, values: Mapping[int, float], tmp_path: Path) -> None:
    """Imports a table with the validation accuracies of seed 777 on CIFAR-10 after 200 epochs."""
    lines = ["cell,dataset,split,schedule,seed,epoch,value"]
    for cell, value in values.items():
        lines.append(f"{cell},cifar10-valid,x-valid,200,777,200,{value}")
    file = tmp_path / "made.csv"
    file.write_text("\n".join(lines) + "\n")
    library.import_source(recognise(file))


@pytest.mark.parametrize("official_last", [False, True])
def test_where_tables_overlap_the_official_one_wins(
    fresh: Library, tmp_path: Path, official_last: bool
) -> None:
    official = recognise(need(NATS_BENCH))
    if not official_last:
        fresh.import_source(official)
    made(fresh, {284: 1.0, 7: 2.0}, tmp_path)
    if official_last:
        fresh.import_source(official)
    api, _ = counted(client_of(fresh))
    asked = 284, "cifar10-valid", None, "200"
    for _ in ("one by one", "at once"):
        assert api.get_more_info(*asked)["valid-accuracy"] == pytest.approx(86.0467, abs=5e-5)
        assert api.get_more_info(*asked, 777)["valid-accuracy"] == pytest.approx(86.05, abs=5e-3)
        assert api.get_more_info(7, *asked[1:])["valid-accuracy"] == 2
        api.statistics("cifar10-valid", "200")


def test_one_row_of_an_import_moves_no_mean_of_several_seeds(
    fresh: Library, tmp_path: Path
) -> None:
    """Its own seed is there, for who names it; its cell's mean is the packaged table's."""
    fresh.import_source(recognise(packaged_table()))
    file = tmp_path / "made.csv"
    file.write_text(
        "cell,dataset,split,schedule,seed,epoch,value\n"
        "6111,cifar10-valid,x-valid,200,4,200,50.0\n"
        "9930,cifar10-valid,x-valid,200,777,200,1.0\n"
    )
    fresh.import_source(recognise(file))
    api, _ = counted(client_of(fresh))
    asked = "cifar10-valid", None, "200"
    for _ in ("one by one", "at once"):
        for index in (6111, 9930):
            seeds = raw.accuracies("cifar10")[index]
            found = api.get_more_info(index, *asked)["valid-accuracy"]
            assert found == pytest.approx(mean(seeds), rel=1e-12)
            seed = api.get_more_info(index, *asked, 777)["valid-accuracy"]
            assert seed == pytest.approx(seeds[0], rel=1e-12)
        assert api.get_more_info(6111, *asked, 4)["valid-accuracy"] == 50.0
        api.statistics("cifar10-valid", "200")


def test_of_equal_cells_the_first_is_the_best(fresh: Library, tmp_path: Path) -> None:
    made(fresh, {9000: 90.0, 20: 95.0, 12_000: 95.0, 11: 95.0, 300: 95.0}, tmp_path)
    api, _ = counted(client_of(fresh))
    assert api.find_best("cifar10", "valid", hp="200") == (11, 95)


def test_no_limit_may_be_infinite(api: Any, client: TestClient) -> None:
    free = api.find_best("cifar10", "valid", hp="200")
    assert api.find_best("cifar10", "valid", math.inf, math.inf, "200") == free
    within = api.find_best("cifar10", "valid", 20.0, hp="200")
    assert api.find_best("cifar10", "valid", 20.0, math.inf, "200") == within != free
    with pytest.raises(ClientError, match="max_flops_m 'nan': not a finite number"):
        api.find_best("cifar10", "valid", math.nan, hp="200")


# Requests -----------------------------------------------------------------------------------------


def test_a_cell_is_asked_for_once(records_client: TestClient) -> None:
    api, asked = counted(records_client)
    for hp in HPS:
        for dataset in DATASETS:
            api.get_more_info(284, dataset, hp=hp)
            api.get_cost_info(284, dataset, hp)
    api.show(284)
    assert [address.partition("?")[0].rsplit(":", 1)[-1][4:] for address in asked] == [
        "/cells/284",
        "/sources",
    ]
    asked.clear()
    for iepoch in range(199):
        api.get_more_info(284, "cifar10-valid", iepoch, "200", is_random=888)
        api.get_more_info(284, "cifar10-valid", iepoch, "200")
    assert len(asked) == 2  # /columns, and the curves
    asked.clear()
    assert api.query_by_index(284, "cifar10-valid", "200")[777].train_losses[0] > 1
    assert api.query_index_by_arch(api[284]) == 284
    api.get_unique_str(284), api.get_net_config(284, "cifar10"), api.random()
    assert not asked


def test_many_cells_are_asked_for_at_once(client: TestClient) -> None:
    api, asked = counted(client)
    found = [api.get_more_info(i, "cifar100", hp="200") for i in range(SINGLY)]
    assert len(asked) == SINGLY + 1
    asked.clear()
    for index in range(15_625):
        api.simulate_train_eval(index, "cifar100", hp="200")
    # /columns; 39,419 runs and, for the mean and each of three seeds, 15,625 cells, 1,000 a page.
    assert len(asked) == 1 + 40 + 4 * 16
    asked.clear()
    again = [api.get_more_info(i, "cifar100", hp="200") for i in range(SINGLY)]
    assert all(map(alike, found, again))
    assert not asked


def test_one_by_one_or_at_once_is_the_same(records_client: TestClient) -> None:
    """Where tables overlap too, and for every seed."""
    singly, _ = counted(records_client)
    at_once, _ = counted(records_client)
    for index in range(1000, 1000 + SINGLY):
        at_once.get_more_info(index, "cifar10-valid", hp="200")
    compared = 0
    for index in CELLS:
        for hp in HPS:
            for dataset in DATASETS:
                seeds = singly.query_meta_info_by_index(index, hp).get_dataset_seeds(dataset)
                for seed in (False, *seeds):
                    asked = index, dataset, None, hp, seed
                    assert alike(at_once.get_more_info(*asked), singly.get_more_info(*asked))
                    compared += 1
    assert compared == 3 * (4 * 4 + 3 + 2 + 2 + 2)


def test_everything_is_fetched_anew_after_reload(client: TestClient) -> None:
    api, asked = counted(client)
    before = api.get_more_info(7, "cifar100", hp="200")
    api.reload()
    assert api.get_more_info(7, "cifar100", hp="200") == before
    assert len(asked) == 4
    with pytest.raises(ValueError, match="results come from a server"):
        api.reload("folder")


def test_other_processes_and_copies_fetch_for_themselves() -> None:
    api = create("http://127.0.0.1:9", "tss", verbose=False)
    results = api.query_meta_info_by_index(284)
    assert repr(pickle.loads(pickle.dumps(results))) == repr(results)
    for again in (pickle.loads(pickle.dumps(api)), copy.deepcopy(api), copy.copy(api)):
        assert (repr(again), again.verbose, again[284]) == (repr(api), False, api[284])


def test_another_server_s_answers_are_told_from_cellwise_s() -> None:
    other = httpx2.MockTransport(lambda _: httpx2.Response(200, json={"data": []}))
    api = create(Client("http://other", transport=other), "tss", verbose=False)
    for ask in (
        lambda: api.get_more_info(284, "cifar10"),
        lambda: api.get_more_info(284, "cifar10", 3),
        lambda: api.find_best("cifar10", "test"),
    ):
        with pytest.raises(ClientError, match="200, which is not Cellwise's"):
            ask()


def test_requests_are_told_of_where_wanted(
    client: TestClient, capsys: pytest.CaptureFixture[str]
) -> None:
    api = NASBench201API(Client(transport=client._transport))
    api.get_cost_info(5, "cifar100", "200")
    assert "/cells/5" in capsys.readouterr().out


# Tables that name no seeds ------------------------------------------------------------------------


@pytest.mark.parametrize("dataset", DATASETS)
def test_means_of_tables_that_name_no_seeds(tables_client: TestClient, dataset: str) -> None:
    """The 12-epoch table: what the server takes as the mean, one by one and at once."""
    api, asked = counted(tables_client)
    word = "test" if dataset == "cifar10" else "valid"
    metric = f"{word}_accuracy@12of12"
    asked_for = f"dataset={dataset}&fields=official_index,{metric}&limit=1000"
    page = tables_client.get(f"/cells?{asked_for}").json()["items"]
    expected = {cell["official_index"]: cell[metric] for cell in page}
    assert len(expected) == 1000
    for index, accuracy in expected.items():
        info = api.get_more_info(index, dataset, hp="12")
        assert info[f"{word}-accuracy"] == pytest.approx(accuracy, rel=1e-12)
    with pytest.raises(NotRecordedError, match=r"a random seed of cell .* seeds: none"):
        api.get_more_info(0, dataset, hp="12", is_random=True)
    assert len(asked) < 250


# Refusals -----------------------------------------------------------------------------------------


def test_unknown_names_are_refused(api: Any) -> None:
    for asked, allowed in (
        (("cifar10-train",), "unknown data set 'cifar10-train'; allowed: cifar10-valid, cifar10"),
        (("cifar100", None, "90"), "unknown hp '90'; allowed: 12, 200"),
        (("cifar100", 200, "200"), "iepoch 200 is out of range; allowed: 0 to 199 for hp 200"),
        (("cifar100", -1, "200"), "iepoch -1 is out of range"),
    ):
        with pytest.raises(ValueError, match=allowed):
            api.get_more_info(0, *asked)
    with pytest.raises(ValueError, match="unknown set of cifar10 'x-valid'; allowed: train, ori"):
        api.find_best("cifar10", "x-valid", hp="200")
    with pytest.raises(ValueError, match="unknown data set 'cifar10-valid'; allowed: cifar10, ci"):
        api.simulate_train_eval(0, "cifar10-valid", hp="200")
    with pytest.raises(ValueError, match="unknown operation 'none'; allowed: skip_connect"):
        api.str2matrix(api[284], ["skip_connect", "nor_conv_1x1"])


def test_unknown_cells_are_refused(api: Any) -> None:
    """The packages answer -1, and then another cell's numbers or a KeyError."""
    for arch, problem in (
        ("|nor_conv_5x5~0|", "'nor_conv_5x5' is not an operation at position 1"),
        (15_625, "no such official index"),
        (-1, "no such official index"),
    ):
        for method in (api.query_index_by_arch, api.get_unique_str, api.show):
            with pytest.raises(CellError, match=problem):
                method(arch)
    with pytest.raises(TypeError):
        api.query_index_by_arch(None)


def test_what_is_not_recorded_is_an_error_that_says_what_is(api: Any) -> None:
    with pytest.raises(NotRecordedError, match=r"epoch 11 .* valid_accuracy at epochs 200 "):
        api.get_more_info(0, "cifar100")
    with pytest.raises(NotRecordedError, match=r"seed 111 of cell 0 .*; seeds: \[777, 888, 999\]"):
        api.get_more_info(0, "cifar100", hp="200", is_random=111)
    with pytest.raises(NotRecordedError, match="latency of cell 0 on cifar10 with hp 12"):
        api.get_latency(0, "cifar10")
    with pytest.raises(NotRecordedError, match="test_accuracy on cifar10 with hp 200: not rec"):
        api.find_best("cifar10", "test", hp="200")
    with pytest.raises(NotRecordedError, match="a training of cell 0 on cifar10"):
        api.query_by_index(0, "cifar10", "200")
    with pytest.raises(AttributeError, match="the server holds no trained weights"):
        api.get_net_param(0, "cifar10", 777)
    with pytest.raises(AttributeError, match="has no attribute 'find_worst'"):
        api.find_worst()


def test_only_the_topology_space_of_a_server(api: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the server holds the topology space alone"):
        create("http://127.0.0.1:8000", "sss")
    with pytest.raises(ValueError, match="unknown search space 'nts'; allowed: tss, topology"):
        create("http://127.0.0.1:8000", "nts")
    with pytest.raises(ValueError, match="first imported there: cellwise import"):
        NASBench201API("NAS-Bench-201-v1_1-096897.pth")
    with pytest.raises(ValueError, match="nor a client of one"):
        NASBench201API(tmp_path)  # type: ignore[arg-type]


def test_it_needs_nothing_that_a_server_needs() -> None:
    """Imported, and answering what needs no server, where only the client's libraries are."""
    blocked = ("torch", "fastapi", "duckdb", "numpy", "pyarrow", "scipy", "pydantic", "pandas")
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({blocked!r}))\n"
        "from analysis.nasbench import NASBench201API as API, create\n"
        "api = create('http://127.0.0.1:9', 'tss')\n"
        "print(api.str2lists(api[284])[0], len(API('http://127.0.0.1:9')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "(('skip_connect', 0),) 15625\n"


# The page about it --------------------------------------------------------------------------------


def test_the_examples_of_the_page_run(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As they stand there, but for the address, one after the other against a running server."""
    source = recognise(need(NATS_BENCH))
    with closing(Library.open(home)) as library:
        library.import_source(source)
    page = (ROOT / "docs" / "drop_in.md").read_text()
    examples = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(examples) == 2
    names: dict[str, Any] = {}
    with serving(home) as server:
        for example in examples:
            exec(example.replace("http://127.0.0.1:8000", server.url), names)
    said = capsys.readouterr().out
    # DOMAIN.md, section 3: the best cell, and cell 284's training on cifar10 with three seeds.
    assert "best of all: (6111, 91.60" in said
    assert "'cifar10', 'cifar100', 'ImageNet16-120'] [777, 888, 999]" in said
    assert 24 * 3600 < names["api"].used_time < 48 * 3600
