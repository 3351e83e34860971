/* The load of `bench ingest`: N keep-alive connections, a request under way on each, records that are all new. The
 * bodies are made before the clock starts; between requests only ids, resources and hours are overwritten in place,
 * so that making load costs the client little more than TLS. One thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "cli/import_connection.h"

#define BENCH_CONNECTIONS_MAX 256
#define BENCH_BATCH_MAX 20000
#define BENCH_SINGLES_MAX 64

struct bench_ingest_options {
    uint64_t records;
    size_t connections, batch;
    size_t singles; /* connections besides, each posting single records one after another while the batches run */
    bool gzip;      /* compress the bodies of batches */
    bool progress;  /* tell on stderr once a second */
};

struct bench_ingest_result {
    uint64_t records;           /* acknowledged as accepted */
    uint64_t requests, retries; /* retries: 429 and 503 */
    uint64_t bytes;             /* of bodies, not compressed */
    uint64_t sent_bytes;        /* of bodies as they went over the wire */
    size_t record_size_bytes;
    double seconds, client_cpu_seconds;
    double p50_ms, p99_ms, max_ms; /* per request, waiting after 429 left out */
    double first_tenth_per_second, last_tenth_per_second;
    uint64_t singles; /* acknowledged, not counted above */
    double singles_p50_ms, singles_p99_ms, singles_max_ms;
    bool interrupted;
};

/* Runs the connection's loop until all is acknowledged, a request is refused for good, or a signal comes. */
MUST_CHECK err_t bench_ingest_run(struct import_connection *connection, const struct bench_ingest_options *options,
                                  struct bench_ingest_result *result, struct error_info *info);
