/* Changes of registrations, as jobs of the writer: each either happens as a whole or says why not. */
#include <string.h>

#include "base/check.h"
#include "base/instant.h"
#include "registration/registration_internal.h"

/* --- preconditions --- */

/* "3-17", quoted or bare. */
static struct text bare_etag(struct text etag, bool also_weak)
{
    etag = text_trim(etag);
    if (also_weak && text_starts_with(etag, TEXT("W/")))
        etag = (struct text){ etag.ptr + 2, etag.len - 2 };
    if (etag.len >= 2 && etag.ptr[0] == '"' && etag.ptr[etag.len - 1] == '"')
        etag = (struct text){ etag.ptr + 1, etag.len - 2 };
    return etag;
}

/* Whether what is there is one of the list. A weak etag names something that is like it, not the same: enough for
 * If-None-Match, never for If-Match (RFC 9110 section 13.1.1). */
static bool is_listed(struct text list, struct text etag, bool also_weak)
{
    struct text one;
    if (etag.ptr == NULL)
        return false;
    while (text_cut(&list, ',', &one)) {
        struct text bare = bare_etag(one, also_weak);
        if (text_equal(bare, TEXT("*")) || text_equal(bare, etag))
            return true;
    }
    return false;
}

err_t precondition_check(const struct precondition *precondition, struct text etag, struct error_info *info)
{
    struct text there = etag.ptr != NULL ? etag : TEXT("not there");
    if (precondition->if_match.ptr != NULL && !is_listed(precondition->if_match, etag, false))
        return error_set(info, ERROR_PRECONDITION_FAILED, "If-Match",
                         "If-Match asks for %.*s, but what is kept is %.*s; get it again and decide anew",
                         (int)(precondition->if_match.len < 64 ? precondition->if_match.len : 64),
                         precondition->if_match.ptr, TEXT_ARGS(there));
    if (precondition->if_none_match.ptr != NULL && is_listed(precondition->if_none_match, etag, true))
        return error_set(info, ERROR_PRECONDITION_FAILED, "If-None-Match",
                         "If-None-Match wants none of it, but it is there: %.*s", TEXT_ARGS(there));
    return ERROR_OK;
}

/* --- what changes share --- */

/* An err_t that is the caller's to answer, not the store's: the job ends well with it as its result. */
static bool is_refusal(err_t error, const struct error_info *info)
{
    return error != ERROR_OK && info->code == error;
}

/* ERROR_OK with *there false when there is none. */
static err_t find(struct kv_txn *txn, struct arena *arena, const struct registration_path *path,
                  struct registration *out, bool *there, struct error_info *info)
{
    err_t error = registration_find(txn, arena, path, out, info);
    *there = error == ERROR_OK;
    return error == ERROR_REGISTRATION_NOT_FOUND ? ERROR_OK : error;
}

static err_t check_precondition(const struct precondition *precondition, const struct registration *there,
                                struct error_info *info)
{
    char etag[REGISTRATION_ETAG_SIZE];
    if (there == NULL)
        return precondition_check(precondition, TEXT_NONE, info);
    registration_etag(there, etag);
    return precondition_check(precondition, text_of(etag), info);
}

/* --- put --- */

static err_t check_stamp(struct kv_txn *txn, const struct registration_put *put, const struct registration *there,
                         struct error_info *info)
{
    char here[GUID_TEXT_SIZE], theirs[GUID_TEXT_SIZE];
    struct registration other;
    guid_print(&put->token->cloud_id, theirs);
    if (there != NULL && !guid_equal(&there->cloud_id, &put->token->cloud_id)) {
        guid_print(&there->cloud_id, here);
        return error_set(info, ERROR_CONFLICT, "properties.registrationToken",
                         "the registration of that name is of the stamp with cloud id %s, the token of the one with "
                         "%s; register the second stamp under another name, or delete this registration first",
                         here, theirs);
    }
    err_t error = registration_of_cloud(txn, put->arena, &put->token->cloud_id, &other);
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? ERROR_OK : error;
    if (there != NULL && other.number == there->number)
        return ERROR_OK;
    struct text id = registration_resource_id(put->arena, &other.path);
    if (id.ptr == NULL)
        return ERROR_NO_MEMORY;
    return error_set(info, ERROR_CLOUD_ID_REGISTERED, "properties.registrationToken",
                     "the stamp with cloud id %s is registered already; renew that registration with PUT under its "
                     "own name, or delete it first: %.*s",
                     theirs, TEXT_ARGS(id));
}

