"""ZED, ZFS's own event daemon: what its settings should say, and a zedlet that mails in plain words what `pool status` says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

ZED_RC = "etc/zfs/zed.d/zed.rc"
ZEDLETS = ("statechange-fonoteca.sh", "data-fonoteca.sh", "checksum-fonoteca.sh", "io-fonoteca.sh")
# they mail the same events in ZFS's words; one mail is enough
REPLACED = ("statechange-notify.sh", "data-notify.sh")
# mail and sendmail in the places where Debian's mailers put them
_MAIL = ("usr/bin/mail", "usr/bin/mailx", "bin/mail")
_SENDMAIL = ("usr/sbin/sendmail", "usr/lib/sendmail")
_OURS = re.compile(r"# Written by fonoteca pool configure: begin\n.*?# Written by fonoteca pool configure: end\n", re.S)
_SET = re.compile(r"^\s*(ZED_[A-Z_]+)=(.*)$", re.M)


def render_zed_rc(present: str, mail: str, settings: Iterable[tuple[str, str]] = ()) -> str:
    """zed.rc with our lines at its end, where they win over what stands above; written again it stays the same.

    A clean scrub is told too (verbose), so that silence means that something is wrong with the mail, not that all is well.
    """
    lines = [("ZED_EMAIL_ADDR", mail), ("ZED_NOTIFY_VERBOSE", "1"), ("ZED_NOTIFY_DATA", "1"), *settings]
    block = "".join(f"{name}={shlex.quote(value)}\n" for name, value in lines)
    kept = _OURS.sub("", present)
    kept += "" if not kept or kept.endswith("\n") else "\n"
    return f"{kept}# Written by fonoteca pool configure: begin\n{block}# Written by fonoteca pool configure: end\n"


def mail_settings(root: Path = Path("/")) -> list[tuple[str, str]]:
    """How ZED is to send mail with what is installed: `mail` needs no setting, sendmail does."""
    if _first(root, _MAIL) or not (sendmail := _first(root, _SENDMAIL)):
        return []
    return [("ZED_EMAIL_PROG", f"/{sendmail}"), ("ZED_EMAIL_OPTS", "@ADDRESS@")]


def words_about_mail(root: Path = Path("/"), machine: Path | None = None) -> str:
    """Why ZED can reach nobody; empty where it can, or where there is no ZED. `machine`: where mailers lie, if not below `root`."""
    path = root / ZED_RC
    if not path.is_file():
        return ""
    try:
        settings = read_zed_rc(path.read_text("utf-8", "replace"))
    except OSError:
        return ""  # only root may read it
    others = ("ZED_PUSHBULLET_ACCESS_TOKEN", "ZED_SLACK_WEBHOOK_URL", "ZED_PUSHOVER_TOKEN", "ZED_NTFY_TOPIC", "ZED_GOTIFY_URL")
    if any(settings.get(name) for name in others):
        return ""
    if not settings.get("ZED_EMAIL_ADDR"):
        return f"ZED_EMAIL_ADDR is not set in /{ZED_RC}: nobody is told when a disk dies"
    program = settings.get("ZED_EMAIL_PROG") or "mail"
    places = (
        (program.lstrip("/"),)
        if program.startswith("/")
        else tuple(f"{folder}/{program}" for folder in ("usr/bin", "bin", "usr/sbin", "sbin", "usr/local/bin"))
    )
    if _first(machine or root, places) is None:
        return f"ZED would send mail with {program}, which is not installed: nobody is told when a disk dies"
    return ""


def read_zed_rc(text: str) -> dict[str, str]:
    """What zed.rc sets; the last line of a name counts."""
    told = {}
    for name, value in _SET.findall(text):
        try:
            words = shlex.split(value, comments=True)
        except ValueError:
            words = [value]
        told[name] = words[0] if words else ""
    return told


def render_zedlet(program: Sequence[str], archive: str | None) -> str:
    """The zedlet: it comes back at once, asks `pool status` when things have settled, and mails each state once an hour at most."""
    status = " ".join(shlex.quote(word) for word in (*program, "pool", "status"))
    where = f" --archive {shlex.quote(archive)}" if archive else ""
    return _ZEDLET.replace("@STATUS@", f'{status} "${{ZEVENT_POOL}}"{where}')


def _first(root: Path, places: Iterable[str]) -> str | None:
    return next((place for place in places if (root / place).exists()), None)


_ZEDLET = r"""#!/bin/sh
# Written by fonoteca pool configure. ZED runs it when a disk changes its state or makes errors, and when data is lost:
# one mail that says in plain words what is the matter, which disk in which bay, whether it is safe, and what to do.

[ -f "${ZED_ZEDLET_DIR}/zed.rc" ] && . "${ZED_ZEDLET_DIR}/zed.rc"
. "${ZED_ZEDLET_DIR}/zed-functions.sh"

[ -n "${ZEVENT_POOL}" ] || exit 9

report() {
    umask 077
    told="$(mktemp)" || exit 1
    trap 'rm -f "${told}"' EXIT
    @STATUS@ > "${told}" 2>&1
    status=$?
    # no sign that the sed of zed-functions.sh would take for its own
    subject="$(sed -n 1p "${told}" | tr -cd 'A-Za-z0-9 ,.:;_-' | cut -c1-150)"
    [ "${status}" -eq 0 ] && exit 0
    # another disk that dies is news, also under the same subject
    states="$(grep -E '^  (vdev |(faulted|unavail|removed|offline|degraded|with errors): )' "${told}" | cksum | cut -d' ' -f1)"
    flock 8
    zed_rate_limit "fonoteca;${ZEVENT_POOL};${subject};${states}" || exit 3
    {
        echo "What ZFS reported: ${ZEVENT_SUBCLASS} ${ZEVENT_VDEV_STATE_STR} ${ZEVENT_VDEV_PATH}"
        echo "on $(hostname) at ${ZEVENT_TIME_STRING}"
        echo
        cat "${told}"
    } > "${told}.mail"
    zed_notify "${subject:-ZFS event on $(hostname)}" "${told}.mail"
    rm -f "${told}.mail"
}

# One event seldom comes alone: whoever waits already tells of this one too.
lock="${ZED_RUNDIR:-/var/run}/fonoteca-zed.lock"
(
    exec 7> "${lock}.waiting" 8> "${lock}"
    flock -n 7 || exit 0
    case "${ZEVENT_SUBCLASS}" in
        statechange | data) sleep "${FONOTECA_ZED_SETTLES:-5}" ;;
        *) sleep "${FONOTECA_ZED_SETTLES:-60}" ;; # a bad disk makes hundreds of these
    esac
    exec 7>&-
    report
) < /dev/null > /dev/null 2>&1 &
exit 0
"""
