"""Recipes: those that come with Cellwise, one's own, and what is wrong with a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.training.recipes import (
    FOLDER,
    Recipe,
    RecipeError,
    adopt,
    available,
    builtin,
    find,
    rate_of,
    read_recipe,
)

OWN = """
epochs = 2
batch = 32
[network.darts]
channels = 4
cells = 3
[optimiser]
learning_rate = 0.1
"""


def test_the_benchmarks_recipes_are_as_published() -> None:
    for schedule in (12, 200):
        recipe = builtin()[f"nb201-{schedule}"]
        assert recipe.epochs == schedule
        assert recipe.batch == 256
        assert recipe.spaces == ("nasbench201",)
        network, sgd = recipe.network.nasbench201, recipe.optimiser
        assert network is not None
        assert (network.channels, network.cells) == (16, 5)
        assert (sgd.learning_rate, sgd.momentum, sgd.weight_decay) == (0.1, 0.9, 5e-4)
        assert sgd.nesterov
        assert sgd.decay == "epoch"
        assert recipe.precision == "float32"
        assert (recipe.augment.crop * 32, recipe.augment.crop * 16) == (4, 2)
        assert recipe.augment.flip
        assert recipe.augment.cutout == 0
        assert recipe.images.train is None


def test_the_papers_recipes_are_as_published() -> None:
    convergence, final = builtin()["darts-convergence"], builtin()["darts-600"]
    for recipe in (convergence, final):
        assert recipe.epochs == 600
        assert recipe.precision == "float32"
        assert recipe.spaces == ("darts",)
        network, sgd = recipe.network.darts, recipe.optimiser
        assert network is not None
        assert (network.channels, network.cells) == (36, 20)
        assert (sgd.learning_rate, sgd.momentum, sgd.weight_decay) == (0.025, 0.9, 3e-4)
        assert sgd.clip == 5
    assert (convergence.batch, final.batch) == (80, 60)  # of the paper's published code
    assert convergence.augment.cutout == 0
    assert convergence.network.darts is not None
    assert (convergence.network.darts.auxiliary, convergence.network.darts.drop_path) == (0, 0)
    assert final.augment.cutout * 32 == 16
    assert final.network.darts is not None
    assert (final.network.darts.auxiliary, final.network.darts.drop_path) == (0.4, 0.2)


def test_the_proxy_trains_both_spaces() -> None:
    assert builtin()["proxy"].spaces == ("nasbench201", "darts")


def test_a_recipe_of_ones_own_is_named_by_its_file(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "mine.toml").write_text(OWN)
    recipe = find("mine", tmp_path)
    assert recipe.name == "mine"
    recipes, faults = available(tmp_path)
    assert set(recipes) == {*builtin(), "mine"}
    assert faults == {}


def test_a_recipe_is_stored_whole() -> None:
    for recipe in builtin().values():
        again = Recipe.model_validate_json(recipe.model_dump_json())
        assert again == recipe
        assert again.digest == recipe.digest


def test_recipes_that_differ_in_a_setting_differ_in_digest() -> None:
    recipe = read_recipe(OWN, "mine", "mine.toml")
    assert read_recipe(OWN, "other", "other.toml").digest == recipe.digest
    for old, new in (("epochs = 2", "epochs = 3"), ("cells = 3", "cells = 4"), ("0.1", "0.2")):
        assert read_recipe(OWN.replace(old, new), "mine", "mine.toml").digest != recipe.digest


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epochs = ", "is not TOML"),
        (OWN.replace("epochs = 2", "epochs = 0"), "epochs = 0"),
        (OWN.replace("epochs = 2", 'epochs = "two"'), "epochs = 'two'"),
        (OWN.replace("epochs = 2", ""), "epochs is missing"),
        (OWN.replace("epochs", "epoch"), "did you mean epochs"),
        (OWN.replace("learning_rate = 0.1", "lr = 0.1"), "optimiser.lr is no setting"),
        (OWN.replace("learning_rate = 0.1", "learning_rate = nan"), "optimiser.learning_rate"),
        (OWN.replace("learning_rate = 0.1", "learning_rate = inf"), "optimiser.learning_rate"),
        (OWN.replace("[network.darts]", "[network.resnet]"), "network.resnet is no setting"),
        (OWN.replace("cells = 3", "cells = 2"), "network.darts.cells = 2"),
        (OWN + "[images]\nside = 2", "images.side = 2"),
        ('precision = "auto"\n' + OWN, "allowed: float32, tf32, bfloat16"),
        ('precision = "float16"\n' + OWN, "precision = 'float16'"),
        ('name = "x"\n' + OWN, "named by its file"),
        ("epochs = 1\nbatch = 2\n[network]\n[optimiser]\nlearning_rate = 1.0", "trains nothing"),
    ],
)
def test_a_bad_file_is_told_with_what_is_allowed(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "mine.toml").write_text(text)
    with pytest.raises(RecipeError, match=r"mine\.toml") as caught:
        find("mine", tmp_path)
    assert said in str(caught.value)
    recipes, faults = available(tmp_path)
    assert "mine" not in recipes
    assert said in faults["mine"]


def test_no_file_can_take_the_name_of_a_recipe_of_cellwise(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "proxy.toml").write_text(OWN)
    assert find("proxy", tmp_path) == builtin()["proxy"]
    assert "another file name" in available(tmp_path)[1]["proxy"]


@pytest.mark.parametrize("name", ["Mine", "my recipe", ".hidden", "ü"])
def test_names_of_files_are_checked(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.toml").write_text(OWN)
    with pytest.raises(RecipeError, match="can't name a recipe"):
        adopt(tmp_path / f"{name}.toml", tmp_path)


def test_a_recipe_in_another_precision_is_another_recipe(tmp_path: Path) -> None:
    short = find("nb201-12@precision=bfloat16", tmp_path)
    assert (short.name, short.precision) == ("nb201-12@precision=bfloat16", "bfloat16")
    own = builtin()["nb201-12"]
    assert short.digest != own.digest
    assert short == own.model_copy(update={"name": short.name, "precision": "bfloat16"})
    assert find("nb201-12@precision=float32", tmp_path) == own  # which is what it is


@pytest.mark.parametrize(
    "name",
    [
        "proxy@precision=bfloat16@lr=0.25",
        "proxy@lr=0.25@precision=bfloat16",
        "proxy@lr=0.250@precision=bfloat16",
    ],
)
def test_a_variation_has_one_name(name: str, tmp_path: Path) -> None:
    found = find(name, tmp_path)
    assert found.name == "proxy@precision=bfloat16@lr=0.25"
    assert (found.precision, found.optimiser.learning_rate) == ("bfloat16", 0.25)
    assert found == find("proxy@precision=bfloat16", tmp_path).at_rate(0.25)
    assert rate_of(found.name) == ("proxy@precision=bfloat16", 0.25)


def test_what_earlier_versions_trained_can_be_asked_for_by_its_name(tmp_path: Path) -> None:
    found = find("nb201-12@decay=batch", tmp_path)
    assert (found.optimiser.decay, found.optimiser.learning_rate) == ("batch", 0.1)
    assert find("darts-600@batch=80", tmp_path).batch == 80


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("proxy@lr=fast", "'fast' is no learning rate"),
        ("proxy@lr=-1", "optimiser.learning_rate = -1.0"),
        ("proxy@precision=float16", "precision = 'float16'; allowed: float32, tf32, bfloat16"),
        ("proxy@precision=auto", "allowed: float32, tf32, bfloat16"),
        ("proxy@decay=never", "optimiser.decay = 'never'"),
        ("proxy@batch=60.5", "'60.5' is no batch"),
        ("proxy@batch=1", "batch = 1"),
        ("proxy@epochs=3", "allowed: batch=…, decay=…, precision=…, lr=…"),
        ("proxy@lr=0.1@lr=0.2", "lr is named twice"),
        ("prxy@lr=0.1", "did you mean proxy"),
    ],
)
def test_a_variation_that_cannot_be_is_told_with_what_can(
    name: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError) as caught:
        find(name, tmp_path)
    assert said in str(caught.value)


def test_a_recipe_that_names_its_rate_takes_no_other(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"proxy@lr=0\.25 names its learning rate already"):
        find("proxy@lr=0.25", tmp_path).at_rate(0.5)


def test_the_precision_of_a_recipe_that_names_none_is_float32() -> None:
    assert read_recipe(OWN, "mine", "mine.toml").precision == "float32"
    for recipe in builtin().values():
        assert recipe.precision == "float32"


def test_jobs_of_earlier_versions_are_read_as_they_were() -> None:
    settings = builtin()["nb201-12"].model_dump() | {"precision": "auto"}
    assert Recipe.model_validate(settings).precision == "auto"


def test_an_unknown_recipe_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="did you mean proxy") as caught:
        find("prxy", tmp_path)
    assert "nb201-12" in str(caught.value)


@given(st.text())
def test_any_text_is_refused_with_the_name_of_its_file(text: str) -> None:
    """No text that is drawn at random is a whole recipe."""
    with pytest.raises(RecipeError, match=r"mine\.toml"):
        read_recipe(text, "mine", "mine.toml")


def test_a_recipe_refuses_the_cells_that_it_cannot_train() -> None:
    with pytest.raises(RecipeError, match="darts"):
        builtin()["nb201-12"].skeleton("darts")
    with pytest.raises(RecipeError, match="nasbench201"):
        builtin()["darts-600"].skeleton("nasbench201")


def test_a_file_from_elsewhere_is_kept_and_never_replaces_another(tmp_path: Path) -> None:
    home, file = tmp_path / "home", tmp_path / "mine.toml"
    file.write_text(OWN)
    recipe = adopt(file, home)
    assert find("mine", home) == recipe
    assert adopt(file, home) == recipe
    file.write_text(OWN.replace("epochs = 2", "epochs = 3"))
    with pytest.raises(RecipeError, match="another recipe"):
        adopt(file, home)
    assert find("mine", home) == recipe


@pytest.mark.parametrize("form", ["{0}", "../{1}", "./recipes/../../{1}"])
def test_a_name_is_never_a_path(form: str, tmp_path: Path) -> None:
    """A client elsewhere must not have the server read files, nor be told what stands in them."""
    file = tmp_path / "secret.toml"
    file.write_text('password = "open sesame"')
    with pytest.raises(RecipeError) as caught:
        find(form.format(file, file.name), tmp_path / "home")
    assert "sesame" not in str(caught.value)
    assert "no recipe" in str(caught.value)
