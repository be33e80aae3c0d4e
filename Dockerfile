# A static binary, certificates, and nothing else; runs as nobody in particular.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
# The tags are the Makefile's, which says what they are for.
# The version comes as an argument, so that git and its history need not be in the image.
RUN CGO_ENABLED=0 go build -buildvcs=false -trimpath -tags timetzdata,grpcnotrace -ldflags "-s -w -X main.version=${VERSION}" -o /out/rotatord ./cmd/rotatord \
 && mkdir -p /out/state

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/rotatord /rotatord
# The store: a volume that is kept, else every start is a first sight.
COPY --from=build --chown=65532:65532 /out/state /var/lib/rotatord
ENV STATE_DIRECTORY=/var/lib/rotatord
VOLUME /var/lib/rotatord
USER 65532:65532
ENTRYPOINT ["/rotatord"]
CMD ["run"]
