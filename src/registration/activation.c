/* The activation: one JSON object in the settings. It stays when the activation is deleted, with the trusted signer and
 * the number of changes, so that an etag never means two things. */
#include "registration/activation.h"

#include <stdio.h>
#include <string.h>

#include "base/instant.h"
#include "base/members.h"
#include "registration/stamp.h"
#include "store/write.h"

#define TARGET "properties.activationKey"
#define BY_SIZE_MAX 512

static const struct text activation_setting = { "activation", 10 };

/* What is stored. No activation: key_text is "". */
struct stored {
    uint64_t changes;
    struct text signer, key_text, by;
    int64_t activated_ns;
};

const char *activation_state_name(enum activation_state state)
{
    static const char *const names[] = { "Not registered", "Registered", "Expired", "Untrusted signer" };
    return names[state];
}

enum activation_state activation_state_of(const struct activation *activation, struct text trusted_key_id,
                                          int64_t now_ns)
{
    if (activation == NULL)
        return ACTIVATION_NONE;
    if (trusted_key_id.len > 0 && !text_equal(trusted_key_id, text_of(activation->key.key_id)))
        return ACTIVATION_UNTRUSTED;
    return activation->key.expires_ns <= now_ns ? ACTIVATION_EXPIRED : ACTIVATION_REGISTERED;
}

/* --- the stored object --- */

static err_t decode(struct arena *arena, struct text value, struct stored *out)
{
    const struct json *json;
    err_t error = json_parse_stored(arena, value, &json);
    if (error == ERROR_OK)
        error = read_number_member(json, "changes", 0, &out->changes, NULL);
    if (error == ERROR_OK)
        error = read_text_member(json, "signer", SIGNATURE_KEY_ID_SIZE, &out->signer, NULL);
    if (error == ERROR_OK)
        error = read_text_member(json, "activationKey", ACTIVATION_KEY_SIZE_MAX, &out->key_text, NULL);
    if (error == ERROR_OK)
        error = read_text_member(json, "by", BY_SIZE_MAX, &out->by, NULL);
    if (error == ERROR_OK)
        error = read_time_member(json, "activated", INT64_MIN, &out->activated_ns, NULL);
    return error == ERROR_OK || error == ERROR_NO_MEMORY ? error : ERROR_STORE_CORRUPT;
}

/* Empty when nothing was ever stored. */
static err_t load(struct kv_txn *txn, struct arena *arena, struct stored *out)
{
    struct text value;
    *out = (struct stored){ .signer = TEXT(""), .key_text = TEXT(""), .by = TEXT(""), .activated_ns = INT64_MIN };
    err_t error = kv_get(txn, KV_SETTINGS, activation_setting, &value);
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? ERROR_OK : error;
    return decode(arena, value, out);
}

static err_t save(struct store_write *write, struct stored *stored)
{
    struct buffer text = { 0 };
    struct json_writer json = json_writer(&text);
    stored->changes++;
    json_begin_object(&json);
    put_number_member(&json, "changes", stored->changes);
    put_member(&json, "signer", stored->signer);
    if (stored->key_text.len > 0) {
        put_member(&json, "activationKey", stored->key_text);
        put_member(&json, "by", stored->by);
        put_time_member(&json, "activated", stored->activated_ns);
    }
    json_end_object(&json);
    err_t error =
        text.failed ? ERROR_NO_MEMORY : kv_put(write_txn(write), KV_SETTINGS, activation_setting, buffer_text(&text));
    buffer_free(&text);
    return error;
}

/* --- reading --- */

err_t activation_signer(struct kv_txn *txn, struct arena *arena, struct text *key_id)
{
    struct stored stored;
    err_t error = load(txn, arena, &stored);
    *key_id = stored.signer;
    return error;
}

err_t activation_get(struct kv_txn *txn, struct arena *arena, struct activation *out)
{
    struct stored stored;
    err_t error = load(txn, arena, &stored);
    if (error != ERROR_OK || stored.key_text.len == 0)
        return error != ERROR_OK ? error : ERROR_NOT_FOUND;
    error = activation_key_read(arena, stored.key_text, &out->key, NULL);
    if (error != ERROR_OK)
        return error == ERROR_NO_MEMORY ? error : ERROR_STORE_CORRUPT;
    out->key_text = stored.key_text;
    out->by = stored.by;
    out->activated_ns = stored.activated_ns;
    out->etag = stored.changes;
    return ERROR_OK;
}

