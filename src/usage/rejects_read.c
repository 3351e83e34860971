/* Entries as they are stored, and reading them. See rejects_internal.h for the layout. */
#include "base/check.h"
#include "store/packed.h"
#include "usage/rejects_internal.h"

#define HEAD_VERSION 1
#define FLAG_EVENT 1
#define FLAG_HISTORY 2
#define FIXED_SIZE (5 + 6 * 8 + 16)
#define TALLY_NUMBERS (1 + REJECT_STATE_COUNT + 3 + REJECT_CODE_COUNT)

/* An index is stored: add at the end only. */
static const err_t codes[REJECT_CODE_COUNT] = {
    ERROR_RECORD_CONFLICT,    ERROR_INVALID_PROPERTY,      ERROR_USAGE_IN_FUTURE,  ERROR_USAGE_TOO_OLD,
    ERROR_SOURCE_NOT_ALLOWED, ERROR_QUANTITY_OUT_OF_RANGE, ERROR_RECORD_TOO_LARGE,
};

err_t reject_code(size_t index)
{
    REQUIRE(index < REJECT_CODE_COUNT);
    return codes[index];
}

size_t reject_code_index(err_t code)
{
    for (size_t i = 0; i < REJECT_CODE_COUNT; i++)
        if (codes[i] == code)
            return i;
    return 1; /* what has no code of its own is a property that is wrong */
}

static const char *const state_names[REJECT_STATE_COUNT] = { "open", "replayed", "dismissed" };

const char *reject_state_name(enum reject_state state)
{
    return state_names[state];
}

bool reject_state_parse(struct text text, enum reject_state *state)
{
    for (int s = 0; s < REJECT_STATE_COUNT; s++) {
        if (text_equal_nocase(text, text_of(state_names[s]))) {
            *state = (enum reject_state)s;
            return true;
        }
    }
    return false;
}

uint64_t reject_size(const struct reject *reject)
{
    uint64_t posted = reject->posted_size < REJECT_RAW_SIZE_MAX ? reject->posted_size : REJECT_RAW_SIZE_MAX;
    return posted + FIXED_SIZE + REJECT_HASH_KEY_SIZE + (uint64_t)2 * REJECT_KEY_SIZE + reject->producer.len +
           reject->source.len + reject->id.len + reject->target.len + reject->message.len;
}

/* --- one entry --- */

void reject_encode(const struct reject *reject, struct buffer *out)
{
    uint8_t fixed[FIXED_SIZE] = {
        HEAD_VERSION, (uint8_t)reject->state, (uint8_t)reject->verdict, (uint8_t)reject_code_index(reject->code),
        (uint8_t)((reject->is_event ? FLAG_EVENT : 0) | (reject->history ? FLAG_HISTORY : 0))
    };
    uint8_t count[VARINT_SIZE_MAX];
    put_u64be(fixed + 5, (uint64_t)reject->received_ns);
    put_u64be(fixed + 13, (uint64_t)reject->last_received_ns);
    put_u64be(fixed + 21, reject->count);
    put_u64be(fixed + 29, reject->state == REJECT_REPLAYED ? reject->replayed_sequence : reject->original_sequence);
    put_u64be(fixed + 37, (uint64_t)reject->closed_ns);
    put_u64be(fixed + 45, reject->posted_size);
    memcpy(fixed + 53, reject->hash.bytes, sizeof reject->hash.bytes);
    buffer_append(out, fixed, sizeof fixed);
    packed_put(out, reject->producer);
    packed_put(out, reject->source);
    packed_put(out, reject->id);
    packed_put(out, reject->target);
    packed_put(out, reject->message);
    packed_put(out, reject->closed_by);
    buffer_append(out, count, varint_put(count, reject->source_count));
    for (size_t i = 0; i < reject->source_count; i++)
        packed_put(out, reject->sources[i]);
}

