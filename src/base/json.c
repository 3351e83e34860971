/* The JSON reader over yyjson. Its memory comes from the caller's arena: one copy of the text, in which
 * strings and numbers lie, and one array of 16-byte values in document order, cut to what was used.
 * Because the values are an array in document order, walks over a whole document (depth, duplicates)
 * are loops over that array; nothing here recurses. */
#include "base/json.h"

#include <stdlib.h>
#include <yyjson.h>

#include "base/check.h"

/* The library's allocations in one parse: the text first, then the values. */
struct parse_memory {
    struct arena *arena;
    void *newest;
    size_t newest_size;
};

static void *parse_alloc(void *context, size_t size)
{
    struct parse_memory *memory = context;
    memory->newest = arena_alloc(memory->arena, size);
    memory->newest_size = size;
    return memory->newest;
}

static void *parse_realloc(void *context, void *old, size_t old_size, size_t size)
{
    struct parse_memory *memory = context;
    void *moved = arena_resize(memory->arena, old, old_size, size);
    if (moved != NULL) {
        memory->newest = moved;
        memory->newest_size = size;
    }
    return moved;
}

static void parse_free(void *context, void *memory)
{
    (void)context; /* a failed parse is undone as a whole by rewinding the arena */
    (void)memory;
}

static const char *reason_of(yyjson_read_code code)
{
    switch (code) {
    case 3: /* EMPTY_CONTENT; the library's constants are variables, which a switch can't use */
        return "there is no value";
    case 4: /* UNEXPECTED_CONTENT */
        return "something follows the value";
    case 5: /* UNEXPECTED_END */
        return "the text ends too early";
    case 7: /* JSON_STRUCTURE */
        return "a comma, colon or bracket is misplaced";
    case 9: /* INVALID_NUMBER */
        return "a number is malformed";
    case 10: /* INVALID_STRING */
        return "a string holds a bad escape, a control character or invalid UTF-8";
    case 11: /* LITERAL */
        return "a word is neither true, false nor null";
    default:
        return "a character is out of place";
    }
}

/* True when containers nest deeper than JSON_DEPTH_MAX among 'count' values in document order. */
static bool is_too_deep(yyjson_val *first, size_t count)
{
    const yyjson_val *ends[JSON_DEPTH_MAX];
    size_t depth = 0;
    for (yyjson_val *value = first; value < first + count; value++) {
        while (depth > 0 && value >= ends[depth - 1])
            depth--;
        if (!unsafe_yyjson_is_ctn(value))
            continue;
        if (depth == JSON_DEPTH_MAX)
            return true;
        ends[depth++] = unsafe_yyjson_get_next(value);
    }
    return false;
}

