"""What stays in memory while runs come and go, and what readers see meanwhile."""

from __future__ import annotations

import gc
import json
import random
import shutil
import threading
import weakref
from collections.abc import Callable
from contextlib import closing
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.library import Library
from data.metrics import Context, parse_metric
from data.queries import View
from data.sources.base import Series
from data.vectors import NotResidentError, resident_only
from tests.conftest import client_of
from tests.service.helpers import get
from tests.store.sources import Made, run
from tests.store.test_local_runs import LOCAL, METRIC, genotype, new_job, trained, values

RESIDENT: dict[str, Callable[[View], Any]] = {
    "metric": lambda view: view.numbers(view.field(METRIC)),
    "values": lambda view: view.values(view.field(METRIC)),
    "spread": lambda view: view.values(view.field(f"{METRIC}:std")),
    "summary": lambda view: view.numbers(view.field("aulc@3of3")),
    "curves": lambda view: astuple(
        view.snapshot.vectors.curves(
            view.snapshot.catalogue.resolve_curve("valid_accuracy", None, view.context)
        )
    ),
    "places": lambda view: view.places(view.field("epochs_to_99of3")),
    "states": lambda view: view.values(view.field(f"{METRIC}:state", texts=True)),
    "order": lambda view: view.order([f"-{METRIC}", "width"]),
    "order of columns": lambda view: view.order(["-width", "id"]),
}


def view(library: Library, recipe: str = "proxy") -> View:
    return View(library.snapshot, Context(dataset="digits", recipe=recipe))


def is_resident(asked: Callable[[View], Any], seen: View) -> bool:
    try:
        with resident_only():
            asked(seen)
    except NotResidentError:
        return False
    return True


@pytest.mark.parametrize("grows", [False, True], ids=["known cell", "new cell"])
def test_what_can_t_have_changed_stays_resident(
    fresh: Library, empty_home: Path, tmp_path: Path, grows: bool
) -> None:
    """Answers are those of a library that begins cold; of an old state nothing changes."""
    made = [
        trained(index, 10.0 * index + seed, seed=seed, recipe=recipe)
        for index in range(3)
        for seed in (1, 2)
        for recipe in ("proxy", "long")
    ]
    for one in made:
        fresh.add_run(one, source=LOCAL)
    states = [view(fresh), view(fresh, "long")]
    before = [[asked(seen) for asked in RESIDENT.values()] for seen in states]
    last = trained(2, 90.0, seed=3, cell=genotype(3) if grows else None)
    fresh.add_run(last, source=LOCAL)
    assert fresh.snapshot.frame.size == states[0].frame.size + grows
    orders = set() if grows else {"order", "order of columns", "states"}
    assert {what for what, asked in RESIDENT.items() if is_resident(asked, view(fresh))} == (
        orders - {"order", "states"}
    )
    assert {
        what for what, asked in RESIDENT.items() if is_resident(asked, view(fresh, "long"))
    } == {"metric", "values", "spread", "summary", "curves", "places"} | orders
    home = Path(shutil.copytree(empty_home, tmp_path / "cold"))
    with closing(Library.open(home)) as cold:
        for one in (*made, last):
            cold.add_run(one, source=LOCAL)
        for recipe in ("proxy", "long"):
            for asked in RESIDENT.values():
                np.testing.assert_equal(asked(view(fresh, recipe)), asked(view(cold, recipe)))
    for seen, answers in zip(states, before, strict=True):
        for asked, answer in zip(RESIDENT.values(), answers, strict=True):
            np.testing.assert_equal(asked(seen), answer)


def test_an_import_makes_all_anew(fresh: Library, tmp_path: Path) -> None:
    fresh.add_run(trained(), source=LOCAL)
    asked = RESIDENT["metric"]
    asked(view(fresh))
    fresh.import_source(Made(tmp_path, [[run(0, {12: 1.0})]]))
    assert not is_resident(asked, view(fresh))


