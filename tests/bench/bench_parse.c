/* What one record costs between the socket's bytes and the writer, stage by stage, in nanoseconds of one core. Each
 * stage runs over the same body again and again; the best of its rounds counts, because machines are noisy.
 *
 *   ./vendor/zig build bench:parse [-- FILE|- [STAGE]]
 *
 * FILE: a body to measure instead, a JSON array of records. STAGE: only stages with this in their name, for a
 * profiler. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/instant.h"
#include "usage/ingest.h"

#define RECORDS 1000
#define ROUNDS 200
#define BODY_BYTES_MAX ((size_t)64 * 1024 * 1024)

static const uint8_t hash_key[SIPHASH_KEY_SIZE] = { 1, 2, 3 };
static struct record_limits limits = { .future_ns_max = 5 * NS_PER_MINUTE, .age_ns_max = -1 };
static const char *only = "";
static size_t sink; /* keeps results alive */

static void put_record(struct buffer *out, unsigned n)
{
    buffer_append_format(
        out,
        "%c{\"id\":\"5b0e4a5e9c1d77aa%016x\",\"source\":\"Microsoft.Compute\","
        "\"subscriptionId\":\"5ab50000-0000-4000-8000-000000%06u\","
        "\"meterId\":\"fab6eb84-500b-4a09-a8ca-7358f8bbaea5\",\"resourceUri\":\"/subscriptions/5ab50000-0000-4000-8000-"
        "000000%06u/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm%06u\",\"location\":\"east\","
        "\"usageStartTime\":\"2026-03-05T%02u:00:00Z\",\"usageEndTime\":\"2026-03-05T%02u:00:00Z\",\"quantity\":%u.%u,"
        "\"tags\":{\"cc\":\"47%02u\"},\"additionalInfo\":{\"ServiceType\":\"Standard_D4_v2\"}}",
        n == 0 ? '[' : ',', n, n % 200, n % 200, n, n % 23, n % 23 + 1, 1 + n % 9, 25 + n % 50, n % 40);
}

static size_t split_only(struct text body, struct arena *arena)
{
    struct json_splitter splitter = json_split(body);
    struct text element;
    size_t count = 0;
    (void)arena;
    while (json_split_next(&splitter, &element)) {
        sink += element.len;
        count++;
    }
    return count;
}

static size_t split_and_parse(struct text body, struct arena *arena)
{
    struct json_splitter splitter = json_split(body);
    const struct json *value;
    struct text element;
    size_t count = 0;
    while (json_split_next(&splitter, &element)) {
        REQUIRE(json_parse(arena, element, &value, NULL) == ERROR_OK);
        sink += json_count(value);
        count++;
    }
    return count;
}

static size_t record_by_json(struct text body, struct arena *arena)
{
    struct json_splitter splitter = json_split(body);
    struct usage_record record;
    struct text element;
    size_t count = 0;
    while (json_split_next(&splitter, &element)) {
        REQUIRE(record_parse(arena, element, NULL, &limits, hash_key, &record, NULL) == ERROR_OK);
        sink += record.content_hash;
        count++;
    }
    return count;
}

static size_t record_plain(struct text body, struct arena *arena)
{
    struct json_splitter splitter = json_split(body);
    struct usage_record record;
    struct text rest;
    size_t count = 0, size;
    err_t error;
    while (json_split_begin(&splitter, &rest)) {
        REQUIRE(record_read_plain(arena, rest, NULL, &limits, hash_key, &record, &size, &error, NULL));
        REQUIRE(json_split_accept(&splitter, size));
        sink += record.content_hash;
        count++;
    }
    return count;
}

static struct usage_record sample(struct text body, struct arena *arena)
{
    struct json_splitter splitter = json_split(body);
    struct usage_record record;
    struct text element;
    REQUIRE(json_split_next(&splitter, &element));
    REQUIRE(record_parse(arena, element, NULL, &limits, hash_key, &record, NULL) == ERROR_OK);
    return record;
}

