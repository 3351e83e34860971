/* /v1/commerce/subscriptions: which commercial subscriptions there are, of what offer, and who bills for them
 * (interface.md section 5). Where an external resolver is configured it is asked instead; what is entered here then
 * stays as it is and is not looked at. */
#include "api/api_internal.h"
#include "base/members.h"
#include "commerce/catalogue.h"

#define LIMIT_DEFAULT 100

struct catalogue_call {
    struct read_job job; /* first member, for reads */
    struct write_call write;
    struct guid id, after;
    bool has_after;
    struct catalogue_filter filter;
    size_t limit;
    struct catalogue_put put;
    struct catalogue_delete delete_job;
};

static struct catalogue_call *new_call(struct http_exchange *exchange)
{
    struct catalogue_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL)
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
    return call;
}

static bool require_guid(struct http_exchange *exchange, const char *name, struct text text, struct guid *id)
{
    if (guid_parse(text, id) && !guid_is_zero(id))
        return true;
    respond_error(exchange, ERROR_INVALID_PROPERTY, name, "%s must be a GUID", name);
    return false;
}

static bool require_id(struct http_exchange *exchange, struct guid *id)
{
    return require_guid(exchange, "subscriptionId", http_request(exchange)->parameters[0], id);
}

/* --- reading --- */

static err_t read_list(struct read_job *job, struct kv_txn *txn)
{
    const struct catalogue_call *call = (const struct catalogue_call *)job;
    struct commercial_subscription *list;
    size_t count;
    bool more;
    err_t error = catalogue_list(txn, http_arena(job->exchange), &call->filter, call->has_after ? &call->after : NULL,
                                 call->limit, &list, &count, &more);
    if (error != ERROR_OK)
        return error;
    struct json_writer json = json_writer(&job->body);
    begin_value_list(&json);
    for (size_t i = 0; i < count; i++)
        catalogue_to_json(&list[i], &json);
    json_end_array(&json);
    if (more) {
        char last[GUID_TEXT_SIZE];
        guid_print(&list[count - 1].id, last);
        put_member(&json, "nextLink", link_with(job->exchange, TEXT("after"), text_of(last)));
    }
    json_end_object(&json);
    return ERROR_OK;
}

static err_t read_one(struct read_job *job, struct kv_txn *txn)
{
    const struct catalogue_call *call = (const struct catalogue_call *)job;
    struct commercial_subscription found;
    err_t error = catalogue_get(txn, http_arena(job->exchange), &call->id, &found);
    if (error == ERROR_NOT_FOUND)
        return error_set(&job->info, ERROR_SUBSCRIPTION_NOT_FOUND, NULL,
                         "the catalogue has no subscription '%.*s'; enter it with PUT",
                         TEXT_ARGS(http_request(job->exchange)->parameters[0]));
    if (error != ERROR_OK)
        return error;
    struct json_writer json = json_writer(&job->body);
    catalogue_to_json(&found, &json);
    return ERROR_OK;
}

static struct text query_text(struct http_exchange *exchange, const char *name)
{
    bool found;
    struct text text = http_query(http_request(exchange), text_of(name), &found);
    return found && text.len > 0 ? text : TEXT_NONE;
}

void handle_commerce_subscriptions_get(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct text after = query_text(exchange, "after"), tenant = query_text(exchange, "tenantId");
    struct catalogue_call *call = new_call(exchange);
    if (call == NULL || !read_page_limit(exchange, LIMIT_DEFAULT, CATALOGUE_PAGE_MAX, &call->limit))
        return;
    call->has_after = after.ptr != NULL;
    if (call->has_after && !require_guid(exchange, "after", after, &call->after))
        return;
    if (tenant.ptr != NULL && !require_guid(exchange, "tenantId", tenant, &call->filter.tenant_id))
        return;
    call->filter.partner_id = query_text(exchange, "partnerId");
    call->job.read = read_list;
    read_job_start(&call->job, exchange);
}

void handle_commerce_subscription_get(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct guid id;
    struct catalogue_call *call;
    if (!require_id(exchange, &id) || (call = new_call(exchange)) == NULL)
        return;
    call->id = id;
    call->job.read = read_one;
    read_job_start(&call->job, exchange);
}

/* --- changing one --- */

static struct text subject(struct http_exchange *exchange, const struct guid *id)
{
    char text[GUID_TEXT_SIZE];
    guid_print(id, text);
    struct text whole = arena_format(http_arena(exchange), "commerce/subscriptions/%s", text);
    return whole.ptr != NULL ? whole : TEXT("commerce/subscriptions");
}

/* On the writer thread, after the job: the log says what is kept, which is not always what was sent. */
static bool was_put(struct audited_job *audited)
{
    const struct catalogue_put *put = (const struct catalogue_put *)audited->wanted;
    if (put->refusal != ERROR_OK || !put->changed)
        return false;
    struct buffer text = { 0 };
    struct json_writer json = json_writer(&text);
    catalogue_to_json(&put->result, &json);
    audited->entry.detail = text.failed ? TEXT_NONE : arena_text(put->arena, buffer_text(&text));
    buffer_free(&text);
    return true;
}

static void put_done(struct write_call *write)
{
    struct catalogue_call *call = CONTAINER_OF(write, struct catalogue_call, write);
    if (call->put.refusal != ERROR_OK) {
        respond_info(write->exchange, &call->put.info);
        return;
    }
    struct buffer body = { 0 };
    struct json_writer json = json_writer(&body);
    catalogue_to_json(&call->put.result, &json);
    respond_json(write->exchange, call->put.created ? 201 : 200, &body);
}

void handle_commerce_subscription_put(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct guid id;
    struct commercial_subscription subscription;
    struct error_info info = { 0 };
    const struct json *body;
    struct catalogue_call *call;
    if (!require_id(exchange, &id) || (body = require_json_body(exchange)) == NULL ||
        (call = new_call(exchange)) == NULL)
        return;
    if (catalogue_from_json(body, &id, &subscription, &info) != ERROR_OK) {
        respond_info(exchange, &info);
        return;
    }
    catalogue_put_init(&call->put, &subscription, http_arena(exchange));
    const struct audit_entry entry = { .action = TEXT("commerceSubscription.put"), .subject = subject(exchange, &id) };
    write_call_start_audited(&call->write, &call->put.job, exchange, &entry, was_put, put_done);
}

static bool was_deleted(struct audited_job *audited)
{
    return !((const struct catalogue_delete *)audited->wanted)->missing;
}

static void delete_done(struct write_call *write)
{
    struct catalogue_call *call = CONTAINER_OF(write, struct catalogue_call, write);
    http_respond_empty(write->exchange, call->delete_job.missing ? 204 : 200);
}

void handle_commerce_subscription_delete(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct guid id;
    struct catalogue_call *call;
    if (!require_id(exchange, &id) || (call = new_call(exchange)) == NULL)
        return;
    catalogue_delete_init(&call->delete_job, &id);
    const struct audit_entry entry = { .action = TEXT("commerceSubscription.delete"),
                                       .subject = subject(exchange, &id) };
    write_call_start_audited(&call->write, &call->delete_job.job, exchange, &entry, was_deleted, delete_done);
}
