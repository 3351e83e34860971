/* See run.h. */
#include "store/run.h"

#include <string.h>

#include "base/check.h"

/* Lookups ask each run of the dedupe index, so it has fewer; sums are read by merging, where more runs cost little
 * and fewer levels mean fewer rows written. */
#define FAN_IN_DEDUPE 16
#define FAN_IN_SUMS 32

static const struct text run_counter_key = { "run", 3 };

unsigned run_fan_in(enum row_family family)
{
    return family == ROWS_DEDUPE ? FAN_IN_DEDUPE : FAN_IN_SUMS;
}

uint8_t run_level(enum row_family family, uint64_t rows)
{
    uint8_t level = 0;
    for (unsigned fan_in = run_fan_in(family); rows >= fan_in; rows /= fan_in)
        level++;
    return level;
}

/* --- headers --- */

err_t run_header_decode(struct text key, struct text value, struct run_name *name, struct run_header *header)
{
    const uint8_t *k = (const uint8_t *)key.ptr, *v = (const uint8_t *)value.ptr;
    if (key.len != RUN_KEY_SIZE || k[0] >= ROWS_FAMILY_COUNT || value.len < RUN_HEADER_SIZE)
        return ERROR_STORE_CORRUPT;
    *name = (struct run_name){ (enum row_family)k[0], get_u32be(k + 1), get_u64be(k + 5) };
    *header = (struct run_header){ .rows = get_u64be(v),
                                   .size_bytes = get_u64be(v + 8),
                                   .filter_lines = get_u64be(v + 16),
                                   .blocks = get_u32be(v + 24),
                                   .level = v[28],
                                   .filter = { value.ptr + RUN_HEADER_SIZE, value.len - RUN_HEADER_SIZE } };
    bool is_short = header->filter_lines <= FILTER_INLINE_LINES_MAX;
    if (header->filter.len != (is_short ? header->filter_lines * FILTER_LINE_SIZE : 0))
        return ERROR_STORE_CORRUPT;
    return ERROR_OK;
}

static err_t put_header(struct run_writer *writer)
{
    uint8_t key[RUN_KEY_SIZE];
    uint8_t value[RUN_HEADER_SIZE + FILTER_INLINE_LINES_MAX * FILTER_LINE_SIZE] = { 0 };
    const struct run_header *header = &writer->header;
    size_t size = RUN_HEADER_SIZE + header->filter.len;
    run_key_encode((uint8_t)writer->name.family, writer->name.bucket, writer->name.run, key);
    put_u64be(value, header->rows);
    put_u64be(value + 8, header->size_bytes);
    put_u64be(value + 16, header->filter_lines);
    put_u32be(value + 24, header->blocks);
    value[28] = header->level;
    if (header->filter.len > 0)
        memcpy(value + RUN_HEADER_SIZE, header->filter.ptr, header->filter.len);
    return kv_put(writer->txn, KV_RUNS, BYTES(key), (struct text){ (const char *)value, size });
}

err_t run_list_open(struct run_list *list, struct kv_txn *txn, enum row_family family)
{
    *list = (struct run_list){ .family = family };
    return kv_cursor_open(txn, KV_RUNS, &list->cursor);
}

static err_t take_header(struct run_list *list, struct text key, struct text value, struct run_name *name,
                         struct run_header *header)
{
    err_t error = run_header_decode(key, value, name, header);
    if (error != ERROR_OK)
        return error;
    bool wanted = name->family == list->family && (!list->one_bucket || name->bucket == list->bucket);
    return wanted ? ERROR_OK : ERROR_NOT_FOUND;
}

err_t run_list_seek(struct run_list *list, uint32_t bucket, bool one_bucket, struct run_name *name,
                    struct run_header *header)
{
    uint8_t from[RUN_KEY_SIZE];
    struct text key, value;
    list->bucket = bucket;
    list->one_bucket = one_bucket;
    run_key_encode((uint8_t)list->family, bucket, 0, from);
    err_t error = kv_cursor_seek(list->cursor, BYTES(from), &key, &value);
    return error == ERROR_OK ? take_header(list, key, value, name, header) : error;
}

