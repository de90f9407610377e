"""Waveform -> frames by a pretrained model, in the place of :class:`~ser_plugins.spectrogram.LogPowerSpectrogram`.

Whisper's encoder is our own module; wav2vec 2.0, HuBERT and WavLM run in SpeechBrain's wrapper around transformers.
There every utterance goes through the model alone, without padding: the group norm of some of these models runs over
time, and so does the normalisation of the waveform, so that in a padded batch neighbours would reach into each other.
Dropout, layer drop and masking of the pretrained model stay off, also while it is trained: what an utterance gives
depends on it and on the weights only.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from speechbrain.utils.checkpoints import mark_as_loader, mark_as_saver, register_checkpoint_hooks
from torch import nn

from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.hub import PREFIX as HUB
from ser_plugins.hub import model_name
from ser_plugins.quantization import dequantized, quantized
from ser_plugins.whisper import WhisperEncoder, parse_states
from ser_plugins.whisper_weights import digest, no_whisper, read_whisper

# In every transformer block of the other three kinds. WavLM hands the matrices of its attention, not the layers, to
# torch, so that an adapter around one of those would never be asked.
ADAPTED = ["*.intermediate_dense", "*.output_dense"]


@register_checkpoint_hooks
class _TrainedPart(nn.Module):
    """A checkpoint holds what is trained and nothing else: the rest comes from ``source`` again."""

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
                remedy="keep the keys of the front end as they were when it was trained",
            )
        self.load_state_dict(values, strict=False)


class WhisperFrontEnd(WhisperEncoder, _TrainedPart):
    """Hidden states of Whisper's encoder, frozen; of its upper layers, or of adapters beside them, trained.

    Frozen features are computed once and kept; whatever is trained needs ``cache_features: False`` in the recipe.

    Arguments
    ---------
    source : str
        A folder with ``config.json`` and ``model.safetensors`` as the hub has them, or ``hf:OWNER/NAME@COMMIT``, which
        is fetched once: see :mod:`ser_plugins.hub`.
    states, mix, pool, merge, level
        As :class:`~ser_plugins.whisper.WhisperEncoder` has them.
    trained_from : int
        Number of the first layer that is trained, with those above it; 0: none.
    lora_rank : int
        Rank of adapters (LoRA; Hu et al., ICLR 2022) beside the dense layers, from ``trained_from`` on, whose own
        weights then stay frozen; 0: none.
    int8 : bool
        Whether to round the weights as ``ser export --int8`` keeps them, so that a head is trained on what it will see.

    Attributes
    ----------
    pretrained : str
        Whose weights these are, such as ``openai/whisper-base``.
    sha256 : str
        Of the weights in use.
    encoder_arguments : dict
        Those of a :class:`WhisperEncoder` that needs no source.

    Raises
    ------
    MissingPathError, SerError
        As :func:`ser_plugins.whisper_weights.read_whisper`.

    Example
    -------
    >>> WhisperFrontEnd("no/such/folder")
    Traceback (most recent call last):
    ser_plugins.errors.MissingPathError: got: no folder no/such/folder; expected: a folder with Whisper's config.json \
and model.safetensors, or hf:OWNER/NAME@COMMIT; remedy: check the path, or let hf:openai/whisper-base@COMMIT be fetched
    """

    def __init__(
        self,
        source: str,
        states: str | int = "1-4",
        mix: str = "stack",
        pool: int = 1,
        merge: int = 1,
        level: bool = False,
        trained_from: int = 0,
        lora_rank: int = 0,
        int8: bool = False,
    ) -> None:
        weights, sizes, name = read_whisper(source, parse_states(states)[-1])
        weights = dequantized(quantized(weights)) if int8 else weights
        with torch.device("meta"):
            super().__init__(states, mix, pool, merge, level, **sizes)
        try:
            self.load_state_dict(weights, assign=True)
        except RuntimeError as error:
            raise no_whisper(source, error, len(self.layers)) from None
        self.requires_grad_(False)
        self.pretrained, self.sha256 = name or model_name(str(source)), digest(weights)
        options = {"states": states, "mix": mix, "pool": pool, "merge": merge, "level": level}
        self.encoder_arguments, self.source = {**options, **sizes}, source
        depth = len(self.layers)
        if not 0 <= trained_from <= depth or lora_rank < 0 or (lora_rank and not trained_from):
            raise SerError(
                got=f"trained_from {trained_from}, lora_rank {lora_rank}, of {depth} layers in use",
                expected=f"trained_from 0 to {depth}; lora_rank 0, or more with trained_from 1 or more",
                remedy="correct the YAML keys",
            )
        trained = self.layers[trained_from - 1 :] if trained_from else nn.ModuleList()
        if lora_rank:
            from speechbrain.nnet.adapters import LoRA

            for layer in trained:
                layer.dense, layer.dense_output = LoRA(layer.dense, lora_rank), LoRA(layer.dense_output, lora_rank)
        else:
            trained.requires_grad_(True)
        self.settings = (*self.settings, self.sha256, trained_from, lora_rank)

    def forward(self, wavs: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """See :meth:`ser_plugins.whisper.WhisperEncoder.forward`."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and bool(self._trained())):
            return super().forward(wavs, lengths)

    if TYPE_CHECKING:
        __call__ = forward

    def encoder_state(self) -> dict:
        """State dict of the :class:`WhisperEncoder` of ``encoder_arguments`` that gives the same frames.

        What adapters have learned is added to the weights beside which they stand.
        """
        state = {name: value.detach() for name, value in self.state_dict().items() if "adapter" not in name}
        for name, module in self.named_modules():
            if hasattr(module, "adapter_down_proj"):
                weight = state.pop(f"{name}.pretrained_module.weight")
                update = module.adapter_up_proj.weight @ module.adapter_down_proj.weight
                state[f"{name}.weight"] = (weight + module.scaling * update).detach()
                state[f"{name}.bias"] = state.pop(f"{name}.pretrained_module.bias")
        return state


class SelfSupervisedFrontEnd(_TrainedPart):
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
        Name of the pretrained model; see :func:`ser_plugins.hub.model_name`.

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
