/* /v1/retention: what is kept how long, what is gone, how large it all is and becomes; and the operator's word that the
 * clock is right (store/retention.h). The size forecast is part of /v1/status, too. */
#include "store/retention.h"

#include "api/api_internal.h"
#include "base/members.h"
#include "base/instant.h"
#include "store/forecast.h"
#include "store/write.h"

struct retention_call {
    struct read_job job; /* first member */
    struct write_call write;
    struct store_job trust;
    bool held;
};

static void put_policy(struct json_writer *json, const struct retention_policy *policy)
{
    json_name(json, "keepDays");
    json_begin_object(json);
    for (int c = 0; c < RETENTION_CLASS_COUNT; c++)
        put_number_member(json, retention_class_name((enum retention_class)c),
                          (uint64_t)policy->keep_hours[c] / HOURS_PER_DAY);
    json_end_object(json);
}

static void put_state(struct json_writer *json, const struct forecast *forecast)
{
    const struct retention_state *state = &forecast->retention;
    put_time_member(json, "hourlySince", state->hourly_end == 0 ? INT64_MIN : hour_start_ns(state->hourly_end));
    put_time_member(json, "dailySince", state->daily_end == 0 ? INT64_MIN : day_start_ns(state->daily_end));
    put_number_member(json, "journalSince", state->journal_first);
    put_time_member(json, "countedFrom", state->reference_hour < 0 ? INT64_MIN : hour_start_ns(state->reference_hour));
    json_name(json, "waitsForTrust");
    json_put_bool(json, forecast->held);
}

err_t put_retention_status(struct json_writer *json, struct store *store, struct kv_txn *txn)
{
    struct forecast forecast;
    err_t error = forecast_make(store, txn, &forecast);
    if (error != ERROR_OK)
        return error;
    json_begin_object(json);
    put_policy(json, store_retention(store));
    put_state(json, &forecast);
    json_name(json, "sizes");
    forecast_to_json(&forecast, json);
    json_end_object(json);
    return ERROR_OK;
}

static err_t read_retention(struct read_job *job, struct kv_txn *txn)
{
    struct json_writer json = json_writer(&job->body);
    return put_retention_status(&json, job->api->options.store, txn);
}

static struct retention_call *new_call(struct http_exchange *exchange)
{
    struct retention_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL)
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
    return call;
}

void handle_retention_get(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct retention_call *call = new_call(exchange);
    if (call == NULL)
        return;
    call->job.read = read_retention;
    read_job_start(&call->job, exchange);
}

/* --- the operator's word --- */

static err_t run_trust(struct store_write *write, struct store_job *job)
{
    struct retention_call *call = CONTAINER_OF(job, struct retention_call, trust);
    return retention_trust(write_txn(write), &call->held);
}

static bool was_held(struct audited_job *audited)
{
    return CONTAINER_OF(audited->wanted, struct retention_call, trust)->held;
}

static void trusted(struct write_call *write)
{
    struct retention_call *call = CONTAINER_OF(write, struct retention_call, write);
    call->job.read = read_retention;
    read_job_start(&call->job, write->exchange);
}

void handle_retention_post(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct retention_call *call;
    const struct json *body = require_json_body(exchange);
    if (body == NULL)
        return;
    const struct json *word = json_member(body, TEXT("trustClock"));
    if (word == NULL || json_type(word) != JSON_TRUE) {
        respond_error(exchange, ERROR_INVALID_PROPERTY, "trustClock",
                      "send {\"trustClock\":true} to say that the clock is right and old usage may go");
        return;
    }
    if ((call = new_call(exchange)) == NULL)
        return;
    struct audit_entry entry = { .action = TEXT("retention.trust"), .subject = TEXT("clock") };
    call->trust = (struct store_job){ .run = run_trust, .weight = 1 };
    write_call_start_audited(&call->write, &call->trust, exchange, &entry, was_held, trusted);
}
