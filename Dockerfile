# A static binary, certificates, and nothing else; runs as nobody in particular. docs/container.md says how.
#
# The base image is named by tag, so that whoever builds gets Go's security fixes. To build the same image
# again, name it by digest: --build-arg GO_IMAGE=golang:1.26@sha256:…
# It runs on the machine that builds and compiles for the one that is asked for: nothing is emulated.
ARG GO_IMAGE=docker.io/library/golang:1.26
FROM --platform=$BUILDPLATFORM ${GO_IMAGE} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS=linux
ARG TARGETARCH
ARG VERSION=dev
# The tags are the Makefile's, which says what they are for.
# The version comes as an argument, so that git and its history need not be in the image.
RUN CGO_ENABLED=0 GOOS=${TARGETOS} GOARCH=${TARGETARCH} go build -buildvcs=false -trimpath -tags timetzdata,grpcnotrace -ldflags "-s -w -X main.version=${VERSION}" -o /out/rotatord ./cmd/rotatord \
 && mkdir -p /out/state

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/rotatord /rotatord
# The store: a volume that is kept, else every start is a first sight.
COPY --from=build --chown=65532:65532 /out/state /var/lib/rotatord
ARG VERSION=dev
ARG REVISION=unknown
# RFC 3339. It has no default that tells the time: what is built twice should be the same.
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="rotatord" \
      org.opencontainers.image.description="Keeps Planet Destinations working while their credentials rotate" \
      org.opencontainers.image.source="https://github.com/rotatord/rotatord" \
      org.opencontainers.image.documentation="https://github.com/rotatord/rotatord/blob/main/docs/container.md" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
ENV STATE_DIRECTORY=/var/lib/rotatord
VOLUME /var/lib/rotatord
# Of the admin listener, where the configuration opens it to others: by itself it listens on 127.0.0.1.
EXPOSE 9464
USER 65532:65532
# There is no shell here: the binary asks itself. Kubernetes takes no notice of it and has probes.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 CMD ["/rotatord", "health"]
ENTRYPOINT ["/rotatord"]
CMD ["run"]
