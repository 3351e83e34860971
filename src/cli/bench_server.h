/* A server process of the benchmark's own: this program again, as `serve` on a fresh folder; ended by its pid, the
 * folder removed. Blocking. */
#pragma once

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attributes.h"
#include "base/error.h"
#include "identity/identity.h"

struct bench_server {
    pid_t pid; /* 0: none */
    char folder[PATH_MAX];
    char url[128], ca_file[PATH_MAX];
    char token[TOKEN_TEXT_SIZE]; /* of a producer that may post for any source */
};

/* The folder is made in 'parent' (NULL: the current folder), to measure the disk that matters. On an error nothing
 * is left behind. */
MUST_CHECK err_t bench_server_start(struct bench_server *server, const char *parent, struct error_info *info);
/* CPU time of the process so far, user and system; -1 when it cannot be read. */
double bench_server_cpu_seconds(const struct bench_server *server);
/* Bytes that the store takes on disk; -1 when they cannot be read. */
int64_t bench_server_disk_bytes(const struct bench_server *server);
void bench_server_stop(struct bench_server *server);