err_t run_list_next(struct run_list *list, struct run_name *name, struct run_header *header)
{
    struct text key, value;
    err_t error = kv_cursor_next(list->cursor, &key, &value);
    return error == ERROR_OK ? take_header(list, key, value, name, header) : error;
}

void run_list_close(struct run_list *list)
{
    kv_cursor_close(list->cursor);
    list->cursor = NULL;
}

/* --- writing --- */

err_t run_number(struct kv_txn *txn, uint64_t *run)
{
    struct text stored;
    uint8_t value[8];
    err_t error = kv_get(txn, KV_META, run_counter_key, &stored);
    if (error == ERROR_OK && stored.len != sizeof value)
        return ERROR_STORE_CORRUPT;
    if (error != ERROR_OK && error != ERROR_NOT_FOUND)
        return error;
    *run = error == ERROR_OK ? get_u64be((const uint8_t *)stored.ptr) + 1 : 1;
    put_u64be(value, *run);
    return kv_put(txn, KV_META, run_counter_key, BYTES(value));
}

err_t run_writer_begin(struct run_writer *writer, struct kv_txn *txn, struct run_name name, uint64_t rows)
{
    *writer = (struct run_writer){ .txn = txn, .name = name };
    return name.family == ROWS_DEDUPE ? filter_begin(&writer->filter, txn, name.run, rows) : ERROR_OK;
}

err_t run_writer_block(struct run_writer *writer, const uint8_t *rows, size_t count)
{
    enum row_family family = writer->name.family;
    uint8_t key[BLOCK_KEY_SIZE_MAX];
    size_t row_size = run_row_size(family), size = count * row_size;
    REQUIRE(count > 0 && size <= RUN_BLOCK_SIZE_MAX);
    run_key_encode((uint8_t)family, writer->name.bucket, writer->name.run, key);
    memcpy(key + RUN_KEY_SIZE, rows, run_key_size(family));
    struct text key_text = { (const char *)key, RUN_KEY_SIZE + run_key_size(family) };
    err_t error = kv_put(writer->txn, KV_BLOCKS, key_text, (struct text){ (const char *)rows, size });
    writer->header.rows += count;
    writer->header.size_bytes += size;
    writer->header.blocks++;
    for (size_t i = 0; i < count && writer->filter.bytes != NULL && error == ERROR_OK; i++)
        error = filter_add(&writer->filter, rows + i * row_size);
    return error;
}

err_t run_writer_finish(struct run_writer *writer)
{
    struct run_header *header = &writer->header;
    header->level = run_level(writer->name.family, header->rows);
    if (writer->filter.bytes != NULL) {
        err_t error = filter_finish(&writer->filter, &header->filter);
        if (error != ERROR_OK)
            return error;
        header->filter_lines = writer->filter.line_count;
        header->size_bytes += header->filter_lines * FILTER_LINE_SIZE;
    }
    return put_header(writer);
}

void run_writer_free(struct run_writer *writer)
{
    filter_free(&writer->filter);
}

/* --- reading --- */

err_t run_block_rows_of(enum row_family family, struct text block, const uint8_t **rows, size_t *count)
{
    *rows = (const uint8_t *)block.ptr;
    *count = block.len / run_row_size(family);
    return *count > 0 && *count * run_row_size(family) == block.len ? ERROR_OK : ERROR_STORE_CORRUPT;
}

err_t run_reader_init(struct run_reader *reader, struct kv_txn *txn, struct run_name name)
{
    reader->family = name.family;
    run_key_encode((uint8_t)name.family, name.bucket, name.run, reader->prefix);
    run_reader_forget(reader);
    return reader->cursor != NULL ? ERROR_OK : kv_cursor_open(txn, KV_BLOCKS, &reader->cursor);
}

void run_reader_forget(struct run_reader *reader)
{
    reader->first = reader->row = reader->end = NULL;
    reader->ended = false;
}

void run_reader_close(struct run_reader *reader)
{
    kv_cursor_close(reader->cursor);
    reader->cursor = NULL;
}

static bool of_this_run(const struct run_reader *reader, struct text key)
{
    return key.len > RUN_KEY_SIZE && memcmp(key.ptr, reader->prefix, RUN_KEY_SIZE) == 0;
}

