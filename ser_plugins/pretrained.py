"""Waveform -> frames by a self-supervised model: wav2vec 2.0, HuBERT or WavLM, by SpeechBrain's wrapper around theirs.

Takes the place of :class:`~ser_plugins.spectrogram.LogPowerSpectrogram` in a recipe. Every utterance goes through the
model alone, without padding: the group norm of some of these models runs over time, and so does the normalisation of
the waveform, so that in a padded batch neighbours would reach into each other. Dropout, layer drop and masking of the
pretrained model stay off, also while it is trained: what an utterance gives depends on it and on the weights only.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from speechbrain.utils.checkpoints import mark_as_loader, mark_as_saver, register_checkpoint_hooks
from torch import nn

from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.files import read_json

HUB = "hf:"
_HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")
# In every transformer block of all three kinds. WavLM hands the matrices of its attention, not the layers, to torch, so
# that an adapter around one of those would never be asked.
ADAPTED = ["*.intermediate_dense", "*.output_dense"]


def model_name(source: str) -> str:
    """The name under which a pretrained model is known, for :mod:`ser_plugins.corpora.pretraining`.

    Arguments
    ---------
    source : str
        ``hf:OWNER/NAME``, with or without ``@COMMIT``; or a folder, whose ``config.json`` may say where it is from, in
        ``_name_or_path``. Any other folder has its own name, without the path.

    Raises
    ------
    MissingPathError, SerError
        No ``config.json`` in the folder, or one that is no JSON.

    Example
    -------
    >>> model_name("hf:microsoft/wavlm-base-plus@4c66d4806a428f2e922ccfa1a962776e232d487b")
    'microsoft/wavlm-base-plus'
    """
    if source.startswith(HUB):
        return source.removeprefix(HUB).partition("@")[0]
    told = read_json(Path(source) / "config.json").get("_name_or_path")
    return told if isinstance(told, str) and _HUB_NAME.fullmatch(told) else Path(source).resolve().name


@register_checkpoint_hooks
class SelfSupervisedFrontEnd(nn.Module):
    """Hidden states of a pretrained model, frozen, with LoRA adapters (Hu et al., ICLR 2022), or trained throughout.

    Frozen features can be cached; whatever is trained needs ``cache_features: False`` in the recipe. A checkpoint holds
    what is trained and nothing else: the rest comes from ``source`` again.

    Arguments
    ---------
    source : str
        A folder with ``config.json``, ``preprocessor_config.json`` and weights, or ``hf:OWNER/NAME``, which is fetched.
    freeze : bool
        Whether the pretrained weights stay as they are; beside adapters they always do.
    lora_rank : int
        Rank of the adapters beside the dense layers of every block; 0: none.
    layer : int or str
        A hidden state, 0 (before the first block) to the number of blocks; ``mean`` of all; ``weighted``: their mean
        with weights that are trained (Yang et al., SUPERB, Interspeech 2021).
    sample_rate : int
        Of the waveform, in Hz; what the model was trained with.

    Attributes
    ----------
    bins : int
        Width of the frames.
    pretrained : str
        Name of the pretrained model; see :func:`model_name`.

    Raises
    ------
    MissingPathError, SerError
        No such folder; transformers is missing; the model cannot be loaded, or is of another rate or depth.

    Example
    -------
    >>> SelfSupervisedFrontEnd("no/such/folder")
    Traceback (most recent call last):
    ser_plugins.errors.MissingPathError: got: no folder no/such/folder; expected: a folder with a pretrained model, or \
