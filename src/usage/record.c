/* Reading a record member by member. Unknown members are ignored, known ones are checked, a member given
 * twice rejects the record. The order of checks is fixed, so that the same bad record always gets the same
 * answer: form, then identity, then the rest in the order of interface.md, then times and quantity. */
#include "usage/record.h"

#include <string.h>

#include "base/check.h"
#include "base/encode.h"
#include "base/instant.h"
#include "usage/record_internal.h"

static const struct text member_names[MEMBER_COUNT] = {
    [MEMBER_ID] = { "id", 2 },
    [MEMBER_SOURCE] = { "source", 6 },
    [MEMBER_SUBSCRIPTION_ID] = { "subscriptionId", 14 },
    [MEMBER_METER_ID] = { "meterId", 7 },
    [MEMBER_RESOURCE_URI] = { "resourceUri", 11 },
    [MEMBER_LOCATION] = { "location", 8 },
    [MEMBER_USAGE_START_TIME] = { "usageStartTime", 14 },
    [MEMBER_USAGE_END_TIME] = { "usageEndTime", 12 },
    [MEMBER_QUANTITY] = { "quantity", 8 },
    [MEMBER_TAGS] = { "tags", 4 },
    [MEMBER_ADDITIONAL_INFO] = { "additionalInfo", 14 },
    [MEMBER_REPORTED_TIME] = { "reportedTime", 12 },
};

#define RESOURCE_URI_SIZE_MAX 8192
#define LOCATION_SIZE_MAX 256

enum record_member record_member_of(struct text name)
{
    enum record_member member;
    char first = name.len > 0 ? name.ptr[0] : '\0';
    switch (name.len) {
    case 2:
        member = MEMBER_ID;
        break;
    case 4:
        member = MEMBER_TAGS;
        break;
    case 6:
        member = MEMBER_SOURCE;
        break;
    case 7:
        member = MEMBER_METER_ID;
        break;
    case 8:
        member = first == 'l' ? MEMBER_LOCATION : MEMBER_QUANTITY;
        break;
    case 11:
        member = MEMBER_RESOURCE_URI;
        break;
    case 12:
        member = first == 'u' ? MEMBER_USAGE_END_TIME : MEMBER_REPORTED_TIME;
        break;
    case 14:
        member = first == 's'   ? MEMBER_SUBSCRIPTION_ID
                 : first == 'u' ? MEMBER_USAGE_START_TIME
                                : MEMBER_ADDITIONAL_INFO;
        break;
    default:
        return MEMBER_COUNT;
    }
    return memcmp(name.ptr, member_names[member].ptr, name.len) == 0 ? member : MEMBER_COUNT;
}

/* The pieces of one parse, so that the readers below stay small. */
struct reading {
    struct arena *arena;
    struct record_value members[MEMBER_COUNT];
    struct usage_record *record;
    struct error_info *info;
};

static err_t invalid(struct reading *r, enum record_member member, const char *what)
{
    return error_set(r->info, ERROR_INVALID_PROPERTY, member_names[member].ptr, "%s %s", member_names[member].ptr,
                     what);
}

/* null says the same as leaving the member out. */
static struct record_value value_of(const struct json *json)
{
    switch (json_type(json)) {
    case JSON_NULL:
        return (struct record_value){ .kind = VALUE_NONE };
    case JSON_STRING:
        return (struct record_value){ .kind = VALUE_STRING, .text = json_string(json) };
    case JSON_NUMBER:
        return (struct record_value){ .kind = VALUE_NUMBER, .text = json_number(json) };
    case JSON_OBJECT:
        return (struct record_value){ .kind = VALUE_OBJECT, .json = json };
    case JSON_FALSE:
    case JSON_TRUE:
    case JSON_ARRAY:
        break;
    }
    return (struct record_value){ .kind = VALUE_OTHER };
}

static err_t collect_members(struct reading *r, const struct json *value)
{
    bool seen[MEMBER_COUNT] = { false };
    for (struct json_iterator i = json_iterate(value); json_next(&i);) {
        enum record_member member = record_member_of(i.name);
        if (member == MEMBER_COUNT)
            continue;
        if (seen[member])
            return invalid(r, member, "is given twice");
        seen[member] = true;
        r->members[member] = value_of(i.value);
    }
    return ERROR_OK;
}

