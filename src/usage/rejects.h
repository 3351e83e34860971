/* Records that were kept out (rejected, or in conflict with an earlier one) with what was posted, so that an operator
 * or their producer can list, fix and replay them: nothing that was refused is lost silently. They are written in the
 * transaction of their batch; a request that failed as a whole leaves nothing.
 *
 * Bounds, because a producer may send rubbish for ever: the same bytes from the same producer refused for the same
 * reason are one entry that counts up; at most REJECTS_PER_BATCH_MAX new ones a batch; beyond REJECTS_ENTRIES_MAX or
 * REJECTS_BYTES_MAX the oldest goes for each new one. What a bound cost is counted (struct reject_totals).
 *
 * Writes on the writer thread, reads from any snapshot. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/error.h"
#include "base/siphash.h"
#include "base/text.h"
#include "store/store.h"
#include "usage/ingest.h"

#define REJECTS_ENTRIES_MAX 100000
#define REJECTS_BYTES_MAX ((uint64_t)256 << 20)
#define REJECTS_PER_BATCH_MAX 10000
/* What was posted is kept up to here. */
#define REJECT_RAW_SIZE_MAX RECORD_SIZE_BYTES_MAX
#define REJECT_SOURCES_MAX 8

enum reject_state { REJECT_OPEN, REJECT_REPLAYED, REJECT_DISMISSED, REJECT_STATE_COUNT };
const char *reject_state_name(enum reject_state state); /* "open", ... */
MUST_CHECK bool reject_state_parse(struct text text, enum reject_state *state);

struct reject {
    uint64_t number; /* counts up from 1, never reused */
    enum reject_state state;
    enum verdict verdict; /* REJECTED or CONFLICT */
    err_t code;
    int64_t received_ns, last_received_ns;
    uint64_t count;             /* how often it was posted */
    uint64_t original_sequence; /* conflict: of the record that stands; else 0 */
    uint64_t replayed_sequence; /* replayed: of the record that it became, or a duplicate of */
    int64_t closed_ns;          /* INT64_MIN: open */
    uint64_t posted_size;       /* bytes; more than raw.len where it was cut */
    bool is_event;              /* raw is a CloudEvent */
    bool history;               /* posted as imported history */
    struct hash128 hash;
    struct text producer, source, id; /* source and id as far as they could be read, else ptr NULL */
    struct text target, message, closed_by;
    struct text sources[REJECT_SOURCES_MAX]; /* what the producer might post for */
    size_t source_count;
    struct text raw; /* at most REJECT_RAW_SIZE_MAX bytes; need not be JSON, nor UTF-8 */
};

/* --- writing --- */

/* Keeps what a batch did not take, after every record of it has its verdict. */
MUST_CHECK err_t rejects_keep(struct store_write *write, struct ingest_batch *batch);
/* Out of the open list: replayed (sequence of the record it became) or dismissed. ERROR_NOT_FOUND; ERROR_CONFLICT when
 * it is not open any more. */
MUST_CHECK err_t reject_close(struct store_write *write, uint64_t number, enum reject_state state, uint64_t sequence,
                              struct text by);
/* Retention: removes entries last received before before_ns, looking at about 'budget' of them a call from *position (a
 * number; 0 to begin with) onwards. *left: call again; else *position is 0. */
MUST_CHECK err_t rejects_drop(struct kv_txn *txn, int64_t before_ns, size_t budget, uint64_t *position, bool *left);

/* --- reading; texts point into the snapshot --- */

struct reject_totals {
    uint64_t states[REJECT_STATE_COUNT]; /* entries now */
    uint64_t bytes;                      /* of them */
    uint64_t evicted;                    /* entries that went before their time, for the sake of a bound */
    uint64_t not_kept;                   /* refused records beyond REJECTS_PER_BATCH_MAX */
};
/* Refused records ever received, by code; a code's index is fixed. */
#define REJECT_CODE_COUNT 7
err_t reject_code(size_t index);

MUST_CHECK err_t reject_read_totals(struct kv_txn *txn, struct reject_totals *totals,
                                    uint64_t received[REJECT_CODE_COUNT]);
/* ERROR_NOT_FOUND. */
MUST_CHECK err_t reject_get(struct kv_txn *txn, uint64_t number, struct reject *out);

struct reject_query {
    uint64_t after;
    size_t limit;
    bool states[REJECT_STATE_COUNT];
    struct text producer, source, code; /* ptr NULL: any; code: as on the wire */
};
/* A page ends after 'limit' entries, about REJECTS_PAGE_BYTES_MAX of posted text, or REJECTS_SCAN_MAX entries looked
 * at. */
#define REJECTS_PAGE_BYTES_MAX ((size_t)2 << 20)
#define REJECTS_SCAN_MAX 20000
/* Calls visit for each that fits, ascending. *more: there may be others; *last: number to go on after. */
MUST_CHECK err_t reject_list(struct kv_txn *txn, const struct reject_query *query,
                             err_t (*visit)(void *context, const struct reject *reject), void *context, uint64_t *last,
                             bool *more);

/* Bytes of one entry as counted against REJECTS_BYTES_MAX. */
uint64_t reject_size(const struct reject *reject);

/* --- replaying --- */

/* Runs a batch of one record and closes the entry when it is accepted or known already, in one transaction; refused
 * again it stays open. The batch is prepared (ingest_prepare) and has the original producer's name and rights. */
struct reject_replay {
    struct store_job job; /* first member; set job.done */
    struct ingest_batch *batch;
    uint64_t number;
    struct text by, request; /* for the audit log */
    bool corrected;          /* the record isn't the one that was kept */
    err_t refused;           /* out: ERROR_NOT_FOUND, ERROR_CONFLICT (not open any more); nothing was done then */
};
void reject_replay_init(struct reject_replay *replay, struct ingest_batch *batch, uint64_t number);

struct reject_dismiss {
    struct store_job job; /* first member */
    uint64_t number;
    struct text by, request;
    err_t refused; /* out, as above */
};
void reject_dismiss_init(struct reject_dismiss *dismiss, uint64_t number);
