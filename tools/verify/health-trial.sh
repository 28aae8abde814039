# Answers whatever it is asked on its ports with 503, or with nothing once /tmp/silent exists:
# sh /verify.sh PORT…
answer() {
  # Whoever waits for the server to speak first would wait for long.
  timeout 3 dd bs=4096 count=1 >/dev/null 2>&1 || return
  if [ -e /tmp/silent ]; then return; fi
  printf 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 20\r\n'
  printf 'Connection: close\r\n\r\nservice unavailable\n'
}

if [ "$1" = answer ]; then
  answer
elif command -v perl >/dev/null; then
  exec perl /verify.pl "$@"
else
  # BusyBox has two versions of nc.
  again=-lk
  if nc --help 2>&1 | grep -q -e -ll; then again=-ll; fi
  for port; do
    nc "$again" -p "$port" -e sh /verify.sh answer &
  done
  wait
fi
