/* Commercial subscriptions: JSON under the 16 bytes of their id. And what the tables of commerce/ have in common. */
#include "commerce/catalogue.h"

#include <string.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/members.h"
#include "commerce/catalogue_internal.h"
#include "store/write.h"

static const char *const offer_names[OFFER_COUNT] = { "CSP", "APSS", "EA", "PayAsYouGo" };

const char *offer_name(enum offer offer)
{
    return offer_names[offer];
}

bool offer_parse(struct text text, enum offer *offer)
{
    for (size_t i = 0; i < OFFER_COUNT; i++) {
        if (text_equal_nocase(text, text_of(offer_names[i]))) {
            *offer = (enum offer)i;
            return true;
        }
    }
    *offer = OFFER_APSS;
    return text_equal_nocase(text, TEXT("CSPSS"));
}

bool offer_has_partner(enum offer offer)
{
    return offer == OFFER_CSP || offer == OFFER_APSS;
}

/* --- values of the tables --- */

err_t catalogue_store(struct kv_txn *txn, enum kv_table table, struct text key, struct buffer *value)
{
    err_t error = value->failed ? ERROR_NO_MEMORY : kv_put(txn, table, key, buffer_text(value));
    buffer_free(value);
    return error;
}

/* --- JSON --- */

static err_t read_state(const struct json *body, bool *active, struct error_info *info)
{
    struct text state;
    err_t error = read_text_member(body, "state", SIZE_MAX, &state, info);
    if (error != ERROR_OK)
        return error;
    *active = text_equal_nocase(state, TEXT("Active"));
    if (*active || text_equal_nocase(state, TEXT("Disabled")))
        return ERROR_OK;
    return error_set(info, ERROR_INVALID_PROPERTY, "state", "state is Active or Disabled");
}

static err_t check_partner_id(const struct commercial_subscription *subscription, struct error_info *info)
{
    const char *offer = offer_name(subscription->offer);
    if (offer_has_partner(subscription->offer) && subscription->partner_id.len == 0)
        return error_set(info, ERROR_INVALID_PROPERTY, "partnerId",
                         "a subscription of the offer %s needs partnerId, the partner that bills for it", offer);
    if (!offer_has_partner(subscription->offer) && subscription->partner_id.len > 0)
        return error_set(info, ERROR_INVALID_PROPERTY, "partnerId",
                         "no partner bills for a subscription of the offer %s; leave partnerId out", offer);
    if (subscription->partner_id.len > 0 && !partner_id_is_valid(subscription->partner_id))
        return error_set(info, ERROR_INVALID_PROPERTY, "partnerId", "partnerId must be the id of a partner");
    if (subscription->reseller_id.len == 0)
        return ERROR_OK;
    if (subscription->partner_id.len == 0)
        return error_set(info, ERROR_INVALID_PROPERTY, "resellerId",
                         "a subscription of the offer %s has no reseller; leave resellerId out", offer);
    if (!partner_id_is_valid(subscription->reseller_id))
        return error_set(info, ERROR_INVALID_PROPERTY, "resellerId", "resellerId must be the id of a partner");
    return ERROR_OK;
}

err_t catalogue_from_json(const struct json *body, const struct guid *id, struct commercial_subscription *out,
                          struct error_info *info)
{
    struct text offer;
    *out = (struct commercial_subscription){ .id = *id };
    if (json_type(body) != JSON_OBJECT)
        return error_set(info, ERROR_INVALID_REQUEST_CONTENT, NULL, "the body must be a JSON object");
    err_t error = read_guid_member(body, "tenantId", &out->tenant_id, info);
    if (error == ERROR_OK)
        error = read_text_member(body, "partnerId", SIZE_MAX, &out->partner_id, info);
    if (error == ERROR_OK)
        error = read_text_member(body, "resellerId", SIZE_MAX, &out->reseller_id, info);
    if (error == ERROR_OK)
        error = read_text_member(body, "offer", SIZE_MAX, &offer, info);
    if (error != ERROR_OK)
        return error;
    if (guid_is_zero(&out->tenant_id))
        return error_set(info, ERROR_INVALID_PROPERTY, "tenantId",
                         "tenantId is missing: the directory that the subscription is in");
    if (!offer_parse(offer, &out->offer))
        return error_set(info, ERROR_INVALID_PROPERTY, "offer", "offer is CSP, APSS, EA or PayAsYouGo");
    error = read_state(body, &out->active, info);
    return error == ERROR_OK ? check_partner_id(out, info) : error;
}

