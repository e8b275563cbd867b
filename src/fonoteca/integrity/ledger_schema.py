"""The ledger's tables; documented in docs/formats/ledger.md. From the first release on migrations are appended, never changed."""

APPLICATION_ID = 0x464F4C31  # "FOL1"

MIGRATIONS = (
    """
CREATE TABLE sources (
    path BLOB PRIMARY KEY,             -- as the file system gives it, absolute
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    sha256 TEXT NOT NULL,              -- '' where it could not be read
    essence_sha256 TEXT,
    state TEXT NOT NULL CHECK (state IN ('kept', 'duplicate', 'set-aside')),
    track_id TEXT,
    format TEXT,
    sample_rate INTEGER NOT NULL DEFAULT 0,
    channels INTEGER NOT NULL DEFAULT 0,
    samples INTEGER,
    bits_per_second INTEGER,
    loudness_lufs REAL,
    sample_peak REAL,
    can_be_retagged INTEGER NOT NULL DEFAULT 0,
    tags TEXT NOT NULL DEFAULT '{}',   -- JSON: Picard name to list of values
    comment_packet BLOB,
    pictures TEXT NOT NULL DEFAULT '[]', -- JSON: SHA-256 of each picture, in order
    original TEXT,                     -- name below originals/, where it was kept
    added_at INTEGER NOT NULL,         -- Unix seconds
    decoded_at INTEGER                 -- Unix seconds of the last full decode, NULL: structure only
) STRICT;
CREATE INDEX sources_by_sha256 ON sources (sha256);
CREATE INDEX sources_by_essence ON sources (essence_sha256);
CREATE INDEX sources_by_track ON sources (track_id);
CREATE INDEX sources_by_state ON sources (state, decoded_at);
CREATE INDEX sources_by_original ON sources (original) WHERE original IS NOT NULL;

CREATE TABLE findings (
    step TEXT NOT NULL,                -- add, build, verify
    path BLOB NOT NULL,
    code TEXT NOT NULL,
    fact TEXT NOT NULL,
    track TEXT,
    container TEXT,
    found_at INTEGER NOT NULL,
    PRIMARY KEY (step, path, code, fact)
) STRICT, WITHOUT ROWID;
CREATE INDEX findings_by_track ON findings (track) WHERE track IS NOT NULL;

CREATE TABLE builds (
    build INTEGER PRIMARY KEY,
    started_second INTEGER NOT NULL,   -- its first container's second; the next ones follow
    settings_sha256 TEXT NOT NULL,     -- of the settings that the plan was made with
    state TEXT NOT NULL CHECK (state IN ('running', 'done'))
) STRICT;

CREATE TABLE planned_containers (
    build INTEGER NOT NULL REFERENCES builds,
    number INTEGER NOT NULL,           -- 0, 1, 2 …; its second is started_second + number
    collection TEXT NOT NULL,
    content TEXT NOT NULL CHECK (content IN ('audio', 'cover', 'patch')),
    tier TEXT NOT NULL,
    is_public INTEGER NOT NULL,
    predicted_bytes INTEGER NOT NULL,
    piece_length INTEGER NOT NULL,
    is_done INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (build, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE planned_members (
    build INTEGER NOT NULL,
    number INTEGER NOT NULL,
    id TEXT NOT NULL,                  -- track id, or picture id
    action TEXT NOT NULL,              -- retag, copy, encode, restore, cover, patch, link
    replaces TEXT,                     -- the AACID that this member is issued again for
    PRIMARY KEY (build, number, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX planned_members_by_replaces ON planned_members (build, replaces) WHERE replaces IS NOT NULL;

CREATE TABLE planned_obsolete (
    build INTEGER NOT NULL,
    name TEXT NOT NULL,                -- the container that the build replaces
    reason TEXT NOT NULL,
    PRIMARY KEY (build, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE containers (
    name TEXT PRIMARY KEY,             -- data folder, or metadata file of a metadata-only container
    collection TEXT NOT NULL,
    content TEXT NOT NULL,
    tier TEXT NOT NULL,
    is_public INTEGER NOT NULL,
    second INTEGER NOT NULL UNIQUE,
    data_folder TEXT,
    metadata_file TEXT NOT NULL,
    member_count INTEGER NOT NULL,
    data_bytes INTEGER NOT NULL,
    metadata_bytes INTEGER NOT NULL,
    metadata_sha256 TEXT NOT NULL,
    data_piece_length INTEGER,
    metadata_piece_length INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('current', 'obsolete')),
    obsolete_reason TEXT,
    metadata_proved_at INTEGER NOT NULL
) STRICT;

CREATE TABLE container_pieces (        -- some 500 kB a row, which only the writing of torrents needs
    name TEXT PRIMARY KEY REFERENCES containers,
    data_pieces BLOB,                  -- concatenated SHA-1
    metadata_pieces BLOB NOT NULL,
    metadata_pieces_root BLOB NOT NULL,  -- SHA-256 Merkle root of BEP 52
    metadata_piece_layer BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE members (
    aacid TEXT PRIMARY KEY,
    container TEXT NOT NULL REFERENCES containers (name),
    content TEXT NOT NULL,             -- that of the container
    id TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    source_sha256 TEXT,                -- of the file as it came
    essence_sha256 TEXT,
    action TEXT NOT NULL,
    patch BLOB,                        -- restores the file as it came
    encoder TEXT,
    samples INTEGER,
    loudness_lufs REAL,
    proved_at INTEGER NOT NULL         -- Unix seconds when every byte was last read and found good
) STRICT;
CREATE INDEX members_by_container ON members (container, aacid);
CREATE INDEX members_by_id ON members (content, id);
CREATE INDEX members_by_essence ON members (essence_sha256) WHERE action = 'encode';

CREATE TABLE releases (
    serial INTEGER PRIMARY KEY,
    second INTEGER NOT NULL,
    content_sha256 TEXT NOT NULL,
    checksums_sha256 TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL CHECK (state IN ('making', 'done'))
) STRICT;

CREATE TABLE published_torrents (
    infohash TEXT PRIMARY KEY,         -- v1, hex
    name TEXT NOT NULL,                -- of the .torrent, without its ending
    container TEXT NOT NULL,
    collection TEXT NOT NULL,
    added_on TEXT NOT NULL,            -- YYYY-MM-DD
    is_metadata INTEGER NOT NULL,
    torrent_size INTEGER NOT NULL,     -- bytes of the .torrent
    num_files INTEGER NOT NULL,
    data_size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,              -- of the .torrent
    options_sha256 TEXT NOT NULL,      -- of the options that it was written with
    first_serial INTEGER NOT NULL,     -- of the releases that hold it
    last_serial INTEGER                -- NULL: the newest
) STRICT, WITHOUT ROWID;
CREATE INDEX published_torrents_by_name ON published_torrents (name);
""",
    """
ALTER TABLE sources ADD COLUMN rights_values TEXT NOT NULL DEFAULT '[]'; -- JSON: what was last said of this file's rights, where
ALTER TABLE sources ADD COLUMN rights_from TEXT;   -- sidecar, tag, folder or option
ALTER TABLE sources ADD COLUMN attribution TEXT;   -- that came with it
CREATE TABLE tops (path BLOB PRIMARY KEY) STRICT, WITHOUT ROWID; -- folders that were added
""",
    """
ALTER TABLE sources ADD COLUMN picture_bytes INTEGER NOT NULL DEFAULT 0; -- of `size`: what its pictures take, as they are embedded
""",
    """
CREATE INDEX members_by_proof ON members (proved_at);
CREATE TABLE proofs (                  -- of what is neither member nor metadata file
    name TEXT PRIMARY KEY,             -- path below the archive: originals/, pictures/, release/ but for its containers, databases
    size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,              -- '' for a database, which is proved by its own check
    track TEXT,
    proved_at INTEGER NOT NULL         -- Unix seconds of the last read that found it good, 0 never
) STRICT;
CREATE INDEX proofs_by_proof ON proofs (proved_at);
CREATE TABLE mends (
    mend INTEGER PRIMARY KEY,
    name TEXT NOT NULL,                -- path below the archive
    began_at INTEGER NOT NULL,
    ended_at INTEGER,                  -- NULL: it was stopped
    rung TEXT NOT NULL,
    result TEXT NOT NULL,              -- tried, mended, failed
    fact TEXT NOT NULL
) STRICT;
CREATE INDEX mends_by_name ON mends (name);
""",
)