err_t json_parse(struct arena *arena, struct text text, const struct json **out, struct error_info *info)
{
    if (text.len == 0)
        return error_set(info, ERROR_INVALID_REQUEST_CONTENT, NULL, "not JSON: there is no value");
    struct arena_mark mark = arena_mark(arena);
    struct parse_memory memory = { .arena = arena };
    yyjson_alc allocator = { parse_alloc, parse_realloc, parse_free, &memory };
    yyjson_read_err failure;
    /* Without the in-situ flag the library does not write to the text: the cast loses nothing. */
    yyjson_doc *doc =
        yyjson_read_opts((char *)(uintptr_t)text.ptr, text.len, YYJSON_READ_NUMBER_AS_RAW, &allocator, &failure);
    if (doc == NULL) {
        arena_rewind(arena, mark);
        if (failure.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
            return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
        return error_set(info, ERROR_INVALID_REQUEST_CONTENT, NULL, "not JSON at byte %zu: %s", failure.pos,
                         reason_of(failure.code));
    }
    yyjson_val *root = yyjson_doc_get_root(doc);
    size_t count = yyjson_doc_get_val_count(doc);
    if (is_too_deep(root, count)) {
        arena_rewind(arena, mark);
        return error_set(info, ERROR_INVALID_REQUEST_CONTENT, NULL,
                         "JSON is read down to %d levels of arrays and objects", JSON_DEPTH_MAX);
    }
    /* The values were allocated last, with room for more of them than there are. */
    char *values = memory.newest;
    size_t used = (size_t)((char *)(root + count) - values);
    REQUIREF(used <= memory.newest_size, "used=%zu size=%zu", used, memory.newest_size);
    void *same = arena_resize(arena, values, memory.newest_size, used);
    if (same != values) /* a large block may move when it shrinks, and so do the values in it */
        root = (yyjson_val *)(void *)((char *)same + ((char *)root - values));
    *out = (const struct json *)(void *)root;
    return ERROR_OK;
}

err_t json_parse_stored(struct arena *arena, struct text value, const struct json **out)
{
    struct text copy = arena_text(arena, value);
    if (copy.ptr == NULL)
        return ERROR_NO_MEMORY;
    err_t error = json_parse(arena, copy, out, NULL);
    return error == ERROR_OK || error == ERROR_NO_MEMORY ? error : ERROR_STORE_CORRUPT;
}

/* The library's readers take non-const pointers but only read. */
static yyjson_val *value_of(const struct json *json)
{
    return (yyjson_val *)(uintptr_t)json;
}

static const struct json *json_of(const yyjson_val *value)
{
    return (const struct json *)(const void *)value;
}

enum json_type json_type(const struct json *value)
{
    switch (unsafe_yyjson_get_type(value_of(value))) {
    case YYJSON_TYPE_NULL:
        return JSON_NULL;
    case YYJSON_TYPE_BOOL:
        return unsafe_yyjson_get_bool(value_of(value)) ? JSON_TRUE : JSON_FALSE;
    case YYJSON_TYPE_RAW:
        return JSON_NUMBER;
    case YYJSON_TYPE_STR:
        return JSON_STRING;
    case YYJSON_TYPE_ARR:
        return JSON_ARRAY;
    default:
        REQUIRE(unsafe_yyjson_is_obj(value_of(value)));
        return JSON_OBJECT;
    }
}

static struct text text_of_value(const yyjson_val *value)
{
    return (struct text){ value->uni.str, unsafe_yyjson_get_len((void *)(uintptr_t)value) };
}

struct text json_string(const struct json *value)
{
    REQUIRE(unsafe_yyjson_is_str(value_of(value)));
    return text_of_value(value_of(value));
}

struct text json_number(const struct json *value)
{
    REQUIRE(unsafe_yyjson_is_raw(value_of(value)));
    return text_of_value(value_of(value));
}

size_t json_count(const struct json *value)
{
    REQUIRE(unsafe_yyjson_is_ctn(value_of(value)));
    return unsafe_yyjson_get_len(value_of(value));
}

const struct json *json_member(const struct json *object, struct text name)
{
    if (object == NULL)
        return NULL;
    struct json_iterator i = json_iterate(object);
    if (!i.object)
        return NULL;
    while (json_next(&i)) {
        if (text_equal(i.name, name))
            return i.value;
    }
    return NULL;
}

bool json_member_string(const struct json *object, struct text name, struct text *out)
{
    const struct json *value = json_member(object, name);
    if (value == NULL || !unsafe_yyjson_is_str(value_of(value)))
        return false;
    *out = text_of_value(value_of(value));
    return true;
}

struct json_iterator json_iterate(const struct json *container)
{
    yyjson_val *value = value_of(container);
    bool is_container = unsafe_yyjson_is_ctn(value);
    return (struct json_iterator){ .next = is_container ? value + 1 : NULL,
                                   .left = is_container ? unsafe_yyjson_get_len(value) : 0,
                                   .object = unsafe_yyjson_is_obj(value) };
}

bool json_next(struct json_iterator *iterator)
{
    if (iterator->left == 0)
        return false;
    iterator->left--;
    yyjson_val *value = (yyjson_val *)(uintptr_t)iterator->next;
    if (iterator->object) {
        iterator->name = text_of_value(value);
        value++;
    }
    iterator->value = json_of(value);
    iterator->next = unsafe_yyjson_get_next(value);
    return true;
}

#define PAIRWISE_COUNT_MAX 12 /* up to here comparing each with each beats sorting */

static bool has_duplicate_pairwise(const yyjson_val *object, size_t count, struct text *name)
{
    struct text names[PAIRWISE_COUNT_MAX];
    struct json_iterator i = json_iterate(json_of(object));
    for (size_t n = 0; n < count && json_next(&i); n++) {
        for (size_t earlier = 0; earlier < n; earlier++) {
            if (text_equal(names[earlier], i.name)) {
                *name = i.name;
                return true;
            }
        }
        names[n] = i.name;
    }
    return false;
}

/* Any total order will do: by length first spares most comparisons of bytes. */
static int order_names(const void *a, const void *b)
{
    const struct text *left = a;
    const struct text *right = b;
    if (left->len != right->len)
        return left->len < right->len ? -1 : 1;
    return left->len != 0 ? memcmp(left->ptr, right->ptr, left->len) : 0;
}

static bool has_duplicate_sorted(struct arena *arena, const yyjson_val *object, size_t count, struct text *name)
{
    struct arena_mark mark = arena_mark(arena);
    struct text *names = arena_array(arena, count, sizeof *names);
    *name = TEXT_NONE;
    if (names == NULL)
        return true;
    struct json_iterator i = json_iterate(json_of(object));
    for (size_t n = 0; n < count && json_next(&i); n++)
        names[n] = i.name;
    qsort(names, count, sizeof *names, order_names);
    bool found = false;
    for (size_t n = 1; n < count && !found; n++) {
        found = text_equal(names[n - 1], names[n]);
        *name = names[n];
    }
    arena_rewind(arena, mark);
    return found;
}

bool json_has_duplicate_member(struct arena *arena, const struct json *value, struct text *name)
{
    yyjson_val *first = value_of(value);
    const yyjson_val *end = unsafe_yyjson_get_next(first);
    for (yyjson_val *at = first; at < end; at++) {
        if (!unsafe_yyjson_is_obj(at))
            continue;
        size_t count = unsafe_yyjson_get_len(at);
        bool found = count <= PAIRWISE_COUNT_MAX ? has_duplicate_pairwise(at, count, name)
                                                 : has_duplicate_sorted(arena, at, count, name);
        if (found)
            return true;
    }
    return false;
}
