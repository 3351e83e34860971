/* Reading and printing instants. The civil calendar is counted in years that start on the first of March
 * and in cycles of 400, 100, 4 and 1 of them, so that a leap day is always the last day of its cycle. */
#include "base/instant.h"

#include <string.h>

#include "base/check.h"

#define DAYS_PER_YEAR 365
#define DAYS_PER_4_YEARS (4 * DAYS_PER_YEAR + 1)
#define DAYS_PER_100_YEARS (25 * DAYS_PER_4_YEARS - 1)
#define DAYS_PER_400_YEARS (4 * DAYS_PER_100_YEARS + 1)
/* From the first of March of the year 0 to 1970-01-01. */
#define DAYS_TO_EPOCH INT64_C(719468)
/* 1678-01-01 and 2262-01-01. */
#define DAY_MIN INT64_C(-106650)
#define DAY_END INT64_C(106651)
/* Far outside of what nanoseconds in 64 bits can reach; keeps the arithmetic below from overflowing. */
#define DAY_BOUND INT64_C(400000000000)

/* Days before each month, counted from the first of March. */
static const uint16_t days_before_month[] = { 0, 31, 61, 92, 122, 153, 184, 214, 245, 275, 306, 337 };

static int64_t floor_divide(int64_t value, int64_t divisor)
{
    int64_t quotient = value / divisor;
    return value % divisor < 0 ? quotient - 1 : quotient;
}

struct civil_date civil_from_days(int64_t days)
{
    REQUIREF(days > -DAY_BOUND && days < DAY_BOUND, "days=%lld", (long long)days);
    days += DAYS_TO_EPOCH;
    int64_t cycle = floor_divide(days, DAYS_PER_400_YEARS);
    unsigned day = (unsigned)(days - cycle * DAYS_PER_400_YEARS);
    unsigned century = day / DAYS_PER_100_YEARS;
    century = century > 3 ? 3 : century; /* the leap day that ends the 400 years */
    day -= century * DAYS_PER_100_YEARS;
    unsigned olympiad = day / DAYS_PER_4_YEARS;
    day -= olympiad * DAYS_PER_4_YEARS;
    unsigned year = day / DAYS_PER_YEAR;
    year = year > 3 ? 3 : year; /* the leap day that ends the 4 years */
    day -= year * DAYS_PER_YEAR;
    unsigned month = day / 31; /* right, or one too early */
    if (month < 11 && day >= days_before_month[month + 1])
        month++;
    int64_t civil_year = cycle * 400 + (int64_t)(century * 100 + olympiad * 4 + year);
    return (struct civil_date){ .year = (int)(month >= 10 ? civil_year + 1 : civil_year),
                                .month = month >= 10 ? month - 9 : month + 3,
                                .day = day - days_before_month[month] + 1 };
}

int64_t days_from_civil(struct civil_date date)
{
    REQUIREF(date.month >= 1 && date.month <= 12, "month=%u", date.month);
    unsigned month = date.month >= 3 ? date.month - 3 : date.month + 9;
    int64_t year = date.month >= 3 ? date.year : (int64_t)date.year - 1;
    int64_t cycle = floor_divide(year, 400);
    int64_t in_cycle = year - cycle * 400;
    return cycle * DAYS_PER_400_YEARS + in_cycle * DAYS_PER_YEAR + in_cycle / 4 - in_cycle / 100 +
           days_before_month[month] + date.day - 1 - DAYS_TO_EPOCH;
}

