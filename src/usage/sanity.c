/* The checks on arrival, and the findings they leave.
 *
 * In KV_REJECTS: 'f' day kind hash -> finding; 'g' -> tally. What is remembered of a meter is found by its dictionary
 * id; a transaction that is undone may give the id to another meter, so all of it is forgotten then. */
#include "usage/sanity.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/instant.h"
#include "base/memory.h"
#include "base/siphash.h"
#include "store/keys.h"
#include "store/packed.h"
#include "store/write.h"
#include "usage/sanity_internal.h"
#include "usage/subscriptions.h"

#define METERS_REMEMBERED 65536
#define DELETED_REMEMBERED 16384
#define LEVELS_REMEMBERED 16384
#define LIMITS_REMEMBERED 256
#define SCRATCH_SIZE_BYTES 4096
#define FINDING_VERSION 1
#define FINDING_FIXED_SIZE (1 + 4 * 8 + 16)
#define TALLY_NUMBERS (3 + FINDING_KIND_COUNT)

_Static_assert(FINDING_KEY_SIZE == 1 + 4 + 1 + 16, "kind of entry, day, kind of finding, hash");

enum meter_fact { METER_NOT_LOOKED_UP, METER_FINE, METER_BOUNDED, METER_UNKNOWN };

struct remembered_level {
    uint32_t instance, meter; /* dictionary ids; 0: nothing remembered */
    uint32_t level;           /* 0: nothing certain */
    struct sanity_rule rule;
};

/* What the lowest level there is, one, can use in a window of that length: nearly all that is right stays below. */
struct remembered_limit {
    uint32_t meter; /* dictionary id; 0: nothing remembered */
    bool limited;   /* false: the window is too long to say */
    int64_t duration_ns;
    struct decimal limit;
};

struct sanity {
    const struct meters *meters;
    uint8_t facts[METERS_REMEMBERED]; /* enum meter_fact by dictionary id */
    struct remembered_level levels[LEVELS_REMEMBERED];
    struct remembered_limit limits[LIMITS_REMEMBERED];
    uint64_t undone; /* transactions, when it was last looked */
    uint64_t subscriptions_version;
    struct subscription_deleted *deleted;
    size_t deleted_count;
    struct arena *arena;   /* of 'deleted' */
    struct arena *scratch; /* of one record */
};

const char *finding_kind_name(enum finding_kind kind)
{
    static const char *const names[FINDING_KIND_COUNT] = { "over-window", "after-deletion", "unknown-meter" };
    return names[kind];
}

/* --- findings --- */

struct tally {
    uint64_t day, listed; /* of that day */
    struct finding_totals totals;
};

static err_t read_tally(struct kv_txn *txn, struct tally *tally)
{
    struct text value;
    *tally = (struct tally){ 0 };
    err_t error = kv_get(txn, KV_REJECTS, TEXT("g"), &value);
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? ERROR_OK : error;
    if (value.len != (size_t)TALLY_NUMBERS * 8)
        return ERROR_STORE_CORRUPT;
    const uint8_t *p = (const uint8_t *)value.ptr;
    tally->day = get_u64be(p);
    tally->listed = get_u64be(p + 8);
    tally->totals.not_listed = get_u64be(p + 16);
    for (int k = 0; k < FINDING_KIND_COUNT; k++)
        tally->totals.records[k] = get_u64be(p + 24 + (size_t)k * 8);
    return ERROR_OK;
}

static err_t put_tally(struct kv_txn *txn, const struct tally *tally)
{
    uint8_t value[TALLY_NUMBERS * 8];
    put_u64be(value, tally->day);
    put_u64be(value + 8, tally->listed);
    put_u64be(value + 16, tally->totals.not_listed);
    for (int k = 0; k < FINDING_KIND_COUNT; k++)
        put_u64be(value + 24 + (size_t)k * 8, tally->totals.records[k]);
    return kv_put(txn, KV_REJECTS, TEXT("g"), BYTES(value));
}

