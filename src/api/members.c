/* See members.h. */
#include "api/members.h"

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
