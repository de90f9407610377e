"""What an installation has, what each extra would add, and whether the models in the package answer."""

import importlib
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

from packaging.requirements import Requirement

from ser_plugins import __version__, machine
from ser_plugins.errors import SerError

DISTRIBUTION = "ser-plugins"
IMPORTED = ("torch", "torchaudio", "speechbrain")  # built for one another: an odd pair fails when it is imported
NEEDS_LIBRARY = {"mic": "sounddevice"}  # extra -> a package of it that needs a library of the system, PortAudio
EXTRAS = {  # those for users: what each adds
    "serve": "ser serve, the HTTP service",
    "demo": "ser demo, the page on this machine",
    "mic": "ser listen",
    "vad": "ser timeline --vad",
    "video": "an ffmpeg, for m4a, webm, videos",
    "ssl": "pretrained encoders of sound and text: WavLM, BERT ...",
    "onnx": "ser onnx: a model as one ONNX file",
    "cluster": "--launcher ray: trainings on many machines",
    "tensorboard": "SpeechBrain's TensorBoard logger",
    "bench": "peers of the benchmarks, openSMILE",
}


def health() -> dict[str, Any]:
    """Examine this installation.

    Returns
    -------
    dict
        ``versions`` by package; ``ffmpeg``, its version, or None; ``machine``, with ``devices`` as ``--device`` takes
        them; ``extras`` by name, each with ``adds``, ``has``, ``lacks`` and ``install``; ``models``, by name what each
        model in the package made of a synthetic recording, or why it did not; ``problems``, a list of text: empty when
        all that is needed works.
    """
    wanted = [Requirement(text) for text in requires(DISTRIBUTION) or ()]
    core = [requirement for requirement in wanted if not requirement.marker or requirement.marker.evaluate()]
    problems = [_lack(requirement) for requirement in core if not _satisfied(requirement)]
    problems += [problem for name in IMPORTED if (problem := _import_problem(name))]
    works = not problems
    models = _answers() if works else {}
    problems += [f"model {name}: {model['error']}" for name, model in models.items() if "error" in model]
    return {
        "versions": {
            "ser_plugins": __version__,
            "python": platform.python_version(),
            **{requirement.name: _version(requirement.name) for requirement in core},
        },
        "ffmpeg": _ffmpeg(),
        "machine": _machine(works),
        "extras": {name: _extra(name, adds, wanted) for name, adds in EXTRAS.items()},
        "models": models,
        "problems": problems,
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _satisfied(requirement: Requirement) -> bool:
    installed = _version(requirement.name)
    return installed is not None and requirement.specifier.contains(installed, prereleases=True)


def _lack(requirement: Requirement) -> str:
    installed = _version(requirement.name)
    there = f"{requirement.name} {installed}" if installed else f"no {requirement.name}"
    return f'{there}, where {requirement.name}{requirement.specifier} is needed: pip install "{DISTRIBUTION}"'


def _import_problem(name: str) -> str | None:
    try:
        importlib.import_module(name)
    except Exception as error:  # a package built for another one fails in ways of its own
        return f"import {name}: {type(error).__name__}: {error}"
    return None


def _ffmpeg() -> str | None:
    from ser_plugins.sound.ffmpeg import find_ffmpeg

    try:
        told = subprocess.run(
            [find_ffmpeg(), "-version"], capture_output=True, encoding="utf-8", errors="replace", timeout=20, check=True
        )
    except (SerError, OSError, subprocess.SubprocessError):
        return None
    found = re.match(r"ffmpeg version (\S+)", told.stdout)
    return found[1] if found else "of unknown version"


def _machine(works: bool) -> dict[str, Any]:
    memory = machine.memory_size()
    facts: dict[str, Any] = {
        "system": platform.platform(),
        "processor": machine.processor(),
        "cores": machine.cores(),
        "memory_gb": memory and round(memory / 1e9, 1),
    }
    if works:
        import torch

        from ser_plugins.inference.devices import devices

        facts |= {"threads": torch.get_num_threads(), "devices": devices()}
    return facts


def _extra(name: str, adds: str, wanted: list[Requirement]) -> dict[str, Any]:
    named = {f"{part.name}{part.specifier}": _satisfied(part) for part in _parts(name, wanted)}
    lacks = [text for text, there in named.items() if not there]
    if not lacks and name in NEEDS_LIBRARY and (problem := _import_problem(NEEDS_LIBRARY[name])):
        lacks.append(problem)
    return {
        "adds": adds,
        "has": [text for text, there in named.items() if there],
        "lacks": lacks,
        "install": f'pip install "{DISTRIBUTION}[{name}]"',
    }


def _parts(extra: str, wanted: list[Requirement]) -> list[Requirement]:
    """What an extra asks for; one that is another extra asks for what that one does."""
    parts = []
    for part in wanted:
        if part.marker and part.marker.evaluate({"extra": extra}) and not part.marker.evaluate({"extra": ""}):
            others = part.extras if part.name == DISTRIBUTION else ()
            parts += [each for other in others for each in _parts(other, wanted)] or [part]
    return parts


def _answers() -> dict[str, dict[str, Any]]:
    import numpy as np

    from ser_plugins.corpora.toy.synth import SAMPLE_RATE, make_sentence, make_speaker, speak
    from ser_plugins.inference import EmotionClassifier
    from ser_plugins.inference.loading import BUNDLED

    rng = np.random.default_rng(0)
    wave = speak(make_sentence(6, rng), make_speaker("female", rng), "anger", rng) / 2**15
    answers = {}
    for name in BUNDLED:
        try:
            prediction = EmotionClassifier.from_hparams(name, "cpu", any_sound=True).predict(wave, SAMPLE_RATE)
            answers[name] = {"said": prediction.label, "probability": prediction.probability}
        except Exception as error:  # whatever is wrong with it is the answer
            answers[name] = {"error": str(error)}
    return answers
