"""README.txt and the index page of a release: how to read, check and mirror everything with standard programs alone."""

from __future__ import annotations

from html import escape

import msgspec

from fonoteca.ground.quantities import format_bytes, format_count


class ReleaseFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the pages tell. `containers`: name, content, tier, members, bytes; `left_out`: reason and number of tracks."""

    name: str
    institution: str
    url: str
    serial: int
    date: str
    fingerprint: str
    minisign_key: str
    tracks: int
    files: int
    bytes: int
    torrents: int
    containers: tuple[tuple[str, str, str, int, int], ...]
    left_out: tuple[tuple[str, int], ...]


_README = """\
{title}
{line}

Release {serial} of {date}: {tracks:,} tracks known, {files:,} files published, {size}, {torrents:,} torrents.
Everything here can be read with standard programs. Nothing needs Fonoteca.

WHAT IS HERE
  catalogue.sqlite3   every known track, held or not (sqlite3 catalogue.sqlite3 "SELECT * FROM what_is_held LIMIT 10")
  torrents.json       one entry a torrent; feed.xml is the same as a feed
  torrents/           one .torrent for each metadata file and each data folder
  containers/         metadata files (*.jsonl.seekable.zst) and data folders, one file a track
  release.json        serial number, counts, what this release replaces
  SHA256SUMS          the SHA-256 of every file, signed twice
  statistics/         the catalogue in pictures: open statistics/index.html; every count in statistics/statistics.csv
  docs/               what every field, table and byte means
  restore_original.py gives files back as they came, with Python alone
  minisign.pub, allowed_signers   the public key, in two forms

IS IT GENUINE?
The key's fingerprint is
  {fingerprint}
Compare it with what {name} tells you elsewhere (its web site, a letter, a colleague). Then, in this folder, either
  minisign -V -p minisign.pub -m SHA256SUMS
or
  ssh-keygen -Y verify -f allowed_signers -I {institution} -n fonoteca-release -s SHA256SUMS.sig < SHA256SUMS
The serial number is in release.json, which SHA256SUMS lists, and in minisign's trusted comment. Never take a release with
a smaller number than one you had before.

IS IT WHOLE?
  sha256sum -c SHA256SUMS                      (--ignore-missing if you hold a part)

WHAT IS IN A CONTAINER?
  zstd -dc containers/NAME.jsonl.seekable.zst | head -1
Each line is a JSON object: "aacid" names a record and its file in the data folder of "data_folder"; "metadata" says what it
is: title, artists, rights, format, SHA-256, what it was made from. To find a track's file:
  sqlite3 catalogue.sqlite3 "SELECT container || '/' || aacid, title, artists FROM what_is_held WHERE title LIKE '%word%'"
