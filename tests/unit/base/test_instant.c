/* Unit tests of base/instant: the accepted and the refused spellings, the calendar against a day-by-day
 * count, and printing and reading back at random instants. */
#include "support.h"

#include "base/instant.h"

#define JAN_31 (INT64_C(1769864400) * NS_PER_SECOND) /* 2026-01-31T13:00:00Z */

static int64_t strict(const char *text)
{
    int64_t ns = 0;
    if (instant_parse(text_of(text), &ns) != ERROR_OK)
        fail_msg("\"%s\" is refused", text);
    return ns;
}

static int64_t lenient(const char *text)
{
    int64_t ns = 0;
    if (instant_parse_lenient(text_of(text), &ns) != ERROR_OK)
        fail_msg("\"%s\" is refused", text);
    return ns;
}

static void reads_the_strict_form(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } cases[] = {
        { "1970-01-01T00:00:00Z", 0 },
        { "2026-01-31T13:00:00Z", JAN_31 },
        { "2026-01-31t13:00:00z", JAN_31 },
        { "2026-01-31T13:00:00+00:00", JAN_31 },
        { "2026-01-31T13:00:00-00:00", JAN_31 },
        { "2026-01-31T15:30:00+02:30", JAN_31 },
        { "2026-01-30T13:01:00-23:59", JAN_31 },
        { "2026-02-01T12:59:00+23:59", JAN_31 },
        { "2026-01-31T13:00:00.1Z", JAN_31 + 100000000 },
        { "2026-01-31T13:00:00.123456789Z", JAN_31 + 123456789 },
        { "2026-01-31T13:00:00.12345678900000000000000000000000000Z", JAN_31 + 123456789 },
        { "2026-01-31T13:00:00.000000001+00:00", JAN_31 + 1 },
        { "1969-12-31T23:59:59.999999999Z", -1 },
        { "2000-02-29T00:00:00Z", INT64_C(951782400) * NS_PER_SECOND },
        { "2024-02-29T23:59:59Z", INT64_C(1709251199) * NS_PER_SECOND },
        { "1678-01-01T00:00:00Z", INT64_C(-9214560000) * NS_PER_SECOND },
        { "2261-12-31T23:59:59.999999999Z", INT64_C(9214646400) * NS_PER_SECOND - 1 },
        { "2262-01-01T00:30:00+00:31", (INT64_C(9214646400) - 60) * NS_PER_SECOND },
        { "1677-12-31T23:30:00-00:30", INT64_C(-9214560000) * NS_PER_SECOND },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_true(strict(cases[i].text) == cases[i].ns);
        assert_true(lenient(cases[i].text) == cases[i].ns);
    }
}

static const char *const bad_everywhere[] = {
    "",
    "2026",
    "2026-01",
    "2026-01-31T",
    "2026-01-31T13",
    "2026-01-31T13:00:00.Z",
    "2026-01-31T13:00:00.1234567891Z",
    "2026-01-31T13:00:00.1234567890000000000001Z",
    "2026-01-31T13:00:00,5Z",
    "2026-01-31T24:00:00Z",
    "2026-01-31T13:60:00Z",
    "2026-01-31T13:00:60Z",
    "2026-00-31T13:00:00Z",
    "2026-13-31T13:00:00Z",
    "2026-01-00T13:00:00Z",
    "2026-01-32T13:00:00Z",
    "2026-04-31T13:00:00Z",
    "2026-02-29T13:00:00Z",
    "1900-02-29T13:00:00Z",
    "2100-02-29T13:00:00Z",
    "2024-02-30T13:00:00Z",
    "1677-12-31T23:59:59Z",
    "2262-01-01T00:00:00Z",
    "2261-12-31T23:59:59-00:01",
    "1678-01-01T00:00:00+00:01",
    "20260-01-31T13:00:00Z",
    "+2026-01-31T13:00:00Z",
    "-2026-01-31T13:00:00Z",
    "2026-01-31T13:00:00+24:00",
    "2026-01-31T13:00:00+02:60",
    "2026-01-31T13:00:00+0200",
    "2026-01-31T13:00:00+2:00",
    "2026-01-31T13:00:00ZZ",
    "2026-01-31T13:00:00Z ",
    " 2026-01-31T13:00:00Z",
    "2026-01-31T13:00:00Z+00:00",
    "2026-01-31T13:00:00GMT",
    "2026-01-31  13:00:00Z",
    "2026-01-31X13:00:00Z",
    "2026/01/31T13:00:00Z",
    "2026-01-31T1:00:00Z",
    "2026-01-31T13:0:00Z",
    "2026-01-31T13:00:0Z",
    "2026-01-31T13:00:Z",
    "2026-01-31T13-00-00Z",
    "2026-01-31Z",
    "2026-001-31",
    "2026-01-031",
};