static unsigned days_in_month(int year, unsigned month)
{
    static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

int64_t instant_hour(int64_t instant_ns)
{
    return floor_divide(instant_ns, NS_PER_HOUR);
}

int64_t instant_day(int64_t instant_ns)
{
    return floor_divide(instant_ns, NS_PER_DAY);
}

/* A reader's position. The functions below return whether they found what they look for. */
struct cursor {
    const char *at;
    const char *end;
};

static struct cursor cursor_of(struct text text)
{
    const char *start = text.len != 0 ? text.ptr : "";
    return (struct cursor){ start, start + text.len };
}

static bool read_char(struct cursor *c, char wanted)
{
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

static bool read_either(struct cursor *c, char one, char other)
{
    return read_char(c, one) || read_char(c, other);
}

/* count_min to count_max digits. */
static bool read_number(struct cursor *c, unsigned count_min, unsigned count_max, unsigned *out)
{
    unsigned value = 0;
    unsigned count = 0;
    while (count < count_max && c->at < c->end && *c->at >= '0' && *c->at <= '9') {
        value = value * 10 + (unsigned)(*c->at++ - '0');
        count++;
    }
    *out = value;
    return count >= count_min;
}

/* After the point: at least one digit; what lies below a nanosecond must be zero. */
static bool read_fraction(struct cursor *c, int64_t *out_ns)
{
    int64_t unit = NS_PER_SECOND / 10;
    int64_t ns = 0;
    const char *start = c->at;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
        if (unit == 0 && *c->at != '0')
            return false;
        ns += (*c->at - '0') * unit;
        unit /= 10;
    }
    *out_ns = ns;
    return c->at > start;
}

static bool read_date(struct cursor *c, unsigned digits_min, int64_t *out_day)
{
    unsigned year;
    unsigned month;
    unsigned day;
    if (!read_number(c, 4, 4, &year) || !read_char(c, '-') || !read_number(c, digits_min, 2, &month) ||
        !read_char(c, '-') || !read_number(c, digits_min, 2, &day))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_in_month((int)year, month))
        return false;
    *out_day = days_from_civil((struct civil_date){ (int)year, month, day });
    return true;
}

/* The time of the day in whole seconds and the fraction. */
static bool read_time(struct cursor *c, bool seconds_optional, int64_t *out_seconds, int64_t *out_ns)
{
    unsigned hour;
    unsigned minute;
    unsigned second = 0;
    if (!read_number(c, 2, 2, &hour) || !read_char(c, ':') || !read_number(c, 2, 2, &minute))
        return false;
    *out_ns = 0;
    if (read_char(c, ':')) {
        if (!read_number(c, 2, 2, &second) || (read_char(c, '.') && !read_fraction(c, out_ns)))
            return false;
    } else if (!seconds_optional) {
        return false;
    }
    *out_seconds = (int64_t)hour * 3600 + minute * 60 + second;
    return hour < 24 && minute < 60 && second < 60;
}

/* "+hh:mm" or "-hh:mm"; with plus_as_blank also " hh:mm". */
static bool read_offset(struct cursor *c, bool plus_as_blank, int64_t *out_seconds)
{
    unsigned hour;
    unsigned minute;
    bool negative = read_char(c, '-');
    if (!negative && !read_char(c, '+') && !(plus_as_blank && read_char(c, ' ')))
        return false;
    if (!read_number(c, 2, 2, &hour) || !read_char(c, ':') || !read_number(c, 2, 2, &minute))
        return false;
    *out_seconds = (int64_t)hour * 3600 + minute * 60;
    if (negative)
        *out_seconds = -*out_seconds;
    return hour < 24 && minute < 60;
}

/* Seconds stay far inside int64_t here, nanoseconds only fit once the range is known. */
static err_t compose(int64_t day, int64_t seconds, int64_t ns, int64_t *out_ns)
{
    seconds += day * 86400; /* an offset can bring a day just outside back in */
    if (seconds < DAY_MIN * 86400 || seconds >= DAY_END * 86400)
        return ERROR_INVALID_PROPERTY;
    *out_ns = seconds * NS_PER_SECOND + ns;
    return ERROR_OK;
}

/* Two digits; anything else leaves a mark in *wrong. */
HOT static unsigned two_digits(const char *at, unsigned *wrong)
{
    unsigned tens = (unsigned char)at[0] - (unsigned)'0', ones = (unsigned char)at[1] - (unsigned)'0';
    *wrong |= (tens > 9) | (ones > 9);
    return tens * 10 + ones;
}

