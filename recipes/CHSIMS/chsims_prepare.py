"""CH-SIMS: where its labels and recordings are, and what a genuine copy holds.

2281 clips out of 60 Chinese films, series and shows, sentiment from -1 to 1 in steps of 0.2, labelled once for all
modalities together and once for each alone. Labels are in ``label.csv``, with or without a header; clips are
``Raw/<video_id>/<clip_id>.mp4``, or wavs of the same names.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ser_plugins.corpora.grouping import divide
from ser_plugins.corpora.manifest import Utterance
from ser_plugins.corpora.prepare import Corpus, prepare_corpus
from ser_plugins.corpora.protocols import ALL, PROTOCOLS, Protocol, choose
from ser_plugins.corpora.sources import find_source
from ser_plugins.corpora.tables import MODES, Row, read_rows

COLUMNS = ("video_id", "clip_id", "text", "label", "label_T", "label_A", "label_V", "annotation", "mode")
NEEDED = ("video_id", "clip_id", "label", "mode")
TARGETS = {"label": "label_M", "label_T": "label_T", "label_A": "label_A", "label_V": "label_V"}
COUNTS = {"train": 1368, "valid": 456, "test": 457}


def utterances(data_root: Path, split_seed: int = 0) -> Iterator[Utterance]:
    """Read the labels, and say where each recording is."""
    rows = read_rows(data_root / "label.csv", NEEDED, headerless=COLUMNS)
    by_video = divide(Counter(row.text("video_id") for row in rows), COUNTS, split_seed)
    for row in rows:
        video, clip = row.text("video_id"), row.text("clip_id")
        clip = f"{int(clip):04d}" if clip.isdecimal() else clip  # 0001 comes as 1 from a spreadsheet
        fields = {
            "video": video,
            "split": row.one_of("mode", MODES),
            "video_split": by_video[video],
            **{field: optional_number(row, column) for column, field in TARGETS.items()},
            "transcript": row.cells.get("text") or None,
        }
        wav = find_source(data_root, [f"{folder}{video}/{clip}" for folder in ("Raw/", "wav/", "")])
        yield Utterance(f"{video}_{clip}", wav, fields, source=row.source)


def optional_number(row: Row, column: str) -> float | None:
    """Return a label; None where a copy has no such column or leaves it blank (but ``label`` it must have)."""
    return row.number(column, -1, 1) if row.cells.get(column) or column == "label" else None


CHSIMS = Corpus(
    name="CH-SIMS",
    licence="research only; the clips belong to those who published the films",
    citation="Yu, Xu, Meng, Zhu, Ma, Wu, Zou, Yang: CH-SIMS: A Chinese Multimodal Sentiment Analysis Dataset with "
    "Fine-grained Annotation of Modality. ACL 2020",
    language="zh",
    speech="clips out of Chinese films, series and shows",
    classes=(),
    target="label_M",
    task="regression",
    scale="chsims",
    unit_field="video",
    utterances=utterances,
    remedy="recipes/CHSIMS/README.md says how to get the corpus; a copy without some recordings: --allow_partial",
    counts={"split": COUNTS},
    protocols={
        # Not disjoint in anything: 59 of the 60 videos are in both train and test. It is what the literature uses.
        "official": Protocol("clip (official split, videos leak)", split="split", leaks=True),
        "video-disjoint": Protocol("video (a split of our own)", disjoint=("video",), split="video_split"),
        ALL: PROTOCOLS[ALL],
    },
)


def prepare_chsims(
    data_folder,
    save_folder,
    protocol="official",
    target="label",
    select="valid",
    split_seed=0,
    allow_partial=False,
    cache_folder=None,
    needs_sound=True,
) -> dict:
    """Verify CH-SIMS and write the manifests of its split.

    Arguments
    ---------
    data_folder : path-like
        Holds ``label.csv`` and ``Raw/``; or a synthetic corpus in the same layout.
    save_folder : path-like
        For ``corpus.json``, ``<fold>/{train,valid,test}.json`` and ``protocol.json``.
    protocol : str
        ``official``, whose train, valid and test share videos, which every table says; ``video-disjoint``, with about
        the same proportions; ``all`` (trains on everything, tests nothing; ``select`` is ``last``).
    target : str
        ``label`` (of all modalities together), ``label_A`` (of the audio alone), ``label_T``, ``label_V``.
    select : str
        ``valid``, or ``last``.
    split_seed : int
        Of ``video-disjoint``.
    allow_partial : bool
        Use a copy that lacks recordings, and say so in every table.
    cache_folder : path-like
        Where the audio of the clips goes; by default ``audio`` beside ``save_folder``.
    needs_sound : bool
        False, for systems that read alone: where there is no recording at all, the label files are enough, and every
        table says so.

    Returns
    -------
    dict
        What ``protocol.json`` says.
    """
    corpus = dataclasses.replace(
        CHSIMS, target=TARGETS[choose("target", target, TARGETS)], utterances=partial(utterances, split_seed=split_seed)
    )
    return prepare_corpus(
        corpus,
        data_folder,
        save_folder,
        protocol=protocol,
        select=select,
        split_seed=split_seed,
        allow_partial=allow_partial,
        cache_folder=cache_folder or Path(save_folder).parent / "audio",
        needs_sound=needs_sound,
    )
