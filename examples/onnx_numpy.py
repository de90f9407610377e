"""Emotions in wav files with numpy and onnxruntime alone: no torch, no SpeechBrain, no ser_plugins.

Write the model once with ``ser onnx models/emodb emodb.onnx``; then, anywhere::

    python examples/onnx_numpy.py emodb.onnx speech.wav other.wav
"""

import json
import os
import sys
import wave

import numpy as np
import onnxruntime


def read_wav(path, sample_rate):
    """Samples (n,), float32, full scale is +-1; channels are averaged."""
    with open(path, "rb") as file:
        size = 8 + int.from_bytes(file.read(8)[4:], "little")  # what the header says, bytes
    if os.path.getsize(path) not in (size, size + 1):  # an odd number of bytes may be padded
        sys.exit(f"{path}: {os.path.getsize(path)} bytes, {size} by its header: cut or damaged, or no wav")
    with wave.open(path, "rb") as file:
        if file.getframerate() != sample_rate or file.getsampwidth() != 2:
            sys.exit(f"{path}: need 16 bits at {sample_rate} Hz: ffmpeg -i OLD -ar {sample_rate} NEW.wav")
        content = file.readframes(file.getnframes())
        channels = np.frombuffer(content, "<i2").reshape(-1, file.getnchannels())
    return (channels.mean(axis=1) / 32768).astype(np.float32)


def check(path, samples, about):
    """The graph checks nothing, so this is done here."""
    least, most = about["min_samples"], about["max_samples"] or len(samples)
    if not least <= len(samples) <= most:
        sys.exit(f"{path}: {len(samples)} samples, need at least {least} and at most {most}")
    if np.abs(samples - samples.mean()).max() < 1e-3:
        sys.exit(f"{path}: silent")


def main(model_path, *wav_paths):
    """Print one line per file."""
    session = onnxruntime.InferenceSession(model_path, providers=["CPUExecutionProvider"])
    about = {key: json.loads(value) for key, value in session.get_modelmeta().custom_metadata_map.items()}
    recordings = [read_wav(path, about["sample_rate"]) for path in wav_paths]
    for path, samples in zip(wav_paths, recordings, strict=True):
        check(path, samples, about)

    lengths = np.array([len(samples) for samples in recordings], dtype=np.int64)
    waves = np.zeros((len(recordings), lengths.max()), dtype=np.float32)  # padded at the end
    for row, samples in zip(waves, recordings, strict=True):
        row[: len(samples)] = samples
    (outputs,) = session.run([about["output"]], {"waves": waves, "lengths": lengths})

    for path, output in zip(wav_paths, outputs, strict=True):
        if not np.isfinite(output).all():
            sys.exit(f"{path}: the model's output is not finite: write the model again")
        if about["output"] == "score":
            print(f"{path}: {output:.3f}")
        else:
            print(f"{path}: {about['labels'][output.argmax()]} {output.max():.3f}")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
