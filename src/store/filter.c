/* See filter.h. A part is written once it is full; only a merge that is cut into slices stores one more than once. */
#include "store/filter.h"

#include <string.h>

#include "base/check.h"
#include "base/memory.h"

static size_t lines_of_part(uint64_t line_count, uint64_t part)
{
    uint64_t left = line_count - part * FILTER_PART_LINES;
    return left < FILTER_PART_LINES ? (size_t)left : FILTER_PART_LINES;
}

static void clear_part(struct filter_builder *builder)
{
    memset(builder->bytes, 0,
           FILTER_PART_HEADER_SIZE + lines_of_part(builder->line_count, builder->part) * FILTER_LINE_SIZE);
    builder->used = 0;
}

err_t filter_begin(struct filter_builder *builder, struct kv_txn *txn, uint64_t run, uint64_t ids)
{
    *builder = (struct filter_builder){ .txn = txn, .run = run, .line_count = filter_line_count(ids) };
    REQUIRE(builder->line_count > 0);
    builder->bytes =
        memory_alloc(FILTER_PART_HEADER_SIZE + lines_of_part(builder->line_count, 0) * (size_t)FILTER_LINE_SIZE);
    if (builder->bytes == NULL)
        return ERROR_NO_MEMORY;
    clear_part(builder);
    return ERROR_OK;
}

void filter_free(struct filter_builder *builder)
{
    memory_free(builder->bytes);
    builder->bytes = NULL;
}

static err_t put_part(struct filter_builder *builder, size_t lines)
{
    uint8_t key[FILTER_KEY_SIZE];
    size_t size = FILTER_PART_HEADER_SIZE + lines * FILTER_LINE_SIZE;
    filter_key_encode(builder->run, (uint32_t)builder->part, key);
    return kv_put(builder->txn, KV_FILTERS, BYTES(key), (struct text){ (const char *)builder->bytes, size });
}

err_t filter_resume(struct filter_builder *builder, const uint8_t last[DEDUPE_KEY_SIZE])
{
    uint64_t line = filter_line_of(filter_id_of(last), builder->line_count);
    builder->part = line / FILTER_PART_LINES;
    clear_part(builder);
    builder->resumed = true;
    builder->used = (size_t)(line % FILTER_PART_LINES) + 1;
    uint8_t key[FILTER_KEY_SIZE];
    struct text stored;
    filter_key_encode(builder->run, (uint32_t)builder->part, key);
    err_t error = kv_get(builder->txn, KV_FILTERS, BYTES(key), &stored);
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : error;
    if (stored.len != FILTER_PART_HEADER_SIZE + builder->used * FILTER_LINE_SIZE ||
        !kv_is_intact(KV_FILTERS, BYTES(key), stored))
        return ERROR_STORE_CORRUPT;
    memcpy(builder->bytes, stored.ptr, stored.len);
    return ERROR_OK;
}

/* Parts that no id falls into are stored, too, as zeros. */
static err_t reach_part(struct filter_builder *builder, uint64_t part)
{
    while (builder->part < part) {
        err_t error = put_part(builder, lines_of_part(builder->line_count, builder->part));
        if (error != ERROR_OK)
            return error;
        builder->part++;
        clear_part(builder);
    }
    return ERROR_OK;
}

err_t filter_add(struct filter_builder *builder, const uint8_t key[DEDUPE_KEY_SIZE])
{
    struct filter_id id = filter_id_of(key);
    uint64_t line = filter_line_of(id, builder->line_count);
    if (line >= (builder->part + 1) * FILTER_PART_LINES) {
        err_t error = reach_part(builder, line / FILTER_PART_LINES);
        if (error != ERROR_OK)
            return error;
    }
    size_t within = (size_t)(line - builder->part * FILTER_PART_LINES);
    uint8_t *bytes = builder->bytes + FILTER_PART_HEADER_SIZE + within * FILTER_LINE_SIZE;
    builder->used = within + 1;
    for (unsigned word = 0; word < FILTER_LINE_WORDS; word++) {
        uint64_t bits = filter_load_le(bytes + (size_t)8 * word) | UINT64_C(1) << (id.low >> 6 * word & 63);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        bits = __builtin_bswap64(bits);
#endif
        memcpy(bytes + (size_t)8 * word, &bits, sizeof bits);
    }
    return ERROR_OK;
}

err_t filter_save(struct filter_builder *builder)
{
    return put_part(builder, builder->used);
}

/* What filter_save stored of a filter that belongs into the header. */
static err_t delete_part(struct filter_builder *builder)
{
    uint8_t key[FILTER_KEY_SIZE];
    filter_key_encode(builder->run, 0, key);
    return kv_delete(builder->txn, KV_FILTERS, BYTES(key));
}

err_t filter_finish(struct filter_builder *builder, struct text *lines)
{
    *lines = TEXT_NONE;
    if (builder->line_count <= FILTER_INLINE_LINES_MAX) {
        *lines = (struct text){ (const char *)builder->bytes + FILTER_PART_HEADER_SIZE,
                                (size_t)builder->line_count * FILTER_LINE_SIZE };
        return builder->resumed ? delete_part(builder) : ERROR_OK;
    }
    uint64_t last = (builder->line_count - 1) / FILTER_PART_LINES;
    err_t error = reach_part(builder, last);
    return error == ERROR_OK ? put_part(builder, lines_of_part(builder->line_count, last)) : error;
}

/* --- reading --- */

void filter_reader_init(struct filter_reader *reader, struct kv_cursor *cursor, uint64_t run, uint64_t line_count,
                        struct text inline_lines)
{
    *reader = (struct filter_reader){ .cursor = cursor, .run = run, .line_count = line_count };
    if (inline_lines.len > 0) {
        reader->lines = inline_lines;
        reader->end = line_count;
    }
}

err_t filter_reader_load(struct filter_reader *reader, uint64_t line)
{
    uint8_t wanted[FILTER_KEY_SIZE];
    struct text key, value;
    uint64_t part = line / FILTER_PART_LINES;
    filter_key_encode(reader->run, (uint32_t)part, wanted);
    err_t error = reader->at_part && part == reader->part + 1
                      ? kv_cursor_next(reader->cursor, &key, &value)
                      : kv_cursor_seek(reader->cursor, BYTES(wanted), &key, &value);
    reader->at_part = false;
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : error;
    size_t lines = line < reader->line_count ? lines_of_part(reader->line_count, part) : 0;
    if (!text_equal(key, BYTES(wanted)) || lines == 0 ||
        value.len != FILTER_PART_HEADER_SIZE + lines * FILTER_LINE_SIZE)
        return ERROR_STORE_CORRUPT;
    reader->lines = (struct text){ value.ptr + FILTER_PART_HEADER_SIZE, lines * FILTER_LINE_SIZE };
    reader->part = part;
    reader->first = part * FILTER_PART_LINES;
    reader->end = reader->first + lines;
    reader->at_part = true;
    return ERROR_OK;
}
