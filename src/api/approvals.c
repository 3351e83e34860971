/* /v1/commerce/approvals: which registrations may have customers of their own (spec 7.3): asked for, granted, taken
 * back; with the facts that an approver decides on.
 *
 * Every call goes the same way: the registrations are read on a worker, their base subscriptions looked up, and then
 * the answer is written, or the change checked and made. A resolver that fails stops only what depends on it: granting
 * and asking. Lists and revoking go on without those facts. A registration that nobody has said anything of has the
 * state NotRequested; it is there, so changing it answers 200 and never 201. */
#include <string.h>

#include "api/subscription_lookup.h"
#include "base/check.h"
#include "base/members.h"
#include "commerce/catalogue.h"
#include "registration/registration.h"

#define LIMIT_DEFAULT 100
#define SEARCH_PAGE 100 /* registrations read at once */

/* Where a list goes on: behind a registration that need not be there any more. */
struct position {
    struct registration_path path; /* its texts are the two below */
    char group[REGISTRATION_NAME_SIZE_MAX], name[REGISTRATION_NAME_SIZE_MAX];
    bool is_set;
};

struct approval_call {
    struct read_job job; /* first member */
    struct write_call write;
    struct subscription_lookup lookup;
    struct approval_put put;
    /* What is asked for: one by name, or (name.ptr NULL) a page of all. */
    struct text name, resource_group;
    struct guid subscription;
    bool has_subscription;
    struct position after;
    size_t limit;
    bool changes;
    enum approval_state wanted; /* if it changes */
    /* What was found. */
    struct registration *registrations;
    struct approval *approvals;
    struct guid *base_ids;
    size_t count;
    bool more;
};

/* --- finding them: on a worker --- */

static struct text keep_name(struct text name, char out[REGISTRATION_NAME_SIZE_MAX])
{
    size_t length = name.len < REGISTRATION_NAME_SIZE_MAX ? name.len : REGISTRATION_NAME_SIZE_MAX;
    if (length > 0)
        memcpy(out, name.ptr, length);
    return (struct text){ out, length };
}

/* A copy that outlives the page it comes from. */
static void position_set(struct position *position, const struct registration_path *path)
{
    position->path = (struct registration_path){ .subscription_id = path->subscription_id,
                                                 .resource_group = keep_name(path->resource_group, position->group),
                                                 .name = keep_name(path->name, position->name) };
    position->is_set = true;
}

static bool is_asked_for(const struct approval_call *call, const struct registration *registration)
{
    return call->resource_group.ptr == NULL ||
           text_equal_nocase(registration->path.resource_group, call->resource_group);
}

/* What is asked for among the registrations of one page; 'more' when it is more than the limit. */
static err_t take_page(struct approval_call *call, struct kv_txn *txn, struct arena *arena,
                       const struct registration *page, size_t page_count)
{
    for (size_t i = 0; i < page_count; i++) {
        if (!is_asked_for(call, &page[i]))
            continue;
        call->more = call->count == call->limit;
        if (call->more)
            return ERROR_OK;
        err_t error = approval_get(txn, arena, page[i].number, &call->approvals[call->count]);
        if (error != ERROR_OK)
            return error;
        call->base_ids[call->count] = page[i].path.subscription_id;
        call->registrations[call->count++] = page[i];
    }
    return ERROR_OK;
}

/* Page by page; those on which nothing is asked for leave nothing in the arena. */
static err_t find_page(struct approval_call *call, struct kv_txn *txn, struct arena *arena)
{
    const struct guid *subscription = call->has_subscription ? &call->subscription : NULL;
    bool others = true;
    while (others && !call->more) {
        struct arena_mark mark = arena_mark(arena);
        struct registration *page;
        size_t page_count, before = call->count;
        err_t error =
            registration_page(txn, arena, subscription, TEXT_NONE, call->after.is_set ? &call->after.path : NULL,
                              SEARCH_PAGE, &page, &page_count, &others);
        if (error == ERROR_OK)
            error = take_page(call, txn, arena, page, page_count);
        if (error != ERROR_OK)
            return error;
        if (page_count > 0)
            position_set(&call->after, &page[page_count - 1].path);
        if (call->count == before)
            arena_rewind(arena, mark);
    }
    return ERROR_OK;
}

static err_t find_one(struct approval_call *call, struct kv_txn *txn, struct arena *arena)
{
    struct registration *found = &call->registrations[0];
    err_t error = registration_find_by_name(txn, arena, call->has_subscription ? &call->subscription : NULL,
                                            call->resource_group, call->name, found, &call->job.info);
    if (error != ERROR_OK)
        return error;
    call->base_ids[0] = found->path.subscription_id;
    call->count = 1;
    return approval_get(txn, arena, found->number, &call->approvals[0]);
}

