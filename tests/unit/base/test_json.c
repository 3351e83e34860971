/* Unit tests of base/json: the reader, duplicates, canonical and minified text. */
#include "support.h"

#include "base/json.h"
#include "base/memory.h"

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(1024, 0);
    return arena == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static const struct json *parse_text(struct text text)
{
    const struct json *value = NULL;
    struct error_info info = { 0 };
    if (json_parse(arena, text, &value, &info) != ERROR_OK)
        fail_msg("\"%.*s\": %s", TEXT_ARGS(text), info.message);
    return value;
}

static const struct json *parse(const char *text)
{
    return parse_text(text_of(text));
}

static void reads_values(void **state)
{
    (void)state;
    assert_int_equal(json_type(parse("null")), JSON_NULL);
    assert_int_equal(json_type(parse("true")), JSON_TRUE);
    assert_int_equal(json_type(parse("false")), JSON_FALSE);
    assert_int_equal(json_type(parse(" 1 ")), JSON_NUMBER);
    assert_text(json_string(parse("\"\"")), "");
    assert_int_equal(json_count(parse("[]")), 0);
    assert_int_equal(json_count(parse("{}")), 0);
    const struct json *root = parse("{\"a\":\"x\",\"b\":[1,{\"c\":null}],\"\":-1.50E+3,\"a\":2}");
    assert_int_equal(json_type(root), JSON_OBJECT);
    assert_int_equal(json_count(root), 4);
    struct text text;
    assert_true(json_member_string(root, TEXT("a"), &text));
    assert_text(text, "x");
    assert_false(json_member_string(root, TEXT("b"), &text));
    assert_false(json_member_string(root, TEXT("zz"), &text));
    assert_text(json_number(json_member(root, TEXT(""))), "-1.50E+3");
    assert_null(json_member(root, TEXT("zz")));
    assert_null(json_member(NULL, TEXT("a")));
    const struct json *list = json_member(root, TEXT("b"));
    assert_null(json_member(list, TEXT("c")));
    struct json_iterator i = json_iterate(list);
    assert_true(json_next(&i));
    assert_text(json_number(i.value), "1");
    assert_true(json_next(&i));
    assert_int_equal(json_type(json_member(i.value, TEXT("c"))), JSON_NULL);
    assert_false(json_next(&i));
    i = json_iterate(root);
    size_t count = 0;
    while (json_next(&i))
        count++;
    assert_int_equal(count, 4);
    assert_text(i.name, "a");
    assert_text(json_number(i.value), "2");
    i = json_iterate(parse("5"));
    assert_false(json_next(&i));
}

static void reads_strings(void **state)
{
    (void)state;
    struct text text = json_string(parse("\"a\\u0000b\\n\\u00e9\\ud83d\\ude00\\/\\\"\""));
    assert_int_equal(text.len, 12);
    assert_memory_equal(text.ptr, "a\0b\n\xC3\xA9\xF0\x9F\x98\x80/\"", 12);
    const struct json *root = parse("{\"a\\u0000b\":1,\"a\":2}");
    assert_text(json_number(json_member(root, (struct text){ "a\0b", 3 })), "1");
    assert_text(json_number(json_member(root, TEXT("a"))), "2");
}

static void keeps_numbers_as_written(void **state)
{
    (void)state;
    static const char *const numbers[] = { "0",
                                           "-0",
                                           "0.10",
                                           "1e5",
                                           "1E-7",
                                           "1.5e+3",
                                           "123456789012345678901234567890.123456789012345678901234567890",
                                           "1e999999999999999999999",
                                           "-1.0E00" };
    static const char *const bad[] = { "01",       "+1",        ".5",  "1.",  "1e",  "-",   "NaN",
                                       "Infinity", "-Infinity", "0x1", "1e+", "--1", "1.e1" };
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        assert_text(json_number(parse(numbers[i])), numbers[i]);
        struct text in_list = arena_format(arena, "[%s,%s]", numbers[i], numbers[i]);
        struct json_iterator it = json_iterate(parse_text(in_list));
        while (json_next(&it))
            assert_text(json_number(it.value), numbers[i]);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        const struct json *value;
        struct text in_list = arena_format(arena, "[%s]", bad[i]);
        assert_int_equal(json_parse(arena, text_of(bad[i]), &value, NULL), ERROR_INVALID_REQUEST_CONTENT);
        assert_int_equal(json_parse(arena, in_list, &value, NULL), ERROR_INVALID_REQUEST_CONTENT);
    }
}

