# Any node of a cluster, on Bun: src/router.ts by default, src/data.ts or src/cli.ts as the command.

FROM node:24-slim AS packages
WORKDIR /kvlab
COPY package.json package-lock.json ./
# Bun is among the optional packages, and comes with the image below.
RUN npm ci --omit=dev --omit=optional --ignore-scripts

FROM oven/bun:1.4.5-slim
WORKDIR /kvlab
COPY --from=packages /kvlab/node_modules node_modules
COPY package.json ./
COPY gen gen
COPY src src
# A new volume takes over the owner of the folder that it is mounted on.
RUN mkdir /data && chown bun:bun /data
USER bun
EXPOSE 1926
# Healthy once the node says that it serves. The address is that of the settings, which are environment variables.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s CMD ["bun", "-e", "\
  const { serverip = require('os').hostname(), serverport = 1926 } = process.env; \
  const url = `http://${serverip}:${serverport}/grpc.health.v1.Health/Check`; \
  const headers = { 'content-type': 'application/json' }; \
  const answer = await fetch(url, { method: 'POST', headers, body: '{}' }).then((it) => it.json()); \
  process.exit(answer.status === 'SERVING' ? 0 : 1);"]
# Without a shell in between, signals reach the node: it drains and leaves the cluster at once.
ENTRYPOINT ["bun", "run"]
CMD ["src/router.ts"]
