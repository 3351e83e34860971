/* The heap seam. The countdown is per thread so that a test never starves another thread (the test
 * runner, the sanitizer's helpers); in production it stays 0 and costs one predictable branch. */
#include "base/memory.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/check.h"

static _Thread_local unsigned long fail_countdown; /* 0: off; 1: the next and all later fail */
static _Thread_local bool fail_seen;

static bool must_fail(void)
{
    if (__builtin_expect(fail_countdown == 0, 1))
        return false;
    if (fail_countdown > 1) {
        fail_countdown--;
        return false;
    }
    fail_seen = true;
    return true;
}

bool memory_fail_from(unsigned long n)
{
    bool seen = fail_seen;
    fail_seen = false;
    fail_countdown = n;
    return seen;
}

void *memory_alloc(size_t size_bytes)
{
    return must_fail() ? NULL : malloc(size_bytes != 0 ? size_bytes : 1);
}

void *memory_zalloc(size_t count, size_t item_size_bytes)
{
    if (count == 0 || item_size_bytes == 0)
        count = item_size_bytes = 1;
    return must_fail() ? NULL : calloc(count, item_size_bytes);
}

void *memory_realloc(void *memory, size_t size_bytes)
{
    REQUIRE(size_bytes > 0);
    return must_fail() ? NULL : realloc(memory, size_bytes);
}

void memory_free(void *memory)
{
    free(memory);
}
