"""What a fold, a run and a summary hold: written and read again it is the same; else one error names the key."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from fake_predictions import FOLDS, write_fold
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from run_format import fold_record

from ser_plugins.errors import SerError
from ser_plugins.evaluation.report.run_summary import RunSummary
from ser_plugins.evaluation.report.summary import aggregate
from ser_plugins.evaluation.runs.fold_record import (
    AuxiliaryRecord,
    ChosenConfiguration,
    Counts,
    FoldRecord,
    Seal,
)
from ser_plugins.evaluation.runs.folds import read_run
from ser_plugins.evaluation.runs.run_protocol import RunProtocol
from ser_plugins.evaluation.runs.run_record import RunRecord

PATH = Path("results.json")
TEXT = st.text(max_size=6)
NUMBER = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12)
VALUES = st.dictionaries(TEXT, st.none() | st.booleans() | NUMBER | TEXT | st.lists(NUMBER, max_size=2), max_size=3)
WHOLE = st.integers(0, 9999)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
CLASSES = st.lists(TEXT, min_size=1, max_size=4, unique=True).map(tuple)
EPOCHS = st.lists(st.fixed_dictionaries({"epoch": WHOLE, "train_loss": NUMBER | st.none()}), max_size=3).map(tuple)
SCALES = st.sampled_from(["mosi", "chsims", "vad", "plain"])


@st.composite
def protocols(draw):
    number = draw(st.booleans())
    return RunProtocol(
        task="regression" if number else "classification",
        classes=() if number else draw(CLASSES),
        scale=draw(SCALES) if number else None,
        **{key: draw(TEXT) for key in ("corpus", "corpus_sha256", "protocol", "unit", "unit_field", "subset")},
        **{key: draw(TEXT) for key in ("selection", "normalisation")},
        **{key: draw(TEXTS) for key in ("folds", "disjoint", "statements", "pretrained")},
        **{key: draw(st.booleans()) for key in ("leaks", "transductive", "partial")},
        **{key: draw(WHOLE) for key in ("split_seed", "utterances")},
        target="own",
    )


@st.composite
def records(draw):
    auxiliary = draw(
        st.dictionaries(
            st.sampled_from(["valence", "arousal"]),
            st.builds(AuxiliaryRecord, scale=SCALES, metrics=st.none() | VALUES),
        )
    )
    constants = {"median": draw(NUMBER), "mean": draw(NUMBER), "majority": draw(st.none() | TEXT)}
    return FoldRecord(
        protocol=draw(protocols()),
        auxiliary=auxiliary,
        training=dict.fromkeys(["own", *auxiliary], constants),
        history=draw(EPOCHS),
        counts=draw(st.builds(Counts, train=WHOLE, valid=WHOLE, test=WHOLE, copies=WHOLE)),
        units=draw(st.dictionaries(TEXT, st.none() | TEXT, max_size=3)),
        metrics=draw(st.none() | VALUES),
        selected_epoch=draw(st.none() | WHOLE),
        checkpoint=draw(st.none() | TEXT),
        wall_time_s=draw(NUMBER),
        settings=draw(VALUES),
        sealed=draw(st.none() | st.builds(Seal, at=TEXT, sha256=st.dictionaries(TEXT, TEXT, max_size=2))),
        was_sealed=draw(st.none() | st.builds(Seal, at=TEXT, sha256=st.just({}), opened_at=TEXT)),
        chosen=draw(
            st.none() | st.builds(ChosenConfiguration, name=TEXT, weights=st.dictionaries(TEXT, NUMBER, max_size=2))
        ),
        **{key: draw(st.dictionaries(TEXT, TEXT, max_size=2)) for key in ("about_corpus", "versions")},
        **{key: draw(TEXT) for key in ("system", "fold", "audit", "device", "settings_sha256", "machine")},
        **{key: draw(WHOLE) for key in ("seed", "epochs", "parameters")},
    )


def through_a_file(content):
    """As a file gives it back."""
    return json.loads(json.dumps(content, allow_nan=False))


few = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)


@few
@given(records())
def test_a_fold_comes_back(record):
    assert FoldRecord.from_json(through_a_file(record.to_json()), PATH) == record


@few
@given(records())
def test_a_fold_of_the_schema_before_is_the_same(record):
    assert FoldRecord.from_json({**through_a_file(record.to_json()), "schema": 1}, PATH) == record


@few
@given(st.lists(records(), min_size=1, max_size=3), st.lists(WHOLE, max_size=2), TEXTS, st.none() | VALUES)
def test_a_run_comes_back_without_what_its_table_has(folds, equal_seeds, log, robustness):
    run = RunRecord(
        predictions_sha256="0" * 64,
        folds=tuple(folds),
        equal_seeds=tuple(equal_seeds),
        lockbox_log=log,
        robustness=robustness,
    )
    again = RunRecord.from_json(through_a_file(run.to_json()), PATH)
    kept = [
        replace(
            fold,
            units={},
            metrics=None,
            auxiliary={target: replace(part, metrics=None) for target, part in fold.auxiliary.items()},
        )
        for fold in folds
    ]
    assert again == replace(run, folds=tuple(kept))


def test_a_summary_comes_back(tmp_path):
    for fold in FOLDS:
        write_fold(tmp_path, fold)
    summary = aggregate(read_run(tmp_path))
    assert RunSummary.from_json(through_a_file(summary.to_json()), PATH) == summary
    with pytest.raises(SerError, match=r"results.json: schema 1; expected: the results of a run, schema 2: ser report"):
        RunSummary.from_json({**summary.to_json(), "schema": 1}, PATH)


RECORD = through_a_file(fold_record("a", 1, ["u"], ["joy"], ["joy"], ["joy", "fear"], ["a"], protocol={}))
OPTIONAL = {"about_corpus"}  # of the first records


@pytest.mark.parametrize("key", sorted(RECORD.keys() - OPTIONAL - {"schema"}))
def test_a_missing_key_is_named(key):
    with pytest.raises(SerError, match=rf"results.json: no {key}; expected: all the keys"):
        FoldRecord.from_json({name: value for name, value in RECORD.items() if name != key}, PATH)


@pytest.mark.parametrize("key", sorted(RECORD["protocol"]))
def test_a_missing_key_of_the_protocol_is_named(key):
    protocol = {name: value for name, value in RECORD["protocol"].items() if name != key}
    with pytest.raises(SerError, match=rf"results.json: no protocol\.{key}; expected: all the keys"):
        FoldRecord.from_json({**RECORD, "protocol": protocol}, PATH)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("seed", "1", "seed: '1'; expected: seed: a whole number"),
        ("seed", True, "seed: True; expected: seed: a whole number"),
        ("seed", 10**400, "seed: 1000000.*; expected: seed: a whole number"),
        ("wall_time_s", float("nan"), "wall_time_s: nan; expected: wall_time_s: a finite number"),
        ("checkpoint", 3, "checkpoint: 3; expected: checkpoint: a text, or null"),
        ("protocol", [], r"protocol: \[\]; expected: protocol: an object"),
        ("protocol", {**RECORD["protocol"], "leaks": 1}, "protocol.leaks: 1; expected: protocol.leaks: true or false"),
        ("protocol", {**RECORD["protocol"], "classes": ["joy", 2]}, r"protocol.classes\[1\]: 2; expected: .*: a text"),
        ("counts", {"train": 1}, "no counts.valid, counts.test; expected: all the keys"),
        ("counts", {"train": 1.5, "valid": 0, "test": 1}, "counts.train: 1.5; expected: counts.train: a whole number"),
        ("history", {}, "history: {}; expected: history: a list"),
        ("history", [{"epoch": 1}, {"lr": 1}], r"history\[1\]: {'lr': 1}; expected: numbers by name, `epoch` among"),
        ("history", [{"epoch": 1, "lr": "x"}], r"history\[0\].lr: 'x'; expected: history\[0\].lr: a finite number, or"),
        ("versions", {"torch": 2}, "versions.torch: 2; expected: versions.torch: a text"),
        ("auxiliary", {"valence": {}}, "no auxiliary.valence.scale; expected: all the keys"),
        ("auxiliary", {"valence": {"scale": "vad"}}, "no training.valence.median, training.valence.mean, training"),
    ],
)
def test_a_value_of_another_kind_is_named_with_what_belongs_there(key, value, message):
    with pytest.raises(SerError, match=rf"^got: results.json: {message}") as error:
        FoldRecord.from_json({**RECORD, key: value}, PATH)
    assert len(str(error.value)) < 500
