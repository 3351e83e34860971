/* Jobs that wait for the writer, in two lanes: small ones (a single record, a token, a subscription) need not wait for
 * the thousands of rows of batches that came before them, and batches are never put off for long. A group is either of
 * small or of big jobs, in the order in which they came.
 *
 * The bound: between two groups of big jobs there is at most QUEUE_PASSES_MAX group of small ones, so a big job with k
 * big groups before it starts after at most k + (k + 1) * QUEUE_PASSES_MAX groups.
 * Not thread-safe: the writer's mutex guards it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "store/store.h"

/* Rows that a small job may write: some hours of one record. */
#define QUEUE_SMALL_WEIGHT_MAX 16
#define QUEUE_PASSES_MAX 1
/* While small jobs come, big groups are kept this light (one batch of a thousand), because who comes next waits for the
 * group under way. Two clients that post single records beside 8 with batches, on a busy machine: median 40 ms in one
 * lane, 29 ms with two lanes, 18 ms at a weight of 2,048, 11 ms at 1,024; the batches lose up to half of their rate. */
#define QUEUE_GROUP_WEIGHT_SHARED 1024
/* ... and for as many big groups after the last small one. */
#define QUEUE_SHARED_GROUPS 16

struct queue_lane {
    struct store_job *first, **last;
};

struct queue {
    struct queue_lane small, big;
    size_t weight, jobs;
    unsigned passes; /* groups of small jobs since the last group of big ones */
    unsigned shared; /* big groups that are still to be kept light */
};

void queue_init(struct queue *queue);
/* The job's memory stays the caller's. */
void queue_put(struct queue *queue, struct store_job *job);
/* The next group as a list, NULL when nothing waits. Its weight is at most STORE_GROUP_WEIGHT_MAX unless it is one job
 * alone. */
struct store_job *queue_take(struct queue *queue);
