# A build that starts processes without end, and never ends itself.
ARG NODE_IMAGE=node:24-trixie-slim
FROM ${NODE_IMAGE}
RUN while :; do sleep 1000 & done & while :; do :; done