/* Duplicates anywhere else (unknown members, inside tags) make the record ambiguous as well. */
static err_t check_duplicates(struct reading *r, const struct json *value)
{
    struct text name;
    if (!json_has_duplicate_member(r->arena, value, &name))
        return ERROR_OK;
    if (name.ptr == NULL)
        return ERROR_NO_MEMORY;
    return error_set(r->info, ERROR_INVALID_PROPERTY, NULL, "member '%.*s' is given twice",
                     (int)(name.len < 64 ? name.len : 64), name.ptr);
}

static bool has_control_character(struct text text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return true;
    return false;
}

static err_t check_text(struct reading *r, enum record_member member, size_t size_max, bool required, struct text text,
                        bool plain)
{
    if (required && text.len == 0)
        return invalid(r, member, "must not be empty");
    if (text.len > size_max)
        return invalid(r, member, "is too long");
    return !plain && has_control_character(text) ? invalid(r, member, "must not contain control characters") : ERROR_OK;
}

/* A text with bounds; an absent optional one is empty. */
static err_t read_text(struct reading *r, enum record_member member, size_t size_max, bool required, struct text *out)
{
    const struct record_value *value = &r->members[member];
    *out = (struct text){ "", 0 };
    if (value->kind == VALUE_NONE)
        return required ? invalid(r, member, "is missing") : ERROR_OK;
    if (value->kind != VALUE_STRING)
        return invalid(r, member, "must be a string");
    *out = value->text;
    return check_text(r, member, size_max, required, *out, value->plain);
}

/* The same bounds hold for what the envelope says. *out is left alone on failure: a bad id still names its record. */
static err_t read_name(struct reading *r, enum record_member member, size_t size_max, struct text given,
                       struct text *out)
{
    struct text text = given;
    err_t error = given.ptr != NULL ? check_text(r, member, size_max, true, given, false)
                                    : read_text(r, member, size_max, true, &text);
    if (error == ERROR_OK)
        *out = text;
    return error;
}

static err_t read_identity(struct reading *r, const struct record_envelope *envelope)
{
    struct record_envelope given = envelope != NULL ? *envelope : (struct record_envelope){ TEXT_NONE, TEXT_NONE };
    err_t error = read_name(r, MEMBER_ID, RECORD_ID_SIZE_MAX, given.id, &r->record->id);
    return error != ERROR_OK ? error
                             : read_name(r, MEMBER_SOURCE, RECORD_SOURCE_SIZE_MAX, given.source, &r->record->source);
}

static err_t read_subscription(struct reading *r)
{
    struct text text;
    err_t error = read_text(r, MEMBER_SUBSCRIPTION_ID, GUID_TEXT_LEN, true, &text);
    if (error != ERROR_OK)
        return error;
    return guid_parse(text, &r->record->subscription) ? ERROR_OK : invalid(r, MEMBER_SUBSCRIPTION_ID, "must be a GUID");
}

static err_t read_instant(struct reading *r, enum record_member member, int64_t *out_ns)
{
    struct text text;
    err_t error = read_text(r, member, 64, true, &text);
    if (error != ERROR_OK)
        return error;
    if (instant_parse(text, out_ns) != ERROR_OK)
        return invalid(r, member, "must be a time with zone such as 2026-01-31T13:00:00Z");
    return *out_ns >= 0 ? ERROR_OK : invalid(r, member, "must not lie before 1970");
}

/* tags and additionalInfo: an object, or a string as Azure Stack's own providers send it. */
static err_t read_attributes(struct reading *r, enum record_member member, struct text *out, bool *is_string)
{
    const struct record_value *value = &r->members[member];
    *is_string = value->kind == VALUE_STRING;
    *out = TEXT_NONE;
    if (value->kind == VALUE_NONE)
        return ERROR_OK;
    if (value->kind != VALUE_STRING && value->kind != VALUE_OBJECT)
        return invalid(r, member, "must be an object or a string");
    *out = value->json != NULL ? json_minify(r->arena, value->json) : value->text;
    return out->ptr != NULL ? ERROR_OK : ERROR_NO_MEMORY;
}

