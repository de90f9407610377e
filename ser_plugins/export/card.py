"""The model card: ``model.json`` in words. Every number comes from there."""

from ser_plugins.evaluation.metrics.scores import percent
from ser_plugins.evaluation.metrics.tasks import tasks_of
from ser_plugins.evaluation.report.tables import (
    baseline_rows,
    headline_columns,
    interval_text,
    markdown_table,
    pretrained_notes,
)
from ser_plugins.export.front_matter import front_matter
from ser_plugins.export.licences import licence_of
from ser_plugins.plain import code, markdown

_SYNTHETIC = (
    "**SYNTHETIC**: trained and tested on sounds made by code, not on speech. It shows that the software works and "
    "says nothing about emotions in anyone's voice."
)
_LEAKING = "**LEAKING**: test speakers were also in training. The numbers show the leak and measure nothing else."
_TRANSDUCTIVE = "**TRANSDUCTIVE**: the normalisation has seen the test speaker's own utterances."
_PARTIAL = "**PARTIAL**: trained and tested on a part of the corpus only."


def model_card(facts: dict) -> str:
    """Write the card in markdown, with the header that the Hugging Face hub reads.

    Arguments
    ---------
    facts : dict
        The content of ``model.json``.
    """
    words = _unmeasured(facts) if facts["metrics"] is None else _measured_card(facts)
    return f"{front_matter(facts)}\n{words}"


def _measured_card(facts):
    scores, task = facts["this_model"], tasks_of(facts)[facts["target"]]
    kinds = {"synthetic": _SYNTHETIC, "leaking": _LEAKING, "transductive": _TRANSDUCTIVE, "partial": _PARTIAL}
    parts = [
        f"# {markdown(facts['system'])}: {_what(facts)} from a recording ({markdown(facts['corpus'])})",
        *(f"> {text}" for key, text in kinds.items() if facts[key]),
        *(f"> {note}" for note in pretrained_notes(facts)),
        *(f"> {markdown(statement)}" for statement in facts["statements"]),
        _takes(facts, task),
        "## Trained on",
        _trained(facts, scores),
        *_encoders(facts),
        *_corpus(facts),
        "## Measured",
        _measured(facts),
        _table(facts, task),
        _this_model(facts, scores, task),
        *_per_class(facts),
        *_calibration(facts),
        *_conditions(facts),
        f"Protocol{_hash(facts)}: {markdown(facts['protocol_line'])}",
        f"Audit of the split: {markdown(facts['audit'])}",
        "## Limits",
        _limits(facts),
        "## How to load",
        _LOAD.format(rate=facts["sample_rate"], **_CALLS[facts["task"]]),
        "## Versions",
        "Trained with " + _versions(facts["versions"]) + "; exported with " + _versions(facts["exported_with"]) + ".",
    ]
    return "\n\n".join(parts) + "\n"


def _unmeasured(facts):
    """The card of a model that only its owner's recipe knows anything about."""
    parts = [
        f"# {markdown(facts['system'])}: {_what(facts)} from a recording",
        "> **NOT MEASURED**: trained by a recipe of its own. Nothing is known here of how well it does, on what it was "
        "tested, or whether speakers of a test were in training.",
        *(f"> {note}" for note in pretrained_notes(facts)),
        _takes(facts, tasks_of(facts)[facts["target"]]),
        "## Trained on",
        f"{markdown(facts['corpus'])}.",
        *_encoders(facts),
        "## Limits",
        _limits(facts),
        "## How to load",
        _LOAD.format(rate=facts["sample_rate"], **_CALLS[facts["task"]]),
        "## Versions",
        "Exported with " + _versions(facts["exported_with"]) + ".",
    ]
    return "\n\n".join(parts) + "\n"


def _encoders(facts):
    licence = "MIT licence, copyright (c) 2022 OpenAI, as `LICENSE.whisper` beside the weights says"
    unknown = "their licence is not known here: ask whoever published them"
    return [
        f"It hears with the lower layers of {markdown(name)} (Radford et al., ICML 2023), whose weights are inside "
        f"({licence if licence_of(name) else unknown}). Plain SpeechBrain hands it no lengths: give it one recording "
        "at a time there."
        for name in facts.get("pretrained", ())
    ]


def _corpus(facts):
    about, corpus = facts.get("about_corpus", {}), markdown(facts["corpus"])
    words = {"licence": f"Licence of {corpus}", "citation": f"To cite for {corpus}"}
    return [f"{word}: {markdown(about[key])}." for key, word in words.items() if key in about]


def _takes(facts, task):
    kept = _KEPT.get(facts["precision"], facts["precision"])
    return (
        f"Takes one utterance ({facts['sample_rate']} Hz, mono, at least {facts['min_seconds']:.3g} s) and gives "
        f"{_gives(facts, task)}. {facts['parameters']:,} parameters, kept in {kept}."
    )


def _what(facts):
    return f"{len(facts['classes'])} emotions" if facts["classes"] else facts["target"]


