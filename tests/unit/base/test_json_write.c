/* Unit tests of the JSON writer. */
#include "support.h"

#include "base/json.h"
#include "base/memory.h"

static void write_sample(struct buffer *out)
{
    static const struct guid guid = { { 0x0f, 0x8f, 0xad, 0x5b, 0xd9, 0xcb, 0x46, 0x9f, 0xa1, 0x65, 0x70, 0x86, 0x77,
                                        0x28, 0x95, 0x0e } };
    struct json_writer w = json_writer(out);
    json_begin_object(&w);
    json_name(&w, "list");
    json_begin_array(&w);
    json_put_u64(&w, UINT64_MAX);
    json_put_i64(&w, -5);
    json_begin_array(&w);
    json_end_array(&w);
    json_begin_object(&w);
    json_end_object(&w);
    json_put_null(&w);
    json_put_bool(&w, true);
    json_put_bool(&w, false);
    json_end_array(&w);
    json_name_text(&w, TEXT("a\"b"));
    json_put_cstring(&w, "x\ny");
    json_name(&w, "guid");
    json_put_guid(&w, &guid);
    json_name(&w, "raw");
    json_put_raw(&w, TEXT("1.50"));
    json_name(&w, "inner");
    json_begin_object(&w);
    json_name(&w, "k");
    json_put_text(&w, TEXT(""));
    json_end_object(&w);
    json_end_object(&w);
}

static void writes(void **state)
{
    (void)state;
    struct buffer out = { 0 };
    write_sample(&out);
    assert_text(buffer_text(&out), "{\"list\":[18446744073709551615,-5,[],{},null,true,false],\"a\\\"b\":\"x\\ny\","
                                   "\"guid\":\"0f8fad5b-d9cb-469f-a165-70867728950e\",\"raw\":1.50,"
                                   "\"inner\":{\"k\":\"\"}}");
    buffer_clear(&out);
    struct json_writer w = json_writer(&out);
    json_put_cstring(&w, "alone");
    assert_text(buffer_text(&out), "\"alone\"");
    buffer_free(&out);
}

static void nests(void **state)
{
    (void)state;
    struct buffer out = { 0 };
    struct json_writer w = json_writer(&out);
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        json_begin_array(&w);
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        json_end_array(&w);
    assert_int_equal(buffer_len(&out), 2 * JSON_DEPTH_MAX);
    buffer_free(&out);
}

static void escapes(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "", "" },
        { "plain text of more than eight bytes", "plain text of more than eight bytes" },
        { "\"\\/", "\\\"\\\\/" },
        { "\b\f\n\r\t", "\\b\\f\\n\\r\\t" },
        { "\x01\x1F\x7F", "\\u0001\\u001f\x7F" },
        { "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80" },
        { "a\xFF"
          "b",
          "a\xEF\xBF\xBD"
          "b" },
        { "\xC3", "\xEF\xBF\xBD" },
        { "\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD" },
        { "\xE2\x82", "\xEF\xBF\xBD\xEF\xBF\xBD" }
    };
    struct buffer out = { 0 };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        buffer_clear(&out);
        json_escape(&out, text_of(cases[i][0]));
        assert_text(buffer_text(&out), cases[i][1]);
    }
    buffer_clear(&out);
    json_escape(&out, (struct text){ "a\0b", 3 });
    assert_text(buffer_text(&out), "a\\u0000b");
    buffer_free(&out);
}

/* Each byte at each place of a long text, so that the path of eight bytes at a time misses none. The
 * parser reads back what was written. */
static void escapes_every_byte_everywhere(void **state)
{
    (void)state;
    struct arena *arena = arena_new(4096, 0);
    struct buffer out = { 0 };
    for (unsigned byte = 0; byte < 256; byte++) {
        for (size_t at = 0; at < 20; at++) {
            char text[20];
            memset(text, byte == 'x' ? 'y' : 'x', sizeof text);
            text[at] = (char)byte;
            buffer_clear(&out);
            struct json_writer w = json_writer(&out);
            json_put_text(&w, (struct text){ text, sizeof text });
            const struct json *value;
            assert_int_equal(json_parse(arena, buffer_text(&out), &value, NULL), ERROR_OK);
            struct text back = json_string(value);
            if (byte < 0x80) {
                assert_int_equal(back.len, sizeof text);
                assert_memory_equal(back.ptr, text, sizeof text);
            } else {
                assert_int_equal(back.len, sizeof text + 2);
                assert_memory_equal(back.ptr + at, "\xEF\xBF\xBD", 3);
            }
            arena_reset(arena);
        }
    }
    buffer_free(&out);
    arena_free(arena);
}

static void ends_what_never_began(void *context)
{
    struct json_writer w = json_writer(context);
    json_end_array(&w);
}

static void ends_the_other_kind(void *context)
{
    struct json_writer w = json_writer(context);
    json_begin_array(&w);
    json_end_object(&w);
}

static void puts_without_name(void *context)
{
    struct json_writer w = json_writer(context);
    json_begin_object(&w);
    json_put_null(&w);
}

static void names_in_an_array(void *context)
{
    struct json_writer w = json_writer(context);
    json_begin_array(&w);
    json_name(&w, "a");
}

static void names_twice(void *context)
{
    struct json_writer w = json_writer(context);
    json_begin_object(&w);
    json_name(&w, "a");
    json_name(&w, "b");
}

static void ends_after_name(void *context)
{
    struct json_writer w = json_writer(context);
    json_begin_object(&w);
    json_name(&w, "a");
    json_end_object(&w);
}

static void nests_too_deep(void *context)
{
    struct json_writer w = json_writer(context);
    for (int i = 0; i <= JSON_DEPTH_MAX; i++)
        json_begin_array(&w);
}

static void refuses_misuse(void **state)
{
    (void)state;
    struct buffer out = { 0 };
    assert_true(aborts(ends_what_never_began, &out));
    assert_true(aborts(ends_the_other_kind, &out));
    assert_true(aborts(puts_without_name, &out));
    assert_true(aborts(names_in_an_array, &out));
    assert_true(aborts(names_twice, &out));
    assert_true(aborts(ends_after_name, &out));
    assert_true(aborts(nests_too_deep, &out));
}

static void reports_short_memory(void **state)
{
    (void)state;
    bool failed;
    unsigned long n = 0;
    do {
        struct buffer out = { 0 };
        (void)memory_fail_from(++n);
        write_sample(&out);
        failed = out.failed;
        assert_int_equal(memory_fail_from(0), failed);
        buffer_free(&out);
    } while (failed);
    assert_true(n > 2);
}

TESTS(cmocka_unit_test(writes), cmocka_unit_test(nests), cmocka_unit_test(escapes),
      cmocka_unit_test(escapes_every_byte_everywhere), cmocka_unit_test(refuses_misuse),
      cmocka_unit_test(reports_short_memory))
