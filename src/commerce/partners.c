/* Partners: JSON under their id in small letters, so that "Contoso" and "contoso" can't be two. */

#include "base/buffer.h"
#include "base/check.h"
#include "base/members.h"
#include "commerce/catalogue_internal.h"
#include "store/write.h"

static const char *const kind_names[PARTNER_KIND_COUNT] = { "direct", "indirectProvider", "indirectReseller" };

const char *partner_kind_name(enum partner_kind kind)
{
    return kind_names[kind];
}

static bool kind_parse(struct text text, enum partner_kind *kind)
{
    for (size_t i = 0; i < PARTNER_KIND_COUNT; i++) {
        if (text_equal_nocase(text, text_of(kind_names[i]))) {
            *kind = (enum partner_kind)i;
            return true;
        }
    }
    return false;
}

bool partner_id_is_valid(struct text id)
{
    if (id.len == 0 || id.len > PARTNER_ID_SIZE_MAX)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '.' && c != '_' && c != '-')
            return false;
    }
    return true;
}

/* --- JSON --- */

static err_t check_provider(const struct partner *partner, struct error_info *info)
{
    bool reseller = partner->kind == PARTNER_INDIRECT_RESELLER;
    if (!reseller && partner->provider_id.len > 0)
        return error_set(info, ERROR_INVALID_PROPERTY, "providerId",
                         "only an indirectReseller has a providerId; leave it out for kind %s",
                         partner_kind_name(partner->kind));
    if (reseller && partner->provider_id.len == 0)
        return error_set(info, ERROR_INVALID_PROPERTY, "providerId",
                         "an indirectReseller needs providerId, the indirectProvider that bills for it");
    if (reseller && !partner_id_is_valid(partner->provider_id))
        return error_set(info, ERROR_INVALID_PROPERTY, "providerId", "providerId must be the id of a partner");
    if (reseller && text_equal_nocase(partner->provider_id, partner->id))
        return error_set(info, ERROR_INVALID_PROPERTY, "providerId", "a partner is not its own provider");
    return ERROR_OK;
}

err_t partner_from_json(const struct json *body, struct text id, struct partner *out, struct error_info *info)
{
    struct text kind;
    *out = (struct partner){ .id = id };
    if (!partner_id_is_valid(id))
        return error_set(info, ERROR_INVALID_PROPERTY, "partnerId",
                         "partnerId is at most %d letters, digits, '.', '_' or '-'", PARTNER_ID_SIZE_MAX);
    if (json_type(body) != JSON_OBJECT)
        return error_set(info, ERROR_INVALID_REQUEST_CONTENT, NULL, "the body must be a JSON object");
    err_t error = read_text_member(body, "name", PARTNER_NAME_SIZE_MAX, &out->name, info);
    if (error == ERROR_OK)
        error = read_text_member(body, "kind", SIZE_MAX, &kind, info);
    if (error == ERROR_OK)
        error = read_text_member(body, "providerId", SIZE_MAX, &out->provider_id, info);
    if (error != ERROR_OK)
        return error;
    if (out->name.len == 0)
        return error_set(info, ERROR_INVALID_PROPERTY, "name", "name is missing: what the partner is called");
    if (!kind_parse(kind, &out->kind))
        return error_set(info, ERROR_INVALID_PROPERTY, "kind", "kind is direct, indirectProvider or indirectReseller");
    return check_provider(out, info);
}

void partner_to_json(const struct partner *partner, struct json_writer *json)
{
    json_begin_object(json);
    put_member(json, "partnerId", partner->id);
    put_member(json, "name", partner->name);
    put_member(json, "kind", text_of(partner_kind_name(partner->kind)));
    json_name(json, "providerId");
    if (partner->provider_id.len > 0)
        json_put_text(json, partner->provider_id);
    else
        json_put_null(json);
    json_end_object(json);
}

/* --- reading --- */

static struct text key_of(struct text id, char out[PARTNER_ID_SIZE_MAX])
{
    REQUIRE(id.len <= PARTNER_ID_SIZE_MAX);
    for (size_t i = 0; i < id.len; i++)
        out[i] = id.ptr[i] >= 'A' && id.ptr[i] <= 'Z' ? (char)(id.ptr[i] - 'A' + 'a') : id.ptr[i];
    return (struct text){ out, id.len };
}

