"""The short tables of results on EmoDB, for READMEs and docs/results/emodb.md, out of the tables that the suite wrote.

Scores are copied from the cells of Table 6, never typed: what stands here is which systems are shown and how each came
about. Three rows are not ours: the paper's number, from :mod:`ser_plugins.evaluation.paper.numbers`, chance, and the
listeners, from what ``scripts/listeners.py`` has computed. And the table of runs with the recipe for any CSV.
"""

import csv
from collections.abc import Iterable
from pathlib import Path

from listeners import LISTENERS

from ser_plugins.evaluation.paper import numbers as paper
from ser_plugins.evaluation.paper.columns import value_text
from ser_plugins.evaluation.report.summary import aggregate
from ser_plugins.evaluation.report.tables import interval_text, marks
from ser_plugins.evaluation.runs.folds import read_run
from ser_plugins.files import read_json
from ser_plugins.plain import bold
from ser_plugins.scores import percent

HEADER = ["system", "WA (95 %)", "UAR (95 %)", "how it came about"]
FRONT_PAGE = {
    "chance": "always anger, the most frequent class",
    "paper": "as printed; the choice of its epoch is not stated",
    "bigru_mha_80_epochs": "the paper's system here, with its epochs, batch size and learning rate",
    "bigru_mha_mel_mean": "the best network from spectrograms alone; `small` of the package",
    "nested_sentence": "the best without pretraining, chosen without the test speaker; knows the ten sentences",
    "bundled": "`fast` of the package; the best of several seen on this test",
    "nested_whisper": "the best that was chosen without the test speaker",
    "listeners": "mean recognition of the 535 recordings, `erkennung.txt` of the corpus",
}
# Where the names lead from the README.
FRONT_PAGE_LINKS = {
    "paper": "https://doi.org/10.3390/s24051429",
    "bigru_mha_80_epochs": "recipes/EmoDB/hparams/bigru_mha.yaml",
    "bigru_mha_mel_mean": "recipes/EmoDB/hparams/bigru_mha_mel_mean.yaml",
    "nested_sentence": "recipes/EmoDB/experiments/2026-11-25_sixth_list.md",
    "bundled": "ser_plugins/models/fast/README.md",
    "nested_whisper": "recipes/EmoDB/experiments/2026-11-26_whisper.md",
}
ALL = {
    "listeners": "`erkennung.txt` of the corpus",
    "paper": "does not say how its epoch was chosen",
    "whisper_svm": "fixed; hidden states and C from a table of this very test that had been seen",
    "nested_whisper": "chosen per speaker among sixteen heads, half of them with copies at speeds 0.9 and 1.1",
    "nested_whisper_plain": "chosen per speaker among eight plain heads, all 45 pairs; nothing is drawn",
    "whisper_pool": "`whisper_linear` and `whisper_bigru_mha`, equal weights",
    "whisper_not_finetuned": "its control, fixed together with it: the layers frozen, the same copies; one seed",
    "whisper_finetuned": "fixed, after all other rows of the encoder had been seen; its layers trained too; one seed",
    "whisper_linear": "fixed; exported as one linear layer",
    "whisper_bigru_mha": "fixed; the encoder under the paper's Bi-GRU and attention",
    "bundled": "two layers of the encoder in 8 bits; `fast` of the package; the best of several seen on this test",
    "best": "a fixed configuration, found while looking at inner scores of this corpus; knows the ten sentences",
    "nested_sentence": "chosen per speaker; knows the ten sentences",
    "nested_mean_ensemble": "chosen per speaker; one ensemble of five seeds; knows the ten sentences",
    "nested_mean": "chosen per speaker; knows the ten sentences",
    "nested_mel_ensemble": "chosen per speaker; one ensemble of three seeds",
    "nested_mel": "chosen per speaker",
    "functionals_svm": "a fixed configuration, found while looking at inner scores of this corpus",
    "compare_svm": "a fixed configuration, what a user would otherwise pick",
    "nested": "chosen per speaker from the earliest list",
    "bigru_mha_mel_mean_ensemble": "fixed, found while looking at inner scores; one ensemble of five seeds",
    "bigru_mha_mel_mean": "the same, each seed by itself; `small` of the package",
    "bigru_mha_mel_ensemble": "fixed, found while looking at inner scores; one ensemble of three seeds",
    "bigru_mha_mel": "the same, each seed by itself",
    "bigru_mha_plus": "a fixed configuration: the paper's skeleton with augmentation",
    "bigru": "the paper's baseline, without attention; 16 epochs, as the row `bigru_mha`",
    "bigru_mha_80_epochs": "the paper's system: `bigru_mha.yaml` as it stands",
    "bigru_mha_xu2024": "the paper's system with its CNN as the text describes it, 80 epochs; one seed, on a GPU",
    "bigru_mha": "the paper's system, 16 epochs with batch 16 and learning rate 0.001",
    "chance": "always anger, the most frequent class",
}
# System: what trains it, in recipes/EmoDB, and where a trained model is; as of release 0.1.0.
RECIPE = {
    "bigru_mha_80_epochs": ("hparams/bigru_mha.yaml", ""),
    "bigru_mha_mel_mean": ("hparams/bigru_mha_mel_mean.yaml", "[small](../../ser_plugins/models/emodb/README.md)"),
    "compare_svm": ("hparams/compare_svm.yaml", ""),
    "functionals_svm": ("hparams/functionals_svm.yaml", ""),
    "best": ("hparams/best.yaml", ""),
    "nested_sentence": ("experiments_sentence.yaml", ""),
    "bundled": ("hparams/bundled.yaml", "[fast](../../ser_plugins/models/fast/README.md)"),
    "whisper_bigru_mha": ("hparams/whisper_bigru_mha.yaml", ""),
    "whisper_linear": ("hparams/whisper_linear.yaml", ""),
    "whisper_finetuned": ("hparams/whisper_finetuned.yaml", ""),
    "nested_whisper": ("experiments_whisper.yaml", ""),
}
RELEASE = "0.1.0"
RECIPE_HEADER = ["release", "YAML", "WA (95 %)", "UAR (95 %)", "model", "device"]


