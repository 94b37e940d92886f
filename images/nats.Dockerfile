# nats-server alone, for clusters that pull no image (`make cluster`). Elsewhere the chart uses the official image.
FROM scratch
COPY nats-server /nats-server
USER 1000:1000
ENTRYPOINT ["/nats-server"]