static err_t read_registrations(struct read_job *job, struct kv_txn *txn)
{
    struct approval_call *call = (struct approval_call *)job;
    struct arena *arena = http_arena(job->exchange);
    call->registrations = arena_array(arena, call->limit, sizeof *call->registrations);
    call->approvals = arena_array(arena, call->limit, sizeof *call->approvals);
    call->base_ids = arena_array(arena, call->limit, sizeof *call->base_ids);
    if (call->registrations == NULL || call->approvals == NULL || call->base_ids == NULL)
        return ERROR_NO_MEMORY;
    return call->name.ptr == NULL ? find_page(call, txn, arena) : find_one(call, txn, arena);
}

/* --- answering --- */

static void put_approval(struct json_writer *json, const struct approval_call *call, size_t index)
{
    const struct registration *registration = &call->registrations[index];
    const struct approval *approval = &call->approvals[index];
    json_begin_object(json);
    put_member(json, "registrationName", registration->path.name);
    put_guid_member(json, "subscriptionId", &registration->path.subscription_id);
    put_member(json, "resourceGroup", registration->path.resource_group);
    put_guid_member(json, "cloudId", &registration->cloud_id);
    put_member(json, "billingModel", text_of(billing_model_name(registration->model)));
    put_bool_member(json, "multitenant", approval->state == APPROVAL_APPROVED);
    put_member(json, "state", text_of(approval_state_name(approval->state)));
    put_time_member(json, "changedTime", approval->changed_ns);
    json_name(json, "by");
    if (approval->by.len > 0)
        json_put_text(json, approval->by);
    else
        json_put_null(json);
    json_name(json, "baseSubscription");
    if (call->lookup.error == ERROR_OK && call->lookup.known[index])
        catalogue_to_json(&call->lookup.found[index], json);
    else
        json_put_null(json);
    if (call->lookup.error != ERROR_OK)
        put_member(json, "baseSubscriptionError", text_of(call->lookup.info.message));
    json_end_object(json);
}

static void respond(struct approval_call *call)
{
    struct buffer body = { 0 };
    struct json_writer json = json_writer(&body);
    if (call->name.ptr != NULL) {
        put_approval(&json, call, 0);
        respond_json(call->job.exchange, 200, &body);
        return;
    }
    begin_value_list(&json);
    for (size_t i = 0; i < call->count; i++)
        put_approval(&json, call, i);
    json_end_array(&json);
    if (call->more) {
        const struct registration_path *path = &call->registrations[call->count - 1].path;
        char id[GUID_TEXT_SIZE];
        guid_print(&path->subscription_id, id);
        struct text last = arena_format(http_arena(call->job.exchange), "%s/%.*s/%.*s", id,
                                        TEXT_ARGS(path->resource_group), TEXT_ARGS(path->name));
        put_member(&json, "nextLink", link_with(call->job.exchange, TEXT("after"), last));
    }
    json_end_object(&json);
    respond_json(call->job.exchange, 200, &body);
}

/* --- changing one --- */

/* On the writer thread, after the job. */
static bool was_put(struct audited_job *audited)
{
    const struct approval_put *put = (const struct approval_put *)audited->wanted;
    const struct registration *registration = &put->registration;
    if (!put->changed)
        return false;
    struct buffer text = { 0 };
    struct json_writer json = json_writer(&text);
    json_begin_object(&json);
    put_member(&json, "state", text_of(approval_state_name(put->result.state)));
    put_bool_member(&json, "multitenant", put->result.state == APPROVAL_APPROVED);
    put_guid_member(&json, "subscriptionId", &registration->path.subscription_id);
    put_member(&json, "resourceGroup", registration->path.resource_group);
    put_guid_member(&json, "cloudId", &registration->cloud_id);
    json_end_object(&json);
    audited->entry.detail = text.failed ? TEXT_NONE : arena_text(put->arena, buffer_text(&text));
    buffer_free(&text);
    return true;
}

static void put_done(struct write_call *write)
{
    struct approval_call *call = CONTAINER_OF(write, struct approval_call, write);
    if (call->put.missing) {
        respond_error(write->exchange, ERROR_REGISTRATION_NOT_FOUND, NULL, "the registration was deleted meanwhile");
        return;
    }
    if (call->put.refusal != ERROR_OK) {
        respond_info(write->exchange, &call->put.info);
        return;
    }
    call->registrations[0] = call->put.registration;
    call->approvals[0] = call->put.result;
    respond(call);
}

static bool check_change(struct approval_call *call)
{
    struct error_info info = { 0 };
    if (call->wanted == APPROVAL_REVOKED)
        return true;
    if (call->lookup.error != ERROR_OK) {
        respond_info(call->job.exchange, &call->lookup.info);
        return false;
    }
    const struct commercial_subscription *base = call->lookup.known[0] ? &call->lookup.found[0] : NULL;
    if (approval_check(call->registrations[0].model, base, &info) == ERROR_OK)
        return true;
    respond_info(call->job.exchange, &info);
    return false;
}

