"""Readers of result tables: every format is told by its content, never by the file's name."""

from data.sources.bundle import shipped
from data.sources.hpo_bench import packaged_table
from data.sources.recognition import recognise

__all__ = ["packaged_table", "recognise", "shipped"]
