# Stands in for the official postgres image: same variables, init directory, data path, user, stop
# signal, BusyBox and bash.
FROM scratch
ADD rootfs.tar /
ARG MAJOR
ARG VOLUME
ARG DATA
ENV LANG=C.UTF-8 \
  PG_MAJOR=$MAJOR \
  PGDATA=$DATA
# 70 is the id in the official image. Debian's package has made a cluster of its own.
RUN usermod --uid 70 postgres && groupmod --gid 70 postgres \
  && sed -i "s/^#listen_addresses = .*/listen_addresses = '*'/" \
    /usr/share/postgresql/$MAJOR/postgresql.conf.sample \
  && ln -s /usr/lib/postgresql/$MAJOR/bin/* /usr/local/bin/ \
  && mv /usr/bin/setpriv /usr/libexec/setpriv \
  && rm -rf /var/lib/postgresql/* \
  && mkdir -p /docker-entrypoint-initdb.d "$VOLUME" /var/run/postgresql \
  && chown postgres:postgres "$VOLUME" /var/run/postgresql \
  && chmod 1777 "$VOLUME" && chmod 3777 /var/run/postgresql
COPY busybox.sh /tmp/
RUN ["/usr/bin/busybox", "sh", "/tmp/busybox.sh", "bash"]
COPY --chmod=0755 postgres-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
VOLUME $VOLUME
EXPOSE 5432
STOPSIGNAL SIGINT
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
ARG RECIPE
LABEL taskapp.stand-in=$RECIPE
