/* Changes to the watermark tables, on the writer thread: what batches say, what producers declare and operators set,
 * who has become silent, and retention. What follows from the tables is in watermarks.c. */
#include "usage/watermarks.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/instant.h"
#include "store/write.h"
#include "usage/alerts.h"
#include "usage/watermark_internal.h"

static err_t put_watermark(struct kv_txn *txn, const struct watermark *w)
{
    uint8_t key[WATERMARK_KEY_SIZE], value[WATERMARK_VALUE_SIZE];
    watermark_key(w->producer, w->source, key);
    watermark_encode(w, value);
    return kv_put(txn, KV_WATERMARKS, BYTES(key), BYTES(value));
}

/* --- alerts --- */

static void print_hours(uint32_t hours, char out[32])
{
    if (hours == 1)
        (void)snprintf(out, 32, "every hour");
    else if (hours % HOURS_PER_DAY == 0)
        (void)snprintf(out, 32, hours == HOURS_PER_DAY ? "every day" : "every %u days", hours / HOURS_PER_DAY);
    else
        (void)snprintf(out, 32, "every %u hours", hours);
}

static err_t raise_silence(struct store_write *write, struct watermark *w)
{
    char subject[WATERMARK_SUBJECT_SIZE], text[ALERT_TEXT_SIZE_MAX], since[INSTANT_TEXT_SIZE], expected[32];
    err_t error = watermark_subject(write_txn(write), w, subject);
    if (error != ERROR_OK)
        return error;
    instant_print(hour_start_ns((int64_t)w->heard_hour + 1), since);
    print_hours(watermark_cadence_hours(w), expected);
    (void)snprintf(text, sizeof text, "no usage since %s; expected %s. Its usage from then on is unknown, not zero",
                   since, expected);
    w->alerted = true;
    return alert_raise(write, TEXT(ALERT_PRODUCER_SILENT), text_of(subject), text_of(text));
}

static err_t resolve_silence(struct store_write *write, struct watermark *w)
{
    char subject[WATERMARK_SUBJECT_SIZE];
    w->alerted = false;
    err_t error = watermark_subject(write_txn(write), w, subject);
    return error == ERROR_OK ? alert_resolve(write, TEXT(ALERT_PRODUCER_SILENT), text_of(subject)) : error;
}

/* Heard of again, or nothing is expected any more. */
static err_t resolve_if_over(struct store_write *write, struct watermark *w)
{
    return w->alerted && !watermark_is_silent(w, write_reported_ns(write)) ? resolve_silence(write, w) : ERROR_OK;
}

/* --- reports --- */

static void add_sample(struct watermark *w, uint32_t step_hours, int64_t reported_ns)
{
    if (step_hours == 0 || step_hours > WATERMARK_CADENCE_HOURS_MAX)
        return; /* so long a pause says nothing of the rhythm */
    int64_t minutes = (reported_ns - hour_start_ns((int64_t)w->heard_hour + 1)) / NS_PER_MINUTE;
    w->steps_hours[w->sample_next] = (uint16_t)step_hours;
    w->delays_minutes[w->sample_next] = (uint16_t)(minutes < 0 ? 0 : minutes < UINT16_MAX ? minutes : UINT16_MAX);
    w->sample_next = (uint8_t)((w->sample_next + 1) % WATERMARK_SAMPLES);
    if (w->sample_count < WATERMARK_SAMPLES)
        w->sample_count++;
}

/* Adds to the row of an hour; records may be 0, for hours that are covered only. */
static err_t add_hour(struct kv_txn *txn, struct watermark *w, uint32_t hour, uint32_t span_hours, uint32_t records,
                      int64_t reported_ns)
{
    uint8_t key[WATERMARK_HOUR_KEY_SIZE], value[WATERMARK_HOUR_VALUE_SIZE];
    struct text stored;
    uint64_t total = records;
    if (hour + span_hours <= w->kept_hour)
        return ERROR_OK;
    if (span_hours > w->span_hours_max)
        w->span_hours_max = span_hours;
    watermark_hour_key(w->producer, w->source, hour, key);
    err_t error = kv_get(txn, KV_WATERMARK_HOURS, BYTES(key), &stored);
    if (error == ERROR_OK) {
        if (stored.len != sizeof value)
            return ERROR_STORE_CORRUPT;
        const uint8_t *p = (const uint8_t *)stored.ptr;
        total += get_u64be(p);
        reported_ns = (int64_t)get_u64be(p + 8) > reported_ns ? (int64_t)get_u64be(p + 8) : reported_ns;
        span_hours = get_u32be(p + 16) > span_hours ? get_u32be(p + 16) : span_hours;
    } else if (error != ERROR_NOT_FOUND) {
        return error;
    }
    put_u64be(value, total);
    put_u64be(value + 8, (uint64_t)reported_ns);
    put_u32be(value + 16, span_hours);
    return kv_put(txn, KV_WATERMARK_HOURS, BYTES(key), BYTES(value));
}

