"""The paper's procedures, held against the genotypes of its published code and against counting."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.spaces import darts, paper, published
from analysis.spaces.darts import NAMED, Genotype
from analysis.spaces.paper import SEARCHED_OPERATIONS
from analysis.spaces.printed import Pairs, Printed
from analysis.spaces.variants import RANDOM, paper_variants
from tests.analysis.strategies import genotypes
from tests.conftest import SHARED_DATA, need

PARENTS = {
    "NASNet": "NASNet-A",
    "AmoebaNet": "AmoebaNet-A",
    "ENAS": "ENAS",
    "DARTS": "DARTS-V2",
    "DARTS_V1": "DARTS-V1",
    "DARTS_V2": "DARTS-V2",
    "SNAS": "SNAS-mild",
    "SNAS_MILD": "SNAS-mild",
}
seeds = st.integers(0, paper.MAX_SEED)


def ours(name: str) -> str:
    """Our name of a cell of the published code: AmoebaNet_CONN3 is AmoebaNet-A-conn3."""
    if name in PARENTS:
        return PARENTS[name]
    parent, _, what = name.partition("_")
    return f"{PARENTS[parent]}-{'adapted' if what == 'ADAPT' else what.lower()}"


@pytest.fixture(scope="module")
def theirs() -> dict[str, Genotype]:
    with need(SHARED_DATA / "paper_variants.csv").open(newline="") as file:
        return {row["name"]: darts.parse(row["genotype"]) for row in csv.DictReader(file)}


def test_all_cells_of_the_published_code_have_their_name(theirs: dict[str, Genotype]) -> None:
    assert len(theirs) == 111
    assert {name: cell.name for name, cell in theirs.items()} == {
        name: ours(name) for name in theirs
    }
    assert {name: NAMED[ours(name)] for name in theirs} == theirs
    drawn = {"published", "adapted", *RANDOM}
    made = {name for name, known in published.CELLS.items() if known.kind in drawn}
    # DARTS itself stands there twice, has no adapted form, and its V1 is no parent.
    assert made - set(map(ours, theirs)) == {"DARTS-V2-adapted"}


@pytest.mark.parametrize("kind", RANDOM)
@pytest.mark.parametrize("parent", published.FIVE)
def test_the_sampler_draws_the_ten_variants_of_the_published_code(
    parent: str, kind: str, theirs: dict[str, Genotype]
) -> None:
    short = {"random-connections": "conn", "random-operations": "ops"}[kind]
    wanted = {ours(name): cell for name, cell in theirs.items()}
    drawn = paper_variants(NAMED[parent], kind, 10, 1)  # type: ignore[arg-type]
    assert drawn == [wanted[f"{parent}-{short}{seed}"] for seed in range(1, 11)]


def test_normal_and_reduction_cell_take_turns() -> None:
    cell = Printed((("skip_connect", 0),) * 4, (3,), (("max_pool_3x3", 1),) * 4, (3,))
    rng = np.random.RandomState(5)
    stream = [rng.randint(2 + i // 4) for i in range(8)]
    drawn = paper.random_connections(cell, np.random.RandomState(5))
    assert [source for _, source in drawn.normal] == stream[::2]
    assert [source for _, source in drawn.reduce] == stream[1::2]


@given(genotypes, seeds)
def test_connections_keep_operations_and_read_earlier_states(cell: Genotype, seed: int) -> None:
    printed = darts.printed(cell)
    drawn = paper.random_connections(printed, np.random.RandomState(seed))
    assert drawn == paper.random_connections(printed, np.random.RandomState(seed))
    assert drawn[1::2] == printed[1::2]
    for before, after in ((printed.normal, drawn.normal), (printed.reduce, drawn.reduce)):
        assert [op for op, _ in after] == [op for op, _ in before]
        assert all(0 <= source < 2 + i // 2 for i, (_, source) in enumerate(after))


@given(genotypes, seeds)
def test_operations_keep_the_wiring(cell: Genotype, seed: int) -> None:
    printed = darts.printed(cell)
    drawn = paper.random_operations(printed, np.random.RandomState(seed))
    assert drawn[1::2] == printed[1::2]
    for before, after in ((printed.normal, drawn.normal), (printed.reduce, drawn.reduce)):
        assert [source for _, source in after] == [source for _, source in before]
        assert {op for op, _ in after} <= set(SEARCHED_OPERATIONS)


@given(genotypes, st.integers(0, paper.MAX_SEED - 4), st.sampled_from(RANDOM))
def test_each_seed_draws_one_whatever_was_drawn_before(
    cell: Genotype, seed: int, kind: str
) -> None:
    three = paper_variants(cell, kind, 3, seed)  # type: ignore[arg-type]
    alone = [paper_variants(cell, kind, 1, seed + i) for i in range(3)]  # type: ignore[arg-type]
    assert alone == [[one] for one in three]


def test_every_source_and_operation_is_equally_likely() -> None:
    cell = darts.printed(NAMED["DARTS-V2"])
    wired = [paper.random_connections(cell, np.random.RandomState(seed)) for seed in range(2000)]
    # Node 5 chooses among 5 states: 4,000 draws give 800 of each, with a deviation of 25.
    sources = [source for one in wired for _, source in one.reduce[6:]]
    assert all(abs(n - 800) < 125 for n in np.bincount(sources, minlength=5))
    operated = [paper.random_operations(cell, np.random.RandomState(seed)) for seed in range(1000)]
    drawn = [operation for one in operated for operation, _ in one.reduce]
    assert all(abs(drawn.count(op) - 8000 / 7) < 160 for op in SEARCHED_OPERATIONS)


def test_the_longer_of_two_cells_draws_alone_in_the_end() -> None:
    short: Pairs = (("skip_connect", 0), ("skip_connect", 1))
    rng = np.random.RandomState(9)
    stream = [rng.randint(2), rng.randint(2), rng.randint(2), rng.randint(2)]
    further = [rng.randint(3), rng.randint(3)]
    drawn = paper.random_connections(
        Printed(short, (2,), short * 2, (3,)), np.random.RandomState(9)
    )
    assert [source for _, source in drawn.normal] == stream[::2]
    assert [source for _, source in drawn.reduce] == stream[1::2] + further


@pytest.mark.parametrize(("count", "seed"), [(1, 2**32), (2, 2**32 - 1), (-1, 0), (1, -1)])
def test_seeds_that_numpy_does_not_take_are_refused(count: int, seed: int) -> None:
    with pytest.raises(ValueError, match="allowed: 0 to 4294967295"):
        paper_variants(NAMED["ENAS"], "random-connections", count, seed)


def test_adapted_forms_are_not_drawn() -> None:
    with pytest.raises(ValueError, match="not drawn"):
        paper_variants(NAMED["ENAS"], "adapted", 1, 1)


def test_a_slip_of_the_published_code_is_kept() -> None:
    """Node 3 of ENAS's adapted normal cell reads input 0 twice; all other nodes read both."""
    for name in published.FIVE:
        form = NAMED[f"{name}-adapted"]
        for part in darts.PARTS:
            sources = [source for _, source in form.cell(part)[0]]
            read = [tuple(sources[i : i + 2]) for i in range(0, len(sources), 2)]
            slip = [3] if (name, part) == ("ENAS", "normal") else []
            assert [2 + i for i, two in enumerate(read) if two != (0, 1)] == slip


@pytest.mark.parametrize("name", NAMED)
def test_the_adapted_form_of_a_named_cell_is_its_own_and_its_family_s(name: str) -> None:
    form = darts.adapted(NAMED[name])
    assert darts.adapted(form) == form
    known = published.CELLS[name]
    if known.kind in ("published", "random-connections"):
        assert form.name == f"{known.parent or name}-adapted"
