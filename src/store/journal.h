/* The journal: every accepted record, in order, for good. A segment holds the records of one commit (large
 * commits make several) under the sequence of its first record; everything else in the store can be rebuilt
 * from it. Segments are immutable. Texts that repeat are dictionary ids; the id is kept in full. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/decimal.h"
#include "base/error.h"
#include "base/text.h"
#include "store/kv.h"

#define JOURNAL_VERSION 1
/* A segment is closed above this, so that LMDB never hunts for long spans of free pages. */
#define JOURNAL_SEGMENT_SIZE_BYTES (60 * 1024)

struct journal_record {
    uint64_t sequence;
    int64_t reported_ns;
    uint32_t producer, source, subscription, meter, instance; /* dictionary ids */
    struct text id;
    int64_t start_ns, end_ns;
    struct decimal quantity;
    bool quantity_is_number; /* as posted: JSON number, else string */
    bool history;            /* imported with its own reported time */
};

/* --- writing (writer thread) --- */

struct journal_writer {
    struct buffer segment;
    uint64_t first_sequence;
    int64_t reported_ns; /* of the commit; set before its first record */
    uint32_t count;
};
/* Adds a record (its sequence follows the one before); closes a full segment into the table. */
MUST_CHECK err_t journal_add(struct journal_writer *writer, struct kv_txn *txn, const struct journal_record *record);
/* Writes what is left of the commit. The buffer is kept for the next one. */
MUST_CHECK err_t journal_flush(struct journal_writer *writer, struct kv_txn *txn);

/* --- reading (any snapshot; texts live as long as the transaction) --- */

struct journal_reader {
    struct kv_cursor *cursor;
    const uint8_t *next, *end;
    uint64_t sequence;
    int64_t reported_ns;
    uint32_t left;
};
/* Positions before the record with that sequence, or the next higher one. */
MUST_CHECK err_t journal_open(struct kv_txn *txn, uint64_t from_sequence, struct journal_reader *reader);
/* ERROR_NOT_FOUND at the end, ERROR_STORE_CORRUPT when a segment does not decode. */
MUST_CHECK err_t journal_next(struct journal_reader *reader, struct journal_record *record);
void journal_close(struct journal_reader *reader);
/* One record. ERROR_NOT_FOUND. */
MUST_CHECK err_t journal_get(struct kv_txn *txn, uint64_t sequence, struct journal_record *record);
