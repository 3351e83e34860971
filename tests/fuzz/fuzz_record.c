/* Fuzz target for usage records in every format a body may have: what is accepted obeys every bound, splits without
 * loss, fits an encoded instance and reads the same a second time; what is not accepted says why. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "usage/ingest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_NS (INT64_C(1769862600) * NS_PER_SECOND) /* 2026-01-31T12:30:00Z */

static const uint8_t hash_key[SIPHASH_KEY_SIZE] = { 1, 2, 3 };

static void check_shares(const struct usage_record *record)
{
    struct decimal sum = { { 0 } };
    REQUIRE(record->share_count >= 1 && record->share_count <= RECORD_SHARES_MAX);
    for (size_t i = 0; i < record->share_count; i++) {
        REQUIRE(!decimal_is_negative(&record->shares[i].quantity));
        REQUIRE(i == 0 || record->shares[i].hour == record->shares[i - 1].hour + 1);
        REQUIRE(decimal_add(&sum, &record->shares[i].quantity, &sum));
    }
    REQUIRE(decimal_compare(&sum, &record->quantity) == 0);
    REQUIRE((int64_t)record->shares[0].hour == instant_hour(record->start_ns));
}

static void check_instance(const struct usage_record *record)
{
    static uint8_t bytes[INSTANCE_SIZE_MAX];
    struct instance decoded, instance = {
        .source = UINT32_MAX,
        .resource = UINT32_MAX,
        .resource_uri = record->resource_uri,
        .location = record->location,
        .tags = record->tags,
        .tags_is_string = record->tags_is_string,
        .additional_info = record->additional_info,
        .additional_info_is_string = record->additional_info_is_string,
    };
    size_t size = instance_encode(&instance, bytes);
    REQUIREF(size <= sizeof bytes, "size=%zu", size);
    REQUIRE(instance_decode((struct text){ (const char *)bytes, size }, &decoded) == ERROR_OK);
    REQUIRE(text_equal(decoded.tags, record->tags) && text_equal(decoded.additional_info, record->additional_info));
}

static void check_accepted(const struct usage_record *record, const struct record_limits *limits)
{
    REQUIRE(record->id.len >= 1 && record->id.len <= RECORD_ID_SIZE_MAX);
    REQUIRE(record->source.len >= 1 && record->source.len <= RECORD_SOURCE_SIZE_MAX);
    REQUIRE(record->meter_id.len >= 1 && record->meter_id.len <= RECORD_METER_ID_SIZE_MAX);
    REQUIRE(record->meter_key.len <= record->meter_id.len && record->resource_key.len == record->resource_uri.len);
    REQUIRE(record->start_ns >= 0 && record->start_ns < record->end_ns);
    REQUIRE(record->end_ns - record->start_ns <= RECORD_INTERVAL_NS_MAX);
    REQUIRE(record->end_ns <= limits->now_ns + limits->future_ns_max);
    REQUIRE(limits->age_ns_max < 0 || record->start_ns >= limits->now_ns - limits->age_ns_max);
    REQUIRE(!limits->history || record->end_ns - record->reported_ns <= RECORD_REPORTED_BEFORE_END_NS_MAX);
    check_shares(record);
    check_instance(record);
}

static void check_same(const struct usage_record *a, const struct usage_record *b)
{
    REQUIRE(text_equal(a->id, b->id) && text_equal(a->source, b->source) && text_equal(a->meter_id, b->meter_id));
    REQUIRE(text_equal(a->meter_key, b->meter_key) && text_equal(a->resource_key, b->resource_key));
    REQUIRE(text_equal(a->resource_uri, b->resource_uri) && text_equal(a->location, b->location));
    REQUIRE((a->tags.ptr == NULL) == (b->tags.ptr == NULL) && text_equal(a->tags, b->tags));
    REQUIRE((a->additional_info.ptr == NULL) == (b->additional_info.ptr == NULL));
    REQUIRE(text_equal(a->additional_info, b->additional_info) && a->tags_is_string == b->tags_is_string);
    REQUIRE(a->additional_info_is_string == b->additional_info_is_string);
    REQUIRE(guid_equal(&a->subscription, &b->subscription) && a->start_ns == b->start_ns && a->end_ns == b->end_ns);
    REQUIRE(decimal_compare(&a->quantity, &b->quantity) == 0 && a->quantity_is_number == b->quantity_is_number);
    REQUIRE(a->reported_ns == b->reported_ns && a->content_hash == b->content_hash);
    REQUIRE(memcmp(&a->identity, &b->identity, sizeof a->identity) == 0);
    REQUIRE(memcmp(&a->names, &b->names, sizeof a->names) == 0);
}

