#!/bin/sh
# Found before the server by the image's entrypoint, which has put the password from its file into the environment and
# would leave it there for the life of the server, in /proc/1/environ.
unset POSTGRES_PASSWORD PGPASSWORD
PATH=${PATH#/usr/local/sbin:}
exec postgres "$@"
