"""What an operator sets: flags of ``cellwise serve`` or variables ``CELLWISE_...``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

DEFAULT_HOME = Path("var")


class Settings(BaseSettings):
    """Every setting with its default; the environment variable is ``CELLWISE_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix="CELLWISE_", frozen=True)

    home: Path = Field(default=DEFAULT_HOME, description="the folder that holds all state")
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="port to listen on")
    memory_limit: str = Field(
        default="128MB",
        pattern=r"^\d+(\.\d+)?\s*[KMGT]i?B$",
        description="bound on DuckDB's buffers; the rest of the server needs about 200 MB",
    )
    read: Literal["open", "token"] = Field(
        default="open", description="who may read: everyone, or who has a token"
    )
    images: Annotated[tuple[Path, ...], NoDecode] = Field(
        default=(), description="folders with images to train on, separated by :"
    )
    executor: Literal["local", "slurm"] = Field(
        default="local", description="where training runs: this machine, or a Slurm cluster"
    )
    cpu_slots: int | None = Field(
        default=None, ge=0, description="jobs at a time on the CPU; by default one without a GPU"
    )
    cpu_threads: int | None = Field(
        default=None, ge=1, description="threads of a job on the CPU; by default shared out evenly"
    )
    slots_per_gpu: int = Field(default=1, ge=1, description="jobs at a time on each GPU")
    keep_weights: bool = Field(
        default=True, description="whether trained weights stay in the home, for measurements"
    )
    slurm: dict[str, Any] = Field(default={}, description="submitit's parameters, as JSON")
    slurm_jobs: int = Field(default=64, ge=1, description="jobs submitted at a time")

    @field_validator("images", mode="before")
    @classmethod
    def _folders(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(Path(part) for part in value.split(os.pathsep) if part)
        return value
