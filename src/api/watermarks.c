/* /v1/watermarks and /v1/producers: which usage hours are complete, open or silent, what is expected of whom, and
 * producers declaring their hours complete. Operators see all, producers their own. */
#include <stdio.h>

#include "api/api_internal.h"
#include "base/members.h"
#include "base/encode.h"
#include "base/instant.h"
#include "usage/page_token.h"
#include "usage/watermarks.h"

#define PAGE_ROWS 1000
/* A filter that finds little must not keep a worker for long: the page then ends early, with a link to go on. */
#define PAGE_HOURS_MAX 200000
#define WINDOW_HOURS_DEFAULT 24

struct watermarks_call {
    struct read_job job; /* first member */
    struct write_call write;
    /* lists */
    int64_t now_ns, from_ns, to_ns; /* from, to: INT64_MIN when not given */
    struct text producer, source;   /* len 0: any */
    bool has_state, nobody;         /* nobody: the producer or source asked for is not known */
    enum watermark_state state;
    struct hash128 scope;
    uint32_t next_producer, next_source, next_hour; /* where the page begins */
    uint32_t only_producer, only_source;
    size_t hours_seen, rows;
    bool full;
    /* changes */
    struct watermark_put put;
    struct watermark_declare declare;
    const struct watermark *changed;
};

static struct watermarks_call *new_call(struct http_exchange *exchange)
{
    struct watermarks_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL)
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
    else
        call->now_ns = store_now_ns(api_of(exchange)->options.store);
    return call;
}

/* --- members --- */

static void put_hour_member(struct json_writer *json, const char *name, uint32_t hour)
{
    put_time_member(json, name, hour == 0 ? INT64_MIN : hour_start_ns(hour));
}

static void put_cadence_member(struct json_writer *json, const char *name, uint32_t hours)
{
    char text[24];
    json_name(json, name);
    if (hours == 0) {
        json_put_null(json);
        return;
    }
    bool days = hours % HOURS_PER_DAY == 0;
    (void)snprintf(text, sizeof text, days ? "P%uD" : "PT%uH", days ? hours / HOURS_PER_DAY : hours);
    json_put_cstring(json, text);
}

static err_t put_names(struct json_writer *json, struct kv_txn *txn, const struct watermark *w)
{
    struct text producer, source;
    err_t error = dictionary_text(txn, DICTIONARY_PRODUCER, w->producer, &producer);
    if (error == ERROR_OK)
        error = dictionary_text(txn, DICTIONARY_SOURCE, w->source, &source);
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : error;
    put_member(json, "producer", producer);
    put_member(json, "source", source);
    return ERROR_OK;
}

static void put_cadence(struct json_writer *json, const struct watermark *w)
{
    put_cadence_member(json, "cadence", watermark_cadence_hours(w));
    put_bool_member(json, "cadenceIsSet", w->set_cadence_hours != 0);
}

static err_t put_producer(struct json_writer *json, struct kv_txn *txn, const struct watermark *w, int64_t now_ns)
{
    bool silent = watermark_is_silent(w, now_ns);
    int64_t due_ns = w->retired ? INT64_MAX : watermark_due_ns(w, w->heard_hour + 1);
    json_begin_object(json);
    err_t error = put_names(json, txn, w);
    put_member(json, "state", w->retired ? TEXT("retired") : silent ? TEXT("silent") : TEXT("reporting"));
    put_hour_member(json, "silentSince", silent ? w->heard_hour + 1 : 0);
    put_time_member(json, "due", due_ns == INT64_MAX ? INT64_MIN : due_ns);
    put_hour_member(json, "firstUsageHour", w->first_hour);
    put_hour_member(json, "lastUsageHour", w->last_hour);
    put_time_member(json, "lastReportedTime", w->last_reported_ns);
    put_hour_member(json, "completeBefore", w->complete_hour);
    put_number_member(json, "records", w->records);
    put_cadence(json, w);
    put_cadence_member(json, "learntCadence", watermark_learnt_cadence_hours(w));
    put_bool_member(json, "retired", w->retired);
    json_end_object(json);
    return error;
}

static err_t put_watermark(struct json_writer *json, struct kv_txn *txn, const struct watermark *w,
                           const struct watermark_hour *hour)
{
    json_begin_object(json);
    err_t error = put_names(json, txn, w);
    put_hour_member(json, "hour", hour->hour);
    put_member(json, "state", text_of(watermark_state_name(hour->state)));
    put_number_member(json, "records", hour->records);
    put_time_member(json, "reportedTime", hour->last_reported_ns);
    put_hour_member(json, "lastUsageHour", w->last_hour);
    put_time_member(json, "lastReportedTime", w->last_reported_ns);
    put_cadence(json, w);
    json_end_object(json);
    return error;
}