static err_t read_quantity(struct reading *r)
{
    const struct record_value *value = &r->members[MEMBER_QUANTITY];
    if (value->kind == VALUE_NONE)
        return invalid(r, MEMBER_QUANTITY, "is missing");
    r->record->quantity_is_number = value->kind == VALUE_NUMBER;
    if (value->kind != VALUE_NUMBER && value->kind != VALUE_STRING)
        return invalid(r, MEMBER_QUANTITY, "must be a number or a decimal string");
    err_t error = decimal_parse(value->text, &r->record->quantity);
    if (error == ERROR_INVALID_PROPERTY)
        return invalid(r, MEMBER_QUANTITY, "must be a decimal number");
    if (error == ERROR_OK && decimal_is_negative(&r->record->quantity))
        error = ERROR_QUANTITY_OUT_OF_RANGE;
    return error == ERROR_OK ? ERROR_OK : error_set(r->info, error, "quantity", NULL);
}

static err_t check_times(struct reading *r, const struct record_limits *limits)
{
    const struct usage_record *record = r->record;
    if (record->end_ns <= record->start_ns)
        return invalid(r, MEMBER_USAGE_END_TIME, "must be later than usageStartTime");
    if (record->end_ns - record->start_ns > RECORD_INTERVAL_NS_MAX)
        return invalid(r, MEMBER_USAGE_END_TIME, "must be at most 31 days after usageStartTime");
    /* Times are never negative, so their differences do not overflow, whatever the limits are. */
    if (record->end_ns - limits->now_ns > limits->future_ns_max)
        return error_set(r->info, ERROR_USAGE_IN_FUTURE, "usageEndTime", NULL);
    if (limits->age_ns_max >= 0 && limits->now_ns - record->start_ns > limits->age_ns_max)
        return error_set(r->info, ERROR_USAGE_TOO_OLD, "usageStartTime", NULL);
    if (limits->history && record->end_ns - record->reported_ns > RECORD_REPORTED_BEFORE_END_NS_MAX)
        return invalid(r, MEMBER_REPORTED_TIME, "must not lie more than a day before usageEndTime");
    return ERROR_OK;
}

static err_t read_members(struct reading *r, const struct record_envelope *envelope, const struct record_limits *limits)
{
    struct usage_record *record = r->record;
    err_t error = read_identity(r, envelope);
    if (error == ERROR_OK)
        error = read_subscription(r);
    if (error == ERROR_OK)
        error = read_text(r, MEMBER_METER_ID, RECORD_METER_ID_SIZE_MAX, true, &record->meter_id);
    if (error == ERROR_OK)
        error = read_text(r, MEMBER_RESOURCE_URI, RESOURCE_URI_SIZE_MAX, true, &record->resource_uri);
    if (error == ERROR_OK)
        error = read_text(r, MEMBER_LOCATION, LOCATION_SIZE_MAX, false, &record->location);
    if (error == ERROR_OK)
        error = read_instant(r, MEMBER_USAGE_START_TIME, &record->start_ns);
    if (error == ERROR_OK)
        error = read_instant(r, MEMBER_USAGE_END_TIME, &record->end_ns);
    if (error == ERROR_OK)
        error = read_quantity(r);
    if (error == ERROR_OK)
        error = read_attributes(r, MEMBER_TAGS, &record->tags, &record->tags_is_string);
    if (error == ERROR_OK)
        error =
            read_attributes(r, MEMBER_ADDITIONAL_INFO, &record->additional_info, &record->additional_info_is_string);
    if (error == ERROR_OK && limits->history)
        error = read_instant(r, MEMBER_REPORTED_TIME, &record->reported_ns);
    return error == ERROR_OK ? check_times(r, limits) : error;
}

static err_t derive(struct reading *r, const uint8_t *hash_key)
{
    struct usage_record *record = r->record;
    record->meter_key = meter_fold(r->arena, record->meter_id);
    record->resource_key = resource_fold(r->arena, record->resource_uri);
    record->shares = record_split(r->arena, record->start_ns, record->end_ns, &record->quantity, &record->share_count);
    if (record->meter_key.ptr == NULL || record->resource_key.ptr == NULL || record->shares == NULL)
        return ERROR_NO_MEMORY;
    return record_hash(r->arena, hash_key, &r->members[MEMBER_TAGS], &r->members[MEMBER_ADDITIONAL_INFO], record);
}

/* Known by its id even if it is rejected. */
static void note_id(struct reading *r, const struct record_envelope *envelope)
{
    if (envelope != NULL && envelope->id.ptr != NULL)
        r->record->id = envelope->id;
    else if (r->members[MEMBER_ID].kind == VALUE_STRING)
        r->record->id = r->members[MEMBER_ID].text;
}

