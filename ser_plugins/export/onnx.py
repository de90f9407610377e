"""A model as one ONNX file, from waveform to probabilities or score, for onnxruntime without torch.

===================== ================== =======================================================================
``waves``             (batch, samples)   float32, full scale is +-1, zero or anything else beyond ``lengths``
``lengths``           (batch,)           int64, samples of each recording: ``min_samples`` to ``samples``
``pieces``            (batch, pieces)    int64, of a model that reads: numbers in ``subwords.model``, 0 without text
``counts``            (batch,)           int64, of a model that reads: pieces of each, 1 or more
``probabilities``     (batch, classes)   of a classifier, or
``score``             (batch,)           of a regressor
===================== ================== =======================================================================

Batch, samples and pieces are free. A model that reads alone has neither ``waves`` nor ``lengths``, and neither rate nor
``min_samples``. What a caller must know besides lies in the file's metadata, see :func:`export_onnx`. The
graph checks nothing: refuse recordings that are shorter than ``min_samples``, longer than ``max_samples`` where that is
a number, silent or not finite before.
"""

import copy
import hashlib
import io
import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ser_plugins.classifier import CLASSIFIERS
from ser_plugins.encoders import ConvFrontEnd
from ser_plugins.errors import SerError
from ser_plugins.export.onnx_int8 import encoder_weights, recurrent_weights, store_in_int8
from ser_plugins.files import atomic_path
from ser_plugins.inference.base import RecordingModel
from ser_plugins.inference.loading import load_model
from ser_plugins.lengths import frame_mask
from ser_plugins.lsh_attention import LSHSelfAttention
from ser_plugins.subwords import pieces_of
from ser_plugins.text import TextEncoder
from ser_plugins.whisper import HOP, SAMPLES, WINDOW, LogMel, WhisperEncoder

OPSET = 17
TOLERANCE = 1e-4  # of a probability or score, between torch and onnxruntime


def export_onnx(source: str | Path, path: str | Path, *, int8: bool = False) -> dict[str, Any]:
    """Write a model as an ONNX file, once onnxruntime has given what torch gives.

    Arguments
    ---------
    source : str or Path
        A folder that ``ser export`` wrote.
    path : str or Path
        The file to write; one that is there is replaced.
    int8 : bool
        Whether to keep weights in 8 bits. Products with dense layers are then made of integers
        (``onnxruntime.quantization``, dynamic), their inputs scaled by the largest of the whole batch, so that a
        recording's neighbours move its result a little. Recurrent weights are only stored so, with a scale per row,
        since onnxruntime has no integer GRU. Spectrogram and convolutions, which are small, stay float. Of a model with
        a pretrained encoder the weights of that encoder alone are kept in 8 bits, and only stored so: single channels
        are a hundred times as large as the others (Dettmers et al., LLM.int8(), NeurIPS 2022), and products of integers
        that span them spoil the rest.

    Returns
    -------
    dict
        The metadata: ``output`` (``probabilities`` or ``score``), ``labels`` (in the order of the probabilities; none
        for a score), ``sample_rate`` (Hz), ``min_samples``, ``max_samples`` (with a pretrained encoder 30 s: a
        graph cuts nothing into windows; else None), ``int8``; of a model that reads ``subwords_sha256``, of the
        SentencePiece file in its folder. In the file each value is JSON.

    Raises
    ------
    MissingPathError, SerError
        As :func:`ser_plugins.inference.loading.load_model`; LSH attention; an ensemble that reads; no extra ``onnx``;
        outputs that differ.

    Example
    -------
    >>> export_onnx("no/such/model", "model.onnx")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ser_plugins.errors.MissingPathError: got: no folder no/such/model; ...
    """
    loaded = load_model(source)
    model = RecordingModel(loaded.modules, others=loaded.others)
    if any(isinstance(member["embedding_model"].attention, LSHSelfAttention) for member in model.members):
        raise SerError(
            got=f"{source}: LSH attention, whose number of buckets depends on the recording",
            expected="full attention: a graph keeps one number",
            remedy="use the model in Python, or train with attention: full",
        )
    if len(model.members) > 1 and any("subwords" in member for member in model.members):
        raise SerError(
            got=f"{source}: an ensemble that reads, whose members have pieces of their own",
            expected="one model: a graph takes one set of pieces",
            remedy="export one of its folds, or use the model in Python",
        )
    onnx, quantization = _packages()
    metadata = _metadata(model, loaded.labels)
    proto = onnx.load_from_string(_traced(model, metadata["output"]))
    _compare(proto.SerializeToString(), model, metadata["output"])
    metadata["int8"] = int8
    with atomic_path(path) as temporary:
        if int8 and _has_encoder(model):
            store_in_int8(proto.graph, encoder_weights(proto.graph))
        elif int8:
            # What onnxruntime would otherwise ask for: torch has folded constants and inferred shapes already.
            onnx.helper.set_model_props(proto, {"onnx.quant.pre_process": "onnxruntime.quant"})
            dense = ["MatMul", "Gemm"]
            quantization.quantize_dynamic(proto, temporary, op_types_to_quantize=dense, per_channel=True)
            proto = onnx.load(temporary)
            store_in_int8(proto.graph, recurrent_weights(proto.graph))
        onnx.helper.set_model_props(proto, {key: json.dumps(value) for key, value in metadata.items()})
        onnx.checker.check_model(proto)
        onnx.save(proto, temporary)
    return metadata


