"""The database file: what opens, what doesn't, and what is said of it."""

from __future__ import annotations

import gc
import shutil
import subprocess
import sys
import threading
import weakref
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from data.library import Library
from data.store import FILE_NAME, Store, StoreError, StoreLockedError
from tests.conftest import ROOT
from tests.store.sources import Made, run

HOLD = """
import sys
from pathlib import Path
from data.store import Store
store = Store.open(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("folder", ["home", "deep/er", "lock", "a lock's PID 12", "läuft [x]"])
def test_any_folder_is_a_home(tmp_path: Path, folder: str) -> None:
    home = tmp_path / folder
    with Store.open(home) as store, store.read() as cursor:
        assert cursor.execute("SELECT count(*) FROM cells").fetchall() == [(0,)]
    with Store.open(home):
        assert (home / FILE_NAME).is_file()


@pytest.mark.parametrize("folder", ["home", "lock", "a lock's PID 12"])
def test_what_is_no_database(tmp_path: Path, folder: str) -> None:
    home = tmp_path / folder
    home.mkdir()
    (home / FILE_NAME).write_bytes(b"this is no database" * 1000)
    with pytest.raises(StoreError, match="can't be opened") as raised:
        Store.open(home)
    assert not isinstance(raised.value, StoreLockedError), "nobody holds it"


def test_another_duckdb_file(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / FILE_NAME)) as connection:
        connection.execute("CREATE TABLE other (x INTEGER)")
    with pytest.raises(StoreError, match="not one of Cellwise's"):
        Store.open(tmp_path)
    with duckdb.connect(str(tmp_path / FILE_NAME)) as connection:
        assert connection.execute("SHOW TABLES").fetchall() == [("other",)]


def test_a_database_of_another_version(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    with duckdb.connect(str(tmp_path / FILE_NAME)) as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
    with pytest.raises(StoreError, match="schema 99, this version reads 1 to 6") as raised:
        Store.open(tmp_path)
    assert "--home" in str(raised.value)


def test_a_home_that_can_t_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="can't use"):
        Store.open(tmp_path / "file")
    with pytest.raises(StoreError, match="can't use"):
        Store.open(tmp_path / "file" / "below")


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(StoreLockedError) as raised:
            Store.open(tmp_path)
        assert raised.value.pid == holder.pid
        assert f"process {holder.pid}" in str(raised.value)
        holder.stdin.close()
        holder.wait()
    Store.open(tmp_path).close()


def test_files_outside_can_t_be_read(tmp_path: Path) -> None:
    """No statement reaches beyond the database, and no setting lets it."""
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with Store.open(tmp_path / "home") as store, store.read() as cursor:
        for sql in (
            f"SELECT * FROM read_csv('{tmp_path}/secret.csv')",
            f"COPY cells TO '{tmp_path}/out.csv'",
            f"ATTACH '{tmp_path}/other.duckdb'",
            "SET enable_external_access = true",
            "INSTALL httpfs",
        ):
            with pytest.raises(duckdb.Error):
                cursor.execute(sql)
    assert not (tmp_path / "out.csv").exists()


def test_python_s_variables_are_no_tables(tmp_path: Path) -> None:
    frame = {"a": [1]}
    with Store.open(tmp_path) as store, store.read() as cursor, pytest.raises(duckdb.Error):
        cursor.execute("SELECT * FROM frame")
    assert frame == {"a": [1]}


def test_a_write_that_fails_is_undone(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        with pytest.raises(duckdb.Error), store.write() as cursor:
            cursor.execute("INSERT INTO meta VALUES ('x', 'y'); SELECT 'z'::INTEGER")
        with store.read() as cursor:
            assert cursor.execute("SELECT count(*) FROM meta").fetchall() == [(1,)]


def test_writes_go_one_after_the_other(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:

        def add() -> None:
            for _ in range(20):
                with store.write() as cursor:
                    cursor.execute("INSERT INTO meta SELECT 'n', count(*)::VARCHAR FROM meta")

        threads = [threading.Thread(target=add) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with store.read() as cursor:
            found = cursor.execute("SELECT value::INTEGER FROM meta WHERE key = 'n' ORDER BY 1")
            assert [row[0] for row in found.fetchall()] == list(range(1, 81))


def test_closing_lets_go_of_the_file(empty_home: Path, tmp_path: Path) -> None:
    """Also of the states that were pinned: another process can open it at once."""
    home = Path(shutil.copytree(empty_home, tmp_path / "home"))
    with closing(Library.open(home)) as library:
        state = library.snapshot.state
    del library
    other = subprocess.run(
        [sys.executable, "-c", HOLD, str(home)], cwd=ROOT, input="", text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    assert (other.returncode, other.stdout) == (0, "open\n"), other.stderr
    with pytest.raises(duckdb.Error), state.read() as cursor:
        cursor.execute("SELECT 1")


def test_a_closed_library_keeps_nothing_in_memory(empty_home: Path, tmp_path: Path) -> None:
    """Whoever still knows it, as the app of a test does, keeps no tables alive by that."""
    library = Library.open(Path(shutil.copytree(empty_home, tmp_path / "home")))
    frame = weakref.ref(library.snapshot.frame)
    library.close()
    gc.collect()
    assert frame() is None
    with pytest.raises(StoreError, match="the library is closed"):
        _ = library.snapshot


def test_an_old_state_doesn_t_keep_the_file_growing(empty_home: Path, tmp_path: Path) -> None:
    """States that nobody reads any more are let go of."""
    home = Path(shutil.copytree(empty_home, tmp_path / "home"))
    with closing(Library.open(home)) as library:
        states = []
        for number in range(4):
            library.import_source(Made(tmp_path, [[run(number, {12: 1.0})]]))
            states.append(weakref.ref(library.snapshot.state))
        gc.collect()
        assert [state() is None for state in states] == [True, True, True, False]
