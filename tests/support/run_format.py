"""What training writes of a fold today, for runs that tests make up; test_training.py holds it against a real one."""

from pathlib import Path

from ser_plugins.evaluation.metrics.classification import classification_metrics
from ser_plugins.evaluation.runs.fold_record import FoldRecord
from ser_plugins.evaluation.runs.run_protocol import RunProtocol


def run_protocol(**fields) -> RunProtocol:
    """How a run of two folds was tested; the rest as given."""
    content = fold_record("a", 1, ["u"], ["joy"], ["joy"], ["joy", "fear"], ["a", "b"], protocol=fields)
    return FoldRecord.from_json(content, Path("results.json")).protocol


def fold_record(fold, seed, ids, true, predicted, classes, folds, *, protocol, **fields) -> dict:
    """The content of ``results.json``: one speaker per fold, emotions, the last epoch; the rest as given.

    ``protocol`` and ``fields`` hold what is to be otherwise, by the keys of the file.
    """
    return {
        "schema": 2,
        "system": "bigru_mha",
        "fold": fold,
        "seed": seed,
        "protocol": {
            "corpus": "EmoDB",
            "corpus_sha256": "0123456789abcdef",
            "classes": list(classes),
            "target": "emotion",
            "protocol": "loso",
            "unit": "speaker",
            "subset": "full",
            "selection": "last",
            "split_seed": 0,
            "disjoint": ["speaker"],
            "leaks": False,
            "folds": list(folds),
            "utterances": len(ids) * len(folds),
            "task": "classification",
            "scale": None,
            "unit_field": "speaker",
            "partial": False,
            "statements": [],
            "normalisation": "bin",
            "transductive": False,
            **protocol,
        },
        "about_corpus": {
            "licence": "CC0-1.0",
            "citation": "Burkhardt et al.: A Database of German Emotional Speech. Interspeech 2005",
            "language": "de",
            "speech": "acted speech in German",
        },
        "audit": "audit ok: speakers disjoint",
        "units": dict.fromkeys(ids, fold),
        "training": {"emotion": {}},
        "counts": {"train": 48, "valid": 0, "test": len(ids)},
        "metrics": classification_metrics(list(true), list(predicted), classes),
        "auxiliary": {},
        "history": [{"epoch": 1, "lr": 1e-4, "train_loss": 1.9}],
        "epochs": 1,
        "selected_epoch": 1,
        "checkpoint": "save/CKPT+2026-01-01+00-00-00+00",
        "parameters": 1234567,
        "wall_time_s": 60.0,
        "device": "cpu",
        "settings": {"lr": 1e-4},
        "settings_sha256": "feedbeef00",
        "machine": "2 cores",
        "versions": {"python": "3.12.3", "torch": "2.11.0", "speechbrain": "1.1.2", "ser_plugins": "0.1.0"},
        **fields,
    }
