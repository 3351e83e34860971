/* See run_find.h. For ids each run's filter is asked first, in the order of the ids and thus from front to back. Lines
 * are far apart in large filters, so they are requested a batch ahead of looking at them. */
#include "store/run_find.h"

#include <string.h>

#include "base/memory.h"
#include "store/run.h"

/* Lines requested before the first of them is looked at. Measured against 100 million ids: with 16 or 32 half as fast
 * again, without requests three times slower. */
#define BATCH 256
/* For __builtin_prefetch: into the second level cache; into the first fewer are in flight. */
#define SECOND_LEVEL 1

struct finder_id {
    struct filter_mask mask;
    struct filter_id id;
};

struct finder {
    struct kv_txn *txn;
    const uint8_t *keys;
    size_t count;
    uint8_t *values;
    bool *found;
    struct finder_id *ids;
    struct kv_cursor *filters;
    struct run_reader reader;
};

/* --- ids --- */

static err_t look_into_blocks(struct finder *finder, size_t i)
{
    const uint8_t *key = finder->keys + i * DEDUPE_KEY_SIZE;
    struct run_reader *reader = &finder->reader;
    err_t error = run_reader_seek(reader, key);
    if (error == ERROR_OK && !reader->ended && memcmp(reader->row, key, DEDUPE_KEY_SIZE) == 0) {
        memcpy(finder->values + i * DEDUPE_VALUE_SIZE, reader->row + DEDUPE_KEY_SIZE, DEDUPE_VALUE_SIZE);
        finder->found[i] = true;
    }
    return error;
}

/* Asks for the lines of the ids [from, from + count). What bounds this is how many address translations are under way
 * at once, that is how few instructions lie between two requests: hence the local copies, and no check of the pointer
 * arithmetic, which stays within a part by 'end'. */
__attribute__((no_sanitize("undefined"))) static err_t request_lines(struct finder *finder,
                                                                     struct filter_reader *filter, size_t from,
                                                                     size_t count, const uint8_t *lines[BATCH])
{
    const struct finder_id *ids = finder->ids + from;
    uint64_t line_count = filter->line_count, end = filter->end;
    uintptr_t zero = (uintptr_t)filter->lines.ptr - filter->first * FILTER_LINE_SIZE;
    for (size_t i = 0; i < count; i++) {
        uint64_t line = filter_line_of(ids[i].id, line_count);
        if (line >= end) {
            err_t error = filter_reader_load(filter, line);
            if (error != ERROR_OK)
                return error;
            end = filter->end;
            zero = (uintptr_t)filter->lines.ptr - filter->first * FILTER_LINE_SIZE;
        }
        lines[i] = (const uint8_t *)(zero + line * FILTER_LINE_SIZE);
        __builtin_prefetch(lines[i], 0, SECOND_LEVEL);
    }
    return ERROR_OK;
}

static err_t find_in_run(struct finder *finder, struct run_name name, const struct run_header *header)
{
    struct filter_reader filter;
    const uint8_t *lines[BATCH];
    if (header->filter_lines == 0)
        return ERROR_STORE_CORRUPT;
    filter_reader_init(&filter, finder->filters, name.run, header->filter_lines, header->filter);
    err_t error = run_reader_init(&finder->reader, finder->txn, name);
    for (size_t from = 0; from < finder->count && error == ERROR_OK; from += BATCH) {
        size_t count = finder->count - from < BATCH ? finder->count - from : BATCH;
        error = request_lines(finder, &filter, from, count, lines);
        for (size_t i = 0; i < count && error == ERROR_OK; i++)
            if (filter_line_has_mask(lines[i], &finder->ids[from + i].mask))
                error = look_into_blocks(finder, from + i);
    }
    return error;
}

static err_t find_ids(struct finder *finder)
{
    struct run_list list;
    struct run_name name;
    struct run_header header;
    for (size_t i = 0; i < finder->count; i++) {
        finder->ids[i].id = filter_id_of(finder->keys + i * DEDUPE_KEY_SIZE);
        finder->ids[i].mask = filter_mask_of(finder->ids[i].id);
        finder->found[i] = false;
    }
    err_t error = kv_cursor_open(finder->txn, KV_FILTERS, &finder->filters);
    if (error != ERROR_OK)
        return error;
    error = run_list_open(&list, finder->txn, ROWS_DEDUPE);
    if (error == ERROR_OK) {
        error = run_list_seek(&list, 0, true, &name, &header);
        while (error == ERROR_OK) {
            error = find_in_run(finder, name, &header);
            if (error == ERROR_OK)
                error = run_list_next(&list, &name, &header);
        }
        run_list_close(&list);
    }
    run_reader_close(&finder->reader);
    kv_cursor_close(finder->filters);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

/* --- sums --- */

/* The total of the runs of the key's bucket. */
static err_t get_sum(struct kv_txn *txn, enum row_family family, const uint8_t *key, uint8_t *value)
{
    struct run_list list;
    struct run_name name;
    struct run_header header;
    struct run_reader reader = { 0 };
    struct row_sum total = { { { 0 } }, 0 };
    bool found = false;
    err_t error = run_list_open(&list, txn, family);
    if (error != ERROR_OK)
        return error;
    error = run_list_seek(&list, run_bucket_of(family, key), true, &name, &header);
    for (; error == ERROR_OK; error = run_list_next(&list, &name, &header)) {
        const uint8_t *stored_key = key + run_key_skip(family);
        error = run_reader_init(&reader, txn, name);
        if (error == ERROR_OK)
            error = run_reader_seek(&reader, stored_key);
        if (error != ERROR_OK)
            break;
        if (reader.ended || memcmp(reader.row, stored_key, run_key_size(family)) != 0)
            continue;
        struct row_sum sum = row_sum_decode(reader.row + run_key_size(family));
        decimal_add_part(&total.quantity, &sum.quantity, &total.quantity);
        total.records += sum.records;
        found = true;
    }
    run_reader_close(&reader);
    run_list_close(&list);
    if (error != ERROR_NOT_FOUND)
        return error;
    row_sum_encode(&total, value);
    return found ? ERROR_OK : ERROR_NOT_FOUND;
}

err_t run_get(struct kv_txn *txn, enum row_family family, const uint8_t *key, uint8_t *value)
{
    if (family != ROWS_DEDUPE)
        return get_sum(txn, family, key, value);
    bool found;
    struct finder_id id;
    struct finder finder = { .txn = txn, .keys = key, .count = 1, .values = value, .found = &found, .ids = &id };
    err_t error = find_ids(&finder);
    return error == ERROR_OK && !found ? ERROR_NOT_FOUND : error;
}

err_t run_find(struct kv_txn *txn, enum row_family family, const uint8_t *keys, size_t count, uint8_t *values,
               bool *found)
{
    struct finder finder = { .txn = txn, .keys = keys, .count = count, .values = values, .found = found };
    err_t error = ERROR_OK;
    if (family == ROWS_DEDUPE && count > 0) {
        finder.ids = memory_alloc(count * sizeof *finder.ids);
        error = finder.ids != NULL ? find_ids(&finder) : ERROR_NO_MEMORY;
        memory_free(finder.ids);
        return error;
    }
    for (size_t i = 0; i < count && error == ERROR_OK; i++) {
        error = get_sum(txn, family, keys + i * ROW_KEY_SIZE, values + i * ROW_SUM_SIZE);
        found[i] = error == ERROR_OK;
        if (error == ERROR_NOT_FOUND)
            error = ERROR_OK;
    }
    return error;
}
