"""Findings: what is wrong with one item, under a stable code; told, counted and listed, never raised."""

from __future__ import annotations

from typing import Literal

import msgspec

Weight = Literal["damage", "set-aside", "hindrance", "note"]


class FindingKind(msgspec.Struct, frozen=True):
    """What a code means and what to do about it. Weight: all but notes make the exit status 3."""

    weight: Weight
    meaning: str
    way_out: str


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One fact about one item. `path` is as given; `track` a public id; `container` a name."""

    code: str
    path: str
    fact: str
    track: str | None = None
    container: str | None = None

    @property
    def kind(self) -> FindingKind:
        """The entry of FINDING_KINDS for this code."""
        return FINDING_KINDS[self.code]

    @property
    def way_out(self) -> str:
        """What to do next."""
        return self.kind.way_out


_REPLACE = "Replace the file with a whole copy and add it again."
_HEAL = "fonoteca heal mends it from copies, originals, peers or web seeds; or take the bytes from the torrent or another mirror."

# Documented in docs/findings.md, one row a code; a test compares the two.
FINDING_KINDS: dict[str, FindingKind] = {
    # files that come in: set aside
    "empty-file": FindingKind("set-aside", "The file has no bytes.", _REPLACE),
    "unreadable-file": FindingKind("set-aside", "The file or folder cannot be opened or read.", "Give this user the right to read it and add it again."),
    "not-audio": FindingKind("set-aside", "The name says audio, the content is no format that is kept.", "Check what the file is; convert it, or leave it out."),
    "truncated": FindingKind("set-aside", "The stream ends before its end.", _REPLACE),
    "corrupt": FindingKind("set-aside", "A checksum, a sequence number or a frame does not fit.", _REPLACE),
    "no-sound": FindingKind("set-aside", "There are headers but no audio.", _REPLACE),
    "decode-failed": FindingKind("set-aside", "The decoder cannot read the stream to its end.", _REPLACE),
    "duration-mismatch": FindingKind("set-aside", "The decoded length is not the length that the file declares.", _REPLACE),
    "silent": FindingKind("set-aside", "Every sample is silence.", "Check the recording; replace it with one that can be heard, or leave it out."),
    "changed-while-read": FindingKind("set-aside", "The file changed while it was read.", "Wait until nothing writes to it and add it again."),
    "link-loop": FindingKind("set-aside", "The link leads back to a folder above it.", "Remove the link, or add its target by itself."),
    "dangling-link": FindingKind("set-aside", "The link leads nowhere.", "Remove the link, or put its target back."),
    "source-missing": FindingKind("set-aside", "A file that was added is no longer there.", "Put it back and build again, or add its new place."),
    "source-changed": FindingKind("set-aside", "A file is no longer what was added.", "Add it again; build takes the new bytes."),
    "encode-failed": FindingKind("set-aside", "The encoder could not make the file.", "The source is kept. Check it with a player; report it if it plays."),
    "encode-check-failed": FindingKind("set-aside", "The encoded file differs from its source by more than is allowed.", "The source is kept. Listen to both; report it."),
    "patch-failed": FindingKind("set-aside", "The patch does not restore the file as it came.", "The file is kept as it came. Report it with the file's first 64 kB."),
    # rows of plays and metadata: set aside
    "bad-row": FindingKind("set-aside", "A line of a table or of JSON lines cannot be used.", "Mend the line and add the file again; good lines are in."),
    "unknown-track": FindingKind("set-aside", "A line names no track that is known.", "Add the track first, or give more of its keys."),
    # notes: the item is used
    "odd-comment": FindingKind("note", "A tag has no '=' or is not UTF-8.", "Nothing to do: the raw tags are kept."),
    "odd-gain": FindingKind("note", "A gain or peak in the tags cannot be true.", "Nothing to do: it is kept as given; players may play it too loud."),
    "bad-isrc": FindingKind("note", "An ISRC is not well formed.", "Mend the tag, or leave it: it is kept as given and not used."),
    "chained-stream": FindingKind("note", "Several Ogg streams follow one another in one file.", "Nothing to do: it is kept as it came."),
    "multiplexed-stream": FindingKind("note", "Other streams are interleaved with the audio.", "Nothing to do: it is kept as it came."),
    "trailing-data": FindingKind("note", "Bytes follow the end of the audio.", "Nothing to do: they are kept."),
    "leading-data": FindingKind("note", "Bytes that belong to no known header come before the audio.", "Nothing to do: they are kept."),
    "negative-granule": FindingKind("note", "The first page starts before time zero.", "Nothing to do: it is decoded with a second decoder."),
    "odd-stream": FindingKind("note", "The stream breaks a rule of its format that decoders forgive.", "Nothing to do: it is kept as it came."),
    "bad-tags": FindingKind("note", "The tags cannot be read.", "Nothing to do: the sound is used; give --metadata for names."),
    "bad-picture": FindingKind("note", "An embedded picture is no picture or too large.", "Nothing to do: it is left out."),
    "duplicate-file": FindingKind("note", "Another file has the same bytes.", "Nothing to do: one is kept."),
    "duplicate-sound": FindingKind("note", "Another file has the same sound under other tags.", "Nothing to do: one is kept."),
    "unknown-rights": FindingKind("note", "The rights statement is no known licence.", "Give a licence with --rights or a sidecar; until then the item is kept and not published."),
    "conflicting-rights": FindingKind("note", "Copies of one track come with different rights.", "The strictest counts. Say with a row of --metadata, or a sidecar beside each copy, what holds."),
    # what verify finds: damage
    "missing": FindingKind("damage", "A file that should be here is not.", _HEAL),
    "extra": FindingKind("damage", "A file is here that is on no list.", "Move it away; nothing refers to it."),
    "changed": FindingKind("damage", "The bytes are not those that were written.", _HEAL),
    "wrong-size": FindingKind("damage", "The file is shorter or longer than what was written.", _HEAL),
    "unreadable": FindingKind("damage", "The file cannot be read back.", "Check the disk (dmesg, smartctl), then take the bytes again from the torrent or another mirror."),
    "bad-list": FindingKind("damage", "A list of checksums, torrents or records cannot be read.", _HEAL),
    "bad-signature": FindingKind("damage", "The signature does not fit what it signs.", "Do not trust this release; fetch it again from its publisher."),
    "bad-database": FindingKind("damage", "A catalogue or ledger fails its integrity check.", "Restore it from a copy, or rebuild it from the containers."),
    "bad-torrent": FindingKind("damage", "A torrent does not describe the bytes beside it.", _HEAL),
    # what a mirror meets
    "not-followed": FindingKind("note", "A source of the mirror could not be asked for a newer release.", "What is held stays and is served. Check the address and the network; it is asked again."),
    "not-fetched": FindingKind("set-aside", "The torrent client cannot fetch or write this torrent.", "Mend what the client says; fonoteca doctor looks for the usual causes."),
    "no-census": FindingKind("note", "A tracker does not say how many hold the torrents.", "Nothing to do: other trackers and announcements count."),
    # what doctor finds: hindrances
    "no-client": FindingKind("hindrance", "The torrent client does not answer, or refuses us.", "Start it, or mend url, user and password_file under [client] of mirror.toml."),
    "preallocation": FindingKind("hindrance", "The client writes out every file in full before it fetches it.", "Turn preallocation off in the client; docs/tasks/torrent-clients.md names the key."),
    "incomplete-elsewhere": FindingKind("hindrance", "The client keeps unfinished files in another folder, or under other names.", "Turn that off in the client: the mirror proves files where they belong."),
    "queueing": FindingKind("hindrance", "The client lets torrents wait in a queue.", "Turn its queues off: every torrent of a mirror is served all the time."),
    "stops-seeding": FindingKind("hindrance", "The client stops to serve a torrent some time.", "Turn its limits of ratio and time off: a mirror never has given enough."),
    "port-closed": FindingKind("hindrance", "Nobody can call the client.", "Let its port through: start it, free the port, open it in the firewall and the router."),
    "disk-nearly-full": FindingKind("hindrance", "There is hardly room left.", "Free some space, lower the budget in mirror.toml, or give the folder a larger disk."),
    "not-writable": FindingKind("hindrance", "A folder or database cannot be written.", "Give this user the right to write it; check whether the disk is mounted read-only."),
    "bad-key": FindingKind("hindrance", "The signing key is missing or cannot be used.", "Put it back from the safe, readable by its owner alone (chmod 600)."),
    # what heal finds: damage
    "not-mended": FindingKind("damage", "A damaged file could not be mended.", "Name more places under [heal], or a peer that has it, and run fonoteca heal again."),
    # what pool status finds: damage, and what may become it
    "pool-suspended": FindingKind("damage", "ZFS has stopped the pool: too many of its disks are gone.", "Bring the disks back (power, cables, controller), then: zpool clear POOL. Pull nothing."),
    "vdev-lost": FindingKind("damage", "More disks of a vdev are gone than its redundancy can replace.", "Pull nothing more. Bring a disk back that only lost its cable or power; else restore the pool: docs/operations/lose-a-vdev.md."),
    "pool-damaged-file": FindingKind("damage", "ZFS cannot read a file and has no redundancy to repair it from.", "What belongs to the archive is mended by: fonoteca heal. Else restore it from a snapshot or a replica: fonoteca pool restore."),
    "pool-damaged-metadata": FindingKind("damage", "Blocks that ZFS itself needs cannot be read.", "Copy what can be read to another pool, then restore this one from a replica: docs/operations/restore-to-new-hardware.md."),
    "pool-degraded": FindingKind("hindrance", "A vdev has less redundancy than it was made with; no data is lost.", "Replace the disk: fonoteca pool replace DISK."),
    "disk-faulted": FindingKind("hindrance", "A disk of the pool is gone, or ZFS has given it up.", "Replace it: fonoteca pool replace DISK, which says how, step by step."),
    "disk-errors": FindingKind("hindrance", "A disk of the pool made errors, which ZFS repaired.", "Look at its cable and SMART: fonoteca pool disks. Replace it if they go on rising: fonoteca pool replace DISK."),
    "pool-full": FindingKind("hindrance", "The pool is fuller than fill_limit under [pool] allows.", "Make room, or add disks: fonoteca pool plan tells what fits. Above 90 % ZFS slows down."),
    "scrub-late": FindingKind("hindrance", "No block was read and checked for longer than scrub_days under [pool].", "Start one: fonoteca pool scrub. See who should: fonoteca pool scrub --status."),
    "snapshot-late": FindingKind("hindrance", "The newest snapshot is older than the policy under [[pool.snapshots]] allows.", "See whether sanoid runs: systemctl status sanoid.timer; take one: fonoteca pool snapshot."),
    "replica-late": FindingKind("hindrance", "A copy on another pool is older than its lag_hours.", "Send to it: fonoteca pool replicate NAME, which says what is wrong where it cannot."),
    "replica-differs": FindingKind("damage", "A copy on another pool is not what it was copied from.", "Do not count on it. Scrub both pools, look at both with fonoteca verify, and replicate to a new dataset."),
    "replica-unproved": FindingKind("hindrance", "A copy on another pool was not read and compared, or its pool not scrubbed, for longer than prove_days.", "fonoteca pool replicate NAME --prove; scrub its pool where it is: fonoteca pool scrub."),
    "base-not-held": FindingKind("hindrance", "The snapshot that the next send starts from could not be held, so pruning may take it.", "Allow hold, release and bookmark: zfs allow; for a replica that fetches, name it with --replica in its forced command."),
    "stream-not-checked": FindingKind("note", "A send stream was not looked into on its way.", "Install zfsutils-linux, which brings zstream. The replica was proved by its guid all the same."),
    "no-mailer": FindingKind("note", "ZED would have something to tell, and nothing here sends mail.", "Install a mailer, such as bsd-mailx with msmtp-mta, then: fonoteca pool configure."),
    "pool-damaged-snapshot": FindingKind("hindrance", "A file in a snapshot cannot be read; the one of today is another.", "Nothing of today is lost. The entry goes with the snapshot: fonoteca pool prune, and two scrubs."),
    "pool-stale-error": FindingKind("hindrance", "The list of damage names what has no file any more.", "It was mended or removed since, or its folder is damaged too: two scrubs tell. fonoteca pool scrub --wait, twice."),
    # oddities of other people's containers
    "aac-line": FindingKind("damage", "A line of a metadata file is no record.", "Nothing to do: it is set aside, the other lines are read."),
    "aac-order": FindingKind("note", "Lines are not sorted by AACID.", "Nothing to do."),
    "aac-range": FindingKind("note", "A record lies outside the range in the file's name, or the name has no proper range.", "Nothing to do."),
    "aac-repeated": FindingKind("note", "The same line stands twice.", "Nothing to do: it is read once."),
    "aac-collections": FindingKind("note", "Records of several collections share a file.", "Nothing to do."),
    "aac-name": FindingKind("note", "An AACID has an odd form: too long, an empty id, or '__' inside it.", "Nothing to do."),
    "aac-text": FindingKind("note", "A byte order mark, CRLF, a blank line, or no newline at the end.", "Nothing to do."),
    "aac-seek-table": FindingKind("note", "The seek table is missing, cut or does not fit the frames.", "Nothing to do: frames are scanned instead."),
    "aac-frame": FindingKind("damage", "A Zstandard frame is damaged or cut.", _HEAL),
    "aac-member": FindingKind("damage", "A member of the data folder is missing, extra or has no bytes.", _HEAL),
}  # fmt: skip


def counts_as_damage(finding: Finding) -> bool:
    """Whether this finding makes the exit status 3."""
    return finding.kind.weight != "note"
