/* See run_merge.h. A slice reads in place and writes in turns: what is read is collected in a chunk of blocks, because
 * after a write nothing that was read before may be touched. */
#include "store/run_merge.h"

#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "store/run_union.h"

#define CHUNK_BLOCKS 8
#define STATE_SIZE (8 * 5 + 4 + ROW_KEY_SIZE + 4)

/* --- the entry --- */

static err_t put_state(struct kv_txn *txn, const struct run_merge *merge)
{
    uint8_t key[TASK_MERGE_KEY_SIZE], value[STATE_SIZE + 8 * MERGE_SOURCES_MAX];
    task_merge_key(merge->level, (uint8_t)merge->family, merge->bucket, key);
    put_u64be(value, merge->target);
    put_u64be(value + 8, merge->source_rows);
    put_u64be(value + 16, merge->consumed);
    put_u64be(value + 24, merge->rows);
    put_u64be(value + 32, merge->size_bytes);
    put_u32be(value + 40, merge->blocks);
    memcpy(value + 44, merge->last, ROW_KEY_SIZE);
    put_u32be(value + 44 + ROW_KEY_SIZE, merge->source_count);
    for (uint32_t i = 0; i < merge->source_count; i++)
        put_u64be(value + STATE_SIZE + (size_t)8 * i, merge->sources[i]);
    size_t size = STATE_SIZE + (size_t)8 * merge->source_count;
    return kv_put(txn, KV_MERGES, BYTES(key), (struct text){ (const char *)value, size });
}

err_t run_merge_decode(struct text key, struct text value, struct run_merge *merge)
{
    const uint8_t *k = (const uint8_t *)key.ptr, *v = (const uint8_t *)value.ptr;
    if (key.len != TASK_MERGE_KEY_SIZE || k[2] >= ROWS_FAMILY_COUNT || value.len < STATE_SIZE)
        return ERROR_STORE_CORRUPT;
    *merge = (struct run_merge){ .family = (enum row_family)k[2],
                                 .bucket = get_u32be(k + 3),
                                 .level = k[1],
                                 .target = get_u64be(v),
                                 .source_rows = get_u64be(v + 8),
                                 .consumed = get_u64be(v + 16),
                                 .rows = get_u64be(v + 24),
                                 .size_bytes = get_u64be(v + 32),
                                 .blocks = get_u32be(v + 40),
                                 .source_count = get_u32be(v + 44 + ROW_KEY_SIZE) };
    if (merge->source_count > MERGE_SOURCES_MAX || value.len != STATE_SIZE + (size_t)8 * merge->source_count)
        return ERROR_STORE_CORRUPT;
    memcpy(merge->last, v + 44, ROW_KEY_SIZE);
    for (uint32_t i = 0; i < merge->source_count; i++)
        merge->sources[i] = get_u64be(v + STATE_SIZE + (size_t)8 * i);
    return ERROR_OK;
}

static err_t delete_state(struct kv_txn *txn, const struct run_merge *merge)
{
    uint8_t key[TASK_MERGE_KEY_SIZE];
    task_merge_key(merge->level, (uint8_t)merge->family, merge->bucket, key);
    return kv_delete(txn, KV_MERGES, BYTES(key));
}

err_t run_merge_start(struct kv_txn *txn, struct run_merge *merge)
{
    REQUIRE(merge->source_count > 0 && merge->source_count <= MERGE_SOURCES_MAX);
    err_t error = run_number(txn, &merge->target);
    return error == ERROR_OK ? put_state(txn, merge) : error;
}

