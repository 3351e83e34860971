/* See customer_calls.h. */
#include "api/customer_calls.h"

#include "base/check.h"
#include "base/instant.h"
#include "base/members.h"
#include "commerce/catalogue.h"

/* An entry of the audit log has room for that many tenants; the history has them all, with the request's id. */
#define AUDITED_CHANGES_MAX 16

/* --- values --- */

bool read_query_time(struct http_exchange *exchange, const char *name, int64_t absent_ns, int64_t *out_ns)
{
    bool found;
    struct text text = http_query(http_request(exchange), text_of(name), &found);
    *out_ns = absent_ns;
    if (text.len == 0 || instant_parse_lenient(text, out_ns) == ERROR_OK)
        return true;
    respond_error(exchange, ERROR_INVALID_PROPERTY, name, "%s must be a time such as 2026-01-31T13:00:00Z", name);
    return false;
}

/* --- registrations by name --- */

bool require_registration_query(struct http_exchange *exchange, struct registration_query *out)
{
    const struct http_request *request = http_request(exchange);
    bool found;
    unsigned long long number = 0;
    struct text id = http_query(request, TEXT("registrationId"), &found);
    struct text subscription = http_query(request, TEXT("subscriptionId"), &found);
    *out = (struct registration_query){ .name = http_query(request, TEXT("registration"), &found),
                                        .resource_group = http_query(request, TEXT("resourceGroup"), &found) };
    out->has_subscription = subscription.len > 0;
    if (id.len > 0 && (!text_to_u64(id, &number) || number == 0)) {
        respond_error(exchange, ERROR_INVALID_PROPERTY, "registrationId", "registrationId must be a number");
        return false;
    }
    out->number = number;
    if (number == 0 && out->name.len == 0) {
        respond_error(exchange, ERROR_INVALID_PROPERTY, "registration",
                      "the query parameter registration must name a registration");
        return false;
    }
    if (out->has_subscription && !guid_parse(subscription, &out->subscription_id)) {
        respond_error(exchange, ERROR_INVALID_PROPERTY, "subscriptionId", "subscriptionId must be a GUID");
        return false;
    }
    return true;
}

static err_t find_by_name(struct kv_txn *txn, struct arena *arena, const struct registration_query *query,
                          struct registration *out, struct error_info *info)
{
    return registration_find_by_name(txn, arena, query->has_subscription ? &query->subscription_id : NULL,
                                     query->resource_group, query->name, out, info);
}

err_t find_registration(struct kv_txn *txn, struct arena *arena, const struct registration_query *query,
                        struct registration *out, struct error_info *info)
{
    if (query->number == 0)
        return find_by_name(txn, arena, query, out, info);
    err_t error = registration_get(txn, arena, query->number, out);
    if (error != ERROR_NOT_FOUND)
        return error;
    return error_set(info, ERROR_REGISTRATION_NOT_FOUND, NULL,
                     "there is no registration %llu (now); GET /v1/commerce/registrations lists them",
                     (unsigned long long)query->number);
}

err_t find_registration_number(struct kv_txn *txn, struct arena *arena, const struct registration_query *query,
                               uint64_t *out, struct error_info *info)
{
    struct registration registration;
    *out = query->number;
    if (query->number != 0)
        return ERROR_OK;
    err_t error = find_by_name(txn, arena, query, &registration, info);
    if (error == ERROR_OK)
        *out = registration.number;
    return error;
}

/* --- looking up --- */

err_t read_approved(struct kv_txn *txn, struct arena *arena, uint64_t registration, bool *approved)
{
    struct approval approval;
    err_t error = approval_get(txn, arena, registration, &approval);
    *approved = error == ERROR_OK && approval.state == APPROVAL_APPROVED;
    return error;
}

static void looked_up(struct subscription_lookup *subscriptions)
{
    struct customer_lookup *lookup = CONTAINER_OF(subscriptions, struct customer_lookup, lookup);
    if (subscriptions->error != ERROR_OK)
        respond_info(subscriptions->exchange, &subscriptions->info);
    else
        lookup->done(lookup);
}

void customer_lookup_start(struct customer_lookup *lookup, struct http_exchange *exchange, struct guid *ids,
                           size_t count)
{
    ids[0] = lookup->registration->path.subscription_id;
    lookup->lookup =
        (struct subscription_lookup){ .exchange = exchange, .ids = ids, .count = count + 1, .done = looked_up };
    subscription_lookup_start(&lookup->lookup);
}

err_t customer_lookup_check(const struct customer_lookup *lookup, size_t index, struct error_info *info)
{
    const struct subscription_lookup *found = &lookup->lookup;
    const struct customer_facts facts = { .approved = lookup->approved,
                                          .base_known = found->known[0],
                                          .base = found->found[0],
                                          .customer_known = found->known[index + 1],
                                          .customer = found->found[index + 1] };
    return customer_check(lookup->registration, &found->ids[index + 1], &facts, info);
}

/* --- the audit log --- */

static void put_customer_or_null(struct json_writer *json, const char *name, bool mapped, const struct guid *id)
{
    json_name(json, name);
    if (mapped)
        json_put_guid(json, id);
    else
        json_put_null(json);
}

static void put_effects(struct json_writer *json, const struct customer_job *job)
{
    json_begin_object(json);
    put_number_member(json, "registrationId", job->registration);
    put_number_member(json, "tenants", job->effect_count);
    json_name(json, "changes");
    json_begin_array(json);
    for (size_t i = 0; i < job->effect_count && i < AUDITED_CHANGES_MAX; i++) {
        const struct customer_effect *effect = &job->effects[i];
        json_begin_object(json);
        put_guid_member(json, "tenantId", &effect->tenant_id);
        put_time_member(json, "effectiveFrom", effect->effective_ns);
        put_customer_or_null(json, "before", effect->was_mapped, &effect->before);
        put_customer_or_null(json, "after", effect->is_mapped, &effect->after);
        json_end_object(json);
    }
    json_end_array(json);
    json_end_object(json);
}

bool customers_changed(struct audited_job *audited)
{
    const struct customer_job *job = (const struct customer_job *)audited->wanted;
    if (job->refusal != ERROR_OK || job->effect_count == 0)
        return false;
    struct buffer text = { 0 };
    struct json_writer json = json_writer(&text);
    put_effects(&json, job);
    audited->entry.detail = text.failed ? TEXT_NONE : arena_text(job->arena, buffer_text(&text));
    buffer_free(&text);
    return true;
}

bool fill_customer_job(struct customer_job *job, struct http_exchange *exchange, uint64_t registration)
{
    job->registration = registration;
    job->by = call_of(exchange)->identity.name;
    job->request = request_id_text(exchange);
    job->arena = http_arena(exchange);
    job->read_approved = read_approved;
    if (job->request.ptr == NULL)
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
    return job->request.ptr != NULL;
}
