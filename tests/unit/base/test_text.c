/* Unit tests of base/text. */
#include "support.h"

static void compares(void **state)
{
    (void)state;
    assert_true(text_equal(TEXT_NONE, TEXT("")));
    assert_true(text_equal_nocase(TEXT("AbZ[1"), TEXT("aBz[1")));
    assert_false(text_equal_nocase(TEXT("["), TEXT("{"))); /* differ by the case bit only */
    assert_false(text_equal_nocase(TEXT("@"), TEXT("`")));
    assert_false(text_equal_nocase(TEXT("ab"), TEXT("abc")));
    assert_true(text_starts_with(TEXT("abc"), TEXT("ab")));
    assert_false(text_starts_with(TEXT("ab"), TEXT("abc")));
    assert_false(text_starts_with(TEXT("abc"), TEXT("AB")));
    assert_true(text_starts_with_nocase(TEXT("abc"), TEXT("AB")));
    assert_int_equal(text_compare(TEXT("a"), TEXT("a")), 0);
    assert_int_equal(text_compare(TEXT("a"), TEXT("ab")), -1);
    assert_int_equal(text_compare(TEXT("b"), TEXT("ab")), 1);
    assert_int_equal(text_compare(TEXT("\xFF"), TEXT("a")), 1); /* bytes are unsigned */
    assert_int_equal(text_compare(TEXT_NONE, TEXT_NONE), 0);
}

static void trims_and_cuts(void **state)
{
    (void)state;
    assert_text(text_trim(TEXT(" \t\r\n a b \n")), "a b");
    assert_text(text_trim(TEXT("  ")), "");
    struct text rest = TEXT("a,,b");
    struct text piece;
    assert_true(text_cut(&rest, ',', &piece));
    assert_text(piece, "a");
    assert_true(text_cut(&rest, ',', &piece));
    assert_text(piece, "");
    assert_true(text_cut(&rest, ',', &piece));
    assert_text(piece, "b");
    assert_null(rest.ptr);
    assert_false(text_cut(&rest, ',', &piece));
    rest = TEXT("a,");
    assert_true(text_cut(&rest, ',', &piece));
    assert_true(text_cut(&rest, ',', &piece));
    assert_text(piece, "");
    assert_false(text_cut(&rest, ',', &piece));
}

static void reads_numbers(void **state)
{
    (void)state;
    unsigned long long value = 7;
    assert_true(text_to_u64(TEXT("18446744073709551615"), &value));
    assert_true(value == UINT64_MAX);
    assert_true(text_to_u64(TEXT("007"), &value));
    assert_true(value == 7);
    static const char *const bad[] = {
        "", "18446744073709551616", "99999999999999999999", "-1", "+1", " 1", "1 ", "1a", "1:", "1/"
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(text_to_u64(text_of(bad[i]), &value));
    assert_true(value == 7);
}

static void measures_distance(void **state)
{
    (void)state;
    assert_int_equal(text_distance(TEXT("kitten"), TEXT("sitting"), 10), 3);
    assert_int_equal(text_distance(TEXT("listen"), TEXT("lisen"), 10), 1);
    assert_int_equal(text_distance(TEXT(""), TEXT("abc"), 10), 3);
    assert_int_equal(text_distance(TEXT("abc"), TEXT("xyz"), 2), 2);
    char longer[65];
    memset(longer, 'a', sizeof longer);
    assert_int_equal(text_distance((struct text){ longer, 65 }, TEXT("a"), 99), 99);
    assert_int_equal(text_distance((struct text){ longer, 64 }, TEXT("a"), 99), 63);
}

static void knows_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t step;
    } cases[] = {
        { "", 0 },
        { "a", 1 },
        { "\xC3\xA9", 2 },
        { "\xE2\x82\xAC", 3 },
        { "\xF0\x9F\x98\x80", 4 },
        { "\xF4\x8F\xBF\xBF", 4 },
        { "\xED\x9F\xBF", 3 },
        { "\xEE\x80\x80", 3 },
        { "\xC0\xAF", 0 },         /* over-long */
        { "\xC1\xBF", 0 },         /* over-long */
        { "\xE0\x9F\xBF", 0 },     /* over-long */
        { "\xF0\x8F\xBF\xBF", 0 }, /* over-long */
        { "\xED\xA0\x80", 0 },     /* surrogate */
        { "\xF4\x90\x80\x80", 0 }, /* above U+10FFFF */
        { "\xF5\x80\x80\x80", 0 },
        { "\x80", 0 },
        { "\xE2\x82", 0 }, /* cut off */
        { "\xE2\x82\x41", 0 },
        { "\xF0\x9F\x98\x41", 0 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct text t = text_of(cases[i].bytes);
        assert_int_equal(text_utf8_step(t), cases[i].step);
        assert_int_equal(text_is_utf8(t), t.len == 0 || cases[i].step != 0);
    }
    assert_true(text_is_utf8(TEXT("0123456789abcdef\xC3\xA9 and more text")));
    assert_false(text_is_utf8(TEXT("0123456789abcdef01234567\xC3")));
    assert_false(text_is_utf8(TEXT("\xA9"
                                   "23456789abcdef")));
}

TESTS(cmocka_unit_test(compares), cmocka_unit_test(trims_and_cuts), cmocka_unit_test(reads_numbers),
      cmocka_unit_test(measures_distance), cmocka_unit_test(knows_utf8))
