"""A comparison as people read it: markdown, and rich tables for the terminal. Nothing is computed here."""

from dataclasses import replace

from rich.console import Group

from ser_plugins.evaluation.compare.nouns import Comparison, ManyComparison, PairComparison
from ser_plugins.evaluation.metrics.tasks import task_of
from ser_plugins.evaluation.report.tables import cautions, explained, interval_text, markdown_table, pretrained_marks
from ser_plugins.plain import Markup, bold, code, markdown, terminal, terminal_table, unmarked
from ser_plugins.scores import percent


def comparison_markdown(comparison: Comparison) -> str:
    """What ``compare_runs`` or ``compare_many`` has found, as markdown."""
    parts = [f"## {markdown(_title(comparison))}", bold(comparison.conclusion)]
    parts += [f"> {text}" for text in _notes(comparison)]
    for part in _body(comparison):
        if isinstance(part, str):
            parts.append(part)
        else:
            caption, header, rows = part
            parts += [bold(caption), markdown_table(header, rows)]
    return "\n\n".join(parts) + "\n"


def comparison_terminal(comparison: Comparison) -> Group:
    """The same as one renderable, for :func:`ser_plugins.plain.console`."""
    alarm = "bold red" if cautions(comparison.protocol) else "bold"
    parts = [terminal(_title(comparison), alarm)]
    parts += [terminal(unmarked(text), "bold red") for text in _notes(comparison)]
    for part in _body(comparison):
        if isinstance(part, str):
            parts.append(terminal(unmarked(part), "dim"))
        else:
            parts.append(terminal_table(*part))
    return Group(*parts, terminal(comparison.conclusion, "bold"))


def _title(comparison):
    protocol, names = comparison.protocol, [run.name for run in comparison.runs]
    against = " against ".join(names) if isinstance(comparison, PairComparison) else f"{len(names)} systems"
    return " · ".join([protocol.corpus, protocol.protocol, against, *cautions(protocol)])


def _notes(comparison) -> list[str]:
    """What the protocol must not be shown without, and what every run's pretrained models have heard."""
    models = sorted({model for run in comparison.runs for model in run.pretrained})
    return explained(replace(comparison.protocol, pretrained=tuple(models)))


def _marked(comparison) -> dict[str, str]:
    """The names of the runs as they stand in tables: cautions, the same for all, are in the title."""
    return {run.name: " ".join([run.name, *pretrained_marks(run.pretrained)]) for run in comparison.runs}


def _body(comparison) -> list:
    """Texts, and tables as (caption, header, rows)."""
    content = _two(comparison) if isinstance(comparison, PairComparison) else _many(comparison)
    return [*content, *_provenance(comparison)]


def _two(comparison) -> list:
    names, score_named = _marked(comparison).values(), _task(comparison).scores
    unit, units = comparison.unit, comparison.units
    rough = f", which {units} {unit}s make rough" if units < 30 else ""
    scores = [
        [
            score_named[key].heading,
            *(_with_sd(score_named[key], row[side], sd) for side, sd in zip("ab", row["seed_sd"], strict=True)),
            _signed(score_named[key], row["difference"]),
            _span(score_named[key], row["interval"]),
        ]
        for key, row in comparison.scores.items()
    ]
    tests = [_test_cells(row, score_named[row["score"]]) for row in comparison.tests]
    return [
        ("Scores, of all folds pooled", ["", *names, "difference", "95 % interval"], scores),
        f"{_task(comparison).note} Interval of the difference: bootstrap over {unit}s, the same for both{rough}.",
        ("Paired tests, two-sided", ["", "difference", "counted", "p", "p (Holm)"], tests),
        f"{_seeds(comparison)}Pooled: the {unit}s' parts of the pooled score; mean: the mean of the {unit}s' own "
        "scores. McNemar speaks of these utterances only; folds share training data. Holm is over all tests of this "
        "table.",
        *_detectable(comparison, score_named),
        *_anova(comparison),
        *comparison.not_applicable,
    ]


def _many(comparison) -> list:
    score_named, key, reference = _task(comparison).scores, comparison.score, comparison.reference
    score, ranks, unit = score_named[key], comparison.mean_ranks, comparison.unit
    marked = _marked(comparison)
    names = sorted(comparison.systems, key=(ranks or dict.fromkeys(comparison.systems, 0)).__getitem__)
    systems = [
        [
            marked[name],
            *(_with_sd(score_named[each], values[each], values["seed_sd"][each]) for each in score_named),
            interval_text(values["intervals"][key], score),
            "–" if ranks is None else f"{ranks[name]:.2f}",
        ]
        for name, values in ((name, comparison.systems[name]) for name in names)
    ]
    pairs = [
        [marked[pair["system"]], _signed(score, pair["difference"]), _span(score, pair["interval"]),
         *(_p(pair[test] and pair[test][p]) for test in ("sign_flip", "mcnemar") for p in ("p", "p_holm"))]
        for pair in comparison.pairs
    ]  # fmt: skip
    header = ["", *(each.heading for each in score_named.values()), f"95 % of {score.label}", "mean rank"]
    columns = ["", "difference", "95 % interval", "sign flip p", "Holm", "McNemar p", "Holm"]
    return [
        (f"Systems, by mean rank in {score.label} over {comparison.folds} folds", header, systems),
        friedman_text(comparison),
        (f"Against {reference}, {score.heading}", columns, pairs),
        f"{_seeds(comparison)}Sign flips of the pooled {score.label} over {comparison.units} {unit}s; McNemar on "
        f"these {comparison.utterances} utterances, of which alone it speaks; Holm over the {len(pairs)} pairs.",
    ]


