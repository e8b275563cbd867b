"""Signatures that minisign and ssh-keygen accept, and that nothing else can pass for."""

from __future__ import annotations

import pickle
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.ground.errors import FonotecaError, SignatureError
from fonoteca.ground.programs import has_program, run_program
from fonoteca.integrity import (
    RELEASE_NAMESPACE,
    PublicKey,
    SignedDigest,
    SigningKey,
    check_serial,
    create_key,
    follow_rotations,
    load_key,
    read_public_key,
    sign_digest,
    sign_file,
    verify_file,
    write_rotation,
)
from fonoteca.integrity.minisign import verify_minisign
from fonoteca.integrity.sshsig import verify_ssh

needs_minisign = pytest.mark.skipif(not has_program("minisign"), reason="minisign is not installed")
needs_ssh_keygen = pytest.mark.skipif(not has_program("ssh-keygen"), reason="ssh-keygen (openssh-client) is not installed")


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return create_key(tmp_path / "release.key")


@pytest.fixture
def signed(tmp_path: Path, key: SigningKey) -> Path:
    path = tmp_path / "SHA256SUMS"
    path.write_bytes(bytes(range(256)) * 9_000)
    sign_file(key, path, serial=7)
    return path


def flip_each_byte(path: Path) -> list[bytes]:
    content = path.read_bytes()
    return [content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :] for at in range(len(content))]


@needs_minisign
def test_minisign_accepts_the_signature_and_shows_the_serial(signed: Path, key: SigningKey) -> None:
    shown = run_program(["minisign", "-V", "-P", key.public.minisign_text, "-m", signed], timeout_s=10).decode()
    assert "serial:7 file:SHA256SUMS" in shown
    (signed.parent / "minisign.pub").write_text(key.public.minisign_file)
    run_program(["minisign", "-V", "-H", "-p", signed.parent / "minisign.pub", "-m", signed], timeout_s=10)
    signed.write_bytes(b"other")
    with pytest.raises(FonotecaError):
        run_program(["minisign", "-V", "-P", key.public.minisign_text, "-m", signed], timeout_s=10)


@needs_ssh_keygen
def test_ssh_keygen_accepts_the_signature(signed: Path, key: SigningKey) -> None:
    allowed = signed.parent / "allowed_signers"
    allowed.write_text(key.public.allowed_signers("archive@example", RELEASE_NAMESPACE))
    verify = ["ssh-keygen", "-Y", "verify", "-f", allowed, "-I", "archive@example", "-n", RELEASE_NAMESPACE, "-s", f"{signed}.sig"]
    assert b"Good" in run_program(verify, timeout_s=10, stdin=signed.read_bytes())
    with pytest.raises(FonotecaError):
        run_program(verify, timeout_s=10, stdin=b"other")
    shown = run_program(["ssh-keygen", "-l", "-f", "-"], timeout_s=10, stdin=allowed.read_bytes().split(b" ", 2)[2])
    assert key.public.fingerprint in shown.decode()


@needs_ssh_keygen
def test_key_file_is_one_that_ssh_keygen_reads(tmp_path: Path, key: SigningKey) -> None:
    shown = run_program(["ssh-keygen", "-l", "-f", tmp_path / "release.key"], timeout_s=10).decode()
    assert key.public.fingerprint in shown
    public = run_program(["ssh-keygen", "-y", "-f", tmp_path / "release.key"], timeout_s=10).decode()
    assert read_public_key(public) == key.public


@needs_ssh_keygen
def test_signature_by_ssh_keygen_is_the_same_as_ours(signed: Path, tmp_path: Path) -> None:
    ours = Path(f"{signed}.sig").read_text()
    Path(f"{signed}.sig").unlink()
    subprocess.run(["ssh-keygen", "-Y", "sign", "-q", "-f", tmp_path / "release.key", "-n", RELEASE_NAMESPACE, signed], check=True)
    assert Path(f"{signed}.sig").read_text().split() == ours.split()


