/* The streaming JSON writer. A misuse (a value without a name in an object, an end that does not match)
 * is a programmer error and aborts: the output of this file is always one well-formed value, provided
 * that raw texts are. */
#include "base/json.h"

#include <string.h>

#include "base/check.h"

struct json_writer json_writer(struct buffer *out)
{
    return (struct json_writer){ .out = out };
}

static uint64_t level_bit(const struct json_writer *w)
{
    return UINT64_C(1) << (w->depth - 1);
}

/* What must stand before a value: nothing after a name, a comma between the elements of an array. */
static void before_value(struct json_writer *w)
{
    if (w->after_name) {
        w->after_name = false;
        return;
    }
    if (w->depth == 0)
        return;
    REQUIRE((w->is_object & level_bit(w)) == 0);
    if ((w->has_item & level_bit(w)) != 0)
        buffer_append_char(w->out, ',');
    w->has_item |= level_bit(w);
}

static void begin(struct json_writer *w, bool object)
{
    before_value(w);
    REQUIREF(w->depth < JSON_DEPTH_MAX, "depth=%u", w->depth);
    w->depth++;
    w->has_item &= ~level_bit(w);
    w->is_object = object ? w->is_object | level_bit(w) : w->is_object & ~level_bit(w);
    buffer_append_char(w->out, object ? '{' : '[');
}

static void end(struct json_writer *w, bool object)
{
    REQUIRE(w->depth > 0 && !w->after_name);
    REQUIRE(((w->is_object & level_bit(w)) != 0) == object);
    w->depth--;
    buffer_append_char(w->out, object ? '}' : ']');
}

void json_begin_object(struct json_writer *w)
{
    begin(w, true);
}

void json_end_object(struct json_writer *w)
{
    end(w, true);
}

void json_begin_array(struct json_writer *w)
{
    begin(w, false);
}

void json_end_array(struct json_writer *w)
{
    end(w, false);
}

static void put_quoted(struct buffer *out, struct text value)
{
    buffer_append_char(out, '"');
    json_escape(out, value);
    buffer_append_char(out, '"');
}

void json_name_text(struct json_writer *w, struct text name)
{
    REQUIRE(w->depth > 0 && !w->after_name && (w->is_object & level_bit(w)) != 0);
    if ((w->has_item & level_bit(w)) != 0)
        buffer_append_char(w->out, ',');
    w->has_item |= level_bit(w);
    put_quoted(w->out, name);
    buffer_append_char(w->out, ':');
    w->after_name = true;
}

void json_name(struct json_writer *w, const char *name)
{
    json_name_text(w, text_of(name));
}

void json_put_text(struct json_writer *w, struct text value)
{
    before_value(w);
    put_quoted(w->out, value);
}

void json_put_cstring(struct json_writer *w, const char *value)
{
    json_put_text(w, text_of(value));
}

void json_put_u64(struct json_writer *w, uint64_t value)
{
    before_value(w);
    buffer_append_u64(w->out, value);
}

void json_put_i64(struct json_writer *w, int64_t value)
{
    before_value(w);
    buffer_append_i64(w->out, value);
}

void json_put_bool(struct json_writer *w, bool value)
{
    json_put_raw(w, value ? TEXT("true") : TEXT("false"));
}

void json_put_null(struct json_writer *w)
{
    json_put_raw(w, TEXT("null"));
}

void json_put_guid(struct json_writer *w, const struct guid *value)
{
    char text[GUID_TEXT_SIZE];
    guid_print(value, text);
    json_put_text(w, (struct text){ text, GUID_TEXT_LEN });
}

void json_put_raw(struct json_writer *w, struct text json)
{
    before_value(w);
    buffer_append_text(w->out, json);
}

static void escape_byte(struct buffer *out, unsigned char byte)
{
    static const char short_escapes[32] = { ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r' };
    static const char hex[] = "0123456789abcdef";
    char escape[6] = { '\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15] };
    size_t size = sizeof escape;
    if (byte == '"' || byte == '\\') {
        escape[1] = (char)byte;
        size = 2;
    } else if (short_escapes[byte] != '\0') {
        escape[1] = short_escapes[byte];
        size = 2;
    }
    buffer_append(out, escape, size);
}

/* True when all eight bytes are ASCII and none needs an escape. A byte's top bit ends up set when it is
 * below 0x20, equal to a quote or backslash (after the exclusive or: zero), or beyond ASCII; borrows
 * between bytes can only set more bits, never fewer. */
static bool all_plain(const char *at)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t word;
    memcpy(&word, at, sizeof word);
    uint64_t quote = word ^ ones * '"';
    uint64_t backslash = word ^ ones * '\\';
    uint64_t found = (word - ones * 0x20) | (quote - ones) | (backslash - ones) | word;
    return (found & ones * 0x80) == 0;
}

/* Runs of bytes that need no escape are appended at once. */
void json_escape(struct buffer *out, struct text value)
{
    size_t run = 0;
    size_t at = 0;
    while (at < value.len) {
        if (value.len - at >= 8 && all_plain(value.ptr + at)) {
            at += 8;
            continue;
        }
        unsigned char byte = (unsigned char)value.ptr[at];
        size_t step = 1;
        if (byte >= 0x80)
            step = text_utf8_step((struct text){ value.ptr + at, value.len - at });
        if (step != 0 && byte >= 0x20 && byte != '"' && byte != '\\') {
            at += step;
            continue;
        }
        buffer_append(out, value.ptr + run, at - run);
        if (step == 0)
            buffer_append_literal(out, "\xEF\xBF\xBD"); /* U+FFFD */
        else
            escape_byte(out, byte);
        run = ++at;
    }
    if (at > run)
        buffer_append(out, value.ptr + run, at - run);
}
