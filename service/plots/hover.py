"""What follows the pointer along the epochs, in specifications alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from service.plots.captions import Layers
from service.plots.themes import SOFT


def followed(
    layers: Sequence[Any], base: alt.Chart, y: alt.Y, tooltip: list[alt.Tooltip]
) -> Layers:
    """The layers with a rule at the epoch of the nearest point, whose tooltip is shown.

    ``base`` has rows with ``epoch`` as their x. The selection is called ``hover``.
    """
    hover = alt.selection_point(
        name="hover",
        fields=["epoch"],
        nearest=True,
        on="pointerover",
        clear="pointerout",
        empty=False,
    )
    points = base.encode(y=y)
    # Not a filter: a layer without rows has no extent for its scale, which Vega warns of.
    seen = alt.when(hover).then(alt.value(1)).otherwise(alt.value(0))
    return alt.layer(
        base.mark_rule(color=SOFT, strokeWidth=1).encode(detail="epoch:Q", opacity=seen),
        *layers,
        points.mark_point(size=80, opacity=0).encode(tooltip=tooltip).add_params(hover),
        points.mark_point(filled=True, size=70).encode(opacity=seen),
    )
