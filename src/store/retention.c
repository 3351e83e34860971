/* See retention.h. The steps of a slice are tried in order; the first that has something to do uses the slice up. */
#include "store/retention.h"

#include <string.h>

#include "base/check.h"
#include "base/encode.h"
#include "base/instant.h"
#include "base/log.h"
#include "store/audit.h"
#include "store/forecast.h"
#include "store/journal.h"
#include "store/keys.h"
#include "store/write.h"

static const struct text state_key = { "retention", 9 };
#define STATE_NUMBERS 5

/* Besides the classes: what goes with them. */
enum {
    PART_USAGE_TIMES = RETENTION_CLASS_COUNT,
    PART_WATERMARKS,
    PART_COUNT,
};
_Static_assert(PART_COUNT == COUNT_OF(((struct retention *)0)->done_hour), "a place for each part");

const char *retention_class_name(enum retention_class retention_class)
{
    static const char *const names[RETENTION_CLASS_COUNT] = { "journal", "hourly", "daily", "rejects", "audit" };
    return names[retention_class];
}

/* --- state --- */

err_t retention_read(struct kv_txn *txn, struct retention_state *out)
{
    struct text value;
    *out = (struct retention_state){ .reference_hour = -1, .trusted_hour = -1 };
    err_t error = kv_get(txn, KV_META, state_key, &value);
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? ERROR_OK : error;
    if (value.len != (size_t)STATE_NUMBERS * 8)
        return ERROR_STORE_CORRUPT;
    const uint8_t *p = (const uint8_t *)value.ptr;
    out->reference_hour = (int64_t)get_u64be(p);
    out->trusted_hour = (int64_t)get_u64be(p + 8);
    out->hourly_end = (uint32_t)get_u64be(p + 16);
    out->daily_end = (uint32_t)get_u64be(p + 24);
    out->journal_first = get_u64be(p + 32);
    return ERROR_OK;
}

static err_t put_state(struct kv_txn *txn, const struct retention_state *state)
{
    uint8_t value[STATE_NUMBERS * 8];
    put_u64be(value, (uint64_t)state->reference_hour);
    put_u64be(value + 8, (uint64_t)state->trusted_hour);
    put_u64be(value + 16, state->hourly_end);
    put_u64be(value + 24, state->daily_end);
    put_u64be(value + 32, state->journal_first);
    return kv_put(txn, KV_META, state_key, BYTES(value));
}

static bool is_trusted(const struct retention_state *state)
{
    return state->reference_hour >= 0 && state->reference_hour - state->trusted_hour >= RETENTION_TRUST_HOURS;
}

static bool keeps_all(const struct retention_policy *policy)
{
    bool all = true;
    for (int c = 0; c < RETENTION_CLASS_COUNT; c++)
        all = all && policy->keep_hours[c] == 0;
    return all;
}

bool retention_is_held(const struct retention_policy *policy, const struct retention_state *state)
{
    return !keeps_all(policy) && state->reference_hour >= 0 && !is_trusted(state);
}

/* Follows the seals. A store that retention meets for the first time has a past nobody watched. */
static bool follow(struct retention_state *state, int64_t sealed_hour)
{
    if (sealed_hour <= state->reference_hour)
        return false;
    if (state->reference_hour < 0 || sealed_hour - state->reference_hour > RETENTION_STEP_HOURS_MAX) {
        if (state->reference_hour >= 0)
            log_warning("retention", "time has made a leap; nothing is dropped until it has gone on for 72 hours",
                        LOG_INT("hours", sealed_hour - state->reference_hour));
        state->trusted_hour = sealed_hour;
    }
    state->reference_hour = sealed_hour;
    return true;
}

err_t retention_trust(struct kv_txn *txn, bool *held)
{
    struct retention_state state;
    err_t error = retention_read(txn, &state);
    *held = error == ERROR_OK && state.reference_hour >= 0 && !is_trusted(&state);
    if (error != ERROR_OK || !*held)
        return error;
    state.trusted_hour = state.reference_hour - RETENTION_TRUST_HOURS;
    return put_state(txn, &state);
}

err_t retention_check_window(struct kv_txn *txn, bool daily, int64_t start_ns, const char *target,
                             struct error_info *info)
{
    struct retention_state state;
    char text[INSTANT_TEXT_SIZE];
    err_t error = retention_read(txn, &state);
    if (error != ERROR_OK)
        return error;
    int64_t end_ns = daily ? day_start_ns(state.daily_end) : hour_start_ns(state.hourly_end);
    if (end_ns == 0 || start_ns >= end_ns)
        return ERROR_OK;
    instant_print(end_ns, text);
    if (daily || state.daily_end > state.hourly_end / HOURS_PER_DAY)
        return error_set(info, ERROR_USAGE_NOT_KEPT, target, "%s usage reported before %s is not kept any more",
                         daily ? "daily" : "hourly", text);
    return error_set(info, ERROR_USAGE_NOT_KEPT, target,
                     "hourly usage reported before %s is not kept any more; ask for Daily, or begin later", text);
}

