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
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx2
from rich.progress import Progress

from analysis.cells import Cell
from analysis.spaces.darts import NAMED, Genotype
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
    genotypes = list(NAMED.values())
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


def _ask(client: httpx2.Client, method: str, path: str, body: Any = None) -> Any:
    answer = client.request(method, path, json=body)
    if answer.status_code >= 400:
        sys.exit(f"{method} {path}: {answer.json()['detail']}")
    return answer.json()


def _submit(client: httpx2.Client, dataset: str, recipe: str, cells: int) -> list[str]:
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
            answer = _ask(client, "POST", "/jobs", body)
            jobs += [item["job"] for item in answer["items"] if item["status"] == "queued"]
    return jobs


def main() -> None:
    """Submit, then wait with a progress bar."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="of the server that trains")
    parser.add_argument("--dataset", default="cifar10-valid")
    parser.add_argument("--recipe", default="proxy")
    parser.add_argument("--cells", type=int, default=CELLS, help="of NAS-Bench-201")
    arguments = parser.parse_args()
    token = os.environ.get("CELLWISE_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx2.Client(base_url=arguments.url, headers=headers, timeout=120) as client:
        jobs = _submit(client, arguments.dataset, arguments.recipe, arguments.cells)
        left = set(jobs)
        ended: Counter[str] = Counter()
        with Progress() as progress:
            task = progress.add_task("training", total=len(jobs))
            while left:
                for job in sorted(left):
                    state = _ask(client, "GET", job)["state"]
                    if state not in ("queued", "running"):
                        left.discard(job)
                        ended[state] += 1
                progress.update(task, completed=len(jobs) - len(left))
                if left:
                    time.sleep(ASK_EVERY_S)
    print(", ".join(f"{count} {state}" for state, count in ended.items()) or "nothing to train")


if __name__ == "__main__":
    main()
