/* What is derived from the watermark tables: states, cadence, windows. Changes are in watermark_write.c. */
#include "usage/watermarks.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/instant.h"
#include "usage/watermark_internal.h"

#define SLACK_PER_CADENCE_HOUR_NS (30 * NS_PER_MINUTE)
#define SLACK_NS_MAX (6 * NS_PER_HOUR)

static const char *const state_names[WATERMARK_STATE_COUNT] = { "complete", "open", "silent" };

const char *watermark_state_name(enum watermark_state state)
{
    return state_names[state];
}

bool watermark_state_parse(struct text text, enum watermark_state *state)
{
    for (size_t i = 0; i < WATERMARK_STATE_COUNT; i++) {
        if (text_equal_nocase(text, text_of(state_names[i]))) {
            *state = (enum watermark_state)i;
            return true;
        }
    }
    return false;
}

/* --- what is expected --- */

static void sort_samples(const uint16_t *samples, size_t count, uint16_t out[WATERMARK_SAMPLES])
{
    for (size_t i = 0; i < count; i++) {
        size_t at = i;
        for (; at > 0 && out[at - 1] > samples[i]; at--)
            out[at] = out[at - 1];
        out[at] = samples[i];
    }
}

uint32_t watermark_learnt_cadence_hours(const struct watermark *w)
{
    uint16_t sorted[WATERMARK_SAMPLES];
    if (w->sample_count < WATERMARK_SAMPLES_MIN)
        return 0;
    sort_samples(w->steps_hours, w->sample_count, sorted);
    return sorted[w->sample_count / 2];
}

uint32_t watermark_cadence_hours(const struct watermark *w)
{
    return w->set_cadence_hours != 0 ? w->set_cadence_hours : watermark_learnt_cadence_hours(w);
}

static int64_t delay_ns(const struct watermark *w)
{
    uint16_t sorted[WATERMARK_SAMPLES];
    if (w->sample_count < WATERMARK_SAMPLES_MIN)
        return 0;
    sort_samples(w->delays_minutes, w->sample_count, sorted);
    return sorted[w->sample_count * 3U / 4] * NS_PER_MINUTE;
}

static int64_t slack_ns(const struct watermark *w)
{
    uint32_t cadence = watermark_cadence_hours(w);
    int64_t slack = (cadence > 0 ? cadence : 1) * SLACK_PER_CADENCE_HOUR_NS;
    return slack < SLACK_NS_MAX ? slack : SLACK_NS_MAX;
}

int64_t watermark_due_ns(const struct watermark *w, uint32_t hour)
{
    uint32_t cadence = watermark_cadence_hours(w);
    int64_t end_hour = (int64_t)hour + 1;
    if (hour > w->heard_hour) {
        if (cadence == 0)
            return INT64_MAX;
        /* The end of the first report that would cover it. */
        uint32_t reports = (hour - w->heard_hour + cadence - 1) / cadence;
        end_hour = (int64_t)w->heard_hour + (int64_t)reports * cadence + 1;
    }
    return hour_start_ns(end_hour) + delay_ns(w) + slack_ns(w);
}

bool watermark_is_silent(const struct watermark *w, int64_t now_ns)
{
    return !w->retired && now_ns >= watermark_due_ns(w, w->heard_hour + 1);
}

bool watermark_wants_alert(const struct watermark *w, int64_t now_ns, int64_t since_ns)
{
    if (!watermark_is_silent(w, now_ns))
        return false;
    if (w->alerted || since_ns == INT64_MIN)
        return true;
    return now_ns >= since_ns + hour_start_ns(watermark_cadence_hours(w)) + slack_ns(w);
}

enum watermark_state watermark_state_of(const struct watermark *w, uint32_t hour, bool covered, int64_t now_ns)
{
    bool ended = hour < instant_hour(now_ns);
    if (ended && (hour < w->complete_hour || hour < w->kept_hour || (covered && hour < w->last_start_hour)))
        return WATERMARK_COMPLETE;
    return covered || now_ns < watermark_due_ns(w, hour) ? WATERMARK_OPEN : WATERMARK_SILENT;
}

/* --- layouts --- */

void watermark_encode(const struct watermark *w, uint8_t out[WATERMARK_VALUE_SIZE])
{
    const uint32_t numbers[] = { w->first_hour,    w->last_hour, w->last_start_hour, w->heard_hour,
                                 w->complete_hour, w->kept_hour, w->span_hours_max,  w->set_cadence_hours };
    uint8_t *p = out;
    *p++ = w->retired;
    *p++ = w->alerted;
    *p++ = w->sample_count;
    *p++ = w->sample_next;
    for (size_t i = 0; i < COUNT_OF(numbers); i++, p += 4)
        put_u32be(p, numbers[i]);
    put_u64be(p, w->records);
    put_u64be(p + 8, (uint64_t)w->last_reported_ns);
    p += 16;
    for (size_t i = 0; i < WATERMARK_SAMPLES; i++, p += 4) {
        put_u16be(p, w->steps_hours[i]);
        put_u16be(p + 2, w->delays_minutes[i]);
    }
}

