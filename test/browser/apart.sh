#!/bin/sh
# Chromium on a network of its own: see apart.ts, which sets the variables.
exec unshare --net --map-root-user -- sh -c 'ip link set lo up && exec "$@"' \
  sh "$NODE" "$(dirname "$0")/apart.ts" "$@"
