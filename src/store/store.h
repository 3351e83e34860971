/* The usage store: one folder, one writer thread, any number of snapshot readers. Knows nothing of what the
 * records mean; the domain gives it rows to add and reads rows back.
 *
 * Promises kept here (architecture section 3): 1 (a job is reported done after its commit is durable, and
 * everything it changed becomes visible at once), 2 (identities never expire), 9 (a crash loses nothing
 * that was reported done). Time: reported time is taken at commit and never goes back. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/siphash.h"
#include "base/text.h"
#include "store/dictionary.h"
#include "store/kv.h"
#include "store/rows.h"

#define STORE_SCHEMA_VERSION 1
/* A group commit takes jobs until their weights reach this; one larger job makes a commit of its own. */
#define STORE_GROUP_WEIGHT_MAX 4096

struct store;

struct store_options {
    const char *folder;
    bool create;                    /* make folder and store if absent; else ERROR_NOT_FOUND */
    const struct clock *clock;      /* outlives the store */
    const struct rows_engine *rows; /* NULL: the default engine */
    size_t map_size_bytes;          /* 0: the default */
    size_t queue_weight_max;        /* 0: the default; above it jobs are refused */
};

/* Locks the folder, checks the schema, starts the writer. Errors with one line for a person: ERROR_STORE_IN_USE,
 * ERROR_STORE_NEWER, ERROR_STORE_CORRUPT, ERROR_NOT_FOUND, ERROR_IO, ERROR_NO_MEMORY. */
MUST_CHECK err_t store_open(const struct store_options *options, struct store **out, struct error_info *info);
/* Runs what is queued, stops the writer, closes. NULL is fine. */
void store_close(struct store *store);

const char *store_folder(const struct store *store);
const struct rows_engine *store_rows(const struct store *store);
const struct dictionary *store_dictionary(const struct store *store);
/* Secret of this store for keyed hashes (record identities, page tokens); SIPHASH_KEY_SIZE bytes. */
const uint8_t *store_hash_key(const struct store *store);

/* --- writing --- */

struct store_write; /* the transaction a job runs in: store/write.h */

/* One unit of work for the writer. run() is called on the writer thread inside a transaction that it may
 * share with other jobs; it either succeeds as a whole or returns a storage error, after which the whole
 * transaction is undone and it may be called again, alone. Findings of the domain (a verdict, a conflict)
 * are results in the caller's own struct, not errors. done() is called on the writer thread, exactly once,
 * after the commit is durable or has failed (job->error). The job's memory is the caller's until then. */
struct store_job {
    err_t (*run)(struct store_write *write, struct store_job *job);
    void (*done)(struct store_job *job);
    size_t weight; /* rows it may write, for bounds; 1 for small things */
    err_t error;
    struct store_job *next; /* private */
};
/* Any thread. ERROR_TOO_MANY_REQUESTS when the queue is full, ERROR_CANCELLED while closing: done() is then
 * not called. */
MUST_CHECK err_t store_submit(struct store *store, struct store_job *job);
/* Submits and waits; for commands and tests, never on the loop thread. Uses job->done itself. */
MUST_CHECK err_t store_run(struct store *store, struct store_job *job);

/* --- reading --- */

MUST_CHECK err_t store_read_begin(struct store *store, struct kv_txn **txn);
void store_read_end(struct kv_txn *txn);

struct store_state {
    uint64_t last_sequence;   /* 0: no record yet */
    int64_t last_reported_ns; /* of the last commit that held records; INT64_MIN: none */
    int64_t first_live_hour;  /* -1: none */
};
MUST_CHECK err_t store_read_state(struct kv_txn *txn, struct store_state *state);

/* --- time --- */

/* Wall clock, but never before a reported time already given out nor before the end of a window that somebody was
 * told is complete. Any thread. */
int64_t store_now_ns(struct store *store);

/* A reader that waits until no commit can still report before a given time. */
struct store_waiter {
    void (*settled)(struct store_waiter *waiter); /* on the writer thread */
    int64_t end_ns;                               /* private */
    struct store_waiter *next;                    /* private */
};
/* True: every commit with a reported time before end_ns is visible now, so a window that ends there is
 * complete for good (end_ns must not be later than store_now_ns). False: a commit is under way;
 * waiter->settled is called when it is over, then ask no more. Any thread. */
MUST_CHECK bool store_settled(struct store *store, int64_t end_ns, struct store_waiter *waiter);

/* --- counters for status and metrics; any thread --- */

struct store_counters {
    uint64_t commits, commit_failures, jobs, queued_weight, queued_jobs;
    int64_t last_commit_duration_ns;
    int64_t clock_went_back_count;
    bool degraded; /* a commit failed for lack of space and none has gone through since */
};
struct store_counters store_counters(struct store *store);
MUST_CHECK err_t store_stats(struct store *store, struct kv_stats *out);

/* Tests: see kv_fail_write. Only while nothing is queued. */
void store_fail_write(struct store *store, uint64_t nth, err_t error);
