#!/usr/bin/env bash
# Print the Secrets of this overlay, with passwords made here and now, for `kubectl create -f -`. That refuses Secrets
# which are there, and rightly: the servers took their passwords over when they made their data.
set -euo pipefail

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

minio=$(random)
mongo=$(random)
keyfile=$(random)$(random)
cat <<SECRETS
apiVersion: v1
kind: Secret
metadata:
  name: facestream-minio
  namespace: facestream
stringData:
  FACESTREAM_MINIO_ACCESS_KEY: facestream
  FACESTREAM_MINIO_SECRET_KEY: $minio
---
apiVersion: v1
kind: Secret
metadata:
  name: facestream-mongo
  namespace: facestream
stringData:
  FACESTREAM_MONGO_URI: mongodb://facestream:$mongo@mongo-0.mongo:27017/?authSource=admin&replicaSet=rs0
  username: facestream
  password: $mongo
  keyfile: $keyfile
SECRETS