static void refuses_what_is_not_json(void **state)
{
    (void)state;
    static const char *const bad[] = { "",
                                       " ",
                                       "[1,]",
                                       "[,1]",
                                       "[1 2]",
                                       "{\"a\":1,}",
                                       "{a:1}",
                                       "{\"a\"}",
                                       "{\"a\":}",
                                       "{1:2}",
                                       "[1",
                                       "]",
                                       "{",
                                       "\"a",
                                       "'a'",
                                       "tru",
                                       "nul",
                                       "True",
                                       "1 2",
                                       "{} x",
                                       "// c\n1",
                                       "[1/*c*/]",
                                       "\"\\x\"",
                                       "\"\\u12\"",
                                       "\"\\ud800\"",
                                       "\"\\udc00\"",
                                       "\"\\ud800\\u0041\"",
                                       "\"\xFF\"",
                                       "\"\xC0\xAF\"",
                                       "\"\xED\xA0\x80\"",
                                       "\"\n\"",
                                       "\"\t\"",
                                       "\xEF\xBB\xBF{}",
                                       "\"a\" \"b\"",
                                       "{\"\xFF\":1}",
                                       "[1}",
                                       "\x0C1" };
    const struct json *value = NULL;
    struct error_info info;
    size_t before = arena_size_bytes(arena);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        info = (struct error_info){ 0 };
        if (json_parse(arena, text_of(bad[i]), &value, &info) != ERROR_INVALID_REQUEST_CONTENT)
            fail_msg("\"%s\" is accepted", bad[i]);
        assert_int_equal(info.code, ERROR_INVALID_REQUEST_CONTENT);
        assert_true(strlen(info.message) > 10);
    }
    assert_null(value);
    assert_int_equal(json_parse(arena, (struct text){ "\"a\0b\"", 5 }, &value, NULL), ERROR_INVALID_REQUEST_CONTENT);
    assert_int_equal(json_parse(arena, (struct text){ "1\0", 2 }, &value, NULL), ERROR_INVALID_REQUEST_CONTENT);
    assert_int_equal(json_parse(arena, TEXT_NONE, &value, NULL), ERROR_INVALID_REQUEST_CONTENT);
    assert_int_equal(arena_size_bytes(arena), before);
    (void)json_parse(arena, TEXT("[1, 2, x]"), &value, &info);
    assert_non_null(strstr(info.message, "byte 7"));
}

/* The library's codes are variables, which json.c can't use as case labels: each cause must still come
 * out with its own words. */
static void says_why(void **state)
{
    (void)state;
    static const char *const cases[][2] = { { " ", "no value" }, { "1 2", "follows" },     { "[1", "too early" },
                                            { "[1,]", "comma" }, { "[01]", "number" },     { "[\"\\x\"]", "string" },
                                            { "[tru]", "word" }, { "[x]", "out of place" } };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct json *value;
        struct error_info info = { 0 };
        assert_int_equal(json_parse(arena, text_of(cases[i][0]), &value, &info), ERROR_INVALID_REQUEST_CONTENT);
        if (strstr(info.message, cases[i][1]) == NULL)
            fail_msg("\"%s\": %s", cases[i][0], info.message);
    }
}

static struct text nested(size_t depth, const char *open, const char *close)
{
    struct buffer b = { 0 };
    for (size_t i = 0; i < depth; i++)
        buffer_append_text(&b, text_of(open));
    buffer_append_literal(&b, "1");
    for (size_t i = 0; i < depth; i++)
        buffer_append_text(&b, text_of(close));
    struct text text = arena_text(arena, buffer_text(&b));
    buffer_free(&b);
    return text;
}

static void limits_depth(void **state)
{
    (void)state;
    const struct json *value;
    struct error_info info;
    struct text deepest = nested(JSON_DEPTH_MAX, "[", "]");
    assert_text(json_canonical(arena, parse_text(deepest)), deepest.ptr);
    deepest = nested(JSON_DEPTH_MAX, "{\"a\":", "}");
    assert_text(json_canonical(arena, parse_text(deepest)), deepest.ptr);
    assert_int_equal(json_parse(arena, nested(JSON_DEPTH_MAX + 1, "[", "]"), &value, &info),
                     ERROR_INVALID_REQUEST_CONTENT);
    assert_non_null(strstr(info.message, "64 levels"));
    assert_int_equal(json_parse(arena, nested(JSON_DEPTH_MAX + 1, "{\"a\":", "}"), &value, &info),
                     ERROR_INVALID_REQUEST_CONTENT);
    assert_int_equal(json_parse(arena, nested(300000, "[0,", "]"), &value, &info), ERROR_INVALID_REQUEST_CONTENT);
    /* wide is not deep */
    struct text wide = nested(200, "[],[[]],{\"x\":[]},", "");
    assert_int_equal(json_count(parse_text(arena_format(arena, "[%s]", wide.ptr))), 601);
}

