# docker build --build-arg VERSION=v1.2.3 -t stackctl .
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /stackctl ./cmd/stackctl

# Certificates and nothing else: no shell, no package manager, no root.
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /stackctl /usr/local/bin/stackctl
USER 65532:65532
WORKDIR /work
ENTRYPOINT ["/usr/local/bin/stackctl"]