static err_t decode(struct text key, struct text value, struct watermark *out)
{
    uint32_t *const numbers[] = {
        &out->first_hour,    &out->last_hour, &out->last_start_hour, &out->heard_hour,
        &out->complete_hour, &out->kept_hour, &out->span_hours_max,  &out->set_cadence_hours
    };
    const uint8_t *k = (const uint8_t *)key.ptr, *p = (const uint8_t *)value.ptr;
    if (key.len != WATERMARK_KEY_SIZE || value.len != WATERMARK_VALUE_SIZE || p[2] > WATERMARK_SAMPLES ||
        p[3] >= WATERMARK_SAMPLES)
        return ERROR_STORE_CORRUPT;
    out->producer = get_u32be(k);
    out->source = get_u32be(k + 4);
    out->retired = p[0] != 0;
    out->alerted = p[1] != 0;
    out->sample_count = p[2];
    out->sample_next = p[3];
    p += 4;
    for (size_t i = 0; i < COUNT_OF(numbers); i++, p += 4)
        *numbers[i] = get_u32be(p);
    out->records = get_u64be(p);
    out->last_reported_ns = (int64_t)get_u64be(p + 8);
    p += 16;
    for (size_t i = 0; i < WATERMARK_SAMPLES; i++, p += 4) {
        out->steps_hours[i] = get_u16be(p);
        out->delays_minutes[i] = get_u16be(p + 2);
    }
    return ERROR_OK;
}

/* --- reading --- */

err_t watermark_get(struct kv_txn *txn, uint32_t producer, uint32_t source, struct watermark *out)
{
    uint8_t key[WATERMARK_KEY_SIZE];
    struct text value;
    watermark_key(producer, source, key);
    err_t error = kv_get(txn, KV_WATERMARKS, BYTES(key), &value);
    return error == ERROR_OK ? decode(BYTES(key), value, out) : error;
}

err_t watermark_at_or_after(struct kv_txn *txn, uint32_t producer, uint32_t source, struct watermark *out)
{
    uint8_t start[WATERMARK_KEY_SIZE];
    struct kv_cursor *cursor;
    struct text key, value;
    watermark_key(producer, source, start);
    err_t error = kv_cursor_open(txn, KV_WATERMARKS, &cursor);
    if (error != ERROR_OK)
        return error;
    error = kv_cursor_seek(cursor, BYTES(start), &key, &value);
    if (error == ERROR_OK)
        error = decode(key, value, out);
    kv_cursor_close(cursor);
    return error;
}

static err_t take_row(struct watermark_hours *hours, err_t error, struct text key, struct text value)
{
    const struct watermark *w = hours->watermark;
    uint8_t pair[WATERMARK_KEY_SIZE];
    hours->has_row = false;
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? ERROR_OK : error;
    if (key.len != WATERMARK_HOUR_KEY_SIZE || value.len != WATERMARK_HOUR_VALUE_SIZE)
        return ERROR_STORE_CORRUPT;
    watermark_key(w->producer, w->source, pair);
    if (memcmp(key.ptr, pair, sizeof pair) != 0)
        return ERROR_OK;
    const uint8_t *p = (const uint8_t *)value.ptr;
    hours->has_row = true;
    hours->row_hour = get_u32be((const uint8_t *)key.ptr + 8);
    hours->row_records = get_u64be(p);
    hours->row_reported_ns = (int64_t)get_u64be(p + 8);
    hours->row_span = get_u32be(p + 16);
    return ERROR_OK;
}

err_t watermark_hours_open(struct kv_txn *txn, const struct watermark *w, uint32_t first_hour, int64_t now_ns,
                           struct watermark_hours *hours)
{
    uint8_t start[WATERMARK_HOUR_KEY_SIZE];
    struct text key, value;
    *hours = (struct watermark_hours){ .watermark = w, .now_ns = now_ns };
    err_t error = kv_cursor_open(txn, KV_WATERMARK_HOURS, &hours->cursor);
    if (error != ERROR_OK)
        return error;
    /* Rows before it may reach into it. */
    uint32_t back = w->span_hours_max > 0 ? w->span_hours_max - 1 : 0;
    watermark_hour_key(w->producer, w->source, first_hour > back ? first_hour - back : 0, start);
    error = kv_cursor_seek(hours->cursor, BYTES(start), &key, &value);
    error = take_row(hours, error, key, value);
    if (error != ERROR_OK)
        watermark_hours_close(hours);
    return error;
}

