/* Unit tests of base/checksum: values that files rely on, and that small damage never goes unnoticed. */
#include "support.h"

#include "base/checksum.h"
#include "base/crypto.h"

#define SIZE_MAX_TRIED 100

/* Values lie in files: these may never change. */
static void values_stay_as_they_are(void **state)
{
    (void)state;
    uint8_t bytes[SIZE_MAX_TRIED];
    for (uint8_t i = 0; i < sizeof bytes; i++)
        bytes[i] = i;
    assert_true(checksum64(0, "", 0) == UINT64_C(0xC1D7C727D5C2694A));
    assert_true(checksum64(1, bytes, 7) == UINT64_C(0x1520C1CA5FB879A7));
    assert_true(checksum64(2, bytes, sizeof bytes) == UINT64_C(0xDC5A863479638ABB));
}

static void every_flipped_bit_is_noticed(void **state)
{
    (void)state;
    uint8_t bytes[SIZE_MAX_TRIED] = { 0 };
    for (size_t size = 1; size <= sizeof bytes; size++) {
        uint64_t sum = checksum64(7, bytes, size);
        for (size_t bit = 0; bit < 8 * size; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_true(checksum64(7, bytes, size) != sum);
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
}

static void two_flipped_bits_are_noticed(void **state)
{
    (void)state;
    struct prng prng = test_prng("unit-base-checksum");
    uint8_t bytes[SIZE_MAX_TRIED];
    for (int i = 0; i < 20000; i++) {
        for (size_t b = 0; b < sizeof bytes; b++)
            bytes[b] = (uint8_t)prng_next(&prng);
        uint64_t sum = checksum64(7, bytes, sizeof bytes);
        uint64_t first = prng_below(&prng, 8 * sizeof bytes), second = prng_below(&prng, 8 * sizeof bytes);
        if (first == second)
            continue;
        bytes[first / 8] ^= (uint8_t)(1u << first % 8);
        bytes[second / 8] ^= (uint8_t)(1u << second % 8);
        assert_true(checksum64(7, bytes, sizeof bytes) != sum);
    }
}

static void size_and_seed_count(void **state)
{
    (void)state;
    static const uint8_t zeros[SIZE_MAX_TRIED];
    uint64_t before = checksum64(0, zeros, 0);
    for (size_t size = 1; size <= sizeof zeros; size++) {
        uint64_t sum = checksum64(0, zeros, size);
        assert_true(sum != before);
        assert_true(sum != checksum64(1, zeros, size));
        before = sum;
    }
    /* ("a", "bc") is not ("ab", "c") */
    assert_true(checksum64(checksum64(0, "a", 1), "bc", 2) != checksum64(checksum64(0, "ab", 2), "c", 1));
}

TESTS(cmocka_unit_test(values_stay_as_they_are), cmocka_unit_test(every_flipped_bit_is_noticed),
      cmocka_unit_test(two_flipped_bits_are_noticed), cmocka_unit_test(size_and_seed_count))
