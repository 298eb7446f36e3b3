# The worker: workflows, oracle calls, supervision of trainers, and the embedded engine on CPUs.
# Build from the root of the project: docker build -f infra/deploy/images/worker.Dockerfile -t rmr1-worker .
ARG NODE_IMAGE=node:20.20.2-bookworm-slim
FROM ${NODE_IMAGE} AS build
WORKDIR /app
# The CUDA libraries of onnxruntime-node are not for this image.
ENV ONNXRUNTIME_NODE_INSTALL=skip
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM ${NODE_IMAGE}
WORKDIR /app
ENV NODE_ENV=production RMR1_HOME=/var/lib/rmr1 RMR1_CACHE=/var/cache/rmr1
RUN install -d -o node -g node /var/lib/rmr1 /var/cache/rmr1
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/recipes ./recipes
COPY --from=build /app/infra/ray ./infra/ray
USER node
# A trainer saves a last checkpoint and hands its stage back: give it 150 seconds.
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "dist/workers/main.js"]
