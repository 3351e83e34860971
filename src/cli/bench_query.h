/* `bench query`: how long questions to the usage APIs and the summary take over HTTPS, one after the other on one
 * connection, beside what a ready body of the same size takes (bench_limit.h). The client decrypts and reads the
 * answer; it does not parse it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "cli/import_connection.h"

#define BENCH_QUESTIONS_MAX 24
#define BENCH_TARGET_SIZE 1024
#define BENCH_REPEATS_MAX 100000

struct bench_question {
    const char *name;
    char target[BENCH_TARGET_SIZE];
    size_t repeats;
    size_t walk_pages;  /* not 0: asked once for each page, up to that many, along the links; target becomes the last */
    uint32_t *times_us; /* 'repeats' (or walk_pages) of them, sorted in the end; owned by the caller */
    size_t count;       /* asked so far */
    uint64_t body_bytes; /* of the last answer */
    double cpu_ms;       /* of the server, for one answer; negative: not known */
};

/* Asks all questions in turn. Ends early on a signal or any answer but 200. Runs the connection's loop and leaves it
 * without a client. */
MUST_CHECK err_t bench_ask(struct import_connection *connection, struct bench_question *const *questions, size_t count,
                           struct error_info *info);
/* A percentile of the times, such as 0.99, in ms. */
double bench_percentile_ms(const struct bench_question *question, double share);

int bench_query(int argc, char **argv);
