"""The Python client of a Cellwise server: a page of it is docs/client.md.

>>> from analysis.client import Client
>>> client = Client("http://127.0.0.1:8000")
>>> frame = client.cells(min_width=3, metric="valid_accuracy@final").to_pandas()
>>> len(frame)
6144

Needs httpx2 and tenacity; pandas, polars, pyarrow and rich are imported where they are asked for.
"""

from analysis.client.answers import Items, Rows, Table
from analysis.client.calls import (
    DEFAULT_URL,
    TOKEN,
    authorization,
    refusal,
    timeouts,
    unsayable,
)
from analysis.client.errors import ClientError, Fault, StillRunningError, TrainingError
from analysis.client.parameters import Parameters
from analysis.client.training import Client

__all__ = [
    "DEFAULT_URL",
    "TOKEN",
    "Client",
    "ClientError",
    "Fault",
    "Items",
    "Parameters",
    "Rows",
    "StillRunningError",
    "Table",
    "TrainingError",
    "authorization",
    "refusal",
    "timeouts",
    "unsayable",
]
