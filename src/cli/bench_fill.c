/* Records go to the writer without being parsed, hour after hour and in the order of the rows' keys: filling is no
 * measurement, it only has to be quick. Identities ascend for the same reason. */
#include "cli/bench_fill.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/instant.h"
#include "base/memory.h"
#include "store/write.h"

#define RECORDS_PER_JOB 8192
#define TEXT_SIZE 512
#define UPKEEP_NS_MAX (30 * NS_PER_MINUTE)
#define LOOK_AGAIN_NS (20 * NS_PER_MS)

struct resource {
    uint32_t subscription, meter, source, resource, instance;
};

struct fill {
    struct store_job job; /* first member */
    struct store *store;
    uint32_t first_hour;
    uint32_t resource_count;
    struct resource *resources; /* as they are interned, one job's worth at a time */
    uint32_t producer, interned;
    uint64_t next, end; /* records; number n is resource n % resource_count in hour n / resource_count */
};

struct guid bench_fill_subscription(uint32_t number)
{
    struct guid guid = { { 0x5a, 0xb5, 0, 0, 0, 0, 0x40, 0, 0x80 } };
    put_u32be(guid.bytes + 12, number + 1);
    return guid;
}

static const char *const meters[BENCH_FILL_METERS] = {
    "fab6eb84-500b-4a09-a8ca-7358f8bbaea5", "6dab500f-a4fd-49c4-956d-229bb9c8c793",
    "9cd92d4c-bafd-4492-b278-bedc2de8232a", "d5f7731b-f639-404a-89d0-e46186e22c8d",
    "b4438d5d-453b-4ee1-b42a-dc72e377f1e4", "b5c15376-6c94-4fdd-b655-1a69d138aca3",
    "09f8879e-87e9-4305-a572-4b7be209f857", "b9ff3cd0-28aa-4762-84bb-ff8fbaea6a90",
    "50a1aeaf-8eca-48a0-8973-a5b3077fee0d", "1fb9d9b7-0000-4000-8000-000000000000",
};

static err_t intern_text(struct store_write *write, enum dictionary_kind kind, const char *text, uint32_t *id)
{
    return write_intern(write, kind, text_of(text), text_of(text), id);
}

static err_t intern_resource(struct store_write *write, uint32_t number, uint32_t subscription_count,
                             struct resource *out)
{
    char uri[TEXT_SIZE], tags[64], additional[128], guid_text[GUID_TEXT_SIZE];
    uint8_t encoded[4 * TEXT_SIZE];
    struct guid guid = bench_fill_subscription(number % subscription_count);
    struct text guid_bytes = { (const char *)guid.bytes, sizeof guid.bytes };
    guid_print(&guid, guid_text);
    (void)snprintf(uri, sizeof uri,
                   "/subscriptions/%s/resourceGroups/rg-%02u/providers/Microsoft.Compute/virtualMachines/vm-%06u",
                   guid_text, (unsigned)(number / subscription_count % 20), (unsigned)number);
    (void)snprintf(tags, sizeof tags, "{\"cc\":\"47%02u\"}", (unsigned)(number % 40));
    (void)snprintf(additional, sizeof additional, "{\"ServiceType\":\"Standard_D%u_v2\"}", 1 + (unsigned)(number % 4));
    struct instance instance = { .resource_uri = text_of(uri),
                                 .location = TEXT("east"),
                                 .tags = text_of(tags),
                                 .additional_info = text_of(additional) };
    err_t error = write_intern(write, DICTIONARY_SUBSCRIPTION, guid_bytes, guid_bytes, &out->subscription);
    if (error == ERROR_OK)
        error =
            intern_text(write, DICTIONARY_METER, meters[number / subscription_count % BENCH_FILL_METERS], &out->meter);
    if (error == ERROR_OK)
        error = intern_text(write, DICTIONARY_SOURCE, "Microsoft.Compute", &instance.source);
    if (error == ERROR_OK)
        error = intern_text(write, DICTIONARY_RESOURCE, uri, &instance.resource);
    if (error != ERROR_OK)
        return error;
    out->source = instance.source;
    out->resource = instance.resource;
    struct text bytes = { (const char *)encoded, instance_encode(&instance, encoded) };
    return write_intern(write, DICTIONARY_INSTANCE, bytes, bytes, &out->instance);
}

static err_t run_intern(struct store_write *write, struct store_job *job)
{
    struct fill *fill = (struct fill *)job;
    uint32_t end = fill->interned + RECORDS_PER_JOB;
    uint32_t subscriptions =
        fill->resource_count < BENCH_FILL_SUBSCRIPTIONS ? fill->resource_count : BENCH_FILL_SUBSCRIPTIONS;
    err_t error = intern_text(write, DICTIONARY_PRODUCER, "bench", &fill->producer);
    for (uint32_t i = fill->interned; i < end && i < fill->resource_count && error == ERROR_OK; i++) {
        /* In the order of subscriptions, so that the rows of an hour are written in the order of their keys. */
        uint32_t per_subscription = (fill->resource_count + subscriptions - 1) / subscriptions;
        uint32_t number = i % per_subscription * subscriptions + i / per_subscription;
        error = intern_resource(write, number, subscriptions, &fill->resources[i]);
    }
    return error;
}

