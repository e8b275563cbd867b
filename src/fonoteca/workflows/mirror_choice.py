"""What a mirror holds, decided anew whenever it knows more, and written into its ledger as work to do."""

from __future__ import annotations

import msgspec

from fonoteca.integrity.mirror_ledger_rows import MirrorTorrent
from fonoteca.placement import REASONS
from fonoteca.workflows.mirror import Mirror
from fonoteca.workflows.mirror_plan import BY_HAND, CHOSEN, MirrorPlan, plan_mirror


def choose_again(mirror: Mirror) -> list[MirrorTorrent]:
    """Decide by what is known now, and let the ledger want what was chosen and drop what others hold; gives what is newly wanted.

    What lies in a source in place is held where it is, whatever the budget.
    """
    plan = plan_mirror(mirror, mirror.now())
    in_place = {source.source for source in mirror.ledger.sources() if source.is_in_place}
    with mirror.ledger.transaction():
        wanted = [torrent for torrent in (_want(mirror, infohash, plan) for infohash in plan.fetch) if torrent is not None]
        for infohash in plan.drop:
            torrent = mirror.ledger.torrent(infohash)
            if torrent is not None and torrent.state in CHOSEN and torrent.source not in in_place:
                mirror.ledger.put_torrent(msgspec.structs.replace(torrent, state="dropping", why=REASONS[plan.why[infohash]]))
        for torrent in mirror.ledger.torrents(states=("known",)):
            if torrent.source in in_place and not torrent.is_obsolete:
                mirror.ledger.put_torrent(_wanted(mirror, torrent, "it lies in place"))
    return wanted


def _want(mirror: Mirror, infohash: str, plan: MirrorPlan) -> MirrorTorrent | None:
    torrent = mirror.ledger.torrent(infohash)
    if torrent is None or torrent.state == "dropping" or (torrent.state == "dropped" and torrent.why == BY_HAND):
        return None
    if torrent.state in ("fetching", "held") and torrent.selection is None:
        return None
    torrent = _wanted(mirror, torrent, REASONS[plan.why[infohash]])
    mirror.ledger.put_torrent(torrent)
    return torrent


def _wanted(mirror: Mirror, torrent: MirrorTorrent, why: str) -> MirrorTorrent:
    return msgspec.structs.replace(torrent, state="wanted", why=why, chosen_at=mirror.now(), selection=None)