def _gives(facts, task):
    if facts["classes"]:
        return f"the probabilities of: {markdown(', '.join(facts['classes']))}"
    return task.describe(facts["target"])


def _trained(facts, mine):
    corpus = markdown(facts["corpus"])
    if members := facts.get("members"):
        return f"{corpus}. {len(members)} models, whose outputs are averaged: {markdown(', '.join(members))}."
    how = f"seed {mine['seed']}, epoch {mine['epoch']}"
    count = f"{corpus}: {mine['train_utterances']} utterances"
    if mine["metrics"] is None:
        return f"{count}, all that there are ({how}). Nothing was held out."
    return (
        f"{count}, everything that fold {code(mine['fold'])} trains on ({how}). The fold's {mine['test_utterances']} "
        f"test utterances were held out. This model was chosen so: {mine['chosen']}."
    )


def _this_model(facts, mine, task):
    if facts.get("members"):
        return "The mean itself was not measured: of every utterance most members have seen the speaker."
    if mine["metrics"] is None:
        return "This very model has seen all of the corpus, so nothing is left to test it on."
    scores = ", ".join(
        f"{score.label} {score.text(mine['metrics'][key], 2)}{' %' * score.percent}"
        for key, score in task.scores.items()
    )
    return f"This very model, on the {mine['test_utterances']} utterances it was not trained on: {scores}."


def _calibration(facts):
    calibration = facts["calibration"]
    if not calibration or not calibration["calibrated"]:
        return []
    steps = [row for row in calibration["calibrated"]["coverage"] if row["accuracy"] is not None]
    columns = [(f"{row['abstain_below']:g}", percent(row["coverage"]), percent(row["accuracy"])) for row in steps[::2]]
    names = ("abstaining below", "answered (%)", "rightly, of those (%)")
    return [
        f"Probabilities are calibrated: the logits are divided by {facts['temperature']:.3g}, fitted on those "
        f"predictions. The expected calibration error ({calibration['bins']} bins) was "
        f"{percent(calibration['raw']['ECE'])} % before and {percent(calibration['calibrated']['ECE'])} % with the "
        f"temperature of the other {facts['unit_field']}s.",
        markdown_table(list(names), columns),
    ]


def _conditions(facts):
    robustness = facts.get("robustness")
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
        f"A timeline of the recordings of one {facts['unit_field']} behind one another, with half a second of silence "
        f"between, had the right label for {percent(robustness['timeline'])} % of the speech.",
    ]


def _measured(facts):
    if facts["whole_protocol"]:
        this = "is one of those" if facts["this_model"]["metrics"] else "was trained so on all of them"
        this = "is the mean of such" if facts.get("members") else this
        return (
            f"The whole protocol, every fold tested by a model that had not seen it, {facts['tested_utterances']} "
            f"utterances pooled (mean over the seeds). It measures the way of training; this model {this}."
        )
    return (
        f"**One fold only** ({facts['tested_utterances']} utterances): the other folds were missing when this was "
        f"exported. One fold says little about {facts['unit_field']}s in general."
    )


def _table(facts, task):
    scores = task.scores.items()
    rows = [
        ["measured", *(score.text(facts["metrics"][key], 2) for key, score in scores)],
        ["95 % interval", *(interval_text(facts["intervals"][key], score) for key, score in scores)],
        *baseline_rows(task, facts),
    ]
    labels = {}
    for key, score in scores:
        labels.setdefault(facts["intervals_made_by"][key], []).append(score.label)
    made_by = "; ".join(f"{', '.join(names)}: {how}" for how, names in labels.items())
    return f"{markdown_table(headline_columns(task), rows)}\n\n{task.note} Intervals: {made_by}."


def _per_class(facts):
    if not facts["per_class"]:
        return []
    recalls = (f"{markdown(name)} {percent(row['recall'])}" for name, row in facts["per_class"].items())
    return ["Recall per class (%): " + ", ".join(recalls) + "."]


def _hash(facts):
    return f" {code(facts['protocol_hash'])}" if facts["protocol_hash"] else ""


def _versions(versions):
    return ", ".join(f"{name} {number}" for name, number in versions.items())


def _limits(facts):
    recordings = f"recordings such as those of {markdown(facts['corpus'])}"
    known = markdown(facts.get("about_corpus", {}).get("speech", recordings))
    speech = "sounds made by code" if facts["synthetic"] else known
    conditions = " and other microphones" if "robustness" in facts else ", other microphones, noise and telephones"
    always = (
        "chooses one of its classes for what sounds like speech, unless told to abstain; in plain SpeechBrain and as "
        f"an ONNX file for any sound. {_TRUST[bool(facts['calibration'])]}"
        if facts["classes"]
        else "gives a number for what sounds like speech, and nothing says how sure it is"
    )
    return (
        f"- It knows {speech}. Spontaneous speech, other languages{conditions} are outside what was measured; expect "
        "it to be worse there, and to be confident all the same.\n"
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