@needs_minisign
def test_signature_by_minisign_is_verified(tmp_path: Path) -> None:
    run_program(["minisign", "-G", "-W", "-p", tmp_path / "k.pub", "-s", tmp_path / "k.sec"], timeout_s=10)
    (tmp_path / "f").write_bytes(b"content")
    run_program(["minisign", "-S", "-H", "-s", tmp_path / "k.sec", "-m", tmp_path / "f", "-t", "serial:3"], timeout_s=10)
    digest = SignedDigest()
    digest.update(b"content")
    public = read_public_key((tmp_path / "k.pub").read_text())
    assert verify_minisign(public, digest.blake2b, (tmp_path / "f.minisig").read_text()) == "serial:3"
    assert public.minisign_file.splitlines() == (tmp_path / "k.pub").read_text().splitlines()


def test_both_signatures_give_the_serial_back(signed: Path, key: SigningKey) -> None:
    assert verify_file(key.public, signed) == 7


def test_same_file_gives_the_same_signatures(signed: Path, key: SigningKey) -> None:
    before = Path(f"{signed}.minisig").read_bytes(), Path(f"{signed}.sig").read_bytes()
    sign_file(key, signed, serial=7)
    assert before == (Path(f"{signed}.minisig").read_bytes(), Path(f"{signed}.sig").read_bytes())


def test_changed_content_or_trusted_comment_is_refused(signed: Path, key: SigningKey) -> None:
    signature = Path(f"{signed}.minisig")
    whole = signature.read_text()
    signature.write_text(whole.replace("serial:7", "serial:8"))
    with pytest.raises(SignatureError, match="trusted comment"):
        verify_file(key.public, signed)
    signature.write_text(whole)
    signed.write_bytes(signed.read_bytes() + b"\n")
    with pytest.raises(SignatureError, match="does not fit"):
        verify_file(key.public, signed)


def test_no_flipped_bit_in_a_signature_makes_it_say_something_else(signed: Path, key: SigningKey) -> None:
    digest = SignedDigest()
    digest.update(signed.read_bytes())
    for text in flip_each_byte(Path(f"{signed}.minisig")):
        try:
            assert verify_minisign(key.public, digest.blake2b, text.decode("utf-8", "replace")) == "serial:7 file:SHA256SUMS"
        except SignatureError:
            continue
    for text in flip_each_byte(Path(f"{signed}.sig")):
        try:
            verify_ssh(key.public, digest.sha512, RELEASE_NAMESPACE, text.decode("utf-8", "replace"))
        except SignatureError:
            continue


def test_signature_of_another_key_file_or_purpose_is_refused(signed: Path, key: SigningKey, tmp_path: Path) -> None:
    other = create_key(tmp_path / "other.key")
    with pytest.raises(SignatureError, match="signed by key"):
        verify_file(other.public, signed)
    renamed = signed.rename(tmp_path / "torrents.json")
    for ending in (".minisig", ".sig"):
        (tmp_path / f"SHA256SUMS{ending}").rename(tmp_path / f"torrents.json{ending}")
    with pytest.raises(SignatureError, match="another file"):
        verify_file(key.public, renamed)
    sign_file(key, renamed, serial=7, namespace="something-else")
    with pytest.raises(SignatureError, match="not for"):
        verify_file(key.public, renamed)


@given(st.binary(max_size=400), st.text(max_size=100))
def test_any_text_is_read_or_refused(blob: bytes, text: str) -> None:
    public = read_public_key("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl")
    for attempt in (
        lambda: verify_ssh(public, bytes(64), "n", f"-----BEGIN SSH SIGNATURE-----\n{text}\n-----END SSH SIGNATURE-----"),
        lambda: verify_minisign(public, bytes(64), f"untrusted comment: \n{text}\ntrusted comment: \n{text}"),
        lambda: read_public_key(text),
        lambda: read_public_key(blob.decode("latin-1")),
    ):
        with pytest.raises(SignatureError):
            attempt()


def test_old_release_cannot_pass_for_a_new_one() -> None:
    assert check_serial(7, None) == check_serial(7, 7) == check_serial(7, 6) == 7
    with pytest.raises(SignatureError, match="older than 8"):
        check_serial(7, 8)


