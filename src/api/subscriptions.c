/* /v1/subscriptions: what the stamp knows of its subscriptions (interface.md section 5). */
#include "api/api_internal.h"
#include "base/members.h"
#include "usage/subscriptions.h"

struct subscription_call {
    struct read_job job; /* first member, for reads */
    struct write_call write;
    struct guid id;
    struct subscription_put put;
    struct subscription_delete delete_job;
};

static struct subscription_call *new_call(struct http_exchange *exchange)
{
    struct subscription_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL)
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
    return call;
}

static err_t not_found(struct error_info *info, struct http_exchange *exchange)
{
    struct text id = http_request(exchange)->parameters[0];
    return error_set(info, ERROR_SUBSCRIPTION_NOT_FOUND, NULL, "The subscription '%.*s' could not be found.",
                     (int)(id.len < 64 ? id.len : 64), id.ptr);
}

static bool visible(struct http_exchange *exchange, const struct subscription *subscription)
{
    const struct call *call = call_of(exchange);
    return call->identity.role == ROLE_OPERATOR || guid_equal(&subscription->id, &call->identity.subscription);
}

static err_t read_list(struct read_job *job, struct kv_txn *txn)
{
    struct subscription *all;
    size_t count;
    err_t error = subscription_list(txn, http_arena(job->exchange), &all, &count);
    if (error != ERROR_OK)
        return error;
    struct json_writer json = json_writer(&job->body);
    begin_value_list(&json);
    for (size_t i = 0; i < count; i++)
        if (visible(job->exchange, &all[i]))
            subscription_to_json(&all[i], &json);
    end_value_list(&json);
    return ERROR_OK;
}

static err_t read_one(struct read_job *job, struct kv_txn *txn)
{
    struct subscription subscription;
    err_t error = subscription_get(job->api->options.store, txn, http_arena(job->exchange),
                                   &((struct subscription_call *)job)->id, &subscription);
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? not_found(&job->info, job->exchange) : error;
    struct json_writer json = json_writer(&job->body);
    subscription_to_json(&subscription, &json);
    return ERROR_OK;
}

void handle_subscriptions_get(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct subscription_call *call = new_call(exchange);
    if (call == NULL)
        return;
    call->job.read = read_list;
    read_job_start(&call->job, exchange);
}

void handle_subscription_get(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct guid id;
    struct subscription_call *call;
    if (!require_subscription(exchange, &id) || (call = new_call(exchange)) == NULL)
        return;
    call->id = id;
    call->job.read = read_one;
    read_job_start(&call->job, exchange);
}

/* --- what the audit log is told --- */

static struct text subject(struct http_exchange *exchange, const struct guid *id)
{
    char text[GUID_TEXT_SIZE];
    guid_print(id, text);
    struct text whole = arena_format(http_arena(exchange), "subscriptions/%s", text);
    return whole.ptr != NULL ? whole : TEXT("subscriptions");
}

static struct text describe(struct http_exchange *exchange, const struct subscription *subscription)
{
    struct buffer text = { 0 };
    struct json_writer json = json_writer(&text);
    subscription_to_json(subscription, &json);
    struct text copy = text.failed ? TEXT_NONE : arena_text(http_arena(exchange), buffer_text(&text));
    buffer_free(&text);
    return copy;
}

static bool was_deleted(struct audited_job *audited)
{
    return !((const struct subscription_delete *)audited->wanted)->missing;
}

/* --- changing one --- */

static void put_done(struct write_call *write)
{
    struct subscription_call *call = CONTAINER_OF(write, struct subscription_call, write);
    struct buffer body = { 0 };
    struct json_writer json = json_writer(&body);
    subscription_to_json(&call->put.subscription, &json);
    respond_json(write->exchange, call->put.created ? 201 : 200, &body);
}

static bool require_guid(struct http_exchange *exchange, struct guid *id)
{
    if (guid_parse(http_request(exchange)->parameters[0], id))
        return true;
    respond_error(exchange, ERROR_INVALID_PROPERTY, "subscriptionId", "subscriptionId must be a GUID");
    return false;
}

void handle_subscription_put(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct guid id;
    struct subscription subscription;
    struct error_info info = { 0 };
    const struct json *body;
    if (!require_guid(exchange, &id) || (body = require_json_body(exchange)) == NULL)
        return;
    struct subscription_call *call = new_call(exchange);
    if (call == NULL)
        return;
    if (subscription_from_json(body, &id, &subscription, &info) != ERROR_OK) {
        respond_info(exchange, &info);
        return;
    }
    subscription_put_init(&call->put, &subscription);
    struct audit_entry entry = { .action = TEXT("subscription.put"),
                                 .subject = subject(exchange, &id),
                                 .detail = describe(exchange, &subscription) };
    write_call_start_audited(&call->write, &call->put.job, exchange, &entry, NULL, put_done);
}

static void delete_done(struct write_call *write)
{
    struct subscription_call *call = CONTAINER_OF(write, struct subscription_call, write);
    if (call->delete_job.missing)
        http_respond_empty(write->exchange, 204);
    else
        http_respond_empty(write->exchange, 200);
}

void handle_subscription_delete(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    struct guid id;
    struct subscription_call *call;
    if (!require_guid(exchange, &id) || (call = new_call(exchange)) == NULL)
        return;
    if (guid_equal(&id, &api->operator_subscription)) {
        respond_error(exchange, ERROR_CONFLICT, NULL, "the operator's own subscription can't be deleted");
        return;
    }
    subscription_delete_init(&call->delete_job, &id);
    struct audit_entry entry = { .action = TEXT("subscription.delete"), .subject = subject(exchange, &id) };
    write_call_start_audited(&call->write, &call->delete_job.job, exchange, &entry, was_deleted, delete_done);
}
