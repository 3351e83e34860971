/* Corrections: void or amend one accepted record. The original stays; what changes is added as a signed difference per
 * usage hour to the open reported hour, so that no window that somebody has read ever changes. A voided record gives
 * back exactly what it counted for, in each hour and each day. Source: interface.md section 3.
 *
 * A correction says what the record counts for from now on, not by how much it changes. So sending one again is safe:
 * a correction to the state that the record is in already changes nothing and is answered as success.
 *
 * Ownership: a batch and everything in it lives in the arena given; it must stay until the job is done. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/decimal.h"
#include "base/error.h"
#include "base/text.h"
#include "store/journal.h"
#include "store/store.h"
#include "store/write.h"
#include "usage/ingest.h"

#define CORRECTIONS_PER_REQUEST_MAX 1000
/* A record takes this many corrections; then only a void is let in, so that there is always a way out. */
#define CORRECTIONS_PER_RECORD_MAX 100
#define CORRECTION_REASON_SIZE_MAX 1024

const char *correction_action_name(enum correction_action action); /* "void", "amend" */

/* One correction as asked for, and what became of it. */
struct correction {
    struct text source, id; /* empty when they could not be read */
    enum correction_action action;
    struct decimal quantity; /* amend */
    struct text reason;
    struct hash128 identity;
    bool refused; /* by parsing; failure tells why */

    /* Filled by the job. */
    struct error_info failure; /* code ERROR_OK: done */
    bool changed;              /* false: the record was in that state already; the rest tells since when */
    uint64_t sequence;         /* of the correction in force; of the record where there is none */
    int64_t reported_ns;       /* of the same */
    struct decimal counted;    /* what the record counts for */
    struct decimal difference; /* that the correction in force made */
};

struct correction_batch {
    struct store_job job; /* first member */
    struct arena *arena;
    struct ingest_producer party; /* who asks; operators may correct any source ("*") */
    const uint8_t *hash_key;
    struct correction *corrections;
    size_t count;
    bool is_list;        /* the body was an array */
    void *owner;         /* the caller's, for its done function */
    struct text request; /* id of the HTTP request, for the audit log; ptr NULL: none */
};

/* NULL when memory is short. party's texts are borrowed. */
MUST_CHECK struct correction_batch *correction_new(struct arena *arena, const struct ingest_producer *party,
                                                   const uint8_t *hash_key);
/* Reads a body: one correction or an array of at most CORRECTIONS_PER_REQUEST_MAX. What is wrong with a single one is
 * left in its failure. ERROR_INVALID_REQUEST_CONTENT when the body is no such JSON, ERROR_NO_MEMORY. */
MUST_CHECK err_t correction_parse(struct correction_batch *batch, struct text body, struct error_info *info);
/* Hands the batch to the writer; done(job) as in store_job, NULL: waits. */
MUST_CHECK err_t correction_submit(struct correction_batch *batch, struct store *store,
                                   void (*done)(struct store_job *job));

/* By how much each usage hour of a record changes when it counts for 'to' instead of 'from' (neither negative): shares
 * of one minus shares of the other, as rebuild needs them, too. Hours that do not change are left out, so *count may
 * be 0. NULL: no memory. */
MUST_CHECK const struct write_share *correction_shares(struct arena *arena, const struct journal_record *record,
                                                       const struct decimal *from, const struct decimal *to,
                                                       size_t *count);

/* One more than the limit: the last void. */
#define CORRECTIONS_STORED_MAX (CORRECTIONS_PER_RECORD_MAX + 1)
/* The sequences of a record's corrections, in order. Any transaction. */
MUST_CHECK err_t correction_sequences(struct kv_txn *txn, uint64_t original, uint64_t sequences[CORRECTIONS_STORED_MAX],
                                      size_t *count);
