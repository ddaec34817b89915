#!/usr/bin/env bash
# minio-py's stat_object says NoSuchKey for a bucket that does not exist; get_object of the same key says NoSuchBucket.
#
# Versions: minio-py 7.2.20, MinIO 7aac2a2c5b7c (the last state of its repository), Go 1.24 or newer to build it.
# Date: 30 November 2026.
#
# What one expects: NoSuchBucket, as get_object, list_objects and remove_object say. Only "no such key" would mean that
# the bucket was asked, and that this object is not in it.
# What happens: the answer to a HEAD has no body, so minio-py makes the code up: any 404 for an object is "NoSuchKey",
# and any 403 "AccessDenied" (where GET says SignatureDoesNotMatch). fget_object begins with a HEAD and says the same.
# It depends on the client's past, too. A client without `region` asks for the bucket's region first, and that request
# fails with NoSuchBucket: tried in a script, all looks well. A client with `region`, or one that has used the bucket
# before somebody removed it, says NoSuchKey, until a get_object has failed, and from then on NoSuchBucket.
#
# What it means if you build on it: never conclude from stat_object's NoSuchKey that an object was deleted, above all
# not in what deletes something in its turn: a mistyped or removed bucket would look like one whose objects are all gone.
# Confirm it by get_object, whose refusal is in the server's own words, or by bucket_exists, which was right each time.
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
venv/bin/pip install -q --disable-pip-version-check minio==7.2.20
CGO_ENABLED=0 GOBIN="$work" GOFLAGS='' \
  go install -tags kqueue github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c

read -r port console < <(python3 -c '
import socket
both = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(one.getsockname()[1] for one in both))')
MINIO_ROOT_USER=finding MINIO_ROOT_PASSWORD=only-for-this-run ./minio server data \
  --address "127.0.0.1:$port" --console-address "127.0.0.1:$console" >server.txt 2>&1 &
server=$!

cat >look.py <<'PY'
import io
import socket
import sys
import time
from importlib.metadata import version

from minio import Minio
from minio.error import S3Error

address = sys.argv[1]
print(f"minio-py {version('minio')}, MinIO 7aac2a2c5b7c")
for _ in range(600):
    try:
        socket.create_connection(address.split(":"), 1).close()
        break
    except OSError:
        time.sleep(0.1)
wrong = []


def client(password="only-for-this-run", **settings):
    return Minio(address, "finding", password, secure=False, **settings)


def look(what, call, wanted):
    try:
        got = call()
    except S3Error as error:
        got = error.code
    print(f"  {what:42}{got}")
    if got != wanted:
        wrong.append(what)


def stat(one, bucket):
    return lambda: one.stat_object(bucket, "a.jpg").size


def get(one, bucket):
    def read():
        with one.get_object(bucket, "a.jpg") as response:
            return response.read()

    return read


knows = client(region="us-east-1")
print("a client with region, and a bucket that does not exist:")
look("stat_object", stat(knows, "missing"), "NoSuchKey")
look("fget_object", lambda: knows.fget_object("missing", "a.jpg", "a.jpg"), "NoSuchKey")
look("get_object", get(knows, "missing"), "NoSuchBucket")
look("remove_object", lambda: knows.remove_object("missing", "a.jpg"), "NoSuchBucket")
look("list_objects", lambda: list(knows.list_objects("missing")), "NoSuchBucket")
look("bucket_exists", lambda: knows.bucket_exists("missing"), False)
print("one without region, new:")
look("stat_object", stat(client(), "missing"), "NoSuchBucket")
print("one without region, which has used the bucket before another client removed it:")
used = client()
used.make_bucket("removed")
used.put_object("removed", "a.jpg", io.BytesIO(b"x"), 1)
look("stat_object, while it is there", stat(used, "removed"), 1)
knows.remove_object("removed", "a.jpg")
knows.remove_bucket("removed")
look("stat_object, now that it is gone", stat(used, "removed"), "NoSuchKey")
look("get_object", get(used, "removed"), "NoSuchBucket")
look("stat_object once more", stat(used, "removed"), "NoSuchBucket")
print("a client with region and a wrong password, and an object that is there:")
knows.make_bucket("there")
knows.put_object("there", "a.jpg", io.BytesIO(b"x"), 1)
stranger = client("another-password", region="us-east-1")
look("stat_object", stat(stranger, "there"), "AccessDenied")
look("get_object", get(stranger, "there"), "SignatureDoesNotMatch")
sys.exit("not as described: upstream has changed" if wrong else 0)
PY
venv/bin/python look.py "127.0.0.1:$port" || { tail -n 20 server.txt; exit 1; }
