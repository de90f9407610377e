"""The text of a model card, ``README.md``: ``model.json`` in words. Every number comes from there."""

from ser_plugins.cautions import caution_note
from ser_plugins.evaluation.metrics.tasks import task_of
from ser_plugins.evaluation.report.tables import (
    baseline_rows,
    headline_columns,
    interval_text,
    markdown_table,
    pretrained_notes,
)
from ser_plugins.export.card_parts import by_corpus, strangers, training_corpora, under_stress
from ser_plugins.export.front_matter import front_matter
from ser_plugins.export.licences import licence_of
from ser_plugins.inference.model_card import ModelCard
from ser_plugins.plain import code, markdown
from ser_plugins.scores import percent


def card_text(card: ModelCard) -> str:
    """Write the card in markdown, with the header that the Hugging Face hub reads."""
    words = _unmeasured(card) if card.metrics is None else _measured_card(card)
    return f"{front_matter(card)}\n{words}"


def _measured_card(card):
    task = task_of(card.task, card.classes, card.scale)
    parts = [
        f"# {markdown(card.system)}: {_what(card)} from a recording ({markdown(card.corpus)})",
        *(f"> {caution_note(word, card.unit_field)}" for word in card.cautions),
        *(f"> {note}" for note in pretrained_notes(card.pretrained, card.corpus)),
        *(f"> {markdown(statement)}" for statement in card.statements),
        _takes(card, task),
        "## Trained on",
        _trained(card),
        *training_corpora(card.corpora),
        *_encoders(card),
        *_corpus(card),
        "## Measured",
        _measured(card),
        _table(card, task),
        _this_model(card, task),
        *_per_class(card),
        *by_corpus(card),
        *_calibration(card),
        *_conditions(card),
        f"Protocol{_hash(card)}: {markdown(card.protocol_line)}",
        f"Audit of the split: {markdown(card.audit)}",
        *strangers(card),
        *under_stress(card),
        "## Limits",
        _limits(card),
        "## How to load",
        _load(card),
        "## Versions",
        "Trained with " + _versions(card.versions) + "; exported with " + _versions(card.exported_with) + ".",
    ]
    return "\n\n".join(parts) + "\n"


def _unmeasured(card):
    """The card of a model that only its owner's recipe knows anything about."""
    parts = [
        f"# {markdown(card.system)}: {_what(card)} from a recording",
        "> **NOT MEASURED**: trained by a recipe of its own. Nothing is known here of how well it does, on what it was "
        "tested, or whether speakers of a test were in training.",
        *(f"> {note}" for note in pretrained_notes(card.pretrained, card.corpus)),
        _takes(card, task_of(card.task, card.classes, card.scale)),
        "## Trained on",
        f"{markdown(card.corpus)}.",
        *_encoders(card),
        *under_stress(card),
        "## Limits",
        _limits(card),
        "## How to load",
        _load(card),
        "## Versions",
        "Exported with " + _versions(card.exported_with) + ".",
    ]
    return "\n\n".join(parts) + "\n"


def _encoders(card):
    licence = "MIT licence, copyright (c) 2022 OpenAI, as `LICENSE.whisper` beside the weights says"
    unknown = "their licence is not known here: ask whoever published them"
    return [
        f"It hears with the lower layers of {markdown(name)} (Radford et al., ICML 2023), whose weights are inside "
        f"({licence if licence_of(name) else unknown}). Plain SpeechBrain hands it no lengths: give it one recording "
        "at a time there."
        for name in card.pretrained
    ]


def _corpus(card):
    if card.corpora:
        return []  # each has a line of its own
    about = card.about_corpus
    corpus = markdown(card.corpus)
    lines = {f"Licence of {corpus}": about.licence, f"To cite for {corpus}": about.citation}
    return [f"{line}: {markdown(text)}." for line, text in lines.items() if text]


def _load(card):
    text = _LOAD_WITH_TEXT if card.reads else _LOAD
    return text.format(rate=card.sample_rate, without=_WITHOUT.get(card.reads), **_CALLS[card.task])


