"""What is sent, what is owed: records with canaries in them, and a journal that is written before the source is."""
import hashlib
import json
import os
import random
import threading

# No hexadecimal digit among them, so that no id, sum or fingerprint in an output can look like a piece of a canary.
LETTERS = "ghijkmnopqrstuvwxyzGHJKLMNOPQRSTUVWXYZ"
WORDS = ("crane heron plover avocet dunlin curlew godwit lapwing osprey harrier reed marsh delta lagoon estuary sandbank dune "
         "ripple current drift shoal channel beacon harbour anchor mooring ebb flood slack spring neap").split()
CANARIES = 64
CANARY_BYTES = 32
TOO_DEEP = 200   # levels; more than max_depth


def canonical(record):
    return json.dumps(record, sort_keys=True, ensure_ascii=False)


def fingerprint(record):
    return hashlib.sha256(canonical(record).encode()).hexdigest()[:16]


class Record:
    """One record: its line, and what must come out of it; `expected` is None where it must be withheld."""

    def __init__(self, ident, kind, words, canary):
        self.ident = ident
        hidden = "[redacted:sensitive-name]"
        signed = "https://store.blob.core.windows.net/models/m.bin?sv=2021-06-08&sr=b&sig="
        if kind == "json":
            self.line = json.dumps({"id": ident, "body": words, "n": len(words), "password": canary})
            self.expected = {"id": ident, "body": words, "n": len(words), "password": hidden}
        elif kind == "text":
            self.line = f"id {ident} {words} password={canary}"
            self.expected = {"message": f"id {ident} {words} password={hidden}"}
        elif kind == "nested":
            self.line = json.dumps({"id": ident, "inner": json.dumps({"body": words, "client_secret": canary})})
            self.expected = {"id": ident, "inner": json.dumps({"body": words, "client_secret": hidden})}
        elif kind == "url":
            self.line = json.dumps({"id": ident, "body": words, "url": signed + canary})
            self.expected = {"id": ident, "body": words, "url": signed + "[redacted:azure-sas-signature]"}
        else:
            self.line = json.dumps({"id": ident, "password": canary, "deep": 0})[:-2] + "[" * TOO_DEEP + "]" * TOO_DEEP + "}"
            self.expected = None


# Text is taken where lines are read; over HTTP all is JSON.
FILE_KINDS = ["json"] * 5 + ["text"] * 3 + ["nested", "url"]
HTTP_KINDS = ["json"] * 6 + ["nested", "url"]


class Journal:
    """Lines of a file: `canary TEXT`, `issued ID SUM|withheld`, `owed ID`, `refused ID`, `doubtful ID`. Issued is written and synced
    before a record goes to its source, the others after the source has answered. Thread: any."""

    def __init__(self, path, seed):
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.file = open(path, "a", encoding="utf-8")   # noqa: SIM115 -- closed with the object
        secret = random.SystemRandom()   # fresh for every run, whatever the seed
        self.canaries = ["".join(secret.choice(LETTERS) for _ in range(CANARY_BYTES)) for _ in range(CANARIES)]
        self.issued = {}        # id -> fingerprint, None: must be withheld
        self.owed = set()
        self.refused = set()
        self.doubtful = set()   # accepted by a machine whose power was gone
        self.numbers = {}
        self._write([f"canary {canary}" for canary in self.canaries])

    def _write(self, lines):
        self.file.write("".join(line + "\n" for line in lines))
        self.file.flush()
        os.fdatasync(self.file.fileno())

    def issue(self, source, count, kinds, withheld_each=0):
        """New records of a source; one in `withheld_each` must be withheld."""
        with self.lock:
            made = []
            for _ in range(count):
                number = self.numbers[source] = self.numbers.get(source, 0) + 1
                tail = "".join(self.random.choices("abcdef", k=16))   # of digits, some would be numbers of cards
                ident = f"{source}-{number:08d}-{tail}"
                kind = "deep" if withheld_each and number % withheld_each == 0 else self.random.choice(kinds)
                words = " ".join(self.random.choices(WORDS, k=self.random.randint(3, 40)))
                made.append(Record(ident, kind, words, self.random.choice(self.canaries)))
            for record in made:
                self.issued[record.ident] = fingerprint(record.expected) if record.expected is not None else None
            self._write([f"issued {r.ident} {self.issued[r.ident] or 'withheld'}" for r in made])
            return made

    def oblige(self, records):
        self._answered(self.owed, "owed", records)

    def refuse(self, records):
        self._answered(self.refused, "refused", records)

    def doubt(self, records):
        self._answered(self.doubtful, "doubtful", records)

    def _answered(self, those, what, records):
        with self.lock:
            those.update(r.ident for r in records)
            self._write([f"{what} {r.ident}" for r in records])

    def deliverable(self):
        """Ids that every required sink owes."""
        with self.lock:
            return {ident for ident in self.owed if self.issued[ident] is not None}

    def owed_from(self, source):
        with self.lock:
            return sum(ident.startswith(source) for ident in self.owed)

    def withheld(self):
        """Ids that were taken and must be in no output."""
        with self.lock:
            return {ident for ident in self.owed | self.refused if self.issued[ident] is None}

    def close(self):
        self.file.close()
