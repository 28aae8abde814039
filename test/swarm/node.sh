#!/bin/sh
# Runs dockerd as on a machine of its own. nodes.ts calls it in new namespaces:
#   node.sh NAME DIRECTORY CGROUP
# Its files are in DIRECTORY, so they outlive this machine; its containers do not.
set -eu
hostname "$1"
ip link set lo up
# Paths that every dockerd uses, whatever its options say.
for directory in /run/docker /run/containerd; do
  mkdir -p "$directory"
  mount -t tmpfs tmpfs "$directory"
done
# As process 1 of its namespace, docker-init reaps what containers leave behind.
exec docker-init -- dockerd \
  --config-file "$2/daemon.json" \
  --data-root "$2/data" \
  --pidfile /run/docker/docker.pid \
  --host "unix://$2/docker.sock" \
  --exec-opt native.cgroupdriver=cgroupfs \
  --cgroup-parent "$3"