/* The end of a report: what it says about the rhythm, and what lies between it and the one before. */
static err_t close_pair(struct watermark_notes *notes, struct watermark_pair *pair)
{
    struct kv_txn *txn = write_txn(notes->write);
    struct watermark *w = &pair->watermark;
    uint32_t before = pair->heard_before, cadence = watermark_cadence_hours(w);
    err_t error = ERROR_OK;
    pair->used = false;
    if (pair->unwatched)
        return ERROR_OK;
    if (w->last_hour > w->heard_hour)
        w->heard_hour = w->last_hour;
    if (before != 0 && w->heard_hour > before) {
        uint32_t gap = pair->first_new_hour > before ? pair->first_new_hour - before - 1 : 0;
        if (gap > 0 && gap < cadence)
            error = add_hour(txn, w, before + 1, gap, 0, INT64_MIN);
        add_sample(w, w->heard_hour - before, notes->reported_ns);
    }
    if (error == ERROR_OK)
        error = resolve_if_over(notes->write, w);
    return error == ERROR_OK ? put_watermark(txn, w) : error;
}

/* Pairs that are open and new are not in the table yet, so the bound is passed by a few slots at most. */
static err_t is_one_too_many(struct store_write *write, bool *too_many)
{
    uint64_t count = 0;
    err_t error = kv_count(write_txn(write), KV_WATERMARKS, &count);
    *too_many = count >= WATERMARK_PAIRS_MAX;
    return error;
}

static err_t open_pair(struct watermark_notes *notes, uint32_t producer, uint32_t source, struct watermark_pair **out)
{
    struct watermark_pair *pair = &notes->pairs[(producer * 31 + source) % WATERMARK_PAIR_SLOTS];
    *out = pair;
    if (pair->used && pair->watermark.producer == producer && pair->watermark.source == source)
        return ERROR_OK;
    err_t error = pair->used ? close_pair(notes, pair) : ERROR_OK;
    if (error == ERROR_OK)
        error = watermark_get(write_txn(notes->write), producer, source, &pair->watermark);
    pair->unwatched = false;
    if (error == ERROR_NOT_FOUND) {
        pair->watermark = (struct watermark){ .producer = producer, .source = source, .last_reported_ns = INT64_MIN };
        error = is_one_too_many(notes->write, &pair->unwatched);
    }
    pair->used = error == ERROR_OK;
    pair->heard_before = pair->watermark.heard_hour;
    pair->first_new_hour = 0;
    return error;
}

