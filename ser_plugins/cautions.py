"""The words that must stand beside a score, and what each of them means: in reports, comparisons, cards and lists."""

# The meaning has a place for the unit (speaker, session, video), and for what it is that leaks.
CAUTIONS = {
    "SYNTHETIC": "sounds made by code, not speech. It shows that the software works and says nothing about emotions in "
    "anyone's voice.",
    "LEAKING": "{leaks}; the numbers show the leak and are no measure of the system.",
    "TRANSDUCTIVE": "the normalisation has seen the test {unit}'s own utterances; compare only with the same.",
    "PARTIAL": "part of the corpus only; compare with nothing else.",
}


def shared_units(unit: str) -> str:
    """What leaks where nothing else is said.

    Example
    -------
    >>> shared_units("speaker")
    'test speakers are also in training'
    """
    return f"test {unit}s are also in training"


def caution_note(word: str, unit: str, leaks: str | None = None) -> str:
    """A word of caution with its meaning, in markdown.

    Arguments
    ---------
    word : str
        One of ``CAUTIONS``.
    unit : str
        What folds should hold out.
    leaks : str, optional
        What it is that leaks, by default the units.

    Example
    -------
    >>> caution_note("PARTIAL", "speaker")
    '**PARTIAL**: part of the corpus only; compare with nothing else.'
    >>> caution_note("LEAKING", "session")
    '**LEAKING**: test sessions are also in training; the numbers show the leak and are no measure of the system.'
    """
    return f"**{word}**: {CAUTIONS[word].format(unit=unit, leaks=leaks or shared_units(unit))}"