err_t finding_read_totals(struct kv_txn *txn, struct finding_totals *out)
{
    struct tally tally;
    err_t error = read_tally(txn, &tally);
    *out = tally.totals;
    return error;
}

/* One per day and subject: the resource's meter, or the meter alone if that is the matter. */
static void finding_key(const struct finding *finding, uint8_t key[FINDING_KEY_SIZE])
{
    static const uint8_t no_secret[SIPHASH_KEY_SIZE];
    struct siphash state;
    siphash_init(&state, no_secret);
    siphash_update_sized(&state, finding->meter_id.ptr, finding->meter_id.len);
    if (finding->kind != FINDING_UNKNOWN_METER) {
        siphash_update(&state, finding->subscription.bytes, sizeof finding->subscription.bytes);
        siphash_update_sized(&state, finding->resource_uri.ptr, finding->resource_uri.len);
    }
    struct hash128 hash = siphash_finish(&state);
    key[0] = 'f';
    put_u32be(key + 1, (uint32_t)finding->day);
    key[5] = (uint8_t)finding->kind;
    memcpy(key + 6, hash.bytes, sizeof hash.bytes);
}

static err_t decode_finding(struct text key, struct text value, struct finding *out)
{
    const uint8_t *p = (const uint8_t *)value.ptr, *end = p + value.len;
    if (key.len != FINDING_KEY_SIZE || value.len < FINDING_FIXED_SIZE || p[0] != FINDING_VERSION ||
        (uint8_t)key.ptr[5] >= FINDING_KIND_COUNT)
        return ERROR_STORE_CORRUPT;
    *out = (struct finding){ .kind = (enum finding_kind)key.ptr[5],
                             .day = get_u32be((const uint8_t *)key.ptr + 1),
                             .first_ns = (int64_t)get_u64be(p + 1),
                             .last_ns = (int64_t)get_u64be(p + 9),
                             .count = get_u64be(p + 17),
                             .sequence = get_u64be(p + 25) };
    memcpy(out->subscription.bytes, p + 33, sizeof out->subscription.bytes);
    p += FINDING_FIXED_SIZE;
    struct text *texts[] = { &out->meter_id, &out->resource_uri, &out->source, &out->producer, &out->message };
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (!packed_get(&p, end, texts[i]))
            return ERROR_STORE_CORRUPT;
    return ERROR_OK;
}

static err_t put_finding(struct kv_txn *txn, const uint8_t key[FINDING_KEY_SIZE], const struct finding *finding)
{
    uint8_t fixed[FINDING_FIXED_SIZE] = { FINDING_VERSION };
    struct buffer value = { 0 };
    put_u64be(fixed + 1, (uint64_t)finding->first_ns);
    put_u64be(fixed + 9, (uint64_t)finding->last_ns);
    put_u64be(fixed + 17, finding->count);
    put_u64be(fixed + 25, finding->sequence);
    memcpy(fixed + 33, finding->subscription.bytes, sizeof finding->subscription.bytes);
    buffer_append(&value, fixed, sizeof fixed);
    packed_put(&value, finding->meter_id);
    packed_put(&value, finding->resource_uri);
    packed_put(&value, finding->source);
    packed_put(&value, finding->producer);
    packed_put(&value, finding->message);
    err_t error = value.failed ? ERROR_NO_MEMORY
                               : kv_put(txn, KV_REJECTS, (struct text){ (const char *)key, FINDING_KEY_SIZE },
                                        buffer_text(&value));
    buffer_free(&value);
    return error;
}