static uint32_t later(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* One slot's records: into its hour's row and its producer's watermark. */
static err_t write_note(struct watermark_notes *notes, struct watermark_note *note)
{
    struct watermark_pair *pair;
    err_t error = open_pair(notes, note->producer, note->source, &pair);
    if (error != ERROR_OK)
        return error;
    struct watermark *w = &pair->watermark;
    uint32_t last = note->hour + note->span_hours - 1;
    if (pair->unwatched) {
        note->records = 0;
        return ERROR_OK;
    }
    if (w->retired && last > w->last_hour)
        w->retired = false; /* it is back */
    if (w->first_hour == 0 || note->hour < w->first_hour)
        w->first_hour = note->hour;
    if (note->hour > pair->heard_before && (pair->first_new_hour == 0 || note->hour < pair->first_new_hour))
        pair->first_new_hour = note->hour;
    w->last_start_hour = later(w->last_start_hour, note->hour);
    w->last_hour = later(w->last_hour, last);
    w->records += note->records;
    if (notes->reported_ns > w->last_reported_ns)
        w->last_reported_ns = notes->reported_ns;
    error = add_hour(write_txn(notes->write), w, note->hour, note->span_hours, note->records, notes->reported_ns);
    note->records = 0;
    return error;
}

void watermark_notes_begin(struct watermark_notes *notes, struct store_write *write)
{
    memset(notes, 0, sizeof *notes);
    notes->write = write;
}

err_t watermark_notes_end(struct watermark_notes *notes)
{
    err_t error = ERROR_OK;
    for (size_t i = 0; i < WATERMARK_NOTE_SLOTS && error == ERROR_OK; i++)
        if (notes->slots[i].records > 0)
            error = write_note(notes, &notes->slots[i]);
    for (size_t i = 0; i < WATERMARK_PAIR_SLOTS && error == ERROR_OK; i++)
        if (notes->pairs[i].used)
            error = close_pair(notes, &notes->pairs[i]);
    return error;
}

static bool is_note_of(const struct watermark_note *note, const struct journal_record *record, uint32_t hour)
{
    return note->hour == hour && note->source == record->source && note->producer == record->producer;
}

err_t watermark_note(struct watermark_notes *notes, const struct journal_record *record)
{
    if (record->start_ns < 0)
        return ERROR_OK;
    uint32_t hour = (uint32_t)(record->start_ns / NS_PER_HOUR);
    uint32_t span = (uint32_t)((record->end_ns - 1) / NS_PER_HOUR) - hour + 1;
    struct watermark_note *note = &notes->slots[notes->last];
    err_t error = ERROR_OK;
    if (notes->reported_ns != record->reported_ns) {
        /* In history each reported time is a report of its own. */
        error = watermark_notes_end(notes);
        notes->reported_ns = record->reported_ns;
    }
    if (!is_note_of(note, record, hour) || note->records == 0) {
        notes->last = (hour + record->source * 31 + record->producer * 7) % WATERMARK_NOTE_SLOTS;
        note = &notes->slots[notes->last];
        if (note->records > 0 && !is_note_of(note, record, hour) && error == ERROR_OK)
            error = write_note(notes, note);
        if (note->records == 0)
            *note = (struct watermark_note){ record->producer, record->source, hour, span, 0 };
    }
    note->records++;
    note->span_hours = later(note->span_hours, span);
    return error;
}

/* --- declaring and setting --- */

static err_t run_declare(struct store_write *write, struct store_job *job)
{
    struct watermark_declare *declare = (struct watermark_declare *)job;
    struct watermark *w = &declare->watermark;
    uint32_t producer, source, last = declare->complete_hour - 1;
    err_t error = write_intern(write, DICTIONARY_PRODUCER, declare->producer, declare->producer, &producer);
    if (error == ERROR_OK)
        error = write_intern(write, DICTIONARY_SOURCE, declare->source, declare->source, &source);
    if (error == ERROR_OK)
        error = watermark_get(write_txn(write), producer, source, w);
    if (error == ERROR_NOT_FOUND) {
        bool too_many;
        *w = (struct watermark){ .producer = producer, .source = source, .last_reported_ns = INT64_MIN };
        error = is_one_too_many(write, &too_many);
        if (error == ERROR_OK && too_many)
            error = ERROR_CONFLICT;
    }
    if (error != ERROR_OK || declare->complete_hour <= w->complete_hour)
        return error;
    if (w->first_hour == 0)
        w->first_hour = last;
    if (w->heard_hour != 0 && last > w->heard_hour) {
        uint32_t step = last - w->heard_hour;
        w->heard_hour = last;
        if (!declare->by_operator)
            add_sample(w, step, write_reported_ns(write));
    }
    w->heard_hour = later(w->heard_hour, last);
    w->complete_hour = declare->complete_hour;
    if (last > w->last_hour && !declare->by_operator)
        w->retired = false;
    error = resolve_if_over(write, w);
    return error == ERROR_OK ? put_watermark(write_txn(write), w) : error;
}

void watermark_declare_init(struct watermark_declare *declare, struct text producer, struct text source,
                            uint32_t complete_hour)
{
    REQUIRE(complete_hour > 0);
    *declare = (struct watermark_declare){ .job = { .run = run_declare, .weight = 1 },
                                           .producer = producer,
                                           .source = source,
                                           .complete_hour = complete_hour };
}

static err_t run_put(struct store_write *write, struct store_job *job)
{
    struct watermark_put *put = (struct watermark_put *)job;
    struct watermark *w = &put->watermark;
    err_t error = watermark_get(write_txn(write), put->producer, put->source, w);
    put->missing = error == ERROR_NOT_FOUND;
    if (error != ERROR_OK)
        return put->missing ? ERROR_OK : error;
    if (put->has_cadence)
        w->set_cadence_hours = put->cadence_hours;
    if (put->has_retired)
        w->retired = put->retired;
    error = resolve_if_over(write, w);
    return error == ERROR_OK ? put_watermark(write_txn(write), w) : error;
}

void watermark_put_init(struct watermark_put *put, uint32_t producer, uint32_t source)
{
    *put = (struct watermark_put){ .job = { .run = run_put, .weight = 1 }, .producer = producer, .source = source };
}

/* --- silence --- */

static err_t watch_one(struct store_write *write, struct watermarks_watch *watch, struct watermark *w)
{
    int64_t now_ns = write_reported_ns(write);
    err_t error;
    if (!w->alerted && watermark_wants_alert(w, now_ns, watch->since_ns)) {
        watch->raised++;
        error = raise_silence(write, w);
    } else if (w->alerted && !watermark_is_silent(w, now_ns)) {
        watch->resolved++;
        error = resolve_silence(write, w);
    } else {
        return ERROR_OK;
    }
    return error == ERROR_OK ? put_watermark(write_txn(write), w) : error;
}

static err_t run_watch(struct store_write *write, struct store_job *job)
{
    struct watermarks_watch *watch = (struct watermarks_watch *)job;
    struct watermark w = { 0 };
    err_t error;
    watch->raised = watch->resolved = 0;
    while ((error = watermark_at_or_after(write_txn(write), w.producer, w.source, &w)) == ERROR_OK) {
        error = watch_one(write, watch, &w);
        if (error != ERROR_OK)
            return error;
        w.source++;
    }
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

void watermarks_watch_init(struct watermarks_watch *watch, int64_t since_ns)
{
    *watch = (struct watermarks_watch){ .job = { .run = run_watch, .weight = 1 }, .since_ns = since_ns };
}

err_t watermarks_watch_needed(struct kv_txn *txn, int64_t now_ns, int64_t since_ns, bool *needed)
{
    struct watermark w = { 0 };
    err_t error;
    *needed = false;
    while (!*needed && (error = watermark_at_or_after(txn, w.producer, w.source, &w)) == ERROR_OK) {
        *needed = w.alerted ? !watermark_is_silent(&w, now_ns) : watermark_wants_alert(&w, now_ns, since_ns);
        w.source++;
    }
    return *needed || error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

/* --- retention --- */

/* The rows of one producer that can't reach its kept_hour; *left: the budget was not enough. */
static err_t drop_rows(struct kv_txn *txn, const struct watermark *w, size_t *budget, bool *left)
{
    uint8_t start[WATERMARK_HOUR_KEY_SIZE], end[WATERMARK_HOUR_KEY_SIZE], found[WATERMARK_HOUR_KEY_SIZE];
    uint32_t reach = w->span_hours_max > 0 ? w->span_hours_max - 1 : 0;
    watermark_hour_key(w->producer, w->source, 0, start);
    watermark_hour_key(w->producer, w->source, w->kept_hour > reach ? w->kept_hour - reach : 0, end);
    for (;;) {
        struct kv_cursor *cursor;
        struct text key, value;
        err_t error = kv_cursor_open(txn, KV_WATERMARK_HOURS, &cursor);
        if (error != ERROR_OK)
            return error;
        error = kv_cursor_seek(cursor, BYTES(start), &key, &value);
        bool ours = error == ERROR_OK && text_compare(key, BYTES(end)) < 0 && key.len == sizeof found;
        if (ours)
            memcpy(found, key.ptr, sizeof found);
        kv_cursor_close(cursor);
        if (!ours)
            return error == ERROR_NOT_FOUND ? ERROR_OK : error;
        if (*budget == 0) {
            *left = true;
            return ERROR_OK;
        }
        (*budget)--;
        error = kv_delete(txn, KV_WATERMARK_HOURS, BYTES(found));
        if (error != ERROR_OK)
            return error;
    }
}

err_t watermarks_drop(struct kv_txn *txn, int64_t before_ns, size_t budget, uint64_t *position, bool *left)
{
    (void)position;
    uint32_t before_hour = before_ns > 0 ? (uint32_t)instant_hour(before_ns) : 0;
    struct watermark w = { 0 };
    err_t error;
    *left = false;
    while (!*left && (error = watermark_at_or_after(txn, w.producer, w.source, &w)) == ERROR_OK) {
        if (w.kept_hour < before_hour) {
            /* First of all, so that hours whose rows are gone are never taken for silent. */
            w.kept_hour = before_hour;
            error = put_watermark(txn, &w);
        }
        if (error == ERROR_OK)
            error = drop_rows(txn, &w, &budget, left);
        if (error != ERROR_OK)
            return error;
        w.source++;
    }
    return *left || error == ERROR_NOT_FOUND ? ERROR_OK : error;
}