static void refuses_other_forms(void **state)
{
    (void)state;
    int64_t ns = 5;
    for (size_t i = 0; i < COUNT_OF(bad_everywhere); i++) {
        struct text text = text_of(bad_everywhere[i]);
        if (instant_parse(text, &ns) != ERROR_INVALID_PROPERTY ||
            instant_parse_lenient(text, &ns) != ERROR_INVALID_PROPERTY)
            fail_msg("\"%s\" is accepted", bad_everywhere[i]);
    }
    /* years that only the lenient reader takes, as the first or last it can tell */
    assert_true(instant_parse(TEXT("0000-01-01T00:00:00Z"), &ns) == ERROR_INVALID_PROPERTY);
    assert_true(instant_parse(TEXT("9999-12-31T23:59:59Z"), &ns) == ERROR_INVALID_PROPERTY);
    assert_true(instant_parse(TEXT_NONE, &ns) == ERROR_INVALID_PROPERTY);
    assert_true(ns == 5);
}

/* wire-contracts.md 1.6, and what only the lenient reader takes. */
static void reads_what_clients_send(void **state)
{
    (void)state;
    const int64_t dec_10 = strict("2019-12-10T19:00:00Z");
    static const char *const spellings[] = {
        "2019-12-10T19:00:00.000Z",
        "2019-12-10T19:00:00Z",
        "2019-12-10T19:00:00.0000000+00:00",
        "2019-12-10T19:00:00.0000000 00:00",
        "2019-12-10T19:00:00+00:00Z",
        "2019-12-10T19:00:00 00:00Z",
        "2019-12-10 19:00:00",
        "2019-12-10 19:00",
        "2019-12-10T19:00",
        "2019-12-10T19:00Z",
        "2019-12-10T19:00:00",
        "2019-12-10T19:00:00.00Z",
        "2019-12-10T21:00:00+02:00",
        "2019-12-10T21:00:00 02:00",
        "2019-12-10 21:00 02:00",
        "2019-12-10T17:00:00-02:00",
        "2019-12-10T17:00:00-02:00Z",
        "2019-12-10t19:00:00z",
    };
    for (size_t i = 0; i < COUNT_OF(spellings); i++) {
        if (lenient(spellings[i]) != dec_10)
            fail_msg("\"%s\" is another instant", spellings[i]);
    }
    assert_true(lenient("2015-06-16T18:53:11+00:00Z") == strict("2015-06-16T18:53:11Z"));
    assert_true(lenient("0001-01-01T05:00:00") == strict("1678-01-02T05:00:00Z"));
    assert_true(lenient("9999-12-31") == strict("2261-12-30T00:00:00Z"));
    assert_true(lenient("2017-11-29") == strict("2017-11-29T00:00:00Z"));
    assert_true(lenient("2017-12-1") == strict("2017-12-01T00:00:00Z"));
    assert_true(lenient("2017-1-1") == strict("2017-01-01T00:00:00Z"));
    assert_true(lenient("2019-12-10T19:00:00.000123Z") == dec_10 + 123000);
    int64_t ns;
    static const char *const only_lenient[] = {
        "2017-11-29",          "2017-12-1T00:00:00Z",       "2019-12-10 19:00:00Z",      "2019-12-10T19:00Z",
        "2019-12-10T19:00:00", "2019-12-10T19:00:00 00:00", "2019-12-10T19:00:00+00:00Z"
    };
    for (size_t i = 0; i < COUNT_OF(only_lenient); i++)
        assert_int_equal(instant_parse(text_of(only_lenient[i]), &ns), ERROR_INVALID_PROPERTY);
}

