"""Mutation fuzzing of the image formats, by hand: `python tests/fuzz_images.py --minutes 30`.

Files of all kinds are changed by their structure (chunks, segments, boxes and tags are removed,
repeated, exchanged, made longer or shorter, and put into other files) and blindly (bytes, numbers,
slices), with lengths and checksums mended, so that the change is reached. What `limits` calls a
finding is measured again alone, printed once for every kind, and kept in a folder.
"""

from __future__ import annotations

import argparse
import random
import re
import struct
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import limits
from test_kinds import KINDS
from test_left_out import LEFT_OUT

PIXELS = 1 << 20
"""The limit of pixels: what is allowed has to fit into the seconds."""
MOST_BYTES = 1 << 17
NUMBERS = (0, 1, 2, 7, 8, 127, 128, 255, 256, 257, 32767, 32768, 65535, 65536, 1 << 20,
           (1 << 24) - 1, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)  # fmt: skip
CONTAINERS = (b"meta", b"iprp", b"ipco", b"moov", b"trak", b"mdia", b"minf", b"stbl", b"jp2h",
              b"iinf")  # fmt: skip

Part = tuple[bytes, bytes]
Split = tuple[list[Part], Callable[[Sequence[Part]], bytes]]


def png_parts(data: bytes) -> Split:
    parts, at = list[Part](), 8
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        parts.append((name, data[at + 8 : at + 8 + size]))
        at += 12 + size

    def joined(parts: Sequence[Part]) -> bytes:
        out = [data[:8]]
        for name, body in parts:
            out += [struct.pack(">I", len(body)), name, body]
            out.append(struct.pack(">I", zlib.crc32(name + body)))
        return b"".join(out)

    return parts, joined


def jpeg_parts(data: bytes) -> Split:
    """Segments up to the first scan, which goes on to the end."""
    parts, at = list[Part](), 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        size = struct.unpack_from(">H", data, at + 2)[0]
        parts.append((data[at : at + 2], data[at + 4 : at + 2 + size]))
        at += 2 + size
    parts.append((b"", data[at:]))

    def joined(parts: Sequence[Part]) -> bytes:
        out = [data[:2]]
        for name, body in parts:
            out.append(name + struct.pack(">H", min(len(body) + 2, 65535)) if name else b"")
            out.append(body[:65533] if name else body)
        return b"".join(out)

    return parts, joined


def riff_parts(data: bytes) -> Split:
    parts, at = list[Part](), 12
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        parts.append((name, data[at + 8 : at + 8 + size]))
        at += 8 + size + size % 2

    def joined(parts: Sequence[Part]) -> bytes:
        out = b"".join(
            name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)
            for name, body in parts
        )
        return b"RIFF" + struct.pack("<I", len(out) + 4) + b"WEBP" + out

    return parts, joined


def iso_parts(data: bytes) -> Split:
    """Boxes, those inside of others as well: a container is a part that opens and one that ends."""
    fields = {b"meta": 4, b"iinf": 6}

    def inside(start: int, end: int) -> list[Part]:
        parts, at = list[Part](), start
        while at + 8 <= end:
            size, name = struct.unpack_from(">I4s", data, at)
            last = min(end, at + size) if size >= 8 else end
            if name in CONTAINERS:
                first = at + 8 + fields.get(name, 0)
                parts += [(b"(" + name, data[at + 8 : first]), *inside(first, last), (b")", b"")]
            else:
                parts.append((name, data[at + 8 : last]))
            at = last
        return parts

    def joined(parts: Sequence[Part]) -> bytes:
        open_boxes = [b""]
        for name, body in parts:
            if name.startswith(b"(") and len(name) == 5:
                open_boxes.append(name[1:] + body)
            elif name == b")" and len(open_boxes) > 1:
                box = open_boxes.pop()
                open_boxes[-1] += struct.pack(">I", len(box) + 4) + box
            elif name != b")":
                open_boxes[-1] += struct.pack(">I", len(body) + 8) + name + body
        while len(open_boxes) > 1:
            box = open_boxes.pop()
            open_boxes[-1] += struct.pack(">I", len(box) + 4) + box
        return open_boxes[0]

    return inside(0, len(data)), joined


