/* Segment layout: a header (journal_internal.h), then items, each a varint of its size and its bytes. An item begins
 * with its kind and flags. Definitions (kind 0) are not counted. Records: producer, source, subscription, meter,
 * instance, start and duration as differences to the record before, quantity, for history its own reported time, id.
 * Quantities drop their leading zero bytes; ids that are GUIDs in lower case take 16 bytes. */
#include "store/journal.h"

#include <string.h>

#include "base/check.h"
#include "base/encode.h"
#include "base/guid.h"
#include "store/journal_internal.h"
#include "store/keys.h"

#define ITEM_FIXED_SIZE_MAX 160 /* all but texts */

/* First byte of an item: kind in the low bits, flags above. */
#define KIND_MASK 0x07
#define KIND_DEFINITION 0
enum { FLAG_NUMBER = 0x08, FLAG_HISTORY = 0x10, FLAG_GUID = 0x20 };

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

bool journal_get_quantity(const uint8_t **cursor, const uint8_t *end, struct decimal *out)
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

/* Small differences of either sign become small varints. */
static uint64_t zigzag(uint64_t difference)
{
    return (difference << 1) ^ (0 - (difference >> 63));
}

static uint64_t unzigzag(uint64_t value)
{
    return (value >> 1) ^ (0 - (value & 1));
}

/* --- writing --- */

static void begin_segment(struct journal_writer *writer)
{
    writer->first_sequence = writer->next_sequence;
    writer->start_ns = writer->duration_ns = 0;
    buffer_clear(&writer->segment);
    static const uint8_t blank[SEGMENT_HEADER_SIZE];
    buffer_append(&writer->segment, blank, sizeof blank);
}

static bool is_open(const struct journal_writer *writer)
{
    return buffer_len(&writer->segment) > 0;
}

static err_t close_segment(struct journal_writer *writer, struct kv_txn *txn)
{
    if (writer->segment.failed)
        return ERROR_NO_MEMORY;
    uint8_t *header = (uint8_t *)writer->segment.data + writer->segment.start;
    header[0] = JOURNAL_VERSION;
    put_u64be(header + 1, (uint64_t)writer->reported_ns);
    put_u32be(header + 9, writer->count);
    memcpy(header + 13, writer->head, SHA256_SIZE);
    struct text segment = buffer_text(&writer->segment);
    sha256_of(segment.ptr, segment.len, writer->head);
    writer->bytes += segment.len;
    uint8_t key[JOURNAL_KEY_SIZE];
    put_u64be(key, writer->first_sequence);
    err_t error = kv_append(txn, KV_JOURNAL, BYTES(key), segment);
    buffer_clear(&writer->segment);
    writer->count = 0;
    return error;
}

static err_t begin_item(struct journal_writer *writer, struct kv_txn *txn)
{
    if (writer->count > 0 && !writer->defined && buffer_len(&writer->segment) >= JOURNAL_SEGMENT_SIZE_BYTES) {
        err_t error = close_segment(writer, txn);
        if (error != ERROR_OK)
            return error;
    }
    if (!is_open(writer))
        begin_segment(writer);
    return ERROR_OK;
}

static void put_item(struct journal_writer *writer, const uint8_t *fields, size_t fields_size, struct text first,
                     struct text second)
{
    uint8_t size[VARINT_SIZE_MAX];
    buffer_append(&writer->segment, size, varint_put(size, fields_size + first.len + second.len));
    buffer_append(&writer->segment, fields, fields_size);
    buffer_append_text(&writer->segment, first);
    buffer_append_text(&writer->segment, second);
}

err_t journal_define(struct journal_writer *writer, struct kv_txn *txn, const struct journal_definition *definition)
{
    err_t error = begin_item(writer, txn);
    if (error != ERROR_OK)
        return error;
    uint8_t fields[ITEM_FIXED_SIZE_MAX], *p = fields;
    *p++ = KIND_DEFINITION;
    *p++ = (uint8_t)definition->kind;
    p += varint_put(p, definition->id);
    memcpy(p, definition->identity.bytes, sizeof definition->identity.bytes);
    p += sizeof definition->identity.bytes;
    put_item(writer, fields, (size_t)(p - fields), definition->text, TEXT_NONE);
    writer->defined = true;
    return ERROR_OK;
}

