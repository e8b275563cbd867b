"""The lists of a release made again, from what the archive knows: the same archive gives the same bytes, which are proved."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from fonoteca.ground.errors import FonotecaError
from fonoteca.ground.progress import Silent
from fonoteca.integrity import SigningKey, load_key, read_checksums, sign_file, write_checksums
from fonoteca.integrity.checksums import Checksum
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.heal_items import Maker
from fonoteca.workflows.heal_placing import ends_the_run
from fonoteca.workflows.publish import CHECKSUMS, SIGNED, _checksums, count_left_out
from fonoteca.workflows.release_files import ReleaseWriter
from fonoteca.workflows.verify_release import SIGNATURES


class ReleaseRemaker:
    """Makes the last release's lists again in a folder, once, when one is asked for."""

    def __init__(self, archive: Archive, staged: Path) -> None:
        self.archive, self.staged = archive, staged
        self._made: bool = False
        self._fact = ""

    def signature_names(self) -> tuple[str, ...]:
        """The signed files and their signatures."""
        return tuple(dict.fromkeys((*SIGNED, *(name for name in SIGNATURES if name != CHECKSUMS))))

    def sha256_of(self, name: str) -> str:
        """Of a file of the release that the ledger has no hash of: a signature, as it would be made; a list, as SHA256SUMS says."""
        if name in SIGNATURES and name != CHECKSUMS:
            folder = self._sign()
            made = folder / name if folder is not None else None
            return hashlib.sha256(made.read_bytes()).hexdigest() if made is not None and made.is_file() else ""
        last = self.archive.ledger.last_release()
        try:
            content = (self.archive.release / CHECKSUMS).read_bytes()
        except OSError:
            return last.checksums_sha256 if last and name == CHECKSUMS else ""
        if last is None or name == CHECKSUMS:
            return last.checksums_sha256 if last else ""
        if hashlib.sha256(content).hexdigest() != last.checksums_sha256:
            return ""
        with open(self.archive.release / CHECKSUMS, "rb") as file:
            return next((line.sha256 for line in read_checksums(file) if isinstance(line, Checksum) and line.path == name), "")

    def _key(self) -> SigningKey | None:
        try:
            return load_key(self.archive.key_file)
        except FonotecaError:
            return None

    def _sign(self) -> Path | None:
        """A folder with the signed files and what the key makes of them: Ed25519 gives the same signature for the same bytes.

        Only what is proved is ever signed. None without the key.
        """
        key, last = self._key(), self.archive.ledger.last_release()
        if key is None or last is None:
            return None
        folder = self.staged.with_name("signatures")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in SIGNED:
            sha256 = self.sha256_of(name)
            try:
                content = (self.archive.release / name).read_bytes()
            except OSError:
                continue
            if sha256 and hashlib.sha256(content).hexdigest() == sha256:
                (folder / name).write_bytes(content)
                sign_file(key, folder / name, serial=last.serial)
        return folder

    def makers(self, name: str) -> Iterator[tuple[str, Maker]]:
        """The one way: as publish makes it."""
        if name in SIGNATURES and name != CHECKSUMS:
            if self._key() is not None:
                yield "the archive's key", lambda: self._signature(name)
            return
        if self._key() is not None and self.archive.ledger.last_release() is not None:
            yield "the catalogue and the ledger, as publish makes it", lambda: self._list(name)

    def _signature(self, name: str) -> Iterable[bytes]:
        folder = self._sign()
        if folder is None or not (folder / name).is_file():
            raise FonotecaError("what it signs is not whole yet", "Mend that first.")
        return ((folder / name).read_bytes(),)

    def _list(self, name: str) -> Iterable[bytes]:
        self._make()
        path = self.staged / name
        if not path.is_file():
            raise FonotecaError(f"the release as it would be made today has no {name}{self._fact}")
        return (path.read_bytes(),)

    def _make(self) -> None:
        if self._made:
            return
        self._made = True
        archive, last, key = self.archive, self.archive.ledger.last_release(), self._key()
        assert last is not None and key is not None
        shutil.rmtree(self.staged, ignore_errors=True)
        self.staged.mkdir(parents=True)
        containers = [one for one in archive.ledger.containers(state="current") if one.is_public]
        try:
            writer = ReleaseWriter(archive, self.staged, containers, key.public, count_left_out(archive), Silent())
            content = writer.write_lists()
            content |= writer.write_release(last.serial, last.second, last_checksums=archive.ledger.checksums_before(last.serial))
            with open(self.staged / CHECKSUMS, "wb") as file:
                write_checksums(file, _checksums(archive, content, containers))
                os.fsync(file.fileno())
        except (FonotecaError, OSError) as error:
            if ends_the_run(error):
                raise
            self._fact = f" ({error})"
