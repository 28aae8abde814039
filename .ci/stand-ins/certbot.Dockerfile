# Stands in for the official certbot image: certbot as the entry point, BusyBox.
FROM scratch
ADD rootfs.tar /
COPY busybox.sh /tmp/
RUN ["/usr/bin/busybox", "sh", "/tmp/busybox.sh"]
VOLUME /etc/letsencrypt /var/lib/letsencrypt
ENTRYPOINT ["certbot"]
ARG RECIPE
LABEL taskapp.stand-in=$RECIPE