static void reads_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = { { "P1D", NS_PER_DAY },
                 { "PT1H", NS_PER_HOUR },
                 { "PT90S", 90 * NS_PER_SECOND },
                 { "P1DT2H3M4S", NS_PER_DAY + 2 * NS_PER_HOUR + 3 * NS_PER_MINUTE + 4 * NS_PER_SECOND },
                 { "PT0S", 0 },
                 { "PT1H5S", NS_PER_HOUR + 5 * NS_PER_SECOND },
                 { "P106751D", 106751 * NS_PER_DAY } };
    static const char *const bad[] = { "",
                                       "P",
                                       "PT",
                                       "1D",
                                       "P1",
                                       "P1DT",
                                       "PT1",
                                       "PT1D",
                                       "P1H",
                                       "PT1S1H",
                                       "PT1H1H",
                                       "P-1D",
                                       "P+1D",
                                       "-P1D",
                                       "p1d",
                                       "P1W",
                                       "P1D ",
                                       "P1.5D",
                                       "P106752D",
                                       "PT99999999999999999999S",
                                       "PT9223372037S",
                                       "P106751DT86400S" };
    int64_t ns = 0;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_int_equal(instant_parse_duration(text_of(good[i].text), &ns), ERROR_OK);
        assert_true(ns == good[i].ns);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (instant_parse_duration(text_of(bad[i]), &ns) != ERROR_INVALID_PROPERTY)
            fail_msg("\"%s\" is accepted", bad[i]);
    }
}

