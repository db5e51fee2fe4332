"""Takes out of an installed environment what no command of prompt-worker reads: `python shrink.py FOLDER`.

Names of places and carriers of phone numbers, tests and headers of libraries, and what only a debugger reads of
compiled modules: about 55 of 190 MB.
"""

from __future__ import annotations

import shutil
import struct
import sys
from pathlib import Path

UNUSED = ("phonenumbers/geodata", "phonenumbers/carrierdata")
FOR_COMPILERS = {".a", ".c", ".h", ".pxd", ".pyi", ".pyx"}


def shrink(folder: Path) -> None:
    for libraries in folder.glob("lib/python*/site-packages"):
        for name in UNUSED:
            shutil.rmtree(libraries / name, ignore_errors=True)
        for tests in sorted(libraries.rglob("tests")):
            shutil.rmtree(tests, ignore_errors=True)
        for file in libraries.rglob("*"):
            if file.suffix in FOR_COMPILERS:
                file.unlink()
            elif ".so" in file.suffixes and file.is_file() and not file.is_symlink():
                strip(file)


def strip(library: Path) -> None:
    """Ends the file after the last byte that is loaded, and says that it has no sections (ELF-64, elf(5)).

    What loads a library reads its program headers alone; sections are for linkers and debuggers.
    """
    content = bytearray(library.read_bytes())
    # Magic number, 64 bits, little-endian.
    if content[:6] != b"\x7fELF\x02\x01":
        return
    (headers,) = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    end = headers + size * count
    for number in range(count):
        # Where a segment begins in the file, and how many bytes of it are there.
        offset, _, _, length = struct.unpack_from("<QQQQ", content, headers + number * size + 8)
        end = max(end, offset + length)
    # The section headers: where, how large, how many, and which holds the names.
    struct.pack_into("<Q", content, 40, 0)
    struct.pack_into("<HHH", content, 58, 0, 0, 0)
    library.write_bytes(content[:end])


if __name__ == "__main__":
    shrink(Path(sys.argv[1]))
