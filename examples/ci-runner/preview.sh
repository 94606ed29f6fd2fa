#!/bin/sh
# sh preview.sh URL COMMAND...: starts a preview of a service by COMMAND, calls it at URL, and leaves nothing behind.
#
# The job makes an identity of its own and is the preview's controller: there is no secret to configure. A preview that
# runs elsewhere is given the token by whatever deploys it.
set -eu
url=$1
shift

work=$(mktemp -d)
preview=
trap 'test -z "$preview" || { kill "$preview"; wait "$preview" || true; }; rm -rf "$work"' EXIT

export AUTH_MESH_DIR="$work/job"
amesh init --name "ci job" >&2
token=$(amesh provision --name "preview" --ttl 10m)

AUTH_MESH_DIR="$work/preview" AMESH_BOOTSTRAP_TOKEN="$token" "$@" >&2 &
preview=$!

# 5 is "cannot be reached": it has not begun to listen.
for _ in 1 2 3 4 5 6 7 8 9 10; do
  status=0
  amesh request GET "$url/api/hello" || status=$?
  test "$status" -eq 5 || exit "$status"
  sleep 1
done
exit 5