def _takes(card, task):
    kept = _KEPT.get(card.precision, card.precision)
    return (
        f"Takes one utterance ({card.sample_rate} Hz, mono, at least {card.min_seconds:.3g} s)"
        f"{_AND_TEXT.get(card.reads, '')} and gives {_gives(card, task)}. "
        f"{card.parameters:,} parameters, kept in {kept}."
    )


def _what(card):
    return f"{len(card.classes)} emotions" if card.classes else card.target


def _gives(card, task):
    if card.classes:
        return f"the probabilities of: {markdown(', '.join(card.classes))}"
    return task.describe(card.target)


def _trained(card):
    corpus = markdown(card.corpus)
    if card.members:
        return f"{corpus}. {len(card.members)} models, whose outputs are averaged: {markdown(', '.join(card.members))}."
    trained = card.this_model
    how = f"seed {trained.seed}" + ("" if trained.epoch is None else f", epoch {trained.epoch}")
    count = f"{corpus}: {trained.train_utterances} utterances"
    if trained.metrics is None:
        return f"{count}, all that there are ({how}). Nothing was held out."
    return (
        f"{count}, everything that fold {code(trained.fold)} trains on ({how}). The fold's {trained.test_utterances} "
        f"test utterances were held out. This model was chosen so: {trained.chosen}."
    )


def _this_model(card, task):
    if card.members:
        return "The mean itself was not measured: of every utterance most members have seen the speaker."
    trained = card.this_model
    if trained.metrics is None:
        return "This very model has seen all of the corpus, so nothing is left to test it on."
    scores = ", ".join(
        f"{score.label} {score.text(trained.metrics[key], 2)}{score.unit}" for key, score in task.scores.items()
    )
    return f"This very model, on the {trained.test_utterances} utterances it was not trained on: {scores}."


def _calibration(card):
    calibration = card.calibration
    if not calibration or not calibration["calibrated"]:
        return []
    steps = [row for row in calibration["calibrated"]["coverage"] if row["accuracy"] is not None]
    columns = [(f"{row['abstain_below']:g}", percent(row["coverage"]), percent(row["accuracy"])) for row in steps[::2]]
    names = ("abstaining below", "answered (%)", "rightly, of those (%)")
    return [
        f"Probabilities are calibrated: the logits are divided by {card.temperature:.3g}, fitted on those "
        f"predictions. The expected calibration error ({calibration['bins']} bins) was "
        f"{percent(calibration['raw']['ECE'])} % before and {percent(calibration['calibrated']['ECE'])} % with the "
        f"temperature of the other {card.unit_field}s.",
        markdown_table(list(names), columns),
    ]


def _conditions(card):
    robustness = card.robustness
    if not robustness:
        return []
    rows = [
        [name, percent(row["WA"]), percent(row["UAR"]), f"{row['no_speech']:g}"]
        for name, row in robustness["conditions"].items()
    ]
    return [
        "## Under other conditions",
        f"The model of every fold judged its own test recordings, {robustness['recordings']} of them, changed by code: "
        "real rooms, noises and telephones were not tried. Recordings in which no speech was heard count as wrong.",
        markdown_table(["condition", "WA (%)", "UAR (%)", "no speech heard"], rows),
        f"A timeline of the test recordings of a fold behind one another, with half a second of silence "
        f"between, had the right label for {percent(robustness['timeline'])} % of the speech.",
    ]


def _measured(card):
    if card.whole_protocol:
        relation = "is one of those" if card.this_model.metrics else "was trained so on all of them"
        relation = "is the mean of such" if card.members else relation
        return (
            f"The whole protocol, every fold tested by a model that had not seen it, {card.tested_utterances} "
            f"utterances pooled (mean over the seeds). It measures the way of training; this model {relation}."
        )
    return (
        f"**One fold only** ({card.tested_utterances} utterances): the other folds were missing when this was "
        f"exported. One fold says little about {card.unit_field}s in general."
    )


def _table(card, task):
    scores = task.scores.items()
    rows = [
        ["measured", *(score.text(card.metrics[key], 2) for key, score in scores)],
        ["95 % interval", *(interval_text(card.intervals[key], score) for key, score in scores)],
        *baseline_rows(task, card.baselines),
    ]
    labels = {}
    for key, score in scores:
        labels.setdefault(card.intervals_made_by[key], []).append(score.label)
    made_by = "; ".join(f"{', '.join(names)}: {how}" for how, names in labels.items())
    return f"{markdown_table(headline_columns(task), rows)}\n\n{task.note} Intervals: {made_by}."