def _packages():
    try:
        import onnx
        from onnxruntime import quantization
    except ImportError as error:
        raise SerError(
            got=f"no package {error.name}",
            expected="onnx and onnxruntime, which only the export to ONNX needs",
            remedy='pip install "ser-plugins[onnx]"',
        ) from None
    return onnx, quantization


def _metadata(model, labels) -> dict:
    classifies = isinstance(model.modules["classifier"], CLASSIFIERS)
    reads = {}
    if "subwords" in model.modules:
        reads["subwords_sha256"] = hashlib.sha256(model.modules["subwords"].content).hexdigest()
    alone = _reads_alone(model.modules)
    return {
        "output": "probabilities" if classifies else "score",
        "labels": list(labels) if classifies else [],
        "sample_rate": None if alone else model.sample_rate,
        "min_samples": None if alone else model.min_samples,
        "max_samples": SAMPLES if _has_encoder(model) else None,
        **reads,
    }


def _has_encoder(model) -> bool:
    return any(isinstance(member["compute_features"], WhisperEncoder) for member in model.members)


class _WaveToOutput(nn.Module):
    """Waves (batch, samples), lengths (batch,) -> outputs, in operations that ONNX has and that a trace keeps.

    Of a model that reads as well, pieces (batch, pieces) and their counts (batch,) come behind them.
    """

    def __init__(self, modules):
        super().__init__()
        features = modules["compute_features"]
        encoder = copy.deepcopy(modules["embedding_model"])
        for name, module in encoder.named_children():
            if isinstance(module, nn.MultiheadAttention):
                setattr(encoder, name, _TraceableAttention(module))
        if isinstance(encoder.front_end, ConvFrontEnd):
            encoder.front_end.layers = nn.ModuleList(map(_TraceableConvLayer, encoder.front_end.layers))
        self.features = (_Encoder if isinstance(features, WhisperEncoder) else _Spectrogram)(features)
        self.norm = modules["mean_var_norm"]
        self.encoder = encoder
        self.head = modules["classifier"]

    def forward(self, waves, lengths, *pieces):
        waves = waves.masked_fill(~frame_mask(lengths, waves.shape[1]), 0.0)
        frames, counts = self.features(waves, lengths)
        return _output(self.head, self.encoder(self.norm(frames, counts), counts, *pieces))


class _PiecesToOutput(nn.Module):
    """Pieces (batch, pieces), counts (batch,) -> outputs, of a model that reads alone."""

    def __init__(self, modules):
        super().__init__()
        self.encoder, self.head = modules["embedding_model"], modules["classifier"]

    def forward(self, pieces, counts):
        return _output(self.head, self.encoder(None, None, pieces, counts))


def _output(head, embedding):
    outputs = head(embedding).squeeze(1)  # (batch, classes or 1)
    return outputs.exp() if isinstance(head, CLASSIFIERS) else outputs.squeeze(-1)


class _Power(nn.Module):
    """Power of a short-time Fourier transform, a convolution with windowed cosines and sines: ONNX has no other.

    (batch, samples) -> (batch, time, bins).
    """

    def __init__(self, window, points, bins, hop):
        super().__init__()
        self.hop = hop
        turns = torch.outer(torch.arange(bins), torch.arange(len(window))).remainder(points).double() / points
        angles = 2 * math.pi * turns
        basis = torch.cat([angles.cos(), angles.sin()]) * window.double()  # (2 * bins, window)
        self.register_buffer("basis", basis.float()[:, None])

    def forward(self, waves):
        parts = F.conv1d(waves[:, None], self.basis, stride=self.hop)  # (batch, 2 * bins, time)
        real, imaginary = parts.chunk(2, dim=1)
        return (real.square() + imaginary.square()).transpose(1, 2)


class _Spectrogram(nn.Module):
    """The sum of :mod:`ser_plugins.spectrogram` written out: (batch, time, bins), counts (batch,)."""

    def __init__(self, features):
        super().__init__()
        self.features = features
        size, points = features.window_samples, features.n_fft
        before = points // 2 - (points - size) // 2
        self.padding = before, size - before
        self.power = _Power(features.window, points, features.linear_bins, features.hop)

    def forward(self, waves, lengths):
        frames = self.features.logarithm(self.power(F.pad(waves, self.padding)))
        return frames, 1 + lengths // self.features.hop


class _Encoder(nn.Module):
    """A pretrained encoder's frames (batch, time, bins), counts (batch,), of recordings of at most 30 s."""

    def __init__(self, features):
        super().__init__()
        self.features = copy.deepcopy(features)
        self.features.log_mel = _TraceableLogMel(features.log_mel)

    def forward(self, waves, lengths):
        counts = self.features.frame_counts(lengths / waves.shape[1], waves.shape[1])
        return self.features.encode(waves, lengths), counts