def _seeds(comparison) -> str:
    several = any(len(run.seeds) > 1 for run in comparison.runs)
    return "Several seeds are averaged first; McNemar takes their mean probabilities. " * several


def friedman_text(comparison: ManyComparison) -> str:
    """Whether the mean ranks that ``compare_many`` found differ, in a sentence or two."""
    test = comparison.friedman
    if test is None:
        return "One fold only: no ranks, no Friedman test."
    cd = comparison.critical_difference
    ratio = "" if test["F"] is None else f" (Iman-Davenport F = {test['F']:.2f}, p {_p(test['p_F'])})"
    return (
        f"Friedman: chi² = {test['chi2']:.2f}, df {test['df']}, p {_p(test['p'])}{ratio}. Nemenyi: mean ranks "
        f"more than {cd:.2f} apart differ (5 %). Folds share training data, so both are rough."
    )


def _detectable(comparison, score_named) -> list[str]:
    detectable, texts = comparison.detectable, []
    score, unit = score_named[detectable["score"]], comparison.unit
    if test := detectable["by_mcnemar"]:
        share = f"{percent(test['discordance'])} % discordant, as observed"
        texts.append(f"{_size(score, test['difference'])} by an exact McNemar test on {test['n']} utterances ({share})")
    if test := detectable["by_units"]:
        spread = f"sd of the differences {_size(score, test['sd'])}, as observed"
        texts.append(f"{_size(score, test['difference'])} by a paired t-test over {test['n']} {unit}s ({spread})")
    sentence = f"Smallest difference in {score.label} that one test at 5 % finds with 80 % power: {'; '.join(texts)}."
    return [sentence] * bool(texts)


def _anova(comparison) -> list[str]:
    anova = comparison.anova
    if anova is None:
        return []
    cells = {
        "cell": f"recalls of run x {comparison.unit} x class",
        "utterance": "hits (0 or 1)",
        "fold": "WA of folds",
    }
    value = "undefined" if anova["F"] is None else f"{anova['F']:.2f}, p {_p(anova['p'])}"
    between, within = anova["df"]
    return [
        f"One-way ANOVA as in the paper, over {cells[anova['unit']]}: F({between}, {within}) = {value}, eta squared "
        f"{anova['eta_squared']:.3f}. Warning: it ignores that both systems were tried on the same speakers and "
        "utterances, and decides nothing here."
    ]


def _provenance(comparison) -> list[str]:
    first_run, *further_runs = comparison.runs
    lines = [f"Protocol {code(first_run.protocol_hash)}: {markdown(first_run.protocol_line)}"]
    for run in further_runs:
        if differing := " and ".join(key for key, names in comparison.differing.items() if run.name in names):
            lines.append(f"**Despite other {differing}** of {markdown(run.name)}: {markdown(run.protocol_line)}")
    return lines


def _task(comparison):
    return task_of(comparison.kind, comparison.protocol.classes, comparison.protocol.scale)


def _with_sd(score, mean, sd):
    return score.text(mean, 2) if sd is None else f"{score.text(mean, 2)} ± {score.text(sd, 2)}"


def difference_text(difference: float, bounds, score) -> Markup:
    """A difference and its interval, all of them signed.

    Example
    -------
    >>> from ser_plugins.scores import Score
    >>> difference_text(-0.02, [-0.05, 0.01], Score("WA")), difference_text(0.02, None, Score("WA"))
    ('**−2.0** (−5.0 – +1.0)', '**+2.0** (–)')
    """
    signed = ["+" * (value > 0) + score.text(value) for value in (difference, *(bounds or ()))]
    span = f"{signed[1]} – {signed[2]}" if bounds else "–"
    return Markup(f"**{signed[0]}** ({span})".replace("-", "−"))


def _signed(score, difference, digits=2):
    if difference is None:
        return "–"
    sign = "+" if difference > 0 else "−" if difference < 0 else ""
    return f"{sign}{score.text(abs(difference), digits)}"


def _span(score, bounds):
    return "–" if bounds is None else " to ".join(_signed(score, bound, 1) for bound in bounds)


def _size(score, difference):
    return "no difference" if difference is None else score.text(difference) + " points" * score.percent


def _test_cells(row, score):
    name = f"{row['test']}, {score.label} over {row['over']}"
    return [name, _signed(score, row["difference"]), _counted(row), _p(row["p"]), _p(row["p_holm"])]


def _counted(row):
    if row["test"] == "McNemar":
        return f"{row['only_first']} : {row['only_second']}"
    zeros = f", {row['zeros']} equal left out" if row.get("zeros") else ""
    return f"{'all' if row['exact'] else 'drawn'} {row['flips']} flips{zeros}"


def _p(value):
    return "–" if value is None else "< 0.0001" if value < 0.0001 else f"{value:.4f}"
