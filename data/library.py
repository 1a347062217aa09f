"""The open store with everything that is resident of it, one consistent state at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from data.catalogue import Catalogue, Curve, Recorded
from data.curve_rows import CurveReader
from data.frame import Frame
from data.progress import Report, silent
from data.store import Store, StoreError, first_row
from data.vectors import Vectors

if TYPE_CHECKING:
    from data.importer import Outcome
    from data.shipped import LeftOut
    from data.sources.base import Description, Run, Source
    from data.sources.bundle import Shipped
    from data.study_transfer import Check, Imported


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is loaded, as ``GET /sources`` tells it; times are UTC.

    ``file`` and ``checksum`` are empty for runs that were added one by one; ``imported_at`` is then
    the time of the last one. ``shipped`` is true for what comes with Cellwise, of which newer
    content is taken by itself (:mod:`data.shipped`).
    """

    name: str
    title: str
    origin: str
    licence: str
    notes: list[str]
    official: bool
    file: str
    checksum: str
    imported_at: datetime
    cells: int
    runs: int
    points: int
    shipped: bool


class Snapshot:
    """One state of the data: what a request works on from beginning to end.

    Args:
        store: whose last committed state it is.
        older: an earlier one, of which the cells stay in memory if there are no others now.
        changed: the kinds of curve that have changed since, None if that isn't known; metrics of
            all others stay in memory too.
    """

    def __init__(
        self, store: Store, older: Snapshot | None = None, changed: Set[int] | None = None
    ) -> None:
        self.state = store.pin()
        with self.state.read() as cursor:
            row = first_row(cursor, "SELECT count(*) FROM cells")
            frame: Frame | None = older.frame if older is not None else None
            self.frame: Frame = (
                frame if frame is not None and row == (frame.size,) else Frame(cursor)
            )
            self.sources = [
                SourceInfo(*row)
                for row in cursor.execute(
                    "SELECT name, title, origin, licence, notes, official, path, checksum, "
                    "imported_at, cells, runs, points, "
                    "checksum IN (SELECT value FROM meta WHERE key LIKE 'default %') "
                    "FROM sources ORDER BY NOT official, source"
                ).fetchall()
            ]
            grids = dict(cursor.execute("SELECT grid, epochs FROM grids").fetchall())
            curves = {row[0]: Curve(*row) for row in cursor.execute("FROM curves").fetchall()}
            recorded = cursor.execute(
                "SELECT sources.name, curve, grids, seeds, recorded.cells, recorded.runs "
                "FROM recorded JOIN sources USING (source)"
            ).fetchall()
        self.catalogue = Catalogue(
            Recorded(
                curves[curve],
                source,
                frozenset[int]().union(*(grids[grid] for grid in held)),
                frozenset(seeds),
                cells,
                runs,
            )
            for source, curve, held, seeds, cells, runs in recorded
        )
        self.reader = CurveReader(self.state)
        self.vectors = Vectors(self.reader, self.frame.size)
        if older is not None and changed is not None:
            self.vectors.inherit(older.vectors, changed)


class Library:
    """An open home. Reading goes through :attr:`snapshot`; whatever adds runs makes a new one."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._lock = Lock()
        self._snapshot: Snapshot | None = Snapshot(store)

    @classmethod
    def open(cls, home: Path, *, memory_limit: str = "256MB") -> Library:
        """The library in ``home``, its cells in place.

        Raises:
            StoreError: see :meth:`data.store.Store.open`.
        """
        store = Store.open(home, memory_limit=memory_limit)
        try:
            with store.write() as cursor:
                if first_row(cursor, "SELECT count(*) FROM cells") == (0,):
                    from data import cells_table

                    cells_table.populate(cursor)
            return cls(store)
        except BaseException:
            store.close()
            raise

    @property
    def snapshot(self) -> Snapshot:
        """The last committed state.

        Raises:
            StoreError: the library is closed.
        """
        if self._snapshot is None:
            raise StoreError("the library is closed")
        return self._snapshot

    def import_source(self, source: Source, report: Report = silent) -> Outcome:
        """Import and show the new state; see :func:`data.importer.import_source`."""
        from data import importer

        with self._lock:
            outcome = importer.import_source(self.store, source, report)
            if outcome.status != "unchanged":
                self._snapshot = Snapshot(self.store, self._snapshot)
            return outcome

    def import_studies(self, path: Path, check: Check | None = None) -> Imported:
        """Take in a file of studies; see :func:`data.study_transfer.import_studies`."""
        from data import study_transfer

        # No run comes or goes meanwhile; readers of jobs and studies see new ones as they are.
        with self._lock:
            return study_transfer.import_studies(self.store, self.snapshot, path, check)

    def add_run(self, run: Run, *, source: Description, job: int | None = None) -> str:
        """Add one training that was done here, and show the new state; returns the run's public id.

        Run, source, cell and the end of ``job`` are written in one transaction. The same run again
        changes nothing. One of the same cell, data set, schedule, recipe, images, split and seed
        with another result, of a training that was forced, takes the place of the one before,
        under the same id.

        Raises:
            SourceError: ``source`` isn't ``local``, or the run can't be taken.
            UnknownJobError: there is no such job.
        """
        from data import local_runs

        with self._lock, self.store.publishing:
            added = local_runs.add_run(self.store, run, source, job)
            if added.curves is not None:
                self._snapshot = Snapshot(self.store, self._snapshot, added.curves)
            return added.id

    def remove_source(self, name: str) -> None:
        """Take a source out; see :func:`data.importer.remove_source`."""
        from data import importer

        with self._lock:
            importer.remove_source(self.store, name)
            self._snapshot = Snapshot(self.store, self._snapshot)

    def load_default(
        self,
        report: Report = silent,
        checker: Callable[[Library, Collection[int]], Check] | None = None,
        shipped: Sequence[Shipped] | None = None,
    ) -> list[Outcome | Imported | LeftOut]:
        """Take what comes with Cellwise and is new to this home; see :mod:`data.shipped`.

        Args:
            report: hears how far it is.
            checker: makes the check of studies, given the library and which jobs these replace.
            shipped: what comes with Cellwise, if not with this version.

        Returns:
            What was taken and what was left out; nothing where nothing is new.

        Raises:
            SourceError: a file is missing or damaged; nothing of its kind, tables or studies, was
                taken.
        """
        from data import shipped as taking
        from data.sources import bundle

        new = taking.unseen(self.store, bundle.shipped() if shipped is None else shipped)
        if not new:
            return []
        tables = {one: content for one, content in new.items() if one.is_table}
        outcomes: list[Outcome | Imported | LeftOut] = []
        with self._lock:
            outcomes += taking.take_tables(self.store, tables, report)
            if tables:
                self._snapshot = Snapshot(self.store, self._snapshot)
            for one in (one for one in new if not one.is_table):
                older = taking.came(self.store, one)
                check = None if checker is None else checker(self, older.jobs)
                outcomes.append(
                    taking.take_studies(
                        self.store, self.snapshot, one, new[one], older, check, report
                    )
                )
        self.store.checkpoint()
        return outcomes

    def close(self) -> None:
        """Let go of the database, and of what was read of it: whoever still knows the library keeps
        nothing of that in memory.
        """
        self.store.close()
        self._snapshot = None
