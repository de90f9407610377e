"""Single training steps, for ``training.py``: over the length of utterances.

Each function runs in a fresh process of its own and returns what JSON can hold. A step is the Brain's ``fit_batch``:
forward, loss, backward, optimizer.
"""

import time

from harness import ROOT

YAML = ROOT / "recipes" / "EmoDB" / "hparams" / "bigru_mha.yaml"
BATCH = 32


def ours_over_length(lengths, steps, folder) -> list:
    """Seconds of our steps on batches of utterances of each length (s); features are at hand, as from epoch 1 on."""
    import torch

    brain = our_brain(folder)
    brain.modules.mean_var_norm.fit([(torch.randn(1, 100, 400) * 3 - 8, None)])
    features = brain.modules.compute_features
    return over_length(brain, lengths, steps, lambda wave: {"frames": features(wave[None])[0]})


def stock_over_length(lengths, steps, folder) -> list:
    """Seconds of the stock pattern's steps on the same batches; it transforms waveforms in every step."""
    from stock import make_brain

    brain = make_brain(classes=7)
    brain.on_fit_start()
    brain.modules.train()
    return over_length(brain, lengths, steps, lambda wave: {"sig": wave})


def over_length(brain, lengths, steps, item) -> list:
    """A list of seconds for each length."""
    import torch

    from ser_plugins.training.data import collate

    seconds = []
    for length in lengths:
        waves = torch.randn(BATCH, round(16000 * length)) * 0.1
        examples = [{"id": str(row), "label": row % 7, **item(wave)} for row, wave in enumerate(waves)]
        timed = []
        for _ in range(steps + 1):
            start = time.perf_counter()
            brain.fit_batch(collate(examples))
            timed.append(time.perf_counter() - start)
        seconds.append(timed[1:])
    return seconds


def our_brain(folder):
    """The Brain of ``bigru_mha.yaml``, ready for ``fit_batch``."""
    from hyperpyyaml import load_hyperpyyaml

    from ser_plugins.training.brain import EmotionBrain

    hparams = load_hyperpyyaml(YAML.read_text(encoding="utf-8"), {"results_folder": str(folder), "fold": "none"})
    run_options = {"device": "cpu", "noprogressbar": True}
    brain = EmotionBrain(hparams["modules"], hparams["opt_class"], hparams, run_options)
    brain.on_fit_start()
    brain.modules.train()
    return brain
