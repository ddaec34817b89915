#!/usr/bin/env bash
# nx-27017 answers a projection of nested fields with other documents than MongoDB, and never with an error.
#
# Versions: nx-27017 0.8.1 (with neosqlite 1.17.2), pymongo 4.20.0.
# Date: 30 November 2026.
#
# What one expects: MongoDB documents that `find({}, {"a.b": 1})` returns {"_id": 1, "a": {"b": 1}}, that {"l.b": 1} goes
# into the documents of an array, that {"a.b": 0} leaves out that one field, and that `$project` keeps the type of _id.
# What happens: {"a.b": 1} returns a field that is literally called "a.b" at the top, so doc["a"] is a KeyError and
# doc.get("a") is None, as if the document had none. Into an array it does not look: the field is missing. {"a.b": 0}
# leaves out nothing. In `aggregate`, {"$project": {"a.b": 1}} is flat as well and turns the _id 1 into the text "1",
# while {"$project": {"a.b": 0}} is right. Projections of whole fields, and filters on "a.b", are right.
#
# What it means if you build on it: code that a test proves against this server may read nothing from MongoDB, or the
# other way round. Project whole top-level fields, which means the same in both, and use projections of nested fields
# only where a real MongoDB is part of the tests. Excluding a secret nested field is not tested by it at all.
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

print(*(f"{name} {version(name)}" for name in ("nx-27017", "neosqlite", "pymongo")), sep=", ")
photos = MongoClient("127.0.0.1", int(sys.argv[1]), serverSelectionTimeoutMS=60000).finding.photos
whole = {"_id": 1, "a": {"b": 1, "c": 2}, "l": [{"b": 1, "c": 2}, {"b": 3}], "x": 9}
photos.insert_one(whole)
print("the document:", whole)
wrong = []


def look(what, got, wanted, documented):
    print(f"  {what}: {got}" + ("" if got == documented else f"   MongoDB documents {documented}"))
    if got != wanted:
        wrong.append(what)


def find(projection, wanted, documented):
    look(f"find {projection}", photos.find_one({}, projection), wanted, documented)


def project(projection, wanted, documented):
    (got,) = photos.aggregate([{"$project": projection}])
    look(f"$project {projection}", got, wanted, documented)


without = whole | {"a": {"c": 2}}
find({"a": 1}, {"_id": 1, "a": whole["a"]}, {"_id": 1, "a": whole["a"]})
find({"a.b": 1}, {"_id": 1, "a.b": 1}, {"_id": 1, "a": {"b": 1}})
find({"a.b": 1, "x": 1, "_id": 0}, {"a.b": 1, "x": 9}, {"a": {"b": 1}, "x": 9})
find({"l.b": 1}, {"_id": 1}, {"_id": 1, "l": [{"b": 1}, {"b": 3}]})
find({"a.b": 0}, whole, without)
project({"a.b": 1}, {"_id": "1", "a.b": 1}, {"_id": 1, "a": {"b": 1}})
project({"a.b": 0}, without, without)
look('filter {"a.b": 1}', photos.find_one({"a.b": 1}), whole, whole)
sys.exit("not as described: upstream has changed" if wrong else 0)
PY
venv/bin/python look.py "$port" || { cat server.txt; exit 1; }
