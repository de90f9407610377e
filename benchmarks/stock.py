"""The stock pattern: bigru_mha as a straightforward SpeechBrain recipe would train it, one fold in one Python.

> python benchmarks/stock.py FOLD/train.json FOLD/test.json /path/to/emodb results/stock.json --epochs 80

Waveforms are read and transformed anew in every batch, batches are drawn in random order and padded to their longest,
the features are normalised by running statistics, the Bi-GRU is packed, and threads are left to their default. The
layer sizes, the loss, the optimizer and the batch size are those of ``recipes/EmoDB/hparams/bigru_mha.yaml``. Data
loading stays in the training process (``num_workers`` 0, as in SpeechBrain's template).
"""

import argparse
import json
import time
from pathlib import Path

import speechbrain as sb
import torch
from speechbrain.dataio.dataio import length_to_mask
from speechbrain.nnet.attention import MultiheadAttention
from speechbrain.nnet.pooling import StatisticsPooling
from speechbrain.nnet.RNN import GRU
from speechbrain.processing.features import STFT, InputNormalization, spectral_magnitude
from torch import nn

BATCH_SIZE, LR, SEED = 32, 1e-4, 1234


class StockBrain(sb.Brain):
    """The forward pass and the loss, as recipes write them."""

    def compute_forward(self, batch, stage):
        """Log-probabilities (batch, classes)."""
        batch = batch.to(self.device)
        waves, lengths = batch.sig
        frames = spectral_magnitude(self.modules.stft(waves), power=1, log=True)[..., :400]  # (batch, time, bins)
        frames = self.modules.normalize(frames, lengths)
        maps = self.modules.cnn(frames.unsqueeze(1))  # (batch, channels, time / 4, bins / 16)
        frames = maps.permute(0, 2, 1, 3).flatten(2)
        frames, _ = self.modules.gru(frames, lengths=lengths)
        padding = ~length_to_mask(lengths * frames.shape[1], frames.shape[1]).bool()
        # The weights are not asked for: they would cost time that no straightforward recipe needs to spend.
        attended = self.modules.attention(frames, frames, frames, key_padding_mask=padding, return_attn_weights=False)
        embedding = self.modules.pooling(attended, lengths).squeeze(1)
        return self.modules.classifier(embedding).log_softmax(-1)

    def compute_objectives(self, predictions, batch, stage):
        """Cross-entropy; on the test set also the hits."""
        labels = batch.label.to(self.device)
        if stage == sb.Stage.TEST:
            self.hits += int((predictions.argmax(-1) == labels).sum())
        return nn.functional.nll_loss(predictions, labels)

    def on_stage_start(self, stage, epoch=None):
        """Start the clock."""
        self.hits, self.started = 0, time.perf_counter()

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """One checkpoint per epoch, as recipes keep it."""
        if stage == sb.Stage.TRAIN:
            self.checkpointer.save_and_keep_only(meta={"epoch": epoch})
            self.hparams.history.append({"loss": stage_loss, "seconds": time.perf_counter() - self.started})


def make_brain(classes: int, save_folder=None, epochs: int = 1) -> StockBrain:
    """The model with its optimizer; without a folder there is no checkpointer, for the timing of single steps."""
    torch.manual_seed(SEED)
    modules = {
        "stft": STFT(sample_rate=16000, win_length=40, hop_length=10, n_fft=1600),
        "normalize": InputNormalization(),
        "cnn": nn.Sequential(
            *(nn.Conv2d(1, 16, (5, 8), stride=(2, 4), padding=(2, 3)), nn.ReLU()),
            *(nn.Conv2d(16, 24, (3, 6), stride=(2, 2), padding=(1, 2)), nn.ReLU()),
            *(nn.Conv2d(24, 32, (3, 5), stride=(1, 2), padding=(1, 2)), nn.ReLU()),
        ),
        "gru": GRU(hidden_size=128, input_size=800, num_layers=2, bidirectional=True),
        "attention": MultiheadAttention(nhead=8, d_model=256, dropout=0.2),
        "pooling": StatisticsPooling(return_std=False),
        "classifier": nn.Sequential(nn.Linear(256, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, classes)),
    }
    counter = sb.utils.epoch_loop.EpochCounter(limit=epochs)
    checkpointer = None
    if save_folder is not None:
        recoverables = {name: modules[name] for name in ("normalize", "cnn", "gru", "attention", "classifier")}
        checkpointer = sb.utils.checkpoints.Checkpointer(save_folder, {**recoverables, "counter": counter})
    return StockBrain(
        modules,
        lambda parameters: torch.optim.Adam(parameters, lr=LR),
        {"epoch_counter": counter, "history": []},
        {"device": "cpu", "noprogressbar": True},
        checkpointer,
    )


def make_dataset(manifest, data_root, classes: list):
    """Manifest -> ``id``, ``sig``, ``label``."""
    dataset = sb.dataio.dataset.DynamicItemDataset.from_json(manifest, replacements={"data_root": data_root})
    dataset.add_dynamic_item(sb.dataio.dataio.read_audio, takes="wav", provides="sig")
    dataset.add_dynamic_item(classes.index, takes="emotion", provides="label")
    dataset.set_output_keys(["id", "sig", "label"])
    return dataset


def main():
    """Train and test one fold; write seconds and loss of every epoch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("train_annotation", "test_annotation", "data_root", "output"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--epochs", type=int, default=80)
    options = parser.parse_args()
    entries = json.loads(options.train_annotation.read_text(encoding="utf-8"))
    classes = sorted({entry["emotion"] for entry in entries.values()})
    train, test = (
        make_dataset(manifest, str(options.data_root), classes)
        for manifest in (options.train_annotation, options.test_annotation)
    )
    brain = make_brain(len(classes), options.output.parent / f"{options.output.stem}_save", options.epochs)
    loader_options = {"batch_size": BATCH_SIZE}
    brain.fit(brain.hparams.epoch_counter, train, train_loader_kwargs={**loader_options, "shuffle": True})
    brain.evaluate(test, test_loader_kwargs=loader_options)
    results = {
        "history": brain.hparams.history,
        "WA": brain.hits / len(test),
        "utterances": len(train),
        "parameters": sum(value.numel() for value in brain.modules.parameters()),
        "threads": torch.get_num_threads(),
    }
    options.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