static void decode_fixed(const uint8_t *fixed, struct reject *out)
{
    out->state = (enum reject_state)fixed[1];
    out->verdict = (enum verdict)fixed[2];
    out->code = codes[fixed[3]];
    out->is_event = (fixed[4] & FLAG_EVENT) != 0;
    out->history = (fixed[4] & FLAG_HISTORY) != 0;
    out->received_ns = (int64_t)get_u64be(fixed + 5);
    out->last_received_ns = (int64_t)get_u64be(fixed + 13);
    out->count = get_u64be(fixed + 21);
    out->closed_ns = (int64_t)get_u64be(fixed + 37);
    out->posted_size = get_u64be(fixed + 45);
    memcpy(out->hash.bytes, fixed + 53, sizeof out->hash.bytes);
    uint64_t sequence = get_u64be(fixed + 29);
    if (out->state == REJECT_REPLAYED)
        out->replayed_sequence = sequence;
    else
        out->original_sequence = sequence;
}

err_t reject_decode(uint64_t number, struct text value, struct reject *out)
{
    const uint8_t *cursor = (const uint8_t *)value.ptr, *end = cursor + value.len;
    *out = (struct reject){ .number = number };
    if (value.len < FIXED_SIZE || cursor[0] != HEAD_VERSION || cursor[1] >= REJECT_STATE_COUNT ||
        cursor[3] >= REJECT_CODE_COUNT)
        return ERROR_STORE_CORRUPT;
    decode_fixed(cursor, out);
    cursor += FIXED_SIZE;
    struct text *texts[] = { &out->producer, &out->source, &out->id, &out->target, &out->message, &out->closed_by };
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (!packed_get(&cursor, end, texts[i]))
            return ERROR_STORE_CORRUPT;
    uint64_t count;
    if (!varint_get(&cursor, end, &count) || count > REJECT_SOURCES_MAX)
        return ERROR_STORE_CORRUPT;
    for (out->source_count = 0; out->source_count < count; out->source_count++)
        if (!packed_get(&cursor, end, &out->sources[out->source_count]))
            return ERROR_STORE_CORRUPT;
    return ERROR_OK;
}

/* --- the tally --- */

static void tally_members(struct tally *tally, uint64_t *members[TALLY_NUMBERS])
{
    size_t n = 0;
    members[n++] = &tally->last_number;
    for (size_t i = 0; i < REJECT_STATE_COUNT; i++)
        members[n++] = &tally->totals.states[i];
    members[n++] = &tally->totals.bytes;
    members[n++] = &tally->totals.evicted;
    members[n++] = &tally->totals.not_kept;
    for (size_t i = 0; i < REJECT_CODE_COUNT; i++)
        members[n++] = &tally->received[i];
}

err_t tally_read(struct kv_txn *txn, struct tally *tally)
{
    uint64_t *members[TALLY_NUMBERS];
    struct text value;
    *tally = (struct tally){ 0 };
    err_t error = kv_get(txn, KV_REJECTS, TEXT("s"), &value);
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? ERROR_OK : error;
    if (value.len % 8 != 0)
        return ERROR_STORE_CORRUPT;
    tally_members(tally, members);
    for (size_t i = 0; i < TALLY_NUMBERS && i < value.len / 8; i++) /* codes may have been added since */
        *members[i] = get_u64be((const uint8_t *)value.ptr + i * 8);
    return ERROR_OK;
}

err_t tally_write(struct kv_txn *txn, const struct tally *tally)
{
    struct tally copy = *tally;
    uint64_t *members[TALLY_NUMBERS];
    uint8_t value[TALLY_NUMBERS * 8];
    tally_members(&copy, members);
    for (size_t i = 0; i < TALLY_NUMBERS; i++)
        put_u64be(value + i * 8, *members[i]);
    return kv_put(txn, KV_REJECTS, TEXT("s"), BYTES(value));
}

err_t reject_read_totals(struct kv_txn *txn, struct reject_totals *totals, uint64_t received[REJECT_CODE_COUNT])
{
    struct tally tally;
    err_t error = tally_read(txn, &tally);
    *totals = tally.totals;
    if (received != NULL)
        memcpy(received, tally.received, sizeof tally.received);
    return error;
}

