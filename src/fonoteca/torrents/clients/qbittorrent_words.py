"""What the words and numbers of qBittorrent's Web API mean for a mirror."""

from __future__ import annotations

from typing import Any

from fonoteca.torrents.clients.client import ClientSettings, Phase
from fonoteca.torrents.clients.torrent_folders import listens

_PHASES: dict[str, Phase] = {
    "error": "failed", "missingFiles": "failed",
    "uploading": "seeding", "stalledUP": "seeding", "forcedUP": "seeding",
    "downloading": "fetching", "stalledDL": "fetching", "forcedDL": "fetching",
    "queuedUP": "waiting", "queuedDL": "waiting", "metaDL": "waiting", "forcedMetaDL": "waiting",
    "pausedUP": "paused", "pausedDL": "paused", "stoppedUP": "paused", "stoppedDL": "paused",
    "checkingUP": "checking", "checkingDL": "checking", "checkingResumeData": "checking", "allocating": "checking", "moving": "checking",
}  # fmt: skip


def read_phase(state: str) -> Phase:
    """The phase that a `state` of torrents/info means; "waiting" for one that is new."""
    return _PHASES.get(state, "waiting")


def describe_settings(url: str, version: str, preferences: dict[str, Any], transfer: dict[str, Any]) -> ClientSettings:
    """The answers of app/preferences and transfer/info."""
    port = preferences.get("listen_port")
    return ClientSettings(
        name="qbittorrent",
        version=version,
        listen_port=port,
        port_open=False if listens(url, port) is False else True if transfer.get("connection_status") == "connected" else None,
        preallocation=preferences.get("preallocate_all"),
        incomplete_folder=preferences.get("temp_path", "") if preferences.get("temp_path_enabled") else "",
        partial_suffix=".!qB" if preferences.get("incomplete_files_ext") else "",
        queueing=_tell_queues(preferences),
        stops_seeding=_tell_stops(preferences),
        download_limit=transfer.get("dl_rate_limit") or None,
        upload_limit=transfer.get("up_rate_limit") or None,
    )


def _tell_queues(preferences: dict[str, Any]) -> str:
    if not preferences.get("queueing_enabled"):
        return ""
    downloads, uploads = preferences.get("max_active_downloads"), preferences.get("max_active_uploads")
    return f"at most {downloads} torrents are fetched at a time, {uploads} are served"


def _tell_stops(preferences: dict[str, Any]) -> str:
    told = [f"at a ratio of {preferences.get('max_ratio')}"] if preferences.get("max_ratio_enabled") else []
    if preferences.get("max_seeding_time_enabled"):
        told.append(f"after {preferences.get('max_seeding_time')} minutes")
    return ", ".join(told)
