#!/bin/sh
# Lists every file that is not temporary, with its owner, mode, time and size.
find / -xdev \
  -path /tmp -prune -o -path /run -prune -o -path /proc -prune -o -path /sys -prune -o \
  -printf '%p %U:%G %m %T@ %s %l\n' | sort
