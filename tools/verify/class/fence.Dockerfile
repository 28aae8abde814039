# Starts more processes than the fence allows. Said only by a build that could not.
ARG IMAGE
FROM ${IMAGE}
ARG PROCESSES
RUN ( i=0; while [ "$i" -lt "$PROCESSES" ]; do sleep 60 & i=$((i + 1)); done; ) \
    || echo "the fence holds"
