# Stands in for the official nginx image: user nginx (101), /docker-entrypoint.d, templates, logs
# on the container's streams, BusyBox.
FROM scratch
ADD rootfs.tar /
RUN userdel _apt 2>/dev/null || true; \
    groupadd --system --gid 101 nginx \
 && useradd --system --uid 101 --gid 101 --no-create-home --home-dir /nonexistent \
      --shell /bin/false nginx \
 && rm -f /etc/nginx/sites-enabled/default \
 && mkdir -p /docker-entrypoint.d /etc/nginx/templates /etc/nginx/conf.d \
 && ln -sf /dev/stdout /var/log/nginx/access.log \
 && ln -sf /dev/stderr /var/log/nginx/error.log \
 && echo 'server { listen 80; location / { return 200 "Welcome to nginx!\n"; } }' \
      > /etc/nginx/conf.d/default.conf
COPY busybox.sh /tmp/
RUN ["/usr/bin/busybox", "sh", "/tmp/busybox.sh"]
COPY --chmod=0755 nginx-entrypoint.sh /docker-entrypoint.sh
EXPOSE 80
STOPSIGNAL SIGQUIT
ENTRYPOINT ["/docker-entrypoint.sh"]
CMD ["nginx", "-g", "daemon off;"]
ARG RECIPE
LABEL taskapp.stand-in=$RECIPE
