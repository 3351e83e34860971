/* Unit tests of base/decimal: against vectors computed by Python (decimal_vectors.py), and against laws
 * of arithmetic at random values. */
#include "support.h"

#include "base/decimal.h"
#include "decimal_vectors.h"

static struct decimal decimal_of(const char *text)
{
    struct decimal value;
    if (decimal_parse(text_of(text), &value) != ERROR_OK)
        fail_msg("\"%s\" is refused", text);
    return value;
}

static void assert_prints(const struct decimal *value, const char *expected)
{
    char out[DECIMAL_TEXT_SIZE];
    assert_int_equal(decimal_print(value, out), strlen(out));
    assert_string_equal(out, expected);
}

/* The text stands at the end of a heap block, so that the sanitizer sees any byte read too far. */
static void reads_and_prints(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(parse_vectors); i++) {
        size_t len = parse_vectors[i].len;
        char *copy = malloc(len + 1);
        struct decimal value = { { 1, 2, 3 } };
        memcpy(copy + 1, parse_vectors[i].text, len);
        err_t error = decimal_parse((struct text){ copy + 1, len }, &value);
        free(copy);
        if (error != parse_vectors[i].error)
            fail_msg("\"%s\": error %d, should be %d", parse_vectors[i].text, (int)error, (int)parse_vectors[i].error);
        if (error == ERROR_OK)
            assert_prints(&value, parse_vectors[i].printed);
        else
            assert_true(value.words[0] == 1 && value.words[1] == 2 && value.words[2] == 3);
    }
    struct decimal value;
    assert_int_equal(decimal_parse(TEXT_NONE, &value), ERROR_INVALID_PROPERTY);
}

static void bounds_its_work(void **state)
{
    (void)state;
    size_t size = (size_t)4 << 20;
    char *text = malloc(size);
    struct decimal value;
    memset(text, '7', size);
    assert_int_equal(decimal_parse((struct text){ text, size }, &value), ERROR_QUANTITY_OUT_OF_RANGE);
    memset(text + 1, '0', size - 1);
    text[1] = '.';
    assert_int_equal(decimal_parse((struct text){ text, size }, &value), ERROR_OK);
    assert_prints(&value, "7");
    text[1] = 'e';
    assert_int_equal(decimal_parse((struct text){ text, size }, &value), ERROR_OK);
    assert_prints(&value, "7");
    memset(text + 2, '9', size - 2);
    assert_int_equal(decimal_parse((struct text){ text, size }, &value), ERROR_QUANTITY_OUT_OF_RANGE);
    text[0] = '0';
    assert_int_equal(decimal_parse((struct text){ text, size }, &value), ERROR_OK);
    assert_true(decimal_is_zero(&value));
    free(text);
}

static void shares(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(share_vectors); i++) {
        struct decimal value = decimal_of(share_vectors[i].value);
        struct decimal share = decimal_share(&value, share_vectors[i].numerator, share_vectors[i].denominator);
        assert_prints(&share, share_vectors[i].share);
    }
    struct decimal one = decimal_from_i64(1);
    struct decimal third = decimal_share(&one, 1, 3);
    assert_prints(&third, "0.333333333333333333333333333333");
}

static void adds_and_compares(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(pair_vectors); i++) {
        struct decimal a = decimal_of(pair_vectors[i].a);
        struct decimal b = decimal_of(pair_vectors[i].b);
        struct decimal result;
        assert_true(decimal_add(&a, &b, &result));
        assert_prints(&result, pair_vectors[i].sum);
        assert_true(decimal_subtract(&a, &b, &result));
        assert_prints(&result, pair_vectors[i].difference);
        assert_int_equal(decimal_compare(&a, &b), pair_vectors[i].order);
        uint8_t a_bytes[DECIMAL_ENCODED_SIZE];
        uint8_t b_bytes[DECIMAL_ENCODED_SIZE];
        decimal_encode(&a, a_bytes);
        decimal_encode(&b, b_bytes);
        int order = memcmp(a_bytes, b_bytes, sizeof a_bytes);
        assert_int_equal((order > 0) - (order < 0), pair_vectors[i].order);
        struct decimal back = decimal_decode(a_bytes);
        assert_int_equal(decimal_compare(&a, &back), 0);
        assert_true(decimal_add(&a, &b, &a)); /* the result may be an addend */
        assert_prints(&a, pair_vectors[i].sum);
    }
}