static void put_record(struct journal_writer *writer, const struct journal_record *record)
{
    uint8_t fields[ITEM_FIXED_SIZE_MAX], *p = fields;
    struct guid guid;
    char printed[GUID_TEXT_SIZE];
    bool is_guid = record->id.len == GUID_TEXT_LEN && guid_parse(record->id, &guid);
    if (is_guid) {
        guid_print(&guid, printed);
        is_guid = memcmp(printed, record->id.ptr, GUID_TEXT_LEN) == 0;
    }
    *p++ = (uint8_t)(JOURNAL_RECORD | (record->quantity_is_number ? FLAG_NUMBER : 0) |
                     (record->history ? FLAG_HISTORY : 0) | (is_guid ? FLAG_GUID : 0));
    p += varint_put(p, record->producer);
    p += varint_put(p, record->source);
    p += varint_put(p, record->subscription);
    p += varint_put(p, record->meter);
    p += varint_put(p, record->instance);
    uint64_t duration_ns = (uint64_t)record->end_ns - (uint64_t)record->start_ns;
    p += varint_put(p, zigzag((uint64_t)record->start_ns - (uint64_t)writer->start_ns));
    p += varint_put(p, zigzag(duration_ns - (uint64_t)writer->duration_ns));
    writer->start_ns = record->start_ns;
    writer->duration_ns = (int64_t)duration_ns;
    p = put_quantity(p, &record->quantity);
    if (record->history) {
        put_u64be(p, (uint64_t)record->reported_ns);
        p += 8;
    }
    /* The id takes the rest. */
    struct text id = is_guid ? (struct text){ (const char *)guid.bytes, sizeof guid.bytes } : record->id;
    put_item(writer, fields, (size_t)(p - fields), id, TEXT_NONE);
}

static void put_correction(struct journal_writer *writer, const struct journal_correction *correction)
{
    uint8_t fields[ITEM_FIXED_SIZE_MAX], *p = fields;
    *p++ = JOURNAL_CORRECTION;
    *p++ = (uint8_t)correction->action;
    p += varint_put(p, correction->original);
    p = put_quantity(p, &correction->quantity);
    p = put_quantity(p, &correction->difference);
    p += varint_put(p, correction->by.len);
    put_item(writer, fields, (size_t)(p - fields), correction->by, correction->reason);
}

static void put_seal(struct journal_writer *writer, const struct journal_seal *seal)
{
    uint8_t fields[ITEM_FIXED_SIZE_MAX], *p = fields;
    *p++ = JOURNAL_SEAL;
    p += varint_put(p, seal->first_hour);
    p += varint_put(p, seal->end_hour);
    p += varint_put(p, seal->first_sequence);
    put_item(writer, fields, (size_t)(p - fields), TEXT_NONE, TEXT_NONE);
}

static void put_note(struct journal_writer *writer)
{
    put_item(writer, (const uint8_t[]){ JOURNAL_NOTE }, 1, TEXT_NONE, TEXT_NONE);
}

err_t journal_add(struct journal_writer *writer, struct kv_txn *txn, struct journal_entry *entry)
{
    err_t error = begin_item(writer, txn);
    if (error != ERROR_OK)
        return error;
    entry->sequence = writer->next_sequence++;
    writer->count++;
    writer->defined = false;
    switch (entry->kind) {
    case JOURNAL_RECORD:
        entry->record.sequence = entry->sequence;
        put_record(writer, &entry->record);
        break;
    case JOURNAL_CORRECTION:
        put_correction(writer, &entry->correction);
        break;
    case JOURNAL_SEAL:
        put_seal(writer, &entry->seal);
        return close_segment(writer, txn); /* so that the head there can be signed */
    case JOURNAL_NOTE:
        put_note(writer);
        break;
    }
    return ERROR_OK;
}

err_t journal_flush(struct journal_writer *writer, struct kv_txn *txn)
{
    if (!is_open(writer))
        return ERROR_OK;
    if (writer->defined) {
        writer->count++;
        writer->next_sequence++;
        writer->defined = false;
        put_note(writer);
    }
    return close_segment(writer, txn);
}

void journal_undo(struct journal_writer *writer, uint64_t next_sequence, const uint8_t head[SHA256_SIZE])
{
    buffer_clear(&writer->segment);
    writer->count = 0;
    writer->defined = false;
    writer->next_sequence = next_sequence;
    memcpy(writer->head, head, SHA256_SIZE);
}