def _per_class(card):
    if not card.per_class:
        return []
    recalls = (f"{markdown(name)} {percent(row['recall'])}" for name, row in card.per_class.items())
    return ["Recall per class (%): " + ", ".join(recalls) + "."]


def _hash(card):
    return f" {code(card.protocol_hash)}" if card.protocol_hash else ""


def _versions(versions):
    return ", ".join(f"{name} {number}" for name, number in versions.items())


def _limits(card):
    speech = markdown(card.about_corpus.speech) or f"recordings such as those of {markdown(card.corpus)}"
    if card.synthetic:
        speech = "sounds made by code"
    conditions = " and other microphones" if card.robustness else ", other microphones, noise and telephones"
    own = f" Of recordings of your own expect what was {markdown(card.strangers_line)}." if card.strangers else ""
    always = (
        "chooses one of its classes for what sounds like speech, unless told to abstain; in plain SpeechBrain and as "
        f"an ONNX file for any sound. {_TRUST[bool(card.calibration)]}"
        if card.classes
        else "gives a number for what sounds like speech, and nothing says how sure it is"
    )
    return (
        f"- It knows {speech}. Spontaneous speech, other languages{conditions} are outside what was measured; expect "
        f"it to be worse there, and to be confident all the same.{own}\n"
        f"- It always {always}.\n"
        "- An emotion heard in a voice is not the emotion of the person.\n"
        "- Not to be used to judge people: not in hiring, work, school, policing, border control, credit, insurance or "
        "health, and not on recordings of people who do not know of it."
    )


_KEPT = {"int8": "8 bits (the encoder's matrices) and float16"}
_TRUST = {
    True: "The probabilities are calibrated for such recordings as it was measured on, and for no others",
    False: "The probabilities are not calibrated",
}
_CALLS = {
    "classification": {
        "face": "EmotionClassifier",
        "values": "label, probability, probabilities",
        "plainly": "logarithms of the same probabilities",
        "outputs": "log_probabilities",
    },
    "regression": {
        "face": "SentimentRegressor",
        "values": "score, polarity",
        "plainly": "the same number as `score`",
        "outputs": "outputs",
    },
}
_LOAD = """With ser_plugins (nothing in the folder is executed; bad audio is refused with a reason):

```python
from ser_plugins.inference import {face}

model = {face}.from_hparams("PATH/OF/THIS/FOLDER")
{values} = model.predict_file("speech.wav")
```

With plain SpeechBrain (ser_plugins installed beside it; gives {plainly}, for recordings at {rate} Hz).
Plain SpeechBrain runs what a folder's YAML says: load only folders there that you trust or that
`ser models --strict FOLDER` has called harmless.

```python
from speechbrain.inference.classifiers import EncoderClassifier

model = EncoderClassifier.from_hparams(source="PATH/OF/THIS/FOLDER", savedir="CACHE/FOLDER")
{outputs}, score, index, labels = model.classify_file("speech.wav")
```

Or in a terminal: `ser classify speech.wav --model PATH/OF/THIS/FOLDER`"""
_AND_TEXT = {
    "alone": ", of which it reads the transcript alone,",
    "too": ", and its transcript where there is one,",
}
_WITHOUT = {
    "alone": "The model reads the text alone: without it there is no answer, and the sound only has to hold speech.",
    "too": "The text may be left out; the sound is then judged alone.",
}
_LOAD_WITH_TEXT = """With ser_plugins (nothing in the folder is executed; bad audio is refused with a reason):

```python
from ser_plugins.inference import {face}

model = {face}.from_hparams("PATH/OF/THIS/FOLDER")
{values} = model.predict_file("speech.wav", "what is said in it")
```

{without} SpeechBrain's own interface has no place for a text.

Or in a terminal: `ser classify speech.wav --model PATH/OF/THIS/FOLDER --text "what is said in it"`"""
