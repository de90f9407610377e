"""The model card: ``model.json`` in words. Every number comes from there."""

from ser_plugins.evaluation.tables import HEADLINE, percent

_SYNTHETIC = (
    "**SYNTHETIC**: trained and tested on sounds made by code, not on speech. It shows that the software works and "
    "says nothing about emotions in anyone's voice."
)
_LEAKING = "**LEAKING**: test speakers were also in training. The numbers show the leak and measure nothing else."
_TRANSDUCTIVE = "**TRANSDUCTIVE**: the normalisation has seen the test speaker's own utterances."


def model_card(facts: dict) -> str:
    """Write the card in markdown.

    Arguments
    ---------
    facts : dict
        The content of ``model.json``.
    """
    mine = facts["this_model"]
    warnings = [
        text
        for key, text in (("synthetic", _SYNTHETIC), ("leaking", _LEAKING), ("transductive", _TRANSDUCTIVE))
        if facts[key]
    ]
    parts = [
        f"# {facts['system']}: {len(facts['classes'])} emotions from a recording ({facts['corpus']})",
        *(f"> {text}" for text in warnings),
        f"Takes one utterance ({facts['sample_rate']} Hz, mono, at least {facts['min_seconds']:.3g} s) and gives the "
        f"probabilities of: {', '.join(facts['classes'])}. {facts['parameters']:,} parameters.",
        "## Trained on",
        f"{facts['corpus']}: {mine['train_utterances']} utterances, everything that fold `{mine['fold']}` trains on "
        f"(seed {mine['seed']}, epoch {mine['epoch']}). The fold's {mine['test_utterances']} test utterances were held "
        f"out. This model was chosen so: {mine['chosen']}.",
        "## Measured",
        _measured(facts),
        _table(facts),
        f"This very model, on the {mine['test_utterances']} utterances it was not trained on: "
        + ", ".join(f"{name} {percent(mine['metrics'][key], 2)} %" for key, name in HEADLINE.items())
        + ".",
        _per_class(facts),
        f"Protocol{_hash(facts)}: {facts['protocol_line']}",
        f"Audit of the split: {facts['audit']}",
        "## Limits",
        _limits(facts),
        "## How to load",
        _LOAD.format(rate=facts["sample_rate"]),
        "## Versions",
        "Trained with " + _versions(facts["versions"]) + "; exported with " + _versions(facts["exported_with"]) + ".",
    ]
    return "\n\n".join(parts) + "\n"


def _measured(facts):
    if facts["whole_protocol"]:
        return (
            f"The whole protocol, every fold tested by a model that had not seen it, {facts['tested_utterances']} "
            "utterances pooled (mean over the seeds). It measures the way of training; this model is one of those."
        )
    return (
        f"**One fold only** ({facts['tested_utterances']} utterances): the other folds were missing when this was "
        "exported. One fold says little about speakers in general, and has no interval for UAR and macro-F1."
    )


def _table(facts):
    lines = [
        ["%", *HEADLINE.values()],
        ["---", *["--:"] * len(HEADLINE)],
        ["measured", *(percent(facts["metrics"][key], 2) for key in HEADLINE)],
        ["95 % interval", *(_interval(facts["intervals"][key]) for key in HEADLINE)],
        [
            f"always `{facts['baseline']['class']}`",
            *(percent(facts["baseline"][key], 2) for key in HEADLINE),
        ],
    ]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    over = "; UAR and macro-F1: bootstrap over speakers, rough with few of them" if facts["whole_protocol"] else ""
    return f"{table}\n\nWA is accuracy, UAR the mean recall of the classes present. Intervals: Wilson for WA{over}."


def _per_class(facts):
    recalls = (f"{name} {percent(row['recall'])}" for name, row in facts["per_class"].items())
    return "Recall per class (%): " + ", ".join(recalls) + "."


def _interval(bounds):
    return "–" if bounds is None else " – ".join(percent(bound) for bound in bounds)


def _hash(facts):
    return f" `{facts['protocol_hash']}`" if facts["protocol_hash"] else ""


def _versions(versions):
    return ", ".join(f"{name} {number}" for name, number in versions.items())


def _limits(facts):
    speech = "sounds made by code" if facts["synthetic"] else "acted speech, recorded in a studio by few speakers"
    return (
        f"- It knows {speech}. Spontaneous speech, other languages, other microphones, noise and telephones are "
        "outside what was measured; expect it to be worse there, and to be confident all the same.\n"
        "- It always chooses one of its classes. The probabilities are not calibrated.\n"
        "- An emotion heard in a voice is not the emotion of the person.\n"
        "- Not to be used to judge people: not in hiring, work, school, policing, border control, credit, insurance or "
        "health, and not on recordings of people who do not know of it."
    )


_LOAD = """With ser_plugins (nothing in the folder is executed; bad audio is refused with a reason):

```python
from ser_plugins.inference import EmotionClassifier

model = EmotionClassifier.from_hparams("PATH/OF/THIS/FOLDER")
label, probability, probabilities = model.predict_file("speech.wav")
```

With plain SpeechBrain (ser_plugins installed beside it; gives logarithms of the same probabilities, for recordings at \
{rate} Hz):

```python
from speechbrain.inference.classifiers import EncoderClassifier

model = EncoderClassifier.from_hparams(source="PATH/OF/THIS/FOLDER", savedir="CACHE/FOLDER")
log_probabilities, score, index, labels = model.classify_file("speech.wav")
```

Or in a terminal: `ser classify speech.wav --model PATH/OF/THIS/FOLDER`"""