static err_t decode(struct arena *arena, struct text value, struct partner *out)
{
    const struct json *json;
    struct text id;
    err_t error = json_parse_stored(arena, value, &json);
    if (error != ERROR_OK)
        return error;
    if (!json_member_string(json, TEXT("partnerId"), &id))
        return ERROR_STORE_CORRUPT;
    return partner_from_json(json, id, out, NULL) == ERROR_OK ? ERROR_OK : ERROR_STORE_CORRUPT;
}

err_t partner_get(struct kv_txn *txn, struct arena *arena, struct text id, struct partner *out)
{
    char key[PARTNER_ID_SIZE_MAX];
    struct text value;
    if (!partner_id_is_valid(id))
        return ERROR_NOT_FOUND;
    err_t error = kv_get(txn, KV_PARTNERS, key_of(id, key), &value);
    return error == ERROR_OK ? decode(arena, value, out) : error;
}

/* What is after 'after': a cursor seeks what is at or after a key, and a NUL makes the next one. */
static err_t seek_after(struct kv_cursor *cursor, struct text after, struct text *key, struct text *value)
{
    char from[PARTNER_ID_SIZE_MAX + 1];
    if (after.ptr == NULL || after.len > PARTNER_ID_SIZE_MAX)
        return kv_cursor_next(cursor, key, value);
    size_t length = key_of(after, from).len;
    from[length] = '\0';
    return kv_cursor_seek(cursor, (struct text){ from, length + 1 }, key, value);
}

