/* Members of JSON objects, name and value in one call: written in the forms that answers use, read as bodies of the
 * native API and the store's tables have them. Readers answer ERROR_INVALID_PROPERTY with the member as target. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/decimal.h"
#include "base/error.h"
#include "base/guid.h"
#include "base/json.h"

void put_member(struct json_writer *json, const char *name, struct text value);
/* Left out when value.ptr is NULL. */
void put_member_if(struct json_writer *json, const char *name, struct text value);
void put_guid_member(struct json_writer *json, const char *name, const struct guid *value);
void put_number_member(struct json_writer *json, const char *name, uint64_t value);
/* The exact decimal as a JSON number. */
void put_quantity_member(struct json_writer *json, const char *name, const struct decimal_sum *value);
/* Left out when it is all zeros. */
void put_guid_member_if(struct json_writer *json, const char *name, const struct guid *value);
void put_bool_member(struct json_writer *json, const char *name, bool value);
/* "2026-01-31T13:00:00Z"; null for INT64_MIN. */
void put_time_member(struct json_writer *json, const char *name, int64_t instant_ns);
/* "2026-01-31T13:00:00+00:00", as Azure's services print it. */
void put_offset_time_member(struct json_writer *json, const char *name, int64_t instant_ns);

/* {"value":[ ... and what closes it. */
void begin_value_list(struct json_writer *json);
void end_value_list(struct json_writer *json);

/* A string of at most size_max bytes; "" when absent or null. */
MUST_CHECK err_t read_text_member(const struct json *object, const char *name, size_t size_max, struct text *out,
                                  struct error_info *info);
/* A GUID in any case; zeros when absent, null or "". */
MUST_CHECK err_t read_guid_member(const struct json *object, const char *name, struct guid *out,
                                  struct error_info *info);
/* RFC 3339; 'absent_ns' when absent or null. */
MUST_CHECK err_t read_time_member(const struct json *object, const char *name, int64_t absent_ns, int64_t *out_ns,
                                  struct error_info *info);
/* true or false; 'absent' when absent or null. */
MUST_CHECK err_t read_bool_member(const struct json *object, const char *name, bool absent, bool *out,
                                  struct error_info *info);
/* A whole number that is not negative; 'absent' when absent or null. */
MUST_CHECK err_t read_number_member(const struct json *object, const char *name, uint64_t absent, uint64_t *out,
                                    struct error_info *info);
