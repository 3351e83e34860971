/* A server process of the benchmark's own: this program again, as `serve` on a fresh folder; ended by its pid, the
 * folder removed. Blocking. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attributes.h"
#include "base/error.h"
#include "identity/identity.h"

struct bench_server {
    pid_t pid; /* 0: none */
    bool keep; /* the folder is not removed */
    char folder[PATH_MAX];
    char url[128], ca_file[PATH_MAX];
    char token[TOKEN_TEXT_SIZE]; /* of a producer that may post for any source, or of an operator */
};
struct store;

struct bench_server_options {
    const char *parent; /* the folder is made in it (NULL: the current folder), to measure the disk that matters */
    const char *keep;   /* or this folder, made if it is not there, and kept */
    enum role role;     /* of the token */
    /* Optional: what the store is to hold before the server starts. */
    err_t (*prepare)(struct store *store, void *context, struct error_info *info);
    void *context;
};

/* On an error nothing is left behind, but for a folder to keep. */
MUST_CHECK err_t bench_server_start_with(struct bench_server *server, const struct bench_server_options *options,
                                         struct error_info *info);
/* With a producer's token and an empty store. */
MUST_CHECK err_t bench_server_start(struct bench_server *server, const char *parent, struct error_info *info);
/* CPU time of the process so far, user and system; -1 when it cannot be read. */
double bench_server_cpu_seconds(const struct bench_server *server);
/* Bytes that the store takes on disk; -1 when they cannot be read. */
int64_t bench_server_disk_bytes(const struct bench_server *server);
void bench_server_stop(struct bench_server *server);
