/* What the unit tests above src/base share, on top of what those of src/base have: cmocka, seeds, TESTS. */
#pragma once

#include "base/support.h"

#include "base/instant.h"

/* Longer runs of what is random: STAMPMETER_LONG=1. */
static inline bool test_is_long(void)
{
    const char *value = getenv("STAMPMETER_LONG");
    return value != NULL && strcmp(value, "1") == 0;
}

#define assert_ok(expression)                                                                                          \
    do {                                                                                                               \
        err_t assert_ok_error = (expression);                                                                          \
        if (assert_ok_error != ERROR_OK)                                                                               \
            fail_msg("%s: %s", #expression, error_wire_code(assert_ok_error));                                         \
    } while (0)

#define assert_error(expression, expected)                                                                             \
    do {                                                                                                               \
        err_t assert_error_error = (expression);                                                                       \
        if (assert_error_error != (expected))                                                                          \
            fail_msg("%s: %s, should be %s", #expression, error_wire_code(assert_error_error),                         \
                     error_wire_code(expected));                                                                       \
    } while (0)

/* The instant of an RFC 3339 text. */
static inline int64_t test_instant(const char *text)
{
    int64_t instant_ns;
    if (instant_parse(text_of(text), &instant_ns) != ERROR_OK)
        fail_msg("not a time: %s", text);
    return instant_ns;
}
