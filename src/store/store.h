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
#include "base/crypto.h"
#include "base/error.h"
#include "base/siphash.h"
#include "base/signature.h"
#include "base/text.h"
#include "store/dictionary.h"
#include "store/kv.h"
#include "store/retention.h"
#include "store/rows.h"

#define STORE_SCHEMA_VERSION 3
/* A group commit takes jobs until their weights reach this; one larger job makes a commit of its own. */
#define STORE_GROUP_WEIGHT_MAX 4096

struct store;

struct store_options {
    const char *folder;
    bool create;                       /* make folder and store if absent; else ERROR_NOT_FOUND */
    const struct clock *clock;         /* outlives the store */
    const struct rows_engine *rows;    /* NULL: the default engine */
    size_t map_size_bytes;             /* to start with; 0: the default */
    size_t map_size_max_bytes;         /* how far it may grow; 0: KV_MAP_SIZE_BYTES_MAX */
    size_t queue_weight_max;           /* 0: the default; above it jobs are refused */
    struct retention_policy retention; /* zeros: everything is kept */
    /* Brings the locked folder's store from an older schema to the present one (usage/migrate.h). NULL: refused. */
    err_t (*upgrade)(const char *folder, uint32_t schema, struct error_info *info);
};

/* Locks the folder, checks the schema, starts the writer. Errors with one line for a person: ERROR_STORE_IN_USE,
 * ERROR_STORE_NEWER, ERROR_STORE_CORRUPT, ERROR_NOT_FOUND, ERROR_IO, ERROR_NO_MEMORY. */
MUST_CHECK err_t store_open(const struct store_options *options, struct store **out, struct error_info *info);
/* Runs what is queued, stops the writer, closes. NULL is fine. */
void store_close(struct store *store);

const char *store_folder(const struct store *store);
/* For what works on all tables: verify, backup, statistics. Reading only. */
struct kv *store_kv(const struct store *store);
const struct rows_engine *store_rows(const struct store *store);
const struct dictionary *store_dictionary(const struct store *store);
const struct retention_policy *store_retention(const struct store *store);
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
    /* Identities it is going to claim, so that the writer can look up those of a whole group at once: each lies
     * identity_stride bytes after the one before. NULL: none announced. */
    const struct hash128 *identities;
    size_t identity_count, identity_stride;
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
    uint64_t last_sequence;   /* of the journal; 0: nothing yet */
    int64_t last_reported_ns; /* of the last commit that held entries, or write_time_reached; INT64_MIN: none */
    int64_t first_live_hour;  /* -1: none */
    int64_t sealed_hour;      /* every reported hour before it is sealed; -1: no seal yet */
    uint64_t records;         /* accepted so far, history included */
    uint64_t corrections;
    uint8_t head[SHA256_SIZE]; /* of the journal */
};
MUST_CHECK err_t store_read_state(struct kv_txn *txn, struct store_state *state);

/* --- time --- */

/* Wall clock, but never before a reported time already given out nor before the end of a window that somebody was
 * told is complete. Any thread. */
int64_t store_now_ns(struct store *store);

/* A reader that waits until no commit can still report before a given time. */
struct store_waiter {
    void (*settled)(struct store_waiter *waiter); /* on the writer thread */
    struct store_waiter *next;                    /* private */
};
/* True: every commit with a reported time before end_ns is visible now and the hours before end_ns are durably sealed,
 * so a window that ends there is complete for good, also after a restart with a clock that was set back (end_ns must
 * not be later than store_now_ns). Of a window that ends within an hour that last part is complete as long as this
 * process lives. False: the writer is about to see to it; waiter->settled is called when it has (or when the seal could
 * not be written, for lack of space say: then this process keeps the window closed), then ask no more. Any thread. */
MUST_CHECK bool store_settled(struct store *store, int64_t end_ns, struct store_waiter *waiter);

/* Looks at the clock: seals what has ended, on the writer thread. Called about every second, by the demo after each
 * step of its clock. Any thread, cheap. */
void store_tick(struct store *store);

/* The sequences of what was reported in an hour lie between *first and *last, history included. ERROR_NOT_FOUND. */
MUST_CHECK err_t store_span(struct kv_txn *txn, uint32_t reported_hour, uint64_t *first, uint64_t *last);
/* When the newest record or correction was reported, live or as history; where retention has dropped it, the start of
 * that hour. INT64_MIN: there is none. */
MUST_CHECK err_t store_newest_reported(struct kv_txn *txn, int64_t *reported_ns);
/* The reported hours that hold usage of the hours [first, end), ascending and distinct; at most 'max', *more tells
 * whether there would be others. */
MUST_CHECK err_t store_usage_times(struct kv_txn *txn, uint32_t first_usage_hour, uint32_t end_usage_hour,
                                   uint32_t *reported_hours, size_t max, size_t *count, bool *more);

/* Public half of the key that signs the journal's heads. */
const struct signature_key *store_signature_key(const struct store *store);

/* --- counters for status and metrics; any thread --- */

struct store_counters {
    uint64_t commits, commit_failures, jobs, queued_weight, queued_jobs;
    int64_t last_commit_duration_ns;
    int64_t clock_went_back_count; /* times, not commits */
    uint64_t seals, upkeep_slices;
    bool upkeep_left; /* merges or deletions wait */
    bool degraded;    /* a commit failed for lack of space and none has gone through since */
};
struct store_counters store_counters(struct store *store);
MUST_CHECK err_t store_stats(struct store *store, struct kv_stats *out);

/* Tests: see kv_fail_write. Only while nothing is queued. */
void store_fail_write(struct store *store, uint64_t nth, err_t error);
