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

# Debian's binary has another name than the one that monitoring/alertmanager.sh runs.
FROM debian AS alertmanager
RUN mkdir /alertmanager && chown nobody /alertmanager \
  && ln -s /usr/bin/prometheus-alertmanager /usr/bin/alertmanager
VOLUME /alertmanager
USER nobody
ENTRYPOINT ["alertmanager"]

FROM debian AS blackbox-exporter
USER nobody
ENTRYPOINT ["prometheus-blackbox-exporter"]

FROM debian AS node-exporter
USER nobody
ENTRYPOINT ["prometheus-node-exporter"]
