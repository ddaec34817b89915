#!/usr/bin/env bash
# nx-27017 updates a document that the condition excludes, and leaves out documents that the same condition finds.
#
# Versions: nx-27017 0.8.1 (with neosqlite 1.17.2), pymongo 4.20.0.
# Date: 1 December 2026.
#
# What one expects: MongoDB documents that an update changes what a find by the same condition returns; that the parts
# of a condition are joined by AND, `$or` among them; that `$ne` and `$nor` match a document that lacks the field; and
# that numbers are sorted as numbers.
# What happens: an update by {"_id": 1, "state": "b", "$or": [{"n": {"$exists": false}}, {"n": {"$lte": 3}}]} changes the
# document {"_id": 1, "state": "a", "n": 0}: one branch of the `$or` is true, and the rest but `_id` is ignored. A find
# by the same condition returns nothing, as documented. An update by {"s": {"$ne": 3}} or {"$nor": [{"s": 3}]} matches no
# document that lacks `s` or has null there, though a find by it returns each of them. `$not` does not exist.
# find().sort("_id") over the numbers 10, 2, 1 returns 1, 10, 2; with {"_id": {"$gt": 0}} it returns 1, 2, 10.
#
# What it means if you build on it: a compare-and-set whose condition has an `$or` passes where it must not, and a lock
# or a fence written so looks broken, or is really unprotected, only here. Use `$nin` of one value instead of `$ne`,
# store a default instead of asking for what is missing, and give each sort by number a condition on that number.
set -euo pipefail

work=$(mktemp -d)
server=
finish() {
  if [ -n "$server" ]; then kill "$server" 2>/dev/null && wait "$server" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap finish EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check nx-27017==0.8.1 neosqlite==1.17.2 pymongo==4.20.0

port=$(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
mkdir data
venv/bin/nx-27017 --data-dir data --host 127.0.0.1 -p "$port" >server.txt 2>&1 &
server=$!

cat >look.py <<'PY'
import sys
from importlib.metadata import version

from pymongo import MongoClient
from pymongo.errors import PyMongoError

print(*(f"{name} {version(name)}" for name in ("nx-27017", "neosqlite", "pymongo")), sep=", ")
documents = MongoClient("127.0.0.1", int(sys.argv[1]), serverSelectionTimeoutMS=60000).finding.documents
wrong = []


def look(what, got, wanted, documented):
    print(f"  {what}: {got}" + ("" if got == documented else f"   MongoDB documents {documented}"))
    if got != wanted:
        wrong.append(what)


def both(stored, condition, found, updated, documented):
    """Compare how many documents a find and an update have by one condition."""
    documents.delete_many({})
    documents.insert_one({"_id": 1, **stored})
    condition = {"_id": 1, **condition}
    answers = []
    for ask in (
        lambda: len(list(documents.find(condition))),
        lambda: documents.update_one(condition, {"$set": {"changed": True}}).matched_count,
    ):
        try:
            answers.append(ask())
        except PyMongoError:
            answers.append("refused")
    look(f"{stored}, {condition}: found", answers[0], found, documented)
    look(f"{stored}, {condition}: updated", answers[1], updated, documented)


either = {"$or": [{"n": {"$exists": False}}, {"n": {"$lte": 3}}]}
both({"state": "a", "n": 0}, {"state": "a", **either}, 1, 1, 1)
both({"state": "a", "n": 5}, {"state": "a", **either}, 0, 0, 0)
both({"state": "a", "n": 0}, {"state": "b", **either}, 0, 1, 0)
both({}, {"s": {"$ne": 3}}, 1, 0, 1)
both({"s": None}, {"s": {"$ne": 3}}, 1, 0, 1)
both({}, {"$nor": [{"s": 3}]}, 1, 0, 1)
both({}, {"s": {"$not": {"$gt": 3}}}, "refused", "refused", 1)
both({}, {"s": {"$nin": [3]}}, 1, 1, 1)

documents.delete_many({})
documents.insert_many([{"_id": number} for number in (10, 2, 1)])
look("sorted by _id", [found["_id"] for found in documents.find().sort("_id")], [1, 10, 2], [1, 2, 10])
positive = documents.find({"_id": {"$gt": 0}}).sort("_id")
look("sorted by _id, of those above 0", [found["_id"] for found in positive], [1, 2, 10], [1, 2, 10])
sys.exit("not as described: upstream has changed" if wrong else 0)
PY
venv/bin/python look.py "$port" || { cat server.txt; exit 1; }