static void finds_duplicates(void **state)
{
    (void)state;
    struct text name;
    static const char *const good[] = { "1",
                                        "[]",
                                        "{}",
                                        "{\"a\":1,\"A\":2}",
                                        "{\"a\":{\"b\":1},\"b\":{\"a\":1}}",
                                        "[{\"a\":1},{\"a\":1}]",
                                        "{\"a\":\"a\",\"b\":\"a\"}",
                                        "{\"a\":1,\"a\\u0000\":1}" };
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_false(json_has_duplicate_member(arena, parse(good[i]), &name));
    static const char *const bad[][2] = { { "{\"a\":1,\"a\":1}", "a" },
                                          { "{\"x\":1,\"\\u0061\":1,\"a\":1}", "a" },
                                          { "[[{\"b\":{\"c\":[{\"d\":1,\"e\":1,\"d\":1}]}}]]", "d" },
                                          { "{\"\":1,\"\":2}", "" } };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_true(json_has_duplicate_member(arena, parse(bad[i][0]), &name));
        assert_text(name, bad[i][1]);
    }
    /* only the value itself is searched, not what follows it */
    const struct json *root = parse("[{\"a\":1},{\"b\":1,\"b\":2}]");
    struct json_iterator i = json_iterate(root);
    assert_true(json_next(&i));
    assert_false(json_has_duplicate_member(arena, i.value, &name));
    assert_true(json_next(&i));
    assert_true(json_has_duplicate_member(arena, i.value, &name));
}

static void finds_duplicates_among_many(void **state)
{
    (void)state;
    struct text name;
    struct buffer b = { 0 };
    for (int count = 11; count < 16000; count = count * 3 / 2) {
        buffer_clear(&b);
        for (int k = 0; k < count; k++)
            buffer_append_format(&b, "%s\"k%d\":%d", k == 0 ? "{" : ",", k * 7919 % count, k);
        buffer_append_literal(&b, "}");
        bool unique = count % 7919 != 0;
        assert_int_equal(json_has_duplicate_member(arena, parse_text(buffer_text(&b)), &name), !unique);
        b.end--;
        buffer_append_format(&b, ",\"k%d\":1}", count / 2);
        assert_true(json_has_duplicate_member(arena, parse_text(buffer_text(&b)), &name));
        assert_true(name.len >= 2);
    }
    /* without scratch memory nobody can tell, so the answer is the safe one */
    const struct json *root = parse_text(buffer_text(&b));
    struct arena *poor = arena_new(256, 256);
    assert_true(json_has_duplicate_member(poor, root, &name));
    assert_null(name.ptr);
    arena_free(poor);
    buffer_free(&b);
}

static void assert_canonical(const char *text, const char *expected)
{
    struct text canonical = json_canonical(arena, parse(text));
    if (!text_equal(canonical, text_of(expected)))
        fail_msg("%s becomes %.*s, should be %s", text, TEXT_ARGS(canonical), expected);
    assert_text(json_canonical(arena, parse_text(canonical)), expected);
}

static void writes_canonical_text(void **state)
{
    (void)state;
    assert_canonical(" { \"b\" : [ 1 , true , false , null ] , \"a\" : { } } ", "{\"a\":{},\"b\":[1,true,false,null]}");
    assert_canonical("{\"b\":1,\"aa\":2,\"a\":3,\"\":4,\"B\":5}", "{\"\":4,\"B\":5,\"a\":3,\"aa\":2,\"b\":1}");
    assert_canonical("\"\\u0041\\/\\u00e9\\u000a\\u001f\\u007f\\u0000\"", "\"A/\xC3\xA9\\n\\u001f\x7F\\u0000\"");
    assert_canonical("{\"a\":2,\"a\":1}", "{\"a\":2,\"a\":1}");
    assert_canonical("[[],[[]]]", "[[],[[]]]");
    assert_text(json_minify(arena, parse(" { \"b\" : [ 1.0 , -0 ] , \"a\" : \"\\u0041\" } ")),
                "{\"b\":[1.0,-0],\"a\":\"A\"}");
}