err_t partner_list(struct kv_txn *txn, struct arena *arena, struct text after, size_t max, struct partner **out,
                   size_t *count, bool *more)
{
    struct kv_cursor *cursor;
    struct text key, value;
    *count = 0;
    *more = false;
    *out = arena_array(arena, max, sizeof **out);
    if (*out == NULL)
        return ERROR_NO_MEMORY;
    err_t error = kv_cursor_open(txn, KV_PARTNERS, &cursor);
    if (error != ERROR_OK)
        return error;
    for (error = seek_after(cursor, after, &key, &value); error == ERROR_OK;
         error = kv_cursor_next(cursor, &key, &value)) {
        *more = *count == max;
        if (*more || (error = decode(arena, value, &(*out)[*count])) != ERROR_OK)
            break;
        ++*count;
    }
    kv_cursor_close(cursor);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

/* --- what refers to a partner --- */

static err_t find_reseller(struct kv_txn *txn, struct arena *arena, struct text provider_id, struct partner *out)
{
    struct kv_cursor *cursor;
    struct text key, value;
    err_t error = kv_cursor_open(txn, KV_PARTNERS, &cursor);
    if (error != ERROR_OK)
        return error;
    while ((error = kv_cursor_next(cursor, &key, &value)) == ERROR_OK) {
        struct arena_mark mark = arena_mark(arena);
        error = decode(arena, value, out);
        if (error != ERROR_OK || text_equal_nocase(out->provider_id, provider_id))
            break;
        arena_rewind(arena, mark);
    }
    kv_cursor_close(cursor);
    return error;
}

/* ERROR_OK with *refused when others refer to it: *info names one of them. */
static err_t refuse_if_used(struct kv_txn *txn, struct arena *arena, struct text id, const char *what, err_t *refused,
                            struct error_info *info)
{
    struct partner reseller;
    struct commercial_subscription subscription;
    char subscription_id[GUID_TEXT_SIZE];
    err_t error = find_reseller(txn, arena, id, &reseller);
    if (error == ERROR_OK) {
        *refused = error_set(info, ERROR_CONFLICT, NULL, "%s: the reseller '%.*s' names it as its provider", what,
                             TEXT_ARGS(reseller.id));
        return ERROR_OK;
    }
    if (error == ERROR_NOT_FOUND)
        error = catalogue_find_use(txn, arena, id, &subscription);
    if (error == ERROR_NOT_FOUND)
        return ERROR_OK;
    if (error != ERROR_OK)
        return error;
    guid_print(&subscription.id, subscription_id);
    *refused = error_set(info, ERROR_CONFLICT, NULL, "%s: the subscription '%s' names it as its %s", what,
                         subscription_id, text_equal_nocase(subscription.partner_id, id) ? "partner" : "reseller");
    return ERROR_OK;
}

/* --- writing --- */

static bool same(const struct partner *a, const struct partner *b)
{
    return text_equal(a->name, b->name) && a->kind == b->kind && text_equal(a->provider_id, b->provider_id);
}

/* The provider as the catalogue writes it, so that ids compare as bytes from here on. */
static err_t settle_provider(struct kv_txn *txn, struct partner_put *put)
{
    struct partner provider;
    if (put->result.kind != PARTNER_INDIRECT_RESELLER)
        return ERROR_OK;
    err_t error = partner_get(txn, put->arena, put->result.provider_id, &provider);
    if (error == ERROR_NOT_FOUND) {
        put->refusal = error_set(&put->info, ERROR_INVALID_PROPERTY, "providerId",
                                 "there is no partner '%.*s'; enter the indirectProvider first",
                                 TEXT_ARGS(put->result.provider_id));
        return ERROR_OK;
    }
    if (error != ERROR_OK)
        return error;
    if (provider.kind != PARTNER_INDIRECT_PROVIDER)
        put->refusal = error_set(&put->info, ERROR_INVALID_PROPERTY, "providerId",
                                 "the partner '%.*s' is no indirectProvider but %s", TEXT_ARGS(provider.id),
                                 partner_kind_name(provider.kind));
    put->result.provider_id = provider.id;
    return ERROR_OK;
}

static err_t refuse_if_full(struct kv_txn *txn, struct partner_put *put)
{
    uint64_t count;
    err_t error = kv_count(txn, KV_PARTNERS, &count);
    if (error == ERROR_OK && count >= PARTNERS_MAX)
        put->refusal = error_set(&put->info, ERROR_CONFLICT, NULL, "there are %d partners already; delete some first",
                                 PARTNERS_MAX);
    return error;
}

/* What is there already, and whether it may become what is asked for. */
static err_t check_change(struct kv_txn *txn, struct partner_put *put)
{
    struct partner old;
    err_t error = partner_get(txn, put->arena, put->partner.id, &old);
    put->created = error == ERROR_NOT_FOUND;
    if (put->created)
        return refuse_if_full(txn, put);
    if (error != ERROR_OK)
        return error;
    put->result.id = old.id;
    put->changed = !same(&old, &put->result);
    if (old.kind == put->result.kind && text_equal(old.provider_id, put->result.provider_id))
        return ERROR_OK;
    return refuse_if_used(txn, put->arena, old.id, "kind and provider of a partner in use can't change", &put->refusal,
                          &put->info);
}

static err_t run_put(struct store_write *write, struct store_job *job)
{
    struct partner_put *put = (struct partner_put *)job;
    struct kv_txn *txn = write_txn(write);
    char key[PARTNER_ID_SIZE_MAX];
    put->result = put->partner;
    put->created = false;
    put->changed = true;
    put->refusal = ERROR_OK;
    err_t error = settle_provider(txn, put);
    if (error == ERROR_OK && put->refusal == ERROR_OK)
        error = check_change(txn, put);
    if (error != ERROR_OK || put->refusal != ERROR_OK || !put->changed)
        return error;
    struct buffer value = { 0 };
    struct json_writer json = json_writer(&value);
    partner_to_json(&put->result, &json);
    return catalogue_store(txn, KV_PARTNERS, key_of(put->result.id, key), &value);
}

void partner_put_init(struct partner_put *put, const struct partner *partner, struct arena *arena)
{
    *put = (struct partner_put){ .job = { .run = run_put, .weight = 1 }, .partner = *partner, .arena = arena };
}

static err_t run_delete(struct store_write *write, struct store_job *job)
{
    struct partner_delete *delete_job = (struct partner_delete *)job;
    struct kv_txn *txn = write_txn(write);
    struct partner partner;
    char key[PARTNER_ID_SIZE_MAX];
    delete_job->refusal = ERROR_OK;
    err_t error = partner_get(txn, delete_job->arena, delete_job->id, &partner);
    delete_job->missing = error == ERROR_NOT_FOUND;
    if (error != ERROR_OK)
        return delete_job->missing ? ERROR_OK : error;
    error = refuse_if_used(txn, delete_job->arena, partner.id, "a partner in use can't be deleted",
                           &delete_job->refusal, &delete_job->info);
    if (error != ERROR_OK || delete_job->refusal != ERROR_OK)
        return error;
    return kv_delete(txn, KV_PARTNERS, key_of(partner.id, key));
}

void partner_delete_init(struct partner_delete *delete_job, struct text id, struct arena *arena)
{
    *delete_job = (struct partner_delete){ .job = { .run = run_delete, .weight = 1 }, .id = id, .arena = arena };
}