Files are Ogg Vorbis, Ogg Opus, FLAC, MP3, AAC or WAV, named without an ending; any player opens them (add the ending from
"suffix" if it asks for one). Covers are in a container of their own, by the SHA-256 in "pictures".
docs/formats/records.md describes every field. Records in *_patches_* hold "patch", in base64, with which a retagged file
becomes again, byte for byte, what came (docs/formats/patch.md):
  zstd -dc containers/*_patches_records__*.zst | python3 restore_original.py ../restored
For one track, put "grep ID |" in between. It needs Python 3.8 or newer and, for the few patches of kind 2, Python 3.14 or zstd.

HOW TO MIRROR
Take any .torrent of torrents/ into any BitTorrent client and let it seed; save into a folder named containers/ beside these
lists. Take the metadata files first: they are small. Entries of torrents.json with "obsolete": true were replaced; let go of them.

RIGHTS
Every item says under which licence it stands ("rights" in its record; the table "may_be_published" of the catalogue). Show
the attribution that it gives. The catalogue's own facts may be used freely.
"""


def render_readme(facts: ReleaseFacts) -> str:
    """README.txt."""
    return _README.format(
        title=facts.name, line="=" * len(facts.name), name=facts.name, institution=facts.institution, serial=facts.serial, date=facts.date,
        tracks=facts.tracks, files=facts.files, size=format_bytes(facts.bytes), torrents=facts.torrents, fingerprint=facts.fingerprint,
    )  # fmt: skip


_STYLE = """\
:root { color-scheme: light dark; --line: #8884; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } .when { margin-top: .2rem; opacity: .75; }
.counts { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: 1rem; padding: 0; list-style: none; }
.counts li { border: 1px solid var(--line); border-radius: .5rem; padding: .7rem 1rem; } .counts b { display: block; font-size: 1.5rem; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td.name { overflow-wrap: anywhere; font-size: .85rem; }
td.links { white-space: nowrap; } code { overflow-wrap: anywhere; }
code, pre { font-family: ui-monospace, monospace; font-size: .85rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem; }
@media (max-width: 44rem) {
  thead { display: none; } tr { display: block; border-bottom: 1px solid var(--line); padding: .6rem 0; }
  td { display: inline-block; border: 0; padding: 0 1rem 0 0; } td.name { display: block; padding: 0; }
  td.number::after { content: " " attr(data-unit); }
}
"""


def render_index(facts: ReleaseFacts) -> str:
    """index.html: counts, torrents, how to mirror and check; no script, nothing from another host."""
    counts = ((f"{facts.tracks:,}", "tracks known"), (f"{facts.files:,}", "files published"), (format_bytes(facts.bytes), "in all"),
              (f"{facts.torrents:,}", "torrents"))  # fmt: skip
    cells = "".join(f"<li><b>{escape(number)}</b>{escape(word)}</li>" for number, word in counts)
    rows = "".join(_row(*container) for container in facts.containers)
    left_out = "".join(f"<li>{escape(format_count(count, 'track'))}: {escape(reason)}</li>" for reason, count in facts.left_out)
    left = f"<h2>Held, not published</h2><ul>{left_out}</ul>" if left_out else ""
    key = escape(facts.fingerprint)
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(facts.name)}</title>
<link rel="alternate" type="application/rss+xml" title="Torrents" href="feed.xml">
<style>{_STYLE}</style></head>
<body>
<h1>{escape(facts.name)}</h1>
<p class="when">Release {facts.serial}, {escape(facts.date)}</p>
<ul class="counts">{cells}</ul>
<h2>How to mirror</h2>
<p>Take any torrent below into any BitTorrent client and let it seed. Metadata first: it is small. <a href="torrents.json">torrents.json</a>
lists them for programs, <a href="feed.xml">the feed</a> for clients that subscribe. <a href="README.txt">README.txt</a> says how
to read everything with standard programs.</p>
<h2>Is it genuine and whole?</h2>
<p>The key is <code>{key}</code>. Compare it with what the publisher tells you elsewhere, then:</p>
<pre>minisign -V -p minisign.pub -m SHA256SUMS
sha256sum -c SHA256SUMS</pre>
<p><a href="catalogue.sqlite3">The catalogue</a> is one SQLite file: every known track, held or not. <a href="statistics/index.html">Its
statistics</a> show it in pictures.</p>
<h2>Containers</h2>
<table><thead><tr><th>container</th><th>holds</th><th class="number">records</th><th class="number">size</th>
<th>torrents</th></tr></thead>
<tbody>{rows}</tbody></table>
{left}
</body></html>
"""


def _row(name: str, content: str, tier: str, members: int, size: int) -> str:
    metadata = name if name.endswith(".zst") else name.replace("_data__", "_meta__", 1) + ".jsonl.seekable.zst"
    links = [f'<a href="torrents/{escape(metadata)}.torrent">metadata</a>']
    if metadata != name:
        links.append(f'<a href="torrents/{escape(name)}.torrent">data</a>')
    what = tier if content == "audio" else content + ("es" if content == "patch" else "s")
    unit = "record" if members == 1 else "records"
    return (
        f'<tr><td class="name">{escape(name)}</td><td>{escape(what)}</td><td class="number" data-unit="{unit}">{members:,}</td>'
        f'<td class="number">{format_bytes(size)}</td><td class="links">{" · ".join(links)}</td></tr>'
    )
