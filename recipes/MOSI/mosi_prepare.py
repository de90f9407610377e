"""CMU-MOSI: where its labels and recordings are, and what a genuine copy holds.

2199 segments of 93 films in which people speak about a movie, sentiment from -3 to 3. Two layouts circulate, the
published one (``OpinionLevelSentiment.csv``, segmented wavs) and that of MMSA (``label.csv``, ``Raw/<video>/<n>.mp4``).
Video ids hold ``_`` and ``-`` and may begin with them.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from ser_plugins.corpora.grouping import in_groups
from ser_plugins.corpora.manifest import Utterance
from ser_plugins.corpora.prepare import Corpus, prepare_corpus
from ser_plugins.corpora.protocols import ALL, PARTS, PROTOCOLS, Protocol, by_field
from ser_plugins.corpora.sources import find_source
from ser_plugins.corpora.tables import MODES, Row, read_rows
from ser_plugins.errors import MissingPathError
from ser_plugins.files import read_json

FOLDS = read_json(Path(__file__).with_name("mosi_standard_folds.json"))
SPLIT_OF = {video: part for part in PARTS for video in FOLDS[part]}
PUBLISHED = (
    "start",
    "end",
    "video",
    "segment",
    "label",
)  # the columns of OpinionLevelSentiment.csv, which has no header
MMSA = ("video_id", "clip_id", "label")  # of label.csv, by name: their order varies
ROOTS = ("", "Raw/")  # the published archive unpacks into Raw/
LABEL_FILES = ("OpinionLevelSentiment.csv", "Labels/OpinionLevelSentiment.csv", "label.csv")
LABELS = tuple(f"{root}{name}" for name in LABEL_FILES for root in ROOTS)
WAVS = "Audio/WAV_16000/Segmented"
EMPTY = {"2WGyTLYerpo_44": "of zero length in every copy"}


def utterances(data_root: Path) -> Iterator[Utterance]:
    """Read the labels of either layout, and say where each recording is."""
    path = next((data_root / name for name in LABELS if (data_root / name).is_file()), None)
    if path is None:
        raise MissingPathError(
            got=f"no labels in {data_root}", expected=" or ".join(LABELS), remedy="name the folder that holds them"
        )
    published = path.name != "label.csv"
    transcripts = segment_transcripts(data_root)
    for row in read_rows(path, PUBLISHED if published else MMSA, headerless=PUBLISHED if published else ()):
        video, segment = (row.text(column) for column in (PUBLISHED[2:4] if published else MMSA[:2]))
        name = f"{video}_{int(segment) if segment.isdecimal() else segment}"
        sentiment = row.number("label", -3, 3)
        fields = {
            "video": video,
            "split": standard_split(row, video),
            "sentiment": sentiment,
            "polarity": ("negative", "zero", "positive")[(sentiment >= 0) + (sentiment > 0)],
            "transcript": row.cells.get("text") or transcripts.get(name),
        }
        wav = find_source(data_root, stems(video, name))
        yield Utterance(name, wav, fields, source=row.source, skip=EMPTY.get(name, ""))


def standard_split(row: Row, video: str) -> str:
    """Return the part of the standard folds that a video is in, which ``mode``, where there is one, must agree with."""
    if video not in SPLIT_OF:
        row.wrong("video" if "video" in row.cells else "video_id", f"one of the {len(SPLIT_OF)} videos of CMU-MOSI")
    if "mode" in row.cells and row.one_of("mode", MODES) != SPLIT_OF[video]:
        row.wrong("mode", f"{SPLIT_OF[video]}, as the standard folds have {video}")
    return SPLIT_OF[video]


def stems(video: str, name: str) -> list[str]:
    """List where the audio of a segment may be, published layout first."""
    clip = f"{video}/{name.removeprefix(f'{video}_')}"
    return [f"{root}{stem}" for root in ROOTS for stem in (f"{WAVS}/{name}", f"Video/Segmented/{name}", clip)]


def segment_transcripts(data_root: Path) -> dict[str, str]:
    """Read what the published layout has of transcripts, ``{segment: text}``; not every segment has one."""
    transcripts = {}
    for root in ROOTS:
        for path in sorted((data_root / root / "Transcript" / "Segmented").glob("[!.]*.annotprocessed")):
            text = path.read_text(encoding="utf-8", errors="replace")
            for number, words in re.findall(r"^(\d+)_DELIM_(.*?)\s*$", text, re.MULTILINE):
                transcripts[f"{path.stem}_{number}"] = words
    return transcripts


MOSI = Corpus(
    name="MOSI",
    licence="research only; the videos belong to those who published them",
    citation="Zadeh, Zellers, Pincus, Morency: MOSI: Multimodal Corpus of Sentiment Intensity and Subjectivity "
    "Analysis in Online Opinion Videos. arXiv 1606.06259, 2016",
    language="en",
    speech="people who speak about a movie in English, each alone before a camera",
    classes=(),
    target="sentiment",
    task="regression",
    scale="mosi",
    unit_field="video",
    utterances=utterances,
    remedy="recipes/MOSI/README.md says how to get the corpus; a copy without some recordings: --allow_partial",
    # 2199 published segments, of which one is empty.
    counts={
        "split": {"train": 1284 - 1, "valid": 229, "test": 686},
        "polarity": {"negative": 1023, "zero": 96, "positive": 1080 - 1},
    },
    protocols={
        "standard": Protocol("video (standard folds)", disjoint=("video",), split="split"),
        "loo-video": Protocol("group of videos", in_groups("video", 10), ("video",)),
        "loo-each-video": Protocol("video", by_field("video"), ("video",)),
        ALL: PROTOCOLS[ALL],
    },
)


def prepare_mosi(
    data_folder,
    save_folder,
    protocol="standard",
    select="valid",
    split_seed=0,
    allow_partial=False,
    cache_folder=None,
    fold="all",
    needs_sound=True,
) -> dict:
    """Verify CMU-MOSI and write the manifests of its folds.

    Arguments
    ---------
    data_folder : path-like
        Either layout; or a synthetic corpus in one of them.
    save_folder : path-like
        For ``corpus.json``, ``<fold>/{train,valid,test}.json`` and ``protocol.json``.
    protocol : str
        ``standard`` (52 / 10 / 31 videos); ``loo-video`` (ten groups of videos, each tested once); ``loo-each-video``;
        ``all`` (trains on everything, tests nothing; ``select`` is ``last``).
    select : str
        ``last``; ``valid`` (only ``standard`` has a validation set); ``inner_speaker`` (the others: a training video
        validates).
    split_seed : int
        Of the groups.
    allow_partial : bool
        Use a copy that lacks recordings, and say so in every table.
    cache_folder : path-like
        Where audio goes that is not 16 kHz mono already; by default ``audio`` beside ``save_folder``.
    fold : str
        Whose manifests are written: ``all``, or comma-separated names.
    needs_sound : bool
        False, for systems that read alone: where there is no recording at all, the label files are enough, and every
        table says so.

    Returns
    -------
    dict
        What ``protocol.json`` says.
    """
    return prepare_corpus(
        MOSI,
        data_folder,
        save_folder,
        protocol=protocol,
        select=select,
        split_seed=split_seed,
        allow_partial=allow_partial,
        cache_folder=cache_folder or Path(save_folder).parent / "audio",
        fold=fold,
        needs_sound=needs_sound,
    )
