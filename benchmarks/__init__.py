"""Side-by-side measurements of what Cellwise promises: ``python -m benchmarks``, ``make bench``.

One module a question. Each starts what it compares in the same run, on this machine only, and
returns a :class:`~benchmarks.results.Section`; docs/benchmarks.md is written from these.
"""
