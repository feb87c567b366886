# The image of vmemd: the service and what it needs at run time, no build tools, no root.
#
#   docker build -t vmemd .
#   docker run -p 7070:7070 -v vmemd-data:/data \
#     -v ./tokens:/run/tokens:ro -e VMEMD_TOKENS=/run/tokens vmemd
#
# A container is reached from outside, so the service listens on all addresses in it, and it refuses
# to do that without tokens: started with neither, the container ends at once (exit code 2) and says
# what is missing. The file of tokens has one of at least 16 characters on each line, and has to be
# readable for user 1000. Where everyone who can connect may do everything, say -e VMEMD_INSECURE=1.
#
# The steps keep to paths in /vmemd and /data and to plain shell, because test/dockerfile.test.ts
# carries them out without a container engine.

# The slim image has glibc, which the database's own binary is made for on most machines; that comes
# inside its package, so that no install script has to run and nothing is compiled.
FROM node:24-slim AS dependencies
WORKDIR /vmemd
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts
RUN mkdir /data

FROM node:24-slim
WORKDIR /vmemd
COPY --from=dependencies /vmemd/node_modules ./node_modules
COPY package.json LICENSE ./
COPY migrations ./migrations
COPY src ./src
# A new volume takes over the owner of what the image has in its place.
COPY --from=dependencies --chown=1000:1000 /data /data

ENV NODE_ENV=production
ENV VMEMD_HOST=0.0.0.0
ENV VMEMD_PORT=7070
ENV VMEMD_DATA=/data
# The user "node" of the base image. The number lets an orchestrator see that it is not root.
USER 1000:1000
VOLUME /data
EXPOSE 7070
# The start includes recovery, during which nobody is answered yet.
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.VMEMD_PORT}/livez`) \
    .then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# What the runtime is told by `npm start` as well; the README says what for.
ENV GLIBC_TUNABLES=glibc.malloc.mmap_threshold=1048576
# Without a shell in between, so that SIGTERM reaches the service.
ENTRYPOINT ["node", "--max-semi-space-size=16", "--use-largepages=silent", "src/vmemd.js"]
CMD ["serve"]
