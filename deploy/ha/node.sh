#!/bin/sh
# Starts Patroni. It reads passwords only from its configuration or its environment, where
# /proc/PID/environ would show them. So this writes them into a second configuration file.
# PostgreSQL accepts only a key that nobody else can read, so it gets a copy. It also gets a copy of
# the certificate, so that the two still match when Patroni restarts PostgreSQL.
set -eu

quoted() { # quoted FILE: its text as YAML, without the final newline
  printf "'%s'" "$(tr -d '\r' <"$1" | sed "s/'/''/g")"
}

umask 077
mkdir -p /tmp/patroni
cp /etc/taskapp/patroni.yml /tmp/patroni/
cp /run/secrets/ha_certificate /tmp/ha.crt
cp /run/secrets/ha_key /tmp/ha.key
cat >/tmp/patroni/passwords.yml <<YAML
restapi:
  authentication: { username: patroni, password: $(quoted /run/secrets/patroni_password) }
postgresql:
  authentication:
    superuser:
      username: "$POSTGRES_USER"
      password: $(quoted /run/secrets/postgres_password)
    replication:
      username: replicator
      password: $(quoted /run/secrets/replication_password)
YAML
exec patroni /tmp/patroni