/* "2026-01-31T13:00:00Z", which nearly all are. False for any other form, and for what is no time. */
HOT static bool parse_usual(struct text text, int64_t *out_ns)
{
    const char *at = text.ptr;
    unsigned wrong = 0;
    if (text.len != 20)
        return false;
    unsigned year = two_digits(at, &wrong) * 100 + two_digits(at + 2, &wrong);
    unsigned month = two_digits(at + 5, &wrong), day = two_digits(at + 8, &wrong);
    unsigned hour = two_digits(at + 11, &wrong), minute = two_digits(at + 14, &wrong);
    unsigned second = two_digits(at + 17, &wrong);
    wrong |= (at[4] != '-') | (at[7] != '-') | (at[10] != 'T') | (at[13] != ':') | (at[16] != ':') | (at[19] != 'Z');
    wrong |= (month < 1) | (month > 12) | (hour > 23) | (minute > 59) | (second > 59);
    if (wrong || year < 1970 || year > 2261 || day < 1 || day > days_in_month((int)year, month))
        return false;
    int64_t days = days_from_civil((struct civil_date){ (int)year, month, day });
    *out_ns = (days * 86400 + (int64_t)(hour * 3600 + minute * 60 + second)) * NS_PER_SECOND;
    return true;
}

err_t instant_parse(struct text text, int64_t *out_ns)
{
    struct cursor c = cursor_of(text);
    int64_t day;
    int64_t seconds;
    int64_t ns;
    int64_t offset = 0;
    if (parse_usual(text, out_ns))
        return ERROR_OK;
    if (!read_date(&c, 2, &day) || !read_either(&c, 'T', 't') || !read_time(&c, false, &seconds, &ns))
        return ERROR_INVALID_PROPERTY;
    if (!read_either(&c, 'Z', 'z') && !read_offset(&c, false, &offset))
        return ERROR_INVALID_PROPERTY;
    if (c.at != c.end)
        return ERROR_INVALID_PROPERTY;
    return compose(day, seconds - offset, ns, out_ns);
}

err_t instant_parse_lenient(struct text text, int64_t *out_ns)
{
    struct cursor c = cursor_of(text);
    int64_t day;
    int64_t seconds = 0;
    int64_t ns = 0;
    int64_t offset = 0;
    if (!read_date(&c, 1, &day))
        return ERROR_INVALID_PROPERTY;
    /* "Since ever" and "for ever" (0001-01-01, 9999-12-31) mean the ends of what can be told. */
    day = day < DAY_MIN - 1 ? DAY_MIN + 1 : day > DAY_END ? DAY_END - 2 : day;
    if (c.at == c.end)
        return compose(day, 0, 0, out_ns);
    if ((!read_either(&c, 'T', 't') && !read_char(&c, ' ')) || !read_time(&c, true, &seconds, &ns))
        return ERROR_INVALID_PROPERTY;
    bool zulu = read_either(&c, 'Z', 'z');
    if (!zulu && c.at != c.end) {
        if (!read_offset(&c, true, &offset))
            return ERROR_INVALID_PROPERTY;
        (void)read_either(&c, 'Z', 'z');
    }
    if (c.at != c.end)
        return ERROR_INVALID_PROPERTY;
    return compose(day, seconds - offset, ns, out_ns);
}

/* One "<digits><unit>" of a duration; absent is fine. */
static bool read_duration_part(struct cursor *c, char unit, int64_t unit_ns, int64_t *sum_ns, bool *any)
{
    struct cursor ahead = *c;
    int64_t value = 0;
    while (ahead.at < ahead.end && *ahead.at >= '0' && *ahead.at <= '9') {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (int64_t)(*ahead.at - '0'), &value))
            return false;
        ahead.at++;
    }
    if (ahead.at == c->at || !read_char(&ahead, unit))
        return true;
    int64_t part_ns;
    if (__builtin_mul_overflow(value, unit_ns, &part_ns) || __builtin_add_overflow(*sum_ns, part_ns, sum_ns))
        return false;
    *any = true;
    *c = ahead;
    return true;
}

