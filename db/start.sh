#!/bin/sh
# Runs before the image's entrypoint: refuses a volume that another major version of PostgreSQL has
# made, and says what to do. The server itself would only name the two versions, or start a new,
# empty database in another directory.
set -u

refuse() {
  echo "taskapp db: refused: $*" >&2
  exit 1
}

# Production mounts a script over `postgres`, in /usr/local/sbin.
image=$(PATH=${PATH#/usr/local/sbin:} postgres --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')
top=/var/lib/postgresql

if ! [ -s "$PGDATA/PG_VERSION" ]; then
  case $PGDATA in
    "$top/data"*) ;;
    *)
      ! grep -q " $top/data " /proc/mounts || [ -s "$top/data/PG_VERSION" ] \
        || refuse "the image of PostgreSQL $image has its data in another directory;" \
          "set POSTGRES_MOUNT=$top"
      ;;
  esac
fi
for file in "$PGDATA/PG_VERSION" "$top/PG_VERSION" "$top/data/PG_VERSION" \
  "$top"/*/docker/PG_VERSION "$top"/data/*/docker/PG_VERSION; do
  [ -s "$file" ] || continue
  volume=$(cat "$file")
  [ "$volume" != "$image" ] || break
  what="the volume is of PostgreSQL $volume, but the image is of $image"
  [ "$volume" -gt "$image" ] \
    || refuse "$what: set POSTGRES_IMAGE back; to upgrade, start db, then run" \
      "scripts/upgrade-postgres.sh $image"
  refuse "$what: set POSTGRES_IMAGE to $volume"
done
exec docker-entrypoint.sh "$@"