/* --- reading --- */

bool journal_get_u32(const uint8_t **cursor, const uint8_t *end, uint32_t *out)
{
    uint64_t value;
    if (!varint_get(cursor, end, &value) || value > UINT32_MAX)
        return false;
    *out = (uint32_t)value;
    return true;
}

bool journal_get_i64(const uint8_t **cursor, const uint8_t *end, int64_t *out)
{
    if (end - *cursor < 8)
        return false;
    *out = (int64_t)get_u64be(*cursor);
    *cursor += 8;
    return true;
}

static bool get_times(struct journal_reader *reader, const uint8_t **p, const uint8_t *end,
                      struct journal_record *record)
{
    uint64_t start, duration;
    if (!varint_get(p, end, &start) || !varint_get(p, end, &duration))
        return false;
    reader->start_ns = record->start_ns = (int64_t)((uint64_t)reader->start_ns + unzigzag(start));
    reader->duration_ns = (int64_t)((uint64_t)reader->duration_ns + unzigzag(duration));
    record->end_ns = (int64_t)((uint64_t)record->start_ns + (uint64_t)reader->duration_ns);
    return true;
}

static bool get_id(struct journal_entry *entry, uint8_t flags, const uint8_t *p, const uint8_t *end)
{
    struct text *id = &entry->record.id;
    *id = (struct text){ (const char *)p, (size_t)(end - p) };
    if ((flags & FLAG_GUID) == 0)
        return true;
    struct guid guid;
    if (id->len != sizeof guid.bytes)
        return false;
    memcpy(guid.bytes, p, sizeof guid.bytes);
    guid_print(&guid, entry->guid_text);
    *id = (struct text){ entry->guid_text, GUID_TEXT_LEN };
    return true;
}

static bool decode_record(struct journal_reader *reader, uint8_t flags, const uint8_t *p, const uint8_t *end,
                          struct journal_entry *entry)
{
    struct journal_record *record = &entry->record;
    record->quantity_is_number = (flags & FLAG_NUMBER) != 0;
    record->history = (flags & FLAG_HISTORY) != 0;
    record->sequence = reader->sequence;
    record->reported_ns = reader->reported_ns;
    return journal_get_u32(&p, end, &record->producer) && journal_get_u32(&p, end, &record->source) &&
           journal_get_u32(&p, end, &record->subscription) && journal_get_u32(&p, end, &record->meter) &&
           journal_get_u32(&p, end, &record->instance) && get_times(reader, &p, end, record) &&
           journal_get_quantity(&p, end, &record->quantity) &&
           (!record->history || journal_get_i64(&p, end, &record->reported_ns)) && get_id(entry, flags, p, end);
}

static bool decode_correction(const uint8_t *p, const uint8_t *end, struct journal_correction *correction)
{
    uint64_t by_size;
    if (p >= end || (*p != CORRECTION_VOID && *p != CORRECTION_AMEND))
        return false;
    correction->action = (enum correction_action) * p++;
    if (!varint_get(&p, end, &correction->original) || !journal_get_quantity(&p, end, &correction->quantity) ||
        !journal_get_quantity(&p, end, &correction->difference) || !varint_get(&p, end, &by_size) ||
        by_size > (uint64_t)(end - p))
        return false;
    correction->by = (struct text){ (const char *)p, (size_t)by_size };
    p += by_size;
    correction->reason = (struct text){ (const char *)p, (size_t)(end - p) };
    return true;
}

static bool decode_seal(const uint8_t *p, const uint8_t *end, struct journal_seal *seal)
{
    return journal_get_u32(&p, end, &seal->first_hour) && journal_get_u32(&p, end, &seal->end_hour) &&
           varint_get(&p, end, &seal->first_sequence) && p == end;
}

static bool decode_definition(const uint8_t *p, const uint8_t *end, struct journal_definition *definition)
{
    if (p >= end || *p == 0 || *p >= DICTIONARY_KIND_COUNT)
        return false;
    definition->kind = (enum dictionary_kind) * p++;
    if (!journal_get_u32(&p, end, &definition->id) || (size_t)(end - p) < sizeof definition->identity.bytes)
        return false;
    memcpy(definition->identity.bytes, p, sizeof definition->identity.bytes);
    p += sizeof definition->identity.bytes;
    definition->text = (struct text){ (const char *)p, (size_t)(end - p) };
    return true;
}

