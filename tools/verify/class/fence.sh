# Makes or removes a control group of the engine: sh -s -- raise|remove NAME [MEMORY PROCESSES].
# Runs in a privileged container that has the engine's control groups at /cgroup.
set -eu

action=$1 name=$2
cd /cgroup

# Version 2 has one hierarchy, version 1 one for each controller.
if [ "$action" = remove ]; then
  find . -depth -type d -path "*/$name*" -exec rmdir {} + || true
elif [ -e cgroup.controllers ]; then
  echo '+memory +pids' >cgroup.subtree_control
  mkdir -p "$name"
  echo "$3" >"$name/memory.max"
  if [ -e "$name/memory.swap.max" ]; then echo 0 >"$name/memory.swap.max"; fi
  echo "$4" >"$name/pids.max"
else
  mkdir -p "memory/$name" "pids/$name"
  echo "$3" >"memory/$name/memory.limit_in_bytes"
  echo "$4" >"pids/$name/pids.max"
fi
