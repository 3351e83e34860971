/* A small fixed pool of threads for work that must not run on the loop: long reads, password hashing,
 * exports. Jobs run in the order submitted, on whichever thread is free. The queue is bounded. */
#pragma once

#include <stddef.h>

#include "base/attributes.h"
#include "base/error.h"

#define WORKERS_THREADS_MAX 16
#define WORKERS_QUEUE_MAX 1024

struct workers;

/* thread_count 1..WORKERS_THREADS_MAX; threads are named 'name'-0, ... and get 1 MiB stacks. */
MUST_CHECK err_t workers_start(size_t thread_count, const char *name, struct workers **out);
/* run(context, thread_index) is called once on a worker. ERROR_TOO_MANY_REQUESTS when the queue is full
 * (nothing queued), ERROR_CANCELLED after workers_stop began. Any thread. */
MUST_CHECK err_t workers_submit(struct workers *workers, void (*run)(void *context, size_t thread_index),
                                void *context);
/* Runs what is queued, joins the threads, frees. NULL is fine. */
void workers_stop(struct workers *workers);
size_t workers_queued_count(struct workers *workers);
