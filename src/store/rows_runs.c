/* The engine of sorted runs (architecture section 5). Added rows become a run; runs of about the same size are merged
 * once there are run_fan_in of them, in slices; readers merge the runs of a bucket as they go. Its parts: run.h (one
 * run), filter.h, run_union.h (several runs as one), run_find.h, run_merge.h and run_upkeep.h (merges, seals,
 * retention), run_check.h. All state is in KV_RUNS, KV_BLOCKS, KV_FILTERS, KV_MERGES and the counter in KV_META. */
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "store/run_check.h"
#include "store/run_find.h"
#include "store/run_merge.h"
#include "store/run_union.h"
#include "store/run_upkeep.h"

/* --- adding --- */

/* The rows of one bucket as a run. 'block' has room for the rows of a block, or for all of them. */
static err_t write_run(struct kv_txn *txn, struct run_name name, const uint8_t *rows, size_t count, uint8_t *block)
{
    struct run_writer writer;
    size_t skip = run_key_skip(name.family), stored_size = run_row_size(name.family), size = skip + stored_size;
    size_t block_rows = run_block_rows(name.family);
    err_t error = run_writer_begin(&writer, txn, name, count);
    for (size_t at = 0; at < count && error == ERROR_OK; at += block_rows) {
        size_t part = count - at < block_rows ? count - at : block_rows;
        const uint8_t *from = rows + at * size;
        for (size_t i = 0; i < part && skip > 0; i++)
            memcpy(block + i * stored_size, from + i * size + skip, stored_size);
        error = run_writer_block(&writer, skip > 0 ? block : from, part);
    }
    if (error == ERROR_OK)
        error = run_writer_finish(&writer);
    run_writer_free(&writer);
    return error;
}

