/* /v1/alerts: what an operator should look at, and saying that somebody does. */
#include "usage/alerts.h"

#include "api/api_internal.h"
#include "base/members.h"
#include "api/record_members.h"

#define PAGE_ALERTS 1000

struct alerts_call {
    struct read_job job; /* first member */
    struct write_call write;
    uint64_t before_id;
    unsigned states;
    struct json_writer json;
    size_t count;
    uint64_t last_id;
    bool more;
    struct alert_acknowledge acknowledge;
};

static void put_alert(struct json_writer *json, const struct alert *alert)
{
    json_begin_object(json);
    put_sequence_member(json, "id", alert->id);
    put_member(json, "kind", alert->kind);
    put_member(json, "subject", alert->subject);
    put_member(json, "text", alert->text);
    put_member(json, "state", text_of(alert_state_name(alert->state)));
    put_time_member(json, "since", alert->since_ns);
    put_time_member(json, "lastSeen", alert->seen_ns);
    if (alert->acknowledged_ns != INT64_MIN) {
        put_time_member(json, "acknowledgedTime", alert->acknowledged_ns);
        put_member(json, "acknowledgedBy", alert->acknowledged_by);
    }
    if (alert->resolved_ns != INT64_MIN)
        put_time_member(json, "resolvedTime", alert->resolved_ns);
    json_end_object(json);
}

/* --- the list --- */

static bool list_alert(void *context, const struct alert *alert)
{
    struct alerts_call *call = context;
    call->more = call->count == PAGE_ALERTS;
    if (call->more)
        return false;
    call->count++;
    call->last_id = alert->id;
    put_alert(&call->json, alert);
    return true;
}

static err_t read_alerts(struct read_job *job, struct kv_txn *txn)
{
    struct alerts_call *call = (struct alerts_call *)job;
    call->json = json_writer(&job->body);
    begin_value_list(&call->json);
    err_t error = alerts_list(txn, call->before_id, call->states, list_alert, call);
    json_end_array(&call->json);
    if (error == ERROR_OK && call->more) {
        struct text before = arena_format(http_arena(job->exchange), "%llu", (unsigned long long)call->last_id);
        put_member(&call->json, "nextLink", link_with(job->exchange, TEXT("before"), before));
    }
    json_end_object(&call->json);
    return error;
}

static bool read_states(struct http_exchange *exchange, unsigned *states)
{
    enum alert_state state;
    bool found;
    struct text text = http_query(http_request(exchange), TEXT("state"), &found);
    *states = 1U << ALERT_OPEN | 1U << ALERT_ACKNOWLEDGED;
    if (!found || text.len == 0)
        return true;
    if (text_equal_nocase(text, TEXT("all"))) {
        *states = ~0U;
        return true;
    }
    if (alert_state_parse(text, &state)) {
        *states = 1U << state;
        return true;
    }
    respond_error(exchange, ERROR_INVALID_PROPERTY, "state", "state is open, acknowledged, resolved or all");
    return false;
}

static bool read_id(struct http_exchange *exchange, const char *name, struct text text, uint64_t *id)
{
    unsigned long long number;
    if (text_to_u64(text, &number)) {
        *id = number;
        return true;
    }
    respond_error(exchange, ERROR_INVALID_PROPERTY, name, "%s must be the id of an alert", name);
    return false;
}

static struct alerts_call *new_call(struct http_exchange *exchange)
{
    struct alerts_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL)
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
    return call;
}

void handle_alerts_get(struct http_exchange *exchange, void *context)
{
    (void)context;
    bool found;
    struct text before = http_query(http_request(exchange), TEXT("before"), &found);
    struct alerts_call *call = new_call(exchange);
    if (call == NULL || !read_states(exchange, &call->states))
        return;
    call->before_id = UINT64_MAX;
    if (found && before.len > 0 && !read_id(exchange, "before", before, &call->before_id))
        return;
    call->job.read = read_alerts;
    read_job_start(&call->job, exchange);
}

/* --- acknowledging --- */

static void acknowledged(struct write_call *write)
{
    struct alerts_call *call = CONTAINER_OF(write, struct alerts_call, write);
    struct buffer body = { 0 };
    struct json_writer json = json_writer(&body);
    struct kv_txn *txn;
    struct alert alert;
    if (call->acknowledge.resolved) {
        respond_error(write->exchange, ERROR_CONFLICT, NULL, "this alert is over already");
        return;
    }
    err_t error =
        call->acknowledge.missing ? ERROR_NOT_FOUND : store_read_begin(api_of(write->exchange)->options.store, &txn);
    if (error == ERROR_OK) {
        error = alert_get(txn, call->acknowledge.id, &alert);
        if (error == ERROR_OK)
            put_alert(&json, &alert);
        store_read_end(txn);
    }
    if (error == ERROR_NOT_FOUND)
        respond_error(write->exchange, ERROR_RESOURCE_NOT_FOUND, NULL, "there is no alert with this id");
    else if (error != ERROR_OK)
        respond_error(write->exchange, error_of_store(error), NULL, NULL);
    else
        respond_json(write->exchange, 200, &body);
}

static bool was_acknowledged(struct audited_job *audited)
{
    const struct alert_acknowledge *acknowledge = (const struct alert_acknowledge *)audited->wanted;
    return !acknowledge->missing && !acknowledge->resolved;
}

void handle_alert_acknowledge(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct text id_text = http_request(exchange)->parameters[0];
    struct alerts_call *call;
    uint64_t id;
    if (!read_id(exchange, "id", id_text, &id) || (call = new_call(exchange)) == NULL)
        return;
    alert_acknowledge_init(&call->acknowledge, id, call_of(exchange)->identity.name);
    const struct audit_entry entry = { .action = TEXT("alert.acknowledge"), .subject = id_text };
    write_call_start_audited(&call->write, &call->acknowledge.job, exchange, &entry, was_acknowledged, acknowledged);
}
