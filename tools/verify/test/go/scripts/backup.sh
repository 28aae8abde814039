#!/bin/sh
# Writes a dump of the database to backups/.
set -eu
cd "$(dirname "$0")/.."
umask 077
mkdir -p backups
file=backups/tasks-$(date +%Y%m%dT%H%M%S).dump
docker compose exec -T db pg_dump -U "$(cat secrets/db_user.txt)" -Fc tasks >"$file.part"
mv "$file.part" "$file"
