/* Segment layout: version (1 byte), reported time (8), count (4), then per record a varint of its size and
 * its fields: flags, producer, source, subscription, meter, instance, id, start, duration, quantity, and
 * for history its own reported time. Quantities drop their leading zero bytes. */
#include "store/journal.h"

#include <string.h>

#include "base/check.h"
#include "base/encode.h"
#include "store/keys.h"

#define SEGMENT_HEADER_SIZE 13
#define RECORD_FIXED_SIZE_MAX 128 /* all but the id */

enum { FLAG_NUMBER = 1, FLAG_HISTORY = 2 };

static uint8_t *put_quantity(uint8_t *p, const struct decimal *quantity)
{
    uint8_t bytes[DECIMAL_ENCODED_SIZE];
    decimal_encode(quantity, bytes);
    bytes[0] ^= 0x80; /* plain two's complement: small values begin with zeros */
    size_t skip = 0;
    while (skip < sizeof bytes && bytes[skip] == 0)
        skip++;
    *p++ = (uint8_t)(sizeof bytes - skip);
    memcpy(p, bytes + skip, sizeof bytes - skip);
    return p + (sizeof bytes - skip);
}

static bool get_quantity(const uint8_t **cursor, const uint8_t *end, struct decimal *out)
{
    uint8_t bytes[DECIMAL_ENCODED_SIZE] = { 0 };
    if (*cursor >= end || **cursor > sizeof bytes || (size_t)(end - *cursor) <= **cursor)
        return false;
    size_t size = *(*cursor)++;
    memcpy(bytes + sizeof bytes - size, *cursor, size);
    *cursor += size;
    bytes[0] ^= 0x80;
    *out = decimal_decode(bytes);
    return true;
}

static void begin_segment(struct journal_writer *writer, const struct journal_record *record)
{
    writer->first_sequence = record->sequence;
    writer->count = 0;
    buffer_clear(&writer->segment);
    static const uint8_t blank[SEGMENT_HEADER_SIZE];
    buffer_append(&writer->segment, blank, sizeof blank);
}

err_t journal_flush(struct journal_writer *writer, struct kv_txn *txn)
{
    if (writer->count == 0)
        return ERROR_OK;
    if (writer->segment.failed)
        return ERROR_NO_MEMORY;
    uint8_t *header = (uint8_t *)writer->segment.data + writer->segment.start;
    header[0] = JOURNAL_VERSION;
    put_u64be(header + 1, (uint64_t)writer->reported_ns);
    put_u32be(header + 9, writer->count);
    uint8_t key[JOURNAL_KEY_SIZE];
    put_u64be(key, writer->first_sequence);
    writer->count = 0;
    return kv_append(txn, KV_JOURNAL, BYTES(key), buffer_text(&writer->segment));
}

err_t journal_add(struct journal_writer *writer, struct kv_txn *txn, const struct journal_record *record)
{
    if (writer->count != 0 && buffer_len(&writer->segment) >= JOURNAL_SEGMENT_SIZE_BYTES) {
        err_t error = journal_flush(writer, txn);
        if (error != ERROR_OK)
            return error;
    }
    if (writer->count == 0)
        begin_segment(writer, record);
    REQUIRE(record->sequence == writer->first_sequence + writer->count);

    uint8_t fields[RECORD_FIXED_SIZE_MAX], *p = fields;
    *p++ = (uint8_t)((record->quantity_is_number ? FLAG_NUMBER : 0) | (record->history ? FLAG_HISTORY : 0));
    p += varint_put(p, record->producer);
    p += varint_put(p, record->source);
    p += varint_put(p, record->subscription);
    p += varint_put(p, record->meter);
    p += varint_put(p, record->instance);
    put_u64be(p, (uint64_t)record->start_ns);
    p += 8;
    p += varint_put(p, (uint64_t)(record->end_ns - record->start_ns));
    p = put_quantity(p, &record->quantity);
    if (record->history) {
        put_u64be(p, (uint64_t)record->reported_ns);
        p += 8;
    }
    uint8_t size[VARINT_SIZE_MAX];
    size_t fields_size = (size_t)(p - fields);
    buffer_append(&writer->segment, size, varint_put(size, fields_size + record->id.len));
    buffer_append(&writer->segment, fields, fields_size);
    buffer_append_text(&writer->segment, record->id); /* the id takes the rest of the record */
    writer->count++;
    return ERROR_OK;
}

static bool get_u32(const uint8_t **cursor, const uint8_t *end, uint32_t *out)
{
    uint64_t value;
    if (!varint_get(cursor, end, &value) || value > UINT32_MAX)
        return false;
    *out = (uint32_t)value;
    return true;
}

static bool get_i64(const uint8_t **cursor, const uint8_t *end, int64_t *out)
{
    if (end - *cursor < 8)
        return false;
    *out = (int64_t)get_u64be(*cursor);
    *cursor += 8;
    return true;
}

