"""Readers of result tables: every format is told by its content, never by the file's name."""

from data.sources.bundle import bundled_studies, bundled_table
from data.sources.hpo_bench import packaged_table
from data.sources.recognition import recognise

__all__ = ["bundled_studies", "bundled_table", "packaged_table", "recognise"]
