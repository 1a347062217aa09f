"""Reading the text forms of a genotype, token by token and without evaluating anything.

Two forms are read by one grammar: the field's, `Genotype(normal=[('sep_conv_3x3', 0), ...],
normal_concat=range(2, 6), reduce=[...], reduce_concat=[...])`, and a JSON object with the same
keys. What the values mean is for the caller to judge; here every value keeps its position.
"""

import re
from typing import NamedTuple

from analysis.errors import CellError

FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")

MAX_LENGTH = 20_000
"""Longest text read, in characters; the longest genotype there is takes about 1,500."""

_MAX_NUMBER = 99
_TOKEN = re.compile(
    r"""(?P<word>[A-Za-z_][A-Za-z0-9_-]*) | (?P<number>[0-9]+) | (?P<mark>[()\[\]{},:=])
      | '(?P<single>[^'\\\n]*)' | "(?P<double>[^"\\\n]*)" """,
    re.VERBOSE,
)
_BLANK = re.compile(r"\s*")
_CLOSING = {"(": ")", "[": "]"}


class Word(NamedTuple):
    """A name, with the position of its first character (a quoted one's: the quote)."""

    value: str
    position: int


class Number(NamedTuple):
    """A number, with the position of its first digit."""

    value: int
    position: int


class CellText(NamedTuple):
    """One cell as it was written."""

    pairs: list[tuple[Word, Number]]
    pairs_position: int
    concat: list[Number]
    concat_position: int


class GenotypeText(NamedTuple):
    """Both cells as they were written."""

    normal: CellText
    reduce: CellText


class _Token(NamedTuple):
    kind: str  # "word", "number", "mark", "quoted" or "end"
    value: str
    position: int

    def __str__(self) -> str:
        return "the end of the text" if self.kind == "end" else repr(self.value)


def read_genotype(text: str) -> GenotypeText:
    """Read either text form.

    Blanks, line breaks, the kind of brackets and quotes, the order of the fields and a comma after
    the last item do not matter. The field's form may stand behind `NAME =` or before a bare name,
    and either form may have a field `name`; these names are not kept, as a cell is told by its
    genotype.

    Raises:
        CellError: with the position of the first token that does not fit.
    """
    if len(text) > MAX_LENGTH:
        raise CellError(f"longer than {MAX_LENGTH:,} characters", text)
    return _Reader(text).genotype()


def _tokens(text: str) -> list[_Token]:
    tokens = []
    position = _skip_blanks(text, 0)
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            problem = f"{text[position]!r} starts neither a name, a number nor a quoted name"
            raise CellError(problem, text, position)
        kind = match.lastgroup or ""
        quoted = kind in ("single", "double")
        tokens.append(_Token("quoted" if quoted else kind, match[kind], position))
        position = _skip_blanks(text, match.end())
    tokens.append(_Token("end", "", len(text)))
    return tokens


def _skip_blanks(text: str, position: int) -> int:
    match = _BLANK.match(text, position)
    return match.end() if match else position


class _Reader:
    """Recursive descent over the tokens; one method per rule of the grammar."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.next = 0

    def peek(self) -> _Token:
        return self.tokens[self.next]

    def take(self, kind: str, *values: str) -> _Token:
        token = self.peek()
        if token.kind != kind or (values and token.value not in values):
            wanted = values or (f"a {kind}" if kind != "quoted" else "a name in quotes",)
            raise CellError(f"{token} does not fit", self.text, token.position, wanted)
        self.next += 1
        return token

    def skip(self, kind: str, *values: str) -> bool:
        token = self.peek()
        found = token.kind == kind and (not values or token.value in values)
        self.next += found
        return found

    def genotype(self) -> GenotypeText:
        if self.skip("mark", "{"):
            found = self.fields("quoted", ":", "}")
        else:
            if self.peek().value != "Genotype" and self.skip("word"):
                self.take("mark", "=")
            self.take("word", "Genotype")
            self.take("mark", "(")
            found = self.fields("word", "=", ")")
            self.skip("word")
        self.take("end")
        return found

    def fields(self, key_kind: str, separator: str, closing: str) -> GenotypeText:
        pairs: dict[str, tuple[list[tuple[Word, Number]], int]] = {}
        concats: dict[str, tuple[list[Number], int]] = {}
        wanted = [*FIELDS, "name"]
        while self.peek().value != closing:
            field = self.take(key_kind, *wanted).value
            wanted.remove(field)
            self.take("mark", separator)
            start = self.peek().position
            if field == "name":
                self.take(
                    *(("word", "null", "None") if self.peek().kind == "word" else ("quoted",))
                )
            elif field.endswith("concat"):
                concats[field] = self.numbers(), start
            else:
                pairs[field] = self.pairs(), start
            if not self.skip("mark", ","):
                break
        missing = [field for field in FIELDS if field in wanted]
        if missing:
            token = self.peek()
            raise CellError(f"{token} before every field", self.text, token.position, missing)
        self.take("mark", closing)
        return GenotypeText(
            CellText(*pairs["normal"], *concats["normal_concat"]),
            CellText(*pairs["reduce"], *concats["reduce_concat"]),
        )

    def pairs(self) -> list[tuple[Word, Number]]:
        closing = self.open()
        found = []
        while not self.skip("mark", closing):
            end_of_pair = self.open()
            operation = self.take("quoted")
            self.take("mark", ",")
            source = self.number()
            self.skip("mark", ",")
            self.take("mark", end_of_pair)
            found.append((Word(operation.value, operation.position), source))
            if not self.skip("mark", ","):
                self.take("mark", closing)
                break
        return found

    def numbers(self) -> list[Number]:
        if self.peek().kind == "word":
            return self.range()
        closing = self.open()
        found = []
        while not self.skip("mark", closing):
            found.append(self.number())
            if not self.skip("mark", ","):
                self.take("mark", closing)
                break
        return found

    def range(self) -> list[Number]:
        """`range(a, b)`: every number in it stands at the position of the word."""
        start = self.take("word", "range").position
        self.take("mark", "(")
        first = self.number()
        self.take("mark", ",")
        last = self.number()
        self.skip("mark", ",")
        self.take("mark", ")")
        return [Number(value, start) for value in range(first.value, last.value)]

    def open(self) -> str:
        return _CLOSING[self.take("mark", *_CLOSING).value]

    def number(self) -> Number:
        token = self.take("number")
        if len(token.value) > len(str(_MAX_NUMBER)):
            problem = f"{token} is no node number"
            raise CellError(problem, self.text, token.position, (f"0..{_MAX_NUMBER}",))
        return Number(int(token.value), token.position)
