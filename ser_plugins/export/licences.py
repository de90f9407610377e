"""Licences of pretrained encoders, which go with their weights wherever these go."""

from ser_plugins.inference.model_card import ModelCard

_WHISPER = """MIT License

Copyright (c) 2022 OpenAI

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""


def licence_of(pretrained: str) -> str | None:
    """The licence of a pretrained model's weights, where it is known: that of OpenAI's Whisper.

    Arguments
    ---------
    pretrained : str
        Name of the model, such as ``openai/whisper-base``.

    Example
    -------
    >>> licence_of("openai/whisper-base").splitlines()[0], licence_of("someone/whisper-base")
    ('MIT License', None)
    """
    return _WHISPER if pretrained.startswith("openai/whisper-") else None


def licences_in(card: ModelCard) -> dict[str, str | None]:
    """The licence of each thing that a model was made of, corpora and encoders; None where it is not known.

    Example
    -------
    >>> from ser_plugins.inference.loading import BUNDLED, card_in
    >>> licences_in(card_in(BUNDLED["fast"]))
    {'EmoDB': 'CC0-1.0', 'openai/whisper-base': 'MIT'}
    """
    encoders = {name: "MIT" if licence_of(name) else None for name in card.pretrained}
    corpora = {corpus.name: corpus.licence for corpus in card.corpora} or {card.corpus: card.about_corpus.licence}
    return {**{name: licence or None for name, licence in corpora.items()}, **encoders}