def gif_parts(data: bytes) -> Split:
    """The header with its table, then blocks with their sub-blocks; their names are empty."""

    def table(flags: int) -> int:
        return 3 << ((flags & 7) + 1) if flags & 0x80 else 0

    at = 13 + table(data[10])
    parts = [(b"", data[:at])]
    while at < len(data):
        start = at
        at += 2 if data[at] != 0x2C or at + 9 >= len(data) else 11 + table(data[at + 9])
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
        parts.append((b"", data[start:at]))
    return parts, lambda parts: b"".join(body for _, body in parts)


SPLITS: dict[bytes, Callable[[bytes], Split]] = {
    b"\x89PNG": png_parts,
    b"\xff\xd8\xff": jpeg_parts,
    b"RIFF": riff_parts,
    b"GIF8": gif_parts,
    b"\0\0\0": iso_parts,
}


def split(data: bytes) -> Split | None:
    """The parts of a file of a format that has them."""
    for start, parts in SPLITS.items():
        if data.startswith(start):
            return parts(data)
    return None


class Mutator:
    """Changes files at random, from one seed."""

    def __init__(self, seed: int, corpus: Sequence[bytes]) -> None:
        self.random, self.corpus = random.Random(seed), corpus
        self.parts = [part for data in corpus for part in (split(data) or ([], None))[0]]

    def file(self) -> bytes:
        """A file of the corpus with up to five changes."""
        data = self.random.choice(self.corpus)
        for _ in range(self.random.choice((1, 1, 1, 2, 3, 5))):
            data = self.random.choice((self.by_parts, self.by_parts, self.by_tags, self.blind))(
                data
            )
        return self.mended(data)[:MOST_BYTES]

    def by_parts(self, data: bytes) -> bytes:
        """Remove, repeat, move, exchange or change a part."""
        try:
            found = split(data)
        except (struct.error, IndexError):
            found = None
        if found is None or not found[0]:
            return self.blind(data)
        (parts, joined), pick = found, self.random
        at = pick.randrange(len(parts))
        name, body = parts[at]
        action = pick.randrange(9)
        if action == 0:
            del parts[at]
        elif action == 1:
            parts[at:at] = [parts[at]] * pick.choice((1, 1, 2, 10, 300))
        elif action == 2:
            parts.insert(pick.randrange(len(parts) + 1), parts.pop(at))
        elif action == 3:
            parts.insert(at, pick.choice(self.parts))
        elif action == 4:
            parts[at] = (name, body[: pick.randrange(len(body) + 1)])
        elif action == 5:
            parts[at] = (name, body + pick.randbytes(pick.randrange(1, 64)))
        elif action == 6:
            parts[at] = (pick.choice(self.parts)[0], body)
        else:
            parts[at] = (name, self.by_tags(body) if pick.random() < 0.3 else self.blind(body))
        return joined(parts)

    def by_tags(self, data: bytes) -> bytes:
        """Change the tag, type, count or value of an entry of a TIFF directory, or their number."""
        found = [match.start() for match in re.finditer(rb"II\*\0|MM\0\*", data)]
        if not found:
            return self.blind(data)
        out, pick = bytearray(data), self.random
        start = pick.choice(found)
        order = "<" if data[start : start + 1] == b"I" else ">"
        try:
            position = start + struct.unpack_from(order + "I", data, start + 4)[0]
            for _ in range(pick.randrange(3)):  # a later directory
                count = struct.unpack_from(order + "H", data, position)[0]
                following = struct.unpack_from(order + "I", data, position + 2 + 12 * count)[0]
                position = start + following if following else position
            count = struct.unpack_from(order + "H", data, position)[0]
            entry = position + 2 + 12 * pick.randrange(max(1, count))
            action = pick.randrange(6)
            if action == 0:
                struct.pack_into(order + "H", out, entry, pick.choice(TAGS))
            elif action == 1:
                struct.pack_into(order + "H", out, entry + 2, pick.randrange(20))
            elif action == 2:
                struct.pack_into(
                    order + "I", out, entry + 4, pick.choice((*NUMBERS, len(data) // 2))
                )
            elif action == 3:
                value = pick.choice((*NUMBERS, 8, len(data) - start - 1, position - start))
                struct.pack_into(order + "I", out, entry + 8, value)
            elif action == 4:
                struct.pack_into(order + "H", out, position, pick.choice((0, 1, count + 1, 65535)))
            else:
                other = position + 2 + 12 * pick.randrange(max(1, count))
                out[entry : entry + 12] = data[other : other + 12]
        except struct.error:
            return self.blind(data)
        return bytes(out)

    def blind(self, data: bytes) -> bytes:
        """Change bytes, numbers and slices, whatever they are."""
        if not data:
            return self.random.randbytes(8)
        out, pick = bytearray(data), self.random
        # Most headers are at the start.
        at = pick.randrange(len(out) if pick.random() < 0.5 else min(len(out), 256))
        action = pick.randrange(8)
        if action <= 1:
            for _ in range(pick.choice((1, 1, 2, 8))):
                out[pick.randrange(len(out))] ^= 1 << pick.randrange(8)
        elif action == 2:
            out[at] = pick.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, pick.randrange(256)))
        elif action == 3:
            number = pick.choice(NUMBERS).to_bytes(4, pick.choice(("little", "big")))
            size = pick.choice((1, 2, 4))
            out[at : at + size] = number[:size] if pick.random() < 0.5 else number[-size:]
        elif action == 4:
            del out[at : at + pick.choice((1, 2, 4, 64, len(out)))]
        elif action == 5:
            piece = out[at : at + pick.choice((1, 2, 4, 64, 1024))]
            out[at:at] = piece * pick.choice((1, 1, 2, 50))
        elif action == 6:
            other = pick.choice(self.corpus)
            start = pick.randrange(len(other) + 1)
            out[at : at + 64] = other[start : start + pick.choice((4, 64, 4096))]
        else:
            digits = [match.span() for match in re.finditer(rb"\d+", out[:2048])]
            first, last = pick.choice(digits or [(at, at + 1)])
            out[first:last] = b"%d" % (pick.choice((-1, 1)) * pick.choice(NUMBERS))
        return bytes(out)

    def mended(self, data: bytes) -> bytes:
        """A PNG with the right checksums, mostly: else nothing of it is looked at."""
        if data.startswith(b"\x89PNG\r\n\x1a\n") and self.random.random() < 0.9:
            parts, joined = png_parts(data)
            return joined(parts)
        return data