static void refuses_to_overflow(void **state)
{
    (void)state;
    struct decimal most = { { UINT64_MAX, UINT64_MAX, INT64_MAX } };
    struct decimal least = { { 0, 0, UINT64_C(1) << 63 } };
    struct decimal unit = { { 1, 0, 0 } };
    struct decimal minus_unit = decimal_negate(&unit);
    struct decimal result = { { 5, 5, 5 } };
    assert_prints(&most, "3138550867693340381917894711.603833208051177722232017256447");
    assert_prints(&least, "-3138550867693340381917894711.603833208051177722232017256448");
    assert_false(decimal_add(&most, &unit, &result));
    assert_false(decimal_add(&least, &minus_unit, &result));
    assert_false(decimal_subtract(&least, &unit, &result));
    assert_false(decimal_subtract(&most, &minus_unit, &result));
    assert_false(decimal_subtract(&unit, &least, &result));
    assert_false(decimal_add(&most, &most, &result));
    assert_true(result.words[0] == 5 && result.words[1] == 5 && result.words[2] == 5);
    assert_true(decimal_add(&most, &least, &result));
    assert_prints(&result, "-0.000000000000000000000000000001");
    assert_true(decimal_subtract(&minus_unit, &least, &result));
    assert_int_equal(decimal_compare(&result, &most), 0);
}

static void converts(void **state)
{
    (void)state;
    struct decimal value = decimal_from_i64(INT64_MIN);
    assert_prints(&value, "-9223372036854775808");
    value = decimal_from_i64(INT64_MAX);
    assert_prints(&value, "9223372036854775807");
    value = decimal_from_i64(0);
    assert_true(decimal_is_zero(&value));
    assert_false(decimal_is_negative(&value));
    value = decimal_negate(&value);
    assert_true(decimal_is_zero(&value));
    value = decimal_of("-0");
    assert_true(decimal_is_zero(&value));
    assert_false(decimal_is_negative(&value));
    value = decimal_of("-1e-30");
    assert_true(decimal_is_negative(&value));
    assert_false(decimal_is_zero(&value));
}

static void sums(void **state)
{
    (void)state;
    struct decimal most = decimal_of("999999999999999999999999999.999999999999999999999999999999");
    struct decimal minus = decimal_negate(&most);
    struct decimal_sum sum = { { 0 } };
    struct decimal_sum other = { { 0 } };
    struct decimal back;
    char out[DECIMAL_TEXT_SIZE];
    for (int i = 0; i < 1000; i++)
        decimal_sum_add(&sum, &most);
    assert_int_equal(decimal_sum_print(&sum, out), 58);
    assert_string_equal(out, "999999999999999999999999999999.999999999999999999999999999");
    assert_false(decimal_sum_to_decimal(&sum, &back));
    assert_int_equal(decimal_sum_compare(&sum, &other), 1);
    for (int i = 0; i < 1001; i++)
        decimal_sum_add(&other, &minus);
    decimal_sum_add_sum(&other, &sum);
    assert_true(decimal_sum_to_decimal(&other, &back));
    assert_int_equal(decimal_compare(&back, &minus), 0);
    assert_int_equal(decimal_sum_compare(&other, &sum), -1);
    assert_int_equal(decimal_sum_compare(&other, &other), 0);
    struct decimal_sum largest = { { UINT64_MAX, UINT64_MAX, UINT64_MAX, INT64_MAX } };
    struct decimal_sum smallest = { { 0, 0, 0, UINT64_C(1) << 63 } };
    assert_true(decimal_sum_print(&smallest, out) < DECIMAL_TEXT_SIZE);
    assert_string_equal(out, "-57896044618658097711785492504343953926634992332.820282019728792003956564819968");
    (void)decimal_sum_print(&largest, out);
    assert_string_equal(out, "57896044618658097711785492504343953926634992332.820282019728792003956564819967");
    struct decimal_sum edge = { { 0, 0, UINT64_C(1) << 63, 0 } };
    assert_false(decimal_sum_to_decimal(&edge, &back));
    edge.words[3] = UINT64_MAX;
    assert_true(decimal_sum_to_decimal(&edge, &back));
}