err_t watermark_hours_get(struct watermark_hours *hours, uint32_t hour, struct watermark_hour *out)
{
    struct text key, value;
    *out = (struct watermark_hour){ .hour = hour, .last_reported_ns = INT64_MIN };
    while (hours->has_row && hours->row_hour <= hour) {
        uint32_t until = hours->row_hour + hours->row_span;
        if (until > hours->covered_until)
            hours->covered_until = until;
        if (hours->row_hour == hour) {
            out->records = hours->row_records;
            out->last_reported_ns = hours->row_reported_ns;
        }
        err_t error = kv_cursor_next(hours->cursor, &key, &value);
        error = take_row(hours, error, key, value);
        if (error != ERROR_OK)
            return error;
    }
    out->state = watermark_state_of(hours->watermark, hour, hour < hours->covered_until, hours->now_ns);
    return ERROR_OK;
}

void watermark_hours_close(struct watermark_hours *hours)
{
    if (hours->cursor != NULL)
        kv_cursor_close(hours->cursor);
    hours->cursor = NULL;
}

void watermark_hours_clip(const struct watermark *w, int64_t now_ns, uint32_t *first, uint32_t *end)
{
    uint32_t from = w->first_hour > w->kept_hour ? w->first_hour : w->kept_hour;
    uint32_t to = (uint32_t)instant_hour(now_ns) + 1;
    if (w->retired)
        to = w->last_hour + 1;
    else if (w->heard_hour + 1 > to) /* usage may run a little ahead of our clock */
        to = w->heard_hour + 1;
    *first = *first > from ? *first : from;
    *end = *end < to ? *end : to;
}

/* --- windows --- */

struct silent_run {
    uint32_t first, end; /* end 0: none */
    bool stopped;
};

static void end_run(const struct watermark_window *window, const struct watermark *w, struct silent_run *run)
{
    if (run->end != 0 && !run->stopped && window->silent != NULL)
        run->stopped = !window->silent(window->context, w, run->first, run->end);
    run->end = 0;
}

/* The first hour of the window that is not complete, of those that are asked about. */
static err_t scan_window(struct kv_txn *txn, const struct watermark_window *window, const struct watermark *w,
                         struct silent_run *run, uint32_t *incomplete_hour)
{
    uint32_t first = window->first_hour, end = window->end_hour;
    struct watermark_hours hours;
    struct watermark_hour hour;
    watermark_hours_clip(w, window->now_ns, &first, &end);
    if (first < w->complete_hour)
        first = w->complete_hour;
    if (first >= end)
        return ERROR_OK;
    err_t error = watermark_hours_open(txn, w, first, window->now_ns, &hours);
    for (uint32_t h = first; h < end && error == ERROR_OK; h++) {
        error = watermark_hours_get(&hours, h, &hour);
        if (error != ERROR_OK)
            break;
        if (hour.state != WATERMARK_COMPLETE && h < *incomplete_hour)
            *incomplete_hour = h;
        if (hour.state == WATERMARK_SILENT) {
            run->first = run->end == 0 ? h : run->first;
            run->end = h + 1;
        } else {
            end_run(window, w, run);
        }
    }
    end_run(window, w, run);
    watermark_hours_close(&hours);
    return error;
}

err_t watermarks_window(struct kv_txn *txn, const struct watermark_window *window, uint32_t *complete_hour)
{
    struct silent_run run = { 0 };
    uint32_t producer = 0, source = 0, incomplete = UINT32_MAX;
    struct watermark w;
    uint32_t current = (uint32_t)instant_hour(window->now_ns);
    err_t error;
    while ((error = watermark_at_or_after(txn, producer, source, &w)) == ERROR_OK) {
        producer = w.producer;
        source = w.source + 1;
        if (w.retired || (window->only_source != 0 && w.source != window->only_source))
            continue;
        error = scan_window(txn, window, &w, &run, &incomplete);
        if (error != ERROR_OK)
            return error;
    }
    *complete_hour = incomplete < window->end_hour ? incomplete : window->end_hour;
    *complete_hour = *complete_hour < current ? *complete_hour : current;
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

err_t watermark_subject(struct kv_txn *txn, const struct watermark *w, char out[WATERMARK_SUBJECT_SIZE])
{
    struct text producer, source;
    err_t error = dictionary_text(txn, DICTIONARY_PRODUCER, w->producer, &producer);
    if (error == ERROR_OK)
        error = dictionary_text(txn, DICTIONARY_SOURCE, w->source, &source);
    if (error == ERROR_OK)
        (void)snprintf(out, WATERMARK_SUBJECT_SIZE, "%.*s/%.*s", TEXT_ARGS(producer), TEXT_ARGS(source));
    return error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : error;
}
