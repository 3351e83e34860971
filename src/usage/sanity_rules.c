/* What is certain of a meter, from the unit that the catalogue gives it. */
#include <string.h>

#include "base/instant.h"
#include "base/json.h"
#include "usage/sanity_internal.h"

/* A day of the shortest month is the largest part of any. */
#define HOURS_PER_MONTH_MIN (28 * HOURS_PER_DAY)
#define ROUNDING_PARTS 1000000
/* Windows are at most 31 days: shares of a thousand hours keep the arithmetic in whole numbers. */
#define SCALE_HOURS 1000
#define CORES_MAX 4096

struct sanity_rule sanity_rule_of(const struct meter *meter)
{
    static const struct {
        const char *unit;
        struct sanity_rule rule;
    } rules[] = {
        { "VM hours", { LEVEL_ONE, "/virtualmachines/", 1 } },
        { "Count of Disks*hours", { LEVEL_ONE, "/disks/", 1 } },
        { "Count of Disks*month", { LEVEL_ONE, "/disks/", HOURS_PER_MONTH_MIN } },
        { "Virtual core hours", { LEVEL_CORES, "/virtualmachines/", 1 } },
        { "Core*hours", { LEVEL_CORES, NULL, 1 } },
    };
    for (size_t i = 0; i < COUNT_OF(rules); i++)
        if (text_equal_nocase(meter->unit, text_of(rules[i].unit)))
            return rules[i].rule;
    return (struct sanity_rule){ .level = LEVEL_UNKNOWN };
}

static bool contains_nocase(struct text text, struct text part)
{
    for (size_t i = 0; i + part.len <= text.len; i++)
        if ((text.ptr[i] | 0x20) == (part.ptr[0] | 0x20) &&
            text_equal_nocase((struct text){ text.ptr + i, part.len }, part))
            return true;
    return false;
}

static bool read_count(const struct json *value, uint32_t *out)
{
    unsigned long long count;
    struct text text;
    if (json_type(value) == JSON_NUMBER)
        text = json_number(value);
    else if (json_type(value) == JSON_STRING)
        text = json_string(value);
    else
        return false;
    if (!text_to_u64(text, &count) || count == 0 || count > CORES_MAX)
        return false;
    *out = (uint32_t)count;
    return true;
}

/* What the record says of itself; sizes by name are no help, since D4 has four cores or eight. */
static bool read_cores(struct arena *scratch, struct text info, uint32_t *cores)
{
    static const char *const names[] = { "vCPUs", "vCores", "cores", "numberOfCores", "coreCount" };
    const struct json *value;
    if (info.len == 0 || !(contains_nocase(info, TEXT("cpu")) || contains_nocase(info, TEXT("core"))) ||
        json_parse(scratch, info, &value, NULL) != ERROR_OK || json_type(value) != JSON_OBJECT)
        return false;
    for (struct json_iterator i = json_iterate(value); json_next(&i);)
        for (size_t n = 0; n < COUNT_OF(names); n++)
            if (text_equal_nocase(i.name, text_of(names[n])))
                return read_count(i.value, cores);
    return false;
}

uint32_t sanity_level_of(struct arena *scratch, const struct sanity_rule *rule, struct text resource_uri,
                         struct text additional_info)
{
    uint32_t level = 1;
    if (rule->level == LEVEL_UNKNOWN || (rule->level == LEVEL_CORES && !read_cores(scratch, additional_info, &level)) ||
        (rule->resource_type != NULL && !contains_nocase(resource_uri, text_of(rule->resource_type))))
        return 0;
    return level;
}

bool sanity_limit(const struct sanity_rule *rule, uint32_t level, int64_t duration_ns, struct decimal *limit)
{
    if (duration_ns <= 0 || duration_ns > SCALE_HOURS * NS_PER_HOUR)
        return false;
    struct decimal scaled = decimal_from_i64((int64_t)level * SCALE_HOURS);
    *limit = decimal_share(&scaled, (uint64_t)duration_ns,
                           (uint64_t)SCALE_HOURS * rule->hours_per_unit * (uint64_t)NS_PER_HOUR);
    struct decimal rounding = decimal_share(limit, 1, ROUNDING_PARTS);
    return decimal_add(limit, &rounding, limit);
}
