"""Speech emotion recognition on top of SpeechBrain.

The rooms, and what each turns into what:

- ``ser_plugins.spectrogram``: waveform -> log-power frames; train-set z-norm
- ``ser_plugins.encoders``: CNN front ends and masked recurrent stacks
- ``ser_plugins.pretrained``: waveform -> frames by wav2vec 2.0, HuBERT or WavLM
- ``ser_plugins.attention``, ``lsh_attention``: masked multi-head self-attention, and one that is linear in time
- ``ser_plugins.pooling``: frames -> one vector
- ``ser_plugins.classifier``: all stages together, each optional; heads for classes, for a number, for several targets
- ``ser_plugins.subwords``, ``text``: transcripts -> pieces; pieces -> an embedding, alone or fused with that of sound
- ``ser_plugins.pretrained_text``: pieces -> states of a pretrained text encoder
- ``ser_plugins.losses``: what torch and SpeechBrain lack
- ``ser_plugins.checkpoints``: SpeechBrain's checkpointer, whole or none
- ``ser_plugins.inference``: ``EmotionClassifier`` and ``SentimentRegressor``, the faces that users of models import
- ``ser_plugins.scales``, ``cautions``: what numbers mean on the scales of the corpora, and what must stand beside them
- ``ser_plugins.sound``, ``corpora``, ``evaluation``, ``training``, ``export``, ``service``: what stands behind the
  recipes and ``ser``

Nothing heavy is imported here.
"""

from importlib.metadata import PackageNotFoundError, version

__version__ = "0.1.0"

_TRIO = {"torch": "2.11", "torchaudio": "2.11", "speechbrain": "1.1"}


def _check_trio(installed=version):
    """Say in words what a mismatched torch / torchaudio / speechbrain would say in a loader's error."""
    installed_versions = {}
    for package in _TRIO:
        try:
            installed_versions[package] = installed(package)
        except PackageNotFoundError:
            installed_versions[package] = "not installed"
    if all(installed_versions[package].startswith(f"{wanted}.") for package, wanted in _TRIO.items()):
        return
    raise ImportError(
        "got: "
        + ", ".join(f"{package} {what}" for package, what in installed_versions.items())
        + "; expected: "
        + ", ".join(f"{package} {wanted}.x" for package, wanted in _TRIO.items())
        + " (built for each other; other pairs fail to load); remedy: pip install "
        + " ".join(f'"{package}=={wanted}.*"' for package, wanted in _TRIO.items())
    )


_check_trio()
