/* Programmer errors: a broken invariant aborts with the state printed, in every build.
 * Plain assert is banned (it vanishes in release builds); outside input never reaches a REQUIRE. */
#pragma once

#include "base/attributes.h"

/* Prints 'file:line: function: expression' and the formatted state to stderr, then aborts. Any thread. */
NORETURN COLD void check_failed(const char *file, int line, const char *function, const char *expression,
                                const char *format, ...) PRINTF_LIKE(5, 6);

#define REQUIRE(expression)                                                                                            \
    do {                                                                                                               \
        if (__builtin_expect(!(expression), 0))                                                                        \
            check_failed(__FILE__, __LINE__, __func__, #expression, " ");                                              \
    } while (0)

/* As REQUIRE, with the state that explains the breach: REQUIREF(a <= b, "a=%zu b=%zu", a, b). */
#define REQUIREF(expression, ...)                                                                                      \
    do {                                                                                                               \
        if (__builtin_expect(!(expression), 0))                                                                        \
            check_failed(__FILE__, __LINE__, __func__, #expression, __VA_ARGS__);                                      \
    } while (0)
