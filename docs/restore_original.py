#!/usr/bin/env python3
"""Gives files back as they came, byte for byte, from the kept files and patches of this release. Plain Python, nothing else.

    zstd -dc containers/*_patches_records__*.zst | python3 restore_original.py FOLDER
    zstd -dc containers/*_patches_records__*.zst | grep ID | python3 restore_original.py FOLDER

Reads records of patches, one a line, and writes FOLDER/ID.ogg or .opus for each. docs/formats/patch.md says what it does, and calls things by
the same names. Python 3.8 or newer; patches of kind 2 also need Python 3.14 or the zstd program. Exit status 1: one could not be restored.
"""

import base64
import glob
import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile
import zlib

RELEASE = os.path.dirname(os.path.abspath(__file__))
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
D_AND_E = zlib.decompress(base64.b85decode(
    "c-oCr&5qkP5O%V;G!IbZ$V(BY=*p68@2*?$K+9Z*h<*%8UL+|BLy~E&68#vG>>&5NMcyu_K0qI!L(2B<CQ%T<lxODq<`ZW)QWoX{*~Fnk&CqqU+2mW1AUoV|##fp-Q9<"
    "xx@WvzMWocAyceVWAmsOP3r--3}$R9^n6fx2@Q!~)f+f-$)ob#qEvs$9B)9tP1Rf$ZxY1J4qb=}l2jZ4&p4)uvX=|o5Rh1rdcA$x>~_ZJGwV0VL}G5Q<A7lv+*{z3gHt"
    "i>9Y#VP-JeW&o^ULGVFhCce4q^_-8!bZ(5)R6K9>ih9+xZ8+gmn5R;)G|zH*%0-;yhyi|fOh|YI|lJF>VNtC>GbO+U+F{R0`=YU1A^244Q<2+QK9-)WLbA<s<;vAbFtp"
    "VX^|jW?9-|&a<wltT@%f`yqm6xHf%kZlX5L8OkK;HQH~uNkQoWcYHEAdtJQ*8!ID#Kc{h|39-It^ITWXPn25nUIl-JRZ1QGKn7iWinsU&iE8APnT<ZJyYNF|AJ-yE&_H"
    "^m2q>0Y~`UY80@(SzP{gi+c*wQKGTj-Qym{$+kD)Qiw&eCVrl!NoO1=tKfi1C2=!B;`0`BjWln-ZTMp()|AlbHG3!Zw*w8+&|CT=td(%yaQ#IklPp5?XC}i#MFjUk2D_"
    "7Il4!Z<}WO=U@<5B5cyVh|4@Li&`tIWRRt?C~8p;qL1fwI2daB0L`dxakfyhmghLsmFMFI!~#j;&X;5^PtI9*K0MBbhgnb(UQmARaR)*(=3DO4nSvR30kNg;tEh6Zs_9"
    "_LyYhXghs~J_bP`akde=6q<sSs+)P=cG6jN6ud}Oh}rnpI)OyIC;(z?N67VUDp4jX|JQB(pqRT#f7c6kJ&Dcb;ZjL+K7-y;vcXhE3N-x<Yik;LU*R3MwDx#*hKBj;|cd"
    "%fNhSWoXb(u-gdNRhAMWonQmO(OT&n(Bu78wtMHlo`B8+PiHlFAW9s4%f3>G$E82uA;1r-><f5-0UjxJ3wc!emPap($D^FSMS*&|MBZ~odRdSe*a}XDn2X*u1Ej1>!9#"
    "IHfr?I"
))  # fmt: skip
D = D_AND_E[:1355]


def checksum(page):
    """Of an Ogg page whose checksum is zero: zlib's, over mirrored bytes, mirrored, begun with 0."""
    return int(f"{zlib.crc32(page.translate(MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF:032b}"[::-1], 2)


def build_page(flags, granule, serial, sequence, lacing, body):
    head = struct.pack("<4sBBqIII", b"OggS", 0, flags, granule, serial, sequence, 0) + bytes([len(lacing)]) + lacing
    return head[:22] + struct.pack("<I", checksum(head + body)) + head[26:] + body


