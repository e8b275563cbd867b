"""docs/settings.md and docs/mirror-settings.md, from the settings themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect as shapes

from fonoteca.ground.mirror_settings import MirrorSettings, render_mirror_template
from fonoteca.ground.settings import Settings, render_template

WORDS: dict[Any, str] = {
    shapes.StrType: "text",
    shapes.IntType: "whole number",
    shapes.FloatType: "number",
    shapes.BoolType: "true or false",
}


def write_settings_page(mark: str) -> str:
    """docs/settings.md: every key with its type, what holds where it is left out, and its meaning."""
    return f"""# Settings

{mark}

Everything that can be chosen stands in one file, `archive.toml`, at the top of the archive; `fonoteca init` writes it with comments.

An unknown key, a wrong type or a value out of range stops every command with the key and a way out. Sizes are numbers of bytes or
texts such as `"210 GB"` or `"10 MiB"`. A change holds for what is built from then on: nothing moves between tiers by itself, and no
container is ever changed.

{_write_tables(Settings)}

## A new archive

```toml
{render_template("My archive", "my_archive").strip()}
```
"""


def write_mirror_settings_page(mark: str) -> str:
    """docs/mirror-settings.md: the same for mirror.toml."""
    return f"""# Settings of a mirror

{mark}

Everything that can be chosen stands in one file, `mirror.toml`, at the top of the mirror; `fonoteca mirror add` writes it with comments
where there is no mirror yet. A change holds from the next command on; `fonoteca mirror run` reads it when it starts.

An unknown key, a wrong type or a value out of range stops every command with the key and a way out. Sizes are numbers of bytes or
texts such as `"8 TB"`; rates are sizes a second.

{_write_tables(MirrorSettings)}

## A new mirror

```toml
{render_mirror_template("My mirror", "8 TB").strip()}
```
"""


def _write_tables(settings: type) -> str:
    top = shapes.type_info(settings)
    assert isinstance(top, shapes.StructType)
    return "\n\n".join(_write_table(title, struct) for title, struct in _walk(top))


def _walk(top: shapes.StructType) -> Iterator[tuple[str, shapes.StructType]]:
    """The top table and all below it, each after the one that it belongs to, by their titles in TOML."""
    yield "At the top", top
    yield from _walk_below(top, "")


def _walk_below(struct: shapes.StructType, above: str) -> Iterator[tuple[str, shapes.StructType]]:
    for field in struct.fields:
        kind, name = field.type, f"{above}{field.name}"
        if isinstance(kind, shapes.VarTupleType) and isinstance(kind.item_type, shapes.StructType):
            yield f"[[{name}]]", kind.item_type
        elif isinstance(kind, shapes.StructType):
            yield f"[{name}]", kind
            yield from _walk_below(kind, f"{name}.")


def _write_table(title: str, struct: shapes.StructType) -> str:
    rows = []
    for field in struct.fields:
        if isinstance(field.type, shapes.Metadata):
            meaning = (field.type.extra_json_schema or {})["description"]
            rows.append(f"| `{field.name}` | {_write_type(field.type.type)} | {_write_default(field)} | {meaning} |")
    about = (struct.cls.__doc__ or "").split(";")[0].rstrip(".")
    heading = f"## {title}" if title[0] != "[" else f"## `{title}`\n\n{about}."
    return "\n".join([heading, "", "| key | type | left out | meaning |", "|---|---|---|---|", *rows])


def _write_type(kind: Any) -> str:
    if isinstance(kind, shapes.UnionType):
        words = [_write_type(one) for one in kind.types if not isinstance(one, shapes.NoneType)]
        return "size" if words == ["text", "whole number"] else " or ".join(words)
    if isinstance(kind, shapes.VarTupleType):
        return f"list of {_write_type(kind.item_type)}s"
    if isinstance(kind, shapes.LiteralType):
        return " or ".join(f"`{value}`" for value in kind.values)
    return WORDS[type(kind)] + _write_limits(kind)


def _write_limits(kind: Any) -> str:
    low, high, above = (getattr(kind, name, None) for name in ("ge", "le", "gt"))
    if low is not None and high is not None:
        return f", {low} to {high}"
    return f", above {above}" if above is not None else ""


def _write_default(field: shapes.Field) -> str:
    if field.required:
        return "must be there"
    return "" if field.default is None else f"`{msgspec.json.encode(field.default).decode()}`"
