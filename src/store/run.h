/* One run: an immutable ascending sequence of rows of one bucket. In KV_BLOCKS under (run, first key) lie blocks of
 * rows, each at most 16 pages with LMDB's header and kv's checksum, so that LMDB never hunts for long spans of free
 * pages; its own tree finds the block of a key. In KV_RUNS a header makes the run visible. Rows of bucketed families
 * leave out the bucket: a stored row is the rest of its key, then the value.
 *
 * Reading is in place: pointers into blocks are valid until the transaction ends or writes. Checksums of blocks are
 * looked at by checks and by merges, which must not give damage a new checksum. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "store/filter.h"
#include "store/keys.h"
#include "store/kv.h"
#include "store/rows.h"

#define RUN_BLOCK_SIZE_MAX (16 * 4096 - 16 - 8)
#define RUN_ROW_SIZE_MAX (ROW_KEY_SIZE - 4 + ROW_SUM_SIZE)
#define RUN_HEADER_SIZE 29

/* Of a stored row, which has no bucket. */
static inline size_t run_key_skip(enum row_family family)
{
    return family == ROWS_DEDUPE ? 0 : 4;
}

static inline size_t run_key_size(enum row_family family)
{
    return family == ROWS_DEDUPE ? DEDUPE_KEY_SIZE : ROW_KEY_SIZE - 4;
}

static inline size_t run_row_size(enum row_family family)
{
    return family == ROWS_DEDUPE ? DEDUPE_KEY_SIZE + DEDUPE_VALUE_SIZE : ROW_KEY_SIZE - 4 + ROW_SUM_SIZE;
}

static inline size_t run_block_rows(enum row_family family)
{
    return RUN_BLOCK_SIZE_MAX / run_row_size(family);
}

static inline uint32_t run_bucket_of(enum row_family family, const uint8_t *key)
{
    return family == ROWS_DEDUPE ? 0 : get_u32be(key);
}

/* A key as numbers, so that comparing takes no branch. 'rest' is beyond any key's once a run has ended. */
__extension__ typedef unsigned __int128 run_u128;
struct run_order {
    run_u128 head;
    uint64_t rest;
};

static inline struct run_order run_order_of(enum row_family family, const uint8_t *stored_key)
{
    run_u128 head = (run_u128)filter_load_be(stored_key) << 64 | filter_load_be(stored_key + 8);
    return (struct run_order){ head, family == ROWS_DEDUPE ? 0 : get_u32be(stored_key + 16) };
}

static inline bool run_order_less(const struct run_order *a, const struct run_order *b)
{
    return (a->head < b->head) | ((a->head == b->head) & (a->rest < b->rest));
}

static inline bool run_order_equal(const struct run_order *a, const struct run_order *b)
{
    return (a->head == b->head) & (a->rest == b->rest);
}

struct run_name {
    enum row_family family;
    uint32_t bucket;
    uint64_t run;
};

struct run_header {
    uint64_t rows, size_bytes; /* size: of blocks and filter as stored */
    uint64_t filter_lines;     /* 0: no filter */
    uint32_t blocks;
    uint8_t level;
    struct text filter; /* lines of a short filter; else empty */
};

/* ERROR_STORE_CORRUPT when the key or the value is none. The header's filter points into value. */
MUST_CHECK err_t run_header_decode(struct text key, struct text value, struct run_name *name,
                                   struct run_header *header);

/* Headers of a family's runs, or of one bucket's, ascending. */
struct run_list {
    struct kv_cursor *cursor; /* of KV_RUNS */
    enum row_family family;
    uint32_t bucket;
    bool one_bucket;
};
/* Opens the list and finds its first run with a bucket from 'bucket' on; ERROR_NOT_FOUND as run_list_next, with the
 * list open for run_list_seek. */
MUST_CHECK err_t run_list_open(struct run_list *list, struct kv_txn *txn, enum row_family family);
MUST_CHECK err_t run_list_seek(struct run_list *list, uint32_t bucket, bool one_bucket, struct run_name *name,
                               struct run_header *header);
/* ERROR_NOT_FOUND after the last. */
MUST_CHECK err_t run_list_next(struct run_list *list, struct run_name *name, struct run_header *header);
void run_list_close(struct run_list *list);

/* --- writing --- */

struct run_writer {
    struct kv_txn *txn;
    struct run_name name;
    struct run_header header;
    struct filter_builder filter;
};
/* A new number for a run. */
MUST_CHECK err_t run_number(struct kv_txn *txn, uint64_t *run);
/* Room for a filter of 'rows' ids, if the family has filters. Free the writer also after an error. */
MUST_CHECK err_t run_writer_begin(struct run_writer *writer, struct kv_txn *txn, struct run_name name, uint64_t rows);
/* At most run_block_rows of rows as stored, which follow those written before. */
MUST_CHECK err_t run_writer_block(struct run_writer *writer, const uint8_t *rows, size_t count);
/* Stores the header with the level of the rows written: the run is visible. */
MUST_CHECK err_t run_writer_finish(struct run_writer *writer);
void run_writer_free(struct run_writer *writer);

/* Runs of one level have about as many rows, within a factor of the fan-in. */
unsigned run_fan_in(enum row_family family);
uint8_t run_level(enum row_family family, uint64_t rows);

/* --- reading --- */

struct run_reader {
    struct kv_cursor *cursor; /* of KV_BLOCKS */
    enum row_family family;
    uint8_t prefix[RUN_KEY_SIZE];
    bool verify;              /* look at the checksum of each block that is read from its first row */
    bool ended;               /* no more blocks */
    const uint8_t *first;     /* row of the block at hand; NULL: none */
    const uint8_t *row, *end; /* next row to be read; end of the block */
};
/* Opens a cursor unless the reader has one of the same transaction. Reads nothing yet. */
MUST_CHECK err_t run_reader_init(struct run_reader *reader, struct kv_txn *txn, struct run_name name);
/* To the first row with key >= stored_key; NULL: to the first row. ERROR_STORE_CORRUPT. At the end, 'ended' is set. */
MUST_CHECK err_t run_reader_seek(struct run_reader *reader, const uint8_t *stored_key);
/* Takes the next block when the one at hand is used up; then row < end unless 'ended'. */
MUST_CHECK err_t run_reader_load(struct run_reader *reader);
/* Must be called before a seek when the transaction has written: nothing is at hand any more. */
void run_reader_forget(struct run_reader *reader);
void run_reader_close(struct run_reader *reader);

/* Rows of a block; ERROR_STORE_CORRUPT when its size is wrong. */
MUST_CHECK err_t run_block_rows_of(enum row_family family, struct text block, const uint8_t **rows, size_t *count);