hf:OWNER/NAME; remedy: check the path
    """

    def __init__(
        self, source: str, freeze: bool = True, lora_rank: int = 0, layer: int | str = "mean", sample_rate: int = 16000
    ) -> None:
        super().__init__()
        if not str(source).startswith(HUB) and not Path(source).is_dir():
            raise MissingPathError(
                got=f"no folder {source}",
                expected=f"a folder with a pretrained model, or {HUB}OWNER/NAME",
                remedy="check the path",
            )
        self.encoder = _load(str(source))
        self.pretrained = model_name(str(source))
        config, rate = self.encoder.model.config, self.encoder.feature_extractor.sampling_rate
        layers = config.num_hidden_layers
        if rate != sample_rate or layer not in ("mean", "weighted", *range(layers + 1)) or lora_rank < 0:
            raise SerError(
                got=f"{source}: {rate} Hz, {layers} layers; sample_rate {sample_rate}, layer {layer}, rank {lora_rank}",
                expected=f"sample_rate {rate}; layer mean, weighted or 0 to {layers}; lora_rank 0 or more",
                remedy="correct the YAML keys",
            )
        if lora_rank:
            from speechbrain.nnet.adapters import AdaptedModel, LoRA

            # Puts the adapters into the model itself, and stops the gradients of the rest.
            AdaptedModel(self.encoder.model, LoRA, target_layers=ADAPTED, adapter_kwargs={"rank": lora_rank})
        elif not freeze:
            self.encoder.model.requires_grad_(True)
        self.encoder.freeze = freeze and not lora_rank  # to SpeechBrain's wrapper: run without gradients
        self.sample_rate, self.bins, self.layer = sample_rate, config.hidden_size, layer
        self.convolutions = tuple(zip(config.conv_kernel, config.conv_stride, strict=True))
        self.layer_weights = nn.Parameter(torch.zeros(layers + 1)) if layer == "weighted" else None
        self.settings = ("self-supervised", str(source), freeze, lora_rank, layer, sample_rate)

    def train(self, mode=True):
        """The pretrained model stays in evaluation mode: no dropout, no layer drop."""
        super().train(mode)
        self.encoder.eval()
        return self

    def forward(self, wavs: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Turn waveforms into frames.

        Arguments
        ---------
        wavs : torch.Tensor
            (batch, samples), anything beyond ``lengths``.
        lengths : torch.Tensor, optional
            (batch,), relative.

        Returns
        -------
        torch.Tensor
            (batch, time, bins), zero where padded; see :meth:`frame_counts`.
        """
        lengths = torch.ones(len(wavs)) if lengths is None else lengths
        counts = self.frame_counts(lengths, wavs.shape[1]).tolist()
        samples = _samples(lengths, wavs.shape[1]).tolist()
        if min(counts, default=0) < 1:
            raise SerError(
                got=f"waveforms of {min(samples, default=0)} samples and more",
                expected="enough for a frame of the pretrained model, 25 ms for the usual ones",
                remedy="leave out or lengthen the recording",
            )
        items = [self._frames(wav[None, :count]) for wav, count in zip(wavs, samples, strict=True)]
        return nn.utils.rnn.pad_sequence(items, batch_first=True)

    if TYPE_CHECKING:
        __call__ = forward

    def _frames(self, wav):
        states = self.encoder(wav)[:, 0]  # (layers, time, bins)
        if self.layer == "mean":
            return states.mean(0)
        if self.layer == "weighted":
            return (states * self.layer_weights.softmax(0)[:, None, None]).sum(0)
        return states[self.layer]

    def frame_counts(self, lengths: torch.Tensor, samples: int) -> torch.Tensor:
        """Relative lengths (batch,) of waveforms padded to ``samples`` -> integer frame counts (batch,)."""
        counts = _samples(lengths, samples)
        for kernel, stride in self.convolutions:
            counts = (counts - kernel) // stride + 1
        return counts

    def _trained(self):
        return {name: value.detach() for name, value in self.named_parameters() if value.requires_grad}

    @mark_as_saver
    def save(self, path):
        """Save what is trained."""
        torch.save(self._trained(), path)

    @mark_as_loader
    def load(self, path, end_of_epoch):
        """Load what was trained."""
        values = torch.load(path, map_location="cpu", weights_only=True)
        if values.keys() != self._trained().keys():
            raise SerError(
                got=f"{path} with {len(values)} trained tensors",
                expected=f"the {len(self._trained())} of this front end",
                remedy="keep freeze, lora_rank and layer as they were when it was trained",
            )
        self.load_state_dict(values, strict=False)


def _samples(lengths, samples):
    return torch.round(lengths.double() * samples).long()


def _load(source):
    try:
        from huggingface_hub.constants import HF_HUB_CACHE
        from speechbrain.integrations.huggingface.wav2vec2 import Wav2Vec2  # of all three, which differ in name only
    except ImportError as error:
        raise SerError(
            got=f"no package {error.name}",
            expected="transformers, which only self-supervised front ends need",
            remedy='pip install "ser-plugins[ssl]"',
        ) from None
    try:
        return Wav2Vec2(source.removeprefix(HUB), HF_HUB_CACHE, freeze=True, output_all_hiddens=True)
    except Exception as error:  # the hub's client raises nearly anything
        raise SerError(
            got=f"{source}: {type(error).__name__}: {str(error).strip().splitlines()[:1]}",
            expected="a wav2vec 2.0, HuBERT or WavLM model with its preprocessor_config.json",
            remedy="check name and network, or download it elsewhere and give the folder",
        ) from error