static err_t note(struct kv_txn *txn, const struct finding *finding)
{
    uint8_t key[FINDING_KEY_SIZE];
    struct text value;
    struct tally tally;
    struct finding known;
    err_t error = read_tally(txn, &tally);
    if (error != ERROR_OK)
        return error;
    tally.totals.records[finding->kind]++;
    if (tally.day != (uint64_t)finding->day)
        tally.listed = 0;
    tally.day = (uint64_t)finding->day;
    finding_key(finding, key);
    error = kv_get(txn, KV_REJECTS, BYTES(key), &value);
    if (error == ERROR_OK) {
        error = decode_finding(BYTES(key), value, &known);
        known.count++;
        known.last_ns = finding->last_ns;
        if (error == ERROR_OK)
            error = put_finding(txn, key, &known);
    } else if (error == ERROR_NOT_FOUND && tally.listed < FINDINGS_PER_DAY_MAX) {
        tally.listed++;
        error = put_finding(txn, key, finding);
    } else if (error == ERROR_NOT_FOUND) {
        tally.totals.not_listed++;
        error = ERROR_OK;
    }
    return error == ERROR_OK ? put_tally(txn, &tally) : error;
}

/* --- on arrival --- */

struct sanity *sanity_new(const struct meters *meters)
{
    struct sanity *sanity = memory_zalloc(1, sizeof *sanity);
    if (sanity == NULL)
        return NULL;
    sanity->meters = meters;
    sanity->subscriptions_version = UINT64_MAX;
    sanity->arena = arena_new(SCRATCH_SIZE_BYTES, 0);
    sanity->scratch = arena_new(SCRATCH_SIZE_BYTES, 0);
    if (sanity->arena == NULL || sanity->scratch == NULL) {
        sanity_free(sanity);
        return NULL;
    }
    return sanity;
}

void sanity_free(struct sanity *sanity)
{
    if (sanity == NULL)
        return;
    arena_free(sanity->arena);
    arena_free(sanity->scratch);
    memory_free(sanity);
}

err_t sanity_begin(struct sanity *sanity, struct store_write *write)
{
    uint64_t version;
    if (write_undone(write) != sanity->undone) {
        memset(sanity->facts, METER_NOT_LOOKED_UP, sizeof sanity->facts);
        memset(sanity->levels, 0, sizeof sanity->levels);
        memset(sanity->limits, 0, sizeof sanity->limits);
        sanity->subscriptions_version = UINT64_MAX;
    }
    sanity->undone = write_undone(write);
    err_t error = subscription_version(write_txn(write), &version);
    if (error != ERROR_OK || version == sanity->subscriptions_version)
        return error;
    arena_reset(sanity->arena);
    sanity->deleted_count = 0;
    sanity->subscriptions_version = UINT64_MAX;
    error = subscription_list_deleted(write_txn(write), sanity->arena, DELETED_REMEMBERED, &sanity->deleted,
                                      &sanity->deleted_count);
    if (error == ERROR_OK)
        sanity->subscriptions_version = version;
    return error;
}

static enum meter_fact look_up(const struct sanity *sanity, const struct usage_record *record)
{
    const struct meter *meter = meters_find(sanity->meters, record->meter_key);
    if (meter == NULL)
        return METER_UNKNOWN;
    return sanity_rule_of(meter).level == LEVEL_UNKNOWN ? METER_FINE : METER_BOUNDED;
}

static enum meter_fact fact_of(struct sanity *sanity, const struct usage_record *record, uint32_t meter)
{
    if (meter >= METERS_REMEMBERED)
        return look_up(sanity, record);
    if (sanity->facts[meter] == METER_NOT_LOOKED_UP)
        sanity->facts[meter] = (uint8_t)look_up(sanity, record);
    return (enum meter_fact)sanity->facts[meter];
}

static err_t find(struct store_write *write, enum finding_kind kind, const struct usage_record *record,
                  const struct journal_record *entry, struct text producer, struct text message)
{
    struct finding finding = {
        .kind = kind,
        .day = instant_day(entry->reported_ns),
        .first_ns = entry->reported_ns,
        .last_ns = entry->reported_ns,
        .count = 1,
        .sequence = entry->sequence,
        .subscription = record->subscription,
        .meter_id = record->meter_id,
        .resource_uri = packed_cut(record->resource_uri, 1024),
        .source = record->source,
        .producer = producer,
        .message = message,
    };
    return note(write_txn(write), &finding);
}