/* --- reading --- */

static bool is_entry(struct text key)
{
    return key.len == REJECT_KEY_SIZE && key.ptr[0] == 'e';
}

err_t reject_first(struct kv_txn *txn, uint64_t from, struct reject *out)
{
    uint8_t buffer[REJECT_KEY_SIZE];
    struct kv_cursor *cursor;
    struct text key, value;
    err_t error = kv_cursor_open(txn, KV_REJECTS, &cursor);
    if (error != ERROR_OK)
        return error;
    error = kv_cursor_seek(cursor, reject_number_key('e', from, buffer), &key, &value);
    if (error == ERROR_OK && !is_entry(key))
        error = ERROR_NOT_FOUND;
    if (error == ERROR_OK)
        error = reject_decode(get_u64be((const uint8_t *)key.ptr + 1), value, out);
    kv_cursor_close(cursor);
    return error;
}

static err_t read_raw(struct kv_txn *txn, struct reject *reject)
{
    uint8_t key[REJECT_KEY_SIZE];
    err_t error = kv_get(txn, KV_REJECTS, reject_number_key('r', reject->number, key), &reject->raw);
    return error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : error;
}

err_t reject_get(struct kv_txn *txn, uint64_t number, struct reject *out)
{
    uint8_t key[REJECT_KEY_SIZE];
    struct text value;
    err_t error = kv_get(txn, KV_REJECTS, reject_number_key('e', number, key), &value);
    if (error == ERROR_OK)
        error = reject_decode(number, value, out);
    return error == ERROR_OK ? read_raw(txn, out) : error;
}

static bool fits(const struct reject_query *query, const struct reject *reject)
{
    return query->states[reject->state] &&
           (query->producer.ptr == NULL || text_equal(query->producer, reject->producer)) &&
           (query->source.ptr == NULL || text_equal(query->source, reject->source)) &&
           (query->code.ptr == NULL || text_equal_nocase(query->code, text_of(error_wire_code(reject->code))));
}

static err_t list_from(struct kv_txn *txn, struct kv_cursor *cursor, const struct reject_query *query,
                       err_t (*visit)(void *context, const struct reject *reject), void *context, uint64_t *last,
                       bool *more)
{
    uint8_t buffer[REJECT_KEY_SIZE];
    struct text key, value;
    size_t found = 0, bytes = 0;
    err_t error = kv_cursor_seek(cursor, reject_number_key('e', query->after + 1, buffer), &key, &value);
    for (size_t looked = 0; error == ERROR_OK && is_entry(key); looked++) {
        struct reject reject;
        *more = found == query->limit || bytes >= REJECTS_PAGE_BYTES_MAX || looked == REJECTS_SCAN_MAX;
        if (*more)
            return ERROR_OK;
        error = reject_decode(get_u64be((const uint8_t *)key.ptr + 1), value, &reject);
        if (error != ERROR_OK)
            return error;
        *last = reject.number;
        if (fits(query, &reject)) {
            error = read_raw(txn, &reject);
            if (error == ERROR_OK)
                error = visit(context, &reject);
            if (error != ERROR_OK)
                return error;
            found++;
            bytes += reject.raw.len;
        }
        error = kv_cursor_next(cursor, &key, &value);
    }
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

err_t reject_list(struct kv_txn *txn, const struct reject_query *query,
                  err_t (*visit)(void *context, const struct reject *reject), void *context, uint64_t *last, bool *more)
{
    struct kv_cursor *cursor;
    *more = false;
    *last = query->after;
    if (query->after == UINT64_MAX)
        return ERROR_OK;
    err_t error = kv_cursor_open(txn, KV_REJECTS, &cursor);
    if (error != ERROR_OK)
        return error;
    error = list_from(txn, cursor, query, visit, context, last, more);
    kv_cursor_close(cursor);
    return error;
}
