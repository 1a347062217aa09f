"""A queue with staged workers, and a Slurm of four small programs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from data.library import Library
from tests.service.jobs.staged import Stage

# What submitit and the executor use of Slurm, with jobs as processes of this machine.
SBATCH = """#!/bin/sh
[ -e "$SLURM_STAGE/closed" ] && { echo "sbatch: error: Invalid partition name" >&2; exit 1; }
id=$(( $(ls "$SLURM_STAGE/jobs" | wc -l) + 1 ))
export SLURM_JOB_ID=$id SLURM_NTASKS=1 SLURM_JOB_NUM_NODES=1 SLURM_NODEID=0 SLURM_PROCID=0
export SLURM_LOCALID=0 SLURM_JOB_NODELIST=here
grep '^#SBATCH' "$1" > "$SLURM_STAGE/options"
cp "$1" "$SLURM_STAGE/$id.sh"  # as Slurm does: who submits moves the script away
setsid sh "$SLURM_STAGE/$id.sh" > "$SLURM_STAGE/$id.out" 2>&1 < /dev/null &
echo $! > "$SLURM_STAGE/jobs/$id"
echo "Submitted batch job $id"
"""
SRUN = """#!/bin/sh
while [ "${1#-}" != "$1" ]; do
  case "$1" in --output|--error) shift ;; esac
  shift
done
exec "$@"
"""
SQUEUE = """#!/bin/sh
for file in "$SLURM_STAGE"/jobs/*; do
  [ -e "$file" ] && kill -0 "$(cat "$file")" 2> /dev/null && basename "$file"
done
exit 0
"""
SCANCEL = """#!/bin/sh
kill -TERM -- "-$(cat "$SLURM_STAGE/jobs/$1")"
"""


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Slurm on PATH; returns the folder of its state."""
    programs, stage = tmp_path / "programs", tmp_path / "stage"
    (stage / "jobs").mkdir(parents=True)
    programs.mkdir()
    for name, text in (
        ("sbatch", SBATCH),
        ("srun", SRUN),
        ("squeue", SQUEUE),
        ("scancel", SCANCEL),
    ):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_STAGE", str(stage))
    monkeypatch.setattr("service.jobs.executors.SQUEUE_EVERY_S", 0.0)
    return stage


@pytest.fixture
def stage(fresh: Library) -> Stage:
    return Stage(fresh)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock of the queue's that the test moves."""
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now
