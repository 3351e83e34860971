/* See run_check.h. Each run is walked block by block beside its filter; then all blocks are looked through for such
 * that belong to nobody. */
#include "store/run_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/run_merge.h"

#define SENTENCE_SIZE 200

struct check {
    struct kv_txn *txn;
    enum row_family family;
    void (*fault)(void *context, const char *sentence);
    void *context;
    struct kv_cursor *blocks, *filters;
};

static const char *const family_names[ROWS_FAMILY_COUNT] = { "dedupe", "hourly", "daily", "rollup" };

static void report(const struct check *check, const uint8_t *run_key, const char *what)
{
    char sentence[SENTENCE_SIZE];
    (void)snprintf(sentence, sizeof sentence, "run %" PRIu64 " of the %s rows, bucket %" PRIu32 ": %s",
                   get_u64be(run_key + 5), family_names[check->family], get_u32be(run_key + 1), what);
    check->fault(check->context, sentence);
}

/* What has been seen of the run being walked. */
struct walk {
    const uint8_t *run_key;
    const struct run_header *header;
    struct filter_reader filter;
    bool filter_damaged;
    uint64_t rows, size_bytes;
    uint32_t blocks;
    bool has_last;
    struct run_order last;
};

/* The filter must have each id. A part is checked when its first line is asked for. */
static void check_filter(const struct check *check, struct walk *walk, const uint8_t *row)
{
    if (walk->filter_damaged || walk->header->filter_lines == 0)
        return;
    struct filter_id id = filter_id_of(row);
    uint64_t line = filter_line_of(id, walk->header->filter_lines);
    if (line >= walk->filter.end && filter_reader_load(&walk->filter, line) != ERROR_OK) {
        walk->filter_damaged = true;
        report(check, walk->run_key, "a part of its filter is missing or has the wrong size");
    } else if (!filter_line_has(filter_line_at(&walk->filter, line), id)) {
        walk->filter_damaged = true;
        report(check, walk->run_key, "its filter does not have an id that the run has");
    }
}

static void check_block(const struct check *check, struct walk *walk, struct text key, struct text value)
{
    const uint8_t *rows;
    size_t count, row_size = run_row_size(check->family), key_size = run_key_size(check->family);
    walk->blocks++;
    walk->size_bytes += value.len;
    if (!kv_is_intact(KV_BLOCKS, key, value))
        report(check, walk->run_key, "a block differs from what was written");
    if (run_block_rows_of(check->family, value, &rows, &count) != ERROR_OK) {
        report(check, walk->run_key, "a block has the wrong size");
        return;
    }
    walk->rows += count;
    if (key.len != RUN_KEY_SIZE + key_size || memcmp(key.ptr + RUN_KEY_SIZE, rows, key_size) != 0)
        report(check, walk->run_key, "a block's first row is not the one of its key");
    bool ascending = true;
    for (size_t i = 0; i < count; i++) {
        struct run_order order = run_order_of(check->family, rows + i * row_size);
        ascending = ascending && (!walk->has_last || run_order_less(&walk->last, &order));
        walk->last = order;
        walk->has_last = true;
        check_filter(check, walk, rows + i * row_size);
    }
    if (!ascending)
        report(check, walk->run_key, "its rows do not ascend");
}

