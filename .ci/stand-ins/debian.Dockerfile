# Stands in for the official debian image.
FROM scratch
ADD rootfs.tar /
CMD ["bash"]
ARG RECIPE
LABEL taskapp.stand-in=$RECIPE
