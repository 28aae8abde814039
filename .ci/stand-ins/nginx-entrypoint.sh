#!/bin/sh
# Does what the official image's entrypoint promises: sources *.envsh, runs *.sh, fills in the
# templates (an unwritable target is only an error in the log there, too) and becomes nginx.
set -e

if [ "$1" = nginx ]; then
  if [ -n "${NGINX_ENTRYPOINT_LOCAL_RESOLVERS:-}" ]; then
    NGINX_LOCAL_RESOLVERS=$(awk '$1 == "nameserver" { printf "%s ", $2 }' /etc/resolv.conf)
    export NGINX_LOCAL_RESOLVERS
  fi
  for file in /docker-entrypoint.d/*; do
    [ -x "$file" ] || continue
    # shellcheck source=/dev/null
    case $file in
      *.envsh) . "$file" ;;
      *.sh) "$file" ;;
    esac
  done
  for template in /etc/nginx/templates/*.template; do
    [ -e "$template" ] || continue
    output=${NGINX_ENVSUBST_OUTPUT_DIR:-/etc/nginx/conf.d}
    if [ ! -w "$output" ]; then
      echo "$0: ERROR: $output is not writable"
      break
    fi
    # Only variables that exist are replaced: nginx has its own $variables.
    names=$(awk 'BEGIN { for (name in ENVIRON) printf "${%s} ", name }')
    target=$output/$(basename "$template" .template)
    envsubst "$names" <"$template" >"$target"
  done
fi

exec "$@"
