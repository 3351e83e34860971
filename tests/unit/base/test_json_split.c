/* Unit tests of json_split: against a table, and against the parser at random arrays. */
#include "support.h"

#include "base/json.h"

/* The elements joined by '|', and whether the text was whole. */
static bool split(struct text text, struct buffer *out)
{
    struct json_splitter s = json_split(text);
    struct text element;
    buffer_clear(out);
    for (size_t i = 0; json_split_next(&s, &element); i++) {
        if (i > 0)
            buffer_append_char(out, '|');
        buffer_append_text(out, element);
    }
    assert_false(json_split_next(&s, &element)); /* stays at its end */
    assert_true(s.error == ERROR_OK || s.error == ERROR_INVALID_REQUEST_CONTENT);
    return s.error == ERROR_OK;
}

static void splits(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "[]", "" },
        { " [ ] ", "" },
        { "[1]", "1" },
        { "[1,2,3]", "1|2|3" },
        { "\n[ 1 ,\t2\r\n, \"x\" ]\n", "1|2|\"x\"" },
        { "[{\"a\":[1,2]},[],{}]", "{\"a\":[1,2]}|[]|{}" },
        { "[\"],[\",\"\\\"\",\"\\\\\",\"}\"]", "\"],[\"|\"\\\"\"|\"\\\\\"|\"}\"" },
        { "[[[[]]],{\"]\":\"[\"}]", "[[[]]]|{\"]\":\"[\"}" },
        { "{\"a\":1}", "{\"a\":1}" },
        { " 5 ", "5" },
        { "\"[1,2]\"", "\"[1,2]\"" },
        { "{} {}", "{} {}" },           /* one bad element, for the parser to refuse */
        { "[1 2,x,tru]", "1 2|x|tru" }, /* as are these */
        { "[\"\xFF\"]", "\"\xFF\"" },
    };
    struct buffer out = { 0 };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_true(split(text_of(cases[i][0]), &out));
        assert_text(buffer_text(&out), cases[i][1]);
    }
    buffer_free(&out);
}

static void refuses_broken_arrays(void **state)
{
    (void)state;
    static const char *const bad[] = { "",          " ",      "[",     "[1",    "[1,",         "[1,]", "[,1]",
                                       "[,]",       "[1,,2]", "[1]]",  "[1] 2", "[1],[2]",     "[1]x", "[\"a]",
                                       "[\"a\\\"]", "[{]",    "[{]}]", "[[}]]", "[{\"a\":1]]", "[}",   "[1}",
                                       "[1,}",      "[ , ]",  "[{},",  "[{}",   "[\"\\",       "[] []" };
    struct buffer out = { 0 };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (split(text_of(bad[i]), &out))
            fail_msg("\"%s\" is accepted", bad[i]);
    }
    assert_false(split(TEXT_NONE, &out));
    /* what came before the breach was given out */
    assert_false(split(TEXT("[{\"a\":1},2,]"), &out));
    assert_text(buffer_text(&out), "{\"a\":1}|2");
    buffer_free(&out);
}

/* An element that is too deep for the parser does not spoil its neighbours. */
static void passes_deep_elements(void **state)
{
    (void)state;
    struct buffer text = { 0 };
    struct buffer out = { 0 };
    static const size_t depths[] = { 63, 64, 65, 66, 1000 };
    for (size_t d = 0; d < COUNT_OF(depths); d++) {
        buffer_clear(&text);
        buffer_append_literal(&text, "[1,");
        for (size_t i = 0; i < depths[d]; i++)
            buffer_append_text(&text, i % 2 == 0 ? TEXT("{\"a\":") : TEXT("["));
        for (size_t i = depths[d]; i-- > 0;)
            buffer_append_char(&text, i % 2 == 0 ? '}' : ']');
        buffer_append_literal(&text, ",2]");
        assert_true(split(buffer_text(&text), &out));
        assert_int_equal(buffer_len(&out), buffer_len(&text) - 2);
        text.data[text.end - 4 - depths[d] / 2] ^= '}' ^ ']'; /* a closing bracket in the middle */
        assert_int_equal(split(buffer_text(&text), &out), depths[d] > 128);
    }
    buffer_free(&text);
    buffer_free(&out);
}

