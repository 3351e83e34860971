/* See alerts.h. Layouts: index: 1, kind, NUL, subject -> id (8 bytes); row: 2, id -> state (1), since, seen,
 * acknowledged, resolved (8 each), then kind, subject, text, acknowledged by, each with its size (2). Rows come after
 * the index, so the table's last entry is the newest alert. */
#include "usage/alerts.h"

#include <string.h>

#include "base/check.h"
#include "base/encode.h"
#include "base/log.h"
#include "store/keys.h"
#include "store/kv.h"
#include "store/write.h"

#define INDEX_PREFIX 1
#define ROW_PREFIX 2
#define INDEX_KEY_SIZE_MAX (1 + ALERT_KIND_SIZE_MAX + 1 + ALERT_SUBJECT_SIZE_MAX)
#define ROW_KEY_SIZE_BYTES 9
#define BY_SIZE_MAX 256
#define ROW_FIXED_SIZE (1 + 4 * 8)
#define ROW_SIZE_MAX                                                                                                   \
    (ROW_FIXED_SIZE + 4 * 2 + ALERT_KIND_SIZE_MAX + ALERT_SUBJECT_SIZE_MAX + ALERT_TEXT_SIZE_MAX + BY_SIZE_MAX)

_Static_assert(INDEX_KEY_SIZE_MAX <= KV_KEY_SIZE_MAX, "index keys fit");

static const char *const state_names[ALERT_STATE_COUNT] = { "open", "acknowledged", "resolved" };

const char *alert_state_name(enum alert_state state)
{
    return state_names[state];
}

bool alert_state_parse(struct text text, enum alert_state *state)
{
    for (size_t i = 0; i < ALERT_STATE_COUNT; i++) {
        if (text_equal_nocase(text, text_of(state_names[i]))) {
            *state = (enum alert_state)i;
            return true;
        }
    }
    return false;
}

/* --- keys and values --- */

/* The longest beginning of at most 'max' bytes that ends with a whole character. */
static struct text cut(struct text text, size_t max)
{
    if (text.len <= max)
        return text;
    struct text rest = text;
    size_t length = 0;
    for (;;) {
        size_t step = text_utf8_step(rest);
        step = step == 0 ? 1 : step;
        if (length + step > max)
            return (struct text){ text.ptr, length };
        length += step;
        rest = (struct text){ text.ptr + length, text.len - length };
    }
}

static struct text index_key(struct text kind, struct text subject, uint8_t out[INDEX_KEY_SIZE_MAX])
{
    REQUIRE(kind.len > 0 && kind.len <= ALERT_KIND_SIZE_MAX);
    subject = cut(subject, ALERT_SUBJECT_SIZE_MAX);
    out[0] = INDEX_PREFIX;
    memcpy(out + 1, kind.ptr, kind.len);
    out[1 + kind.len] = 0;
    if (subject.len > 0)
        memcpy(out + kind.len + 2, subject.ptr, subject.len);
    return (struct text){ (const char *)out, kind.len + 2 + subject.len };
}

static struct text row_key(uint64_t id, uint8_t out[ROW_KEY_SIZE_BYTES])
{
    out[0] = ROW_PREFIX;
    put_u64be(out + 1, id);
    return (struct text){ (const char *)out, ROW_KEY_SIZE_BYTES };
}

static uint8_t *put_sized(uint8_t *p, struct text text, size_t max)
{
    text = cut(text, max);
    put_u16be(p, (uint16_t)text.len);
    if (text.len > 0)
        memcpy(p + 2, text.ptr, text.len);
    return p + 2 + text.len;
}

static struct text encode(const struct alert *alert, uint8_t out[ROW_SIZE_MAX])
{
    uint8_t *p = out + ROW_FIXED_SIZE;
    out[0] = (uint8_t)alert->state;
    put_u64be(out + 1, (uint64_t)alert->since_ns);
    put_u64be(out + 9, (uint64_t)alert->seen_ns);
    put_u64be(out + 17, (uint64_t)alert->acknowledged_ns);
    put_u64be(out + 25, (uint64_t)alert->resolved_ns);
    p = put_sized(p, alert->kind, ALERT_KIND_SIZE_MAX);
    p = put_sized(p, alert->subject, ALERT_SUBJECT_SIZE_MAX);
    p = put_sized(p, alert->text, ALERT_TEXT_SIZE_MAX);
    p = put_sized(p, alert->acknowledged_by, BY_SIZE_MAX);
    return (struct text){ (const char *)out, (size_t)(p - out) };
}

static bool get_sized(const uint8_t **p, const uint8_t *end, struct text *out)
{
    if (end - *p < 2 || end - *p - 2 < get_u16be(*p))
        return false;
    *out = (struct text){ (const char *)*p + 2, get_u16be(*p) };
    *p += 2 + out->len;
    return true;
}

