/* See members.h. */
#include "base/members.h"

#include "base/instant.h"

void put_member(struct json_writer *json, const char *name, struct text value)
{
    json_name(json, name);
    json_put_text(json, value);
}

void put_member_if(struct json_writer *json, const char *name, struct text value)
{
    if (value.ptr != NULL)
        put_member(json, name, value);
}

void put_guid_member(struct json_writer *json, const char *name, const struct guid *value)
{
    json_name(json, name);
    json_put_guid(json, value);
}

void put_guid_member_if(struct json_writer *json, const char *name, const struct guid *value)
{
    if (!guid_is_zero(value))
        put_guid_member(json, name, value);
}

void put_bool_member(struct json_writer *json, const char *name, bool value)
{
    json_name(json, name);
    json_put_bool(json, value);
}

void put_number_member(struct json_writer *json, const char *name, uint64_t value)
{
    json_name(json, name);
    json_put_u64(json, value);
}

void put_quantity_member(struct json_writer *json, const char *name, const struct decimal_sum *value)
{
    char text[DECIMAL_TEXT_SIZE];
    json_name(json, name);
    json_put_raw(json, (struct text){ text, decimal_sum_print(value, text) });
}

void put_time_member(struct json_writer *json, const char *name, int64_t instant_ns)
{
    char text[INSTANT_TEXT_SIZE];
    json_name(json, name);
    if (instant_ns == INT64_MIN)
        json_put_null(json);
    else
        json_put_text(json, (struct text){ text, instant_print(instant_ns, text) });
}

void put_offset_time_member(struct json_writer *json, const char *name, int64_t instant_ns)
{
    char text[INSTANT_TEXT_SIZE];
    put_member(json, name, (struct text){ text, instant_print_offset(instant_ns, text) });
}

void begin_value_list(struct json_writer *json)
{
    json_begin_object(json);
    json_name(json, "value");
    json_begin_array(json);
}

void end_value_list(struct json_writer *json)
{
    json_end_array(json);
    json_end_object(json);
}

/* --- reading --- */

static const struct json *present(const struct json *object, const char *name)
{
    const struct json *value = json_member(object, text_of(name));
    return value == NULL || json_type(value) == JSON_NULL ? NULL : value;
}

static err_t invalid(struct error_info *info, const char *name, const char *what)
{
    return error_set(info, ERROR_INVALID_PROPERTY, name, "%s %s", name, what);
}

err_t read_text_member(const struct json *object, const char *name, size_t size_max, struct text *out,
                       struct error_info *info)
{
    const struct json *value = present(object, name);
    *out = TEXT("");
    if (value == NULL)
        return ERROR_OK;
    if (json_type(value) != JSON_STRING)
        return invalid(info, name, "must be a string");
    *out = json_string(value);
    return out->len <= size_max ? ERROR_OK : invalid(info, name, "is too long");
}

err_t read_guid_member(const struct json *object, const char *name, struct guid *out, struct error_info *info)
{
    struct text text;
    *out = (struct guid){ { 0 } };
    err_t error = read_text_member(object, name, SIZE_MAX, &text, info);
    if (error != ERROR_OK || text.len == 0)
        return error;
    return guid_parse(text, out) ? ERROR_OK : invalid(info, name, "must be a GUID");
}

err_t read_time_member(const struct json *object, const char *name, int64_t absent_ns, int64_t *out_ns,
                       struct error_info *info)
{
    struct text text;
    *out_ns = absent_ns;
    if (present(object, name) == NULL)
        return ERROR_OK;
    err_t error = read_text_member(object, name, SIZE_MAX, &text, info);
    if (error != ERROR_OK)
        return error;
    return instant_parse(text, out_ns) == ERROR_OK ? ERROR_OK
                                                   : invalid(info, name, "must be a time such as 2026-01-31T13:00:00Z");
}

err_t read_bool_member(const struct json *object, const char *name, bool absent, bool *out, struct error_info *info)
{
    const struct json *value = present(object, name);
    *out = value == NULL ? absent : json_type(value) == JSON_TRUE;
    return value == NULL || *out || json_type(value) == JSON_FALSE ? ERROR_OK
                                                                   : invalid(info, name, "must be true or false");
}

err_t read_number_member(const struct json *object, const char *name, uint64_t absent, uint64_t *out,
                         struct error_info *info)
{
    const struct json *value = present(object, name);
    unsigned long long number = absent;
    if (value != NULL && (json_type(value) != JSON_NUMBER || !text_to_u64(json_number(value), &number)))
        return invalid(info, name, "must be a whole number");
    *out = number;
    return ERROR_OK;
}