/* --- parameters of lists --- */

static bool invalid(struct http_exchange *exchange, const char *name, const char *what)
{
    respond_error(exchange, ERROR_INVALID_PROPERTY, name, "%s %s", name, what);
    return false;
}

static bool read_hour(struct http_exchange *exchange, const char *name, int64_t *out_ns)
{
    bool found;
    struct text text = http_query(http_request(exchange), text_of(name), &found);
    *out_ns = INT64_MIN;
    if (!found || text.len == 0)
        return true;
    if (instant_parse_lenient(text, out_ns) == ERROR_OK && *out_ns >= 0 && *out_ns % NS_PER_HOUR == 0)
        return true;
    return invalid(exchange, name, "must be a full hour (UTC) such as 2026-01-31T13:00:00Z");
}

static bool read_filters(struct http_exchange *exchange, struct watermarks_call *call)
{
    const struct http_request *request = http_request(exchange);
    const struct identity *identity = &call_of(exchange)->identity;
    bool found;
    struct text state = http_query(request, TEXT("state"), &found);
    call->has_state = found && state.len > 0;
    if (call->has_state && !watermark_state_parse(state, &call->state))
        return invalid(exchange, "state", "is complete, open or silent");
    call->source = http_query(request, TEXT("source"), &found);
    call->producer = http_query(request, TEXT("producer"), &found);
    if (identity->role == ROLE_PRODUCER) {
        call->nobody = call->producer.len > 0 && !text_equal(call->producer, identity->name);
        call->producer = identity->name;
    }
    return true;
}

static bool read_token(struct http_exchange *exchange, struct watermarks_call *call, const char *list)
{
    const uint8_t *key = store_hash_key(api_of(exchange)->options.store);
    struct siphash state;
    uint8_t position[PAGE_POSITION_SIZE];
    bool found;
    siphash_init(&state, key);
    siphash_update_sized(&state, list, strlen(list));
    siphash_update_u64(&state, (uint64_t)call->from_ns);
    siphash_update_u64(&state, (uint64_t)call->to_ns);
    siphash_update_u64(&state, call->has_state ? (uint64_t)call->state + 1 : 0);
    siphash_update_sized(&state, call->source.ptr, call->source.len);
    siphash_update_sized(&state, call->producer.ptr, call->producer.len);
    call->scope = siphash_finish(&state);
    struct text token = http_query(http_request(exchange), TEXT("continuationToken"), &found);
    if (!found || token.len == 0)
        return true;
    if (page_token_read(key, &call->scope, token, position) != ERROR_OK) {
        respond_error(exchange, ERROR_INVALID_PROPERTY, "continuationToken",
                      "the continuationToken does not belong to this request; begin again without it");
        return false;
    }
    call->next_producer = get_u32be(position);
    call->next_source = get_u32be(position + 4);
    call->next_hour = get_u32be(position + 8);
    return true;
}

