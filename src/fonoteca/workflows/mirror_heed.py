"""What other processes did to the ledger meanwhile: found damage is withheld from the swarm, mended bytes are trusted again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import MutableMapping

from fonoteca.integrity.mirror_ledger_rows import MirrorFile
from fonoteca.torrents.clients import TorrentClient
from fonoteca.workflows.mirror import Mirror
from fonoteca.workflows.mirror_admission import Admitted, OpenTorrents
from fonoteca.workflows.mirror_torrents import proved_bitfield


class Heed:
    """Compares what the client serves with what the ledger says."""

    def __init__(self, mirror: Mirror, client: TorrentClient, admitted: MutableMapping[str, Admitted], opened: OpenTorrents) -> None:
        self._mirror, self._client, self._admitted, self._opened = mirror, client, admitted, opened
        self._last_mend = self._newest_mend()

    def look(self) -> None:
        """Withhold what was found damaged since the last look, trust what was mended."""
        damaged: dict[str, dict[int, MirrorFile]] = defaultdict(dict)
        for file in self._mirror.ledger.files_in("damaged", "lost"):
            damaged[file.infohash][file.position] = file
        replaced = self._mended()
        for infohash, work in self._admitted.items():
            now = damaged.get(infohash, {})
            if work.withheld - now.keys() or infohash in replaced:
                self._trust(work, now)
            if new := now.keys() - work.withheld:
                self._client.withhold(infohash, work.pieces_of([now[position] for position in new]))
            work.withheld = set(now)

    def _trust(self, work: Admitted, still_damaged: dict[int, MirrorFile]) -> None:
        infohash = work.infohash
        held = self._mirror.ledger.files_of(infohash, states=("held",))
        self._client.trust(infohash, proved_bitfield(self._opened.get(infohash), held))
        if still_damaged:
            self._client.withhold(infohash, work.pieces_of(still_damaged.values()))

    def _newest_mend(self) -> int:
        return int(next(self._mirror.ledger.rows("SELECT coalesce(max(mend), 0) FROM mends WHERE ended_at IS NOT NULL"))[0])

    def _mended(self) -> set[str]:
        """Torrents of which files were put in place anew: the client must open them again, even where nobody saw them damaged."""
        statement = "SELECT mend, infohash FROM mends WHERE mend > ? AND result = 'mended' AND ended_at IS NOT NULL ORDER BY mend"
        rows = list(self._mirror.ledger.rows(statement, self._last_mend))
        if rows:
            self._last_mend = int(rows[-1][0])
        return {str(infohash) for _, infohash in rows}
