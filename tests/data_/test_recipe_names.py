"""Names of recipes: what a variation is called, and what trainings of earlier versions were."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.recipe_names import SETTINGS, as_named, as_trained, joined, may_be, of_parts, parted

VALUES = st.text(st.characters(codec="utf-8", exclude_characters="@"), min_size=1)


@given(st.text(st.characters(exclude_characters="@")), st.dictionaries(st.sampled_from([*SETTINGS]), VALUES))  # fmt: skip  # noqa: E501
def test_a_name_says_what_it_was_made_of_in_one_order(own: str, said: dict[str, str]) -> None:
    name = joined(own, said)
    assert parted(name) == (own, said)
    assert joined(own, dict(reversed(said.items()))) == name
    shuffled = "@".join([own, *reversed(name.split("@")[1:])])
    assert joined(*parted(shuffled)) == name


def test_the_order_is_batch_decay_precision_rate() -> None:
    said = {"lr": "0.05", "precision": "bfloat16", "decay": "batch", "batch": "80"}
    name = "nb201-12@batch=80@decay=batch@precision=bfloat16@lr=0.05"
    assert joined("nb201-12", said) == name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("proxy@", "allowed: batch=…, decay=…, precision=…, lr=…"),
        ("proxy@lr", "'lr' after @"),
        ("proxy@lr=", "'lr=' after @"),
        ("proxy@epochs=3", "'epochs=3' after @"),
        ("proxy@lr=1@lr=2", "lr is named twice"),
    ],
)
def test_what_no_name_says_is_refused(name: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"^") as caught:
        parted(name)
    assert said in str(caught.value)


def settings(**more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"batch": 256, "optimiser": {"decay": "epoch"}, "precision": "float32"}
    return found | more


BY_BATCH = {"optimiser": {"decay": "batch"}}
LEFT_OPEN = {"precision": "auto"}


@pytest.mark.parametrize(
    ("name", "recipe", "precision", "expected"),
    [
        ("nb201-12", settings(), "float32", "nb201-12"),
        ("nb201-12", settings(**BY_BATCH), "float32", "nb201-12@decay=batch"),
        ("nb201-200", settings(**BY_BATCH, **LEFT_OPEN), "bfloat16", "nb201-200@decay=batch@precision=bfloat16"),  # noqa: E501
        ("nb201-200", settings(**BY_BATCH, **LEFT_OPEN), "float32", "nb201-200@decay=batch"),
        ("nb201-12@lr=0.5", settings(**BY_BATCH), "float32", "nb201-12@decay=batch@lr=0.5"),
        ("nb201-12@precision=bfloat16", settings(precision="bfloat16"), "bfloat16", "nb201-12@precision=bfloat16"),  # noqa: E501
        # not begun: what it will compute in isn't known
        ("nb201-12", settings(**BY_BATCH, **LEFT_OPEN), None, "nb201-12@decay=batch@precision=auto"),  # noqa: E501
        # and when it has ended it is
        ("nb201-12@decay=batch@precision=auto", settings(**BY_BATCH, **LEFT_OPEN), "bfloat16", "nb201-12@decay=batch@precision=bfloat16"),  # noqa: E501
        ("nb201-12@decay=batch@precision=auto", settings(**BY_BATCH, **LEFT_OPEN), "float32", "nb201-12@decay=batch"),  # noqa: E501
        ("darts-600", settings(batch=80), "float32", "darts-600@batch=80"),
        ("darts-600", settings(batch=60), "float32", "darts-600"),
        # one's own: its file says the decay and the precision, unless it left that open
        ("mine", settings(**BY_BATCH), "float32", "mine"),
        ("mine", settings(precision="bfloat16"), "bfloat16", "mine"),
        ("mine", settings(**LEFT_OPEN), "bfloat16", "mine@precision=bfloat16"),
        ("mine", settings(**LEFT_OPEN), "float32", "mine"),
        # of a table: nothing is known, or the name is of no form of ours
        ("nb201-12", {"precision": "float32"}, None, "nb201-12"),
        ("someone@home", settings(**BY_BATCH), "bfloat16", "someone@home"),
    ],
)  # fmt: skip
def test_trainings_of_earlier_versions_are_called_what_they_were(
    name: str, recipe: dict[str, Any], precision: str | None, expected: str
) -> None:
    assert as_trained(name, recipe, precision) == expected
    assert as_trained(expected, recipe, precision) == expected
    assert may_be(name, expected)


@pytest.mark.parametrize(
    ("name", "before", "expected"),
    [
        ("nb201-12", settings(**BY_BATCH, **LEFT_OPEN), settings()),
        ("nb201-12", settings(**BY_BATCH), settings()),
        ("nb201-12@decay=batch@precision=bfloat16", settings(**BY_BATCH, **LEFT_OPEN), settings(**BY_BATCH, precision="bfloat16")),  # noqa: E501
        ("darts-600", settings(batch=80), settings(batch=60)),
        ("darts-600@batch=80", settings(batch=80, **LEFT_OPEN), settings(batch=80)),
        ("mine", settings(**BY_BATCH, **LEFT_OPEN), settings(**BY_BATCH)),
        # of a file, which may hold anything
        ("nb201-12", {"optimiser": 5}, {"optimiser": 5}),
        ("darts-600@batch=many", settings(), settings(batch="many")),
    ],
)  # fmt: skip
def test_settings_become_those_of_another_name(
    name: str, before: dict[str, Any], expected: dict[str, Any]
) -> None:
    told = as_named(name, json.dumps({"name": "before"} | before))
    assert json.loads(told) == {"name": name} | expected
    assert as_named(name, told) == told


BATCH = "nb201-12@decay=batch"
SHORT = f"{BATCH}@precision=bfloat16"


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("proxy", "darts-600"),
        ("nb201-12", "nb201-12@precision=bfloat16"),  # earlier ones had another decay too
        ("nb201-12", "nb201-12@decay=batch@lr=0.5"),
        ("nb201-12", "nb201-12@batch=80@decay=batch"),
        ("nb201-12@precision=bfloat16", BATCH),
        (BATCH, "nb201-12"),
        ("proxy@decay=epoch", "proxy@decay=batch"),
        ("someone@home", "someone@else"),
    ],
)
def test_what_no_earlier_version_made_of_a_name(asked: str, name: str) -> None:
    assert not may_be(asked, name)


@pytest.mark.parametrize(
    ("asked", "names", "expected"),
    [
        ("nb201-12", {BATCH}, BATCH),
        ("nb201-12@lr=0.5", {SHORT}, f"{SHORT}@lr=0.5"),
        ("nb201-12", {f"{BATCH}@lr=0.5", f"{BATCH}@lr=0.1"}, BATCH),
        ("nb201-12", {BATCH, SHORT}, f"{BATCH}@precision=auto"),
        ("mine", {"mine", "mine@precision=bfloat16"}, "mine@precision=auto"),
        ("nb201-12", {"nb201-12", BATCH}, "nb201-12"),
        ("nb201-12", {"nb201-12"}, "nb201-12"),
        ("proxy", {"mine"}, "proxy"),
        ("someone@home", {"someone@home"}, "someone@home"),
    ],
)
def test_a_study_is_called_what_its_parts_share(asked: str, names: set[str], expected: str) -> None:
    assert of_parts(asked, names) == expected
    assert of_parts(expected, names) == expected
