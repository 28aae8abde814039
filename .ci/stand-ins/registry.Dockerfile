# Stands in for the official registry of images, for tests: same port, settings and directory.
FROM scratch
ADD rootfs.tar /
RUN ln -s docker-registry /usr/bin/registry && mkdir -p /var/lib/registry \
  && printf '%s\n' 'version: 0.1' 'http: { addr: ":5000" }' \
    'storage: { filesystem: { rootdirectory: /var/lib/registry } }' \
    >/etc/docker/registry/config.yml
EXPOSE 5000
VOLUME /var/lib/registry
ENTRYPOINT ["registry", "serve"]
CMD ["/etc/docker/registry/config.yml"]
ARG RECIPE
LABEL taskapp.stand-in=$RECIPE
