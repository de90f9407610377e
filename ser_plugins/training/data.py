"""Manifest -> batches: the reading pipeline that every recipe shares.

SpeechBrain keeps this pipeline in each recipe's script on purpose; ours is the same for every corpus, so it is here.
"""

import random

import torch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.dataset import DynamicItemDataset
from torch.utils.data import Sampler

from ser_plugins.corpora.manifest import read_manifest
from ser_plugins.errors import SerError
from ser_plugins.evaluation.metrics.tasks import tasks_of
from ser_plugins.spectrogram import ZNorm
from ser_plugins.training.feature_store import FeatureStore, is_trained, training_items
from ser_plugins.training.recordings import check_recordings
from ser_plugins.training.transcripts import transcripts_of


def make_dataset(
    manifest,
    protocol: dict,
    compute_features,
    cache_features=True,
    auxiliary=None,
    by_speaker=False,
    features_folder=None,
    copies=(),
    soft_labels=None,
    transcript=None,
    sentences=None,
) -> DynamicItemDataset:
    """Turn a manifest into a dataset of ``id``, ``label`` (index or number) and ``frames`` or, without cache, ``wave``.

    Arguments
    ---------
    manifest : str or Path
        JSON manifest with ``{data_root}`` in its paths.
    protocol : dict
        As ``*_prepare.py`` returned it: data_root, target, classes or scale.
    compute_features : LogPowerSpectrogram
        Used on the CPU, once per utterance, when the features are cached.
    cache_features : bool
        False hands waveforms to the Brain, for those who augment them or compute features on a GPU.
    auxiliary : dict, optional
        Further targets, ``{field: scale}``; each is an item ``label_<field>``, NaN where an utterance has none.
    by_speaker : bool
        Normalise the frames of every speaker by that speaker's recordings in this manifest, per bin.
    features_folder : Path, optional
        Where frames are kept for other processes: see :class:`~ser_plugins.training.feature_store.FeatureStore`.
    copies : sequence
        Of :mod:`ser_plugins.copies`: every recording has one of each beside it, as an item of its own, ``id#name``.
    soft_labels : str, optional
        A field that counts answers by class, ``{class: count}``: their shares, (classes,), are an item ``shares``.
    transcript, sentences : str, dict, optional
        As of :func:`~ser_plugins.training.transcripts.transcripts_of`: what is said is an item ``transcript``.

    Raises
    ------
    SerError
        A recording that is another than the manifest's. A target that is no class, or no number; no speaker where one
        is needed; with manifest and id. Features to be cached that are trained.
    """
    entries = read_manifest(manifest)
    check_recordings(entries, protocol)
    items = training_items(entries, copies)
    item_fields = {key: fields for key, (fields, _) in items.items()}
    said = transcripts_of(item_fields, transcript, sentences, manifest) if transcript else {}
    # Only what is read here: a corpus may have a field that is called like an item, such as label.
    lengths = {key: fields["duration"] for key, fields in item_fields.items()}
    lengths = {key: len(said[key]) if length is None else length for key, length in lengths.items()}
    dataset = DynamicItemDataset({key: {"duration": length} for key, length in lengths.items()})
    if cache_features and is_trained(compute_features):
        raise SerError(
            got="cache_features: True, with a front end that is trained",
            expected="features computed anew in every batch",
            remedy="--cache_features False, or freeze the front end",
        )
    tasks = tasks_of(protocol, auxiliary)
    labels = label_items(tasks)
    for target, task in tasks.items():
        encoded = encode_targets(task, target, item_fields, manifest)
        dataset.add_dynamic_item(encoded.__getitem__, takes="id", provides=labels[target])
    if soft_labels:
        shares = encode_shares(tasks, soft_labels, item_fields, manifest)
        dataset.add_dynamic_item(shares.__getitem__, takes="id", provides="shares")
    if transcript:
        dataset.add_dynamic_item(said.__getitem__, takes="id", provides="transcript")

    store = FeatureStore(compute_features, protocol, features_folder)
    dataset.add_dynamic_item(lambda key: store.wave(*items[key]), takes="id", provides="wave")

    def frames_of(key):
        return store.features(*items[key])  # (time, bins)

    if by_speaker:
        if not cache_features:
            raise SerError(
                got="normalisation speaker with cache_features False",
                expected="cache_features True: a speaker's statistics are of frames, not of waveforms",
                remedy="correct one of the two",
            )
        frames_of = _normalised(frames_of, speakers(item_fields, manifest), compute_features.bins)
    dataset.add_dynamic_item(frames_of, takes="id", provides="frames")
    further = [*(["shares"] if soft_labels else []), *(["transcript"] if transcript else [])]
    dataset.set_output_keys(["id", *labels.values(), *further, "frames" if cache_features else "wave"])
    return dataset


def label_items(tasks) -> dict:
    """Names of the items of a batch that hold the targets.

    Example
    -------
    >>> label_items(["emotion", "valence"])
    {'emotion': 'label', 'valence': 'label_valence'}
    """
    target, *auxiliary = tasks
    return {target: "label", **{target: f"label_{target}" for target in auxiliary}}


