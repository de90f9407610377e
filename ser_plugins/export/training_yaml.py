"""Reads the modules of a model out of the YAML of its training, as nodes: nothing in it is built."""

from pathlib import Path

from ruamel.yaml import YAML, MappingNode, ScalarNode
from ruamel.yaml.error import YAMLError

from ser_plugins.classifier import MultiTaskHead
from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.inference.bounds import as_text
from ser_plugins.inference.constructors import construct_one
from ser_plugins.inference.description import MODULES, Description, tag_of
from ser_plugins.pretrained import WhisperFrontEnd
from ser_plugins.spectrogram import LogPowerSpectrogram
from ser_plugins.whisper import WhisperEncoder

# What each module of a training may be; a pretrained encoder is exported without the source of its weights.
TRAINED = {**MODULES, "compute_features": (LogPowerSpectrogram, WhisperFrontEnd)}


def described(path: Path, target: str, scale: str | None) -> tuple[Description, WhisperFrontEnd | None]:
    """The modules of a fold, from its YAML as SpeechBrain has resolved it; see :func:`described_by`.

    Arguments
    ---------
    path : Path
        ``hyperparams.yaml`` of the fold.
    target : str
        Which head of several is meant.
    scale : str
        Of a number; None for classes.
    """
    if not path.is_file():
        raise MissingPathError(got=f"no file {path}", expected="the fold's YAML", remedy="train the fold again")
    nodes = compose(path.read_bytes(), path)
    if str(getattr(nodes.get("subwords"), "tag", "")) == "!new:ser_plugins.pretrained_text.PretrainedSubwords":
        raise SerError(
            got=f"{path}: a pretrained text encoder",
            expected="pieces of a SubwordEncoder: an export holds no text encoder of others",
            remedy="use the fold where it was trained, or train with hparams/*_text.yaml or *_fusion.yaml as they are",
        )
    if "classifier" in nodes and str(nodes["classifier"].tag) == tag_of(MultiTaskHead):
        nodes["classifier"] = pairs(pairs(nodes["classifier"], path)["heads"], path)[target]
    return described_by(nodes, path, scale)


def described_by(nodes: dict, path, scale: str | None) -> tuple[Description, WhisperFrontEnd | None]:
    """The modules that the nodes of a YAML describe, under the names of ``MODULES``; and its pretrained front end."""
    modules: dict[str, tuple[type, dict[str, str]]] = {}
    built = {}
    for name in MODULES:
        kind, argument_nodes = constructor(nodes, name, path)
        if kind is WhisperFrontEnd:
            built[name] = _front_end({key: scalar(node, path) for key, node in argument_nodes.items()}, path)
            arguments = built[name].encoder_arguments
            modules[name] = WhisperEncoder, {key: as_text(value).replace(" ", "") for key, value in arguments.items()}
            continue
        texts = {}
        for key, node in argument_nodes.items():
            # SpeechBrain has resolved `!ref <embedding_model.output_size>` to `!apply:getattr [*module, output_size]`.
            owner = _owner(node, nodes)
            texts[key] = as_text(scalar(node, path) if owner is None else getattr(built[owner], node.value[1].value))
        modules[name] = kind, texts
        built[name] = construct_one(kind, name, texts, path)
    front_end = built["compute_features"]
    return Description(modules, scale), front_end if isinstance(front_end, WhisperFrontEnd) else None


def _front_end(arguments, path):
    try:
        return WhisperFrontEnd(**arguments)
    except TypeError as error:
        raise SerError(
            got=f"{path}: {error}", expected="arguments of WhisperFrontEnd", remedy="train the fold again"
        ) from None


def compose(content: bytes, path) -> dict:
    """Parse YAML into {top-level key: node}; nothing is built."""
    try:
        node = YAML(typ="safe", pure=True).compose(content.decode("utf-8"))
    except (UnicodeDecodeError, YAMLError, RecursionError) as error:
        raise SerError(got=f"{path}: {error}", expected="YAML", remedy="train the fold again") from None
    if not isinstance(node, MappingNode):
        raise SerError(got=f"{path} holds no keys", expected="a YAML mapping", remedy="train the fold again")
    return pairs(node, path)


def pairs(node: MappingNode, path) -> dict:
    """The nodes of a mapping by key; a key that is no text is refused."""
    for key, _ in node.value:
        if not isinstance(key, ScalarNode) or str(key.tag) != "tag:yaml.org,2002:str":
            raise _unexpected(key, path, f"{key.tag} as a key", "text as keys")
    return {key.value: value for key, value in node.value}


def constructor(nodes: dict, name: str, path) -> tuple[type, dict]:
    """The class of the module ``name``, when it is one that this module may be, and its arguments as nodes by name."""
    node = nodes.get(name)
    kinds = {tag_of(kind): kind for kind in TRAINED[name]}
    if not isinstance(node, (MappingNode, ScalarNode)) or str(node.tag) not in kinds:
        constructor = "no key" if node is None else f"{node.tag} as"
        raise SerError(
            got=f"{path}: {constructor} {name}",
            expected=" or ".join(kinds),
            remedy="only models made of ser_plugins' own modules are exported and loaded",
        )
    return kinds[str(node.tag)], pairs(node, path) if isinstance(node, MappingNode) else {}


def scalar(node, path):
    """The value of a scalar node, read as YAML 1.2: 1e-4 is a number."""
    if not isinstance(node, ScalarNode) or not str(node.tag).startswith("tag:yaml.org,2002:"):
        raise _unexpected(node, path, str(node.tag), "a number, a text or a truth value as argument")
    return node.value if node.style else YAML(typ="safe", pure=True).load(node.value)


def _unexpected(node, path, found, expected):
    return SerError(
        got=f"{path}, line {node.start_mark.line + 1}: {found}", expected=expected, remedy="train the fold again"
    )


def _owner(node, nodes):
    """The module whose attribute an argument is, if it is one."""
    if str(node.tag) != "!apply:getattr":
        return None
    return next((name for name in MODULES if nodes.get(name) is node.value[0]), None)
