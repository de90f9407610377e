"""What every table beside the paper's needs: names, cells, and the notes without which it must not be shown."""

from ser_plugins.evaluation.paper import numbers as paper
from ser_plugins.evaluation.paper.published_table import NONE
from ser_plugins.evaluation.report.run_summary import RunSummary
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


def deviations(corpus: str, summaries: dict[str, RunSummary]) -> list[str]:
    """A sentence for every set of settings that is not Table 2's, with the systems that were trained so."""
    published, systems = paper.HYPERPARAMETERS.get(corpus, {}), {}
    for name, summary in summaries.items():
        settings = summary.settings
        if published and "number_of_epochs" in settings:
            keys = [key for key in _matter(name, settings) if key in settings and settings[key] != published[key]]
            if keys:
                ours = ", ".join(f"{_SHORT[key]} {settings[key]:g}" for key in keys)
                papers = ", ".join(f"{published[key]:g}" for key in keys)
                systems.setdefault((ours, papers), []).append(name)
    return [
        f"**Not the settings of Table 2**: ours {ours}; the paper's {papers} ({markdown(', '.join(names))})."
        for (ours, papers), names in systems.items()
    ]


def _matter(name, settings) -> list[str]:
    """The settings of Table 2 that are the same for all systems, or that this one must share."""
    left_out = {"heads"} if name not in (paper.MAIN, "mha") else set()
    if not settings.get("heads"):
        left_out.add("attention_dropout")
    return [key for key in _SHORT if key not in left_out]


def main_of(summaries: dict[str, RunSummary]) -> RunSummary | None:
    """The aggregate of the paper's own system, if it was run."""
    return summaries.get(paper.MAIN)


def _usual_heads(corpus):
    return paper.HYPERPARAMETERS.get(corpus, paper.HYPERPARAMETERS["EmoDB"])["heads"]


def title_of(corpus: str, name: str, summaries: dict[str, RunSummary]) -> str:
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
    words = marks(summaries[name].protocol) if name in summaries else []
    return " ".join([title, *words])


def value_text(score, summary: RunSummary, key: str) -> str:
    """A pooled score, with its sd where there are several seeds."""
    text, sd = score.text(summary.metrics[key], 2), summary.seed_sd[key]
    return text if sd is None else f"{text} ± {score.text(sd, 2)}"


def seeds_text(summary: RunSummary | None) -> str:
    """The seeds of a run, for a cell."""
    return NONE if summary is None else " ".join(map(str, summary.seeds))


def other_seeds(summaries: dict[str, RunSummary]) -> list[str]:
    """A warning where the rows of a table are of different seeds."""
    different = len({summary.seeds for summary in summaries.values()}) > 1
    return ["**Rows differ in their seeds**; of several, mean ± sd is given."] * different


def protocols(summaries: dict[str, RunSummary]) -> list[str]:
    """What no number may be shown without; once for each protocol."""
    systems, notes = {}, []
    for name, summary in summaries.items():
        systems.setdefault((summary.protocol_hash, summary.protocol_line), []).append(name)
        notes += [note for note in explained(summary.protocol) if note not in notes]
    one_protocol = len(systems) == 1
    return notes + [
        f"Protocol {code(number)}{'' if one_protocol else ' of ' + markdown(', '.join(names))}: {markdown(line)}."
        for (number, line), names in systems.items()
    ]


def setting_text(value) -> str:
    """A setting, for a cell."""
    return NONE if value is None else f"{value:g}" if isinstance(value, (int, float)) else str(value)