static err_t finish(struct reading *r, const struct record_envelope *envelope, const struct record_limits *limits,
                    const uint8_t *hash_key)
{
    err_t error = read_members(r, envelope, limits);
    if (error == ERROR_OK)
        error = derive(r, hash_key);
    return error;
}

err_t record_read(struct arena *arena, const struct json *value, const struct record_envelope *envelope,
                  const struct record_limits *limits, const uint8_t *hash_key, struct usage_record *record,
                  struct error_info *info)
{
    struct reading r = { .arena = arena, .record = record, .info = info };
    *record = (struct usage_record){ 0 };
    bool is_object = json_type(value) == JSON_OBJECT;
    err_t error = is_object ? collect_members(&r, value)
                            : error_set(info, ERROR_INVALID_PROPERTY, NULL, "a record must be a JSON object");
    note_id(&r, envelope);
    if (error == ERROR_OK)
        error = check_duplicates(&r, value);
    if (error == ERROR_OK)
        error = finish(&r, envelope, limits, hash_key);
    return error == ERROR_NO_MEMORY ? error_set(info, error, NULL, NULL) : error;
}

bool record_read_plain(struct arena *arena, struct text text, const struct record_envelope *envelope,
                       const struct record_limits *limits, const uint8_t *hash_key, struct usage_record *record,
                       size_t *size, err_t *error, struct error_info *info)
{
    struct reading r;
    if (!record_scan(arena, text, r.members, size))
        return false;
    r.arena = arena;
    r.record = record;
    r.info = info;
    *record = (struct usage_record){ 0 };
    note_id(&r, envelope);
    *error = finish(&r, envelope, limits, hash_key);
    if (*error == ERROR_NO_MEMORY)
        error_set(info, *error, NULL, NULL);
    return true;
}

err_t record_parse(struct arena *arena, struct text text, const struct record_envelope *envelope,
                   const struct record_limits *limits, const uint8_t *hash_key, struct usage_record *record,
                   struct error_info *info)
{
    *record = (struct usage_record){ 0 };
    if (text.len > RECORD_SIZE_BYTES_MAX)
        return error_set(info, ERROR_RECORD_TOO_LARGE, NULL, NULL);
    const struct json *value;
    err_t error = json_parse(arena, text, &value, info);
    return error == ERROR_OK ? record_read(arena, value, envelope, limits, hash_key, record, info) : error;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

HOT static void put_lower(char *out, struct text text)
{
    for (size_t i = 0; i < text.len; i++)
        out[i] = lower(text.ptr[i]);
}

struct text resource_fold(struct arena *arena, struct text resource_uri)
{
    char *out = arena_alloc(arena, resource_uri.len + 1);
    if (out == NULL)
        return TEXT_NONE;
    put_lower(out, resource_uri);
    return (struct text){ out, resource_uri.len };
}

struct text meter_fold(struct arena *arena, struct text meter_id)
{
    struct guid guid;
    bool is_guid = guid_parse_loose(meter_id, &guid);
    size_t length = is_guid ? 2 * sizeof guid.bytes : meter_id.len;
    char *out = arena_alloc(arena, length + 1);
    if (out == NULL)
        return TEXT_NONE;
    if (is_guid)
        hex_encode(guid.bytes, sizeof guid.bytes, out);
    else
        put_lower(out, meter_id);
    return (struct text){ out, length };
}

const struct write_share *record_split(struct arena *arena, int64_t start_ns, int64_t end_ns,
                                       const struct decimal *quantity, size_t *count)
{
    int64_t first = instant_hour(start_ns), last = instant_hour(end_ns - 1);
    *count = (size_t)(last - first + 1);
    REQUIREF(start_ns < end_ns && *count <= RECORD_SHARES_MAX, "shares=%zu", *count);
    struct write_share *shares = arena_array(arena, *count, sizeof *shares);
    if (shares == NULL)
        return NULL;
    struct decimal rest = *quantity;
    for (int64_t hour = first; hour <= last; hour++) {
        struct write_share *share = &shares[hour - first];
        share->hour = (uint32_t)hour;
        share->quantity = rest;
        if (hour < last) {
            int64_t from_ns = hour == first ? start_ns : hour_start_ns(hour);
            share->quantity =
                decimal_share(quantity, (uint64_t)(hour_start_ns(hour + 1) - from_ns), (uint64_t)(end_ns - start_ns));
            REQUIRE(decimal_subtract(&rest, &share->quantity, &rest));
        }
    }
    return shares;
}
