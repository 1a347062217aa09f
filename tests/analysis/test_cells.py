import json
import pickle
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.cells import Cell, CellError, parse_cell
from analysis.spaces import darts, nasbench201
from analysis.spaces.darts import NAMED
from tests.analysis.strategies import cells


@given(cells)
def test_every_cell_is_read_from_its_own_text(cell: Cell) -> None:
    assert parse_cell(cell.arch) == cell
    assert parse_cell(f"\n {cell.arch} ") == cell


@pytest.mark.parametrize(
    "text", ["nb201-006111", "nb201-6111", "6111", " 006111\n", "NB201-006111"]
)
def test_an_official_index_names_a_cell(text: str) -> None:
    assert parse_cell(text) == nasbench201.from_index(6111)


@pytest.mark.parametrize("text", ["0", "000000", "nb201-000000", "nb201-015624"])
def test_the_first_and_the_last_index_are_cells(text: str) -> None:
    assert parse_cell(text).space == "nasbench201"


@pytest.mark.parametrize("text", ["15625", "nb201-015625", "99999999999", "9" * 10_000])
def test_an_index_outside_the_space_is_refused(text: str) -> None:
    with pytest.raises(CellError) as caught:
        parse_cell(text)
    assert caught.value.allowed == ("0..15624",)
    assert caught.value.text == text


@pytest.mark.parametrize("name", NAMED)
def test_a_named_cell_is_read_from_its_name_its_id_and_as_json(name: str) -> None:
    genotype = NAMED[name]
    assert parse_cell(name) is genotype
    assert parse_cell(name.lower().replace("-", "_")) is genotype
    assert parse_cell(genotype.id) is genotype
    fields = ("normal", "normal_concat", "reduce", "reduce_concat")
    as_json = json.dumps({field: getattr(genotype, field) for field in fields} | {"name": name})
    assert parse_cell(as_json) == genotype


def test_the_id_of_an_unknown_genotype_cannot_be_read() -> None:
    with pytest.raises(CellError, match="its genotype has to be given"):
        parse_cell("darts-0123456789ab")


@pytest.mark.parametrize("text", ["", " ", "resnet", "-1", "1.5", "nb201-", "nb201-x", "٣", "\x00"])
def test_what_is_no_cell_is_refused_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(CellError) as caught:
        parse_cell(text)
    assert len(caught.value.allowed) == 4
    assert caught.value.position is None


def test_a_text_too_long_is_refused() -> None:
    with pytest.raises(CellError, match="20,000 characters"):
        parse_cell("|none~0" * 5_000)


_WORDS = """| + ~ 0 1 2 none nor_conv_3x3 Genotype ( ) [ ] { } , : = normal reduce normal_concat
reduce_concat 'sep_conv_3x3' "none" range nb201- darts- ' " \\ # - . é"""
_pieces = st.sampled_from([*_WORDS.split(), " ", "\n", "\x00", "\ud800"])


def _outcome(read: Callable[[str], Cell], text: str) -> Cell | CellError:
    try:
        return read(text)
    except CellError as error:
        return error


def _check(outcome: Cell | CellError, text: str) -> None:
    if isinstance(outcome, CellError):
        assert outcome.text == text
        assert outcome.position is None or 0 <= outcome.position <= len(text)
        assert outcome.problem in str(outcome)
    else:
        assert parse_cell(outcome.arch) == outcome


@given(st.text() | st.lists(_pieces, max_size=40).map("".join))
def test_no_text_raises_anything_but_a_cell_error(text: str) -> None:
    for read in (parse_cell, nasbench201.parse, darts.parse):
        _check(_outcome(read, text), text)


@given(cells, st.data())
def test_a_cell_with_one_damaged_character_never_raises_anything_else(
    cell: Cell, data: st.DataObject
) -> None:
    position = data.draw(st.integers(0, len(cell.arch) - 1))
    character = data.draw(st.sampled_from("|+~[](){},=:'\"\\ 09az_-\x00é"))
    damaged = cell.arch[:position] + character + cell.arch[position + 1 :]
    _check(_outcome(parse_cell, damaged), damaged)


def test_an_error_survives_the_way_between_processes() -> None:
    error = CellError("bad", "text", 2, ["a", "b"])
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error) == "bad at position 2 of 'text'; allowed: a, b"
    assert (copy.text, copy.position, copy.allowed) == ("text", 2, ("a", "b"))


@pytest.mark.parametrize("position", [0, 40, 500, 999])
def test_a_message_shows_the_part_of_a_long_text_that_matters(position: int) -> None:
    text = "." * position + "X" + "." * (999 - position)
    message = str(CellError("bad", text, position))
    assert "X" in message
    assert len(message) < 130