static err_t check_precondition(const struct precondition *precondition, const struct stored *stored,
                                struct error_info *info)
{
    char etag[24];
    (void)snprintf(etag, sizeof etag, "%llu", (unsigned long long)stored->changes);
    return precondition_check(precondition, stored->key_text.len > 0 ? text_of(etag) : TEXT_NONE, info);
}

/* --- activating --- */

static err_t check_cloud(struct store_write *write, const struct activation_key *key, struct error_info *info)
{
    struct stamp stamp;
    char theirs[GUID_TEXT_SIZE], ours[GUID_TEXT_SIZE];
    err_t error = stamp_get(write_txn(write), &stamp);
    if (error == ERROR_NOT_FOUND)
        return error_set(
            info, ERROR_INVALID_ACTIVATION_KEY, TARGET,
            "this stamp has no cloud id yet; start its server once, and register it with a token of its own");
    if (error != ERROR_OK || guid_equal(&stamp.cloud_id, &key->cloud_id))
        return error;
    guid_print(&key->cloud_id, theirs);
    guid_print(&stamp.cloud_id, ours);
    return error_set(
        info, ERROR_INVALID_ACTIVATION_KEY, TARGET,
        "the activation key is for the stamp with the cloud id %s, and this one is %s; take the key of this "
        "stamp's registration",
        theirs, ours);
}

static err_t check_signer(const struct activation_put *put, const struct stored *stored,
                          const struct activation_key *key, struct error_info *info)
{
    bool configured = put->trusted_key_id.len > 0;
    struct text trusted = configured ? put->trusted_key_id : stored->signer;
    if (trusted.len == 0 || text_equal(trusted, text_of(key->key_id)))
        return ERROR_OK;
    return error_set(
        info, ERROR_INVALID_ACTIVATION_KEY, TARGET,
        "the activation key is signed by the key %s, and this stamp trusts %.*s alone (%s); get the key from "
        "whom the stamp trusts, or %s",
        key->key_id, TEXT_ARGS(trusted), configured ? "registration.trusted_key_id" : "who signed the first",
        configured ? "change that setting" : "delete the activation with forgetSigner=true");
}

static err_t check_expiry(const struct activation_key *key, int64_t now_ns, struct error_info *info)
{
    char text[INSTANT_TEXT_SIZE];
    if (key->expires_ns > now_ns)
        return ERROR_OK;
    instant_print(key->expires_ns / NS_PER_SECOND * NS_PER_SECOND, text);
    return error_set(info, ERROR_INVALID_ACTIVATION_KEY, TARGET,
                     "the activation key expired at %s; renew the registration and get its new key", text);
}

/* A key that does not tell when it was issued is older than any that does. */
static err_t check_age(struct arena *arena, const struct stored *stored, const struct activation_key *key,
                       struct error_info *info)
{
    struct activation_key present;
    char issued[INSTANT_TEXT_SIZE], newer[INSTANT_TEXT_SIZE];
    if (stored->key_text.len == 0 || text_equal(stored->key_text, key->text))
        return ERROR_OK;
    err_t error = activation_key_read(arena, stored->key_text, &present, NULL);
    if (error != ERROR_OK) /* what cannot be read any more may be replaced by anything */
        return error == ERROR_NO_MEMORY ? error : ERROR_OK;
    if (strcmp(present.key_id, key->key_id) != 0 || key->issued_ns >= present.issued_ns)
        return ERROR_OK;
    instant_print(present.issued_ns, newer);
    (void)snprintf(issued, sizeof issued, "at an unknown time");
    if (key->issued_ns != INT64_MIN)
        instant_print(key->issued_ns, issued);
    return error_set(info, ERROR_INVALID_ACTIVATION_KEY, TARGET,
                     "the activation key was issued %s, before the one that is active (%s); get the registration's "
                     "newest key, or delete the activation first to go back on purpose",
                     issued, newer);
}

static err_t check(struct store_write *write, struct activation_put *put, const struct stored *stored,
                   struct activation_key *key)
{
    err_t error = check_precondition(&put->precondition, stored, &put->info);
    if (error == ERROR_OK)
        error = activation_key_read(put->arena, put->key_text, key, &put->info);
    if (error == ERROR_OK)
        error = check_cloud(write, key, &put->info);
    if (error == ERROR_OK)
        error = check_signer(put, stored, key, &put->info);
    if (error == ERROR_OK)
        error = check_age(put->arena, stored, key, &put->info);
    return error == ERROR_OK ? check_expiry(key, write_reported_ns(write), &put->info) : error;
}

