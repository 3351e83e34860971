/* Registration tokens. Reading takes what other stamps and scripts write (names in any case, unknown members), but each
 * value has one type and a bound, and a name given twice is refused in any case: nobody could tell which one counts. */
#include "registration/registration_token.h"

#include <string.h>

#include "base/encode.h"
#include "base/json.h"
#include "base/members.h"
#include "registration/pasted.h"

#define TARGET "properties.registrationToken"
#define TEXT_SIZE_MAX 256
#define PART_SIZE_MAX 128
/* Facts that a token may have beside those that are read here. */
#define MEMBERS_MAX 64
#define BYTE_ORDER_MARK TEXT("\xEF\xBB\xBF")

/* --- writing --- */

static void put_parts(struct json_writer *json, const char *name, const struct text *parts, size_t count)
{
    json_name(json, name);
    json_begin_array(json);
    for (size_t i = 0; i < count; i++)
        json_put_text(json, parts[i]);
    json_end_array(json);
}

static void put_node(struct json_writer *json, const struct hardware_node *node)
{
    json_begin_object(json);
    put_member(json, "name", node->name);
    put_member(json, "uuid", node->uuid);
    put_number_member(json, "numCores", node->cores);
    put_parts(json, "bios", node->bios, node->bios_count);
    put_parts(json, "nic", node->nic, node->nic_count);
    put_parts(json, "cpu", node->cpu, node->cpu_count);
    put_parts(json, "disk", node->disk, node->disk_count);
    put_parts(json, "memory", node->memory, node->memory_count);
    json_end_object(json);
}

static void put_text_unless_empty(struct json_writer *json, const char *name, struct text text)
{
    if (text.len > 0)
        put_member(json, name, text);
}

void registration_token_put_members(const struct registration_token *token, struct json_writer *json)
{
    put_member(json, "billingModel", text_of(billing_model_name(token->model)));
    put_guid_member(json, "cloudId", &token->cloud_id);
    put_guid_member_if(json, "objectId", &token->object_id);
    put_text_unless_empty(json, "agreementNumber", token->agreement_number);
    put_text_unless_empty(json, "msAssetTag", token->ms_asset_tag);
    put_bool_member(json, "usageReportingEnabled", token->usage_reporting);
    put_bool_member(json, "marketplaceSyndicationEnabled", token->marketplace_syndication);
    json_name(json, "hardwareInfo");
    json_begin_array(json);
    for (size_t i = 0; i < token->node_count; i++)
        put_node(json, &token->nodes[i]);
    json_end_array(json);
    put_text_unless_empty(json, "stampVersion", token->stamp_version);
    if (token->has_public_key) {
        char key[BASE64URL_LEN(SIGNATURE_PUBLIC_KEY_SIZE) + 1];
        base64url_encode(token->public_key, sizeof token->public_key, key);
        put_member(json, "publicKey", text_of(key));
    }
    put_text_unless_empty(json, "issuer", token->issuer);
    put_text_unless_empty(json, "version", token->version);
}

void registration_token_to_json(const struct registration_token *token, struct buffer *out)
{
    struct json_writer json = json_writer(out);
    json_begin_object(&json);
    registration_token_put_members(token, &json);
    json_end_object(&json);
}

void registration_token_write(const struct registration_token *token, struct buffer *out)
{
    struct buffer json = { 0 };
    registration_token_to_json(token, &json);
    if (json.failed)
        out->failed = true;
    base64_encode(out, buffer_text(&json).ptr, buffer_len(&json));
    buffer_free(&json);
}

/* --- reading --- */

/* What reading a token needs at hand. */
struct reader {
    struct arena *arena;
    struct error_info *info;
};

static err_t malformed(const struct reader *r, const char *name, const char *what)
{
    return error_set(r->info, ERROR_INVALID_REGISTRATION_TOKEN, TARGET,
                     "the registration token is malformed: %s %s; make a new one on the stamp", name, what);
}

static err_t no_memory(const struct reader *r)
{
    return error_set(r->info, ERROR_NO_MEMORY, NULL, NULL);
}

/* The member of that name in any case; NULL where it is absent or null. */
static err_t find(const struct reader *r, const struct json *object, const char *name, const struct json **out)
{
    bool found = false;
    *out = NULL;
    for (struct json_iterator i = json_iterate(object); json_next(&i);) {
        if (!text_equal_nocase(i.name, text_of(name)))
            continue;
        if (found)
            return malformed(r, name, "is given twice");
        found = true;
        *out = json_type(i.value) == JSON_NULL ? NULL : i.value;
    }
    return ERROR_OK;
}

