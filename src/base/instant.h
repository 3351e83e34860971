/* Instants: nanoseconds since 1970-01-01T00:00:00Z as int64_t (years 1678 to 2261), UTC only, no leap
 * seconds, no libc time zone. Hours and days are counted from the same epoch. Pure, any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "base/text.h"

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_SECOND INT64_C(1000000000)
#define NS_PER_MINUTE (60 * NS_PER_SECOND)
#define NS_PER_HOUR (3600 * NS_PER_SECOND)
#define NS_PER_DAY (24 * NS_PER_HOUR)
#define HOURS_PER_DAY 24

/* "2026-01-31T13:00:00.123456789+00:00" and NUL. */
#define INSTANT_TEXT_SIZE 40

/* The strict form that producers and /v1 use: RFC 3339 with a zone, upper or lower case T and Z, up to
 * 9 decimals of a second (more only if they are zeros). ERROR_INVALID_PROPERTY otherwise, also for
 * 24:00, :60, and dates that do not exist. */
MUST_CHECK err_t instant_parse(struct text text, int64_t *out_ns);
/* Also every spelling of wire-contracts.md 1.6, after percent-decoding: bare dates (2017-11-29,
 * 2017-12-1), no zone (taken as UTC), offset and Z together, a blank where a raw '+' was, a blank
 * instead of T, missing seconds. Days outside 1678 to 2261 become the first or last day inside. */
MUST_CHECK err_t instant_parse_lenient(struct text text, int64_t *out_ns);
/* ISO 8601 duration of the forms PnDTnHnMnS (P1D, PT1H, PT90S), not negative. */
MUST_CHECK err_t instant_parse_duration(struct text text, int64_t *out_ns);

/* "2026-01-31T13:00:00Z", with as many decimals as needed (0, 3, 6 or 9); returns the length. */
size_t instant_print(int64_t instant_ns, char out[INSTANT_TEXT_SIZE]);
/* "2026-01-31T13:00:00+00:00": what Azure's services print (wire-contracts golden rule 9). */
size_t instant_print_offset(int64_t instant_ns, char out[INSTANT_TEXT_SIZE]);
/* "Sat, 31 Jan 2026 13:00:00 GMT" (RFC 9110 section 5.6.7). */
size_t instant_print_http(int64_t instant_ns, char out[INSTANT_TEXT_SIZE]);

struct civil_date {
    int year;
    unsigned month; /* 1-12 */
    unsigned day;   /* 1-31 */
};
struct civil_date civil_from_days(int64_t days);
int64_t days_from_civil(struct civil_date date);

/* Floors; right for negative instants too. */
int64_t instant_hour(int64_t instant_ns);
int64_t instant_day(int64_t instant_ns);
static inline int64_t hour_start_ns(int64_t hour)
{
    return hour * NS_PER_HOUR;
}
static inline int64_t day_start_ns(int64_t day)
{
    return day * NS_PER_DAY;
}