def test_replacing_a_run_changes_the_curves_that_it_had(fresh: Library) -> None:
    """Also those that the new result lacks: the metric is gone with its last run."""
    fresh.add_run(trained(1), source=LOCAL)
    fresh.add_run(trained(), source=LOCAL)
    asked = RESIDENT["metric"]
    assert np.nansum(asked(view(fresh))) == 100.0
    fresh.add_run(replace(trained(), series=(Series("train", "loss", [3], [1.0]),)), source=LOCAL)
    assert np.nansum(asked(view(fresh))) == 50.0


def test_old_states_are_let_go_of(fresh: Library) -> None:
    """However many runs are added, the log is folded into the file and no state stays behind."""
    states = []
    big = "x" * 600_000
    for index in range(40):
        fresh.add_run(replace(trained(index), details=json.dumps(big)), source=LOCAL)
        states.append(weakref.ref(fresh.snapshot.state))
    gc.collect()
    assert [state() is None for state in states] == [True] * 39 + [False]
    log = fresh.store.path.with_name(fresh.store.path.name + ".wal")
    assert log.stat().st_size < 40 * 600_000 * 0.9
    assert len(values(fresh)) == 40


# --- readers meanwhile -----------------------------------------------------------------------


def test_readers_see_the_old_state_or_the_new_one(fresh: Library) -> None:
    """Runs come and are replaced; every answer is of one state, and jobs don't run ahead.

    Run ``n`` of a round has accuracy ``n`` at each epoch, so that an answer tells what is in it.
    """
    count = 25
    jobs = new_job(fresh, count)
    fresh.add_run(trained(1, 1.0), source=LOCAL, job=1)
    done = threading.Event()
    failures: list[str] = []

    def check(condition: bool, *about: Any) -> None:
        if not condition:
            failures.append(" ".join(map(str, about)))

    def read(seed: int) -> None:
        client, chance = client_of(fresh), random.Random(seed)
        least = 0
        while not done.is_set() and not failures:
            which = chance.randrange(4)
            if which == 0:
                finished = {job.number: job.run for job in jobs.page(["done"], 100)}
                state = fresh.snapshot
                held = {one["id"] for one in get(client, "/runs", {"limit": 1000})["items"]}
                check(held >= set(finished.values()), "jobs ahead of runs", finished, held)
                check(state.sources[0].runs <= len(held), "runs went")
            elif which == 1:
                found = sorted(values(fresh).values())
                check(found == [*range(1, len(found) + 1)], "cells with values", found)
                check(len(found) >= least, "fewer than before", len(found), least)
                least = len(found)
            elif which == 2:
                state = fresh.snapshot
                counted = [(one.cells, one.runs, one.points) for one in state.sources]
                with state.state.read() as cursor:
                    (rows,) = cursor.execute(
                        'SELECT count(DISTINCT cell), count(DISTINCT run), sum(len("values")) '
                        "FROM series"
                    ).fetchall()
                check(counted == [rows], counted, rows)
                recorded = {(one.cells, one.runs) for one in state.catalogue.recorded}
                check(recorded <= {(rows[0], rows[1])}, recorded, rows)
            else:
                asked = View(fresh.snapshot, Context(dataset="digits", recipe="proxy"))
                size = asked.frame.size
                field = asked.field(METRIC)
                check(len(asked.numbers(field)) == len(asked.values(field)) == size, "sizes")
                check(len(asked.order([METRIC])) == size, "an order")

    readers = [threading.Thread(target=read, args=(seed,)) for seed in range(3)]
    for reader in readers:
        reader.start()
    for number in range(2, count + 1):
        cell = genotype(number) if number % 5 == 0 else None
        fresh.add_run(trained(number, float(number), cell=cell), source=LOCAL, job=number)
        if number % 7 == 0:
            again = replace(trained(number - 1, float(number - 1)), device="gpu 0")
            if (number - 1) % 5:
                fresh.add_run(again, source=LOCAL)
    done.set()
    for reader in readers:
        reader.join()
    assert failures == []
    assert sorted(values(fresh).values()) == [*range(1, count + 1)]
    resolved = fresh.snapshot.catalogue.resolve(
        parse_metric(METRIC), Context(dataset="digits", recipe="proxy")
    )
    assert np.count_nonzero(~np.isnan(fresh.snapshot.vectors.metric(resolved).value)) == count
