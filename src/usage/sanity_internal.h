/* What both kinds of check know of meters; for sanity*.c only. */
#pragma once

#include "usage/sanity.h"

/* How much of a meter a window can hold. */
enum sanity_level {
    LEVEL_UNKNOWN, /* nothing certain */
    LEVEL_ONE,     /* one, if the resource is what the meter counts */
    LEVEL_CORES    /* as many as the record says it has */
};

struct sanity_rule {
    enum sanity_level level;
    const char *resource_type; /* that a resource URI must name; NULL: any */
    uint32_t hours_per_unit;   /* of one whole level; for a month the shortest one */
};

struct sanity_rule sanity_rule_of(const struct meter *meter);
/* The level of a resource; 0: nothing certain is known of it. */
uint32_t sanity_level_of(struct arena *scratch, const struct sanity_rule *rule, struct text resource_uri,
                         struct text additional_info);
/* What a window of that length can hold of a level; false: it is too long for a record. */
MUST_CHECK bool sanity_limit(const struct sanity_rule *rule, uint32_t level, int64_t duration_ns,
                             struct decimal *limit);