static err_t check_filter_parts(const struct check *check, const uint8_t *run_key, const struct run_header *header)
{
    uint8_t prefix[8];
    struct text key, value;
    uint64_t lines = 0;
    put_u64be(prefix, get_u64be(run_key + 5));
    err_t error = kv_cursor_seek(check->filters, BYTES(prefix), &key, &value);
    while (error == ERROR_OK && text_starts_with(key, BYTES(prefix))) {
        if (!kv_is_intact(KV_FILTERS, key, value))
            report(check, run_key, "a part of its filter differs from what was written");
        lines += value.len < FILTER_PART_HEADER_SIZE ? 0 : (value.len - FILTER_PART_HEADER_SIZE) / FILTER_LINE_SIZE;
        error = kv_cursor_next(check->filters, &key, &value);
    }
    bool stored = header->filter_lines > FILTER_INLINE_LINES_MAX;
    if (lines != (stored ? header->filter_lines : 0))
        report(check, run_key, "its filter has the wrong size");
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

static err_t check_run(const struct check *check, const uint8_t *run_key, const struct run_name *name,
                       const struct run_header *header)
{
    struct walk walk = { .run_key = run_key, .header = header };
    struct text prefix = { (const char *)run_key, RUN_KEY_SIZE }, key, value;
    filter_reader_init(&walk.filter, check->filters, name->run, header->filter_lines, header->filter);
    err_t error = kv_cursor_seek(check->blocks, prefix, &key, &value);
    while (error == ERROR_OK && text_starts_with(key, prefix)) {
        check_block(check, &walk, key, value);
        error = kv_cursor_next(check->blocks, &key, &value);
    }
    if (error != ERROR_OK && error != ERROR_NOT_FOUND)
        return error;
    walk.size_bytes += header->filter_lines * FILTER_LINE_SIZE;
    if (walk.rows != header->rows || walk.blocks != header->blocks || walk.size_bytes != header->size_bytes)
        report(check, run_key, "its header names other totals than its blocks have");
    if (header->level != run_level(check->family, header->rows))
        report(check, run_key, "its header names the wrong level");
    uint64_t filter_lines = check->family == ROWS_DEDUPE ? filter_line_count(header->rows) : 0;
    if (header->filter_lines < filter_lines || (filter_lines == 0) != (header->filter_lines == 0))
        report(check, run_key, "its filter is too short");
    return check->family == ROWS_DEDUPE ? check_filter_parts(check, run_key, header) : ERROR_OK;
}

static err_t check_runs(const struct check *check)
{
    struct kv_cursor *cursor;
    const uint8_t from[1] = { (uint8_t)check->family };
    struct text key = TEXT_NONE, value;
    err_t error = kv_cursor_open(check->txn, KV_RUNS, &cursor);
    if (error != ERROR_OK)
        return error;
    error = kv_cursor_seek(cursor, BYTES(from), &key, &value);
    while ((error == ERROR_OK || error == ERROR_STORE_CORRUPT) && text_starts_with(key, BYTES(from))) {
        struct run_name name;
        struct run_header header;
        uint8_t run_key[RUN_KEY_SIZE] = { 0 };
        memcpy(run_key, key.ptr, key.len < sizeof run_key ? key.len : sizeof run_key);
        if (error == ERROR_OK)
            error = run_header_decode(key, value, &name, &header);
        if (error == ERROR_STORE_CORRUPT)
            report(check, run_key, "its header differs from what was written");
        else
            error = check_run(check, run_key, &name, &header);
        if (error == ERROR_OK || error == ERROR_STORE_CORRUPT)
            error = kv_cursor_next(cursor, &key, &value);
    }
    kv_cursor_close(cursor);
    return error == ERROR_NOT_FOUND || error == ERROR_STORE_CORRUPT ? ERROR_OK : error;
}

/* --- what belongs to nobody --- */

static err_t is_merge_target(const struct check *check, uint64_t run, bool *known)
{
    struct kv_cursor *cursor;
    struct text key, value;
    const uint8_t from[1] = { TASK_MERGE };
    err_t error = kv_cursor_open(check->txn, KV_MERGES, &cursor);
    if (error != ERROR_OK)
        return error;
    error = kv_cursor_seek(cursor, BYTES(from), &key, &value);
    while (error == ERROR_OK && !*known && text_starts_with(key, BYTES(from))) {
        struct run_merge merge;
        error = run_merge_decode(key, value, &merge);
        *known = error == ERROR_OK && merge.target == run;
        if (error == ERROR_OK)
            error = kv_cursor_next(cursor, &key, &value);
    }
    kv_cursor_close(cursor);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

/* Visible, being merged, or waiting to be deleted. */
static err_t is_known(const struct check *check, const uint8_t *run_key, bool *known)
{
    uint8_t task[TASK_DELETE_KEY_SIZE] = { TASK_DELETE };
    struct text value;
    memcpy(task + 1, run_key, RUN_KEY_SIZE);
    err_t error = kv_get(check->txn, KV_RUNS, (struct text){ (const char *)run_key, RUN_KEY_SIZE }, &value);
    if (error == ERROR_NOT_FOUND)
        error = kv_get(check->txn, KV_MERGES, BYTES(task), &value);
    *known = error == ERROR_OK || error == ERROR_STORE_CORRUPT; /* a damaged header has been reported */
    return error == ERROR_NOT_FOUND ? is_merge_target(check, get_u64be(run_key + 5), known) : ERROR_OK;
}

static err_t check_orphans(const struct check *check)
{
    uint8_t from[RUN_KEY_SIZE] = { (uint8_t)check->family };
    struct text key, value;
    err_t error = kv_cursor_seek(check->blocks, BYTES(from), &key, &value);
    while (error == ERROR_OK && key.len >= RUN_KEY_SIZE && (uint8_t)key.ptr[0] == check->family) {
        bool known = false;
        memcpy(from, key.ptr, sizeof from);
        error = is_known(check, from, &known);
        if (error != ERROR_OK)
            break;
        if (!known)
            report(check, from, "there are blocks of it, but no such run");
        put_u64be(from + 5, get_u64be(from + 5) + 1);
        error = kv_cursor_seek(check->blocks, BYTES(from), &key, &value);
    }
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

/* What cannot be read at all ends the check with a sentence, not with an error. */
static err_t check_all(const struct check *check)
{
    err_t error = check_runs(check);
    if (error == ERROR_OK)
        error = check_orphans(check);
    if (error != ERROR_STORE_CORRUPT)
        return error;
    check->fault(check->context, "the list of merges differs from what was written");
    return ERROR_OK;
}

err_t run_check(struct kv_txn *txn, enum row_family family, void (*fault)(void *context, const char *sentence),
                void *context)
{
    struct check check = { txn, family, fault, context, NULL, NULL };
    err_t error = kv_cursor_open(txn, KV_BLOCKS, &check.blocks);
    if (error == ERROR_OK)
        error = kv_cursor_open(txn, KV_FILTERS, &check.filters);
    if (error == ERROR_OK)
        error = check_all(&check);
    kv_cursor_close(check.blocks);
    kv_cursor_close(check.filters);
    return error;
}
