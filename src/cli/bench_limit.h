/* What TLS, HTTP and the sockets of this program cost for a body of a given size, nothing else: a process that
 * answers GET /SIZE with SIZE bytes that lie ready, over the same server code. The limit that `bench query` compares
 * with. */
#pragma once

#include <limits.h>
#include <sys/types.h>

#include "base/attributes.h"
#include "base/error.h"

#define BENCH_LIMIT_BYTES_MAX ((size_t)16 * 1024 * 1024)

struct bench_limit {
    pid_t pid; /* 0: none */
    char url[128], ca_file[PATH_MAX];
};

/* The process writes its files to 'folder' and dies with this one. It is forked: no other thread may run. */
MUST_CHECK err_t bench_limit_start(struct bench_limit *limit, const char *folder, struct error_info *info);
void bench_limit_stop(struct bench_limit *limit);
