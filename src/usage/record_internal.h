/* Between the files that read a record: record_scan.c finds the members of a record in plain form, record.c checks the
 * members of any record, record_hash.c names what they say. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "usage/record.h"

enum record_member {
    MEMBER_ID,
    MEMBER_SOURCE,
    MEMBER_SUBSCRIPTION_ID,
    MEMBER_METER_ID,
    MEMBER_RESOURCE_URI,
    MEMBER_LOCATION,
    MEMBER_USAGE_START_TIME,
    MEMBER_USAGE_END_TIME,
    MEMBER_QUANTITY,
    MEMBER_TAGS,
    MEMBER_ADDITIONAL_INFO,
    MEMBER_REPORTED_TIME,
    MEMBER_COUNT
};

/* Which member has that name; MEMBER_COUNT: none. */
enum record_member record_member_of(struct text name);

/* VALUE_NONE: absent or null. VALUE_OTHER: a type that no member takes. */
enum record_value_kind { VALUE_NONE, VALUE_STRING, VALUE_NUMBER, VALUE_OBJECT, VALUE_OTHER };

struct record_value {
    enum record_value_kind kind;
    bool plain;              /* a string of printable ASCII */
    struct text text;        /* string: unescaped; number: as written; object: compact JSON, unless json is set */
    struct text canonical;   /* of tags and additionalInfo, as json_canonical writes it; ptr NULL: not known yet */
    const struct json *json; /* NULL when the text alone says it all */
};

/* Reads the record that 'text' starts with, if it is written plainly: only members that are known, each once; strings
 * of printable ASCII without escapes; quantities of at most 18 digits; tags and additionalInfo strings or flat objects.
 * True: members are filled and *size bytes belong to the record, which is valid JSON. False: some other form, or
 * broken, or too large; the JSON reader must tell. Texts lie in 'text' or in the arena. */
MUST_CHECK bool record_scan(struct arena *arena, struct text text, struct record_value members[MEMBER_COUNT],
                            size_t *size);

/* Fills identity, names and content_hash; tags and additional_info are those members' values. ERROR_NO_MEMORY. */
MUST_CHECK err_t record_hash(struct arena *arena, const uint8_t *hash_key, const struct record_value *tags,
                             const struct record_value *additional_info, struct usage_record *record);