static void change(struct approval_call *call)
{
    struct http_exchange *exchange = call->job.exchange;
    const struct registration *registration = &call->registrations[0];
    if (!check_change(call))
        return;
    approval_put_init(&call->put, registration->number, call->wanted, call_of(exchange)->identity.name,
                      http_arena(exchange));
    struct text subject =
        arena_format(http_arena(exchange), "commerce/approvals/%.*s", TEXT_ARGS(registration->path.name));
    const struct audit_entry entry = {
        .action = call->wanted == APPROVAL_REQUESTED ? TEXT("approval.request") : TEXT("approval.put"),
        .subject = subject.ptr != NULL ? subject : TEXT("commerce/approvals"),
    };
    write_call_start_audited(&call->write, &call->put.job, exchange, &entry, was_put, put_done);
}

/* --- the way of every call --- */

static void looked_up(struct subscription_lookup *lookup)
{
    struct approval_call *call = CONTAINER_OF(lookup, struct approval_call, lookup);
    if (call->changes)
        change(call);
    else
        respond(call);
}

static void registrations_read(struct read_job *job)
{
    struct approval_call *call = (struct approval_call *)job;
    if (job->error != ERROR_OK) {
        if (job->info.code == ERROR_OK)
            error_set(&job->info, job->error, NULL, NULL);
        respond_info(job->exchange, &job->info);
        return;
    }
    call->lookup = (struct subscription_lookup){
        .exchange = job->exchange, .ids = call->base_ids, .count = call->count, .done = looked_up
    };
    subscription_lookup_start(&call->lookup);
}

static struct text query_text(struct http_exchange *exchange, const char *name)
{
    bool found;
    struct text text = http_query(http_request(exchange), text_of(name), &found);
    return found && text.len > 0 ? text : TEXT_NONE;
}

/* What all of them take: ?subscriptionId= and ?resourceGroup=. Answers and returns NULL if it can't be read. */
static struct approval_call *new_call(struct http_exchange *exchange)
{
    struct text subscription = query_text(exchange, "subscriptionId");
    struct approval_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL) {
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return NULL;
    }
    call->resource_group = query_text(exchange, "resourceGroup");
    call->has_subscription = subscription.ptr != NULL;
    if (call->has_subscription && !guid_parse(subscription, &call->subscription)) {
        respond_error(exchange, ERROR_INVALID_PROPERTY, "subscriptionId", "subscriptionId must be a GUID");
        return NULL;
    }
    return call;
}

static void start(struct approval_call *call, struct http_exchange *exchange)
{
    call->job.read = read_registrations;
    call->job.answer = registrations_read;
    read_job_start(&call->job, exchange);
}

static void start_one(struct http_exchange *exchange, bool changes, enum approval_state wanted)
{
    struct approval_call *call = new_call(exchange);
    if (call == NULL)
        return;
    call->name = http_request(exchange)->parameters[0];
    call->limit = 1;
    call->changes = changes;
    call->wanted = wanted;
    start(call, exchange);
}

/* "subscription/group/name", as nextLink has it. */
static bool read_after(struct http_exchange *exchange, struct position *after)
{
    struct text text = query_text(exchange, "after"), subscription;
    struct registration_path path = { 0 };
    if (text.ptr == NULL)
        return true;
    if (text_cut(&text, '/', &subscription) && guid_parse(subscription, &path.subscription_id) &&
        text_cut(&text, '/', &path.resource_group) && path.resource_group.len <= REGISTRATION_NAME_SIZE_MAX &&
        text.ptr != NULL && text.len > 0 && text.len <= REGISTRATION_NAME_SIZE_MAX) {
        path.name = text;
        position_set(after, &path);
        return true;
    }
    respond_error(exchange, ERROR_INVALID_PROPERTY, "after", "after is what a nextLink of this list says");
    return false;
}

void handle_approvals_get(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct approval_call *call = new_call(exchange);
    if (call != NULL && read_page_limit(exchange, LIMIT_DEFAULT, CATALOGUE_PAGE_MAX, &call->limit) &&
        read_after(exchange, &call->after))
        start(call, exchange);
}

void handle_approval_get(struct http_exchange *exchange, void *context)
{
    (void)context;
    start_one(exchange, false, APPROVAL_NOT_REQUESTED);
}

void handle_approval_request(struct http_exchange *exchange, void *context)
{
    (void)context;
    start_one(exchange, true, APPROVAL_REQUESTED);
}

void handle_approval_put(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct error_info info = { 0 };
    bool multitenant;
    const struct json *body = require_json_body(exchange);
    if (body == NULL)
        return;
    const struct json *member = json_member(body, TEXT("multitenant"));
    if (member == NULL || json_type(member) == JSON_NULL) {
        respond_error(exchange, ERROR_INVALID_PROPERTY, "multitenant", "multitenant is missing: true or false");
        return;
    }
    if (read_bool_member(body, "multitenant", false, &multitenant, &info) != ERROR_OK) {
        respond_info(exchange, &info);
        return;
    }
    start_one(exchange, true, multitenant ? APPROVAL_APPROVED : APPROVAL_REVOKED);
}