static err_t decode(struct text key, struct text value, struct alert *out)
{
    const uint8_t *p = (const uint8_t *)value.ptr, *end = p + value.len;
    if (key.len != ROW_KEY_SIZE_BYTES || value.len < ROW_FIXED_SIZE || p[0] >= ALERT_STATE_COUNT)
        return ERROR_STORE_CORRUPT;
    out->id = get_u64be((const uint8_t *)key.ptr + 1);
    out->state = (enum alert_state)p[0];
    out->since_ns = (int64_t)get_u64be(p + 1);
    out->seen_ns = (int64_t)get_u64be(p + 9);
    out->acknowledged_ns = (int64_t)get_u64be(p + 17);
    out->resolved_ns = (int64_t)get_u64be(p + 25);
    p += ROW_FIXED_SIZE;
    return get_sized(&p, end, &out->kind) && get_sized(&p, end, &out->subject) && get_sized(&p, end, &out->text) &&
                   get_sized(&p, end, &out->acknowledged_by)
               ? ERROR_OK
               : ERROR_STORE_CORRUPT;
}

/* The alert's texts may point into the map: the value is encoded before anything is written. */
static err_t put(struct kv_txn *txn, const struct alert *alert)
{
    uint8_t key[ROW_KEY_SIZE_BYTES], value[ROW_SIZE_MAX];
    struct text encoded = encode(alert, value);
    return kv_put(txn, KV_ALERTS, row_key(alert->id, key), encoded);
}

err_t alert_get(struct kv_txn *txn, uint64_t id, struct alert *out)
{
    uint8_t bytes[ROW_KEY_SIZE_BYTES];
    struct text key = row_key(id, bytes), value;
    err_t error = kv_get(txn, KV_ALERTS, key, &value);
    return error == ERROR_OK ? decode(key, value, out) : error;
}

/* The open alert of a kind and subject. ERROR_NOT_FOUND. */
static err_t find_open(struct kv_txn *txn, struct text kind, struct text subject, struct alert *out)
{
    uint8_t key[INDEX_KEY_SIZE_MAX];
    struct text value;
    err_t error = kv_get(txn, KV_ALERTS, index_key(kind, subject, key), &value);
    if (error != ERROR_OK)
        return error;
    if (value.len != 8)
        return ERROR_STORE_CORRUPT;
    error = alert_get(txn, get_u64be((const uint8_t *)value.ptr), out);
    return error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : error;
}

/* --- changes --- */

