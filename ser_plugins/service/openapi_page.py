"""The service's interface on one plain page; FastAPI's own fetches scripts from elsewhere, and is blank offline."""

from html import escape

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto }}
h1 {{ font-size: 1.3rem }} h2 {{ font: bold 1rem monospace; margin-top: 2rem }} dt {{ font-family: monospace }}</style>
<h1>{title} {version}</h1>
<p>{description} For machines: <a href="openapi.json">openapi.json</a>.</p>
{paths}
<h2>WS /stream</h2>
<p>Judge sound as it comes, window after window. In the address: encoding (s16le by default, f32le, container), rate in
Hz of bare samples (16000), window and hop in s (3, 1), abstain_below, threshold.</p>
<dl><dt>client</dt><dd>binary messages of sound; at the end the text {{"event": "end"}}</dd>
<dt>server</dt><dd>texts: {{"event": "ready", ...}}; for every window {{"event": "window", ...}} with the fields of a
window of /timeline; {{"event": "end", "duration": s}}; or {{"event": "error", "error": ..., "got": ...,
"expected": ..., "remedy": ...}} and a close with 1008, 1009, 1011 or 1013</dd></dl>
</html>
"""


def openapi_page(schema: dict) -> str:
    """An OpenAPI schema as HTML without scripts: paths, what they take, what they answer.

    Example
    -------
    >>> health = {"get": {"description": "Whether it runs.", "responses": {"200": {"description": "OK"}}}}
    >>> page = openapi_page({"info": {"title": "a service", "version": "1"}, "paths": {"/health": health}})
    >>> "<h2>GET /health</h2>" in page
    True
    """
    info = schema["info"]
    paths = [
        _path(f"{method.upper()} {path}", operation, schema.get("components", {}).get("schemas", {}))
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]
    return _PAGE.format(
        title=escape(info["title"]),
        version=escape(info["version"]),
        description=escape(info.get("description", "")),
        paths="\n".join(paths),
    )


def _path(name, operation, types):
    takes = [(f"?{each['name']}", _described(each["schema"], each)) for each in operation.get("parameters", ())]
    takes += [("body", kind) for kind in operation.get("requestBody", {}).get("content", ())]
    gives = [(status, _answer(answer, types)) for status, answer in operation["responses"].items()]
    rows = "".join(f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in [*takes, *gives])
    return f"<h2>{escape(name)}</h2><p>{escape(operation.get('description', ''))}</p><dl>{rows}</dl>"


def _answer(answer, types):
    """The meaning of an answer, and the fields of one that is a type of its own."""
    reference = answer.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref", "")
    fields = types.get(reference.rsplit("/", 1)[-1], {}).get("properties", {})
    listed = "; ".join(f"{name}: {_described(field, field)}" for name, field in fields.items())
    return listed if listed and answer.get("description") == "Successful Response" else answer.get("description", "")


def _described(schema, holder):
    names = {"exclusiveMinimum": "above", "minimum": "at least", "maximum": "at most", "default": "by default"}
    bounds = [f"{names[key]} {schema[key]}" for key in names if key in schema]
    return ", ".join([_kind(schema), *bounds, *filter(None, [holder.get("description")])])


def _kind(schema) -> str:
    if "anyOf" in schema:
        return " or ".join(map(_kind, schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return schema.get("$ref", "").rsplit("/", 1)[-1] or schema.get("type", "any")