static err_t find_id(struct watermarks_call *call, struct kv_txn *txn, enum dictionary_kind kind, struct text text,
                     uint32_t *id)
{
    *id = 0;
    if (text.len == 0)
        return ERROR_OK;
    err_t error = dictionary_find(store_dictionary(call->job.api->options.store), txn, kind, text, id);
    call->nobody = call->nobody || error == ERROR_NOT_FOUND;
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

/* --- lists --- */

static err_t end_list(struct watermarks_call *call, struct json_writer *json)
{
    json_end_array(json);
    if (call->full) {
        uint8_t position[PAGE_POSITION_SIZE] = { 0 };
        char token[PAGE_TOKEN_TEXT_SIZE];
        put_u32be(position, call->next_producer);
        put_u32be(position + 4, call->next_source);
        put_u32be(position + 8, call->next_hour);
        page_token_make(store_hash_key(call->job.api->options.store), &call->scope, position, token);
        struct text link = link_with(call->job.exchange, TEXT("continuationToken"), text_of(token));
        if (link.ptr == NULL)
            return ERROR_NO_MEMORY;
        put_member(json, "nextLink", link);
    }
    json_end_object(json);
    return ERROR_OK;
}

/* Calls 'each' for the producers of the page, from where it begins until the page is full. */
static err_t each_producer(struct watermarks_call *call, struct kv_txn *txn, struct json_writer *json,
                           err_t (*each)(struct watermarks_call *call, struct kv_txn *txn, const struct watermark *w,
                                         struct json_writer *json))
{
    struct watermark w;
    err_t error = find_id(call, txn, DICTIONARY_PRODUCER, call->producer, &call->only_producer);
    if (error == ERROR_OK)
        error = find_id(call, txn, DICTIONARY_SOURCE, call->source, &call->only_source);
    if (error != ERROR_OK || call->nobody)
        return error;
    if (call->next_producer < call->only_producer)
        call->next_producer = call->only_producer;
    while (!call->full &&
           (error = watermark_at_or_after(txn, call->next_producer, call->next_source, &w)) == ERROR_OK) {
        if (call->only_producer != 0 && w.producer != call->only_producer)
            break;
        call->next_producer = w.producer;
        call->next_source = w.source;
        if (call->only_source == 0 || call->only_source == w.source)
            error = each(call, txn, &w, json);
        if (error != ERROR_OK)
            return error;
        if (!call->full) {
            call->next_source++;
            call->next_hour = 0;
        }
    }
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

static err_t list_hours(struct watermarks_call *call, struct kv_txn *txn, const struct watermark *w,
                        struct json_writer *json)
{
    int64_t to = call->to_ns != INT64_MIN ? instant_hour(call->to_ns) : instant_hour(call->now_ns) + 1;
    int64_t from = call->from_ns != INT64_MIN ? instant_hour(call->from_ns) : to - WINDOW_HOURS_DEFAULT;
    uint32_t first = from > 0 ? (uint32_t)from : 0, end = (uint32_t)to;
    struct watermark_hours hours;
    struct watermark_hour hour;
    watermark_hours_clip(w, call->now_ns, &first, &end);
    if (first < call->next_hour)
        first = call->next_hour;
    err_t error = watermark_hours_open(txn, w, first, call->now_ns, &hours);
    for (uint32_t h = first; h < end && error == ERROR_OK; h++) {
        if (call->rows == PAGE_ROWS || call->hours_seen++ == PAGE_HOURS_MAX) {
            call->full = true;
            call->next_hour = h;
            break;
        }
        error = watermark_hours_get(&hours, h, &hour);
        if (error == ERROR_OK && (!call->has_state || hour.state == call->state)) {
            error = put_watermark(json, txn, w, &hour);
            call->rows++;
        }
    }
    watermark_hours_close(&hours);
    return error;
}

static err_t list_producer(struct watermarks_call *call, struct kv_txn *txn, const struct watermark *w,
                           struct json_writer *json)
{
    call->full = call->rows == PAGE_ROWS;
    if (call->full)
        return ERROR_OK;
    call->rows++;
    return put_producer(json, txn, w, call->now_ns);
}

static err_t read_hours(struct read_job *job, struct kv_txn *txn)
{
    struct watermarks_call *call = (struct watermarks_call *)job;
    struct json_writer json = json_writer(&job->body);
    begin_value_list(&json);
    err_t error = each_producer(call, txn, &json, list_hours);
    return error == ERROR_OK ? end_list(call, &json) : error;
}

static err_t read_producers(struct read_job *job, struct kv_txn *txn)
{
    struct watermarks_call *call = (struct watermarks_call *)job;
    struct json_writer json = json_writer(&job->body);
    begin_value_list(&json);
    err_t error = each_producer(call, txn, &json, list_producer);
    return error == ERROR_OK ? end_list(call, &json) : error;
}

void handle_watermarks_get(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct watermarks_call *call = new_call(exchange);
    if (call == NULL || !read_hour(exchange, "from", &call->from_ns) || !read_hour(exchange, "to", &call->to_ns) ||
        !read_filters(exchange, call))
        return;
    if (call->from_ns != INT64_MIN && call->to_ns != INT64_MIN && call->to_ns <= call->from_ns) {
        (void)invalid(exchange, "to", "must be later than from");
        return;
    }
    if (!read_token(exchange, call, "watermarks"))
        return;
    call->job.read = read_hours;
    read_job_start(&call->job, exchange);
}

void handle_producers_get(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct watermarks_call *call = new_call(exchange);
    if (call == NULL || !read_filters(exchange, call) || !read_token(exchange, call, "producers"))
        return;
    call->job.read = read_producers;
    read_job_start(&call->job, exchange);
}

/* --- changes --- */

static void respond_changed(struct watermarks_call *call)
{
    struct http_exchange *exchange = call->write.exchange;
    struct buffer body = { 0 };
    struct json_writer json = json_writer(&body);
    struct kv_txn *txn;
    err_t error = store_read_begin(api_of(exchange)->options.store, &txn);
    if (error == ERROR_OK) {
        error = put_producer(&json, txn, call->changed, call->now_ns);
        store_read_end(txn);
    }
    if (error == ERROR_OK) {
        respond_json(exchange, 200, &body);
        return;
    }
    buffer_free(&body);
    respond_error(exchange, error_of_store(error), NULL, NULL);
}

static void respond_unknown(struct http_exchange *exchange)
{
    respond_error(exchange, ERROR_RESOURCE_NOT_FOUND, NULL,
                  "this producer has never been heard of for that source; see GET /v1/producers");
}

/* Ids of what the path or body names; false when it was never heard of. Loop thread: three look-ups. */
static bool find_known(struct http_exchange *exchange, struct text producer, struct text source, uint32_t *producer_id,
                       uint32_t *source_id)
{
    struct store *store = api_of(exchange)->options.store;
    struct watermark known;
    struct kv_txn *txn;
    if (store_read_begin(store, &txn) != ERROR_OK)
        return false;
    bool found =
        dictionary_find(store_dictionary(store), txn, DICTIONARY_PRODUCER, producer, producer_id) == ERROR_OK &&
        dictionary_find(store_dictionary(store), txn, DICTIONARY_SOURCE, source, source_id) == ERROR_OK &&
        watermark_get(txn, *producer_id, *source_id, &known) == ERROR_OK;
    store_read_end(txn);
    return found;
}

static bool read_cadence(struct http_exchange *exchange, const struct json *value, struct watermark_put *put)
{
    int64_t ns;
    put->has_cadence = true;
    put->cadence_hours = 0;
    if (json_type(value) == JSON_NULL)
        return true;
    if (json_type(value) == JSON_STRING && instant_parse_duration(json_string(value), &ns) == ERROR_OK && ns > 0 &&
        ns % NS_PER_HOUR == 0 && ns / NS_PER_HOUR <= WATERMARK_CADENCE_HOURS_MAX) {
        put->cadence_hours = (uint32_t)(ns / NS_PER_HOUR);
        return true;
    }
    return invalid(exchange, "cadence", "must be whole hours such as PT1H or P1D, at most P31D, or null to learn it");
}

static bool read_put(struct http_exchange *exchange, const struct json *body, struct watermark_put *put)
{
    for (struct json_iterator i = json_iterate(body); json_next(&i);) {
        if (text_equal(i.name, TEXT("cadence"))) {
            if (!read_cadence(exchange, i.value, put))
                return false;
        } else if (text_equal(i.name, TEXT("retired"))) {
            if (json_type(i.value) != JSON_TRUE && json_type(i.value) != JSON_FALSE)
                return invalid(exchange, "retired", "must be true or false");
            put->has_retired = true;
            put->retired = json_type(i.value) == JSON_TRUE;
        } else {
            respond_error(exchange, ERROR_INVALID_PROPERTY, NULL, "only cadence and retired can be set");
            return false;
        }
    }
    return put->has_cadence || put->has_retired || invalid(exchange, "cadence", "or retired must be given");
}

static struct text put_detail(struct http_exchange *exchange, const struct watermark_put *put)
{
    struct arena *arena = http_arena(exchange);
    struct text cadence = TEXT(""), retired = TEXT("");
    if (put->has_cadence)
        cadence = put->cadence_hours == 0 ? TEXT("\"cadence\":null")
                                          : arena_format(arena, "\"cadence\":\"PT%uH\"", put->cadence_hours);
    if (put->has_retired)
        retired = put->retired ? TEXT("\"retired\":true") : TEXT("\"retired\":false");
    return arena_format(arena, "{%.*s%s%.*s}", TEXT_ARGS(cadence), cadence.len > 0 && retired.len > 0 ? "," : "",
                        TEXT_ARGS(retired));
}

static void put_done(struct write_call *write)
{
    struct watermarks_call *call = CONTAINER_OF(write, struct watermarks_call, write);
    if (call->put.missing)
        respond_unknown(write->exchange);
    else
        respond_changed(call);
}

void handle_watermark_put(struct http_exchange *exchange, void *context)
{
    (void)context;
    const struct identity *identity = &call_of(exchange)->identity;
    struct text producer = http_request(exchange)->parameters[0], source = http_request(exchange)->parameters[1];
    const struct json *body = require_json_body(exchange);
    struct watermarks_call *call = body != NULL ? new_call(exchange) : NULL;
    uint32_t producer_id, source_id;
    if (call == NULL)
        return;
    /* A producer is answered for another's as for one that does not exist (promise 8). */
    if ((identity->role == ROLE_PRODUCER && !text_equal(producer, identity->name)) ||
        !find_known(exchange, producer, source, &producer_id, &source_id)) {
        respond_unknown(exchange);
        return;
    }
    watermark_put_init(&call->put, producer_id, source_id);
    if (!read_put(exchange, body, &call->put))
        return;
    call->changed = &call->put.watermark;
    const struct audit_entry entry = {
        .action = TEXT("producer.set"),
        .subject = arena_format(http_arena(exchange), "%.*s/%.*s", TEXT_ARGS(producer), TEXT_ARGS(source)),
        .detail = put_detail(exchange, &call->put),
    };
    if (entry.subject.ptr == NULL || entry.detail.ptr == NULL)
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
    else
        write_call_start_audited(&call->write, &call->put.job, exchange, &entry, NULL, put_done);
}

static bool may_post_for(const struct identity *identity, struct text source)
{
    for (size_t i = 0; i < identity->source_count; i++)
        if (text_equal(identity->sources[i], TEXT("*")) || text_equal(identity->sources[i], source))
            return true;
    return false;
}

static bool read_complete(struct http_exchange *exchange, const struct json *body, int64_t now_ns, uint32_t *hour)
{
    struct text text;
    int64_t complete_ns;
    if (!json_member_string(body, TEXT("complete"), &text) || instant_parse(text, &complete_ns) != ERROR_OK ||
        complete_ns < NS_PER_HOUR || complete_ns % NS_PER_HOUR != 0)
        return invalid(exchange, "complete",
                       "must be a full hour such as 2026-01-31T14:00:00Z: all before it is there");
    if (complete_ns > now_ns + api_of(exchange)->options.usage_future_ns_max)
        return invalid(exchange, "complete", "lies in the future");
    *hour = (uint32_t)(complete_ns / NS_PER_HOUR);
    return true;
}

/* Producers speak for themselves; an operator may settle what a producer that was heard of left open. */
static bool read_declarer(struct http_exchange *exchange, const struct json *body, struct text *producer,
                          struct text *source)
{
    const struct identity *identity = &call_of(exchange)->identity;
    uint32_t producer_id, source_id;
    if (!json_member_string(body, TEXT("source"), source) || source->len == 0 || source->len > IDENTITY_SOURCE_SIZE_MAX)
        return invalid(exchange, "source", "must be given");
    if (identity->role == ROLE_PRODUCER) {
        *producer = identity->name;
        if (may_post_for(identity, *source))
            return true;
        respond_error(exchange, ERROR_SOURCE_NOT_ALLOWED, "source", NULL);
        return false;
    }
    if (!json_member_string(body, TEXT("producer"), producer))
        return invalid(exchange, "producer", "must be given by an operator");
    if (find_known(exchange, *producer, *source, &producer_id, &source_id))
        return true;
    respond_unknown(exchange);
    return false;
}

static void declare_done(struct write_call *write)
{
    respond_changed(CONTAINER_OF(write, struct watermarks_call, write));
}

void handle_watermarks_post(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct text producer, source;
    uint32_t hour;
    const struct json *body = require_json_body(exchange);
    struct watermarks_call *call = body != NULL ? new_call(exchange) : NULL;
    if (call == NULL || !read_declarer(exchange, body, &producer, &source) ||
        !read_complete(exchange, body, call->now_ns, &hour))
        return;
    watermark_declare_init(&call->declare, producer, source, hour);
    call->declare.by_operator = call_is_operator(exchange);
    call->changed = &call->declare.watermark;
    if (call_of(exchange)->identity.role == ROLE_PRODUCER) { /* every hour: too much for the audit log */
        write_call_start(&call->write, &call->declare.job, exchange, declare_done);
        return;
    }
    char until[INSTANT_TEXT_SIZE];
    instant_print(hour_start_ns(hour), until);
    const struct audit_entry entry = {
        .action = TEXT("producer.complete"),
        .subject = arena_format(http_arena(exchange), "%.*s/%.*s", TEXT_ARGS(producer), TEXT_ARGS(source)),
        .detail = arena_format(http_arena(exchange), "{\"complete\":\"%s\"}", until),
    };
    if (entry.subject.ptr == NULL || entry.detail.ptr == NULL)
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
    else
        write_call_start_audited(&call->write, &call->declare.job, exchange, &entry, NULL, declare_done);
}