static err_t next_id(struct kv_txn *txn, uint64_t *id)
{
    struct kv_cursor *cursor;
    struct text key, value;
    *id = 1;
    err_t error = kv_cursor_open(txn, KV_ALERTS, &cursor);
    if (error != ERROR_OK)
        return error;
    error = kv_cursor_last(cursor, &key, &value);
    if (error == ERROR_OK && key.len == ROW_KEY_SIZE_BYTES && key.ptr[0] == ROW_PREFIX)
        *id = get_u64be((const uint8_t *)key.ptr + 1) + 1;
    kv_cursor_close(cursor);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

/* Id of the oldest resolved alert but the newest of all (whose id must not be given out again). ERROR_NOT_FOUND. */
static err_t oldest_resolved(struct kv_txn *txn, uint64_t newest_id, uint64_t *id)
{
    struct kv_cursor *cursor;
    uint8_t start[ROW_KEY_SIZE_BYTES];
    struct text key, value;
    struct alert alert;
    err_t error = kv_cursor_open(txn, KV_ALERTS, &cursor);
    if (error != ERROR_OK)
        return error;
    for (error = kv_cursor_seek(cursor, row_key(0, start), &key, &value); error == ERROR_OK;
         error = kv_cursor_next(cursor, &key, &value)) {
        error = decode(key, value, &alert);
        if (error == ERROR_OK && alert.id == newest_id)
            error = ERROR_NOT_FOUND;
        if (error != ERROR_OK || alert.state == ALERT_RESOLVED)
            break;
    }
    kv_cursor_close(cursor);
    *id = error == ERROR_OK ? alert.id : 0;
    return error;
}

/* Room for one more alert and its index entry; false in *room when all that is kept is open. */
static err_t make_room(struct kv_txn *txn, uint64_t newest_id, bool *room)
{
    uint64_t entries, id;
    uint8_t key[ROW_KEY_SIZE_BYTES];
    *room = true;
    err_t error = kv_count(txn, KV_ALERTS, &entries);
    while (error == ERROR_OK && entries + 2 > ALERTS_MAX) {
        error = oldest_resolved(txn, newest_id, &id);
        if (error == ERROR_NOT_FOUND) {
            *room = false;
            return ERROR_OK;
        }
        if (error == ERROR_OK)
            error = kv_delete(txn, KV_ALERTS, row_key(id, key));
        entries--;
    }
    return error;
}

static err_t open_new(struct store_write *write, struct text kind, struct text subject, struct text text)
{
    struct kv_txn *txn = write_txn(write);
    uint8_t key[INDEX_KEY_SIZE_MAX], id[8];
    bool room;
    struct alert alert = {
        .state = ALERT_OPEN,
        .kind = kind,
        .subject = subject,
        .text = text,
        .acknowledged_by = TEXT(""),
        .since_ns = write_reported_ns(write),
        .seen_ns = write_reported_ns(write),
        .acknowledged_ns = INT64_MIN,
        .resolved_ns = INT64_MIN,
    };
    err_t error = next_id(txn, &alert.id);
    if (error == ERROR_OK)
        error = make_room(txn, alert.id - 1, &room);
    if (error != ERROR_OK || !room)
        return error;
    log_warning("alert", "raised", LOG_TEXT("kind", kind), LOG_TEXT("subject", subject), LOG_TEXT("text", text));
    put_u64be(id, alert.id);
    error = put(txn, &alert);
    return error == ERROR_OK ? kv_put(txn, KV_ALERTS, index_key(kind, subject, key), BYTES(id)) : error;
}

err_t alert_raise(struct store_write *write, struct text kind, struct text subject, struct text text)
{
    struct alert alert;
    err_t error = find_open(write_txn(write), kind, subject, &alert);
    if (error == ERROR_NOT_FOUND)
        return open_new(write, kind, subject, text);
    if (error != ERROR_OK || (text_equal(alert.text, cut(text, ALERT_TEXT_SIZE_MAX)) &&
                              write_reported_ns(write) - alert.seen_ns < ALERT_SEEN_NS))
        return error;
    alert.text = text;
    alert.seen_ns = write_reported_ns(write);
    return put(write_txn(write), &alert);
}

err_t alert_resolve(struct store_write *write, struct text kind, struct text subject)
{
    struct kv_txn *txn = write_txn(write);
    uint8_t key[INDEX_KEY_SIZE_MAX];
    struct alert alert;
    err_t error = find_open(txn, kind, subject, &alert);
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? ERROR_OK : error;
    log_info("alert", "resolved", LOG_TEXT("kind", kind), LOG_TEXT("subject", subject));
    alert.state = ALERT_RESOLVED;
    alert.resolved_ns = write_reported_ns(write);
    error = put(txn, &alert);
    return error == ERROR_OK ? kv_delete(txn, KV_ALERTS, index_key(kind, subject, key)) : error;
}

static err_t run_acknowledge(struct store_write *write, struct store_job *job)
{
    struct alert_acknowledge *acknowledge = (struct alert_acknowledge *)job;
    struct alert alert;
    acknowledge->missing = acknowledge->resolved = false;
    err_t error = alert_get(write_txn(write), acknowledge->id, &alert);
    if (error == ERROR_NOT_FOUND) {
        acknowledge->missing = true;
        return ERROR_OK;
    }
    if (error != ERROR_OK)
        return error;
    acknowledge->resolved = alert.state == ALERT_RESOLVED;
    if (alert.state != ALERT_OPEN)
        return ERROR_OK; /* whoever was first stays named */
    alert.state = ALERT_ACKNOWLEDGED;
    alert.acknowledged_ns = write_reported_ns(write);
    alert.acknowledged_by = acknowledge->by;
    return put(write_txn(write), &alert);
}

void alert_acknowledge_init(struct alert_acknowledge *acknowledge, uint64_t id, struct text by)
{
    *acknowledge = (struct alert_acknowledge){ .job = { .run = run_acknowledge, .weight = 1 }, .id = id, .by = by };
}

/* --- reading --- */

err_t alerts_list(struct kv_txn *txn, uint64_t before_id, unsigned states,
                  bool (*visit)(void *context, const struct alert *alert), void *context)
{
    struct kv_cursor *cursor;
    uint8_t start[ROW_KEY_SIZE_BYTES];
    struct text key, value;
    err_t error = kv_cursor_open(txn, KV_ALERTS, &cursor);
    if (error != ERROR_OK)
        return error;
    error = kv_cursor_seek(cursor, row_key(before_id, start), &key, &value);
    if (error == ERROR_OK || error == ERROR_NOT_FOUND) /* at the end: the one before is the last */
        error = kv_cursor_previous(cursor, &key, &value);
    for (; error == ERROR_OK; error = kv_cursor_previous(cursor, &key, &value)) {
        struct alert alert;
        if (key.ptr[0] != ROW_PREFIX)
            break;
        error = decode(key, value, &alert);
        if (error != ERROR_OK || ((states >> alert.state & 1) != 0 && !visit(context, &alert)))
            break;
    }
    kv_cursor_close(cursor);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

static bool count_one(void *context, const struct alert *alert)
{
    struct alert_counts *counts = context;
    size_t kind = 0;
    counts->states[alert->state]++;
    while (kind < counts->kind_count && !text_equal(counts->kinds[kind].kind, alert->kind))
        kind++;
    if (kind == ALERT_KINDS_MAX)
        return true;
    if (kind == counts->kind_count) {
        counts->kinds[kind].kind = alert->kind;
        counts->kinds[kind].open = 0;
        counts->kind_count++;
    }
    counts->kinds[kind].open += alert->state != ALERT_RESOLVED;
    return true;
}

err_t alerts_count(struct kv_txn *txn, struct alert_counts *out)
{
    memset(out, 0, sizeof *out);
    return alerts_list(txn, UINT64_MAX, ~0U, count_one, out);
}