err_t instant_parse_duration(struct text text, int64_t *out_ns)
{
    struct cursor c = cursor_of(text);
    int64_t sum_ns = 0;
    bool any_date = false;
    bool any_time = false;
    if (!read_char(&c, 'P') || !read_duration_part(&c, 'D', NS_PER_DAY, &sum_ns, &any_date))
        return ERROR_INVALID_PROPERTY;
    bool time = read_char(&c, 'T');
    if (time && (!read_duration_part(&c, 'H', NS_PER_HOUR, &sum_ns, &any_time) ||
                 !read_duration_part(&c, 'M', NS_PER_MINUTE, &sum_ns, &any_time) ||
                 !read_duration_part(&c, 'S', NS_PER_SECOND, &sum_ns, &any_time)))
        return ERROR_INVALID_PROPERTY;
    if (c.at != c.end || time != any_time || (!any_date && !any_time))
        return ERROR_INVALID_PROPERTY;
    *out_ns = sum_ns;
    return ERROR_OK;
}

static char *put_digits(char *at, unsigned value, unsigned count)
{
    for (unsigned i = count; i-- > 0; value /= 10)
        at[i] = (char)('0' + value % 10);
    return at + count;
}

static char *put_literal(char *at, const char *literal)
{
    size_t len = strlen(literal);
    memcpy(at, literal, len);
    return at + len;
}

static char *put_date(char *at, struct civil_date date)
{
    at = put_digits(at, (unsigned)date.year, 4);
    *at++ = '-';
    at = put_digits(at, date.month, 2);
    *at++ = '-';
    return put_digits(at, date.day, 2);
}

static char *put_time(char *at, unsigned second_of_day)
{
    at = put_digits(at, second_of_day / 3600, 2);
    *at++ = ':';
    at = put_digits(at, second_of_day / 60 % 60, 2);
    *at++ = ':';
    return put_digits(at, second_of_day % 60, 2);
}

static size_t print_with_zone(int64_t instant_ns, const char *zone, char *out)
{
    int64_t day = instant_day(instant_ns);
    int64_t seconds = floor_divide(instant_ns, NS_PER_SECOND);
    int64_t rest = instant_ns % NS_PER_SECOND; /* not by subtraction, which overflows at INT64_MIN */
    unsigned ns = (unsigned)(rest < 0 ? rest + NS_PER_SECOND : rest);
    char *at = put_date(out, civil_from_days(day));
    *at++ = 'T';
    at = put_time(at, (unsigned)(seconds - day * 86400));
    if (ns != 0) {
        *at++ = '.';
        if (ns % 1000000 == 0)
            at = put_digits(at, ns / 1000000, 3);
        else if (ns % 1000 == 0)
            at = put_digits(at, ns / 1000, 6);
        else
            at = put_digits(at, ns, 9);
    }
    at = put_literal(at, zone);
    *at = '\0';
    return (size_t)(at - out);
}

size_t instant_print(int64_t instant_ns, char out[INSTANT_TEXT_SIZE])
{
    return print_with_zone(instant_ns, "Z", out);
}

size_t instant_print_offset(int64_t instant_ns, char out[INSTANT_TEXT_SIZE])
{
    return print_with_zone(instant_ns, "+00:00", out);
}

size_t instant_print_http(int64_t instant_ns, char out[INSTANT_TEXT_SIZE])
{
    static const char weekdays[7][4] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };
    static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    int64_t day = instant_day(instant_ns);
    struct civil_date date = civil_from_days(day);
    char *at = put_literal(out, weekdays[day - floor_divide(day, 7) * 7]);
    at = put_literal(at, ", ");
    at = put_digits(at, date.day, 2);
    *at++ = ' ';
    at = put_literal(at, months[date.month - 1]);
    *at++ = ' ';
    at = put_digits(at, (unsigned)date.year, 4);
    *at++ = ' ';
    at = put_time(at, (unsigned)(floor_divide(instant_ns, NS_PER_SECOND) - day * 86400));
    at = put_literal(at, " GMT");
    *at = '\0';
    return (size_t)(at - out);
}
