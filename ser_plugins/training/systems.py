"""Systems that are rows of ``recipes/systems.yaml``: each is a recipe's ``bigru_mha.yaml`` with a few keys changed."""

from pathlib import Path

from ruamel.yaml import YAML, YAMLError

from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.training.settings import values_as_written

BASE = "bigru_mha"  # the YAML that a row changes


def read_systems(script: Path) -> dict[str, dict]:
    """Keys and values by the name of a system, from the ``systems.yaml`` beside the folder of a recipe.

    Arguments
    ---------
    script : Path
        The recipe's ``train.py`` or ``reproduce.py``.

    Returns
    -------
    dict
        Empty where there is no such file, as beside a recipe of one's own.

    Raises
    ------
    SerError
        When the file is not a mapping of names to keys and values.
    """
    path = _table(script)
    if not path.is_file():
        return {}
    try:
        rows = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))  # 1.2, as recipes are read
        return {name: dict(row) for name, row in rows.items()}
    except (YAMLError, UnicodeDecodeError, AttributeError, TypeError, ValueError) as error:
        raise SerError(
            got=f"{path}: {type(error).__name__}: {' '.join(str(error).split())}",
            expected="rows such as `lstm: {recurrence: lstm, heads: 0}`",
            remedy="correct the file",
        ) from None


def _table(script: Path) -> Path:
    return script.parents[1] / "systems.yaml"


def with_system(yaml_file: Path, overrides: dict, script: Path) -> dict:
    """Overrides with ``--system NAME``, and with the keys of that row below those that were given.

    Only ``bigru_mha.yaml`` has rows; the name of a run of another YAML is free.

    Raises
    ------
    SerError
        When the name is no row, or a row that is not of this YAML.
    """
    name = overrides.get("system")
    rows = read_systems(script)
    if yaml_file.stem != BASE:
        if name in rows:
            raise SerError(
                got=f"--system {name} with {yaml_file.name}",
                expected=f"{BASE}.yaml, which the rows of {_table(script)} change",
                remedy=f"train.py hparams/{BASE}.yaml --system {name}, or choose another name",
            )
        return overrides
    if name in (None, BASE) or not rows:
        return overrides
    if name not in rows:
        raise SerError(
            got=f"--system {name}",
            expected=f"one of {', '.join(rows)}",
            remedy=f"correct the name, or add a row to {_table(script)}",
        )
    return {**_checked(name, rows[name], yaml_file, script), **overrides}


def find_system(name: str, script: Path) -> tuple[Path, dict]:
    """The YAML of a system and the keys that it changes there: ``hparams/NAME.yaml``, or ``bigru_mha.yaml`` and a row.

    Raises
    ------
    MissingPathError
        When neither is there.
    """
    folder = script.parent / "hparams"
    rows = read_systems(script)
    if (folder / f"{name}.yaml").is_file():
        return folder / f"{name}.yaml", {}
    if name not in rows:
        names = [*(path.stem for path in sorted(folder.glob("*.yaml"))), *rows]
        raise MissingPathError(
            got=f"no system {name}: neither a YAML in {folder} nor a row of {_table(script)}",
            expected=f"one of {', '.join(names)}",
            remedy="check the name",
        )
    yaml_file = folder / f"{BASE}.yaml"
    return yaml_file, {**_checked(name, rows[name], yaml_file, script), "system": name}


def is_its_own(name: str, script: Path) -> bool:
    """Whether a recipe has a system, and one that is not ``bigru_mha.yaml`` itself under another name."""
    if (script.parent / "hparams" / f"{name}.yaml").is_file():
        return True
    row = read_systems(script).get(name)
    if row is None:
        return False
    values = values_as_written(script.parent / "hparams" / f"{BASE}.yaml")
    return any(values.get(key) != value for key, value in row.items())


def _checked(name, row, yaml_file, script) -> dict:
    unknown = [key for key in row if key not in values_as_written(yaml_file)]
    if unknown:
        raise SerError(
            got=f"{_table(script)}, {name}: {', '.join(unknown)}",
            expected=f"keys of {yaml_file}",
            remedy="correct the row",
        )
    return row
