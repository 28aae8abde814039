# Stands in for the official image of pebble, an ACME server for tests.
FROM scratch
ADD rootfs.tar /
ENTRYPOINT ["pebble"]
ARG RECIPE
LABEL taskapp.stand-in=$RECIPE
