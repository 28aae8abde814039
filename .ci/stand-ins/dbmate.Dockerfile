# Stands in for the official dbmate image: dbmate as the entry point, psql, BusyBox.
FROM scratch
ADD rootfs.tar /
COPY busybox.sh /tmp/
RUN ln -s /usr/lib/postgresql/17/bin/psql /usr/local/bin/ \
  && /usr/bin/busybox sh /tmp/busybox.sh
COPY --chmod=0755 dbmate /usr/local/bin/
ENTRYPOINT ["dbmate"]
ARG RECIPE
LABEL taskapp.stand-in=$RECIPE