static bool decode_record(const uint8_t *p, const uint8_t *end, struct journal_record *record)
{
    uint64_t duration;
    if (p >= end)
        return false;
    uint8_t flags = *p++;
    record->quantity_is_number = (flags & FLAG_NUMBER) != 0;
    record->history = (flags & FLAG_HISTORY) != 0;
    if (!get_u32(&p, end, &record->producer) || !get_u32(&p, end, &record->source) ||
        !get_u32(&p, end, &record->subscription) || !get_u32(&p, end, &record->meter) ||
        !get_u32(&p, end, &record->instance) || !get_i64(&p, end, &record->start_ns) ||
        !varint_get(&p, end, &duration) || !get_quantity(&p, end, &record->quantity) ||
        (record->history && !get_i64(&p, end, &record->reported_ns)))
        return false;
    record->end_ns = (int64_t)((uint64_t)record->start_ns + duration);
    record->id = (struct text){ (const char *)p, (size_t)(end - p) };
    return true;
}

static err_t enter_segment(struct journal_reader *reader, struct text key, struct text value)
{
    const uint8_t *p = (const uint8_t *)value.ptr;
    if (key.len != JOURNAL_KEY_SIZE || value.len < SEGMENT_HEADER_SIZE || p[0] != JOURNAL_VERSION)
        return ERROR_STORE_CORRUPT;
    reader->sequence = get_u64be((const uint8_t *)key.ptr);
    reader->reported_ns = (int64_t)get_u64be(p + 1);
    reader->left = get_u32be(p + 9);
    reader->next = p + SEGMENT_HEADER_SIZE;
    reader->end = p + value.len;
    return reader->left > 0 ? ERROR_OK : ERROR_STORE_CORRUPT;
}

/* The next segment begins where the one before ended, or one is missing. */
static err_t enter_next_segment(struct journal_reader *reader)
{
    struct text key, value;
    uint64_t expected = reader->sequence;
    err_t error = kv_cursor_next(reader->cursor, &key, &value);
    if (error == ERROR_OK)
        error = enter_segment(reader, key, value);
    return error == ERROR_OK && reader->sequence != expected ? ERROR_STORE_CORRUPT : error;
}

err_t journal_next(struct journal_reader *reader, struct journal_record *record)
{
    if (reader->left == 0) {
        err_t error = enter_next_segment(reader);
        if (error != ERROR_OK)
            return error;
    }
    uint64_t size;
    if (!varint_get(&reader->next, reader->end, &size) || size > (uint64_t)(reader->end - reader->next))
        return ERROR_STORE_CORRUPT;
    record->sequence = reader->sequence;
    record->reported_ns = reader->reported_ns;
    if (!decode_record(reader->next, reader->next + size, record))
        return ERROR_STORE_CORRUPT;
    reader->next += size;
    reader->left--;
    reader->sequence++;
    return reader->left > 0 || reader->next == reader->end ? ERROR_OK : ERROR_STORE_CORRUPT;
}

/* The segment that holds from_sequence is the last one that begins at or before it. */
static err_t find_segment(struct journal_reader *reader, uint64_t from_sequence)
{
    uint8_t wanted[JOURNAL_KEY_SIZE];
    put_u64be(wanted, from_sequence);
    struct text key, value, before_key, before_value;
    err_t error = kv_cursor_seek(reader->cursor, BYTES(wanted), &key, &value);
    bool exact = error == ERROR_OK && key.len == sizeof wanted && memcmp(key.ptr, wanted, sizeof wanted) == 0;
    if (error != ERROR_OK && error != ERROR_NOT_FOUND)
        return error;
    if (!exact) {
        err_t before = error == ERROR_OK ? kv_cursor_previous(reader->cursor, &before_key, &before_value)
                                         : kv_cursor_last(reader->cursor, &before_key, &before_value);
        if (before == ERROR_OK)
            return enter_segment(reader, before_key, before_value);
        if (before != ERROR_NOT_FOUND || error != ERROR_OK)
            return before;
        error = kv_cursor_seek(reader->cursor, BYTES(wanted), &key, &value);
    }
    return error == ERROR_OK ? enter_segment(reader, key, value) : error;
}

err_t journal_open(struct kv_txn *txn, uint64_t from_sequence, struct journal_reader *reader)
{
    *reader = (struct journal_reader){ 0 };
    err_t error = kv_cursor_open(txn, KV_JOURNAL, &reader->cursor);
    if (error != ERROR_OK)
        return error;
    error = find_segment(reader, from_sequence);
    struct journal_record skipped;
    while (error == ERROR_OK && reader->left > 0 && reader->sequence < from_sequence)
        error = journal_next(reader, &skipped);
    if (error != ERROR_OK && error != ERROR_NOT_FOUND) {
        journal_close(reader);
        return error;
    }
    return ERROR_OK;
}

void journal_close(struct journal_reader *reader)
{
    kv_cursor_close(reader->cursor);
    reader->cursor = NULL;
}

err_t journal_get(struct kv_txn *txn, uint64_t sequence, struct journal_record *record)
{
    struct journal_reader reader;
    err_t error = journal_open(txn, sequence, &reader);
    if (error != ERROR_OK)
        return error;
    error = journal_next(&reader, record);
    if (error == ERROR_OK && record->sequence != sequence)
        error = ERROR_NOT_FOUND;
    journal_close(&reader);
    return error;
}