class _TraceableLogMel(LogMel):
    """As the log-mel it is made of, with the transform as a convolution."""

    def __init__(self, log_mel):
        super().__init__(log_mel.filters.shape[1], log_mel.level)
        self.transform = _Power(log_mel.window, WINDOW, len(log_mel.filters), HOP)

    def power(self, wavs):
        return self.transform(wavs)


class _TraceableAttention(nn.Module):
    """As the attention it is made of, of which a trace would keep how many frames and pieces its example had."""

    def __init__(self, attention):
        super().__init__()
        alike = attention.in_proj_weight is not None  # keys and values as wide as queries
        separate = attention.q_proj_weight, attention.k_proj_weight, attention.v_proj_weight
        self.weights = nn.ParameterList(attention.in_proj_weight.chunk(3) if alike else separate)
        self.biases = nn.ParameterList(attention.in_proj_bias.chunk(3))
        self.heads, self.output = attention.num_heads, attention.out_proj

    def forward(self, queries, keys, values, padded, need_weights):
        """(batch, time, width) and, for keys and values, (batch, others, ...) -> (batch, time, width), no weights."""
        projected = map(F.linear, (queries, keys, values), self.weights, self.biases)
        split = [part.view(*part.shape[:2], self.heads, -1).transpose(1, 2) for part in projected]
        attended = F.scaled_dot_product_attention(*split, attn_mask=~padded[:, None, None])
        return self.output(attended.transpose(1, 2).flatten(2)), None


class _Mean(nn.Module):
    """Of an ensemble, the mean of what its members give; of one model, what it gives."""

    def __init__(self, members):
        super().__init__()
        self.members = nn.ModuleList(
            (_PiecesToOutput if _reads_alone(member) else _WaveToOutput)(member) for member in members
        )

    def forward(self, *inputs):
        return torch.stack([member(*inputs) for member in self.members]).mean(dim=0)


class _TraceableConvLayer(nn.Module):
    """As the layer it is made of, which zeroes padding item by item: a trace would keep the counts of its example."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, maps, counts):
        maps, counts = self.layer.before_relu(maps, counts)
        return maps.relu() * frame_mask(counts, maps.shape[2])[:, None, :, None], counts


def _reads_alone(modules) -> bool:
    return isinstance(modules["embedding_model"], TextEncoder)


AXES = {
    "waves": {0: "batch", 1: "samples"},
    "lengths": {0: "batch"},
    "pieces": {0: "batch", 1: "pieces"},
    "counts": {0: "batch"},
}


def _inputs(model, waves, lengths, texts) -> dict[str, torch.Tensor]:
    """What the graph takes of these, by name."""
    heard = {} if _reads_alone(model.modules) else {"waves": waves, "lengths": lengths}
    return heard | dict(zip(("pieces", "counts"), pieces_of(model.modules, texts), strict=False))


def _text(model) -> str | None:
    """One that has the first pieces of a model that reads; of any other none."""
    pieces = model.modules["subwords"].pieces[2:12] if "subwords" in model.modules else []
    return "".join(pieces).replace("\u2581", " ") or None


def _traced(model, output: str) -> bytes:
    """The graph, traced with a batch of one: whatever the trace takes for a constant 1 still broadcasts."""
    samples = 10 * model.min_samples
    inputs = _inputs(model, torch.zeros(1, samples), torch.tensor([samples]), [_text(model)])
    stream = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        # Of checks of lengths, which a trace leaves out, and of the tracing exporter's age: torch's other one has to
        # know the number of steps of a GRU.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Mean(model.members).eval(),
            tuple(inputs.values()),
            stream,  # type: ignore[arg-type]  # torch writes to a file object as well
            input_names=list(inputs),
            output_names=[output],
            dynamic_axes={name: AXES[name] for name in inputs} | {output: {0: "batch"}},
            opset_version=OPSET,
            dynamo=False,
        )
    return stream.getvalue()


def _compare(content: bytes, model, output: str) -> None:
    """Raise :class:`SerError` when onnxruntime and torch differ on two recordings of noise, one padded and textless."""
    import onnxruntime

    lengths = np.array([25, 12]) * model.min_samples
    waves = np.random.default_rng(0).normal(0, 0.1, (2, lengths[0])).astype(np.float32)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    texts = [_text(model), None]
    inputs = _inputs(model, torch.from_numpy(waves.copy()), torch.from_numpy(lengths), texts)
    (given,) = session.run([output], {name: value.numpy() for name, value in inputs.items()})
    waves[1, lengths[1] :] = 0
    with torch.no_grad():
        shares = torch.from_numpy(lengths / lengths[0])
        outputs = model.outputs(model.frames(torch.from_numpy(waves), shares), shares, texts)
    outputs = outputs.exp() if output == "probabilities" else outputs.squeeze(-1)
    expected = outputs.mean(dim=0).numpy()  # (batch, classes), or (batch,)
    difference = float(np.abs(given - expected).max())
    if not difference < TOLERANCE:
        raise SerError(
            got=f"an ONNX graph that differs from torch by {difference:.2g}",
            expected=f"less than {TOLERANCE}",
            remedy="use the torch and onnxruntime of constraints.txt; report the model if it stays so",
        )
