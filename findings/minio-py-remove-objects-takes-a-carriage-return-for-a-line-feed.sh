#!/usr/bin/env bash
# minio-py's remove_objects, given a key with a carriage return, removes the object that has a line feed in its place.
#
# Versions: minio-py 7.2.20, boto3 1.44.8, MinIO 7aac2a2c5b7c (the last state of its repository), Go 1.24 or newer to
# build it.
# Date: 1 December 2026.
#
# What one expects: that the object with exactly this key goes, as with remove_object, or that there is an error. Such
# keys are valid: S3 and MinIO take them, and so does put_object ("Icon\r" is a file that macOS makes in folders).
# What happens: "a\rb" removes "a\nb", and "c\r\nd" removes "c\nd", if they are there. What was asked for stays.
# remove_objects reports no error either way, for S3 counts a missing object as removed.
# The keys go as XML, in which a reader has to take a raw carriage return (and one with a line feed) for a line feed; it
# has to be written as a reference, &#13;. minio-py writes it raw. boto3 writes the reference: with the same server it
# removes the right object. Tabs, line feeds, U+0085, U+2028, spaces at the ends and markup arrive as they are.
#
# What it means if you build on it: send keys that hold "\r" through remove_object, one by one; it puts them into the
# address, where nothing is changed. And do not take an empty list of errors for "these objects are gone".
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
venv/bin/pip install -q --disable-pip-version-check minio==7.2.20 boto3==1.44.8
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

import boto3
from minio import Minio
from minio.deleteobjects import DeleteObject
from minio.error import S3Error

address = sys.argv[1]
print(f"minio-py {version('minio')}, boto3 {version('boto3')}, MinIO 7aac2a2c5b7c")
for _ in range(600):
    try:
        socket.create_connection(address.split(":"), 1).close()
        break
    except OSError:
        time.sleep(0.1)
client = Minio(address, "finding", "only-for-this-run", secure=False, region="us-east-1")
other = boto3.client("s3", endpoint_url=f"http://{address}", aws_access_key_id="finding", region_name="us-east-1",
                     aws_secret_access_key="only-for-this-run")
wrong = []


def there(bucket, key):
    try:
        client.stat_object(bucket, key)
    except S3Error as error:
        assert error.code == "NoSuchKey", error
        return False
    return True


def by_minio(bucket, key):
    return [error.code for error in client.remove_objects(bucket, [DeleteObject(key)])]


def by_boto3(bucket, key):
    answer = other.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}]})
    return [error["Code"] for error in answer.get("Errors", [])]


def singly(bucket, key):
    client.remove_object(bucket, key)
    return []


hurt = {"a\rb": "a\nb", "c\r\nd": "c\nd"}
sound = ("e\tf", "g\nh", "i\x85j", "k\u2028l", " m ", "n&<o>&#13;p")
keys = [*hurt, *hurt.values(), *sound]
for number, remove in enumerate((by_minio, by_boto3, singly)):
    print(("minio-py's remove_objects", "boto3's delete_objects", "minio-py's remove_object")[number] + ":")
    for place, key in enumerate([*hurt, *sound]):
        bucket = f"finding-{number}-{place}"
        client.make_bucket(bucket)
        for each in keys:
            client.put_object(bucket, each, io.BytesIO(b"x"), 1)
        assert all(there(bucket, each) for each in keys)
        errors = remove(bucket, key)
        gone = [each for each in keys if not there(bucket, each)]
        print(f"  {key!r}: errors {errors}, gone {gone}")
        if errors or gone != [hurt.get(key, key) if remove is by_minio else key]:
            wrong.append((remove.__name__, key))
sys.exit(f"not as described, upstream has changed: {wrong}" if wrong else 0)
PY
venv/bin/python look.py "127.0.0.1:$port" || { tail -n 20 server.txt; exit 1; }