/* "" where the token has none, as those of other stamps than ours. */
static void take_public_key(struct registration *r, struct registration_put *put)
{
    memcpy(put->previous_key_id, r->public_key_id, sizeof put->previous_key_id);
    memset(r->public_key_id, 0, sizeof r->public_key_id);
    if (put->token->has_public_key)
        signature_key_id(put->token->public_key, r->public_key_id);
}

static void take_token(struct registration *r, const struct registration_put *put, int64_t now_ns)
{
    const struct registration_token *token = put->token;
    r->cloud_id = token->cloud_id;
    r->object_id = token->object_id;
    r->model = token->model;
    r->usage_reporting = billing_model_reports(token->model, token->usage_reporting);
    r->marketplace_syndication = token->marketplace_syndication;
    r->agreement_number = token->agreement_number;
    r->ms_asset_tag = token->ms_asset_tag;
    r->stamp_version = token->stamp_version;
    r->cores = 0;
    for (size_t i = 0; i < token->node_count; i++)
        r->cores += token->nodes[i].cores;
    r->registered_ns = now_ns;
    r->expires_ns = token->model == BILLING_CAPACITY ? now_ns + put->capacity_ns : INT64_MAX;
}

static void touch(struct registration *r, struct text by, bool by_user, int64_t now_ns)
{
    r->changed_ns = now_ns;
    r->changed_by = by;
    r->changed_by_user = by_user;
    r->etag++;
}

static err_t save_put(struct kv_txn *txn, struct registration_put *put, int64_t now_ns, struct error_info *info)
{
    struct registration *r = &put->result;
    struct buffer facts = { 0 };
    err_t error = ERROR_OK;
    if (put->created) {
        *r = (struct registration){ .path = put->path, .tags = TEXT(""), .created_ns = now_ns };
        r->created_by = put->by;
        r->created_by_user = put->by_user;
        error = registration_next_number(txn, &r->number, info);
    }
    if (put->token != NULL) {
        take_token(r, put, now_ns);
        take_public_key(r, put);
        registration_token_to_json(put->token, &facts);
    }
    if (put->tags.ptr != NULL)
        r->tags = put->tags;
    touch(r, put->by, put->by_user, now_ns);
    if (error == ERROR_OK)
        error = facts.failed ? ERROR_NO_MEMORY
                             : registration_note_change(txn, put->arena, r, true, put->by, now_ns - put->backdate_ns,
                                                        now_ns, info);
    if (error == ERROR_OK)
        error = registration_save(txn, r, put->token != NULL ? buffer_text(&facts) : TEXT_NONE);
    buffer_free(&facts);
    return error;
}

static err_t put_one(struct kv_txn *txn, struct registration_put *put, int64_t now_ns, struct error_info *info)
{
    bool there;
    err_t error = find(txn, put->arena, &put->path, &put->result, &there, info);
    if (error != ERROR_OK)
        return error;
    if (!there && put->must_exist)
        return ERROR_REGISTRATION_NOT_FOUND; /* as info says */
    *info = (struct error_info){ 0 };
    const struct registration *before = there ? &put->result : NULL;
    error = check_precondition(&put->precondition, before, info);
    if (error == ERROR_OK && put->token != NULL)
        error = check_stamp(txn, put, before, info);
    if (error != ERROR_OK)
        return error;
    put->created = !there;
    put->unchanged = there && put->token == NULL && (put->tags.ptr == NULL || text_equal(put->tags, put->result.tags));
    return put->unchanged ? ERROR_OK : save_put(txn, put, now_ns, info);
}