err_t run_remove(struct kv_txn *txn, struct run_name name)
{
    uint8_t key[TASK_DELETE_KEY_SIZE] = { TASK_DELETE };
    run_key_encode((uint8_t)name.family, name.bucket, name.run, key + 1);
    err_t error = kv_put(txn, KV_MERGES, BYTES(key), TEXT(""));
    if (error == ERROR_OK)
        error = kv_delete(txn, KV_RUNS, (struct text){ (const char *)key + 1, RUN_KEY_SIZE });
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

err_t run_merge_cancel(struct kv_txn *txn, const struct run_merge *merge)
{
    err_t error = delete_state(txn, merge);
    return error == ERROR_OK ? run_remove(txn, (struct run_name){ merge->family, merge->bucket, merge->target })
                             : error;
}

/* --- a slice --- */

struct slice {
    struct run_merge *merge;
    struct run_union sources;
    struct run_writer target;
    uint8_t *chunk;
    size_t budget;
    bool at_end;
};

/* The least key above 'key'; false when there is none. */
static bool next_key(uint8_t *key, size_t size)
{
    for (size_t i = size; i-- > 0;)
        if (++key[i] != 0)
            return true;
    return false;
}

/* To the first row behind the target's last. */
static err_t seek_sources(struct slice *slice)
{
    const struct run_merge *merge = slice->merge;
    uint8_t from[ROW_KEY_SIZE];
    run_union_forget(&slice->sources);
    if (merge->rows == 0)
        return run_union_seek(&slice->sources, NULL);
    memcpy(from, merge->last, sizeof from);
    slice->at_end = !next_key(from, run_key_size(merge->family));
    return slice->at_end ? ERROR_OK : run_union_seek(&slice->sources, from);
}

static err_t begin_slice(struct kv_txn *txn, struct slice *slice)
{
    struct run_merge *merge = slice->merge;
    struct run_name name = { merge->family, merge->bucket, merge->target };
    run_union_init(&slice->sources, txn, merge->family);
    slice->sources.verify = true;
    err_t error = run_writer_begin(&slice->target, txn, name, merge->source_rows);
    if (error != ERROR_OK)
        return error;
    slice->target.header.rows = merge->rows;
    slice->target.header.size_bytes = merge->size_bytes;
    slice->target.header.blocks = merge->blocks;
    if (slice->target.filter.bytes != NULL && merge->rows > 0)
        error = filter_resume(&slice->target.filter, merge->last);
    slice->chunk = memory_alloc(CHUNK_BLOCKS * run_block_rows(merge->family) * run_row_size(merge->family));
    if (error == ERROR_OK && slice->chunk == NULL)
        error = ERROR_NO_MEMORY;
    for (uint32_t i = 0; i < merge->source_count && error == ERROR_OK; i++) {
        name.run = merge->sources[i];
        error = run_union_add(&slice->sources, name);
    }
    return error == ERROR_OK ? seek_sources(slice) : error;
}

static void end_slice(struct slice *slice)
{
    run_union_free(&slice->sources);
    run_writer_free(&slice->target);
    memory_free(slice->chunk);
}

/* A slice ends with a full block, so that slices leave no small ones; only where many rows are added up to few could
 * that take too long. */
static bool used_up(const struct slice *slice, size_t rows, size_t block_rows)
{
    uint64_t consumed = slice->sources.consumed;
    return consumed >= slice->budget && (rows % block_rows == 0 || consumed >= slice->budget + block_rows);
}

/* Reads up to a chunk of rows. */
static err_t fill_chunk(struct slice *slice, size_t *rows)
{
    size_t row_size = run_row_size(slice->merge->family), block_rows = run_block_rows(slice->merge->family);
    for (*rows = 0; *rows < CHUNK_BLOCKS * block_rows && !used_up(slice, *rows, block_rows); ++*rows) {
        const uint8_t *row;
        err_t error = run_union_next(&slice->sources, &row);
        slice->at_end = error == ERROR_NOT_FOUND;
        if (error != ERROR_OK)
            return slice->at_end ? ERROR_OK : error;
        memcpy(slice->chunk + *rows * row_size, row, row_size);
    }
    return ERROR_OK;
}

static err_t write_chunk(struct slice *slice, size_t rows)
{
    enum row_family family = slice->merge->family;
    size_t row_size = run_row_size(family), block_rows = run_block_rows(family);
    for (size_t at = 0; at < rows; at += block_rows) {
        size_t count = rows - at < block_rows ? rows - at : block_rows;
        err_t error = run_writer_block(&slice->target, slice->chunk + at * row_size, count);
        if (error != ERROR_OK)
            return error;
    }
    if (rows > 0)
        memcpy(slice->merge->last, slice->chunk + (rows - 1) * row_size, run_key_size(family));
    slice->merge->rows = slice->target.header.rows;
    slice->merge->size_bytes = slice->target.header.size_bytes;
    slice->merge->blocks = slice->target.header.blocks;
    return ERROR_OK;
}

static err_t run_slice(struct slice *slice)
{
    for (;;) {
        size_t rows;
        err_t error = fill_chunk(slice, &rows);
        if (error == ERROR_OK)
            error = write_chunk(slice, rows);
        if (error != ERROR_OK || slice->at_end || slice->sources.consumed >= slice->budget)
            return error;
        if ((error = seek_sources(slice)) != ERROR_OK || slice->at_end)
            return error;
    }
}

/* The swap. */
static err_t complete(struct kv_txn *txn, struct slice *slice)
{
    const struct run_merge *merge = slice->merge;
    if (merge->consumed != merge->source_rows)
        return ERROR_STORE_CORRUPT;
    err_t error = run_writer_finish(&slice->target);
    for (uint32_t i = 0; i < merge->source_count && error == ERROR_OK; i++)
        error = run_remove(txn, (struct run_name){ merge->family, merge->bucket, merge->sources[i] });
    return error == ERROR_OK ? delete_state(txn, merge) : error;
}

err_t run_merge_slice(struct kv_txn *txn, struct run_merge *merge, size_t budget, size_t *consumed, bool *is_complete)
{
    struct slice slice = { .merge = merge, .budget = budget };
    err_t error = begin_slice(txn, &slice);
    if (error == ERROR_OK && !slice.at_end)
        error = run_slice(&slice);
    *consumed = (size_t)slice.sources.consumed;
    *is_complete = slice.at_end;
    merge->consumed += slice.sources.consumed;
    if (error == ERROR_OK && slice.at_end) {
        error = complete(txn, &slice);
    } else if (error == ERROR_OK) {
        error = slice.target.filter.bytes != NULL ? filter_save(&slice.target.filter) : ERROR_OK;
        if (error == ERROR_OK)
            error = put_state(txn, merge);
    }
    end_slice(&slice);
    return error;
}