static err_t run_put(struct store_write *write, struct store_job *job)
{
    struct activation_put *put = (struct activation_put *)job;
    struct activation_key *key = &put->result.key;
    struct stored stored;
    put->refusal = ERROR_OK; /* a job may run twice */
    put->created = put->unchanged = false;
    memset(&put->info, 0, sizeof put->info);
    err_t error = load(write_txn(write), put->arena, &stored);
    if (error != ERROR_OK)
        return error;
    error = check(write, put, &stored, key);
    if (error == ERROR_INVALID_ACTIVATION_KEY || error == ERROR_PRECONDITION_FAILED) {
        put->refusal = error;
        return ERROR_OK;
    }
    if (error != ERROR_OK)
        return error;
    put->created = stored.key_text.len == 0;
    put->unchanged = text_equal(stored.key_text, key->text);
    if (!put->unchanged) {
        stored.signer = text_of(key->key_id);
        stored.key_text = key->text;
        stored.by = (struct text){ put->by.ptr, put->by.len < BY_SIZE_MAX ? put->by.len : BY_SIZE_MAX };
        stored.activated_ns = write_reported_ns(write);
        error = save(write, &stored);
    }
    put->result.key_text = key->text;
    put->result.by = stored.by;
    put->result.activated_ns = stored.activated_ns;
    put->result.etag = stored.changes;
    return error;
}

void activation_put_init(struct activation_put *put, struct arena *arena, struct text key_text, struct text by)
{
    *put = (struct activation_put){
        .job = { .run = run_put, .weight = 1 }, .key_text = key_text, .by = by, .arena = arena
    };
}

static void describe(const struct activation *activation, struct buffer *out)
{
    const struct activation_key *key = &activation->key;
    char subscription[GUID_TEXT_SIZE], id[AUDIT_TEXT_SIZE_MAX];
    guid_print(&key->subscription_id, subscription);
    (void)snprintf(id, sizeof id, "%s/%.*s/%.*s", subscription, TEXT_ARGS(key->resource_group),
                   TEXT_ARGS(key->registration_name));
    struct json_writer json = json_writer(out);
    json_begin_object(&json);
    put_member(&json, "registration", text_of(id));
    put_member(&json, "billingModel", text_of(billing_model_name(key->model)));
    put_member(&json, "signerKeyId", text_of(key->key_id));
    put_expiry_member(&json, "expires", key->expires_ns);
    json_end_object(&json);
}

bool activation_was_put(struct audited_job *audited)
{
    const struct activation_put *put = (const struct activation_put *)audited->wanted;
    struct buffer text = { 0 };
    if (put->refusal != ERROR_OK || put->unchanged)
        return false;
    describe(&put->result, &text);
    audited->entry.detail = text.failed ? TEXT_NONE : arena_text(put->arena, buffer_text(&text));
    buffer_free(&text);
    return true;
}

/* --- undoing it --- */

static err_t run_delete(struct store_write *write, struct store_job *job)
{
    struct activation_delete *delete_job = (struct activation_delete *)job;
    struct stored stored;
    struct arena *arena = arena_new(4096, 0);
    err_t error = arena == NULL ? ERROR_NO_MEMORY : load(write_txn(write), arena, &stored);
    delete_job->info = (struct error_info){ 0 };
    delete_job->refusal = ERROR_OK;
    delete_job->missing = error == ERROR_OK && stored.key_text.len == 0;
    if (error == ERROR_OK && !delete_job->missing)
        delete_job->refusal = check_precondition(&delete_job->precondition, &stored, &delete_job->info);
    delete_job->changed = error == ERROR_OK && delete_job->refusal == ERROR_OK &&
                          (!delete_job->missing || (delete_job->forget_signer && stored.signer.len > 0));
    if (delete_job->changed) {
        stored.key_text = stored.by = TEXT("");
        stored.activated_ns = INT64_MIN;
        if (delete_job->forget_signer)
            stored.signer = TEXT("");
        error = save(write, &stored);
    }
    arena_free(arena);
    return error;
}

bool activation_was_deleted(struct audited_job *audited)
{
    return ((const struct activation_delete *)audited->wanted)->changed;
}

void activation_delete_init(struct activation_delete *delete_job, bool forget_signer)
{
    *delete_job =
        (struct activation_delete){ .job = { .run = run_delete, .weight = 1 }, .forget_signer = forget_signer };
}
