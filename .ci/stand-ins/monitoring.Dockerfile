# Stand in for the official images of the profile monitoring, one target each: same program, user
# and data path, and BusyBox.
FROM scratch AS debian
ADD rootfs.tar /
COPY busybox.sh /tmp/
RUN ["/usr/bin/busybox", "sh", "/tmp/busybox.sh"]
ARG RECIPE
LABEL taskapp.stand-in=$RECIPE

FROM debian AS prometheus
RUN mkdir /prometheus && chown nobody /prometheus
VOLUME /prometheus
USER nobody
ENTRYPOINT ["prometheus"]

FROM debian AS postgres-exporter
USER nobody
ENTRYPOINT ["prometheus-postgres-exporter"]

FROM debian AS nginx-prometheus-exporter
USER nobody
ENTRYPOINT ["prometheus-nginx-exporter"]

FROM debian AS node-exporter
USER nobody
ENTRYPOINT ["prometheus-node-exporter"]
