#!/usr/bin/env bash
# FerretDB 1.24 acknowledges updates of one document that are then not there: concurrent $inc and compare-and-set.
#
# Versions: FerretDB 1.24.2 (handler SQLite; its handler PostgreSQL over PostgreSQL 15 did the same), pymongo 4.20.0;
# Go 1.24 or newer to build it.
# Date: 1 December 2026.
#
# What one expects: MongoDB documents every write of a single document as atomic: of clients that update it at the same
# time, one update comes after the other, and none is lost. Counters, locks and compare-and-set are built on that.
# What happens: the server reads the document, changes it in its own memory and writes it whole, without a transaction
# around both and without a look at what is there by then. Of 600 increments by 6 threads, each acknowledged with
# matched 1 and modified 1, the counter keeps a part (100 to 400 of 600). Of 8 clients that set {"owner": null} to their
# own name by the condition {"owner": null}, up to all eight are answered that they did.
# A client alone sees nothing of it, so every ordinary test passes.
#
# What it means if you build on it: no counter, lease, lock or version check may rest on it, with or without
# findAndModify. As the server of a test it proves nothing about code in which two processes write one document.
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
venv/bin/pip install -q --disable-pip-version-check pymongo==4.20.0

cat >main.go <<'GO'
package main

import (
	"context"
	"io"
	"log/slog"
	"os"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: os.Args[1]},
		Logger:    slog.New(slog.NewTextHandler(io.Discard, nil)),
		Handler:   "sqlite",
		SQLiteURL: "file:data/",
	})
	if err != nil {
		panic(err)
	}
	_ = server.Run(context.Background())
}
GO
export CGO_ENABLED=0 GOFLAGS=''
go mod init finding >build.txt 2>&1
{ go mod edit -require github.com/FerretDB/FerretDB@v1.24.2 && go mod tidy && go build -o ferretdb .; } >>build.txt 2>&1 || { cat build.txt; exit 1; }

port=$(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
mkdir data
./ferretdb "127.0.0.1:$port" >server.txt 2>&1 &
server=$!

cat >look.py <<'PY'
import sys
from threading import Barrier, Thread

from pymongo import MongoClient, version

database = MongoClient("127.0.0.1", int(sys.argv[1]), serverSelectionTimeoutMS=60000).finding
print(f"FerretDB {sys.argv[2]}, pymongo {version}")
THREADS, CALLS, ROUNDS = 6, 100, 20
documents = database.documents
wrong = []


def look(what, got, right):
    print(f"  {what}: {got}")
    if not right:
        wrong.append(what)


def at_once(count, work):
    start = Barrier(count)

    def run(number):
        start.wait()
        work(number)

    threads = [Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


acknowledged = []


def increment(_):
    for _ in range(CALLS):
        acknowledged.append(documents.update_one({"_id": 1}, {"$inc": {"n": 1}}).modified_count)


documents.insert_one({"_id": 1, "n": 0})
at_once(1, increment)
look(f"one client: {sum(acknowledged)} increments acknowledged, stored", documents.find_one()["n"],
     documents.find_one()["n"] == sum(acknowledged) == CALLS)
acknowledged.clear()
documents.update_one({"_id": 1}, {"$set": {"n": 0}})
at_once(THREADS, increment)
look(f"{THREADS} clients: {sum(acknowledged)} increments acknowledged, stored", documents.find_one()["n"],
     documents.find_one()["n"] < sum(acknowledged) == THREADS * CALLS)

winners = []
for number in range(ROUNDS):
    documents.insert_one({"_id": f"lock {number}", "owner": None})
    won = []

    def take(name):
        found = documents.update_one({"_id": f"lock {number}", "owner": None}, {"$set": {"owner": name}})
        won.extend([name] * found.modified_count)

    at_once(8, take)
    winners.append(len(won))
look(f"{ROUNDS} locks, 8 clients each, how many got each lock", winners, max(winners) > 1)
sys.exit("not as described: upstream has changed" if wrong else 0)
PY
venv/bin/python look.py "$port" "$(go list -m -f '{{.Version}}' github.com/FerretDB/FerretDB)" || { cat server.txt; exit 1; }
