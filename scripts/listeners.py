"""How well listeners recognised the recordings of EmoDB, for the tables of results.

> python scripts/listeners.py /path/to/emodb

writes evidence/EmoDB/listeners.json from ``erkennung.txt`` of the corpus, which has for every recording the share of
the 20 listeners who recognised the emotion (Burkhardt et al., Interspeech 2005): as WA the mean over the recordings, as
UAR the mean over the emotions of the mean over their recordings.
"""

import sys
from collections import defaultdict
from pathlib import Path
from statistics import fmean

from ser_plugins.errors import SerError
from ser_plugins.files import write_json

ROOT = Path(__file__).resolve().parents[1]
LISTENERS = ROOT / "evidence" / "EmoDB" / "listeners.json"


def listeners(data_root: Path) -> dict:
    """``recordings``, and ``WA`` and ``UAR`` as fractions.

    Raises
    ------
    SerError
        A recording that ``erkennung.txt`` does not have.
    """
    sys.path.insert(0, str(ROOT / "recipes" / "EmoDB"))
    from emodb_prepare import utterances

    shares = defaultdict(list)
    for utterance in utterances(data_root):
        share = utterance.fields["recognition"]
        if share is None:
            raise SerError(
                got=f"{data_root / 'erkennung.txt'}: nothing of {utterance.wav}",
                expected="the share of listeners who recognised it",
                remedy="restore the file from the archive of the corpus",
            )
        shares[utterance.fields["emotion"]].append(share)
    every = [share for of_emotion in shares.values() for share in of_emotion]
    return {"recordings": len(every), "WA": fmean(every), "UAR": fmean(map(fmean, shares.values()))}


if __name__ == "__main__":
    write_json(LISTENERS, listeners(Path(sys.argv[1])))
