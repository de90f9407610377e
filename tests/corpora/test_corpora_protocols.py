"""Laws of the protocols, over corpora made of names only."""

import pytest

from ser_plugins.corpora.audit import audit
from ser_plugins.corpora.protocols import (
    ALL,
    ALL_PAIRS,
    PROTOCOLS,
    RING,
    SELECTIONS,
    Protocol,
    by_field,
    choose,
    make_folds,
    take_subset,
)
from ser_plugins.errors import SerError

CLASSES = ("anger", "fear", "neutral")
TESTED = [name for name in PROTOCOLS if name != ALL]
CASES = [(name, select) for name in TESTED for select in SELECTIONS]


def corpus(speakers=5, sentences=6, takes=1):
    manifest = {}
    for speaker in range(speakers):
        for sentence in range(sentences):
            for emotion in CLASSES:
                for take in range(takes):
                    if (speaker, emotion) == (1, "fear"):
                        continue  # as EmoDB's speaker 08, who has no disgust
                    id_ = f"{speaker:02d}a{sentence:02d}{emotion}{take}"
                    fields = {"speaker": f"spk{speaker:02d}", "sentence": f"a{sentence:02d}", "emotion": emotion}
                    manifest[id_] = {"wav": f"{id_}.wav", **fields, "sha256": id_}
    return manifest


def folds_of(name, select="last", manifest=None, seed=0):
    manifest = corpus() if manifest is None else manifest
    return make_folds(manifest, PROTOCOLS[name], select=select, target="emotion", seed=seed)


@pytest.mark.parametrize(("name", "select"), CASES)
def test_every_utterance_is_tested_exactly_once_and_more_often_for_choosing(name, select):
    tested = [id_ for fold in folds_of(name, select).values() for id_ in fold["test"]]
    assert sorted(tested) == sorted([*corpus()] * {RING: 2, ALL_PAIRS: 4}.get(name, 1))


@pytest.mark.parametrize(("name", "select"), CASES)
def test_no_fold_leaks_what_its_protocol_claims(name, select):
    protocol = PROTOCOLS[name]
    for fold in folds_of(name, select).values():
        found = audit(**fold, disjoint=protocol.disjoint, leaks=protocol.leaks)
        assert set(protocol.disjoint) <= set(found.disjoint)
        assert found.line.startswith("LEAKING:" if protocol.leaks else "audit ok:")
        assert bool(fold["valid"]) == (select == "inner_speaker")


def test_all_trains_on_everything_and_holds_nothing_out():
    assert folds_of(ALL) == {ALL: {"train": corpus(), "valid": {}, "test": {}}}
    with pytest.raises(SerError, match="0 for valid"):
        dict(folds_of(ALL, "inner_speaker"))


@pytest.mark.parametrize("select", SELECTIONS)
@pytest.mark.parametrize("name", ["loso", "loso-sentence"])
def test_no_speaker_crosses_a_split(name, select):
    for fold in folds_of(name, select).values():
        train, valid, test = ({fields["speaker"] for fields in part.values()} for part in fold.values())
        assert len(test) == 1
        assert train.isdisjoint(test)
        assert train.isdisjoint(valid)
        assert valid.isdisjoint(test)


def test_loso_trains_on_everybody_else():
    for fold in folds_of("loso").values():
        assert len(fold["train"]) + len(fold["test"]) == len(corpus())


def test_inner_speaker_rotates_through_all_speakers():
    folds = folds_of("loso", "inner_speaker")
    validating = [{fields["speaker"] for fields in fold["valid"].values()} for fold in folds.values()]
    assert validating == [{"spk01"}, {"spk02"}, {"spk03"}, {"spk04"}, {"spk00"}]


def test_loso_sentence_tests_unseen_sentences():
    folds = folds_of("loso-sentence")
    assert list(folds)[:3] == ["spk00_s1", "spk00_s2", "spk01_s1"]
    for fold in folds.values():
        sentences = [{fields["sentence"] for fields in fold[part].values()} for part in ("train", "test")]
        assert not sentences[0] & sentences[1]
        assert len(sentences[0] | sentences[1]) == 6


def test_random_is_stratified_seeded_and_named_as_leaking():
    folds = folds_of("random", manifest=corpus(takes=2))
    assert PROTOCOLS["random"].leaks
    assert "leak" in PROTOCOLS["random"].unit
    assert list(folds) == [f"leaky{number:02d}" for number in range(1, 11)]
    for fold in folds.values():
        assert {fields["emotion"] for fields in fold["test"].values()} == set(CLASSES)
    assert folds == folds_of("random", manifest=corpus(takes=2))
    assert folds != folds_of("random", manifest=corpus(takes=2), seed=1)