static void shares_a_negative(void *context)
{
    struct decimal value = decimal_from_i64(-1);
    (void)decimal_share(&value, 1, *(uint64_t *)context);
}

static void shares_more_than_all(void *context)
{
    struct decimal value = decimal_from_i64(1);
    (void)decimal_share(&value, 3, *(uint64_t *)context);
}

static void refuses_misuse(void **state)
{
    (void)state;
    uint64_t denominator = 2;
    assert_true(aborts(shares_a_negative, &denominator));
    assert_true(aborts(shares_more_than_all, &denominator));
    denominator = 0;
    assert_true(aborts(shares_more_than_all, &denominator));
}

static struct decimal random_decimal(struct prng *prng)
{
    struct decimal value = { { prng_next(prng), prng_next(prng), prng_next(prng) >> 3 } };
    size_t words = (size_t)prng_below(prng, 4);
    for (size_t i = 3; i > words; i--)
        value.words[i - 1] = 0;
    if (words > 0)
        value.words[words - 1] >>= prng_below(prng, 64);
    return prng_below(prng, 2) == 0 ? value : decimal_negate(&value);
}

static bool same(struct decimal a, struct decimal b)
{
    return decimal_compare(&a, &b) == 0;
}

static void keeps_the_laws(void **state)
{
    (void)state;
    struct prng prng = test_prng("test_decimal");
    for (int i = 0; i < 50000; i++) {
        struct decimal a = random_decimal(&prng);
        struct decimal b = random_decimal(&prng);
        struct decimal result;
        char out[DECIMAL_TEXT_SIZE];
        size_t len = decimal_print(&a, out);
        size_t integers = strcspn(out, ".") - (out[0] == '-');
        err_t error = decimal_parse((struct text){ out, len }, &result);
        assert_int_equal(error, integers <= 27 ? ERROR_OK : ERROR_QUANTITY_OUT_OF_RANGE);
        assert_true(error != ERROR_OK || same(result, a));
        assert_true(decimal_add(&a, &b, &result));
        assert_true(decimal_subtract(&result, &b, &result));
        assert_true(same(result, a));
        struct decimal negated = decimal_negate(&a);
        assert_int_equal(decimal_compare(&negated, &b), -decimal_compare(&a, (struct decimal[]){ decimal_negate(&b) }));
        uint8_t bytes[DECIMAL_ENCODED_SIZE];
        decimal_encode(&a, bytes);
        assert_true(same(decimal_decode(bytes), a));
        struct decimal_sum sum = { { 0 } };
        decimal_sum_add(&sum, &a);
        assert_true(decimal_sum_to_decimal(&sum, &result) && same(result, a));
    }
}

/* The parts of an interval, each rounded down, are never more than the whole, and less by under a unit
 * each. */
static void shares_add_up(void **state)
{
    (void)state;
    struct prng prng = test_prng("test_decimal");
    for (int i = 0; i < 5000; i++) {
        struct decimal value = random_decimal(&prng);
        if (decimal_is_negative(&value))
            value = decimal_negate(&value);
        uint64_t whole = 1 + prng_below(&prng, prng_below(&prng, 2) == 0 ? 1000 : UINT64_MAX);
        uint64_t left = whole;
        struct decimal rest = value;
        uint64_t parts = 0;
        for (; left > 0 && parts < 50; parts++) {
            uint64_t part = parts == 49 ? left : 1 + prng_below(&prng, left);
            struct decimal share = decimal_share(&value, part, whole);
            assert_true(decimal_subtract(&rest, &share, &rest));
            left -= part;
        }
        assert_false(decimal_is_negative(&rest));
        assert_true(rest.words[2] == 0 && rest.words[1] == 0 && rest.words[0] < parts);
    }
}

TESTS(cmocka_unit_test(reads_and_prints), cmocka_unit_test(bounds_its_work), cmocka_unit_test(shares),
      cmocka_unit_test(adds_and_compares), cmocka_unit_test(refuses_to_overflow), cmocka_unit_test(converts),
      cmocka_unit_test(sums), cmocka_unit_test(refuses_misuse), cmocka_unit_test(keeps_the_laws),
      cmocka_unit_test(shares_add_up))
