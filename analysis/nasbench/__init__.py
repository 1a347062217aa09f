"""NAS-Bench-201's and NATS-Bench's own classes, answered by a Cellwise server.

::

    from analysis.nasbench import NASBench201API as API, create

    api = API("http://127.0.0.1:8000")  # as of nas_201_api
    api = create("http://127.0.0.1:8000", "tss")  # as of nats_bench

The method names, arguments and answers are the packages'; docs/drop_in.md lists what differs, and
how many requests it takes.
"""

from analysis.nasbench.api import NASBench201API, NATStopology, create
from analysis.nasbench.arch_results import ArchResults
from analysis.nasbench.names import NotRecordedError
from analysis.nasbench.results import ResultsCount

__all__ = [
    "ArchResults",
    "NASBench201API",
    "NATStopology",
    "NotRecordedError",
    "ResultsCount",
    "create",
]
