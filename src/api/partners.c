/* /v1/commerce/partners: who sells and bills, as the commercial side enters it (interface.md section 5). */
#include "api/api_internal.h"
#include "base/members.h"
#include "commerce/catalogue.h"

#define LIMIT_DEFAULT 100

struct partner_call {
    struct read_job job; /* first member, for reads */
    struct write_call write;
    struct text id, after;
    size_t limit;
    struct partner_put put;
    struct partner_delete delete_job;
};

static struct partner_call *new_call(struct http_exchange *exchange)
{
    struct partner_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL)
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
    return call;
}

static bool require_partner_id(struct http_exchange *exchange, struct text *id)
{
    *id = http_request(exchange)->parameters[0];
    if (partner_id_is_valid(*id))
        return true;
    respond_error(exchange, ERROR_INVALID_PROPERTY, "partnerId",
                  "partnerId is at most %d letters, digits, '.', '_' or '-'", PARTNER_ID_SIZE_MAX);
    return false;
}

/* --- reading --- */

static err_t read_list(struct read_job *job, struct kv_txn *txn)
{
    const struct partner_call *call = (const struct partner_call *)job;
    struct partner *partners;
    size_t count;
    bool more;
    err_t error = partner_list(txn, http_arena(job->exchange), call->after, call->limit, &partners, &count, &more);
    if (error != ERROR_OK)
        return error;
    struct json_writer json = json_writer(&job->body);
    begin_value_list(&json);
    for (size_t i = 0; i < count; i++)
        partner_to_json(&partners[i], &json);
    json_end_array(&json);
    if (more)
        put_member(&json, "nextLink", link_with(job->exchange, TEXT("after"), partners[count - 1].id));
    json_end_object(&json);
    return ERROR_OK;
}

static err_t read_one(struct read_job *job, struct kv_txn *txn)
{
    const struct partner_call *call = (const struct partner_call *)job;
    struct partner partner;
    err_t error = partner_get(txn, http_arena(job->exchange), call->id, &partner);
    if (error == ERROR_NOT_FOUND)
        return error_set(&job->info, ERROR_RESOURCE_NOT_FOUND, NULL, "there is no partner '%.*s'", TEXT_ARGS(call->id));
    if (error != ERROR_OK)
        return error;
    struct json_writer json = json_writer(&job->body);
    partner_to_json(&partner, &json);
    return ERROR_OK;
}

void handle_partners_get(struct http_exchange *exchange, void *context)
{
    (void)context;
    bool found;
    struct text after = http_query(http_request(exchange), TEXT("after"), &found);
    struct partner_call *call = new_call(exchange);
    if (call == NULL || !read_page_limit(exchange, LIMIT_DEFAULT, CATALOGUE_PAGE_MAX, &call->limit))
        return;
    if (found && after.len > 0) {
        if (!partner_id_is_valid(after)) {
            respond_error(exchange, ERROR_INVALID_PROPERTY, "after", "after must be the id of a partner");
            return;
        }
        call->after = after;
    }
    call->job.read = read_list;
    read_job_start(&call->job, exchange);
}

void handle_partner_get(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct text id;
    struct partner_call *call;
    if (!require_partner_id(exchange, &id) || (call = new_call(exchange)) == NULL)
        return;
    call->id = id;
    call->job.read = read_one;
    read_job_start(&call->job, exchange);
}

/* --- changing one --- */

static struct text subject(struct http_exchange *exchange, struct text id)
{
    struct text whole = arena_format(http_arena(exchange), "commerce/partners/%.*s", TEXT_ARGS(id));
    return whole.ptr != NULL ? whole : TEXT("commerce/partners");
}

/* On the writer thread, after the job: the log says what is kept, which is not always what was sent. */
static bool was_put(struct audited_job *audited)
{
    const struct partner_put *put = (const struct partner_put *)audited->wanted;
    if (put->refusal != ERROR_OK || !put->changed)
        return false;
    struct buffer text = { 0 };
    struct json_writer json = json_writer(&text);
    partner_to_json(&put->result, &json);
    audited->entry.detail = text.failed ? TEXT_NONE : arena_text(put->arena, buffer_text(&text));
    buffer_free(&text);
    return true;
}

static void put_done(struct write_call *write)
{
    struct partner_call *call = CONTAINER_OF(write, struct partner_call, write);
    if (call->put.refusal != ERROR_OK) {
        respond_info(write->exchange, &call->put.info);
        return;
    }
    struct buffer body = { 0 };
    struct json_writer json = json_writer(&body);
    partner_to_json(&call->put.result, &json);
    respond_json(write->exchange, call->put.created ? 201 : 200, &body);
}

void handle_partner_put(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct text id;
    struct partner partner;
    struct error_info info = { 0 };
    const struct json *body;
    struct partner_call *call;
    if (!require_partner_id(exchange, &id) || (body = require_json_body(exchange)) == NULL ||
        (call = new_call(exchange)) == NULL)
        return;
    if (partner_from_json(body, id, &partner, &info) != ERROR_OK) {
        respond_info(exchange, &info);
        return;
    }
    partner_put_init(&call->put, &partner, http_arena(exchange));
    const struct audit_entry entry = { .action = TEXT("partner.put"), .subject = subject(exchange, id) };
    write_call_start_audited(&call->write, &call->put.job, exchange, &entry, was_put, put_done);
}

static bool was_deleted(struct audited_job *audited)
{
    const struct partner_delete *delete_job = (const struct partner_delete *)audited->wanted;
    return !delete_job->missing && delete_job->refusal == ERROR_OK;
}

static void delete_done(struct write_call *write)
{
    struct partner_call *call = CONTAINER_OF(write, struct partner_call, write);
    if (call->delete_job.refusal != ERROR_OK)
        respond_info(write->exchange, &call->delete_job.info);
    else
        http_respond_empty(write->exchange, call->delete_job.missing ? 204 : 200);
}

void handle_partner_delete(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct text id;
    struct partner_call *call;
    if (!require_partner_id(exchange, &id) || (call = new_call(exchange)) == NULL)
        return;
    partner_delete_init(&call->delete_job, id, http_arena(exchange));
    const struct audit_entry entry = { .action = TEXT("partner.delete"), .subject = subject(exchange, id) };
    write_call_start_audited(&call->write, &call->delete_job.job, exchange, &entry, was_deleted, delete_done);
}