/* What the one pass over a plain record says is what the JSON reader says of the bytes that it took. */
static void check_plain(struct arena *arena, struct text text, const struct record_limits *limits)
{
    struct usage_record plain, record;
    struct error_info plain_info = { 0 }, info = { 0 };
    size_t size;
    err_t error;
    if (!record_read_plain(arena, text, NULL, limits, hash_key, &plain, &size, &error, &plain_info))
        return;
    REQUIRE(size <= text.len && size <= RECORD_SIZE_BYTES_MAX);
    struct text taken = { text.ptr, size };
    REQUIREF(record_parse(arena, taken, NULL, limits, hash_key, &record, &info) == error, "error=%d", (int)error);
    REQUIRE(strcmp(plain_info.target, info.target) == 0 && strcmp(plain_info.message, info.message) == 0);
    REQUIRE(text_equal(plain.id, record.id));
    if (error == ERROR_OK)
        check_same(&plain, &record);
}

/* As when the store is rebuilt from what it keeps. */
static void require_rebuilt_hash(struct arena *arena, const struct usage_record *record)
{
    uint64_t hash;
    const struct record_content content = { .subscription = record->subscription,
                                            .meter_key = record->meter_key,
                                            .resource_key = record->resource_key,
                                            .location = record->location,
                                            .start_ns = record->start_ns,
                                            .end_ns = record->end_ns,
                                            .quantity = record->quantity,
                                            .tags = record->tags,
                                            .tags_is_string = record->tags_is_string,
                                            .additional_info = record->additional_info,
                                            .additional_info_is_string = record->additional_info_is_string };
    REQUIRE(record_content_hash(arena, hash_key, &content, &hash) == ERROR_OK && hash == record->content_hash);
}

static void check_record(struct arena *arena, struct text text, const struct record_limits *limits)
{
    struct usage_record record, again;
    struct error_info info = { 0 };
    err_t error = record_parse(arena, text, NULL, limits, hash_key, &record, &info);
    REQUIREF(error == info.code, "error=%d info=%d", (int)error, (int)info.code);
    if (error != ERROR_OK) {
        REQUIRE(info.message[0] != '\0');
        return;
    }
    check_accepted(&record, limits);
    REQUIRE(record_parse(arena, text, NULL, limits, hash_key, &again, NULL) == ERROR_OK);
    REQUIRE(again.content_hash == record.content_hash);
    require_rebuilt_hash(arena, &record);
}

static void check_batch(struct arena *arena, enum ingest_format format, struct text text,
                        const struct record_limits *limits)
{
    static const struct text any = { "*", 1 };
    struct ingest_producer producer = { TEXT("fuzz"), &any, 1 };
    struct ingest_batch *batch = ingest_new(arena, &producer, limits, hash_key);
    struct error_info info = { 0 };
    REQUIRE(batch != NULL);
    err_t error = ingest_parse(batch, format, text, &info);
    REQUIREF(error == ERROR_OK ||
                 (error == ERROR_INVALID_REQUEST_CONTENT && info.code == error && info.message[0] != '\0'),
             "error=%d", (int)error);
    REQUIRE(format != INGEST_NDJSON || error == ERROR_OK);
    for (size_t i = 0; i < batch->count && error == ERROR_OK; i++) {
        const struct ingest_result *result = &batch->results[i];
        if (result->verdict == VERDICT_PENDING) {
            check_accepted(&result->record, limits);
        } else {
            REQUIRE(result->verdict == VERDICT_REJECTED && result->parsed_verdict == VERDICT_REJECTED);
            REQUIRE(result->code != ERROR_OK && result->message.len > 0 && result->target.ptr != NULL);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct record_limits live = { NOW_NS, 5 * NS_PER_MINUTE, 400 * NS_PER_DAY, false };
    static const struct record_limits history = { NOW_NS, 5 * NS_PER_MINUTE, -1, true };
    struct text text = { (const char *)data, size };
    for (int format = INGEST_JSON; format <= INGEST_CLOUDEVENTS_BATCH; format++) {
        struct arena *arena = arena_new(65536, 0);
        REQUIRE(arena != NULL);
        check_batch(arena, (enum ingest_format)format, text, format % 2 == 0 ? &live : &history);
        arena_free(arena);
    }
    struct arena *arena = arena_new(65536, 0);
    REQUIRE(arena != NULL);
    check_record(arena, text, &live);
    check_record(arena, text, &history);
    check_plain(arena, text, &live);
    check_plain(arena, text, &history);
    arena_free(arena);
    return 0;
}
