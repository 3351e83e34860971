/* Splitting an array into the texts of its elements. Looks at strings and brackets only; every element
 * is parsed by itself later, so that a broken one rejects itself and not its neighbours. */
#include "base/json.h"

#include <string.h>

enum { SPLIT_START, SPLIT_SINGLE, SPLIT_FIRST, SPLIT_MORE, SPLIT_DONE };

struct json_splitter json_split(struct text text)
{
    return (struct json_splitter){ .rest = text_trim(text), .error = ERROR_OK, .state = SPLIT_START };
}

static bool fail(struct json_splitter *s)
{
    s->error = ERROR_INVALID_REQUEST_CONTENT;
    s->state = SPLIT_DONE;
    return false;
}

static void skip(struct json_splitter *s, size_t size)
{
    s->rest.ptr += size;
    s->rest.len -= size;
}

static void skip_blanks(struct json_splitter *s)
{
    while (s->rest.len > 0 &&
           (*s->rest.ptr == ' ' || *s->rest.ptr == '\n' || *s->rest.ptr == '\r' || *s->rest.ptr == '\t'))
        skip(s, 1);
}

/* A word has the top bit set in (some of) the bytes that are zero; exact for the lowest such byte. */
static uint64_t zero_bytes(uint64_t word)
{
    return (word - UINT64_C(0x0101010101010101)) & ~word & UINT64_C(0x8080808080808080);
}

/* Index behind the string whose opening quote stands before 'at'; text.len + 1 when it does not end. */
static size_t string_end(struct text text, size_t at)
{
    while (at < text.len) {
        uint64_t word;
        if (text.len - at >= sizeof word) {
            memcpy(&word, text.ptr + at, sizeof word);
            if (zero_bytes(word ^ UINT64_C(0x2222222222222222)) == 0 && /* '"' */
                zero_bytes(word ^ UINT64_C(0x5C5C5C5C5C5C5C5C)) == 0) { /* '\\' */
                at += sizeof word;
                continue;
            }
        }
        for (size_t i = 0; i < sizeof word && at < text.len; i++) {
            char c = text.ptr[at++];
            if (c == '"')
                return at;
            if (c == '\\') {
                at++;
                break;
            }
        }
    }
    return text.len + 1;
}

/* Bytes that matter between strings. */
enum { PLAIN, QUOTE, OPEN_OBJECT, OPEN_ARRAY, CLOSE_OBJECT, CLOSE_ARRAY, COMMA };
static const unsigned char byte_class[256] = {
    ['"'] = QUOTE, ['{'] = OPEN_OBJECT, ['['] = OPEN_ARRAY, ['}'] = CLOSE_OBJECT, [']'] = CLOSE_ARRAY, [','] = COMMA,
};

/* The length of the element at the start of text: up to the comma or bracket that ends it, which is not
 * part of it. False when a string does not end, brackets do not match, or nothing ends the element.
 * Which kind each open bracket is, is known for the innermost 64 of the outermost 64 levels; below
 * those, elements that json_parse refuses for their depth, only their number counts. */
static bool element_length(struct text text, size_t *out)
{
    uint64_t kinds = 0; /* bit 0: whether the innermost open bracket is an object's */
    size_t depth = 0;
    size_t at = 0;
    while (at < text.len) {
        unsigned char class = byte_class[(unsigned char)text.ptr[at]];
        at++;
        if (class == PLAIN)
            continue;
        if (class == QUOTE) {
            at = string_end(text, at);
        } else if (class == OPEN_OBJECT || class == OPEN_ARRAY) {
            if (depth++ < 64)
                kinds = kinds << 1 | (class == OPEN_OBJECT);
        } else if (depth == 0) {
            *out = at - 1;
            return class == COMMA || class == CLOSE_ARRAY;
        } else if (class != COMMA && depth-- <= 64) {
            if ((kinds & 1) != (class == CLOSE_OBJECT))
                return false;
            kinds >>= 1;
        }
    }
    return false;
}

/* The closing bracket of the outer array stands at the start of rest: nothing may follow it. */
static bool finish(struct json_splitter *s)
{
    skip(s, 1);
    skip_blanks(s);
    if (s->rest.len != 0)
        return fail(s);
    s->state = SPLIT_DONE;
    return false;
}

/* To the first byte of the first element, if there is one. */
static bool start(struct json_splitter *s)
{
    if (s->rest.len == 0)
        return fail(s);
    if (*s->rest.ptr != '[') {
        s->state = SPLIT_SINGLE;
        return true;
    }
    skip(s, 1);
    skip_blanks(s);
    if (s->rest.len == 0)
        return fail(s);
    s->state = SPLIT_FIRST;
    return *s->rest.ptr != ']' || finish(s);
}

/* Behind an element: at the comma before the next one or at the closing bracket. */
static bool go_on(struct json_splitter *s)
{
    if (*s->rest.ptr == ']')
        return finish(s);
    skip(s, 1);
    skip_blanks(s);
    return s->rest.len > 0 || fail(s);
}

bool json_split_begin(struct json_splitter *splitter, struct text *rest)
{
    bool found = splitter->state == SPLIT_START  ? start(splitter)
                 : splitter->state == SPLIT_MORE ? go_on(splitter)
                                                 : false;
    *rest = splitter->rest;
    return found;
}

bool json_split_accept(struct json_splitter *splitter, size_t size)
{
    struct json_splitter ahead = *splitter;
    skip(&ahead, size);
    if (splitter->state == SPLIT_SINGLE) {
        splitter->state = ahead.rest.len == 0 ? SPLIT_DONE : SPLIT_SINGLE;
        return splitter->state == SPLIT_DONE;
    }
    skip_blanks(&ahead);
    if (ahead.rest.len == 0 || (*ahead.rest.ptr != ',' && *ahead.rest.ptr != ']'))
        return false;
    ahead.state = SPLIT_MORE;
    *splitter = ahead;
    return true;
}

bool json_split_find(struct json_splitter *splitter, struct text *element)
{
    size_t length;
    if (splitter->state == SPLIT_SINGLE) {
        *element = splitter->rest;
        splitter->state = SPLIT_DONE;
        return true;
    }
    if (!element_length(splitter->rest, &length) || length == 0)
        return fail(splitter);
    *element = text_trim((struct text){ splitter->rest.ptr, length });
    skip(splitter, length);
    splitter->state = SPLIT_MORE;
    return true;
}

bool json_split_next(struct json_splitter *splitter, struct text *element)
{
    struct text rest;
    return json_split_begin(splitter, &rest) && json_split_find(splitter, element);
}
