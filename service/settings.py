"""What an operator sets: flags of ``cellwise serve`` or variables ``CELLWISE_...``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

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
