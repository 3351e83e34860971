/* What the unit tests of src/base share: cmocka with the headers it wants first, a seed that can be
 * replayed, and a way to see a check abort. */
#pragma once

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/crypto.h"
#include "base/error.h"
#include "base/text.h"

#define TESTS(...)                                                                                                     \
    int main(void)                                                                                                     \
    {                                                                                                                  \
        const struct CMUnitTest tests[] = { __VA_ARGS__ };                                                             \
        return cmocka_run_group_tests(tests, NULL, NULL);                                                              \
    }

static inline void assert_text(struct text actual, const char *expected)
{
    if (!text_equal(actual, text_of(expected)))
        fail_msg("is \"%.*s\", should be \"%s\"", TEXT_ARGS(actual), expected);
}

/* Random operations of a property test: the seed is drawn anew for each run unless STAMPMETER_SEED is
 * set, and printed as the line that runs the same once more. */
static inline struct prng test_prng(const char *program)
{
    const char *given = getenv("STAMPMETER_SEED");
    unsigned long long seed;
    struct prng prng;
    if (given == NULL || !text_to_u64(text_of(given), &seed))
        random_bytes(&seed, sizeof seed);
    (void)fprintf(stderr, "# replay: STAMPMETER_SEED=%llu %s\n", seed, program);
    prng_seed(&prng, seed);
    return prng;
}

/* Runs function(context) in a child process; true when that aborts, as REQUIRE does. */
static inline bool aborts(void (*function)(void *context), void *context)
{
    pid_t child = fork();
    if (child == 0) {
        const struct rlimit no_core = { 0, 0 };
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)!freopen("/dev/null", "w", stderr);
        (void)signal(SIGABRT, SIG_DFL);
        function(context);
        _exit(0);
    }
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}
