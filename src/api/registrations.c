/* Microsoft.AzureStack/registrations: list, get, create, update, delete (wire-contracts 4.1). Read-only members come
 * from the registration token; a body has nothing else but tags that would be kept. */
#include "api/registrations.h"

#include <string.h>

#include "base/members.h"

/* As ARM has it for every resource. */
#define TAGS_MAX 50
#define TAG_NAME_SIZE_MAX 512
#define TAG_VALUE_SIZE_MAX 256

/* --- one resource --- */

void put_resource_id(struct json_writer *json, const char *name, struct arena *arena,
                     const struct registration_path *path)
{
    struct text id = registration_resource_id(arena, path);
    if (id.ptr == NULL)
        json->out->failed = true; /* 503 rather than a resource without id */
    else
        put_member(json, name, id);
}

void put_registration(struct json_writer *json, struct http_exchange *exchange, const struct registration *r)
{
    char etag[REGISTRATION_ETAG_SIZE];
    struct arm_stamp created = { r->created_by, r->created_by_user, r->created_ns },
                     changed = { r->changed_by, r->changed_by_user, r->changed_ns };
    registration_etag(r, etag);
    json_begin_object(json);
    put_resource_id(json, "id", http_arena(exchange), &r->path);
    put_member(json, "name", r->path.name);
    put_member(json, "type", TEXT("Microsoft.AzureStack/registrations"));
    put_member(json, "location", TEXT("global"));
    put_member(json, "etag", text_of(etag));
    if (r->tags.len > 0) {
        json_name(json, "tags");
        json_put_raw(json, r->tags);
    }
    if (arm_version_has_system_data(exchange)) {
        put_member(json, "kind", TEXT("AzureStackHub"));
        put_system_data(json, &created, &changed);
    }
    json_name(json, "properties");
    json_begin_object(json);
    put_guid_member_if(json, "objectId", &r->object_id);
    put_guid_member(json, "cloudId", &r->cloud_id);
    put_member(json, "billingModel", text_of(billing_model_name(r->model)));
    json_end_object(json);
    json_end_object(json);
}

static void respond_registration(struct http_exchange *exchange, int status, const struct registration *r)
{
    char etag[REGISTRATION_ETAG_SIZE];
    struct buffer body = { 0 };
    struct json_writer json = json_writer(&body);
    registration_etag(r, etag);
    set_etag_header(exchange, text_of(etag));
    put_registration(&json, exchange, r);
    respond_json(exchange, status, &body);
}

/* --- lists --- */

struct registration_read {
    struct read_job job; /* first member */
    struct registration_path path, after;
    bool has_after;
    struct registration found;
};

static struct registration_read *new_read(struct http_exchange *exchange)
{
    struct registration_read *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL)
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
    return call;
}

static err_t read_page(struct read_job *job, struct kv_txn *txn)
{
    const struct registration_read *call = (const struct registration_read *)job;
    struct registration *found;
    size_t count;
    bool more;
    err_t error =
        registration_page(txn, http_arena(job->exchange), &call->path.subscription_id, call->path.resource_group,
                          call->has_after ? &call->after : NULL, ARM_PAGE_SIZE, &found, &count, &more);
    if (error != ERROR_OK)
        return error;
    struct json_writer json = json_writer(&job->body);
    begin_value_list(&json);
    for (size_t i = 0; i < count; i++)
        put_registration(&json, job->exchange, &found[i]);
    json_end_array(&json);
    if (more)
        put_registration_next_link(&json, job->exchange, &found[count - 1]);
    json_end_object(&json);
    return ERROR_OK;
}

void handle_registrations_list(struct http_exchange *exchange, void *context)
{
    (void)context;
    const struct http_request *request = http_request(exchange);
    struct registration_read *call = new_read(exchange);
    if (call == NULL || !require_path_subscription(exchange, &call->path.subscription_id) ||
        !require_api_version(exchange, azurestack_versions) ||
        !require_skip_registration(exchange, &call->after, &call->has_after))
        return;
    if (request->parameter_count > 1)
        call->path.resource_group = request->parameters[1];
    call->job.read = read_page;
    read_job_start(&call->job, exchange);
}

/* --- get --- */

static err_t read_one(struct read_job *job, struct kv_txn *txn)
{
    struct registration_read *call = (struct registration_read *)job;
    return registration_find(txn, http_arena(job->exchange), &call->path, &call->found, &job->info);
}

static void answer_one(struct read_job *job)
{
    const struct registration_read *call = (const struct registration_read *)job;
    if (job->error != ERROR_OK)
        read_job_answer(job);
    else
        respond_registration(job->exchange, 200, &call->found);
}

