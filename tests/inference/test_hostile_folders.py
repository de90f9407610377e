"""Whatever lies in a folder, loading it gives a model or one clear error, and runs nothing."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hostile_folders import good_models, hostile
from hypothesis import given
from hypothesis import strategies as st

from ser_plugins.errors import SerError
from ser_plugins.inference import BOX
from ser_plugins.inference.constructors import construct
from ser_plugins.inference.description import read_description, write_description
from ser_plugins.inference.loading import load_model
from ser_plugins.inference.model_card import read_card

YAML = (BOX / "hyperparams.yaml").read_text(encoding="utf-8")
CARD = json.loads((BOX / "model.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return good_models(tmp_path_factory.mktemp("models"))


def test_every_kind_of_hostile_folder_is_one_error(models, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    seen = 0
    for name, folder in hostile(models, tmp_path):
        with pytest.raises(SerError) as caught:
            pytest.fail(f"{name} was loaded: {load_model(folder)}")
        assert str(folder) in caught.value.got, name
        assert "\n" not in str(caught.value), name
        assert len(str(caught.value)) < 2000, name
        seen += 1
    assert seen >= 700
    assert not list(Path().iterdir())


PIECES = st.text(max_size=30) | st.sampled_from(
    ["!new:", "!!python/name:os.system", "(1)", "\n", "    ", ": ", "0", "1.0e+5", "true", "null", "!ref <x>", "---\n"]
)


@given(st.integers(0, len(YAML)), st.integers(0, 40), PIECES)
def test_a_changed_yaml_is_refused_or_is_an_export_too(place, cut, piece):
    content = (YAML[:place] + piece + YAML[place + cut :]).encode("utf-8", "surrogatepass")
    try:
        description = read_description(content, "hyperparams.yaml")
        construct(description, "hyperparams.yaml")
    except SerError:
        return
    without_gaps = [line for line in content.decode("ascii").split("\n") if line and not line.startswith("#")]
    again = write_description(description).split("\n")
    assert without_gaps == [line for line in again if line and not line.startswith("#")]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(CARD)), JSON, max_size=3))
def test_a_changed_card_is_refused_or_read(changes):
    with suppress(SerError):
        card = read_card(json.dumps({**CARD, **changes}).encode(), "model.json")
        assert read_card(json.dumps(card.to_json()).encode(), "model.json") == card


@given(st.binary(max_size=60))
def test_any_bytes_as_a_card_are_one_error(content):
    with pytest.raises(SerError, match=r"model.json"):
        read_card(content, "model.json")