def test_key_file_is_private_and_is_never_replaced(tmp_path: Path, key: SigningKey) -> None:
    path = tmp_path / "release.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key(path).public == key.public
    with pytest.raises(SignatureError, match="already"):
        create_key(path)
    assert load_key(path).public == key.public and sorted(file.name for file in tmp_path.iterdir()) == ["release.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_key_that_others_may_read_is_refused_with_the_way_out(tmp_path: Path, key: SigningKey, mode: int) -> None:
    (tmp_path / "release.key").chmod(mode)
    with pytest.raises(SignatureError) as refusal:
        load_key(tmp_path / "release.key")
    assert refusal.value.hint == f"Run: chmod 600 {tmp_path / 'release.key'}"


def test_what_is_no_key_is_refused_without_showing_it(tmp_path: Path, key: SigningKey) -> None:
    path = tmp_path / "release.key"
    secret = path.read_text().splitlines()[3]
    path.write_text(path.read_text().replace("A", "B"))
    with pytest.raises(SignatureError) as refusal:
        load_key(path)
    assert secret not in str(refusal.value)
    assert repr(key) == f"SigningKey({key.public.fingerprint})"
    with pytest.raises(TypeError):
        pickle.dumps(key)


@needs_ssh_keygen
@pytest.mark.parametrize("options", [["-t", "ed25519", "-N", "secret"], ["-t", "ecdsa", "-N", ""]])
def test_key_with_a_passphrase_or_of_another_kind_is_refused(tmp_path: Path, options: list[str]) -> None:
    run_program(["ssh-keygen", "-q", *options, "-f", tmp_path / "k"], timeout_s=20)
    with pytest.raises(SignatureError):
        load_key(tmp_path / "k")


def test_every_public_form_is_read_as_the_same_key(key: SigningKey) -> None:
    public = key.public
    forms = [public.minisign_file, public.minisign_text, public.ssh_text + " comment", public.allowed_signers("a@b", "n")]
    assert {read_public_key(form) for form in forms} == {public}


def test_new_key_is_trusted_through_the_old_one(tmp_path: Path) -> None:
    keys = [create_key(tmp_path / f"{number}.key") for number in range(3)]
    statements = [
        write_rotation(keys[0], keys[1].public, first_serial=10, folder=tmp_path),
        write_rotation(keys[1], keys[2].public, first_serial=20, folder=tmp_path),
    ]
    assert follow_rotations(keys[0].public, reversed(statements)) == keys[2].public
    assert follow_rotations(keys[2].public, statements) == keys[2].public


def test_new_key_that_the_old_one_did_not_sign_is_refused(tmp_path: Path) -> None:
    old, new, thief = (create_key(tmp_path / name) for name in ("old", "new", "thief"))
    statement = write_rotation(old, new.public, first_serial=10, folder=tmp_path)
    statement.write_text(statement.read_text().replace(new.public.ssh_text, thief.public.ssh_text))
    with pytest.raises(SignatureError):
        follow_rotations(old.public, [statement])
    sign_file(thief, statement, serial=10, namespace="fonoteca-rotation")
    with pytest.raises(SignatureError):
        follow_rotations(old.public, [statement])


@pytest.mark.parametrize("principal", ["", "a b", 'x"', "*", "a,b", "a\nb", "#a"])
def test_principal_that_would_change_the_meaning_of_allowed_signers_is_refused(key: SigningKey, principal: str) -> None:
    with pytest.raises(SignatureError):
        key.public.allowed_signers(principal, RELEASE_NAMESPACE)


def test_trusted_comment_is_one_line(key: SigningKey) -> None:
    with pytest.raises(SignatureError):
        sign_digest(key, SignedDigest(), serial=1, name="a\nb")


def test_a_key_number_that_begins_with_zero_is_shown_as_minisign_shows_it() -> None:
    public = PublicKey(bytes(32), bytes.fromhex("6d5685f393d7670d"))
    assert public.minisign_file.startswith("untrusted comment: minisign public key D67D793F385566D\n")