/* How many of the rows belong to the bucket of the first. */
static size_t same_bucket(enum row_family family, const uint8_t *rows, size_t count)
{
    size_t row_size = rows_key_size(family) + rows_value_size(family), low = 1, high = count;
    if (family == ROWS_DEDUPE)
        return count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(rows, rows + middle * row_size, 4) == 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static err_t runs_add(struct kv_txn *txn, enum row_family family, const uint8_t *rows, size_t count)
{
    size_t row_size = rows_key_size(family) + rows_value_size(family), block_rows = run_block_rows(family);
    uint8_t *block = memory_alloc((count < block_rows ? count : block_rows) * run_row_size(family) + 1);
    err_t error = block != NULL ? ERROR_OK : ERROR_NO_MEMORY;
    for (size_t done = 0, part; done < count && error == ERROR_OK; done += part) {
        const uint8_t *from = rows + done * row_size;
        part = same_bucket(family, from, count - done);
        struct run_name name = { family, run_bucket_of(family, from), 0 };
        error = run_number(txn, &name.run);
        if (error == ERROR_OK)
            error = write_run(txn, name, from, part, block);
        if (error == ERROR_OK)
            error = run_tasks_enter(txn, family, name.bucket);
    }
    memory_free(block);
    return error;
}

/* --- cursors --- */

struct rows_cursor {
    struct run_union runs; /* of 'bucket' */
    struct run_list list;
    enum row_family family;
    bool one_bucket;
    bool at_bucket; /* the runs are those of a bucket */
    uint32_t bucket;
    uint8_t key[ROW_KEY_SIZE]; /* of the row given out, its bucket put back */
};

/* Takes the runs of the first bucket from 'bucket' on; at_bucket is false when there is none. */
static err_t take_bucket(struct rows_cursor *cursor, uint32_t bucket)
{
    struct run_name name;
    struct run_header header;
    run_union_reset(&cursor->runs);
    err_t error = run_list_seek(&cursor->list, bucket, cursor->one_bucket, &name, &header);
    cursor->at_bucket = error == ERROR_OK;
    cursor->bucket = cursor->at_bucket ? name.bucket : bucket;
    put_u32be(cursor->key, cursor->bucket);
    while (error == ERROR_OK && name.bucket == cursor->bucket) {
        error = run_union_add(&cursor->runs, name);
        if (error == ERROR_OK)
            error = run_list_next(&cursor->list, &name, &header);
    }
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

static err_t runs_seek(struct rows_cursor *cursor, const uint8_t *from)
{
    uint32_t bucket = run_bucket_of(cursor->family, from);
    if (!cursor->at_bucket || bucket != cursor->bucket) {
        err_t error = take_bucket(cursor, bucket);
        if (error != ERROR_OK || !cursor->at_bucket)
            return error;
    }
    return run_union_seek(&cursor->runs, cursor->bucket == bucket ? from + run_key_skip(cursor->family) : NULL);
}

static void runs_close(struct rows_cursor *cursor)
{
    if (cursor == NULL)
        return;
    run_union_free(&cursor->runs);
    run_list_close(&cursor->list);
    memory_free(cursor);
}

static err_t runs_open(struct kv_txn *txn, enum row_family family, const uint8_t *from, bool one_bucket,
                       struct rows_cursor **out)
{
    struct rows_cursor *cursor = memory_zalloc(1, sizeof *cursor);
    if (cursor == NULL)
        return ERROR_NO_MEMORY;
    cursor->family = family;
    cursor->one_bucket = one_bucket;
    run_union_init(&cursor->runs, txn, family);
    err_t error = run_list_open(&cursor->list, txn, family);
    if (error == ERROR_OK)
        error = runs_seek(cursor, from);
    if (error != ERROR_OK) {
        runs_close(cursor);
        return error;
    }
    *out = cursor;
    return ERROR_OK;
}

/* To the next bucket that has runs. */
static err_t next_bucket(struct rows_cursor *cursor)
{
    if (cursor->one_bucket || cursor->family == ROWS_DEDUPE || cursor->bucket == UINT32_MAX)
        return ERROR_NOT_FOUND;
    err_t error = take_bucket(cursor, cursor->bucket + 1);
    if (error == ERROR_OK && !cursor->at_bucket)
        error = ERROR_NOT_FOUND;
    return error == ERROR_OK ? run_union_seek(&cursor->runs, NULL) : error;
}

static err_t runs_next(struct rows_cursor *cursor, const uint8_t **key, const uint8_t **value)
{
    const uint8_t *row;
    err_t error = cursor->at_bucket ? run_union_next(&cursor->runs, &row) : ERROR_NOT_FOUND;
    while (error == ERROR_NOT_FOUND && cursor->at_bucket) {
        error = next_bucket(cursor);
        if (error != ERROR_OK)
            return error;
        error = run_union_next(&cursor->runs, &row);
    }
    if (error != ERROR_OK)
        return error;
    if (cursor->family == ROWS_DEDUPE) {
        *key = row;
        *value = row + DEDUPE_KEY_SIZE;
        return ERROR_OK;
    }
    memcpy(cursor->key + 4, row, ROW_KEY_SIZE - 4);
    *key = cursor->key;
    *value = row + ROW_KEY_SIZE - 4;
    return ERROR_OK;
}

/* --- statistics --- */

static err_t add_merges(struct kv_txn *txn, enum row_family family, struct rows_stats *out)
{
    struct kv_cursor *cursor;
    struct text key, value;
    const uint8_t from[1] = { TASK_MERGE };
    err_t error = kv_cursor_open(txn, KV_MERGES, &cursor);
    if (error != ERROR_OK)
        return error;
    error = kv_cursor_seek(cursor, BYTES(from), &key, &value);
    while (error == ERROR_OK && key.ptr[0] == TASK_MERGE) {
        struct run_merge merge;
        error = run_merge_decode(key, value, &merge);
        if (error == ERROR_OK && merge.family == family) {
            out->merges_under_way++;
            out->rows_to_merge += merge.source_rows - merge.consumed;
            out->size_bytes += merge.size_bytes;
        }
        if (error == ERROR_OK)
            error = kv_cursor_next(cursor, &key, &value);
    }
    kv_cursor_close(cursor);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

static err_t runs_stats(struct kv_txn *txn, enum row_family family, struct rows_stats *out)
{
    struct run_list list;
    struct run_name name;
    struct run_header header;
    *out = (struct rows_stats){ 0 };
    err_t error = run_list_open(&list, txn, family);
    if (error != ERROR_OK)
        return error;
    error = run_list_seek(&list, 0, false, &name, &header);
    for (; error == ERROR_OK; error = run_list_next(&list, &name, &header)) {
        out->rows += header.rows;
        out->runs++;
        out->size_bytes += header.size_bytes;
    }
    run_list_close(&list);
    return error == ERROR_NOT_FOUND ? add_merges(txn, family, out) : error;
}

const struct rows_engine rows_runs = {
    .name = "runs",
    .get = run_get,
    .find = run_find,
    .add = runs_add,
    .open = runs_open,
    .next = runs_next,
    .seek = runs_seek,
    .close = runs_close,
    .upkeep = run_upkeep,
    .seal = run_seal,
    .drop = run_drop,
    .check = run_check,
    .stats = runs_stats,
};
