# shellcheck shell=bash
# Sourced by the scripts, in the root of the repository: sets which Compose files they use.
# On a server, COMPOSE_FILE in .env names those of production, so plain `docker compose` uses them.
# If there is only .env.prod, the scripts read that, as the course's command does.
# settings: the file with the settings. as_typed: what a person types for `docker compose`.
# shellcheck disable=SC2034

means_production() { # means_production FILE
  grep -qs '^COMPOSE_FILE=.*compose\.prod\.yml' "$1"
}

as_typed='docker compose'
settings=.env
if [ -z "${COMPOSE_FILE:-}" ] && ! means_production .env && [ -f .env.prod ]; then
  export COMPOSE_ENV_FILES=.env.prod
  as_typed+=' --env-file .env.prod'
  if ! grep -q '^COMPOSE_FILE=' .env.prod; then
    export COMPOSE_FILE=compose.yml:compose.prod.yml
    as_typed+=' -f compose.yml -f compose.prod.yml'
  fi
fi
if [ -n "${COMPOSE_ENV_FILES:-}" ]; then
  settings=${COMPOSE_ENV_FILES##*,}
elif [ .env -ef .env.prod ]; then
  settings=.env.prod # the file itself, not the link to it
fi

# refusal_of_db [TEXT]: prints why the database refuses its volume, or TEXT if it accepts it.
refusal_of_db() {
  local log refusal
  log=$(docker compose logs --no-color --no-log-prefix --tail 5 db 2>/dev/null) || true
  refusal=$(sed -n 's/^.*taskapp db: refused: //p' <<<"$log" | tail -n 1)
  printf '%s\n' "${refusal:-${1:-}}"
}
