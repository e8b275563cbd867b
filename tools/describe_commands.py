"""docs/commands.md, from the command line itself."""

from __future__ import annotations

from collections.abc import Iterator

from cyclopts import App, Argument

import fonoteca.cli.run  # noqa: F401  # registers every command
from fonoteca.cli.commands import INTRODUCTION, app

FINDS_DAMAGE = {
    "add": "files or rows were set aside",
    "catalogue import": "lines were set aside",
    "build": "members could not be made as planned",
    "verify": "something is not as it should be",
    "pool replace": "the resilver ended, and the pool is not healthy",
    "pool restore": "something could not be restored, or is not the same as in the replica",
}
EVERYWHERE = ("--archive", "--json", "--dry-run")


def list_commands() -> list[tuple[str, App]]:
    """Every command by its name, in the order of the work; those of a group behind its name."""
    return list(_walk(app, ""))


def _walk(group: App, before: str) -> Iterator[tuple[str, App]]:
    named = [(name, group[name]) for name in group if not name.startswith("-")]
    for name, command in sorted(named, key=lambda one: (one[1].sort_key is None, one[1].sort_key)):
        if command.default_command is None:
            yield from _walk(command, f"{before}{name} ")
        else:
            yield before + name, command


def write_commands_page(mark: str) -> str:
    """docs/commands.md: every command with arguments, options and exit statuses."""
    sections = "\n\n".join(_write_command(name, command) for name, command in list_commands())
    return f"""# Commands

{mark}

What can be typed, with every argument and option. `fonoteca -h` and `fonoteca COMMAND -h` say the same.

Results go to standard output, all else to standard error. While a command works on a terminal it shows rate and time left.

| option | of | meaning |
|---|---|---|
{chr(10).join(_write_common(name) for name in EVERYWHERE)}

Exit status: 0 done; 1 failed; 2 wrong usage; 3 finished, and found damage or set something aside; 130 stopped by Ctrl-C.
[Errors](errors.md) and [findings](findings.md) have stable codes.

Without a command:

```text
{INTRODUCTION}
```

{sections}
"""


def _arguments(command: App) -> list[Argument]:
    return list(command.assemble_argument_collection())


def _write_common(option: str) -> str:
    having = [(name, argument) for name, command in list_commands() for argument in _arguments(command) if argument.name == option]
    names = ", ".join(f"`{name}`" for name, _ in having)
    where = "all commands" if len(having) == len(list_commands()) else names
    return f"| `{_write_names(having[0][1])}` | {where} | {having[0][1].parameter.help} |"


def _write_command(name: str, command: App) -> str:
    arguments = _arguments(command)
    words = ["fonoteca", name, *(_write_usage(one) for one in arguments if one.required or not one.name.startswith("-"))]
    own = [one for one in arguments if one.name not in EVERYWHERE]
    optional = [one for one in arguments if one.name.startswith("-") and not one.required]
    lines = [f"## {name}", "", command.help, "", "```text", " ".join([*words, *(["[OPTIONS]"] if optional else [])]), "```"]
    if own:
        lines += ["", "| argument or option | meaning |", "|---|---|"]
        lines += [f"| `{_write_names(one)}` | {_write_meaning(one)} |" for one in own]
    lines += ["", f"Exit status 3: {FINDS_DAMAGE[name]}."] if name in FINDS_DAMAGE else []
    return "\n".join(lines)


def _write_usage(argument: Argument) -> str:
    if argument.name.startswith("-"):
        return _write_names(argument)
    several = "…" if isinstance(argument.field_info.default, tuple) else ""
    return f"{argument.name}{several}" if argument.required else f"[{argument.name}{several}]"


def _write_names(argument: Argument) -> str:
    names = ", ".join(argument.names)
    if not argument.name.startswith("-") or argument.hint is bool:
        return names
    return f"{names} {argument.name.strip('-').replace('-', '_').upper()}"


def _write_meaning(argument: Argument) -> str:
    meaning = argument.parameter.help or ""
    if choices := argument.get_choices():
        meaning += f" One of {', '.join(f'`{choice}`' for choice in choices)}; by default `{argument.field_info.default}`."
    return meaning + (" Required." if argument.required else "")
