#!/usr/bin/env bash
# Print the Secrets of this overlay with new random passwords, for `kubectl create -f -`. kubectl refuses Secrets that
# exist, which must stay, because the servers have stored their passwords in their data. It creates the missing ones, so
# that an older installation can be completed.
#
# `facestream-minio` and `facestream-mongo` are the administrators of the servers. `init` uses them to create the user of
# each service from the Secret `facestream-SERVICE-stores`.
set -euo pipefail

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

secret() { # NAME
  cat <<SECRET
---
apiVersion: v1
kind: Secret
metadata:
  name: $1
  namespace: facestream
stringData:
SECRET
}

minio_user() { # SERVICE
  echo "  FACESTREAM_MINIO_ACCESS_KEY: facestream-$1"
  echo "  FACESTREAM_MINIO_SECRET_KEY: $(random)"
}

mongo_user() { # SERVICE
  echo "  FACESTREAM_MONGO_URI: mongodb://facestream-$1:$(random)@mongo-0.mongo:27017/?authSource=admin&replicaSet=rs0"
}

secret facestream-minio
echo "  FACESTREAM_MINIO_ACCESS_KEY: facestream"
echo "  FACESTREAM_MINIO_SECRET_KEY: $(random)"

mongo=$(random)
secret facestream-mongo
cat <<SECRET
  FACESTREAM_MONGO_URI: mongodb://facestream:$mongo@mongo-0.mongo:27017/?authSource=admin&directConnection=true
  username: facestream
  password: $mongo
  keyfile: $(random)$(random)
SECRET

for service in detector quality embedder assigner reclusterer reconciler init; do
  secret "facestream-$service-stores"
  case $service in reclusterer) ;; *) minio_user "$service" ;; esac
  case $service in detector | quality | embedder) ;; *) mongo_user "$service" ;; esac
done