static void writes_canonical_numbers(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "0", "0" },
        { "-0", "0" },
        { "0.000", "0" },
        { "-0e99999999999999999999", "0" },
        { "1", "1" },
        { "-1", "-1" },
        { "1.0", "1" },
        { "10e-1", "1" },
        { "0.1e1", "1" },
        { "1e+0", "1" },
        { "1e-00", "1" },
        { "100", "100" },
        { "1e2", "100" },
        { "1.5", "1.5" },
        { "15e-1", "1.5" },
        { "0.15E1", "1.5" },
        { "1.50", "1.5" },
        { "-12.340", "-12.34" },
        { "100.001", "100.001" },
        { "0.00001", "0.00001" },
        { "1e-5", "0.00001" },
        { "0.000001", "1e-6" },
        { "0.000015", "0.000015" },
        { "0.0000015", "15e-7" },
        { "-0.0000123", "-0.0000123" },
        { "100000000000000000000", "100000000000000000000" },
        { "1e20", "100000000000000000000" },
        { "1000000000000000000000", "1e21" },
        { "1e21", "1e21" },
        { "1.23e21", "123e19" },
        { "123456789012345678901234567890", "12345678901234567890123456789e1" },
        { "123456789012345678901.5", "123456789012345678901.5" },
        { "1e999999999999999999", "1e999999999999999999" },
        { "10e999999999999999998", "1e999999999999999999" },
        { "10e999999999999999999", "1e1000000000000000000" },
        { "1e1000000000000000000", "1e1000000000000000000" },
        { "0.1e1000000000000000000", "1e999999999999999999" },
        { "0.01e1000000000000000001", "1e999999999999999999" },
        { "100e99999999999999999999999999", "1e100000000000000000000000001" },
        { "1.25e100000000000000000000000000", "125e99999999999999999999999998" },
        { "1.25e-100000000000000000000000000", "125e-100000000000000000000000002" },
        { "1000e-100000000000000000000000000", "1e-99999999999999999999999997" },
        { "1e-000000000000000000000000000007", "1e-7" },
        { "-1e+000000000000000000000000000007", "-10000000" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_canonical(cases[i][0], cases[i][1]);
}

/* Writes the same number in random ways: all of them must become one text, and other numbers another. */
static void canonical_numbers_are_unique(void **state)
{
    (void)state;
    struct prng prng = test_prng("test_json");
    for (int i = 0; i < 3000; i++) {
        char digits[24];
        int count = 1 + (int)prng_below(&prng, 20);
        int exponent = (int)prng_below(&prng, 60) - 30;
        for (int k = 0; k < count; k++)
            digits[k] = (char)('0' + prng_below(&prng, 10));
        digits[0] = (char)('1' + prng_below(&prng, 9));
        digits[count] = '\0';
        struct text plain = arena_format(arena, "%se%d", digits, exponent);
        struct text wanted = json_canonical(arena, parse_text(plain));
        for (int way = 0; way < 5; way++) {
            int point = 1 + (int)prng_below(&prng, (uint64_t)count);
            int zeros = (int)prng_below(&prng, 4);
            struct text other = point < count
                                    ? arena_format(arena, "%.*s.%s%.*sE%+d", point, digits, digits + point, zeros,
                                                   "000", exponent + count - point)
                                    : arena_format(arena, "%s%.*se%+04d", digits, zeros, "000", exponent - zeros);
            assert_text(json_canonical(arena, parse_text(other)), wanted.ptr);
        }
        digits[prng_below(&prng, (uint64_t)count)] ^= 1;
        if (digits[0] != '0' || count > 1) {
            struct text changed =
                arena_format(arena, "%s%se%d", digits[0] == '0' ? "0." : "", digits + (digits[0] == '0'),
                             digits[0] == '0' ? exponent + count - 1 : exponent);
            assert_false(text_equal(json_canonical(arena, parse_text(changed)), wanted));
        }
        arena_reset(arena);
    }
}

static void sorts_many_members(void **state)
{
    (void)state;
    struct buffer b = { 0 };
    buffer_append_literal(&b, "{");
    for (int i = 0; i < 500; i++)
        buffer_append_format(&b, "%s\"%03d\":%d", i == 0 ? "" : ",", i * 7 % 500, i * 7 % 500);
    buffer_append_literal(&b, "}");
    struct json_iterator i = json_iterate(parse_text(json_canonical(arena, parse_text(buffer_text(&b)))));
    int expected = 0;
    for (; json_next(&i); expected++) {
        char name[8];
        (void)snprintf(name, sizeof name, "%03d", expected);
        assert_text(i.name, name);
    }
    assert_int_equal(expected, 500);
    /* members of one name keep their order */
    buffer_clear(&b);
    for (int k = 0; k < 100; k++)
        buffer_append_format(&b, "%s\"a\":%d", k == 0 ? "{" : ",", k + 1);
    buffer_append_literal(&b, "}");
    struct text same = arena_text(arena, buffer_text(&b));
    assert_text(json_canonical(arena, parse_text(same)), same.ptr);
    buffer_free(&b);
}

