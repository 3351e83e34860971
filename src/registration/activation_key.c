/* Activation keys: a payload of spec 6.6 in a JWS. */
#include "registration/activation_key.h"

#include <stdio.h>
#include <string.h>

#include "base/instant.h"
#include "base/json.h"
#include "base/jws.h"
#include "base/members.h"
#include "base/url.h"
#include "registration/pasted.h"
#include "registration/registration.h"

#define TARGET "properties.activationKey"
#define TEXT_SIZE_MAX 512
#define ENDPOINT_SIZE_MAX 2048
#define NS_PER_TICK 100
#define NEVER_TEXT TEXT("9999-12-30T23:59:59.9999999Z")
/* The first year beyond what an instant can hold: ends in it or later never come. */
#define YEAR_NEVER 2262
#define YEAR_DIGITS 4

/* --- signing --- */

/* With seven decimals, as the ticks of .NET have. */
void put_expiry_member(struct json_writer *json, const char *name, int64_t instant_ns)
{
    char seconds[INSTANT_TEXT_SIZE], text[INSTANT_TEXT_SIZE];
    if (instant_ns == ACTIVATION_NEVER_EXPIRES) {
        put_member(json, name, NEVER_TEXT);
        return;
    }
    int64_t part_ns = instant_ns % NS_PER_SECOND;
    if (part_ns < 0)
        part_ns += NS_PER_SECOND;
    size_t length = instant_print(instant_ns - part_ns, seconds) - 1; /* without Z */
    (void)snprintf(text, sizeof text, "%.*s.%07dZ", (int)length, seconds, (int)(part_ns / NS_PER_TICK));
    put_member(json, name, text_of(text));
}

static void put_empty_list(struct json_writer *json, const char *name)
{
    json_name(json, name);
    json_begin_array(json);
    json_end_array(json);
}

static void write_payload(const struct activation_key *key, struct buffer *out)
{
    struct json_writer json = json_writer(out);
    json_begin_object(&json);
    put_guid_member(&json, "subscriptionId", &key->subscription_id);
    put_member(&json, "resourceGroupName", key->resource_group);
    put_member(&json, "registrationName", key->registration_name);
    put_empty_list(&json, "certPinningRootSubjects");
    put_empty_list(&json, "certPinningIntermediateThumbprints");
    put_member(&json, "usageEndpoint", key->usage_endpoint);
    put_member(&json, "usageResourceUri", key->usage_resource_uri);
    put_member(&json, "marketplaceEndpoint", key->marketplace_endpoint);
    put_member(&json, "marketplaceResourceUri", key->marketplace_resource_uri);
    if (key->issued_ns != INT64_MIN)
        put_expiry_member(&json, "issued", key->issued_ns);
    put_expiry_member(&json, "expires", key->expires_ns);
    put_guid_member(&json, "cloudId", &key->cloud_id);
    put_guid_member_if(&json, "objectId", &key->object_id);
    put_member(&json, "billingModel", text_of(billing_model_name(key->model)));
    put_bool_member(&json, "usageReportingEnabled", key->usage_reporting);
    put_bool_member(&json, "marketplaceSyndicationEnabled", key->marketplace_syndication);
    put_member(&json, "issuer", key->issuer);
    put_member(&json, "version", key->version);
    json_end_object(&json);
}

err_t activation_key_sign(const struct activation_key *key, const struct signature_key *signer, struct buffer *out)
{
    struct buffer payload = { 0 };
    write_payload(key, &payload);
    err_t error = payload.failed ? ERROR_NO_MEMORY : jws_sign(signer, buffer_text(&payload), out);
    buffer_free(&payload);
    return error;
}

/* --- reading --- */

static err_t refuse(struct error_info *info, const char *reason)
{
    return error_set(info, ERROR_INVALID_ACTIVATION_KEY, TARGET,
                     "the activation key %s; get it anew from the registration", reason);
}

static err_t refuse_member(struct error_info *info, const char *name, const char *what)
{
    return error_set(info, ERROR_INVALID_ACTIVATION_KEY, TARGET,
                     "the activation key is signed well, but its member %s %s; get it anew from a registration that "
                     "this version understands",
                     name, what);
}

static bool is_printable(struct text text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f)
            return false;
    return true;
}

/* The payload is read by its exact names, and its values have one type: whoever signs knows them. None has control
 * characters: what it says goes to terminals and into requests. */
static err_t read_text(const struct json *json, const char *name, size_t size_max, bool required, struct text *out,
                       struct error_info *info)
{
    if (read_text_member(json, name, size_max, out, NULL) != ERROR_OK)
        return refuse_member(info, name, "is no text, or too long");
    if (!is_printable(*out))
        return refuse_member(info, name, "has control characters");
    return required && out->len == 0 ? refuse_member(info, name, "is missing") : ERROR_OK;
}

static err_t read_guid(const struct json *json, const char *name, bool required, struct guid *out,
                       struct error_info *info)
{
    if (read_guid_member(json, name, out, NULL) != ERROR_OK)
        return refuse_member(info, name, "is no GUID");
    return required && guid_is_zero(out) ? refuse_member(info, name, "is missing") : ERROR_OK;
}

static err_t read_bool(const struct json *json, const char *name, bool *out, struct error_info *info)
{
    return read_bool_member(json, name, false, out, NULL) == ERROR_OK
               ? ERROR_OK
               : refuse_member(info, name, "is neither true nor false");
}

/* A resource group or registration, as registrations can be called. */
static err_t read_name(const struct json *json, const char *name, struct text *out, struct error_info *info)
{
    err_t error = read_text(json, name, TEXT_SIZE_MAX, true, out, info);
    return error == ERROR_OK && !registration_name_is_valid(*out)
               ? refuse_member(info, name, "is no name that a registration can have")
               : error;
}