def recipe_table(tables: Path) -> str:
    """The table of recipes/EmoDB/README.md, in SpeechBrain's columns."""
    rows = read_rows(tables)
    lines = [RECIPE_HEADER, ["---"] * len(RECIPE_HEADER)]
    for name, (yaml_file, model) in RECIPE.items():
        title = f"[{Path(yaml_file).stem}]({yaml_file}){_mark(rows[name])}"
        lines.append([RELEASE, title, *_scores(rows[name]), model, rows[name]["machine"]])
    return _markdown(lines)


def table_of_runs(runs: Iterable[Path]) -> str:
    """The results in recipes/CSV/README.md, in SpeechBrain's columns: packed runs, the lowest WA first."""
    summaries = sorted((aggregate(read_run(run)) for run in runs), key=lambda summary: summary.metrics["WA"])
    lines = [RECIPE_HEADER, ["---"] * len(RECIPE_HEADER)]
    for summary in summaries:
        title = " ".join([f"[{summary.system}](hparams/{summary.system}.yaml)", *map(bold, marks(summary.protocol))])
        scores = next(iter(summary.tasks.values())).scores
        cells = [
            f"{value_text(scores[key], summary, key)} ({interval_text(summary.intervals[key], scores[key])})"
            for key in ("WA", "UAR")
        ]
        lines.append([RELEASE, title, *cells, "", f"{summary.machine} ({summary.device})"])
    return _markdown(lines)


def results_table(remarks: dict[str, str], tables: Path, links: dict[str, str]) -> str:
    """A markdown table of the systems in ``remarks``, in their order.

    Arguments
    ---------
    remarks : dict
        How each came about, by the name of the system; ``chance``, ``paper`` and ``listeners`` are names as well.
    tables : Path
        Where the suite wrote its tables.
    links : dict
        Where a name leads, of those that lead somewhere.
    """
    rows, published, recognised = read_rows(tables), paper.ACCURACY["EmoDB"][paper.MAIN], read_json(LISTENERS)
    lines = [HEADER, ["---", "--:", "--:", "---"]]
    for name, remark in remarks.items():
        link = links.get(name)
        if name == "paper":
            lines.append([_linked("Xu et al. 2024", link), f"{published}", "–", remark])
        elif name == "listeners":
            lines.append(["listeners", *(percent(recognised[score]) for score in ("WA", "UAR")), remark])
        elif name == "chance":
            lines.append(["chance", *_scores(rows[name]), remark])
        else:
            title = _linked(f"`{name}`", link) + _mark(rows[name])
            lines.append([title, *_scores(rows[name]), "; ".join([remark, *_training(name, rows[name])])])
    return _markdown(lines)


def read_rows(tables: Path) -> dict[str, dict]:
    """Table 6 and the table of costs joined, by the name of the system; ``chance`` is the majority class."""
    rows = {}
    for table in ("table_6", "cost"):
        with open(tables / f"{table}.csv", encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                rows.setdefault(_name(row["system"].removesuffix(" PRETRAINED")), {}).update(row)
    return rows


def _name(title):
    titles = {"chance": "majority class", **paper.METHODS}
    return next((name for name, start in titles.items() if title == start or title.startswith(f"{start} (")), title)


def _markdown(lines):
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _linked(title, target):
    return f"[{title}]({target})" if target else title


def _mark(row):
    return " **PRETRAINED**" if row["system"].endswith(" PRETRAINED") else ""


def _scores(row):
    for score in ("WA", "UAR"):
        interval = row[f"{score} 95 %"]
        yield row[f"{score} (%)"] + (f" ({interval})" if interval else "")


def _training(name, row):
    """What has to be known of the trainings: epochs where they are not the paper's, seeds where there are several."""
    epochs, theirs = row["epochs"], paper.HYPERPARAMETERS["EmoDB"]["number_of_epochs"]
    if name in paper.METHODS and epochs != str(theirs):
        yield f"{epochs} epochs, the paper's {theirs}"
    if len(seeds := row["seeds"].split()) > 1:
        yield f"mean ± sd of {len(seeds)} seeds"