def renumber(rest, step):
    """Add `step` to the number of every page; a checksum that was wrong stays wrong."""
    pages, at = bytearray(rest), 0
    while step and (at := rest.find(b"OggS", at)) >= 0 and at + 27 + rest[at + 26] <= len(rest):
        end = at + 27 + rest[at + 26] + sum(rest[at + 27 : at + 27 + rest[at + 26]])
        if end > len(rest):
            break
        old = rest[at : at + 22] + bytes(4) + rest[at + 26 : end]
        new = old[:18] + struct.pack("<I", (struct.unpack_from("<I", old, 18)[0] + step) % 2**32) + old[22:]
        told = struct.unpack_from("<I", rest, at + 22)[0] ^ checksum(old) ^ checksum(new)
        pages[at:end] = new[:22] + struct.pack("<I", told) + new[26:]
        at = end
    return bytes(pages)


class Fields:
    def __init__(self, plain):
        self.plain, self.at = plain, 0

    def take(self, count):
        self.at += count
        return self.plain[self.at - count : self.at]

    def number(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value, shift = value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value

    def string(self):
        return self.take(self.number())


def find_picture(sha256):
    """A member of a covers container, by the public id that follows from its SHA-256: docs/formats/catalogue.md."""
    number = int.from_bytes(hashlib.sha256(f"7:picture,64:{sha256},".encode()).digest()[:16], "big")
    id = ""
    while number or len(id) < 22:
        number, digit = divmod(number, 57)
        id = ALPHABET[digit] + id
    (path, *_) = glob.glob(os.path.join(glob.escape(RELEASE), "containers", f"*_covers_files__*/aacid__*__{id}__*")) or [None]
    if path is None:
        raise ValueError(f"the picture {sha256} is not here: fetch the covers containers too")
    with open(path, "rb") as file:
        return file.read()


def put_back(comments, fields):
    """The list of comments that mode 3 puts back among those that stayed."""
    whole, used = [], 0
    for _ in range(fields.number()):
        gap, form, text = fields.number(), fields.take(1)[0], fields.string()
        before, after = (fields.string(), fields.string()) if form & 2 else (b"", b"")
        width, line_end = (fields.number(), fields.string()) if form & 8 else (0, b"")
        if form & 1:
            picture = find_picture(fields.take(32).hex())
            value = base64.b64encode(before + struct.pack(">I", len(picture)) + picture + after if form & 2 else picture)
            value = value.rstrip(b"=") if form & 4 else value
            if form & 8:
                value = line_end.join(value[at : at + width] for at in range(0, len(value), width)) + (line_end if form & 16 else b"")
            text += b"=" + value
        whole += [*comments[used : used + gap], text]
        used += gap
    return whole + comments[used:]


def restore_ogg(member, body):
    ends, lacings = [0], []  # of the pages up to the end of the second packet
    packet, tail_at = b"", None
    while tail_at is None:
        at = ends[-1]
        lacing = member[at + 27 : at + 27 + member[at + 26]]
        body_at = at + 27 + len(lacing)
        ends.append(body_at + sum(lacing))
        lacings.append(lacing)
        if len(lacings) > 1:
            last = next((number for number, value in enumerate(lacing) if value < 255), None)
            part = lacing if last is None else lacing[: last + 1]
            packet += member[body_at : body_at + sum(part)]
            tail_at = None if last is None else body_at + sum(part)
    tail_lacing, end, at = lacings[-1][last + 1 :], ends[-1], ends[-2]
    mode = body[0]
    preset = {0: D, 3: D_AND_E}.get(mode, member[max(0, end - 28000) : end] + D)
    fields = Fields(zlib.decompressobj(-15, preset).decompress(body[1:]))
    if mode in (0, 3):
        vendor_at = 7 if packet[:1] == b"\x03" else 8
        cut = vendor_at + 4 + struct.unpack_from("<I", packet, vendor_at)[0]
        kept, position, comments = fields.number(), cut + 4, []
        for _ in range(struct.unpack_from("<I", packet, cut)[0]):
            size = struct.unpack_from("<I", packet, position)[0]
            comments.append(packet[position + 4 : position + 4 + size])
            position += 4 + size
        comments = put_back(comments[:kept], fields) if mode == 3 else comments[:kept]
        listed = b"".join(struct.pack("<I", len(comment)) + comment for comment in comments)
        content = packet[:cut] + struct.pack("<I", len(comments)) + listed + packet[position:]
    else:
        content = fields.string()
    fronts = [(fields.take(1)[0], fields.number()) for _ in range(fields.number())]
    step = len(fronts) - (len(lacings) - 2)
    if mode == 2:
        return content + renumber(member[end:], step)
    lacing, used, flags, header = b"\xff" * (len(content) // 255) + bytes([len(content) % 255]), 0, 0, member[: ends[1]]
    serial, sequence = struct.unpack_from("<II", member, ends[1] + 14)
    for values, granule in fronts:
        part, used = content[used * 255 : (used + values) * 255], used + values
        header += build_page(flags, granule >> 1 ^ -(granule & 1), serial, sequence, lacing[used - values : used], part)
        flags, sequence = 1, sequence + 1
    last_flags, granule = struct.unpack_from("<Bq", member, at + 5)
    body = content[used * 255 :] + member[tail_at:end]
    header += build_page(last_flags & ~1 | flags, granule, serial, sequence, lacing[used:] + tail_lacing, body)
    return header + renumber(member[end:], step)


def restore_zstandard(member, body):
    try:
        from compression import zstd

        prefix = zstd.ZstdDict(member, is_raw=True).as_prefix if len(member) >= 8 else None
        return zstd.decompress(body, zstd_dict=prefix, options={zstd.DecompressionParameter.window_log_max: 31})
    except ImportError:
        with tempfile.TemporaryDirectory() as folder:
            for name, content in (("member", member), ("patch.zst", body)):
                with open(os.path.join(folder, name), "wb") as file:
                    file.write(content)
            by_prefix = ["--patch-from=member"] if len(member) >= 8 else []
            command = ["zstd", "-d", "-q", "--long=31", *by_prefix, "patch.zst", "-o", "original"]
            subprocess.run(command, cwd=folder, check=True)
            with open(os.path.join(folder, "original"), "rb") as file:
                return file.read()


def restore(record):
    aacid, patch = record["member"], base64.b64decode(record["patch"])
    span = "__".join(aacid.split("__")[:3])  # a container's name begins and ends with the time of its members
    found = glob.glob(os.path.join(glob.escape(RELEASE), "containers", f"*_data__{span}--*", glob.escape(aacid)))
    if not found:
        raise ValueError(f"{aacid} is not here: fetch its container too")
    with open(found[0], "rb") as file:
        member = file.read()
    if patch[:4] != b"FPT\x01" or patch[4] not in (1, 2):
        raise ValueError("a patch of another version")
    original = (restore_ogg if patch[4] == 1 else restore_zstandard)(member, patch[41:])
    if len(original) != int.from_bytes(patch[37:41], "little") or hashlib.sha256(original).digest() != patch[5:37]:
        raise ValueError("what came out is not the original: the kept file or the patch is damaged")
    return original


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        return 2
    failures = 0
    os.makedirs(sys.argv[1], exist_ok=True)
    for line in sys.stdin:
        record = json.loads(line)["metadata"]
        try:
            original = restore(record)
        except (ValueError, IndexError, OSError, struct.error, zlib.error, subprocess.CalledProcessError) as error:
            failures += 1
            print(f"{record['id']}: {error}", file=sys.stderr)
            continue
        path = os.path.join(sys.argv[1], record["id"] + (".opus" if original[28:36] == b"OpusHead" else ".ogg"))
        with open(path, "wb") as file:
            file.write(original)
        print(path)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
