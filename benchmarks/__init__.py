"""Side-by-side measurements of what Cellwise promises: ``python -m benchmarks``, ``make bench``.

One module a question. Each starts what it compares in the same run, on this machine only, and
returns a :class:`~benchmarks.results.Section`; docs/benchmarks.md is written from these.
"""

import os

# numpy and scipy alone are measured at their steadiest: on vectors of this size, several BLAS
# threads gain little and, where anything else runs, wait long for each other. Set before numpy is
# imported; the processes under measurement get the environment as it was.
BLAS_THREADS = "OPENBLAS_NUM_THREADS"
GIVEN_BLAS_THREADS = os.environ.get(BLAS_THREADS)
os.environ[BLAS_THREADS] = "1"