static err_t run_put(struct store_write *write, struct store_job *job)
{
    struct registration_put *put = (struct registration_put *)job;
    REQUIRE(put->token != NULL || put->must_exist);
    put->created = put->unchanged = false;
    put->refusal = ERROR_OK;
    put->info = (struct error_info){ 0 };
    err_t error = put_one(write_txn(write), put, write_reported_ns(write), &put->info);
    if (!is_refusal(error, &put->info))
        return error;
    put->refusal = error;
    return ERROR_OK;
}

void registration_put_init(struct registration_put *put)
{
    put->job = (struct store_job){ .run = run_put, .weight = 1 };
}

/* --- delete --- */

static err_t delete_one(struct kv_txn *txn, struct registration_delete *delete_job, int64_t now_ns,
                        struct error_info *info)
{
    bool there;
    struct registration *r = &delete_job->removed;
    err_t error = find(txn, delete_job->arena, &delete_job->path, r, &there, info);
    *info = (struct error_info){ 0 };
    delete_job->missing = error == ERROR_OK && !there;
    if (error != ERROR_OK || !there)
        return error;
    error = check_precondition(&delete_job->precondition, r, info);
    if (error == ERROR_OK)
        error = registration_remove(txn, r);
    return error == ERROR_OK
               ? registration_note_change(txn, delete_job->arena, r, false, delete_job->by, now_ns, now_ns, info)
               : error;
}

static err_t run_delete(struct store_write *write, struct store_job *job)
{
    struct registration_delete *delete_job = (struct registration_delete *)job;
    delete_job->refusal = ERROR_OK;
    err_t error = delete_one(write_txn(write), delete_job, write_reported_ns(write), &delete_job->info);
    if (!is_refusal(error, &delete_job->info))
        return error;
    delete_job->refusal = error;
    return ERROR_OK;
}

void registration_delete_init(struct registration_delete *delete_job)
{
    delete_job->job = (struct store_job){ .run = run_delete, .weight = 1 };
}

/* --- remote management --- */

static err_t run_remote_management(struct store_write *write, struct store_job *job)
{
    struct registration_remote_management *enable = (struct registration_remote_management *)job;
    struct registration r;
    enable->refusal = ERROR_OK;
    enable->info = (struct error_info){ 0 };
    err_t error = registration_find(write_txn(write), enable->arena, &enable->path, &r, &enable->info);
    if (is_refusal(error, &enable->info)) {
        enable->refusal = error;
        return ERROR_OK;
    }
    enable->unchanged = error == ERROR_OK && r.remote_management;
    if (error != ERROR_OK || enable->unchanged)
        return error;
    r.remote_management = true;
    touch(&r, enable->by, enable->by_user, write_reported_ns(write));
    return registration_save(write_txn(write), &r, TEXT_NONE);
}

void registration_remote_management_init(struct registration_remote_management *enable)
{
    enable->job = (struct store_job){ .run = run_remote_management, .weight = 1 };
}

/* --- what an activation key is made of --- */

static err_t read_key_facts(struct kv_txn *txn, struct registration_key_facts *key_facts, struct error_info *info)
{
    char expired[INSTANT_TEXT_SIZE];
    struct registration *r = &key_facts->registration;
    err_t error = registration_find(txn, key_facts->arena, &key_facts->path, r, info);
    if (error != ERROR_OK || !registration_is_expired(r, key_facts->issued_ns))
        return error;
    instant_print(r->expires_ns, expired);
    return error_set(info, ERROR_CONFLICT, NULL,
                     "the registration expired at %s; renew it with PUT and a new registration token of the stamp",
                     expired);
}

static err_t run_key_facts(struct store_write *write, struct store_job *job)
{
    struct registration_key_facts *key_facts = (struct registration_key_facts *)job;
    key_facts->refusal = ERROR_OK;
    key_facts->info = (struct error_info){ 0 };
    key_facts->issued_ns = write_reported_ns(write);
    err_t error = read_key_facts(write_txn(write), key_facts, &key_facts->info);
    if (!is_refusal(error, &key_facts->info))
        return error;
    key_facts->refusal = error;
    return ERROR_OK;
}

void registration_key_facts_init(struct registration_key_facts *key_facts)
{
    key_facts->job = (struct store_job){ .run = run_key_facts, .weight = 1 };
}
