# A health check in a file of its own, which is mounted.
pg_isready -q -h 127.0.0.1