static void put_id_or_null(struct json_writer *json, const char *name, struct text id)
{
    json_name(json, name);
    if (id.len > 0)
        json_put_text(json, id);
    else
        json_put_null(json);
}

void catalogue_to_json(const struct commercial_subscription *subscription, struct json_writer *json)
{
    json_begin_object(json);
    put_guid_member(json, "subscriptionId", &subscription->id);
    put_guid_member(json, "tenantId", &subscription->tenant_id);
    put_id_or_null(json, "partnerId", subscription->partner_id);
    put_id_or_null(json, "resellerId", subscription->reseller_id);
    put_member(json, "offer", text_of(offer_name(subscription->offer)));
    put_member(json, "state", subscription->active ? TEXT("Active") : TEXT("Disabled"));
    json_end_object(json);
}

/* --- reading --- */

static struct text key_of(const struct guid *id)
{
    return (struct text){ (const char *)id->bytes, sizeof id->bytes };
}

static err_t decode(struct arena *arena, struct text key, struct text value, struct commercial_subscription *out)
{
    const struct json *json;
    struct guid id;
    if (key.len != sizeof id.bytes)
        return ERROR_STORE_CORRUPT;
    memcpy(id.bytes, key.ptr, key.len);
    err_t error = json_parse_stored(arena, value, &json);
    if (error != ERROR_OK)
        return error;
    return catalogue_from_json(json, &id, out, NULL) == ERROR_OK ? ERROR_OK : ERROR_STORE_CORRUPT;
}

err_t catalogue_get(struct kv_txn *txn, struct arena *arena, const struct guid *id, struct commercial_subscription *out)
{
    struct text value;
    err_t error = kv_get(txn, KV_CATALOGUE, key_of(id), &value);
    return error == ERROR_OK ? decode(arena, key_of(id), value, out) : error;
}

static bool names_partner(const struct commercial_subscription *subscription, struct text id)
{
    return text_equal_nocase(subscription->partner_id, id) || text_equal_nocase(subscription->reseller_id, id);
}

static bool matches(const struct catalogue_filter *filter, const struct commercial_subscription *subscription)
{
    return (filter->partner_id.ptr == NULL || names_partner(subscription, filter->partner_id)) &&
           (guid_is_zero(&filter->tenant_id) || guid_equal(&filter->tenant_id, &subscription->tenant_id));
}

/* What is after 'after': a cursor seeks what is at or after a key, and a NUL makes the next one. */
static err_t seek_after(struct kv_cursor *cursor, const struct guid *after, struct text *key, struct text *value)
{
    char from[sizeof after->bytes + 1] = { 0 };
    if (after == NULL)
        return kv_cursor_next(cursor, key, value);
    memcpy(from, after->bytes, sizeof after->bytes);
    return kv_cursor_seek(cursor, (struct text){ from, sizeof from }, key, value);
}

/* The next that matches, from the entry at hand on; what does not match leaves nothing in the arena. */
static err_t next_match(struct kv_cursor *cursor, struct arena *arena, const struct catalogue_filter *filter,
                        struct text *key, struct text *value, struct commercial_subscription *out)
{
    err_t error = ERROR_OK;
    while (error == ERROR_OK) {
        struct arena_mark mark = arena_mark(arena);
        error = decode(arena, *key, *value, out);
        if (error != ERROR_OK || matches(filter, out))
            return error;
        arena_rewind(arena, mark);
        error = kv_cursor_next(cursor, key, value);
    }
    return error;
}