void handle_arm_registration_get(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct registration_read *call = new_read(exchange);
    if (call == NULL || !require_registration_path(exchange, &call->path) ||
        !require_api_version(exchange, azurestack_versions))
        return;
    call->job.read = read_one;
    call->job.answer = answer_one;
    read_job_start(&call->job, exchange);
}

/* --- what a body says --- */

static err_t read_tags(struct arena *arena, const struct json *body, struct text *out, struct error_info *info)
{
    const struct json *tags = json_member(body, TEXT("tags"));
    *out = TEXT_NONE;
    if (tags == NULL || json_type(tags) == JSON_NULL)
        return ERROR_OK;
    if (json_type(tags) != JSON_OBJECT || json_count(tags) > TAGS_MAX)
        return error_set(info, ERROR_INVALID_PROPERTY, "tags", "tags must be an object of at most %d texts", TAGS_MAX);
    for (struct json_iterator i = json_iterate(tags); json_next(&i);) {
        if (json_type(i.value) != JSON_STRING || i.name.len == 0 || i.name.len > TAG_NAME_SIZE_MAX ||
            json_string(i.value).len > TAG_VALUE_SIZE_MAX)
            return error_set(info, ERROR_INVALID_PROPERTY, "tags",
                             "a tag has a name of 1 to %d and a text of at most %d bytes", TAG_NAME_SIZE_MAX,
                             TAG_VALUE_SIZE_MAX);
    }
    /* Without any the registration has none: the same as what is kept when there never were. */
    *out = json_count(tags) == 0 ? TEXT("") : json_minify(arena, tags);
    return out->ptr == NULL ? error_set(info, ERROR_NO_MEMORY, NULL, NULL) : ERROR_OK;
}

/* TEXT_NONE when it is absent. */
static err_t read_token_text(const struct json *body, struct text *out, struct error_info *info)
{
    const struct json *properties = json_member(body, TEXT("properties"));
    *out = TEXT_NONE;
    if (properties != NULL && json_type(properties) != JSON_NULL && json_type(properties) != JSON_OBJECT)
        return error_set(info, ERROR_INVALID_PROPERTY, "properties", "properties must be an object");
    const struct json *token = json_member(properties, TEXT("registrationToken"));
    if (token == NULL || json_type(token) == JSON_NULL)
        return ERROR_OK;
    if (json_type(token) != JSON_STRING)
        return error_set(info, ERROR_INVALID_REGISTRATION_TOKEN, "properties.registrationToken",
                         "registrationToken must be a text, as the stamp made it");
    *out = json_string(token);
    return ERROR_OK;
}

static err_t check_names(const struct registration_path *path, struct error_info *info)
{
    bool group_is_valid = registration_name_is_valid(path->resource_group);
    if (group_is_valid && registration_name_is_valid(path->name))
        return ERROR_OK;
    return error_set(info, ERROR_INVALID_PROPERTY, group_is_valid ? "registrationName" : "resourceGroupName",
                     "a name has 1 to %d letters, digits and the signs . _ - ( ), and no dot at its end",
                     REGISTRATION_NAME_SIZE_MAX);
}

/* --- put and patch --- */

struct registration_write {
    struct write_call write;
    struct registration_put put;
    struct registration_token token;
};

struct text registration_subject(struct http_exchange *exchange, const struct registration_path *path)
{
    char id[GUID_TEXT_SIZE];
    guid_print(&path->subscription_id, id);
    struct text whole = arena_format(http_arena(exchange), "registrations/%s/%.*s/%.*s", id,
                                     TEXT_ARGS(path->resource_group), TEXT_ARGS(path->name));
    return whole.ptr != NULL ? whole : TEXT("registrations");
}

/* On the writer thread; the arena is its own until the job is done. */
static struct text describe(struct arena *arena, const struct registration *r, const struct registration_put *put)
{
    struct buffer text = { 0 };
    struct json_writer json = json_writer(&text);
    json_begin_object(&json);
    if (put != NULL)
        put_bool_member(&json, "created", put->created);
    put_guid_member(&json, "cloudId", &r->cloud_id);
    put_member(&json, "billingModel", text_of(billing_model_name(r->model)));
    put_bool_member(&json, "usageReporting", r->usage_reporting);
    put_number_member(&json, "cores", r->cores);
    if (r->public_key_id[0] != '\0')
        put_member(&json, "publicKeyId", text_of(r->public_key_id));
    if (put != NULL && put->previous_key_id[0] != '\0' && strcmp(put->previous_key_id, r->public_key_id) != 0)
        put_member(&json, "previousPublicKeyId", text_of(put->previous_key_id));
    if (r->agreement_number.len > 0)
        put_member(&json, "agreementNumber", r->agreement_number);
    if (r->ms_asset_tag.len > 0)
        put_member(&json, "msAssetTag", r->ms_asset_tag);
    if (r->expires_ns != INT64_MAX)
        put_time_member(&json, "expires", r->expires_ns);
    json_end_object(&json);
    struct text copy = text.failed ? TEXT_NONE : arena_text(arena, buffer_text(&text));
    buffer_free(&text);
    return copy;
}