/* Makes a block the one at hand, or sets 'ended' when it is of another run. */
static err_t take_block(struct run_reader *reader, err_t error, struct text key, struct text value)
{
    size_t count;
    run_reader_forget(reader);
    reader->ended = error == ERROR_NOT_FOUND || (error == ERROR_OK && !of_this_run(reader, key));
    if (reader->ended)
        return ERROR_OK;
    if (error == ERROR_OK)
        error = run_block_rows_of(reader->family, value, &reader->row, &count);
    if (error != ERROR_OK)
        return error;
    reader->first = reader->row;
    reader->end = reader->row + count * run_row_size(reader->family);
    return ERROR_OK;
}

/* As take_block, for a block that is entered at its first row: if wanted, its checksum is looked at. */
static err_t enter_block(struct run_reader *reader, err_t error, struct text key, struct text value)
{
    error = take_block(reader, error, key, value);
    if (error == ERROR_OK && reader->verify && !reader->ended && !kv_is_intact(KV_BLOCKS, key, value))
        return ERROR_STORE_CORRUPT;
    return error;
}

err_t run_reader_load(struct run_reader *reader)
{
    struct text key, value;
    if (reader->row != reader->end || reader->ended)
        return ERROR_OK;
    err_t error = kv_cursor_next(reader->cursor, &key, &value);
    return enter_block(reader, error, key, value);
}

/* Within the block at hand; its end when all keys are less. */
static const uint8_t *lower_bound(const struct run_reader *reader, const struct run_order *wanted)
{
    size_t row_size = run_row_size(reader->family), low = 0, high = (size_t)(reader->end - reader->first) / row_size;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct run_order order = run_order_of(reader->family, reader->first + middle * row_size);
        if (run_order_less(&order, wanted))
            low = middle + 1;
        else
            high = middle;
    }
    return reader->first + low * row_size;
}

/* Whether the key lies between the first and the last of the block at hand. */
static bool in_block(const struct run_reader *reader, const struct run_order *wanted)
{
    if (reader->first == NULL)
        return false;
    struct run_order first = run_order_of(reader->family, reader->first);
    struct run_order last = run_order_of(reader->family, reader->end - run_row_size(reader->family));
    return !run_order_less(wanted, &first) && !run_order_less(&last, wanted);
}

/* The block that reaches up to the key is the one before the first with a greater first key. */
static err_t find_block(struct run_reader *reader, const uint8_t *stored_key)
{
    uint8_t from[BLOCK_KEY_SIZE_MAX];
    size_t key_size = run_key_size(reader->family);
    struct text wanted = { (const char *)from, RUN_KEY_SIZE + key_size }, key, value;
    memcpy(from, reader->prefix, RUN_KEY_SIZE);
    memcpy(from + RUN_KEY_SIZE, stored_key, key_size);
    err_t error = kv_cursor_seek(reader->cursor, wanted, &key, &value);
    if (error == ERROR_OK && text_equal(key, wanted))
        return enter_block(reader, error, key, value);
    if (error != ERROR_OK && error != ERROR_NOT_FOUND)
        return error;
    struct text key_before, value_before;
    err_t before = kv_cursor_previous(reader->cursor, &key_before, &value_before);
    if (before == ERROR_OK && of_this_run(reader, key_before))
        return take_block(reader, before, key_before, value_before);
    if (before != ERROR_OK && before != ERROR_NOT_FOUND)
        return before;
    if (error == ERROR_OK) /* the key lies before the run's first */
        error = kv_cursor_seek(reader->cursor, wanted, &key, &value);
    return enter_block(reader, error, key, value);
}

err_t run_reader_seek(struct run_reader *reader, const uint8_t *stored_key)
{
    if (stored_key == NULL) {
        struct text prefix = { (const char *)reader->prefix, RUN_KEY_SIZE }, key = TEXT_NONE, value = TEXT_NONE;
        err_t error = kv_cursor_seek(reader->cursor, prefix, &key, &value);
        return enter_block(reader, error, key, value);
    }
    struct run_order order = run_order_of(reader->family, stored_key);
    if (!in_block(reader, &order)) {
        err_t error = find_block(reader, stored_key);
        if (error != ERROR_OK || reader->ended)
            return error;
    }
    reader->row = lower_bound(reader, &order);
    return run_reader_load(reader);
}
