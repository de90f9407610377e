"""An experiment is resolved once; each of its trainings has the values that resolving for it alone would give."""

import pytest
from conftest import RECIPES, ROOT, train

from ser_plugins.errors import SerError
from ser_plugins.training import settings
from ser_plugins.training.experiment import Experiment
from ser_plugins.training.settings import resolve, texts_as_written

TRAININGS = ({}, {"fold": "Ses01F", "seed": 0}, {"fold": "03", "seed": 2**32 - 1})  # a third of the YAMLs each
YAML_FILES = sorted(ROOT.glob("recipes/*/hparams/*.yaml"))


def test_there_are_yamls_to_look_at():
    assert {path.parts[-3] for path in YAML_FILES} == set(RECIPES)


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_a_training_has_the_values_that_resolving_for_it_gives(path):
    overrides = {**texts_as_written(path), "results_folder": "my results", "normalisation": "utterance"}
    experiment = Experiment.of(path, overrides)
    training = TRAININGS[YAML_FILES.index(path) % len(TRAININGS)]
    values = experiment.values(**training)
    assert values == resolve(path, experiment.overrides_for(**training) if training else overrides)
    assert values["output_folder"].endswith(f"seed_{values['seed']}/{values['fold']}")


def test_nine_trainings_are_resolved_once(toy_emodb, tmp_path, monkeypatch):
    counted = []

    def counting(*arguments):
        counted.append(arguments)
        return genuine(*arguments)

    genuine = settings.resolve_references
    monkeypatch.setattr(settings, "_resolved", {})
    monkeypatch.setattr(settings, "resolve_references", counting)
    train(toy_emodb, tmp_path, "--seeds", "1,2,3", yaml_file="hparams/mfcc_svm.yaml", here=True)
    assert len(list(tmp_path.glob("mfcc_svm/loso/seed_*/*/results.json"))) == 9
    assert len(counted) == 3  # for the kinds of values that options may have, the experiment, and the check before it
    assert counted[1][1]["results_folder"] == str(tmp_path)


def test_a_key_that_the_yaml_lacks_is_named():
    with pytest.raises(SerError, match=r"got: --heds; expected: a key of .*bigru\.yaml, such as --heads"):
        Experiment.of(ROOT / "recipes/EmoDB/hparams/bigru.yaml", {"heds": 2})
