# Stands in for the official postgres image: same variables, init directory, data path, user, stop
# signal, BusyBox and bash.
FROM scratch
ADD rootfs.tar /
ENV LANG=C.UTF-8 \
  PGDATA=/var/lib/postgresql/data
RUN sed -i "s/^#listen_addresses = .*/listen_addresses = '*'/" \
  /usr/share/postgresql/17/postgresql.conf.sample \
  && ln -s /usr/lib/postgresql/17/bin/* /usr/local/bin/ \
  && mv /usr/bin/setpriv /usr/libexec/setpriv \
  && mkdir -p /docker-entrypoint-initdb.d "$PGDATA" /var/run/postgresql \
  && chown postgres:postgres "$PGDATA" /var/run/postgresql \
  && chmod 1777 "$PGDATA" && chmod 3777 /var/run/postgresql
COPY busybox.sh /tmp/
RUN ["/usr/bin/busybox", "sh", "/tmp/busybox.sh", "bash"]
COPY --chmod=0755 postgres-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
VOLUME /var/lib/postgresql/data
EXPOSE 5432
STOPSIGNAL SIGINT
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
ARG RECIPE
LABEL taskapp.stand-in=$RECIPE
