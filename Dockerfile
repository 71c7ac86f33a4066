# Any node of a cluster, as the one executable that holds all: a router by default; `data`, or any command of kvlab, as the
# command.

FROM node:24-slim AS packages
WORKDIR /kvlab
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts

FROM oven/bun:1.4.5-slim AS executable
WORKDIR /kvlab
COPY --from=packages /kvlab/node_modules node_modules
COPY package.json package-lock.json LICENSE THIRD-PARTY-NOTICES.md ./
COPY proto proto
COPY scripts scripts
COPY gen gen
COPY src src
RUN bun scripts/build-binary.mjs

FROM debian:stable-slim
COPY --from=executable /kvlab/build/kvlab /usr/local/bin/kvlab
# A new volume takes over the owner of the folder that it is mounted on.
RUN useradd --create-home kvlab && mkdir /data && chown kvlab:kvlab /data
USER kvlab
EXPOSE 1926
# Healthy once the node says that it serves. The address is that of the settings, which are environment variables. With
# BUN_BE_BUN the executable is the Bun that is in it.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s CMD ["env", "BUN_BE_BUN=1", "kvlab", "-e", "\
  const { serverip = require('os').hostname(), serverport = 1926 } = process.env; \
  const url = `http://${serverip}:${serverport}/grpc.health.v1.Health/Check`; \
  const headers = { 'content-type': 'application/json' }; \
  const answer = await fetch(url, { method: 'POST', headers, body: '{}' }).then((it) => it.json()); \
  process.exit(answer.status === 'SERVING' ? 0 : 1);"]
# Without a shell in between, signals reach the node: it drains and leaves the cluster at once.
ENTRYPOINT ["kvlab"]
CMD ["router"]
