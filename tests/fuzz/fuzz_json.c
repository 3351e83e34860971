/* Fuzz target for the JSON reader and what is built on it: canonical text is a fixed point, minified text
 * reads back to the same canonical text, and the splitter finds in an array what the parser finds. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct json *must_parse(struct arena *arena, struct text text)
{
    const struct json *value;
    struct error_info info;
    REQUIREF(json_parse(arena, text, &value, &info) == ERROR_OK, "%.*s: %s", TEXT_ARGS(text), info.message);
    return value;
}

static void check_value(struct arena *arena, const struct json *value)
{
    struct text name;
    bool duplicate = json_has_duplicate_member(arena, value, &name);
    REQUIRE(!duplicate || name.ptr != NULL);
    struct text canonical = json_canonical(arena, value);
    struct text minified = json_minify(arena, value);
    REQUIRE(text_is_utf8(canonical) && text_is_utf8(minified));
    const struct json *again = must_parse(arena, canonical);
    REQUIREF(text_equal(json_canonical(arena, again), canonical), "%.*s", TEXT_ARGS(canonical));
    const struct json *same = must_parse(arena, minified);
    REQUIREF(text_equal(json_minify(arena, same), minified), "%.*s", TEXT_ARGS(minified));
    REQUIREF(text_equal(json_canonical(arena, same), canonical), "%.*s", TEXT_ARGS(minified));
    REQUIRE(json_has_duplicate_member(arena, again, &name) == duplicate);
}

/* 'whole' is the parsed text, NULL when it is not JSON. */
static void check_split(struct arena *arena, struct text text, const struct json *whole)
{
    struct json_splitter splitter = json_split(text);
    struct text element;
    bool is_array = whole != NULL && json_type(whole) == JSON_ARRAY;
    struct json_iterator elements = whole != NULL ? json_iterate(whole) : (struct json_iterator){ 0 };
    size_t count = 0;
    while (json_split_next(&splitter, &element)) {
        REQUIRE(element.len > 0 && element.ptr >= text.ptr && element.ptr + element.len <= text.ptr + text.len);
        count++;
        if (whole == NULL)
            continue;
        const struct json *parsed = must_parse(arena, element);
        REQUIRE(!is_array || json_next(&elements));
        REQUIRE(text_equal(json_minify(arena, parsed), json_minify(arena, is_array ? elements.value : whole)));
    }
    if (whole != NULL) {
        REQUIREF(splitter.error == ERROR_OK, "error=%d", (int)splitter.error);
        REQUIRE(count == (is_array ? json_count(whole) : 1));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text text = { (const char *)data, size };
    struct arena *arena = arena_new(4096, 0);
    const struct json *value = NULL;
    REQUIRE(arena != NULL);
    if (json_parse(arena, text, &value, NULL) == ERROR_OK)
        check_value(arena, value);
    check_split(arena, text, value);
    struct buffer escaped = { 0 };
    struct json_writer writer = json_writer(&escaped);
    json_put_text(&writer, text);
    REQUIRE(!escaped.failed);
    struct text back = json_string(must_parse(arena, buffer_text(&escaped)));
    REQUIRE(!text_is_utf8(text) || text_equal(back, text));
    buffer_free(&escaped);
    arena_free(arena);
    return 0;
}
