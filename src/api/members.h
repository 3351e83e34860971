/* Members of JSON objects, name and value in one call, in the forms that answers use. */
#pragma once

#include <stdint.h>

#include "base/decimal.h"
#include "base/json.h"

void put_member(struct json_writer *json, const char *name, struct text value);
/* Left out when value.ptr is NULL. */
void put_member_if(struct json_writer *json, const char *name, struct text value);
void put_guid_member(struct json_writer *json, const char *name, const struct guid *value);
void put_number_member(struct json_writer *json, const char *name, uint64_t value);
/* The exact decimal as a JSON number. */
void put_quantity_member(struct json_writer *json, const char *name, const struct decimal_sum *value);
/* "2026-01-31T13:00:00Z"; null for INT64_MIN. */
void put_time_member(struct json_writer *json, const char *name, int64_t instant_ns);
/* "2026-01-31T13:00:00+00:00", as Azure's services print it. */
void put_offset_time_member(struct json_writer *json, const char *name, int64_t instant_ns);

/* {"value":[ ... and what closes it. */
void begin_value_list(struct json_writer *json);
void end_value_list(struct json_writer *json);