/* --- one slice --- */

struct slice {
    struct retention *retention;
    const struct rows_engine *rows;
    struct kv_txn *txn;
    struct retention_state state;
    uint64_t last_sequence;
    bool state_changed;
    bool left;
    bool pairs_gone;
};

/* The first hour that is still to be kept; 0: all. */
static uint32_t cut_hour(const struct slice *slice, enum retention_class retention_class)
{
    int64_t keep = slice->retention->policy.keep_hours[retention_class];
    int64_t hour = slice->state.reference_hour - keep;
    return keep == 0 || hour <= 0 || hour > UINT32_MAX ? 0 : (uint32_t)hour;
}

static err_t has_rows_before(struct slice *slice, enum row_family family, uint32_t bucket, bool *has)
{
    static const uint8_t first[ROW_KEY_SIZE];
    const uint8_t *key, *value;
    struct rows_cursor *cursor;
    *has = false;
    err_t error = slice->rows->open(slice->txn, family, first, false, &cursor);
    if (error != ERROR_OK)
        return error;
    error = slice->rows->next(cursor, &key, &value);
    *has = error == ERROR_OK && get_u32be(key) < bucket;
    slice->rows->close(cursor);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

/* 'end' is what is told to readers, set before the first row goes. */
static err_t drop_rows(struct slice *slice, enum row_family family, uint32_t bucket, uint32_t *end)
{
    bool has;
    err_t error = bucket == 0 ? ERROR_OK : has_rows_before(slice, family, bucket, &has);
    if (error != ERROR_OK || bucket == 0 || !has)
        return error;
    if (*end < bucket) {
        *end = bucket;
        slice->state_changed = true;
    }
    error = slice->rows->drop(slice->txn, family, bucket, RETENTION_SLICE_ROWS, &slice->left);
    /* Whatever is left of this class or another one comes with the next slice. */
    slice->left = true;
    return error;
}

static err_t drop_hourly(struct slice *slice)
{
    return drop_rows(slice, ROWS_HOURLY, cut_hour(slice, RETENTION_HOURLY), &slice->state.hourly_end);
}

static err_t drop_daily(struct slice *slice)
{
    uint32_t day = cut_hour(slice, RETENTION_DAILY) / HOURS_PER_DAY;
    err_t error = drop_rows(slice, ROWS_DAILY, day, &slice->state.daily_end);
    return error != ERROR_OK || slice->left ? error : drop_rows(slice, ROWS_ROLLUP, day, &slice->state.daily_end);
}

struct key {
    uint8_t bytes[KV_KEY_SIZE_MAX];
    size_t size;
};

/* The key at or (with 'after') behind 'key'. ERROR_NOT_FOUND. */
static err_t next_key(struct kv_txn *txn, enum kv_table table, bool after, struct key *key)
{
    struct kv_cursor *cursor;
    struct text found, value;
    struct text from = { (const char *)key->bytes, key->size };
    err_t error = kv_cursor_open(txn, table, &cursor);
    if (error != ERROR_OK)
        return error;
    error = kv_cursor_seek(cursor, from, &found, &value);
    if (error == ERROR_OK && after && text_equal(found, from))
        error = kv_cursor_next(cursor, &found, &value);
    if (error == ERROR_OK) {
        memcpy(key->bytes, found.ptr, found.len);
        key->size = found.len;
    }
    kv_cursor_close(cursor);
    return error;
}

/* Removes entries of a table whose keys begin with a number of 'size' bytes (4 or 8), while that lies before 'end', or
 * of them those that 'goes' says. From *position on; a slice ends between two numbers, so it always gets on. */
static err_t drop_entries(struct slice *slice, enum kv_table table, size_t size, uint64_t end,
                          bool (*goes)(struct text key, uint64_t end), uint64_t *position)
{
    struct key key = { .size = size };
    uint64_t start = *position;
    uint8_t number_bytes[8];
    put_u64be(number_bytes, start);
    memcpy(key.bytes, number_bytes + 8 - size, size);
    for (size_t looked = 0;; looked++) {
        err_t error = next_key(slice->txn, table, looked > 0, &key);
        if (error != ERROR_OK && error != ERROR_NOT_FOUND)
            return error;
        uint64_t number = size == 4 ? get_u32be(key.bytes) : get_u64be(key.bytes);
        bool over = error == ERROR_NOT_FOUND || number >= end;
        if (over || (looked >= RETENTION_SLICE_ENTRIES && number != start)) {
            *position = over ? 0 : number;
            slice->left = !over;
            return ERROR_OK;
        }
        struct text whole = { (const char *)key.bytes, key.size };
        if (goes == NULL || goes(whole, end))
            error = kv_delete(slice->txn, table, whole);
        if (error != ERROR_OK)
            return error;
    }
}

/* --- the journal --- */

/* The first sequence that was reported in the hour or later. Imported history comes to and fro, but is older. */
static err_t first_sequence_from(struct slice *slice, uint32_t hour, uint64_t *sequence)
{
    uint8_t from[SPAN_KEY_SIZE];
    struct kv_cursor *cursor;
    struct text key, value;
    *sequence = slice->last_sequence; /* the newest segment stays: the chain goes on from it */
    err_t error = kv_cursor_open(slice->txn, KV_SPANS, &cursor);
    if (error != ERROR_OK)
        return error;
    put_u32be(from, hour);
    error = kv_cursor_seek(cursor, BYTES(from), &key, &value);
    for (; error == ERROR_OK; error = kv_cursor_next(cursor, &key, &value)) {
        if (value.len != 16) {
            error = ERROR_STORE_CORRUPT;
            break;
        }
        uint64_t first = get_u64be((const uint8_t *)value.ptr);
        *sequence = first < *sequence ? first : *sequence;
    }
    kv_cursor_close(cursor);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

/* Where the oldest segment that is still there begins, at most at *sequence. A segment of history may hold entries
 * from both sides of the cut; while its records can be corrected, it must be known which corrections they have. */
static err_t begin_with_segment(struct slice *slice, uint64_t *sequence)
{
    struct key key = { .size = JOURNAL_KEY_SIZE };
    err_t error = next_key(slice->txn, KV_JOURNAL, false, &key);
    if (error == ERROR_OK && get_u64be(key.bytes) < *sequence)
        *sequence = get_u64be(key.bytes);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

static err_t drop_journal(struct slice *slice)
{
    uint32_t hour = cut_hour(slice, RETENTION_JOURNAL);
    uint64_t sequence = 0, position = 0;
    err_t error = hour == 0 ? ERROR_OK : first_sequence_from(slice, hour, &sequence);
    if (error != ERROR_OK || sequence == 0)
        return error;
    if (slice->state.journal_first < sequence) {
        slice->state.journal_first = sequence;
        slice->state_changed = true;
    }
    error = journal_drop(slice->txn, sequence, RETENTION_SLICE_SEGMENTS, &slice->left);
    if (error != ERROR_OK || slice->left)
        return error;
    error = begin_with_segment(slice, &sequence);
    if (error == ERROR_OK)
        error = drop_entries(slice, KV_CORRECTIONS, 8, sequence, NULL, &position);
    if (error != ERROR_OK || slice->left)
        return error;
    return drop_entries(slice, KV_SPANS, 4, hour, NULL, &position);
}

/* --- what goes with others --- */

/* Keys: usage hour, reported hour. */
static bool is_reported_before(struct text key, uint64_t end)
{
    return key.len == USAGE_TIME_KEY_SIZE && get_u32be((const uint8_t *)key.ptr + 4) < end;
}

/* Usage is reported after it began, but for what producers' clocks are ahead: a pair that is due begins before 'end'
 * and a day at most. */
static err_t drop_usage_times(struct slice *slice)
{
    uint32_t hourly = cut_hour(slice, RETENTION_HOURLY), daily = cut_hour(slice, RETENTION_DAILY);
    uint32_t end = hourly < daily ? hourly : daily;
    if (end == 0)
        return ERROR_OK;
    slice->pairs_gone = true;
    return drop_entries(slice, KV_USAGE_TIMES, 4, end, is_reported_before,
                        &slice->retention->position[PART_USAGE_TIMES]);
}

static err_t drop_watermarks(struct slice *slice)
{
    const struct retention_policy *policy = &slice->retention->policy;
    uint32_t hour = cut_hour(slice, RETENTION_HOURLY);
    return hour == 0 || policy->drop_watermarks == NULL
               ? ERROR_OK
               : policy->drop_watermarks(slice->txn, hour_start_ns(hour), RETENTION_SLICE_ENTRIES,
                                         &slice->retention->position[PART_WATERMARKS], &slice->left);
}

static err_t drop_rejects(struct slice *slice)
{
    const struct retention_policy *policy = &slice->retention->policy;
    uint32_t hour = cut_hour(slice, RETENTION_REJECTS);
    return hour == 0 || policy->drop_rejects == NULL
               ? ERROR_OK
               : policy->drop_rejects(slice->txn, hour_start_ns(hour), RETENTION_SLICE_ENTRIES,
                                      &slice->retention->position[RETENTION_REJECTS], &slice->left);
}

static err_t drop_audit(struct slice *slice)
{
    uint32_t hour = cut_hour(slice, RETENTION_AUDIT);
    return hour == 0 ? ERROR_OK : audit_drop(slice->txn, hour_start_ns(hour), RETENTION_SLICE_ENTRIES, &slice->left);
}

/* --- */

void retention_init(struct retention *retention, const struct retention_policy *policy)
{
    *retention = (struct retention){ .policy = *policy };
    for (int i = 0; i < PART_COUNT; i++)
        retention->done_hour[i] = -1;
}

static err_t run_parts(struct slice *slice)
{
    static err_t (*const parts[PART_COUNT])(struct slice *) = {
        [RETENTION_JOURNAL] = drop_journal,  [RETENTION_HOURLY] = drop_hourly, [RETENTION_DAILY] = drop_daily,
        [RETENTION_REJECTS] = drop_rejects,  [RETENTION_AUDIT] = drop_audit,   [PART_USAGE_TIMES] = drop_usage_times,
        [PART_WATERMARKS] = drop_watermarks,
    };
    for (int i = 0; i < PART_COUNT; i++) {
        int64_t *done_hour = &slice->retention->done_hour[i];
        if (*done_hour == slice->state.reference_hour)
            continue;
        err_t error = parts[i](slice);
        if (error != ERROR_OK || slice->left)
            return error;
        *done_hour = slice->state.reference_hour;
    }
    return ERROR_OK;
}

err_t retention_slice(struct retention *retention, const struct rows_engine *rows, struct kv_txn *txn,
                      int64_t sealed_hour, uint64_t last_sequence, bool *left, bool *pairs_gone)
{
    struct slice slice = { .retention = retention, .rows = rows, .txn = txn, .last_sequence = last_sequence };
    *left = *pairs_gone = false;
    if (sealed_hour < 0)
        return ERROR_OK;
    err_t error = forecast_sample(txn, rows, sealed_hour);
    if (error != ERROR_OK || keeps_all(&retention->policy))
        return error;
    error = retention_read(txn, &slice.state);
    if (error != ERROR_OK)
        return error;
    slice.state_changed = follow(&slice.state, sealed_hour);
    if (error == ERROR_OK && is_trusted(&slice.state))
        error = run_parts(&slice);
    if (error == ERROR_OK && slice.state_changed)
        error = put_state(txn, &slice.state);
    *left = slice.left;
    *pairs_gone = slice.pairs_gone;
    return error;
}

/* --- what was configured --- */

static const struct text policy_key = { "retention", 9 };

static void put_policy(struct json_writer *json, const uint8_t *hours)
{
    json_begin_object(json);
    for (int c = 0; c < RETENTION_CLASS_COUNT; c++) {
        json_name(json, retention_class_name((enum retention_class)c));
        json_put_u64(json, get_u64be(hours + (size_t)c * 8) / HOURS_PER_DAY);
    }
    json_end_object(json);
}

static err_t audit_change(struct store_write *write, const uint8_t *before, const uint8_t *after)
{
    struct buffer detail = { 0 };
    struct json_writer json = json_writer(&detail);
    json_begin_object(&json);
    json_name(&json, "daysBefore");
    put_policy(&json, before);
    json_name(&json, "days");
    put_policy(&json, after);
    json_end_object(&json);
    struct audit_entry entry = { .by = AUDIT_BY_COMMAND,
                                 .action = TEXT("retention.change"),
                                 .subject = TEXT("configuration"),
                                 .detail = buffer_text(&detail) };
    err_t error = detail.failed ? ERROR_NO_MEMORY : audit_write(write, &entry);
    buffer_free(&detail);
    return error;
}

err_t retention_note_policy(struct store_write *write, const struct retention_policy *policy)
{
    uint8_t before[RETENTION_CLASS_COUNT * 8], after[RETENTION_CLASS_COUNT * 8];
    struct text value;
    for (int c = 0; c < RETENTION_CLASS_COUNT; c++)
        put_u64be(after + (size_t)c * 8, (uint64_t)policy->keep_hours[c]);
    err_t error = kv_get(write_txn(write), KV_SETTINGS, policy_key, &value);
    if (error == ERROR_OK && value.len != sizeof before)
        return ERROR_STORE_CORRUPT;
    if (error == ERROR_OK && memcmp(value.ptr, after, sizeof after) == 0)
        return ERROR_OK;
    if (error == ERROR_OK) {
        memcpy(before, value.ptr, sizeof before);
        error = audit_change(write, before, after);
    }
    return error == ERROR_OK || error == ERROR_NOT_FOUND
               ? kv_put(write_txn(write), KV_SETTINGS, policy_key, BYTES(after))
               : error;
}