static void survives_short_memory(void **state)
{
    (void)state;
    struct buffer b = { 0 };
    buffer_append_literal(&b, "[");
    for (int i = 0; i < 300; i++)
        buffer_append_format(&b, "%d,{\"a\":{\"k17\":1,\"k16\":1},\"q\":\"\\n\"},", i);
    buffer_append_literal(&b, "{");
    for (int i = 0; i < 40; i++)
        buffer_append_format(&b, "\"k%d\":[],", i);
    buffer_append_literal(&b, "\"z\":0}]");
    bool failed;
    unsigned long n = 0;
    do {
        struct arena *own = arena_new(256, 0);
        const struct json *value = NULL;
        struct text name;
        (void)memory_fail_from(++n);
        err_t error = json_parse(own, buffer_text(&b), &value, NULL);
        assert_true(error == ERROR_OK || error == ERROR_NO_MEMORY);
        if (error == ERROR_OK) {
            bool duplicate = json_has_duplicate_member(own, value, &name);
            assert_true(!duplicate || name.ptr == NULL);
            struct text minified = json_minify(own, value);
            struct text canonical = json_canonical(own, value);
            failed = duplicate || minified.ptr == NULL || canonical.ptr == NULL;
        } else {
            failed = true;
        }
        assert_int_equal(memory_fail_from(0), failed);
        arena_free(own);
    } while (failed);
    assert_true(n > 5);
    /* the arena's limit counts as short memory, too */
    struct arena *small = arena_new(1024, 4096);
    const struct json *value;
    assert_int_equal(json_parse(small, buffer_text(&b), &value, NULL), ERROR_NO_MEMORY);
    arena_free(small);
    buffer_free(&b);
}

/* A parsed record of half a kilobyte stays near the size of its text and its values. */
static void wastes_no_memory(void **state)
{
    (void)state;
    struct text text = nested(25, "{\"member\":\"text of some length\",\"m\":", "}");
    struct arena *own = arena_new(65536, 0);
    const struct json *value;
    char *before = arena_alloc(own, 16);
    assert_int_equal(json_parse(own, text, &value, NULL), ERROR_OK);
    char *after = arena_alloc(own, 16);
    size_t values = 1 + 25 * 4;
    assert_true((size_t)(after - before) <= text.len + 16 * values + 160);
    arena_free(own);
}

static void reads_string_of_a_number(void *context)
{
    (void)json_string(context);
}

static void counts_a_string(void *context)
{
    (void)json_count(json_member(context, TEXT("s")));
}

static void refuses_misuse(void **state)
{
    (void)state;
    const struct json *root = parse("{\"s\":\"x\"}");
    assert_true(aborts(reads_string_of_a_number, (void *)(uintptr_t)parse("1")));
    assert_true(aborts(counts_a_string, (void *)(uintptr_t)root));
}

static void stored_values_are_copied(void **state)
{
    (void)state;
    const struct json *json;
    struct text text;
    char value[] = "{\"name\":\"as it was\"}";
    assert_int_equal(json_parse_stored(arena, text_of(value), &json), ERROR_OK);
    memset(value, 'x', sizeof value); /* the page of the map has gone */
    assert_true(json_member_string(json, TEXT("name"), &text));
    assert_true(text_equal(text, TEXT("as it was")));
    assert_int_equal(json_parse_stored(arena, TEXT("{\"name\":"), &json), ERROR_STORE_CORRUPT);
    assert_int_equal(json_parse_stored(arena, TEXT(""), &json), ERROR_STORE_CORRUPT);
}

#define JSON_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

TESTS(JSON_TEST(reads_values), JSON_TEST(reads_strings), JSON_TEST(keeps_numbers_as_written),
      JSON_TEST(refuses_what_is_not_json), JSON_TEST(says_why), JSON_TEST(limits_depth), JSON_TEST(finds_duplicates),
      JSON_TEST(finds_duplicates_among_many), JSON_TEST(writes_canonical_text), JSON_TEST(writes_canonical_numbers),
      JSON_TEST(canonical_numbers_are_unique), JSON_TEST(sorts_many_members), JSON_TEST(survives_short_memory),
      JSON_TEST(wastes_no_memory), JSON_TEST(stored_values_are_copied), JSON_TEST(refuses_misuse))