static err_t write_one(struct store_write *write, struct fill *fill, uint64_t number)
{
    const struct resource *resource = &fill->resources[number % fill->resource_count];
    uint32_t reported = fill->first_hour + (uint32_t)(number / fill->resource_count);
    char id[48];
    (void)snprintf(id, sizeof id, "bench-%016llx", (unsigned long long)number);
    struct decimal whole = decimal_from_i64((int64_t)(1 + number % 97));
    struct write_share share = { reported - 1, decimal_share(&whole, 1, 8) };
    struct journal_record record = {
        .reported_ns = hour_start_ns(reported) + NS_PER_MINUTE,
        .producer = fill->producer,
        .source = resource->source,
        .subscription = resource->subscription,
        .meter = resource->meter,
        .instance = resource->instance,
        .id = text_of(id),
        .start_ns = hour_start_ns(reported - 1),
        .end_ns = hour_start_ns(reported),
        .quantity = share.quantity,
        .quantity_is_number = true,
        .history = true,
    };
    struct hash128 identity = { { 0 } };
    bool fits;
    put_u64be(identity.bytes, number);
    return write_record(write, &record, &identity, number, resource->resource, &share, 1, &fits);
}

static err_t run_write(struct store_write *write, struct store_job *job)
{
    struct fill *fill = (struct fill *)job;
    err_t error = ERROR_OK;
    for (uint64_t n = fill->next; n < fill->end && error == ERROR_OK; n++)
        error = write_one(write, fill, n);
    return error;
}

/* All hours have ended long ago: their buckets are to be brought into their final form, as in a store that was there
 * at the time. */
static err_t run_seal(struct store_write *write, struct store_job *job)
{
    const struct fill *fill = (const struct fill *)job;
    const struct rows_engine *rows = store_rows(fill->store);
    uint32_t end = fill->first_hour + BENCH_FILL_HOURS;
    err_t error = rows->seal(write_txn(write), ROWS_HOURLY, end);
    if (error == ERROR_OK)
        error = rows->seal(write_txn(write), ROWS_DAILY, end / HOURS_PER_DAY);
    return error == ERROR_OK ? rows->seal(write_txn(write), ROWS_ROLLUP, end / HOURS_PER_DAY) : error;
}

static void wait_for_upkeep(struct store *store, bool progress)
{
    int64_t give_up_ns = clock_monotonic_ns(clock_system()) + UPKEEP_NS_MAX;
    if (progress)
        fprintf(stderr, "\r\033[Kfilling the store: merging");
    while (store_counters(store).upkeep_left && clock_monotonic_ns(clock_system()) < give_up_ns)
        nanosleep(&(struct timespec){ .tv_nsec = LOOK_AGAIN_NS }, NULL);
}

static err_t run(struct fill *fill, uint64_t total, bool progress)
{
    fill->job.weight = RECORDS_PER_JOB;
    fill->job.run = run_seal;
    err_t error = store_run(fill->store, &fill->job);
    fill->job.run = run_intern;
    for (; fill->interned < fill->resource_count && error == ERROR_OK; fill->interned += RECORDS_PER_JOB)
        error = store_run(fill->store, &fill->job);
    fill->job.run = run_write;
    while (fill->next < total && error == ERROR_OK) {
        fill->end = fill->next + RECORDS_PER_JOB < total ? fill->next + RECORDS_PER_JOB : total;
        error = store_run(fill->store, &fill->job);
        fill->next = fill->end;
        if (progress && fill->next % (32 * RECORDS_PER_JOB) == 0)
            fprintf(stderr, "\rfilling the store: %llu of %llu records", (unsigned long long)fill->next,
                    (unsigned long long)total);
    }
    wait_for_upkeep(fill->store, progress);
    if (progress)
        fprintf(stderr, "\r\033[K");
    return error;
}

/* A store that was filled before: its first hour, and whether it holds anything. */
static err_t find_first_hour(struct store *store, uint32_t *first_hour, bool *filled)
{
    static const uint8_t start[ROW_KEY_SIZE];
    struct rows_cursor *cursor;
    const uint8_t *key, *value;
    struct kv_txn *txn;
    err_t error = store_read_begin(store, &txn);
    if (error != ERROR_OK)
        return error;
    error = store_rows(store)->open(txn, ROWS_HOURLY, start, false, &cursor);
    if (error == ERROR_OK) {
        error = store_rows(store)->next(cursor, &key, &value);
        *filled = error == ERROR_OK;
        if (*filled)
            *first_hour = row_key_decode(key).bucket;
        store_rows(store)->close(cursor);
    }
    store_read_end(txn);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

err_t bench_fill(struct store *store, uint64_t records, bool progress, uint32_t *first_hour, struct error_info *info)
{
    bool filled = false;
    uint64_t resources = records / BENCH_FILL_HOURS;
    struct fill fill = { .store = store, .first_hour = *first_hour };
    fill.resource_count = (uint32_t)(resources < BENCH_FILL_SUBSCRIPTIONS ? BENCH_FILL_SUBSCRIPTIONS : resources);
    err_t error = find_first_hour(store, first_hour, &filled);
    if (error == ERROR_OK && !filled) {
        fill.resources = memory_zalloc(fill.resource_count, sizeof *fill.resources);
        error = fill.resources != NULL ? run(&fill, (uint64_t)fill.resource_count * BENCH_FILL_HOURS, progress)
                                       : ERROR_NO_MEMORY;
        memory_free(fill.resources);
    }
    return error == ERROR_OK ? ERROR_OK
                             : error_set(info, error, NULL, "the store could not be filled: %s", error_text(error));
}
