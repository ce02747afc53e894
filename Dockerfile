# The service, and the sandbox beside it, on Debian. Build: docker build -t latchkey .
FROM swift:6.3-bookworm AS build
RUN apt-get update \
  && apt-get install --yes --no-install-recommends libcurl4-openssl-dev libpq-dev pkg-config \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /source
# Dependencies first, so that a change of ours does not fetch them again.
COPY Package.swift ./
RUN swift package resolve
COPY sql sql
COPY Sources Sources
COPY Tests Tests
# The Swift runtime goes into the program, so that the image below needs none.
RUN swift build -c release --static-swift-stdlib --product latchkey \
  && swift build -c release --static-swift-stdlib --product bigcommerce-sandbox \
  && mkdir /staged \
  && cp .build/release/latchkey .build/release/bigcommerce-sandbox /staged/ \
  && find .build/release/ -maxdepth 1 -name '*.resources' -exec cp -r {} /staged/ \;

FROM debian:bookworm-slim
RUN apt-get update \
  && apt-get install --yes --no-install-recommends ca-certificates curl libcurl4 libpq5 \
  && rm -rf /var/lib/apt/lists/* \
  && useradd --system --uid 10001 --home-dir /var/lib/latchkey --shell /usr/sbin/nologin latchkey \
  && install -d -o latchkey -g latchkey -m 0711 /var/lib/latchkey
COPY --from=build /staged/ /usr/local/bin/
# A crash must not print memory: it holds tokens.
ENV SWIFT_BACKTRACE=enable=no \
  LATCHKEY_DATA_DIR=/var/lib/latchkey \
  LATCHKEY_LOG_FORMAT=json \
  LATCHKEY_PUBLIC_ADDRESS=0.0.0.0:8080
# The internal listener stays on loopback until LATCHKEY_INTERNAL_ADDRESS says otherwise.
USER latchkey
VOLUME /var/lib/latchkey
EXPOSE 8080 8081
# For plain HTTP; with LATCHKEY_PUBLIC_TLS_CERT replace it by one that speaks HTTPS.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["curl", "--fail", "--silent", "--output", "/dev/null", "http://127.0.0.1:8080/healthz"]
ENTRYPOINT ["latchkey"]
CMD ["serve"]
