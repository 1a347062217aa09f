"""Random cells of both spaces, dead nodes, repeated sources and `none` edges included."""

from hypothesis import strategies as st

from analysis.spaces import darts, nasbench201
from analysis.spaces.darts import Genotype, Pairs
from analysis.spaces.nasbench201 import NasBench201Cell

nasbench201_cells = st.tuples(*[st.sampled_from(nasbench201.OPERATIONS)] * 6).map(NasBench201Cell)


@st.composite
def _cells(draw: st.DrawFn) -> tuple[Pairs, tuple[int, ...]]:
    n_nodes = draw(st.integers(1, 6))
    operations = st.sampled_from(darts.OPERATIONS)
    pairs = tuple(
        (draw(operations), draw(st.integers(0, node - 1)))
        for node in range(2, n_nodes + 2)
        for _ in range(2)
    )
    concat = draw(st.lists(st.integers(2, n_nodes + 1), min_size=1, unique=True))
    return pairs, tuple(concat)


@st.composite
def _genotypes(draw: st.DrawFn) -> Genotype:
    return Genotype(*draw(_cells()), *draw(_cells()))


genotypes = _genotypes()
cells = nasbench201_cells | genotypes


def blanks(text: str, tokens: str, rng_choices: list[str]) -> str:
    """`text` with a blank from `rng_choices`, in turn, around each character of `tokens`."""
    spaced = []
    for i, character in enumerate(text):
        blank = rng_choices[i % len(rng_choices)] if character in tokens else ""
        spaced.append(blank + character + blank)
    return "".join(spaced)
