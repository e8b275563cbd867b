"""Debian packages of other releases and components than this machine's, without changing anything under /etc/apt."""

from __future__ import annotations

from pathlib import Path

from zfs_lab_kit.parts import LabError, run_step

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
KERNEL_RELEASE = "bookworm"  # its cloud kernel 6.1 is small, and one that OpenZFS 2.1 to 2.3 all know
SYSTEM_RELEASE = "trixie"  # OpenZFS 2.3 in contrib


class Packages:
    """apt with lists, cache and sources of its own in `folder`; the host comes from this machine's sources."""

    def __init__(self, folder: Path, log: Path, releases: tuple[str, ...] = (KERNEL_RELEASE, SYSTEM_RELEASE)) -> None:
        self.folder, self.log = folder, log
        for made in ("lists/partial", "cache/archives/partial", "sources.d"):
            (folder / made).mkdir(parents=True, exist_ok=True)
        self.sources = folder / "sources.d" / "lab.sources"
        self.sources.write_text(write_sources(find_mirror(log), releases))
        self._apt("apt-get", "-qq", "update")

    def _apt(self, *command: str, cwd: Path | None = None) -> str:
        options = {
            "Dir::Etc::sourcelist": "/dev/null", "Dir::Etc::sourceparts": self.sources.parent, "Dir::State::lists": self.folder / "lists",
            "Dir::Cache": self.folder / "cache", "Dir::Etc::preferences": "/dev/null", "Dir::Etc::preferencesparts": "/dev/null",
            "APT::Sandbox::User": "root", "Acquire::Retries": 5, "Debug::NoLocking": 1,
        }  # fmt: skip
        words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        return run_step([command[0], *words, *command[1:]], self.log, cwd=cwd).decode()

    def find_dependency(self, package: str, release: str) -> str:
        """The first package that `package` of `release` depends on: what a name such as linux-image-cloud-amd64 stands for now."""
        for line in self._apt("apt-cache", "show", f"{package}={self.find_version(package, release)}").splitlines():
            if line.startswith("Depends:"):
                return line.split(":", 1)[1].split(",")[0].split("(")[0].strip()
        raise LabError(f"{package} depends on nothing; see {self.log}")

    def find_version(self, package: str, release: str) -> str:
        """The newest version of `package` in `release`."""
        for line in self._apt("apt-cache", "madison", package).splitlines():
            name, version, origin = (part.strip() for part in line.split("|"))
            if name == package and f" {release}/" in f" {origin}":
                return version
        raise LabError(f"there is no {package} in {release}; see {self.log}")

    def download(self, target: Path, *packages: str) -> list[Path]:
        """The .deb files of packages named `NAME=VERSION`, in `target`."""
        target.mkdir(parents=True, exist_ok=True)
        self._apt("apt-get", "-qq", "download", *packages, cwd=target)
        return sorted(target.glob("*.deb"))


def find_mirror(log: Path) -> str:
    """Where this machine fetches Debian from."""
    codename = next(
        (
            line.split("=", 1)[1].strip('"')
            for line in Path("/etc/os-release").read_text().splitlines()
            if line.startswith("VERSION_CODENAME=")
        ),
        "",
    )
    for line in run_step(["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)"], log).decode().splitlines():
        release, address = line.split(" ", 1)
        if release == codename and "debian" in address:
            return address.rstrip("/")
    raise LabError(f"apt on this machine has no source of Debian {codename or '(which?)'} to take the guest's packages from")


def write_sources(mirror: str, releases: tuple[str, ...]) -> str:
    """A deb822 file: main and contrib (where OpenZFS is) of `releases`."""
    return f"Types: deb\nURIs: {mirror}\nSuites: {' '.join(releases)}\nComponents: main contrib\nSigned-By: {KEYRING}\n"


def unpack(package_file: Path, root: Path, log: Path, *only: str) -> None:
    """The files of a .deb under `root`, through links such as /lib (`dpkg -x` would replace them); `only` such as '*/sbin/zinject'."""
    pipe = f'dpkg-deb --fsys-tarfile "$0" | tar -x --keep-directory-symlink -C "$1" {"--wildcards" if only else ""} "${{@:2}}"'
    run_step(["bash", "-o", "pipefail", "-c", pipe, package_file, root, *only], log)
