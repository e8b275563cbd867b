"""The tables of a mirror's ledger; documented in docs/formats/mirror.md. Migrations are appended, never changed once released."""

APPLICATION_ID = 0x464F4D31  # "FOM1"

MIGRATIONS = (
    """
CREATE TABLE sources (
    source TEXT PRIMARY KEY,           -- its folder below held/
    location TEXT NOT NULL,            -- a folder, or a URL of a release or of a torrents.json
    kind TEXT NOT NULL CHECK (kind IN ('release', 'list')),
    key TEXT NOT NULL DEFAULT '',      -- minisign public key that it is held to, '' none
    serial INTEGER NOT NULL DEFAULT 0, -- of the newest release that was taken
    checksums_sha256 TEXT NOT NULL DEFAULT '', -- of its SHA256SUMS (kind 'list': of its torrents.json)
    roster_serial INTEGER NOT NULL DEFAULT 0,
    is_in_place INTEGER NOT NULL DEFAULT 0,    -- seeded where it lies: location is never written to
    followed_at INTEGER NOT NULL DEFAULT 0     -- Unix seconds
) STRICT;

CREATE TABLE torrents (
    infohash TEXT PRIMARY KEY,         -- v1, lower-case hex
    source TEXT NOT NULL REFERENCES sources,
    container TEXT NOT NULL,           -- its name: that of the metadata file or data folder
    torrent_path TEXT NOT NULL,        -- of the .torrent, relative to the mirror; absolute for a source in place
    is_metadata INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    file_count INTEGER NOT NULL,
    piece_length INTEGER NOT NULL,     -- 0 until the .torrent is here
    state TEXT NOT NULL CHECK (state IN ('known', 'wanted', 'fetching', 'held', 'dropping', 'dropped')),
    selection TEXT,                    -- JSON list of the paths that are wanted, NULL all
    why TEXT NOT NULL DEFAULT '',
    is_obsolete INTEGER NOT NULL DEFAULT 0,    -- the newest release does not hold it any more
    chosen_at INTEGER NOT NULL DEFAULT 0,
    held_at INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX torrents_by_container ON torrents (container);
CREATE INDEX torrents_by_source ON torrents (source, container);
CREATE INDEX torrents_by_state ON torrents (state);

CREATE TABLE files (
    infohash TEXT NOT NULL REFERENCES torrents,
    position INTEGER NOT NULL,         -- in the torrent's list of files, pads counted
    path TEXT NOT NULL,                -- below containers/, with slashes
    first_byte INTEGER NOT NULL,       -- in the torrent's stream of bytes
    size INTEGER NOT NULL,
    sha256 TEXT,                       -- NULL where only the hashes of pieces are known
    state TEXT NOT NULL CHECK (state IN ('absent', 'held', 'damaged', 'lost')),
    proved_at INTEGER,                 -- Unix seconds of the last read that found it good
    mtime_ns INTEGER,                  -- of the file when it was read
    PRIMARY KEY (infohash, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX files_by_proof ON files (state, proved_at);
CREATE INDEX files_by_path ON files (path);

CREATE TABLE lists (
    source TEXT NOT NULL REFERENCES sources,
    path TEXT NOT NULL,                -- of a file of the release outside containers/
    size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('held', 'damaged', 'lost')),
    proved_at INTEGER,
    mtime_ns INTEGER,
    PRIMARY KEY (source, path)
) STRICT, WITHOUT ROWID;

CREATE TABLE findings (
    step TEXT NOT NULL,                -- run, verify, heal
    path BLOB NOT NULL,
    code TEXT NOT NULL,
    fact TEXT NOT NULL,
    track TEXT,
    container TEXT,
    found_at INTEGER NOT NULL,
    PRIMARY KEY (step, path, code, fact)
) STRICT, WITHOUT ROWID;

CREATE TABLE mends (
    mend INTEGER PRIMARY KEY,
    infohash TEXT NOT NULL,            -- '' for a list, whose path is then in fact
    position INTEGER NOT NULL,
    began_at INTEGER NOT NULL,
    ended_at INTEGER,                  -- NULL: it was stopped
    rung TEXT NOT NULL,
    result TEXT NOT NULL,              -- tried, mended, failed
    fact TEXT NOT NULL
) STRICT;
CREATE INDEX mends_by_file ON mends (infohash, position);

CREATE TABLE scrapes (
    infohash TEXT NOT NULL,
    tracker TEXT NOT NULL,
    seeders INTEGER NOT NULL,
    leechers INTEGER NOT NULL,
    completed INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (infohash, tracker)
) STRICT, WITHOUT ROWID;

CREATE TABLE announcements (
    key TEXT PRIMARY KEY,              -- public key of the mirror that made it
    operator TEXT NOT NULL,
    url TEXT NOT NULL,
    at INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    body BLOB NOT NULL                 -- as it was signed
) STRICT;

CREATE TABLE proofs (
    name TEXT PRIMARY KEY,             -- where a schedule stands
    value TEXT NOT NULL
) STRICT;
""",
)
