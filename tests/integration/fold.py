"""What a view must hold, told from the public rules of order, duplicates and staleness alone.

One record after the other, no batches, no databases: slow and plain, so that it can be read beside the rules and be wrong in
other ways than the program."""

import dataclasses
import datetime
import json
import re


@dataclasses.dataclass
class Rules:
    """The part of a view's configuration that decides what a record does."""
    version: str = None  # JSON Pointer, or None: the position in Kafka orders
    change_id: tuple = ()  # JSON Pointers
    delete: str = "hard"  # hard | soft | ignore
    delete_type: str = None  # a CloudEvent of that type deletes
    window: int = 100_000
    refuses: object = None  # entity -> True where the store refuses it


@dataclasses.dataclass
class State:
    """What is remembered of an entity; `doc` is None once it is deleted (but for soft deletes)."""
    doc: object = None
    deleted: bool = False
    version: int = None
    event_id: str = None
    change_id: object = None
    partition: int = None
    offset: int = None
    timestamp: int = None


class Refused(Exception):
    pass


def point(value, pointer):
    for name in pointer.split("/")[1:]:
        name = name.replace("~1", "/").replace("~0", "~")
        value = value[int(name)] if isinstance(value, list) else value[name]
    return value


def read_version(value):
    """An integer, or a time in microseconds."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise Refused("version")
    if isinstance(value, int):
        return value
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", value)
    if not match:
        if re.fullmatch(r"-?\d+", value):
            return int(value)
        raise Refused("version")
    moment = datetime.datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00"))
    seconds = int((moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)).total_seconds())
    return seconds * 1_000_000 + int(((match[2] or "") + "000000")[:6])


@dataclasses.dataclass
class Change:
    key: str
    deletes: bool
    by_position: bool
    doc: object = None
    version: int = None
    event_id: str = None
    change_id: object = None


def decode(message, rules):
    """A structured CloudEvent with a string key, or a tombstone."""
    key = message.key()
    if key is None:
        raise Refused("no key")
    key = key.decode()
    if message.value() is None:
        return Change(key, deletes=True, by_position=True)
    try:
        event = json.loads(message.value())
        change = Change(key, deletes=event["type"] == rules.delete_type, by_position=not rules.version,
                        event_id=event["id"], doc=event["data"])
        if rules.change_id:
            change.change_id = json.dumps([point(event, p) for p in rules.change_id])
        if rules.version:
            change.version = read_version(point(event, rules.version))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise Refused(str(error)) from error
    return change


def judge(fence, change, message):
    """applied or stale; a fence of None: the entity was never seen."""
    if fence is None:
        return "applied"
    if not change.by_position:
        if fence.version is None or change.version > fence.version:
            return "applied"
        if change.version < fence.version or fence.deleted:
            return "stale"
    if fence.partition == message.partition():
        return "applied" if message.offset() > fence.offset else "stale"
    newer = (message.timestamp()[1], message.partition()) > (fence.timestamp, fence.partition)
    return "applied" if newer else "stale"


class Fold:
    def __init__(self, rules=None):
        self.rules = rules or Rules()
        self.entities = {}  # key -> State
        self.counts = dict.fromkeys(("consumed", "applied", "duplicate_event", "duplicate_change", "stale", "filtered", "dead"), 0)
        self.dead = []  # (partition, offset)
        self._seen = {}  # (partition, key, what, id) -> offset at which it was applied

    def _remembered(self, message, key, what, identity):
        at = self._seen.get((message.partition(), key, what, identity))
        return at is not None and message.offset() - at <= self.rules.window

    def _outcome(self, message):
        try:
            change = decode(message, self.rules)
        except Refused:
            return "dead"
        if change.deletes and self.rules.delete == "ignore":
            return "filtered"
        fence = self.entities.get(change.key)
        for what in ("event", "change"):
            identity = getattr(change, f"{what}_id")
            if identity is not None and (self._remembered(message, change.key, what, identity) or
                                         fence is not None and getattr(fence, f"{what}_id") == identity):
                return f"duplicate_{what}"
        if judge(fence, change, message) == "stale":
            return "stale"
        if not change.deletes and self.rules.refuses and self.rules.refuses(change.doc):
            return "dead"
        self._apply(message, change, fence)
        return "applied"

    def _apply(self, message, change, fence):
        version = change.version
        if change.by_position and fence is not None:
            version = fence.version
        doc = change.doc
        if change.deletes:
            doc = fence.doc if fence is not None and self.rules.delete == "soft" else None
        self.entities[change.key] = State(doc, change.deletes, version, change.event_id, change.change_id,
                                          message.partition(), message.offset(), message.timestamp()[1])
        for what in ("event", "change"):
            if getattr(change, f"{what}_id") is not None:
                self._seen[(message.partition(), change.key, what, getattr(change, f"{what}_id"))] = message.offset()

    def add(self, messages):
        """Messages as a consumer returns them, those of a partition in their order."""
        for message in messages:
            outcome = self._outcome(message)
            self.counts["consumed"] += 1
            self.counts[outcome] += 1
            if outcome == "dead":
                self.dead.append((message.partition(), message.offset()))
        return self

    def rows(self):
        """What the table must hold: key -> State."""
        keep = self.rules.delete == "soft"
        return {k: s for k, s in self.entities.items() if s.doc is not None and (keep or not s.deleted)}


def difference(rows, fold):
    """Nothing where a table's rows ({key: Row}) are those of the fold; otherwise the first differences, for a failed test."""
    wanted, found = fold.rows(), []
    for key in sorted(set(rows) | set(wanted)):
        if key not in rows:
            found.append(f"{key}: row missing, wanted {wanted[key]}")
        elif key not in wanted:
            found.append(f"{key}: row should not be there: {rows[key]}")
        else:
            row, want = rows[key], wanted[key]
            same = (row.doc == want.doc and row.version == want.version and row.offset == want.offset and
                    row.partition == want.partition and row.event_id == want.event_id and row.deleted == want.deleted)
            if not same:
                found.append(f"{key}: {row}, wanted {want}")
    if not found:
        return None
    return f"{len(found)} of {len(wanted)} rows differ: " + "; ".join(found[:5])
