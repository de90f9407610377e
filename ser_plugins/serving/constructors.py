"""The constructors in a model's YAML, read as nodes and held against a short list before anything is built.

In SpeechBrain a YAML runs whatever it names. A model of ours is four modules of known classes with plain arguments, so
that is all that is read; every other tag is refused.
"""

import re

import torch
from ruamel.yaml import YAML, MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.error import YAMLError
from torch import nn

from ser_plugins.classifier import ClassifierHead, RegressionHead, UtteranceEncoder
from ser_plugins.errors import SerError
from ser_plugins.spectrogram import LogPowerSpectrogram, ZNorm

# What each module of a model may be, in the order they are built in.
MODULES = {
    "compute_features": (LogPowerSpectrogram,),
    "mean_var_norm": (ZNorm,),
    "embedding_model": (UtteranceEncoder,),
    "classifier": (ClassifierHead, RegressionHead),
}
WITH_WEIGHTS = ("mean_var_norm", "embedding_model", "classifier")  # features have no trained values
# Only plain SpeechBrain builds these two; we read past them.
LABEL_ENCODER = "speechbrain.dataio.encoder.CategoricalEncoder"
PRETRAINER = "ser_plugins.checkpoints.Pretrainer"
# What a module may have at most, a hundred times our largest model: beyond, building it takes the machine's memory.
MAX_VALUES, MAX_NUMBER, MAX_LAYERS = 2**28, 1e6, 64
_PLAIN = ("map", "seq", "str", "int", "float", "bool", "null")


def compose(content: bytes, path) -> dict:
    """Parse YAML into {top-level key: node}; nothing is built."""
    try:
        node = YAML(typ="safe", pure=True).compose(content.decode("utf-8"))
    except (UnicodeDecodeError, YAMLError, RecursionError) as error:
        raise SerError(got=f"{path}: {error}", expected="YAML", remedy="export the model again") from None
    if not isinstance(node, MappingNode):
        raise SerError(got=f"{path} holds no keys", expected="a YAML mapping", remedy="export the model again")
    return pairs(node, path)


def pairs(node: MappingNode, path) -> dict:
    """The nodes of a mapping by key; a key that is no text is refused."""
    for key, _ in node.value:
        if not isinstance(key, ScalarNode) or str(key.tag) != "tag:yaml.org,2002:str":
            raise _unsafe(key, path, f"{key.tag} as a key", "text as keys")
    return {key.value: value for key, value in node.value}


def refuse_unsafe(nodes: dict, path) -> None:
    """Raise :class:`SerError` for the first tag or reference that an export does not have.

    Example
    -------
    >>> nodes = compose(b"evil: !apply:os.system [reboot]", "hyperparams.yaml")
    >>> refuse_unsafe(nodes, "hyperparams.yaml")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ser_plugins.errors.SerError: got: hyperparams.yaml, line 1: !apply:os.system; expected: ...
    """
    classes = {
        **{name: [tag_of(kind) for kind in kinds] for name, kinds in MODULES.items()},
        "label_encoder": [f"!new:{LABEL_ENCODER}"],
        "pretrainer": [f"!new:{PRETRAINER}"],
    }
    pending, seen = [(node, key) for key, node in nodes.items()], set()
    while pending:
        node, key = pending.pop()
        tag = str(node.tag)
        if id(node) in seen:  # aliases of aliases grow without bound
            raise _unsafe(node, path, "an alias (*name)", "values written out, or !ref <key>")
        seen.add(id(node))
        children = [child for pair in node.value for child in pair] if isinstance(node, MappingNode) else []
        children += node.value if isinstance(node, SequenceNode) else []
        pending += [(child, None) for child in children]
        if tag == "!ref" and isinstance(node, ScalarNode) and re.fullmatch(r"<\w+>", node.value):
            continue
        if tag.startswith("tag:yaml.org,2002:") and tag.rsplit(":", 1)[1] in _PLAIN:
            continue
        if key not in classes or tag not in classes[key]:
            allowed = f"{' or '.join(classes[key])} for {key}" if key in classes else "!ref <key> and plain values here"
            raise _unsafe(node, path, f"{tag} {node.value}" if tag == "!ref" else tag, allowed)


def _unsafe(node, path, found, allowed):
    return SerError(
        got=f"{path}, line {node.start_mark.line + 1}: {found}",
        expected=f"{allowed}; nothing else is built from a model's YAML, since it could run any code",
        remedy="load only models written by ser export; if the training is yours, export it again",
    )


def dotted(kind) -> str:
    """A class as YAML names it."""
    return f"{kind.__module__}.{kind.__qualname__}"


def tag_of(kind) -> str:
    """The tag that makes YAML build a class."""
    return f"!new:{dotted(kind)}"


def constructor(nodes: dict, name: str, path) -> tuple[type, dict]:
    """The class of the module ``name``, when it is one that this module may be, and its arguments as nodes by name."""
    node, kinds = nodes.get(name), {tag_of(kind): kind for kind in MODULES[name]}
    if not isinstance(node, (MappingNode, ScalarNode)) or str(node.tag) not in kinds:
        found = "no key" if node is None else f"{node.tag} as"
        raise SerError(
            got=f"{path}: {found} {name}",
            expected=" or ".join(kinds),
            remedy="only models made of ser_plugins' own modules are exported and loaded",
        )
    return kinds[str(node.tag)], pairs(node, path) if isinstance(node, MappingNode) else {}


def scalar(node, path):
    """The value of a scalar node, read as YAML 1.2: 1e-4 is a number."""
    if not isinstance(node, ScalarNode) or not str(node.tag).startswith("tag:yaml.org,2002:"):
        raise _unsafe(node, path, str(node.tag), "a number, a text or a truth value as argument")
    return node.value if node.style else YAML(typ="safe", pure=True).load(node.value)


def construct(kind: type, name: str, arguments: dict, path) -> nn.Module:
    """Build a module; one with weights on the meta device: no memory is taken and no random number drawn."""
    try:
        largest = max((abs(value) for value in arguments.values() if isinstance(value, (int, float))), default=0)
        if not largest <= MAX_NUMBER or arguments.get("layers", 1) > MAX_LAYERS:
            raise ValueError(f"numbers up to {largest:g} (at most {MAX_NUMBER:g}, and {MAX_LAYERS} layers)")
        with torch.device("meta" if name in WITH_WEIGHTS else "cpu"):
            module = kind(**arguments)
        values = sum(value.numel() for value in module.parameters())
        if values > MAX_VALUES:
            raise ValueError(f"{values:,} values (at most {MAX_VALUES:,})")
        return module
    except (TypeError, ValueError, RuntimeError, MemoryError, ArithmeticError) as error:
        raise SerError(
            got=f"{path}: {name}: {error}",
            expected=f"arguments of {dotted(kind)}",
            remedy="export the model again, with the same version of ser_plugins",
        ) from None
