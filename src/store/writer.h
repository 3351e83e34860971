/* The writer thread: takes jobs from a bounded queue, runs whatever waits in one transaction (group commit:
 * the batch adapts to load without a timer), commits, reports. It owns the only write transaction. Between commits it
 * seals hours that have ended and does the row engine's upkeep in short transactions. */
#pragma once

#include "store/store.h"

struct writer;

struct writer_options {
    struct kv *kv;
    const struct rows_engine *rows;
    struct dictionary *dictionary;
    const struct clock *clock;
    size_t queue_weight_max;
    struct store_state state;                  /* as read at start */
    const struct signature_key *signature_key; /* signs heads; outlives the writer */
    struct retention_policy retention;
};

MUST_CHECK err_t writer_start(const struct writer_options *options, struct writer **out);
/* Runs what is queued, joins, frees. */
void writer_stop(struct writer *writer);
MUST_CHECK err_t writer_submit(struct writer *writer, struct store_job *job);
int64_t writer_now_ns(struct writer *writer);
MUST_CHECK bool writer_settled(struct writer *writer, int64_t end_ns, struct store_waiter *waiter);
void writer_tick(struct writer *writer);
struct store_counters writer_counters(struct writer *writer);
/* Tests: no upkeep of its own until told otherwise, so that it takes no part in counted writes; returns when none is
 * under way. */
void writer_pause_upkeep(struct writer *writer, bool paused);

/* Meta table (state.c). */
#define STATE_OF_NEW_STORE ((struct store_state){ 0, INT64_MIN, -1, -1, 0, 0, { 0 } })
MUST_CHECK err_t state_read(struct kv_txn *txn, struct store_state *state);
MUST_CHECK err_t state_write(struct kv_txn *txn, const struct store_state *state);