/* Of the record's meter and resource, which are the same every hour. */
static const struct remembered_level *level_of(struct sanity *sanity, const struct usage_record *record,
                                               const struct journal_record *entry)
{
    struct remembered_level *slot = &sanity->levels[(entry->instance * 31 + entry->meter) % LEVELS_REMEMBERED];
    if (slot->instance == entry->instance && slot->meter == entry->meter)
        return slot;
    const struct meter *meter = meters_find(sanity->meters, record->meter_key);
    REQUIRE(meter != NULL);
    *slot = (struct remembered_level){ entry->instance, entry->meter, 0, sanity_rule_of(meter) };
    arena_reset(sanity->scratch);
    slot->level = sanity_level_of(sanity->scratch, &slot->rule, record->resource_uri, record->additional_info);
    return slot;
}

static bool is_below_all_levels(struct sanity *sanity, const struct usage_record *record, uint32_t meter_id)
{
    struct remembered_limit *slot = &sanity->limits[meter_id % LIMITS_REMEMBERED];
    int64_t duration_ns = record->end_ns - record->start_ns;
    if (slot->meter != meter_id || slot->duration_ns != duration_ns) {
        const struct meter *meter = meters_find(sanity->meters, record->meter_key);
        REQUIRE(meter != NULL);
        const struct sanity_rule rule = sanity_rule_of(meter);
        *slot = (struct remembered_limit){ .meter = meter_id, .duration_ns = duration_ns };
        slot->limited = sanity_limit(&rule, 1, duration_ns, &slot->limit);
    }
    return !slot->limited || decimal_compare(&record->quantity, &slot->limit) <= 0;
}

static err_t check_window(struct sanity *sanity, struct store_write *write, const struct usage_record *record,
                          const struct journal_record *entry, struct text producer)
{
    struct decimal limit;
    char text[DECIMAL_TEXT_SIZE], limit_text[DECIMAL_TEXT_SIZE];
    if (is_below_all_levels(sanity, record, entry->meter))
        return ERROR_OK;
    const struct remembered_level *known = level_of(sanity, record, entry);
    if (known->level == 0 || !sanity_limit(&known->rule, known->level, record->end_ns - record->start_ns, &limit) ||
        decimal_compare(&record->quantity, &limit) <= 0)
        return ERROR_OK;
    const struct meter *meter = meters_find(sanity->meters, record->meter_key);
    REQUIRE(meter != NULL);
    arena_reset(sanity->scratch);
    decimal_print(&record->quantity, text);
    decimal_print(&limit, limit_text);
    struct text message = arena_format(sanity->scratch, "%s of %.*s, where the window can hold %.12s", text,
                                       TEXT_ARGS(meter->unit), limit_text);
    return message.ptr == NULL ? ERROR_NO_MEMORY : find(write, FINDING_OVER_WINDOW, record, entry, producer, message);
}

/* They are listed in the order of their ids. */
static int compare_deleted(const void *id, const void *deleted)
{
    return memcmp(id, &((const struct subscription_deleted *)deleted)->id, sizeof(struct guid));
}

static err_t check_deletion(struct sanity *sanity, struct store_write *write, const struct usage_record *record,
                            const struct journal_record *entry, struct text producer)
{
    const struct subscription_deleted *deleted =
        sanity->deleted_count == 0 ? NULL
                                   : bsearch(&record->subscription, sanity->deleted, sanity->deleted_count,
                                             sizeof *sanity->deleted, compare_deleted);
    if (deleted == NULL || record->start_ns < deleted->deleted_ns)
        return ERROR_OK;
    char time[INSTANT_TEXT_SIZE];
    instant_print(deleted->deleted_ns, time);
    arena_reset(sanity->scratch);
    struct text message = arena_format(sanity->scratch, "the subscription was deleted at %s", time);
    return message.ptr == NULL ? ERROR_NO_MEMORY
                               : find(write, FINDING_AFTER_DELETION, record, entry, producer, message);
}

