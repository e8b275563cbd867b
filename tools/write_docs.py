"""Writes the pages of docs/ that are tables of what the code says; `--check` tells whether they are in step."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from describe_commands import write_commands_page
from describe_settings import write_mirror_settings_page, write_settings_page
from fonoteca.catalogue.data_dictionary import dictionary_page
from fonoteca.ground.errors import FonotecaError
from fonoteca.ground.findings import FINDING_KINDS

ROOT = Path(__file__).resolve().parent.parent
MARK = "<!-- Written by tools/write_docs.py from {source}; `make docs` writes it again. -->"


def write_errors_page() -> str:
    """docs/errors.md: every class of the error tree with its code and exit status."""
    rows = [
        f"| {'&nbsp;' * 4 * depth}`{kind.__name__}` | `{kind.code}` | {kind.exit_status} | {_first_sentence(kind)} |"
        for kind, depth in _walk_errors(FonotecaError, 0)
    ]
    return f"""# Errors and exit statuses

{MARK.format(source="src/fonoteca/ground/errors.py")}

A command that cannot do its work ends with one error on standard error: what is wrong, with the fact, and below it what to do next.
With `--json` the same comes as an object with `code`, `message` and `hint`. The codes are stable: scripts may rely on them.

| exit status | meaning |
|--:|---|
| 0 | done, nothing wrong was found |
| 1 | failed; the table says how |
| 2 | wrong usage: the command line or `archive.toml` asks for something that cannot be |
| 3 | finished, and found damage or set something aside: see [findings](findings.md) |
| 130 | stopped by Ctrl-C; the same command goes on where it stopped |

Damage is never an error: what is wrong with one file, track or container is a [finding](findings.md), and the work goes on.

| error | code | exit status | meaning |
|---|---|--:|---|
{chr(10).join(rows)}
"""


def _walk_errors(kind: type[FonotecaError], depth: int) -> Iterator[tuple[type[FonotecaError], int]]:
    yield kind, depth
    for child in kind.__subclasses__():
        yield from _walk_errors(child, depth + 1)


def _first_sentence(kind: type) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0]


def write_findings_page() -> str:
    """docs/findings.md: every finding code with its weight, meaning and way out."""
    rows = [f"| `{code}` | {kind.weight} | {kind.meaning} | {kind.way_out} |" for code, kind in FINDING_KINDS.items()]
    return f"""# Findings

{MARK.format(source="src/fonoteca/ground/findings.py")}

A finding is one fact about one file, row, track or container, under a stable code. Findings are collected, never raised: the work goes
on to the end, and all of them are told together, also with `--json`: `code`, `path`, `fact`, `weight`, `meaning`, `way_out`, and `track` or
`container` where known.

| weight | what happens | exit status |
|---|---|--:|
| damage | bytes are not what they should be; nothing is changed | 3 |
| set-aside | this item is left out, everything else goes on | 3 |
| hindrance | something around the work keeps it from being done well; nothing is damaged | 3 |
| note | the item is used; worth knowing | 0 |

| code | weight | meaning | way out |
|---|---|---|---|
{chr(10).join(rows)}
"""


def write_index_page() -> str:
    """docs/index.md: every page by its title, with the sentence that follows it."""
    pages = sorted(page for page in (ROOT / "docs").rglob("*.md") if page.name != "index.md")
    folders = {"Step by step": "docs/tasks", "When disks die": "docs/operations", "To look things up": "docs", "Formats": "docs/formats"}
    sections = {title: [page for page in pages if page.parent == ROOT / folder] for title, folder in folders.items()}
    lists = [f"## {title}\n\n" + "\n".join(f"- {_describe_page(page)}" for page in listed) for title, listed in sections.items() if listed]
    return f"""# Fonoteca: the pages

{MARK.format(source="the pages themselves")}

Begin with the [README](../README.md); [ARCHITECTURE](../ARCHITECTURE.md) says how the program is built.

{(chr(10) * 2).join(lists)}
"""


def _describe_page(page: Path) -> str:
    """Its title as a link, with the first sentence of plain text after it."""
    title, _, text = page.read_text("utf-8").strip().partition("\n")
    paragraphs = [block for block in text.split("\n\n") if block.strip()[:1].isalpha()]
    sentence = re.split(r"(?<=[.:])\s", " ".join(paragraphs[0].split()))[0].rstrip(".:") if paragraphs else ""
    sentence = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", sentence)
    link = f"[{title.lstrip('# ')}]({page.relative_to(ROOT / 'docs')})"
    return f"{link}: {sentence}" if sentence else link


PAGES: list[tuple[str, Callable[[], str]]] = [
    ("docs/commands.md", lambda: write_commands_page(MARK.format(source="src/fonoteca/cli/commands.py"))),
    ("docs/settings.md", lambda: write_settings_page(MARK.format(source="src/fonoteca/ground/settings.py"))),
    (
        "docs/mirror-settings.md",
        lambda: write_mirror_settings_page(MARK.format(source="src/fonoteca/ground/mirror_settings.py")),
    ),
    ("docs/formats/data-dictionary.md", lambda: dictionary_page(MARK.format(source="src/fonoteca/catalogue/data_dictionary.toml"))),
    ("docs/errors.md", write_errors_page),
    ("docs/findings.md", write_findings_page),
    ("docs/index.md", write_index_page),  # last, since it quotes the others
]
"""Each page with what writes it whole."""


def find_stale_pages() -> list[str]:
    """The pages that differ from what the code says."""
    return [page for page, write in PAGES if not (ROOT / page).exists() or (ROOT / page).read_text("utf-8") != write()]


def main() -> int:
    """Write every page, or with --check name those that are out of step."""
    stale = find_stale_pages()
    if "--check" in sys.argv[1:]:
        for page in stale:
            print(f"{page} is not what the code says; run: make docs", file=sys.stderr)
        return 1 if stale else 0
    for page, write in PAGES:
        text = write()
        if page in stale or page == PAGES[-1][0]:
            (ROOT / page).write_text(text, "utf-8")
            print(f"wrote {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
