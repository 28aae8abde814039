# shellcheck shell=bash
# Sourced by the scripts, in the root of the repository: which Compose files they use. On a server, where .env.prod is,
# those that it names as COMPOSE_FILE, or else those of production; elsewhere what `docker compose` takes by itself.
# as_typed is the same for a person's shell, which has none of these settings.
# shellcheck disable=SC2034
as_typed='docker compose'
if [ -z "${COMPOSE_FILE:-}" ] && [ -f .env.prod ]; then
  export COMPOSE_ENV_FILES=.env.prod
  as_typed+=' --env-file .env.prod'
  if ! grep -q '^COMPOSE_FILE=' .env.prod; then
    export COMPOSE_FILE=compose.yml:compose.prod.yml
    as_typed+=' -f compose.yml -f compose.prod.yml'
  fi
fi
