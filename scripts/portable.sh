# shellcheck shell=bash
# Sourced by the scripts: how they end, and what differs between Linux and macOS or the BSDs, whose
# tools have other options. macOS has bash 3.2, where "${list[@]}" of an empty list is an unset
# variable: write ${list[@]+"${list[@]}"}.

script=${0##*/}
script=${script%.sh}

fail() {
  echo "$script: $*" >&2
  exit 1
}

wrong() { # wrong TEXT: wrong arguments
  echo "$script: $* (see --help)" >&2
  exit 2
}

misused() {
  usage >&2
  exit 2
}

installed() { command -v "$1" >/dev/null; }

# need TOOL...: ends the script if a tool is missing. Later, that would look like another fault.
need() {
  local tool
  for tool; do
    installed "$tool" || fail "$tool is not installed, and this script needs it"
  done
}

# After this, a signal ends the script with 128 + n, through its EXIT trap. SIGPIPE is ignored:
# after a lost SSH session, the next write would otherwise kill the script, even inside that trap.
exit_on_signals() {
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  trap '' PIPE
}

# undisturbed COMMAND...: runs it in a process group of its own, which Ctrl-C does not reach. To
# ignore INT is not enough: docker would listen for it all the same.
undisturbed() {
  set -m
  "$@" </dev/null &
  set +m
  wait $!
}

# take_lock DIRECTORY: locks it until this process ends, however it ends. Returns 1 if another
# process has the lock. It must be a directory: `git pull` may replace a file with a new one, which
# would not be locked. Children inherit the lock with descriptor 9: a child that may outlive the
# script must close that descriptor.
take_lock() {
  local status=0
  exec 9<"$1" || fail "cannot read $1, whose lock prevents two runs at once; run this as its owner"
  if installed flock; then
    flock -n 9 || status=$?
  elif installed perl; then # the same system call; the lock outlives perl
    perl -MFcntl=:flock -e 'open my $f, "<&=9" or die $!; exit !flock $f, LOCK_EX | LOCK_NB' \
      || status=$?
  else
    fail 'neither flock nor perl is installed, and this script needs one of them'
  fi
  [ "$status" -le 1 ] || fail "cannot lock $1"
  return "$status"
}

if ! installed sha256sum && installed shasum; then
  sha256sum() { shasum -a 256 "$@"; }
fi

if ! installed timeout; then
  timeout() { # timeout SECONDS COMMAND...
    local seconds=$1 command watcher status=0
    shift
    "$@" <&0 & # otherwise bash gives it /dev/null
    command=$!
    (sleep "$seconds" && kill "$command") >/dev/null 2>&1 &
    watcher=$!
    { wait "$command" || status=$?; } 2>/dev/null # hides the "Terminated" of bash
    kill "$watcher" 2>/dev/null || true
    return "$status"
  }
fi

# time_before SECONDS: the time that many seconds ago, in the form that the names of backups have.
time_before() {
  local time=$(($(date +%s) - $1)) form=+%Y%m%dT%H%M%SZ
  date -u -d "@$time" "$form" 2>/dev/null || date -u -r "$time" "$form"
}

# newest_backup DIRECTORY: prints the newest verified one, if there is one. The time in the name
# counts, because a copy has another mtime. After it has verified the dump, scripts/backup.sh writes
# both .sha256 and .sums; scripts/restore-to-time.sh writes no .sums.
newest_backup() {
  local dump newest=''
  for dump in "$1"/*-????????T??????Z.dump; do
    if [ ! -s "$dump" ] || [ ! -s "$dump.sha256" ] || [ ! -s "$dump.sums" ]; then continue; fi
    [[ ${dump: -21} < ${newest: -21} ]] || newest=$dump
  done
  echo "$newest"
}

is_younger() { [[ ${1: -21:16} > $(time_before $(($2 * 3600))) ]]; } # is_younger BACKUP HOURS

# is_intact DUMP: whether the files that DUMP.sha256 names are as they were.
is_intact() {
  (cd "$(dirname "$1")" && sha256sum -c "${1##*/}.sha256" >/dev/null 2>&1)
}
