"""The paragraphs of a card about what :class:`~ser_plugins.inference.card_scores.CardParts` has, where it has it."""

from collections.abc import Sequence

from ser_plugins.evaluation.report.tables import interval_text, markdown_table
from ser_plugins.inference.card_scores import CorpusScore, GroupScore, TrainingCorpus
from ser_plugins.inference.model_card import ModelCard
from ser_plugins.plain import markdown
from ser_plugins.scores import Score, percent

UAR = Score("UAR")


def training_corpora(corpora: Sequence[TrainingCorpus]) -> list[str]:
    """Name, licence and source of each corpus, a line each."""
    lines = [f"- {markdown(corpus.name)}: {markdown(_about(corpus))}." for corpus in corpora]
    return ["\n".join(lines)] if lines else []


def _about(corpus: TrainingCorpus) -> str:
    licence = f"licence {corpus.licence}" if corpus.licence else "licence unknown"
    return "; ".join(filter(None, [licence, corpus.citation.rstrip("."), corpus.source]))


def by_corpus(card: ModelCard) -> list[str]:
    """What was measured on other speakers of each training corpus, and of their groups."""
    if not card.by_corpus:
        return []
    groups = [(f"{score.corpus}, ", group) for score in card.by_corpus for group in score.groups]
    return [
        "Each corpus for itself, which the scores of all together say little about. Every recording was judged among "
        f"the emotions of its own corpus; a recording of yours is judged among all {len(card.classes)}:",
        _scores(card.by_corpus),
        *_groups(groups),
    ]


def strangers(card: ModelCard) -> list[str]:
    """What was measured on corpora that training lacked."""
    if card.strangers is None:
        return []
    return [
        "## Measured on strangers",
        "The same way of training, each corpus tested by a model of the others: other speakers, rooms, microphones and "
        "mostly another language. Every recording was judged among the emotions of its own corpus.",
        _scores(card.strangers.corpora),
        f"Protocol: {markdown(card.strangers.protocol_line)}",
    ]


def under_stress(card: ModelCard) -> list[str]:
    """What noise, lines, rooms and cuts cost this very model, and whether it serves groups alike."""
    stress = card.stress
    if stress is None:
        return []
    speakers = "unknown speakers" if stress.speakers is None else f"{stress.speakers} speakers"
    rows = [
        [row.family, row.condition, percent(row.uar), f"{100 * row.change:+.1f}", interval_text(row.interval, UAR)]
        for row in stress.worst
    ]
    return [
        "## Under stress",
        f"This very model on {stress.recordings} recordings of {markdown(stress.test_set)} by {speakers}, which it was "
        f"not trained on if whoever ran `ser stress` kept to that: UAR {percent(stress.uar)} % "
        f"({interval_text(stress.interval, UAR)}). Of every kind of condition the one that costs most:",
        markdown_table(["kind", "condition", "UAR (%)", "change (points)", "95 % interval"], rows),
        *_groups([("", group) for group in stress.groups]),
    ]


def _scores(scores: Sequence[CorpusScore]) -> str:
    rows = [
        [
            score.corpus,
            percent(score.uar),
            interval_text(score.interval, UAR),
            str(score.classes),
            str(score.recordings),
            str(score.speakers),
        ]
        for score in scores
    ]
    return markdown_table(["corpus", "UAR (%)", "95 % interval", "emotions", "recordings", "speakers"], rows)


def _groups(groups: Sequence[tuple[str, GroupScore]]) -> list[str]:
    if not groups:
        return []
    rows = [
        [
            f"{corpus}{group.column} {group.value}",
            percent(group.uar),
            interval_text(group.interval, UAR),
            ", ".join(f"{name} {percent(recall)}" for name, recall in group.recalls.items()),
            str(group.speakers),
            group.verdict,
        ]
        for corpus, group in groups
    ]
    header = ["group", "UAR (%)", "95 % interval", "recall per class (%)", "speakers", "against the others"]
    return [markdown_table(header, rows)]
