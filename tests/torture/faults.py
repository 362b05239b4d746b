"""Failing calls and named crash points, through faulty.c; the bits and fields are as there."""
import errno
import mmap
import struct
import time

import judge
from outcome import LeftOut

LIBRARY = judge.BUILD / "tests/torture/libfaulty.so"
WHATS = {name: 1 << n for n, name in enumerate(("other", "wal", "database", "store", "output", "socket", "sealed"))}
CALLS = {name: 1 << n for n, name in enumerate(("open", "write", "sync", "rename", "unlink", "truncate", "send"))}
DISK = WHATS["wal"] | WHATS["database"] | WHATS["store"] | WHATS["output"]
ALL_CALLS = sum(CALLS.values())
CONTROL = struct.Struct("<IIIiiI")


def preload(**variables):
    if not LIBRARY.exists():
        raise LeftOut("a build with sanitizers loads no faults")
    return {"LD_PRELOAD": str(LIBRARY), **variables}


class Faults:
    """Shared with the process that was started with `environment`."""

    def __init__(self, path):
        path.write_bytes(bytes(CONTROL.size))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), CONTROL.size)
        self.environment = preload(FAULTY_CONTROL=str(path))

    def injected(self):
        return CONTROL.unpack(self.map[:])[5]

    def set(self, whats, calls, number=errno.EIO, skip=0, times=1):
        """From now on these fail: after `skip` that pass, `times` of them (-1: until heal())."""
        injected = self.injected()
        self.map[:20] = CONTROL.pack(whats, calls, number, skip, 0, injected)[:20]
        self.map[16:20] = struct.pack("<i", times)

    def heal(self):
        self.map[:8] = bytes(8)
        self.map[16:20] = bytes(4)

    def hit(self, before, patience=20):
        """Whether a call has failed since `before`."""
        deadline = time.monotonic() + patience
        while self.injected() <= before and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.injected() > before