def encode_targets(task, target: str, entries: dict, name) -> dict:
    """The targets that a task reads from the entries of a manifest, by id; ``name`` is the manifest's, for errors."""
    encoded = {}
    for key, fields in entries.items():
        try:
            encoded[key] = task.encode(fields.get(target))
        except SerError as error:
            got = f"{name}: {key}: {target} {error.got}"
            raise SerError(got=got, expected=error.expected, remedy=error.remedy) from None
    return encoded


def encode_shares(tasks: dict, field: str, entries: dict, name) -> dict:
    """Shares of the answers to each recording, (classes,), by id; ``name`` is the manifest's, for errors.

    Example
    -------
    >>> from ser_plugins.evaluation.metrics.tasks import Classification
    >>> tasks = {"emotion": Classification(["anger", "fear"])}
    >>> encode_shares(tasks, "votes", {"u1": {"votes": {"anger": 3, "fear": 1}}}, "train.json")
    {'u1': tensor([0.7500, 0.2500])}
    """
    task, *others = tasks.values()
    if task.kind != "classification" or others:
        raise SerError(
            got=f"soft_labels: {field}", expected="one target, in classes", remedy="leave soft_labels out of the YAML"
        )
    shares = {}
    for key, fields in entries.items():
        votes = fields.get(field)
        if not isinstance(votes, dict) or not set(votes) <= set(task.classes) or sum(votes.values()) <= 0:
            raise SerError(
                got=f"{name}: {key}: {field} {votes!r}",
                expected=f"counts of answers by class, of {', '.join(task.classes)}",
                remedy="add the corpus' table of answers, or leave soft_labels out",
            )
        counts = torch.tensor([float(votes.get(emotion, 0)) for emotion in task.classes])
        shares[key] = counts / counts.sum()
    return shares


def speakers(entries: dict, name) -> dict:
    """Who speaks, by id, from the entries of a manifest; ``name`` is the manifest's, for errors.

    Example
    -------
    >>> speakers({"03a01Fa": {"speaker": "spk03"}}, "train.json")
    {'03a01Fa': 'spk03'}
    """
    if silent := [key for key, fields in entries.items() if not fields.get("speaker")]:
        raise SerError(
            got=f"{name}: {silent[0]} has no speaker",
            expected="one for each recording, for normalisation speaker",
            remedy="choose another normalisation: this corpus does not say who speaks",
        )
    return {key: fields["speaker"] for key, fields in entries.items()}


def _normalised(frames_of, speaker_of: dict, bins: int):
    """``frames_of``, an id's frames (time, bins), with mean 0 and deviation 1 over all frames of a speaker, per bin."""
    norms = {
        speaker: ZNorm(bins).fit((frames_of(key)[None], None) for key, name in speaker_of.items() if name == speaker)
        for speaker in sorted(set(speaker_of.values()))
    }
    return lambda key: norms[speaker_of[key]](frames_of(key)[None])[0]


def durations(dataset: DynamicItemDataset) -> list[float]:
    """Seconds of every utterance, of one without sound the letters of its transcript, in the dataset's order."""
    return [dataset.data[key]["duration"] for key in dataset.data_ids]


class LengthSortedBatches(Sampler):
    """Batches of similar length, as in the paper, in a new order every epoch.

    Each epoch sorts by length times a random factor near 1, cuts the order into batches, and shuffles the batches. The
    outcome depends on seed and epoch alone, so a run that is killed and resumed sees the same batches.

    Arguments
    ---------
    lengths : list of float
        One per item, any unit.
    batch_size : int
        Items per batch; the last one may be smaller.
    seed : int
        Of the order.
    jitter : float
        Half-width of the random factor; 0 always puts the same items together.

    Example
    -------
    >>> sampler = LengthSortedBatches([3.0, 1.0, 2.0, 1.1], batch_size=2, jitter=0)
    >>> sorted(sorted(batch) for batch in sampler)
    [[0, 2], [1, 3]]
    """

    def __init__(self, lengths, batch_size, seed=0, jitter=0.02):
        self.lengths = lengths
        self.batch_size = batch_size
        self.seed = seed
        self.jitter = jitter
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the Brain before every epoch."""
        self.epoch = epoch

    def __len__(self):
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self):
        rng = random.Random(f"{self.seed}/{self.epoch}")
        jittered = [length * rng.uniform(1 - self.jitter, 1 + self.jitter) for length in self.lengths]
        order = sorted(range(len(jittered)), key=jittered.__getitem__)
        batches = [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]
        rng.shuffle(batches)
        return iter(batches)


def collate(examples) -> PaddedBatch:
    """SpeechBrain's ``PaddedBatch``, padded by torch in one pass."""
    return PaddedBatch(examples, padding_func=_pad)


def _pad(tensors):
    padded = torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True)
    if padded.dim() == 3:  # frames, not waves: few sizes of activations leave few holes in the heap
        padded = torch.nn.functional.pad(padded, (0, 0, 0, -padded.shape[1] % 16))
    return padded, torch.tensor([len(tensor) / padded.shape[1] for tensor in tensors])


def in_order(dataset: DynamicItemDataset, batch_size: int):
    """Batches of a dataset in one fixed order, sorted by length: for statistics and evaluation."""
    seconds = durations(dataset)
    order = sorted(range(len(seconds)), key=seconds.__getitem__)
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    return torch.utils.data.DataLoader(dataset, batch_sampler=batches, collate_fn=collate, generator=torch.Generator())