/* The four digits that a time begins with; 0: it does not. */
static int year_of(struct text time)
{
    int year = 0;
    for (size_t i = 0; i < YEAR_DIGITS; i++) {
        if (i >= time.len || time.ptr[i] < '0' || time.ptr[i] > '9')
            return 0;
        year = year * 10 + (time.ptr[i] - '0');
    }
    return year;
}

/* A time, also one beyond those that instants can hold: then it is checked in a year of ours that has as many days. */
static err_t read_ticks(const struct json *json, const char *name, bool required, int64_t *out, struct error_info *info)
{
    char same[INSTANT_TEXT_SIZE];
    struct text text;
    *out = INT64_MIN;
    err_t error = read_text(json, name, sizeof same, required, &text, info);
    if (error != ERROR_OK || text.len == 0 || instant_parse(text, out) == ERROR_OK)
        return error;
    int year = year_of(text);
    if (year < YEAR_NEVER)
        return refuse_member(info, name, "is no time");
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    memcpy(same, text.ptr, text.len);
    memcpy(same, leap ? "2000" : "2001", YEAR_DIGITS);
    if (instant_parse((struct text){ same, text.len }, out) != ERROR_OK)
        return refuse_member(info, name, "is no time");
    *out = ACTIVATION_NEVER_EXPIRES;
    return ERROR_OK;
}

/* An https address, or "". */
static err_t read_endpoint(const struct json *json, const char *name, struct text *out, struct error_info *info)
{
    err_t error = read_text(json, name, ENDPOINT_SIZE_MAX, false, out, info);
    if (error != ERROR_OK || out->len == 0)
        return error;
    return https_url_is_valid(*out) ? ERROR_OK : refuse_member(info, name, "is no https address");
}

static err_t read_endpoints(const struct json *json, struct activation_key *out, struct error_info *info)
{
    err_t error = read_endpoint(json, "usageEndpoint", &out->usage_endpoint, info);
    if (error == ERROR_OK)
        error = read_text(json, "usageResourceUri", ENDPOINT_SIZE_MAX, false, &out->usage_resource_uri, info);
    if (error == ERROR_OK)
        error = read_endpoint(json, "marketplaceEndpoint", &out->marketplace_endpoint, info);
    if (error == ERROR_OK)
        error =
            read_text(json, "marketplaceResourceUri", ENDPOINT_SIZE_MAX, false, &out->marketplace_resource_uri, info);
    if (error == ERROR_OK)
        error = read_bool(json, "usageReportingEnabled", &out->usage_reporting, info);
    if (error == ERROR_OK)
        error = read_bool(json, "marketplaceSyndicationEnabled", &out->marketplace_syndication, info);
    if (error == ERROR_OK && out->usage_reporting && out->usage_endpoint.len == 0)
        error = refuse_member(info, "usageEndpoint", "is missing, although usage is to be reported");
    return error;
}

static err_t read_payload(const struct json *json, struct activation_key *out, struct error_info *info)
{
    struct text model;
    err_t error = read_guid(json, "cloudId", true, &out->cloud_id, info);
    if (error == ERROR_OK)
        error = read_guid(json, "objectId", false, &out->object_id, info);
    if (error == ERROR_OK)
        error = read_guid(json, "subscriptionId", true, &out->subscription_id, info);
    if (error == ERROR_OK)
        error = read_name(json, "resourceGroupName", &out->resource_group, info);
    if (error == ERROR_OK)
        error = read_name(json, "registrationName", &out->registration_name, info);
    if (error == ERROR_OK)
        error = read_text(json, "billingModel", TEXT_SIZE_MAX, true, &model, info);
    if (error == ERROR_OK && !billing_model_parse(model, &out->model))
        error = refuse_member(info, "billingModel", "is none that is known here");
    if (error == ERROR_OK)
        error = read_ticks(json, "issued", false, &out->issued_ns, info);
    if (error == ERROR_OK)
        error = read_ticks(json, "expires", true, &out->expires_ns, info);
    if (error == ERROR_OK)
        error = read_text(json, "issuer", TEXT_SIZE_MAX, false, &out->issuer, info);
    if (error == ERROR_OK)
        error = read_text(json, "version", TEXT_SIZE_MAX, false, &out->version, info);
    return error == ERROR_OK ? read_endpoints(json, out, info) : error;
}

err_t activation_key_read(struct arena *arena, struct text text, struct activation_key *out, struct error_info *info)
{
    struct jws jws;
    struct error_info reason = { 0 };
    const struct json *json;
    struct text name;
    memset(out, 0, sizeof *out);
    if (text.len > ACTIVATION_KEY_SIZE_MAX)
        return refuse(info, "is longer than one can be");
    struct text clean = pasted_text(arena, text);
    err_t error = clean.ptr == NULL ? ERROR_NO_MEMORY : jws_verify(arena, clean, &jws, &reason);
    if (error == ERROR_NO_MEMORY)
        return error_set(info, error, NULL, NULL);
    if (error != ERROR_OK)
        return refuse(info, reason.message);
    error = json_parse(arena, jws.payload, &json, NULL);
    if (error == ERROR_NO_MEMORY)
        return error_set(info, error, NULL, NULL);
    if (error != ERROR_OK || json_type(json) != JSON_OBJECT)
        return refuse(info, "holds no JSON object");
    if (json_has_duplicate_member(arena, json, &name))
        return refuse(info, "names a member twice");
    memcpy(out->public_key, jws.public_key, sizeof out->public_key);
    memcpy(out->key_id, jws.key_id, sizeof out->key_id);
    out->text = clean;
    return read_payload(json, out, info);
}