static void prints(void **state)
{
    (void)state;
    static const struct {
        int64_t ns;
        const char *text;
        const char *http;
    } cases[] = {
        { JAN_31, "2026-01-31T13:00:00", "Sat, 31 Jan 2026 13:00:00 GMT" },
        { JAN_31 + 120000000, "2026-01-31T13:00:00.120", "Sat, 31 Jan 2026 13:00:00 GMT" },
        { JAN_31 + 123456000, "2026-01-31T13:00:00.123456", "Sat, 31 Jan 2026 13:00:00 GMT" },
        { JAN_31 + 123456700, "2026-01-31T13:00:00.123456700", "Sat, 31 Jan 2026 13:00:00 GMT" },
        { 0, "1970-01-01T00:00:00", "Thu, 01 Jan 1970 00:00:00 GMT" },
        { -1, "1969-12-31T23:59:59.999999999", "Wed, 31 Dec 1969 23:59:59 GMT" },
        { INT64_C(784111777) * NS_PER_SECOND, "1994-11-06T08:49:37", "Sun, 06 Nov 1994 08:49:37 GMT" },
        { INT64_MIN, "1677-09-21T00:12:43.145224192", "Tue, 21 Sep 1677 00:12:43 GMT" },
        { INT64_MAX, "2262-04-11T23:47:16.854775807", "Fri, 11 Apr 2262 23:47:16 GMT" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char out[INSTANT_TEXT_SIZE];
        char wanted[INSTANT_TEXT_SIZE];
        (void)snprintf(wanted, sizeof wanted, "%sZ", cases[i].text);
        assert_int_equal(instant_print(cases[i].ns, out), strlen(wanted));
        assert_string_equal(out, wanted);
        (void)snprintf(wanted, sizeof wanted, "%s+00:00", cases[i].text);
        assert_int_equal(instant_print_offset(cases[i].ns, out), strlen(wanted));
        assert_string_equal(out, wanted);
        assert_int_equal(instant_print_http(cases[i].ns, out), strlen(cases[i].http));
        assert_string_equal(out, cases[i].http);
    }
}

/* Counts 1200 years day by day with the rule of the leap year alone. */
static void counts_days(void **state)
{
    (void)state;
    static const unsigned lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    struct civil_date date = { 1500, 1, 1 };
    int64_t day = days_from_civil(date);
    for (; date.year < 2700; day++) {
        struct civil_date found = civil_from_days(day);
        if (found.year != date.year || found.month != date.month || found.day != date.day ||
            days_from_civil(date) != day)
            fail_msg("day %lld is %d-%u-%u, should be %d-%u-%u", (long long)day, found.year, found.month, found.day,
                     date.year, date.month, date.day);
        bool leap = date.year % 4 == 0 && (date.year % 100 != 0 || date.year % 400 == 0);
        if (++date.day > lengths[date.month - 1] + (date.month == 2 && leap)) {
            date.day = 1;
            if (++date.month > 12) {
                date.month = 1;
                date.year++;
            }
        }
    }
    assert_true(days_from_civil((struct civil_date){ 1970, 1, 1 }) == 0);
    assert_true(days_from_civil((struct civil_date){ -1, 12, 31 }) + 1 ==
                days_from_civil((struct civil_date){ 0, 1, 1 }));
    assert_int_equal(civil_from_days(days_from_civil((struct civil_date){ -401, 2, 28 })).year, -401);
}

static void floors(void **state)
{
    (void)state;
    assert_true(instant_hour(0) == 0);
    assert_true(instant_hour(NS_PER_HOUR - 1) == 0);
    assert_true(instant_hour(NS_PER_HOUR) == 1);
    assert_true(instant_hour(-1) == -1);
    assert_true(instant_hour(-NS_PER_HOUR) == -1);
    assert_true(instant_hour(-NS_PER_HOUR - 1) == -2);
    assert_true(instant_day(-1) == -1);
    assert_true(instant_day(-NS_PER_DAY) == -1);
    assert_true(instant_day(NS_PER_DAY) == 1);
    assert_true(hour_start_ns(instant_hour(JAN_31 + 5)) == JAN_31);
    assert_true(day_start_ns(instant_day(JAN_31)) == JAN_31 - 13 * NS_PER_HOUR);
}

static void reads_back_what_it_prints(void **state)
{
    (void)state;
    struct prng prng = test_prng("test_instant");
    static const int64_t steps[] = { 1, 1000, NS_PER_MS, NS_PER_SECOND, NS_PER_HOUR };
    for (int i = 0; i < 200000; i++) {
        int64_t step = steps[prng_below(&prng, COUNT_OF(steps))];
        uint64_t range = UINT64_C(18429206400) * (uint64_t)NS_PER_SECOND / (uint64_t)step;
        int64_t ns =
            (int64_t)(prng_below(&prng, range) * (uint64_t)step - UINT64_C(9214560000) * (uint64_t)NS_PER_SECOND);
        char out[INSTANT_TEXT_SIZE];
        int64_t back;
        size_t len = instant_print(ns, out);
        assert_int_equal(instant_parse((struct text){ out, len }, &back), ERROR_OK);
        assert_true(back == ns);
        len = instant_print_offset(ns, out);
        assert_int_equal(instant_parse_lenient((struct text){ out, len }, &back), ERROR_OK);
        assert_true(back == ns);
        assert_true(hour_start_ns(instant_hour(ns)) <= ns && ns - hour_start_ns(instant_hour(ns)) < NS_PER_HOUR);
    }
}

TESTS(cmocka_unit_test(reads_the_strict_form), cmocka_unit_test(refuses_other_forms),
      cmocka_unit_test(reads_what_clients_send), cmocka_unit_test(reads_durations), cmocka_unit_test(prints),
      cmocka_unit_test(counts_days), cmocka_unit_test(floors), cmocka_unit_test(reads_back_what_it_prints))
