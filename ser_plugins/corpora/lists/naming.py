"""What the name of a file says: its speaker above all, by a regular expression or by the rules of a known corpus."""

import re
from dataclasses import dataclass

from ser_plugins.errors import SerError

# Searched in the path without its suffix. Groups with a name are fields of it; those without one are the speaker.
PRESETS = {
    "emodb": r"(?:^|/)(?P<speaker>\d\d)(?P<sentence>[ab]\d\d)(?P<label>[WLEAFTN])[a-z]?$",
    "ravdess": r"(?:^|/)\d\d-\d\d-(?P<label>\d\d)-\d\d-(?P<sentence>\d\d)-\d\d-(?P<speaker>\d\d)$",
    "crema-d": r"(?:^|/)(?P<speaker>\d{4})_(?P<sentence>[A-Z]{3})_(?P<label>[A-Z]{3})_[A-Z]{1,2}$",
    "savee": r"(?:^|/)(?P<speaker>DC|JE|JK|KL)[/_](?P<label>sa|su|[adfhn])\d\d$",
    "tess": r"(?:^|/)(?P<speaker>OA|YA)F?_(?P<sentence>[a-z]+)_(?P<label>[a-z]+)$",
    "iemocap": r"(?:^|/)(?P<session>Ses\d\d)[FM]_(?P<script>(?:impro|script)\w+)_(?P<of_session>[FM])(?:XX)?\d+$",
    "esd": r"(?:^|/)(?P<speaker>\d{4})_\d{6}$",
    "emovo": r"(?:^|/)(?P<label>[a-z]{3})-(?P<speaker>[fm]\d)-(?P<sentence>\w+)$",
}


@dataclass(frozen=True)
class Naming:
    """Rules by which a file is named.

    Arguments
    ---------
    pattern : re.Pattern
        Searched in a path without its suffix.
    name : str
        As the user has called it.
    """

    pattern: re.Pattern[str]
    name: str

    @classmethod
    def of(cls, text: str) -> "Naming":
        r"""A preset by its name, or a regular expression with at least one group.

        Raises
        ------
        SerError
            Not an expression, or one without a group.

        Example
        -------
        >>> Naming.of(r"^(\w+?)-").fields("anna-12-angry.wav")
        {'speaker': 'anna'}
        >>> Naming.of("iemocap").fields("Ses01F_impro01_M003")
        {'session': 'Ses01', 'script': 'impro01', 'speaker': 'Ses01M'}
        """
        plain = re.sub(r"[\W_]", "", text.lower())
        presets = {re.sub(r"\W", "", name): pattern for name, pattern in PRESETS.items()}
        try:
            pattern = re.compile(presets.get(plain, text))
        except re.error as error:
            reason = str(error)
        else:
            reason = "" if pattern.groups else "no group in it"
        if reason:
            raise SerError(
                got=f"--speaker-from {text}: {reason}",
                expected="a regular expression with a group in parentheses, or one of " + ", ".join(PRESETS),
                remedy=r"put parentheses around what names the speaker, such as ^(\w+?)_",
            )
        return cls(pattern, text)

    def fields(self, path: str) -> dict[str, str] | None:
        """What a path says; None where the rules do not fit it.

        Example
        -------
        >>> Naming.of("emodb").fields("wav/03a01Fa.wav")
        {'speaker': '03', 'sentence': 'a01', 'label': 'F'}
        >>> Naming.of("emodb").fields("noise.wav") is None
        True
        """
        found = self.pattern.search(re.sub(r"\.\w{1,4}$", "", path.replace("\\", "/")))
        if found is None:
            return None
        fields = {name: text for name, text in found.groupdict().items() if text}
        if "of_session" in fields:
            fields["speaker"] = fields["session"] + fields.pop("of_session")
        named = set(self.pattern.groupindex.values())
        unnamed = [text for number, text in enumerate(found.groups(), start=1) if number not in named and text]
        return {**fields, "speaker": "_".join(unnamed)} if unnamed else fields
