"""What a test speaker says and others have said in training: counted by the auditor, and kept apart where asked."""

import pytest

from ser_plugins.corpora.audit import LeakageError, audit
from ser_plugins.corpora.protocols import PARTS, PROTOCOLS, make_folds
from ser_plugins.corpora.spoken import said_in_training, text_disjoint, words_of

SAID = {
    "spk1": ["Yeah.", "What time is it?", None],
    "spk2": ["yeah", "I see", None],
    "spk3": ["YEAH!", "What time is it", "no"],
}


def manifest():
    return {
        f"{speaker}_{place}": {
            "speaker": speaker,
            "emotion": "anger",
            "transcript": text,
            "sha256": f"{speaker}{place}",
        }
        for speaker, texts in SAID.items()
        for place, text in enumerate(texts)
    }


def folds_of(protocol, select="last"):
    return make_folds(protocol.take(manifest()), protocol, select=select, target="emotion")


def test_the_auditor_says_how_much_of_what_is_tested_was_said_in_training():
    fold = folds_of(PROTOCOLS["loso"])["spk1"]
    assert said_in_training(fold["train"], fold["test"]) == (2, 2)
    assert "said in training too: 2 of 2 transcripts of test;" in audit(*(fold[part] for part in PARTS)).line


def test_where_nothing_is_written_down_the_auditor_says_nothing():
    train, test = ({f"u{n}": {"speaker": f"spk{n}", "sha256": str(n)}} for n in (1, 2))
    assert "said in training" not in audit(train, {}, test).line


@pytest.mark.parametrize("select", ["last", "inner_speaker"])
def test_apart_is_what_is_said_by_whomever_and_every_utterance_is_still_tested_once(select):
    protocol = text_disjoint(PROTOCOLS["loso"])
    folds = folds_of(protocol, select)
    assert [id_ for fold in folds.values() for id_ in fold["test"]] == list(manifest())
    for fold in folds.values():
        words = [{words_of(fields) for fields in fold[part].values()} - {""} for part in PARTS]
        assert not words[0] & words[2]
        assert not words[0] & words[1]
        line = audit(*(fold[part] for part in PARTS), disjoint=protocol.disjoint).line
        assert "disjoint: speaker" in line
        assert "words" in line
    if select == "last":  # an utterance without a transcript stays
        assert list(folds["spk1"]["train"]) == ["spk2_1", "spk2_2", "spk3_2"]


def test_a_fold_that_claims_it_and_is_not_so_fails_the_audit():
    protocol = text_disjoint(PROTOCOLS["loso"])
    fold = make_folds(protocol.take(manifest()), PROTOCOLS["loso"], target="emotion")["spk1"]
    with pytest.raises(LeakageError, match="words"):
        audit(*(fold[part] for part in PARTS), disjoint=protocol.disjoint)