/* A random value; keeps its depth small. */
static void put_random(struct json_writer *w, struct prng *prng, unsigned depth)
{
    static const char *const strings[] = { "",          "plain",        "a\"b",
                                           "\\",        "[{",           "}],",
                                           "\n\t",      "ends in \\\\", "0123456789012345678901234567890\"",
                                           "\xC3\xA9,:" };
    uint64_t kind = prng_below(prng, depth > 4 ? 4 : 7);
    uint64_t count = prng_below(prng, 4);
    if (kind <= 2) {
        json_put_cstring(w, strings[prng_below(prng, COUNT_OF(strings))]);
    } else if (kind == 3) {
        json_put_i64(w, (int64_t)prng_next(prng));
    } else if (kind == 4) {
        json_begin_array(w);
        while (count-- > 0)
            put_random(w, prng, depth + 1);
        json_end_array(w);
    } else {
        json_begin_object(w);
        while (count-- > 0) {
            json_name(w, strings[prng_below(prng, COUNT_OF(strings))]);
            put_random(w, prng, depth + 1);
        }
        json_end_object(w);
    }
}

/* Blanks where JSON allows them, outside of strings. */
static void spread(struct text text, struct prng *prng, struct buffer *out)
{
    bool in_string = false;
    buffer_clear(out);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool structural = !in_string && strchr("[]{},:", c) != NULL;
        if (structural && prng_below(prng, 4) == 0)
            buffer_append_char(out, " \t\r\n"[prng_below(prng, 4)]);
        buffer_append_char(out, c);
        if (in_string && c == '\\')
            buffer_append_char(out, text.ptr[++i]);
        else if (c == '"')
            in_string = !in_string;
    }
}

static void agrees_with_the_parser(void **state)
{
    (void)state;
    struct prng prng = test_prng("test_json_split");
    struct arena *arena = arena_new(4096, 0);
    struct buffer out = { 0 };
    struct buffer spaced = { 0 };
    for (int i = 0; i < 5000; i++) {
        buffer_clear(&out);
        struct json_writer w = json_writer(&out);
        json_begin_array(&w);
        for (uint64_t n = prng_below(&prng, 6); n > 0; n--)
            put_random(&w, &prng, 0);
        json_end_array(&w);
        spread(buffer_text(&out), &prng, &spaced);
        const struct json *whole;
        assert_int_equal(json_parse(arena, buffer_text(&spaced), &whole, NULL), ERROR_OK);
        struct json_iterator it = json_iterate(whole);
        struct json_splitter s = json_split(buffer_text(&spaced));
        struct text element;
        while (json_split_next(&s, &element)) {
            const struct json *value;
            assert_int_equal(json_parse(arena, element, &value, NULL), ERROR_OK);
            assert_true(json_next(&it));
            assert_text(json_minify(arena, value), json_minify(arena, it.value).ptr);
        }
        assert_int_equal(s.error, ERROR_OK);
        assert_false(json_next(&it));
        /* a cut anywhere is noticed */
        size_t cut = 1 + (size_t)prng_below(&prng, buffer_len(&spaced));
        struct text part = buffer_text(&spaced);
        part.len -= cut;
        part = text_trim(part);
        s = json_split(part);
        while (json_split_next(&s, &element))
            ;
        assert_int_equal(s.error,
                         part.len == text_trim(buffer_text(&spaced)).len ? ERROR_OK : ERROR_INVALID_REQUEST_CONTENT);
        arena_reset(arena);
    }
    buffer_free(&out);
    buffer_free(&spaced);
    arena_free(arena);
}

TESTS(cmocka_unit_test(splits), cmocka_unit_test(refuses_broken_arrays), cmocka_unit_test(passes_deep_elements),
      cmocka_unit_test(agrees_with_the_parser))
