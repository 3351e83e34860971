/* memset, memcmp and bcmp as the program is linked with them, against loops over single bytes, at every size and
 * alignment that takes another way through them. */
#include "support.h"

#include <strings.h>

#define SIZE_MAX_TRIED 200
#define GUARD 16

/* Called through pointers, so that the compiler does not put its own code in their place. */
static void *(*volatile set)(void *, int, size_t) = memset;
static int (*volatile compare)(const void *, const void *, size_t) = memcmp;
static int (*volatile differ)(const void *, const void *, size_t) = bcmp;

static void memset_sets_just_that(void **state)
{
    (void)state;
    unsigned char bytes[SIZE_MAX_TRIED + 3 * GUARD];
    for (size_t size = 0; size <= SIZE_MAX_TRIED; size++) {
        for (size_t start = GUARD; start < 2 * GUARD; start++) {
            for (size_t i = 0; i < sizeof bytes; i++)
                bytes[i] = 0x55;
            assert_ptr_equal(set(bytes + start, 0x1A7, size), bytes + start); /* the low byte counts */
            for (size_t i = 0; i < sizeof bytes; i++)
                assert_int_equal(bytes[i], i >= start && i < start + size ? 0xA7 : 0x55);
        }
    }
}

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

static int order_by_bytes(const unsigned char *a, const unsigned char *b, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return 0;
}

/* Two differences, so that the first one must win; bytes on both sides of 0x80, which compare unsigned. */
static void memcmp_orders_by_the_first_difference(void **state)
{
    (void)state;
    struct prng prng = test_prng("test_bytes");
    for (size_t size = 0; size <= SIZE_MAX_TRIED; size++) {
        for (int round = 0; round < 60; round++) {
            unsigned char a[SIZE_MAX_TRIED + GUARD], b[SIZE_MAX_TRIED + GUARD];
            size_t a_start = (size_t)prng_below(&prng, GUARD), b_start = (size_t)prng_below(&prng, GUARD);
            for (size_t i = 0; i < sizeof a; i++) {
                a[i] = (unsigned char)prng_next(&prng); /* what lies outside differs, too */
                b[i] = (unsigned char)prng_next(&prng);
            }
            for (size_t i = 0; i < size; i++)
                b[b_start + i] = a[a_start + i];
            for (int change = round % 3; change > 0 && size > 0; change--)
                b[b_start + prng_below(&prng, size)] = (unsigned char)prng_next(&prng);
            int expected = order_by_bytes(a + a_start, b + b_start, size);
            assert_int_equal(sign(compare(a + a_start, b + b_start, size)), expected);
            assert_int_equal(differ(a + a_start, b + b_start, size) != 0, expected != 0);
        }
    }
}

TESTS(cmocka_unit_test(memset_sets_just_that), cmocka_unit_test(memcmp_orders_by_the_first_difference))