static err_t collect(struct kv_cursor *cursor, struct arena *arena, const struct catalogue_filter *filter,
                     const struct guid *after, size_t max, struct commercial_subscription *out, size_t *count,
                     bool *more)
{
    struct text key, value;
    struct commercial_subscription found;
    err_t error = seek_after(cursor, after, &key, &value);
    while (error == ERROR_OK && (error = next_match(cursor, arena, filter, &key, &value, &found)) == ERROR_OK) {
        *more = *count == max;
        if (*more)
            return ERROR_OK;
        out[(*count)++] = found;
        error = kv_cursor_next(cursor, &key, &value);
    }
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

err_t catalogue_list(struct kv_txn *txn, struct arena *arena, const struct catalogue_filter *filter,
                     const struct guid *after, size_t max, struct commercial_subscription **out, size_t *count,
                     bool *more)
{
    struct kv_cursor *cursor;
    REQUIRE(max <= CATALOGUE_PAGE_MAX);
    *count = 0;
    *more = false;
    *out = arena_array(arena, max, sizeof **out);
    if (*out == NULL)
        return ERROR_NO_MEMORY;
    err_t error = kv_cursor_open(txn, KV_CATALOGUE, &cursor);
    if (error != ERROR_OK)
        return error;
    error = collect(cursor, arena, filter, after, max, *out, count, more);
    kv_cursor_close(cursor);
    return error;
}

err_t catalogue_find_use(struct kv_txn *txn, struct arena *arena, struct text partner_id,
                         struct commercial_subscription *out)
{
    const struct catalogue_filter filter = { .partner_id = partner_id };
    struct kv_cursor *cursor;
    struct text key, value;
    err_t error = kv_cursor_open(txn, KV_CATALOGUE, &cursor);
    if (error != ERROR_OK)
        return error;
    error = kv_cursor_next(cursor, &key, &value);
    if (error == ERROR_OK)
        error = next_match(cursor, arena, &filter, &key, &value, out);
    kv_cursor_close(cursor);
    return error;
}

/* --- writing --- */

static bool same(const struct commercial_subscription *a, const struct commercial_subscription *b)
{
    return guid_equal(&a->tenant_id, &b->tenant_id) && text_equal(a->partner_id, b->partner_id) &&
           text_equal(a->reseller_id, b->reseller_id) && a->offer == b->offer && a->active == b->active;
}

/* Looks up a partner that the subscription names; *id becomes its id as the catalogue writes it, so that ids compare
 * as bytes from here on. */
static err_t settle_partner(struct kv_txn *txn, struct catalogue_put *put, const char *target, struct text *id,
                            struct partner *partner)
{
    err_t error = partner_get(txn, put->arena, *id, partner);
    if (error == ERROR_NOT_FOUND) {
        put->refusal =
            error_set(&put->info, ERROR_INVALID_PROPERTY, target,
                      "there is no partner '%.*s'; enter it with PUT /v1/commerce/partners/ first", TEXT_ARGS(*id));
        return ERROR_OK;
    }
    if (error == ERROR_OK)
        *id = partner->id;
    return error;
}

static err_t settle_reseller(struct kv_txn *txn, struct catalogue_put *put)
{
    struct commercial_subscription *result = &put->result;
    struct partner reseller;
    err_t error = settle_partner(txn, put, "resellerId", &result->reseller_id, &reseller);
    if (error != ERROR_OK || put->refusal != ERROR_OK)
        return error;
    if (reseller.kind != PARTNER_INDIRECT_RESELLER)
        put->refusal = error_set(&put->info, ERROR_INVALID_PROPERTY, "resellerId",
                                 "the partner '%.*s' is no indirectReseller but %s", TEXT_ARGS(reseller.id),
                                 partner_kind_name(reseller.kind));
    else if (!text_equal_nocase(reseller.provider_id, result->partner_id))
        put->refusal = error_set(&put->info, ERROR_INVALID_PROPERTY, "resellerId",
                                 "the provider of the reseller '%.*s' is '%.*s', not '%.*s'", TEXT_ARGS(reseller.id),
                                 TEXT_ARGS(reseller.provider_id), TEXT_ARGS(result->partner_id));
    return ERROR_OK;
}

static err_t settle_partners(struct kv_txn *txn, struct catalogue_put *put)
{
    struct commercial_subscription *result = &put->result;
    struct partner partner;
    if (result->partner_id.len == 0)
        return ERROR_OK;
    err_t error = settle_partner(txn, put, "partnerId", &result->partner_id, &partner);
    if (error != ERROR_OK || put->refusal != ERROR_OK)
        return error;
    if (partner.kind == PARTNER_INDIRECT_RESELLER) {
        put->refusal = error_set(&put->info, ERROR_INVALID_PROPERTY, "partnerId",
                                 "the partner '%.*s' is an indirectReseller: its provider '%.*s' bills; name that as "
                                 "partnerId and the reseller as resellerId",
                                 TEXT_ARGS(partner.id), TEXT_ARGS(partner.provider_id));
        return ERROR_OK;
    }
    return result->reseller_id.len > 0 ? settle_reseller(txn, put) : ERROR_OK;
}

static err_t check_change(struct kv_txn *txn, struct catalogue_put *put)
{
    struct commercial_subscription old;
    uint64_t count;
    err_t error = catalogue_get(txn, put->arena, &put->result.id, &old);
    put->created = error == ERROR_NOT_FOUND;
    if (!put->created) {
        put->changed = error == ERROR_OK && !same(&old, &put->result);
        return error;
    }
    error = kv_count(txn, KV_CATALOGUE, &count);
    if (error == ERROR_OK && count >= CATALOGUE_SUBSCRIPTIONS_MAX)
        put->refusal = error_set(&put->info, ERROR_CONFLICT, NULL,
                                 "there are %d subscriptions already; delete some first, or use an external resolver",
                                 CATALOGUE_SUBSCRIPTIONS_MAX);
    return error;
}

static err_t run_put(struct store_write *write, struct store_job *job)
{
    struct catalogue_put *put = (struct catalogue_put *)job;
    struct kv_txn *txn = write_txn(write);
    put->result = put->subscription;
    put->created = false;
    put->changed = true;
    put->refusal = ERROR_OK;
    err_t error = settle_partners(txn, put);
    if (error == ERROR_OK && put->refusal == ERROR_OK)
        error = check_change(txn, put);
    if (error != ERROR_OK || put->refusal != ERROR_OK || !put->changed)
        return error;
    struct buffer value = { 0 };
    struct json_writer json = json_writer(&value);
    catalogue_to_json(&put->result, &json);
    return catalogue_store(txn, KV_CATALOGUE, key_of(&put->result.id), &value);
}

void catalogue_put_init(struct catalogue_put *put, const struct commercial_subscription *subscription,
                        struct arena *arena)
{
    *put =
        (struct catalogue_put){ .job = { .run = run_put, .weight = 1 }, .subscription = *subscription, .arena = arena };
}

static err_t run_delete(struct store_write *write, struct store_job *job)
{
    struct catalogue_delete *delete_job = (struct catalogue_delete *)job;
    err_t error = kv_delete(write_txn(write), KV_CATALOGUE, key_of(&delete_job->id));
    delete_job->missing = error == ERROR_NOT_FOUND;
    return delete_job->missing ? ERROR_OK : error;
}

void catalogue_delete_init(struct catalogue_delete *delete_job, const struct guid *id)
{
    *delete_job = (struct catalogue_delete){ .job = { .run = run_delete, .weight = 1 }, .id = *id };
}
