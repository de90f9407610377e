"""What every table beside the paper's needs: names, cells, and the notes without which it must not be shown."""

from ser_plugins.evaluation.paper import numbers as paper
from ser_plugins.evaluation.paper.published_table import NONE
from ser_plugins.evaluation.report.tables import explained, marks
from ser_plugins.plain import code, markdown

NOT_RUN = "not run"
_SHORT = {
    "number_of_epochs": "epochs", "batch_size": "batch", "lr": "lr", "dropout": "dropout",
    "attention_dropout": "attention dropout", "heads": "heads",
}  # fmt: skip


def system_of(corpus: str, heads: int) -> str:
    """The system of Table 3 with so many heads; none is the one without attention.

    Example
    -------
    >>> [system_of("EmoDB", heads) for heads in (0, 8, 16)], system_of("IEMOCAP", 16)
    (['bigru', 'bigru_mha', 'bigru_mha_16'], 'bigru_mha')
    """
    if not heads:
        return paper.WITHOUT_ATTENTION
    return paper.MAIN if heads == _usual_heads(corpus) else f"{paper.MAIN}_{heads}"


def deviations(corpus: str, summaries: dict) -> list[str]:
    """A sentence for every set of settings that is not Table 2's, with the systems that were trained so."""
    theirs, found = paper.HYPERPARAMETERS.get(corpus), {}
    for name, summary in summaries.items():
        ours = summary["settings"]
        if theirs and "number_of_epochs" in ours:
            keys = [key for key in _matter(name, ours) if key in ours and ours[key] != theirs[key]]
            if keys:
                mine = ", ".join(f"{_SHORT[key]} {ours[key]:g}" for key in keys)
                found.setdefault((mine, ", ".join(f"{theirs[key]:g}" for key in keys)), []).append(name)
    return [
        f"**Not the settings of Table 2**: ours {mine}; the paper's {others} ({markdown(', '.join(names))})."
        for (mine, others), names in found.items()
    ]


def _matter(name, settings) -> list[str]:
    """The settings of Table 2 that are the same for all systems, or that this one must share."""
    left_out = {"heads"} if name not in (paper.MAIN, "mha") else set()
    if not settings.get("heads"):
        left_out.add("attention_dropout")
    return [key for key in _SHORT if key not in left_out]


def main_of(summaries: dict) -> dict | None:
    """The aggregate of the paper's own system, if it was run."""
    return summaries.get(paper.MAIN)


def _usual_heads(corpus):
    return paper.HYPERPARAMETERS.get(corpus, paper.HYPERPARAMETERS["EmoDB"])["heads"]


def title_of(corpus: str, name: str, summaries: dict) -> str:
    """A system in the paper's words, with what nobody must overlook, in capitals; others by their own name.

    Example
    -------
    >>> title_of("EmoDB", "bigru_mha_4", {}), title_of("EmoDB", "mfcc_svm", {})
    ('Bi-GRU + 4 heads (Table 3)', 'mfcc_svm')
    """
    heads = {system_of(corpus, heads): heads for heads in paper.HEADS}.get(name)
    if name == paper.MAIN:
        title = f"{paper.METHODS[name]} (Bi-GRU + {heads} heads)"
    else:
        title = paper.METHODS.get(name) or (f"Bi-GRU + {heads} heads (Table 3)" if heads else name)
    words = marks(summaries[name]["protocol"]) if name in summaries else []
    return " ".join([title, *words])


def value_text(score, summary: dict, key: str) -> str:
    """A pooled score, with its sd where there are several seeds."""
    text, sd = score.text(summary["metrics"][key], 2), summary["seed_sd"][key]
    return text if sd is None else f"{text} ± {score.text(sd, 2)}"


def seeds_text(summary: dict | None) -> str:
    """The seeds of a run, for a cell."""
    return NONE if summary is None else " ".join(map(str, summary["seeds"]))


def other_seeds(summaries: dict) -> list[str]:
    """A warning where the rows of a table are of different seeds."""
    different = len({tuple(summary["seeds"]) for summary in summaries.values()}) > 1
    return ["**Rows differ in their seeds**; of several, mean ± sd is given."] * different


def protocols(summaries: dict) -> list[str]:
    """What no number may be shown without; once for each protocol."""
    found, notes = {}, []
    for name, summary in summaries.items():
        found.setdefault((summary["protocol_hash"], summary["protocol_line"]), []).append(name)
        notes += [note for note in explained(summary["protocol"]) if note not in notes]
    all_of_them = len(found) == 1
    return notes + [
        f"Protocol {code(number)}{'' if all_of_them else ' of ' + markdown(', '.join(names))}: {markdown(line)}."
        for (number, line), names in found.items()
    ]


def setting_text(value) -> str:
    """A setting, for a cell."""
    return NONE if value is None else f"{value:g}" if isinstance(value, (int, float)) else str(value)
