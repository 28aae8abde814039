# shellcheck shell=bash
# Sourced by the scripts, in the root of the repository: which Compose files they use. On a server, where .env.prod is,
# those that it names as COMPOSE_FILE, or else those of production; elsewhere what `docker compose` takes by itself.
if [ -z "${COMPOSE_FILE:-}" ] && [ -f .env.prod ]; then
  export COMPOSE_ENV_FILES=.env.prod
  grep -q '^COMPOSE_FILE=' .env.prod || export COMPOSE_FILE=compose.yml:compose.prod.yml
fi
