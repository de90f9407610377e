"""A nested selection in this process, as a recipe's nested.py does."""

from importlib import import_module

import pytest
from conftest import ROOT

from ser_plugins.training import recipe
from ser_plugins.training.nested import nested

LIST = """
name: chosen
configurations:
  rbf: {yaml: hparams/mfcc_svm.yaml}
  weak: {yaml: hparams/mfcc_svm.yaml, C: 0.0001}
  both: {fuse: {rbf: 1, weak: 2}}
"""


def run_nested(corpus, folder, *options, content=LIST):
    """Run the list ``content``, its folds without workers; the folder of its results."""
    listed = folder / "list.yaml"
    listed.write_text(content, encoding="utf-8")
    where = ["--data_folder", str(corpus), "--results_folder", str(folder / "results")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "_workers", lambda *_: 0)
        nested(
            [str(listed), *where, *options],
            prepare=import_module("emodb_prepare").prepare_emodb,
            script=str(ROOT / "recipes/EmoDB/nested.py"),
        )
    return folder / "results" / "chosen"
