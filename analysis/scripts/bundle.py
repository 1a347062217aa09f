"""Train a sample that stands for the whole space: asks a server to do it, and waits.

NAS-Bench-201 cells drawn to cover every shape and mix of operations, the cells that NASNet,
AmoebaNet, ENAS, DARTS and SNAS found, their adapted forms, and randomly connected variants of two
of them (Shu et al. 2020, arXiv 1909.09569). The same numbers draw the same cells. It may be stopped
and started again: what is trained, or queued, is asked for no second time::

    python -m analysis.scripts.bundle --url http://127.0.0.1:8000
    cellwise export bundle --source local
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator

from rich.progress import Progress

from analysis.cells import Cell
from analysis.client import DEFAULT_URL, Client, ClientError
from analysis.spaces.darts import INPUTS, NAMED, Genotype, Pair, Pairs
from analysis.spaces.published import FIVE
from analysis.spaces.sampling import stratified
from analysis.spaces.variants import random_connections

CELLS = 400
FIRST_SEED, SECOND_SEED = 777, 888
VARIED = ("DARTS-V2", "SNAS-mild")
VARIANTS = 12
DRAW = 201
"""Seeds every draw of cells."""
AT_ONCE = 50
"""Cells a request."""
ASK_EVERY_S = 5.0


def drawn(cells: int = CELLS, variants: int = VARIANTS) -> Iterator[tuple[Cell, int]]:
    """Every training of the bundle in order: (cell, seed).

    Genotypes come spread among the others, and each tenth cell of NAS-Bench-201 has a second seed.
    """
    rng = random.Random(DRAW)  # noqa: S311  (a sample, no secret)
    genotypes = [NAMED[name] for name in FIVE]
    genotypes += [_kept_and_adapted(genotype) for genotype in genotypes]
    for name in VARIED:
        found: dict[Genotype, None] = {}
        while len(found) < variants:
            found.setdefault(random_connections(NAMED[name], rng))
        genotypes += found
    every = max(1, cells // len(genotypes))
    for number, cell in enumerate(stratified(cells, DRAW)):
        yield cell, FIRST_SEED
        if number % 10 == 0:
            yield cell, SECOND_SEED
        if number % every == 0 and genotypes:
            yield genotypes.pop(0), FIRST_SEED
    for genotype in genotypes:
        yield genotype, FIRST_SEED


def _kept_and_adapted(genotype: Genotype) -> Genotype:
    """The cell with every node reading both inputs, a pair that reads an input keeping it.

    Where both pairs read the same one, the second moves. Which operation reads which input is left
    open by what is printed on adapted cells; this choice is the sample's, not that of NAMED.
    """

    def cell(pairs: Pairs) -> Pairs:
        rewired: list[Pair] = []
        for i in range(0, len(pairs), 2):
            (first, source), (second, _) = pairs[i : i + 2]
            kept = source if source in INPUTS else 0
            rewired += [(first, kept), (second, 1 - kept)]
        return tuple(rewired)

    return Genotype(
        cell(genotype.normal), genotype.normal_concat, cell(genotype.reduce), genotype.reduce_concat
    )


def _submit(client: Client, dataset: str, recipe: str, cells: int) -> list[str]:
    """Ask for everything; the addresses of the jobs that are to be waited for."""
    trainings = list(drawn(cells))
    jobs = []
    for start in range(0, len(trainings), AT_ONCE):
        part = trainings[start : start + AT_ONCE]
        for seed in dict.fromkeys(seed for _, seed in part):
            body = {
                "cells": [cell.arch for cell, its_seed in part if its_seed == seed],
                "dataset": dataset,
                "recipe": recipe,
                "seeds": [seed],
            }
            answer = client.post("/jobs", body)
            jobs += [item["job"] for item in answer["items"] if item["status"] == "queued"]
    return jobs


def main() -> None:
    """Submit, then wait with a progress bar."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default=DEFAULT_URL, help="of the server that trains")
    parser.add_argument("--dataset", default="cifar10-valid")
    parser.add_argument("--recipe", default="proxy")
    parser.add_argument("--cells", type=int, default=CELLS, help="of NAS-Bench-201")
    arguments = parser.parse_args()
    try:
        with Client(arguments.url) as client:
            jobs = _submit(client, arguments.dataset, arguments.recipe, arguments.cells)
            ended = _waited(client, jobs)
    except ClientError as error:
        sys.exit(str(error))
    print(", ".join(f"{count} {state}" for state, count in ended.items()) or "nothing to train")


def _waited(client: Client, jobs: list[str]) -> Counter[str]:
    """How the jobs ended, by state."""
    left = set(jobs)
    ended: Counter[str] = Counter()
    with Progress() as progress:
        task = progress.add_task("training", total=len(jobs))
        while left:
            for job in sorted(left):
                state = client.get(job)["state"]
                if state not in ("queued", "running"):
                    left.discard(job)
                    ended[state] += 1
            progress.update(task, completed=len(jobs) - len(left))
            if left:
                time.sleep(ASK_EVERY_S)
    return ended


if __name__ == "__main__":
    main()
