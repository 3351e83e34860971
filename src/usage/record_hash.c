/* A record's identity and content as keyed hashes. Both are stored, so what goes into them, and in which order, is part
 * of the store's format. */
#include <string.h>

#include "base/json.h"
#include "usage/record_internal.h"

struct hash128 record_identity(const uint8_t *hash_key, struct text source, struct text id)
{
    struct siphash state;
    siphash_init(&state, hash_key);
    siphash_update_sized(&state, source.ptr, source.len);
    siphash_update_sized(&state, id.ptr, id.len);
    return siphash_finish(&state);
}

/* Member order and number spelling do not matter, so the canonical text is hashed. ptr NULL: absent. */
static void hash_canonical(struct siphash *state, struct text canonical)
{
    siphash_update_u64(state, canonical.ptr != NULL);
    if (canonical.ptr != NULL)
        siphash_update_sized(state, canonical.ptr, canonical.len);
}

/* What content and names have in common comes first, so that it is hashed once. */
static struct siphash begin_content(const uint8_t *hash_key, const struct record_content *content)
{
    struct siphash state;
    siphash_init(&state, hash_key);
    siphash_update(&state, content->subscription.bytes, sizeof content->subscription.bytes);
    siphash_update_sized(&state, content->meter_key.ptr, content->meter_key.len);
    siphash_update_sized(&state, content->resource_key.ptr, content->resource_key.len);
    siphash_update_sized(&state, content->location.ptr, content->location.len);
    return state;
}

static uint64_t end_content(struct siphash state, const struct record_content *content, struct text tags,
                            struct text additional_info)
{
    uint8_t quantity[DECIMAL_ENCODED_SIZE];
    uint64_t first;
    decimal_encode(&content->quantity, quantity);
    siphash_update_u64(&state, (uint64_t)content->start_ns);
    siphash_update_u64(&state, (uint64_t)content->end_ns);
    siphash_update(&state, quantity, sizeof quantity);
    hash_canonical(&state, tags);
    hash_canonical(&state, additional_info);
    struct hash128 hash = siphash_finish(&state);
    memcpy(&first, hash.bytes, sizeof first);
    return first;
}

/* A bit for each of eight bytes: whether it was a large letter before it was folded, which changes one bit of it. */
HOT static uint64_t changed_bits(const char *written, const char *folded, size_t size)
{
    uint64_t before = 0, after = 0;
    if (size >= 8) {
        memcpy(&before, written, 8);
        memcpy(&after, folded, 8);
    } else {
        memcpy(&before, written, size);
        memcpy(&after, folded, size);
    }
    uint64_t changed = (before ^ after) >> 5 & UINT64_C(0x0101010101010101);
    return changed * UINT64_C(0x0102040810204080) >> 56;
}

HOT static void hash_case(struct siphash *state, struct text written, struct text folded)
{
    for (size_t at = 0; at < written.len; at += 64) {
        uint64_t bits = 0;
        for (size_t part = at; part < written.len && part < at + 64; part += 8)
            bits |= changed_bits(written.ptr + part, folded.ptr + part, written.len - part) << (part - at);
        siphash_update_u64(state, bits);
    }
}

/* Only for the writer's memory of ids: not stored. */
static struct hash128 end_names(struct siphash state, const struct usage_record *record)
{
    uint64_t kinds = (uint64_t)(record->tags.ptr != NULL) | (uint64_t)record->tags_is_string << 1 |
                     (uint64_t)(record->additional_info.ptr != NULL) << 2 |
                     (uint64_t)record->additional_info_is_string << 3;
    siphash_update_u64(&state, kinds);
    hash_case(&state, record->resource_uri, record->resource_key);
    siphash_update_sized(&state, record->source.ptr, record->source.len);
    siphash_update_sized(&state, record->tags.ptr, record->tags.len);
    siphash_update_sized(&state, record->additional_info.ptr, record->additional_info.len);
    return siphash_finish(&state);
}

/* A string's canonical text is the string in quotes. */
static struct text quoted(struct arena *arena, struct text string)
{
    struct buffer out = { 0 };
    buffer_append_char(&out, '"');
    json_escape(&out, string);
    buffer_append_char(&out, '"');
    struct text text = out.failed ? TEXT_NONE : arena_text(arena, buffer_text(&out));
    buffer_free(&out);
    return text;
}

static err_t canonical_of_stored(struct arena *arena, struct text text, bool is_string, struct text *canonical)
{
    const struct json *value;
    *canonical = TEXT_NONE;
    if (text.ptr == NULL)
        return ERROR_OK;
    if (is_string) {
        *canonical = quoted(arena, text);
    } else {
        err_t error = json_parse(arena, text, &value, NULL);
        if (error != ERROR_OK)
            return error == ERROR_NO_MEMORY ? error : ERROR_STORE_CORRUPT;
        *canonical = json_canonical(arena, value);
    }
    return canonical->ptr != NULL ? ERROR_OK : ERROR_NO_MEMORY;
}

err_t record_content_hash(struct arena *arena, const uint8_t *hash_key, const struct record_content *content,
                          uint64_t *hash)
{
    struct text tags, additional_info;
    err_t error = canonical_of_stored(arena, content->tags, content->tags_is_string, &tags);
    if (error == ERROR_OK)
        error =
            canonical_of_stored(arena, content->additional_info, content->additional_info_is_string, &additional_info);
    if (error == ERROR_OK)
        *hash = end_content(begin_content(hash_key, content), content, tags, additional_info);
    return error;
}

/* TEXT_NONE for an absent value. False: no memory. */
static bool canonical_of_value(struct arena *arena, const struct record_value *value, struct text *canonical)
{
    *canonical = TEXT_NONE;
    if (value->kind == VALUE_NONE)
        return true;
    if (value->canonical.ptr != NULL)
        *canonical = value->canonical;
    else
        *canonical = value->kind == VALUE_STRING ? quoted(arena, value->text) : json_canonical(arena, value->json);
    return canonical->ptr != NULL;
}

err_t record_hash(struct arena *arena, const uint8_t *hash_key, const struct record_value *tags,
                  const struct record_value *additional_info, struct usage_record *record)
{
    struct text canonical_tags, canonical_info;
    if (!canonical_of_value(arena, tags, &canonical_tags) ||
        !canonical_of_value(arena, additional_info, &canonical_info))
        return ERROR_NO_MEMORY;
    const struct record_content content = {
        .subscription = record->subscription,
        .meter_key = record->meter_key,
        .resource_key = record->resource_key,
        .location = record->location,
        .start_ns = record->start_ns,
        .end_ns = record->end_ns,
        .quantity = record->quantity,
    };
    record->identity = record_identity(hash_key, record->source, record->id);
    struct siphash common = begin_content(hash_key, &content);
    record->content_hash = end_content(common, &content, canonical_tags, canonical_info);
    record->names = end_names(common, record);
    return ERROR_OK;
}