TAGS = (*range(254, 286), 292, 293, 296, 297, 301, *range(317, 350), *range(512, 533), 700, 33432,
        33550, 33723, 33922, 34377, 34665, 34675, 34853, 36864, 37500, 37510, 40961, 40962, 40963,
        40965, 42112, 42113, 50706)  # fmt: skip


def corpus() -> list[bytes]:
    """All kinds of files that the tests know and that are read, where they are small."""
    files = {kind.data() for kind in KINDS} | {data for data, _ in LEFT_OUT.values()}
    files |= {path.read_bytes() for path in Path(__file__).parent.glob("../sample_images/*")}
    small = sorted(data for data in files if 8 < len(data) < MOST_BYTES // 2)
    results = limits.taken(small, 100)
    return [data for data, result in zip(small, results, strict=True) if result.ending == "done"]


def fuzz(seed: int, batches: Iterable[int], folder: Path) -> dict[str, int]:
    """Measure changed files, as many at once as each of `batches` says; how often there was a
    finding, by its kind.
    """
    mutator, kinds, done = Mutator(seed, corpus()), dict[str, int](), 0
    endings = dict[str, int]()
    for together in batches:
        batch = [mutator.file() for _ in range(together)]
        for data, result in zip(batch, limits.taken(batch, together, PIXELS), strict=True):
            endings[result.ending] = endings.get(result.ending, 0) + 1
            if result.finding(len(data)):
                (result,) = limits.taken([data], 1, PIXELS)
            if finding := result.finding(len(data)):
                kind = re.sub(r"\d+(\.\d+)?|'.*?'|\[.*?\]", "#", finding)[:120]
                kinds[kind] = kinds.get(kind, 0) + 1
                if kinds[kind] <= 3:
                    path = folder / f"{zlib.crc32(data):08x}"
                    path.write_bytes(data)
                    print(f"{path} ({len(data)} bytes): {finding}", flush=True)
        done += together
    print(f"{done} files: {endings}; {sum(kinds.values())} findings of {len(kinds)} kinds")
    return kinds


def main() -> None:
    """Read the options and fuzz."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--folder", type=Path, default=Path("findings"))
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    print(f"--seed {options.seed}")
    end = time.monotonic() + options.minutes * 60
    batches = iter(lambda: 100 * (time.monotonic() < end), 0)
    kinds = fuzz(options.seed, batches, options.folder)
    for kind, count in sorted(kinds.items(), key=lambda row: -row[1]):
        print(f"{count:6} {kind}")


if __name__ == "__main__":
    main()