static bool decode_entry(struct journal_reader *reader, const uint8_t *p, const uint8_t *end,
                         struct journal_entry *entry)
{
    uint8_t first = *p++;
    *entry = (struct journal_entry){ .kind = JOURNAL_NOTE,
                                     .sequence = reader->sequence,
                                     .reported_ns = reader->reported_ns };
    switch (first & KIND_MASK) {
    case JOURNAL_RECORD:
        entry->kind = JOURNAL_RECORD;
        if (!decode_record(reader, first, p, end, entry))
            return false;
        entry->reported_ns = entry->record.reported_ns;
        return true;
    case JOURNAL_CORRECTION:
        entry->kind = JOURNAL_CORRECTION;
        return decode_correction(p, end, &entry->correction);
    case JOURNAL_SEAL:
        entry->kind = JOURNAL_SEAL;
        return decode_seal(p, end, &entry->seal);
    case JOURNAL_NOTE:
        return p == end;
    default:
        return false;
    }
}

err_t segment_header_read(struct text key, struct text value, struct segment_header *header)
{
    const uint8_t *p = (const uint8_t *)value.ptr;
    if (key.len != JOURNAL_KEY_SIZE || value.len < SEGMENT_HEADER_SIZE || p[0] != JOURNAL_VERSION)
        return ERROR_STORE_CORRUPT;
    header->first_sequence = get_u64be((const uint8_t *)key.ptr);
    header->reported_ns = (int64_t)get_u64be(p + 1);
    header->count = get_u32be(p + 9);
    memcpy(header->before, p + 13, sizeof header->before);
    return header->count > 0 ? ERROR_OK : ERROR_STORE_CORRUPT;
}

static err_t enter_segment(struct journal_reader *reader, struct text key, struct text value)
{
    struct segment_header header;
    err_t error = segment_header_read(key, value, &header);
    if (error != ERROR_OK)
        return error;
    reader->sequence = header.first_sequence;
    reader->reported_ns = header.reported_ns;
    reader->left = header.count;
    reader->next = (const uint8_t *)value.ptr + SEGMENT_HEADER_SIZE;
    reader->end = (const uint8_t *)value.ptr + value.len;
    reader->start_ns = reader->duration_ns = 0;
    return ERROR_OK;
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

static err_t next_item(struct journal_reader *reader, const uint8_t **item, const uint8_t **end)
{
    uint64_t size;
    if (!varint_get(&reader->next, reader->end, &size) || size == 0 || size > (uint64_t)(reader->end - reader->next))
        return ERROR_STORE_CORRUPT;
    *item = reader->next;
    *end = reader->next += size;
    return ERROR_OK;
}

static err_t pass_definitions(struct journal_reader *reader, const uint8_t **item, const uint8_t **end)
{
    for (;;) {
        err_t error = next_item(reader, item, end);
        if (error != ERROR_OK || (**item & KIND_MASK) != KIND_DEFINITION)
            return error;
        struct journal_definition definition;
        if (!decode_definition(*item + 1, *end, &definition))
            return ERROR_STORE_CORRUPT;
        if (reader->define != NULL && (error = reader->define(reader->context, &definition)) != ERROR_OK)
            return error;
    }
}

err_t journal_next(struct journal_reader *reader, struct journal_entry *entry)
{
    err_t error = reader->left == 0 ? enter_next_segment(reader) : ERROR_OK;
    const uint8_t *item, *end;
    if (error == ERROR_OK)
        error = pass_definitions(reader, &item, &end);
    if (error != ERROR_OK)
        return error;
    if (!decode_entry(reader, item, end, entry))
        return ERROR_STORE_CORRUPT;
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
    struct journal_entry skipped;
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

err_t journal_get(struct kv_txn *txn, uint64_t sequence, struct journal_entry *entry)
{
    struct journal_reader reader;
    err_t error = journal_open(txn, sequence, &reader);
    if (error != ERROR_OK)
        return error;
    error = journal_next(&reader, entry);
    if (error == ERROR_OK && entry->sequence != sequence)
        error = ERROR_NOT_FOUND;
    journal_close(&reader);
    return error;
}
