"""One QEMU: its devices, its disks, its monitor."""

from __future__ import annotations

import contextlib
import ctypes
import json
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from zfs_lab_kit.parts import LabError

MEMORY_MB = 3072
DISK_BYTES = 22_000_000_000_000
KERNEL_WORDS = "console=ttyS0 quiet panic=-1 mitigations=off nokaslr random.trust_cpu=on net.ifnames=0 zfs.zfs_arc_max=536870912"


class Machine:
    """A running QEMU under TCG, in a folder of its own; nothing of it is left after `close`.

    `disks`: virtio-scsi disks with serial, WWN and model. `network`: the end of a wire, as words for -netdev; both kinds must be the same
    in a saved state and where it is restored. `state`: the folder of a saved state to go on from, waiting for `go_on`.
    """

    def __init__(self, image: Path, *, disks: int = 0, network: str | None = None, state: Path | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="zfs-lab-"))
        self.disks = disks
        self._monitor: TextIO | None = None
        self.process: subprocess.Popen[bytes] | None = None
        try:
            self._make_drives(image, state)
            self.process = self._start(image, network or f"stream,server=on,addr.type=unix,addr.path={self.folder / 'wire'}", state)
            self._monitor = self.connect(self.folder / "monitor").makefile("rw")
            self._monitor.readline()
            self.tell("qmp_capabilities")
        except BaseException:
            self.close()
            raise

    def _start(self, image: Path, network: str, state: Path | None) -> subprocess.Popen[bytes]:
        try:
            with (self.folder / "qemu.log").open("wb") as log:
                return subprocess.Popen(
                    [str(word) for word in self._words(image, network, state)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                    stderr=log, preexec_fn=_die_with_parent,
                )  # fmt: skip
        except FileNotFoundError as error:
            raise LabError("qemu-system-x86_64 is not installed; as root on Debian: tools/install_programs.sh") from error

    def _names(self) -> list[str]:
        return ["root", *(f"disk{number:02}" for number in range(1, self.disks + 1))]

    def _make_drives(self, image: Path, state: Path | None) -> None:
        """Drives of our own, over those of the image: as they were when the state was saved, else empty."""
        for name in self._names():
            drive = self.folder / f"{name}.qcow2"
            if state:
                shutil.copy(state / drive.name, drive)
                continue
            source = ["-F", "raw", "-b", image / "root.ext4", drive] if name == "root" else [drive, str(DISK_BYTES)]
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *source], check=True, timeout=60)

    def _words(self, image: Path, network: str, state: Path | None) -> list[str | Path]:
        return [
            "qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "Nehalem", "-smp", "2",
            "-m", str(MEMORY_MB), "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
            "-serial", f"file:{self.folder / 'console.log'}", "-kernel", image / "vmlinuz", "-initrd", image / "initrd.gz",
            "-append", KERNEL_WORDS + (" lab.disks" if self.disks else ""),
            "-drive", f"if=none,id=root,file={self.folder / 'root.qcow2'},format=qcow2,cache=unsafe",
            "-device", "virtio-blk-pci,drive=root", "-device", "virtio-rng-pci", "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=agent,path={self.agent_path},server=on,wait=off",
            "-device", "virtserialport,chardev=agent,name=fonoteca.lab",
            "-netdev", f"{network},id=wire", "-device", "virtio-net-pci,netdev=wire,mac=52:54:00:00:00:01",
            "-qmp", f"unix:{self.folder / 'monitor'},server=on,wait=off", *self._disk_words(),
            *(["-incoming", f"exec:zstd -dc {state / 'memory.zst'}"] if state else []),
        ]  # fmt: skip

    def _disk_words(self) -> list[str]:
        words = ["-device", "virtio-scsi-pci,id=scsi0"] if self.disks else []
        for number in range(1, self.disks + 1):
            words += ["-blockdev", json.dumps(drive_words(self.folder / f"disk{number:02}.qcow2", f"disk{number:02}"))]
            words += ["-device", json.dumps(disk_device(number))]
        return words

    def pull_disk(self, number: int) -> None:
        """Take disk `number` out, as a hand does."""
        self.tell("device_del", id=f"scsi-disk{number:02}")

    def plug_disk(self, number: int, serial: str | None = None) -> str:
        """Put disk `number` in: the one that was pulled, or with a `serial` of its own a new, empty one. Its name in /dev/disk/by-id."""
        name = f"disk{number:02}"
        if serial:
            name = f"disk-{serial}"
            path = self.folder / f"{name}.qcow2"
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, str(DISK_BYTES)], check=True, timeout=60)
            self.tell("blockdev-add", **drive_words(path, name))
        device = disk_device(number, serial)
        self.tell("device_add", **{**device, "drive": name})
        return f"wwn-{device['wwn']:#018x}"

    @property
    def agent_path(self) -> Path:
        """The socket on which the guest's agent speaks."""
        return self.folder / "agent"

    def connect(self, path: Path, timeout_s: float = 30) -> socket.socket:
        """A connection to a socket of QEMU's, as soon as it listens."""
        deadline = time.monotonic() + timeout_s
        while True:
            link = socket.socket(socket.AF_UNIX)
            try:
                link.connect(str(path))
                return link
            except OSError as error:
                link.close()
                if not self._is_running() or time.monotonic() > deadline:
                    raise LabError(f"QEMU does not answer: {self.last_words()}") from error
                time.sleep(0.02)

    def tell(self, command: str, **arguments: object) -> Any:
        """What the monitor (QMP) answers; LabError with its words where it refuses."""
        if not self._monitor:
            raise LabError("QEMU has been closed")
        try:
            self._monitor.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
            self._monitor.flush()
            while line := self._monitor.readline():
                answer = json.loads(line)
                if "error" in answer:
                    raise LabError(f"QEMU, {command}: {answer['error']['desc']}")
                if "return" in answer:
                    return answer["return"]
        except OSError as error:
            raise LabError(f"QEMU has gone: {self.last_words()}") from error
        raise LabError(f"QEMU has gone: {self.last_words()}")

    def go_on(self) -> None:
        """Run from the saved state, once it is read."""
        while self.tell("query-status")["status"] == "inmigrate":
            time.sleep(0.02)
        self.tell("cont")

    def save(self, folder: Path) -> None:
        """Stop for good, with memory and drives in `folder`."""
        self.tell("stop")
        self.tell("migrate", uri=f"exec:zstd -q -1 -T2 -f -o {folder / 'memory.zst'}")
        while (status := self.tell("query-migrate").get("status")) not in ("completed", "failed"):
            time.sleep(0.05)
        if status == "failed":
            raise LabError("the state of the guest could not be saved: is the disk full?")
        self._quit()
        for name in self._names():
            shutil.copy(self.folder / f"{name}.qcow2", folder)
        self.close()

    def _is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def _quit(self) -> None:
        if self.process and self._is_running():
            try:
                self.tell("quit")
                self.process.wait(20)
            except (LabError, subprocess.TimeoutExpired):
                self.process.kill()
                self.process.wait()

    def last_words(self) -> str:
        """The end of what QEMU and the guest's console said."""
        files: Sequence[Path] = (self.folder / "qemu.log", self.folder / "console.log")
        told = [line for file in files if file.exists() for line in file.read_bytes().decode("utf-8", "replace").splitlines()[-60:]]
        return "\n".join(told) or "nothing"

    def close(self) -> None:
        """End it and remove all that it wrote."""
        self._quit()
        if self._monitor:
            with contextlib.suppress(OSError):  # a command that QEMU did not live to read
                self._monitor.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _die_with_parent() -> None:
    """Between fork and exec: a test run that is killed leaves no guest behind."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def drive_words(path: Path, name: str) -> dict[str, Any]:
    """A qcow2 file as QEMU's block node `name`."""
    file = {"driver": "file", "filename": str(path), "discard": "unmap"}
    return {"driver": "qcow2", "node-name": name, "file": file, "discard": "unmap", "cache": {"no-flush": True}}


def disk_device(number: int, serial: str | None = None) -> dict[str, Any]:
    """A 22 TB disk as QEMU's scsi-hd: serial ZT0001…, WWN 0x5000c500a0000001…; another WWN for each `serial`."""
    wwn = 0x5000C500A0000000 + number if serial is None else 0x5000C500B0000000 + zlib.crc32(serial.encode()) % 0xFFFFFFF
    return {
        "driver": "scsi-hd", "id": f"scsi-disk{number:02}", "bus": "scsi0.0", "drive": f"disk{number:02}", "scsi-id": number,
        "serial": serial or f"ZT{number:04}", "wwn": wwn, "vendor": "SEAGATE", "product": "ST22000NM001E",
        "rotation_rate": 7200, "physical_block_size": 4096, "logical_block_size": 512,
    }  # fmt: skip