static bool was_put(struct audited_job *audited)
{
    const struct registration_put *put = (const struct registration_put *)audited->wanted;
    if (put->refusal != ERROR_OK || put->unchanged)
        return false;
    audited->entry.detail = describe(put->arena, &put->result, put);
    return true;
}

static void put_done(struct write_call *write)
{
    const struct registration_write *call = CONTAINER_OF(write, struct registration_write, write);
    if (call->put.refusal != ERROR_OK)
        respond_info(write->exchange, &call->put.info);
    else
        respond_registration(write->exchange, call->put.created ? 201 : 200, &call->put.result);
}

/* Everything that the body decides; answers with what is wrong. */
static bool read_body(struct http_exchange *exchange, struct registration_write *call)
{
    struct error_info info = { 0 };
    struct text token;
    const struct json *body = require_json_body(exchange);
    if (body == NULL)
        return false;
    err_t error = check_names(&call->put.path, &info);
    if (error == ERROR_OK)
        error = read_tags(http_arena(exchange), body, &call->put.tags, &info);
    if (error == ERROR_OK)
        error = read_token_text(body, &token, &info);
    if (error == ERROR_OK && token.ptr == NULL && !call->put.must_exist)
        error = error_set(&info, ERROR_INVALID_REGISTRATION_TOKEN, "properties.registrationToken",
                          "registrationToken is missing; make one on the stamp with 'stampmeter registration token'");
    if (error == ERROR_OK && token.ptr != NULL) {
        error = registration_token_read(http_arena(exchange), token, &call->token, &info);
        call->put.token = &call->token;
    }
    if (error != ERROR_OK)
        respond_info(exchange, &info);
    return error == ERROR_OK;
}

static void change_registration(struct http_exchange *exchange, bool must_exist)
{
    struct registration_write *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL) {
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return;
    }
    call->put.must_exist = must_exist;
    if (!require_registration_path(exchange, &call->put.path) || !require_api_version(exchange, azurestack_versions) ||
        !read_body(exchange, call))
        return;
    call->put.precondition = request_precondition(exchange);
    call->put.by = call_of(exchange)->identity.name;
    call->put.by_user = call_of(exchange)->by_cookie;
    call->put.capacity_ns = api_of(exchange)->options.commerce_capacity_ns;
    call->put.arena = http_arena(exchange);
    registration_put_init(&call->put);
    struct audit_entry entry = { .action = TEXT("registration.put"),
                                 .subject = registration_subject(exchange, &call->put.path) };
    write_call_start_audited(&call->write, &call->put.job, exchange, &entry, was_put, put_done);
}

void handle_arm_registration_put(struct http_exchange *exchange, void *context)
{
    (void)context;
    change_registration(exchange, false);
}

void handle_arm_registration_patch(struct http_exchange *exchange, void *context)
{
    (void)context;
    change_registration(exchange, true);
}

/* --- delete --- */

struct registration_removal {
    struct write_call write;
    struct registration_delete delete_job;
};

static bool was_deleted(struct audited_job *audited)
{
    const struct registration_delete *removal = (const struct registration_delete *)audited->wanted;
    if (removal->refusal != ERROR_OK || removal->missing)
        return false;
    audited->entry.detail = describe(removal->arena, &removal->removed, NULL);
    return true;
}

static void delete_done(struct write_call *write)
{
    const struct registration_removal *call = CONTAINER_OF(write, struct registration_removal, write);
    if (call->delete_job.refusal != ERROR_OK)
        respond_info(write->exchange, &call->delete_job.info);
    else
        http_respond_empty(write->exchange, call->delete_job.missing ? 204 : 200);
}

void handle_arm_registration_delete(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct registration_removal *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL) {
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return;
    }
    if (!require_registration_path(exchange, &call->delete_job.path) ||
        !require_api_version(exchange, azurestack_versions))
        return;
    call->delete_job.precondition = request_precondition(exchange);
    call->delete_job.by = call_of(exchange)->identity.name;
    call->delete_job.arena = http_arena(exchange);
    registration_delete_init(&call->delete_job);
    struct audit_entry entry = { .action = TEXT("registration.delete"),
                                 .subject = registration_subject(exchange, &call->delete_job.path) };
    write_call_start_audited(&call->write, &call->delete_job.job, exchange, &entry, was_deleted, delete_done);
}