/* "" when absent. */
static err_t read_text(const struct reader *r, const struct json *object, const char *name, struct text *out)
{
    const struct json *value;
    *out = TEXT("");
    err_t error = find(r, object, name, &value);
    if (error != ERROR_OK || value == NULL)
        return error;
    if (json_type(value) != JSON_STRING)
        return malformed(r, name, "must be a string");
    *out = json_string(value);
    return out->len <= TEXT_SIZE_MAX ? ERROR_OK : malformed(r, name, "is too long");
}

/* Zeros when absent or "". */
static err_t read_guid(const struct reader *r, const struct json *object, const char *name, struct guid *out)
{
    struct text text;
    memset(out, 0, sizeof *out);
    err_t error = read_text(r, object, name, &text);
    if (error != ERROR_OK || text.len == 0)
        return error;
    return guid_parse(text, out) ? ERROR_OK : malformed(r, name, "must be a GUID");
}

static err_t read_bool(const struct reader *r, const struct json *object, const char *name, bool absent, bool *out)
{
    const struct json *value;
    *out = absent;
    err_t error = find(r, object, name, &value);
    if (error != ERROR_OK || value == NULL)
        return error;
    *out = json_type(value) == JSON_TRUE;
    return *out || json_type(value) == JSON_FALSE ? ERROR_OK : malformed(r, name, "must be true or false");
}

static err_t read_parts(const struct reader *r, const struct json *node, const char *name, struct text *parts,
                        size_t *count)
{
    const struct json *value;
    *count = 0;
    err_t error = find(r, node, name, &value);
    if (error != ERROR_OK || value == NULL)
        return error;
    if (json_type(value) != JSON_ARRAY)
        return malformed(r, name, "must be a list");
    if (json_count(value) > REGISTRATION_PARTS_MAX)
        return malformed(r, name, "has more parts than a node may have");
    for (struct json_iterator i = json_iterate(value); json_next(&i);) {
        if (json_type(i.value) != JSON_STRING || json_string(i.value).len > PART_SIZE_MAX)
            return malformed(r, name, "must hold short strings");
        parts[(*count)++] = json_string(i.value);
    }
    return ERROR_OK;
}

static err_t read_cores(const struct reader *r, const struct json *node, uint64_t *cores)
{
    const struct json *value;
    unsigned long long number = 0;
    err_t error = find(r, node, "numCores", &value);
    if (error != ERROR_OK)
        return error;
    if (value != NULL &&
        (json_type(value) != JSON_NUMBER || !text_to_u64(json_number(value), &number) || number > UINT32_MAX))
        return malformed(r, "numCores", "must be a whole number");
    *cores = number;
    return ERROR_OK;
}

static err_t read_node(const struct reader *r, const struct json *json, struct hardware_node *out)
{
    if (json_type(json) != JSON_OBJECT || json_count(json) > MEMBERS_MAX)
        return malformed(r, "hardwareInfo", "must hold one object per node");
    err_t error = read_text(r, json, "name", &out->name);
    if (error == ERROR_OK)
        error = read_text(r, json, "uuid", &out->uuid);
    if (error == ERROR_OK)
        error = read_cores(r, json, &out->cores);
    if (error == ERROR_OK)
        error = read_parts(r, json, "bios", out->bios, &out->bios_count);
    if (error == ERROR_OK)
        error = read_parts(r, json, "nic", out->nic, &out->nic_count);
    if (error == ERROR_OK)
        error = read_parts(r, json, "cpu", out->cpu, &out->cpu_count);
    if (error == ERROR_OK)
        error = read_parts(r, json, "disk", out->disk, &out->disk_count);
    return error == ERROR_OK ? read_parts(r, json, "memory", out->memory, &out->memory_count) : error;
}

static err_t read_nodes(const struct reader *r, const struct json *object, struct registration_token *out)
{
    const struct json *value;
    err_t error = find(r, object, "hardwareInfo", &value);
    if (error != ERROR_OK || value == NULL)
        return error;
    if (json_type(value) != JSON_ARRAY)
        return malformed(r, "hardwareInfo", "must be a list");
    if (json_count(value) > REGISTRATION_NODES_MAX)
        return malformed(r, "hardwareInfo", "has more nodes than a stamp may have");
    out->nodes = arena_array(r->arena, json_count(value), sizeof *out->nodes);
    if (out->nodes == NULL)
        return no_memory(r);
    for (struct json_iterator i = json_iterate(value); error == ERROR_OK && json_next(&i);)
        error = read_node(r, i.value, &out->nodes[out->node_count++]);
    return error;
}