def test_a_scene_partner_stays_out_of_training():
    """A corpus with sessions needs no new code: two actors share a scene, and only one of them is tested."""
    manifest = {
        f"Ses{session}{actor}{number}": {"speaker": f"{session}{actor}", "session": str(session), "emotion": "anger"}
        for session in (1, 2, 3)
        for actor in "FM"
        for number in range(3)
    }
    protocol = Protocol("speaker", by_field("speaker"), ("speaker", "session"))
    for select, trained in (("last", 4), ("inner_speaker", 2)):
        folds = make_folds(manifest, protocol, select=select, target="emotion")
        assert list(folds) == ["1F", "1M", "2F", "2M", "3F", "3M"]
        for fold in folds.values():
            assert len({fields["speaker"] for fields in fold["train"].values()}) == trained
            audit(**fold, disjoint=protocol.disjoint)


def fixed(parts="train train valid test"):
    return {
        f"u{place}": {"speaker": f"s{place}", "emotion": "fear", "mode": part}
        for place, part in enumerate(parts.split())
    }


def test_a_fixed_split_is_one_fold_named_after_its_protocol_and_never_trains_on_valid():
    official = Protocol("official split", split="mode", disjoint=("speaker",))
    assert official.selections == ("last", "valid")
    for select in official.selections:
        folds = make_folds(fixed(), official, select=select, target="emotion", name="official")
        assert {part: list(utterances) for part, utterances in folds["official"].items()} == {
            "train": ["u0", "u1"], "valid": ["u2"], "test": ["u3"],
        }  # fmt: skip
    with pytest.raises(SerError, match="select='inner_speaker'; expected: one of last, valid"):
        make_folds(fixed(), official, select="inner_speaker", target="emotion")


@pytest.mark.parametrize(
    ("parts", "select", "message"),
    [
        ("train dev test", "last", "mode of u1='dev'; expected: one of train, valid, test"),
        ("train train", "last", "mode: no utterance in test"),
        ("train test", "valid", "mode: no utterance in valid"),
    ],
)
def test_a_fixed_split_is_complete(parts, select, message):
    with pytest.raises(SerError, match=message):
        make_folds(fixed(parts), Protocol("official", split="mode"), select=select, target="emotion")


def test_a_protocol_takes_and_relabels_what_it_uses():
    merged = {"joy": "happy", "excited": "happy"}

    def relabel(fields):
        return {**fields, "emotion": merged[fields["label"]]} if fields["label"] in merged else None

    manifest = {label: {"label": label} for label in ("joy", "excited", "other")}
    assert Protocol("all", relabel=relabel).take(manifest) == {
        "joy": {"label": "joy", "emotion": "happy"},
        "excited": {"label": "excited", "emotion": "happy"},
    }
    assert Protocol("all").take(manifest) == manifest


def test_random_blocks_of_numbers_need_no_classes():
    numbers = {f"u{place}": {"speaker": "s", "score": place / 7} for place in range(20)}
    folds = make_folds(numbers, PROTOCOLS["random"], target="score")
    assert len(folds) == 10
    assert all(len(fold["test"]) == 2 for fold in folds.values())


def test_balanced50_takes_at_most_50_of_each_class():
    manifest = corpus(speakers=10, sentences=6)  # 60 anger, 54 fear, 60 neutral
    manifest = {id_: fields for id_, fields in manifest.items() if fields["emotion"] != "neutral" or "a00" in id_}
    subset = take_subset(manifest, "balanced50", target="emotion", seed=0)
    counts = {emotion: sum(fields["emotion"] == emotion for fields in subset.values()) for emotion in CLASSES}
    assert counts == {"anger": 50, "fear": 50, "neutral": 10}
    assert list(subset) == [id_ for id_ in manifest if id_ in subset]
    assert subset == take_subset(manifest, "balanced50", target="emotion", seed=0)
    assert subset != take_subset(manifest, "balanced50", target="emotion", seed=1)
    assert take_subset(manifest, "full", target="emotion") == manifest


@pytest.mark.parametrize(
    ("option", "value", "allowed", "options"),
    [
        ("protocol", "losso", PROTOCOLS, "loso, loso-sentence, loso-pairs, loso-all-pairs, random, all"),
        ("select", "test", SELECTIONS, "last, inner_speaker"),
    ],
)
def test_unknown_names_list_the_options(option, value, allowed, options):
    with pytest.raises(SerError, match=f"got: {option}='{value}'; expected: one of {options};"):
        choose(option, value, allowed)


def test_a_corpus_too_small_for_its_protocol_says_so():
    with pytest.raises(SerError, match="0 utterances left for train and 0 for valid"):
        dict(folds_of("loso", manifest=corpus(speakers=1)))
    with pytest.raises(SerError, match="0 utterances left for train and 2 for valid; expected: some of each"):
        dict(folds_of("loso-sentence", "inner_speaker", manifest=corpus(sentences=2)))
    with pytest.raises(SerError, match="a class with one utterance"):
        folds_of("random", manifest=dict(list(corpus().items())[:3]))
