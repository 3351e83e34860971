/* The fields of a write transaction, for write.c, writer.c and those that write as they do (seal.c, replay.c). */
#pragma once

#include "store/claims.h"
#include "store/journal.h"
#include "store/pending.h"
#include "store/write.h"

#define USAGE_TIMES_REMEMBERED 4096

struct store_write {
    struct kv_txn *txn;
    const struct rows_engine *rows;
    struct dictionary *dictionary;
    int64_t reported_ns;
    struct store_state state;
    struct journal_writer journal;
    struct claims claims;
    struct pending hourly, daily, rollup;
    size_t upkeep_rows; /* due with the next commits */
    uint64_t undone;    /* transactions; see write_undone */
    uint64_t
        usage_times[USAGE_TIMES_REMEMBERED]; /* usage hour, reported hour inverted; forgotten when a commit fails */
    bool span_noted;                         /* since the last flush; then the next three are set */
    uint32_t span_hour;
    uint64_t span_first, span_last;
};

/* A write that goes on from 'state', without a transaction. 'dictionary' is borrowed and may be NULL for now. */
void write_init(struct store_write *write, const struct rows_engine *rows, const struct store_state *state,
                struct dictionary *dictionary);
/* What it holds itself; neither the transaction nor the dictionary. */
void write_free(struct store_write *write);

MUST_CHECK err_t write_flush_span(struct store_write *write);

/* What a record or a correction, journaled already, adds to. */
enum write_part { WRITE_CLAIM = 1, WRITE_HOURLY = 2, WRITE_DAILY = 4, WRITE_ALL = 7 };

/* The second half of write_record: everything but the journal. 'record' with its sequence and reported time. */
MUST_CHECK err_t write_count_record(struct store_write *write, const struct journal_record *record,
                                    const struct hash128 *identity, uint64_t content_hash, uint32_t resource,
                                    const struct write_share *shares, size_t share_count, unsigned parts);
/* The same of write_correction. 'original' with its own sequence and the reported time of the correction. */
MUST_CHECK err_t write_count_correction(struct store_write *write, const struct journal_record *original,
                                        uint32_t resource, uint64_t sequence, const struct write_share *shares,
                                        size_t share_count, unsigned parts);
