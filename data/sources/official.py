"""What holds for every official file of NAS-Bench-201 and NATS-Bench, in whatever container."""

from __future__ import annotations

from typing import Final

from data.sources.base import Description

NAME: Final = "nasbench201"


def official_description(name: str, title: str, notes: tuple[str, ...] = ()) -> Description:
    """The description of one of the benchmark's own files."""
    return Description(
        name=name,
        title=title,
        origin="D-X-Y/NAS-Bench-201 and D-X-Y/NATS-Bench; Dong and Yang, ICLR 2020 "
        "(arXiv 2001.00326); Dong et al., TPAMI 2021 (arXiv 2009.00437)",
        licence="MIT",
        notes=(
            *notes,
            "epochs count from 1; 12-epoch and 200-epoch runs are trained separately",
            "training times and latencies are derived from other runs, not measured in each "
            "(those of cifar10 are exactly twice those of cifar10-valid)",
            "params and FLOPs as the file has them: params are known to be wrong for 204 cells on "
            "seeds other than 888",
            "a loss that is no finite number is left out",
        ),
        official=True,
    )
