"""A cell of either search space, read from whatever names it."""

import re

from analysis.errors import CellError
from analysis.spaces import darts, nasbench201
from analysis.spaces.darts import Genotype
from analysis.spaces.genotype_text import MAX_LENGTH
from analysis.spaces.nasbench201 import NasBench201Cell
from analysis.spaces.published import ELSEWHERE, FIVE

__all__ = ["Cell", "CellError", "cell_name", "classes", "parse_cell"]

Cell = NasBench201Cell | Genotype

_INDEX = re.compile(r"(?:nb201-)?([0-9]+)", re.IGNORECASE)
_HASH = re.compile(r"darts-[0-9a-f]{12}", re.IGNORECASE)
_FORMS = (
    "a NAS-Bench-201 string |op~0|+|op~0|op~1|+|op~0|op~1|op~2|",
    "nb201-000000..nb201-015624 or a bare official index",
    "Genotype(normal=..., normal_concat=..., reduce=..., reduce_concat=...) or the same as JSON",
    f"a name: {', '.join((*FIVE, *ELSEWHERE))}, or of the first five with -adapted, -conn1 to "
    "-conn10, -ops1 to -ops10",
)


def parse_cell(text: str) -> Cell:
    """Read a cell from its string, its id, its official index, its genotype or its name.

    Ids of genotypes are hashes, so that only those of named cells can be read without a table.
    Names and ids are taken in either case.

    Raises:
        CellError: with the position (0-based, in `text`) and what is allowed there.
    """
    if len(text) > MAX_LENGTH:
        raise CellError(f"longer than {MAX_LENGTH:,} characters", text)
    stripped = text.strip()
    if stripped.startswith("{") or "Genotype" in stripped:
        return darts.parse(text)
    if "|" in stripped or "~" in stripped:
        return nasbench201.parse(text)
    index = _INDEX.fullmatch(stripped)
    if index:
        return _by_index(index[1], text)
    named = darts.named(stripped)
    if named is not None:
        return named
    if _HASH.fullmatch(stripped):
        problem = "an id that no named cell has: its genotype has to be given"
        raise CellError(problem, text, None, _FORMS[2:])
    raise CellError("not a cell", text, None, _FORMS)


def cell_name(cell_id: str) -> str:
    """The published name of the cell with this id, or the id."""
    return darts.name_of(cell_id) or cell_id


def classes(cell: Cell) -> dict[str, str]:
    """The cell's key under each notion of sameness: two cells are the same when keys are equal.

    As `nasbench201.classes` has them; every genotype is a class of its own.
    """
    if isinstance(cell, NasBench201Cell):
        return nasbench201.classes(cell)
    return dict.fromkeys(nasbench201.NOTIONS, cell.id)


def _by_index(digits: str, text: str) -> NasBench201Cell:
    index = int(digits) if len(digits) < 10 else nasbench201.N_CELLS
    if index >= nasbench201.N_CELLS:
        allowed = (f"0..{nasbench201.N_CELLS - 1}",)
        raise CellError("no such official index", text, None, allowed)
    return nasbench201.from_index(index)