static size_t hashes_only(struct text body, struct arena *arena)
{
    struct usage_record record = sample(body, arena);
    const struct record_content content = { .subscription = record.subscription,
                                            .meter_key = record.meter_key,
                                            .resource_key = record.resource_key,
                                            .location = record.location,
                                            .start_ns = record.start_ns,
                                            .end_ns = record.end_ns,
                                            .quantity = record.quantity };
    for (size_t i = 0; i < RECORDS; i++) {
        uint64_t hash;
        struct hash128 identity = record_identity(hash_key, record.source, record.id);
        REQUIRE(record_content_hash(arena, hash_key, &content, &hash) == ERROR_OK);
        sink += hash + identity.bytes[0];
    }
    return RECORDS;
}

static size_t times_and_quantity(struct text body, struct arena *arena)
{
    struct text start = TEXT("2026-03-05T10:00:00Z"), quantity = TEXT("4.25");
    (void)body;
    (void)arena;
    for (size_t i = 0; i < RECORDS; i++) {
        int64_t start_ns, end_ns;
        struct decimal value;
        REQUIRE(instant_parse(start, &start_ns) == ERROR_OK && instant_parse(start, &end_ns) == ERROR_OK);
        REQUIRE(decimal_parse(quantity, &value) == ERROR_OK);
        sink += (size_t)(start_ns + end_ns) + value.words[0];
    }
    return RECORDS;
}

static size_t whole_batch(struct text body, struct arena *arena)
{
    static const struct text any = { "*", 1 };
    const struct ingest_producer producer = { TEXT("bench"), &any, 1 };
    struct ingest_batch *batch = ingest_new(arena, &producer, &limits, hash_key);
    REQUIRE(batch != NULL && ingest_parse(batch, INGEST_JSON, body, NULL) == ERROR_OK);
    for (size_t i = 0; i < batch->count; i++)
        REQUIRE(batch->results[i].verdict == VERDICT_PENDING);
    return batch->count;
}

static void measure(const char *name, struct text body, size_t (*stage)(struct text body, struct arena *arena))
{
    double best = 0;
    if (strstr(name, only) == NULL)
        return;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t start_ns = clock_monotonic_ns(clock_system());
        struct arena *arena = arena_new(ARENA_BLOCK_SIZE_MAX, 0);
        REQUIRE(arena != NULL);
        size_t count = stage(body, arena);
        arena_free(arena);
        double each = (double)(clock_monotonic_ns(clock_system()) - start_ns) / (double)count;
        best = round == 0 || each < best ? each : best;
    }
    printf("%-44s %8.1f ns a record\n", name, best);
}

int main(int argc, char **argv)
{
    struct buffer out = { 0 };
    struct error_info info = { 0 };
    limits.now_ns = clock_wall_ns(clock_system());
    limits.future_ns_max = INT64_MAX / 4;
    bool from_file = argc > 1 && strcmp(argv[1], "-") != 0;
    if (argc > 2)
        only = argv[2];
    if (from_file && file_read(argv[1], BODY_BYTES_MAX, &out, &info) != ERROR_OK) {
        fprintf(stderr, "%s\n", info.message);
        return 1;
    }
    if (!from_file) {
        for (unsigned n = 0; n < RECORDS; n++)
            put_record(&out, n);
        buffer_append_char(&out, ']');
    }
    struct text body = buffer_text(&out);
    printf("body %zu bytes\n", body.len);
    measure("split", body, split_only);
    measure("split, JSON values", body, split_and_parse);
    measure("split, JSON values, record", body, record_by_json);
    measure("record in plain form", body, record_plain);
    measure("  of that identity and content hash", body, hashes_only);
    measure("  of that two times and a quantity", body, times_and_quantity);
    measure("whole batch", body, whole_batch);
    buffer_free(&out);
    return sink == 0;
}
