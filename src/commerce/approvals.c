/* Approvals: JSON under the number of the registration. What happened before the last change is in the audit log. */
#include "base/buffer.h"
#include "base/encode.h"
#include "base/members.h"
#include "commerce/catalogue_internal.h"
#include "store/keys.h"
#include "store/write.h"

static const char *const state_names[] = { "NotRequested", "Requested", "Approved", "Revoked" };

const char *approval_state_name(enum approval_state state)
{
    return state_names[state];
}

static err_t decode(const struct json *json, struct approval *out)
{
    struct text state;
    if (!json_member_string(json, TEXT("state"), &state) ||
        read_time_member(json, "changedTime", INT64_MIN, &out->changed_ns, NULL) != ERROR_OK ||
        read_text_member(json, "by", SIZE_MAX, &out->by, NULL) != ERROR_OK)
        return ERROR_STORE_CORRUPT;
    for (size_t i = 0; i < COUNT_OF(state_names); i++) {
        if (text_equal(state, text_of(state_names[i]))) {
            out->state = (enum approval_state)i;
            return ERROR_OK;
        }
    }
    return ERROR_STORE_CORRUPT;
}

err_t approval_get(struct kv_txn *txn, struct arena *arena, uint64_t registration, struct approval *out)
{
    uint8_t key[8];
    struct text value;
    const struct json *json;
    *out = (struct approval){ .registration = registration, .changed_ns = INT64_MIN, .by = TEXT("") };
    put_u64be(key, registration);
    err_t error = kv_get(txn, KV_APPROVALS, BYTES(key), &value);
    if (error == ERROR_NOT_FOUND)
        return ERROR_OK;
    if (error == ERROR_OK)
        error = json_parse_stored(arena, value, &json);
    return error == ERROR_OK ? decode(json, out) : error;
}

static err_t store_approval(struct kv_txn *txn, const struct approval *approval)
{
    uint8_t key[8];
    struct buffer value = { 0 };
    struct json_writer json = json_writer(&value);
    json_begin_object(&json);
    put_member(&json, "state", text_of(approval_state_name(approval->state)));
    put_time_member(&json, "changedTime", approval->changed_ns);
    put_member(&json, "by", approval->by);
    json_end_object(&json);
    put_u64be(key, approval->registration);
    return catalogue_store(txn, KV_APPROVALS, BYTES(key), &value);
}

err_t approval_check(enum billing_model model, const struct commercial_subscription *base, struct error_info *info)
{
    if (!billing_model_allows_customers(model))
        return error_set(info, ERROR_CONFLICT, NULL,
                         "a registration of the billing model %s has no customers; register again as %s first",
                         billing_model_name(model), billing_model_name(BILLING_PAY_AS_YOU_USE));
    if (base != NULL && !offer_has_partner(base->offer))
        return error_set(info, ERROR_CONFLICT, NULL,
                         "the registration's subscription is of the offer %s; only CSP and APSS can have customers",
                         offer_name(base->offer));
    return ERROR_OK;
}

static err_t run_put(struct store_write *write, struct store_job *job)
{
    struct approval_put *put = (struct approval_put *)job;
    put->changed = false;
    put->refusal = ERROR_OK;
    put->info = (struct error_info){ 0 };
    err_t error = registration_get(write_txn(write), put->arena, put->number, &put->registration);
    put->missing = error == ERROR_NOT_FOUND;
    if (error != ERROR_OK)
        return put->missing ? ERROR_OK : error;
    /* The model may have changed since the caller looked: an external resolver can take long. */
    if (put->state != APPROVAL_REVOKED)
        put->refusal = approval_check(put->registration.model, NULL, &put->info);
    if (put->refusal != ERROR_OK)
        return ERROR_OK;
    error = approval_get(write_txn(write), put->arena, put->number, &put->result);
    if (error != ERROR_OK)
        return error;
    bool step_back = put->state == APPROVAL_REQUESTED && put->result.state == APPROVAL_APPROVED;
    put->changed = put->result.state != put->state && !step_back;
    if (!put->changed)
        return ERROR_OK;
    put->result.state = put->state;
    put->result.changed_ns = write_reported_ns(write);
    put->result.by = put->by;
    return store_approval(write_txn(write), &put->result);
}

void approval_put_init(struct approval_put *put, uint64_t number, enum approval_state state, struct text by,
                       struct arena *arena)
{
    *put = (struct approval_put){
        .job = { .run = run_put, .weight = 1 }, .number = number, .state = state, .by = by, .arena = arena
    };
}