err_t sanity_check(struct sanity *sanity, struct store_write *write, const struct usage_record *record,
                   const struct journal_record *entry, struct text producer)
{
    err_t error = ERROR_OK;
    enum meter_fact fact = fact_of(sanity, record, entry->meter);
    if (fact == METER_FINE && sanity->deleted_count == 0)
        return ERROR_OK;
    if (fact == METER_BOUNDED)
        error = check_window(sanity, write, record, entry, producer);
    else if (fact == METER_UNKNOWN)
        error = find(write, FINDING_UNKNOWN_METER, record, entry, producer, TEXT("the meter is not in the catalogue"));
    return error == ERROR_OK ? check_deletion(sanity, write, record, entry, producer) : error;
}

/* --- reading and retention --- */

static void day_key(int64_t day, uint8_t key[FINDING_KEY_SIZE])
{
    memset(key, 0, FINDING_KEY_SIZE);
    key[0] = 'f';
    put_u32be(key + 1, day < 0 ? 0 : day > UINT32_MAX ? UINT32_MAX : (uint32_t)day);
}

static err_t list_from(struct kv_cursor *cursor, const uint8_t from[FINDING_KEY_SIZE], bool after, int64_t end_day,
                       size_t limit, struct finding_position *position,
                       err_t (*visit)(void *context, const struct finding *finding), void *context, bool *more)
{
    struct text start = { (const char *)from, FINDING_KEY_SIZE }, key, value;
    err_t error = kv_cursor_seek(cursor, start, &key, &value);
    if (error == ERROR_OK && after && text_equal(key, start))
        error = kv_cursor_next(cursor, &key, &value);
    for (size_t count = 0; error == ERROR_OK && key.ptr[0] == 'f'; count++) {
        struct finding finding;
        error = decode_finding(key, value, &finding);
        if (error != ERROR_OK || finding.day >= end_day)
            return error;
        *more = count == limit;
        if (*more)
            return ERROR_OK;
        memcpy(position->key, key.ptr, FINDING_KEY_SIZE);
        error = visit(context, &finding);
        if (error == ERROR_OK)
            error = kv_cursor_next(cursor, &key, &value);
    }
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

err_t finding_list(struct kv_txn *txn, int64_t first_day, int64_t end_day, size_t limit,
                   struct finding_position *position, err_t (*visit)(void *context, const struct finding *finding),
                   void *context, bool *more)
{
    uint8_t from[FINDING_KEY_SIZE];
    struct kv_cursor *cursor;
    *more = false;
    day_key(first_day, from);
    bool after = memcmp(position->key, from, sizeof from) >= 0;
    if (after)
        memcpy(from, position->key, sizeof from);
    err_t error = kv_cursor_open(txn, KV_REJECTS, &cursor);
    if (error != ERROR_OK)
        return error;
    error = list_from(cursor, from, after, end_day, limit, position, visit, context, more);
    kv_cursor_close(cursor);
    return error;
}

err_t findings_drop(struct kv_txn *txn, int64_t before_ns, size_t budget, bool *left)
{
    uint8_t from[FINDING_KEY_SIZE], found[FINDING_KEY_SIZE];
    int64_t end_day = instant_day(before_ns);
    *left = false;
    day_key(0, from);
    for (size_t i = 0;; i++) {
        struct kv_cursor *cursor;
        struct text key, value;
        err_t error = kv_cursor_open(txn, KV_REJECTS, &cursor);
        if (error != ERROR_OK)
            return error;
        error = kv_cursor_seek(cursor, BYTES(from), &key, &value);
        bool old = error == ERROR_OK && key.len == sizeof found && key.ptr[0] == 'f' &&
                   get_u32be((const uint8_t *)key.ptr + 1) < end_day;
        if (old)
            memcpy(found, key.ptr, sizeof found);
        kv_cursor_close(cursor);
        if (!old)
            return error == ERROR_NOT_FOUND ? ERROR_OK : error;
        *left = i == budget;
        if (*left)
            return ERROR_OK;
        if ((error = kv_delete(txn, KV_REJECTS, BYTES(found))) != ERROR_OK)
            return error;
    }
}