static err_t read_model(const struct reader *r, const struct json *object, enum billing_model *out)
{
    struct text text;
    err_t error = read_text(r, object, "billingModel", &text);
    if (error != ERROR_OK)
        return error;
    if (text.len == 0)
        return malformed(r, "billingModel", "is missing");
    if (billing_model_parse(text, out))
        return ERROR_OK;
    return error_set(r->info, ERROR_INVALID_REGISTRATION_TOKEN, TARGET,
                     "the registration token names the billing model '%.*s'; it is one of PayAsYouUse, Capacity, "
                     "Development, Custom and Ruggedized",
                     (int)(text.len < 40 ? text.len : 40), text.ptr);
}

static err_t read_public_key(const struct reader *r, const struct json *object, struct registration_token *out)
{
    struct text text;
    size_t size;
    err_t error = read_text(r, object, "publicKey", &text);
    if (error != ERROR_OK || text.len == 0)
        return error;
    out->has_public_key = base64url_decode(text, out->public_key, sizeof out->public_key, &size) &&
                          size == sizeof out->public_key && signature_public_key_is_valid(out->public_key);
    return out->has_public_key ? ERROR_OK : malformed(r, "publicKey", "must be a P-256 point as base64url");
}

static err_t read_facts(const struct reader *r, const struct json *object, struct registration_token *out)
{
    err_t error = read_guid(r, object, "objectId", &out->object_id);
    if (error == ERROR_OK)
        error = read_text(r, object, "agreementNumber", &out->agreement_number);
    if (error == ERROR_OK)
        error = read_text(r, object, "msAssetTag", &out->ms_asset_tag);
    if (error == ERROR_OK)
        error = read_bool(r, object, "marketplaceSyndicationEnabled", false, &out->marketplace_syndication);
    if (error == ERROR_OK)
        error = read_bool(r, object, "usageReportingEnabled", billing_model_reports_by_default(out->model),
                          &out->usage_reporting);
    if (error == ERROR_OK)
        error = read_text(r, object, "stampVersion", &out->stamp_version);
    if (error == ERROR_OK)
        error = read_text(r, object, "issuer", &out->issuer);
    if (error == ERROR_OK)
        error = read_text(r, object, "version", &out->version);
    if (error == ERROR_OK)
        error = read_public_key(r, object, out);
    return error == ERROR_OK ? read_nodes(r, object, out) : error;
}

static err_t read_object(const struct reader *r, const struct json *object, struct registration_token *out)
{
    if (json_type(object) != JSON_OBJECT || json_count(object) > MEMBERS_MAX)
        return malformed(r, "it", "does not hold a JSON object of the known kind");
    err_t error = read_model(r, object, &out->model);
    if (error == ERROR_OK)
        error = read_guid(r, object, "cloudId", &out->cloud_id);
    if (error == ERROR_OK && guid_is_zero(&out->cloud_id))
        error = malformed(r, "cloudId", "is missing or all zeros");
    if (error == ERROR_OK)
        error = read_facts(r, object, out);
    if (error != ERROR_OK)
        return error;
    error = billing_model_check(out->model, out->agreement_number, out->ms_asset_tag, r->info);
    if (error != ERROR_OK && r->info != NULL)
        (void)error_set(r->info, error, TARGET,
                        "the registration token is of the billing model %s and has no %s; make a new one with it",
                        billing_model_name(out->model),
                        error == ERROR_MISSING_AGREEMENT_NUMBER ? "agreement number" : "asset tag");
    return error;
}

err_t registration_token_read(struct arena *arena, struct text text, struct registration_token *out,
                              struct error_info *info)
{
    const struct reader r = { arena, info };
    const struct json *json;
    struct text bytes;
    memset(out, 0, sizeof *out);
    if (text.len > REGISTRATION_TOKEN_SIZE_MAX)
        return malformed(&r, "it", "is longer than a token can be");
    struct text clean = pasted_text(arena, text);
    char *decoded = clean.ptr != NULL ? arena_alloc(arena, clean.len + 1) : NULL;
    if (decoded == NULL)
        return no_memory(&r);
    if (clean.len == 0)
        return malformed(&r, "it", "is empty");
    bytes.ptr = decoded;
    if (!base64_decode(clean, decoded, clean.len, &bytes.len))
        return malformed(&r, "it", "is not base64; it may have been cut off or changed while it was copied");
    if (text_starts_with(bytes, BYTE_ORDER_MARK))
        bytes = (struct text){ bytes.ptr + BYTE_ORDER_MARK.len, bytes.len - BYTE_ORDER_MARK.len };
    err_t error = json_parse(arena, bytes, &json, NULL);
    if (error == ERROR_NO_MEMORY)
        return no_memory(&r);
    if (error != ERROR_OK)
        return malformed(&r, "it", "does not hold JSON in UTF-8");
    return read_object(&r, json, out);
}
