/* Writing parsed values back: compact in their own order, or canonical for comparing. Recursion is as
 * deep as the value, which json_parse has bounded by JSON_DEPTH_MAX. */
#include "base/json.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/memory.h"

/* A number as sign, significant digits without zeros at either end, and what must be added to the
 * written exponent for an integer of those digits. digits may hold one point. */
struct number {
    bool negative;
    struct text digits;
    int64_t digit_count;
    int64_t shift;
    bool exponent_negative;
    struct text exponent; /* without sign and leading zeros; empty when 0 */
};

static struct number take_apart(struct text text)
{
    struct number n = { .negative = text.ptr[0] == '-' };
    const char *at = text.ptr + n.negative;
    const char *end = text.ptr + text.len;
    const char *first = at;
    const char *point = NULL;
    for (; at < end && *at != 'e' && *at != 'E'; at++) {
        if (*at == '.')
            point = at;
    }
    const char *last = at;
    if (at < end) {
        at++;
        n.exponent_negative = *at == '-';
        at += *at == '-' || *at == '+';
        while (at < end && *at == '0')
            at++;
        n.exponent = (struct text){ at, (size_t)(end - at) };
    }
    while (first < last && (*first == '0' || *first == '.'))
        first++;
    if (point != NULL)
        n.shift = -(last - point - 1);
    for (; last > first && (last[-1] == '0' || last[-1] == '.'); last--)
        n.shift += last[-1] == '0';
    n.digits = (struct text){ first, (size_t)(last - first) };
    bool has_point = point != NULL && point > first && point < last;
    n.digit_count = (int64_t)n.digits.len - has_point;
    return n;
}

static void put_digits(struct buffer *out, const struct number *n)
{
    struct text rest = n->digits;
    struct text piece;
    while (text_cut(&rest, '.', &piece))
        buffer_append_text(out, piece);
}

/* Appends exponent + shift where the exponent has more digits than fit 64 bits, so that its sign is
 * the sign of the sum and only its size changes. */
static void put_long_exponent(struct buffer *out, const struct number *n)
{
    if (n->exponent_negative)
        buffer_append_char(out, '-');
    size_t size = n->exponent.len + 1; /* a leading zero takes the carry */
    char *digits = buffer_reserve(out, size);
    if (digits == NULL)
        return;
    digits[0] = '0';
    memcpy(digits + 1, n->exponent.ptr, n->exponent.len);
    int64_t carry = n->exponent_negative ? -n->shift : n->shift;
    for (size_t i = size; i-- > 0 && carry != 0;) {
        int64_t sum = carry + (digits[i] - '0');
        int64_t digit = sum % 10;
        digit = digit < 0 ? digit + 10 : digit;
        digits[i] = (char)('0' + digit);
        carry = (sum - digit) / 10;
    }
    REQUIRE(carry == 0);
    size_t zeros = 0;
    while (digits[zeros] == '0')
        zeros++;
    memmove(digits, digits + zeros, size - zeros);
    out->end += size - zeros;
}

#define EXPONENT_DIGITS_MAX 18
#define PLAIN_INTEGER_DIGITS_MAX 21
#define PLAIN_LEADING_ZEROS_MAX 5

/* The exponent of an integer of the digits, or false when it does not fit 64 bits. */
static bool exponent_of(const struct number *n, int64_t *out)
{
    if (n->exponent.len > EXPONENT_DIGITS_MAX)
        return false;
    int64_t exponent = 0;
    for (size_t i = 0; i < n->exponent.len; i++)
        exponent = exponent * 10 + (n->exponent.ptr[i] - '0');
    *out = (n->exponent_negative ? -exponent : exponent) + n->shift;
    return true;
}

static void put_zeros(struct buffer *out, int64_t count)
{
    while (count-- > 0)
        buffer_append_char(out, '0');
}

/* One text for each value: 0 is "0"; numbers of everyday size are written plainly without needless
 * zeros; all others as integer digits that end in no zero, 'e' and an exponent. The choice depends on
 * the value alone. */
static void put_number(struct buffer *out, struct text text)
{
    struct number n = take_apart(text);
    if (n.digits.len == 0) {
        buffer_append_char(out, '0');
        return;
    }
    if (n.negative)
        buffer_append_char(out, '-');
    int64_t exponent;
    bool fits = exponent_of(&n, &exponent);
    int64_t point = fits ? n.digit_count + exponent : 0; /* integer digits, if positive */
    if (fits && exponent >= 0 && point <= PLAIN_INTEGER_DIGITS_MAX) {
        put_digits(out, &n);
        put_zeros(out, exponent);
    } else if (fits && exponent < 0 && point > -PLAIN_LEADING_ZEROS_MAX) {
        if (point <= 0)
            buffer_append_literal(out, "0.");
        put_zeros(out, -point);
        size_t start = buffer_len(out);
        put_digits(out, &n);
        if (point > 0 && buffer_reserve(out, 1) != NULL) {
            char *at = out->data + out->start + start + point;
            memmove(at + 1, at, (size_t)(n.digit_count - point));
            *at = '.';
            out->end++;
        }
    } else {
        put_digits(out, &n);
        buffer_append_char(out, 'e');
        if (fits)
            buffer_append_i64(out, exponent);
        else
            put_long_exponent(out, &n);
    }
}

struct member {
    struct text name;
    const struct json *value;
    size_t index; /* keeps the order of members with the same name */
};

static int order_members(const void *a, const void *b)
{
    const struct member *left = a;
    const struct member *right = b;
    int order = text_compare(left->name, right->name);
    return order != 0 ? order : (left->index > right->index) - (left->index < right->index);
}

static void put_value(struct json_writer *w, const struct json *value, bool canonical);

#define MEMBERS_ON_STACK 16

static void put_members_sorted(struct json_writer *w, const struct json *object)
{
    struct member few[MEMBERS_ON_STACK];
    size_t count = json_count(object);
    struct member *members = few;
    if (count > MEMBERS_ON_STACK) {
        members = memory_zalloc(count, sizeof *members);
        if (members == NULL) {
            w->out->failed = true;
            return;
        }
    }
    struct json_iterator it = json_iterate(object);
    for (size_t i = 0; i < count && json_next(&it); i++)
        members[i] = (struct member){ it.name, it.value, i };
    qsort(members, count, sizeof *members, order_members);
    for (size_t i = 0; i < count; i++) {
        json_name_text(w, members[i].name);
        put_value(w, members[i].value, true);
    }
    if (members != few)
        memory_free(members);
}

static void put_object(struct json_writer *w, const struct json *object, bool canonical)
{
    json_begin_object(w);
    if (canonical) {
        put_members_sorted(w, object);
    } else {
        for (struct json_iterator i = json_iterate(object); json_next(&i);) {
            json_name_text(w, i.name);
            put_value(w, i.value, false);
        }
    }
    json_end_object(w);
}

static void put_value(struct json_writer *w, const struct json *value, bool canonical)
{
    switch (json_type(value)) {
    case JSON_NULL:
        json_put_null(w);
        break;
    case JSON_FALSE:
    case JSON_TRUE:
        json_put_bool(w, json_type(value) == JSON_TRUE);
        break;
    case JSON_NUMBER:
        json_put_raw(w, canonical ? TEXT("") : json_number(value));
        if (canonical)
            put_number(w->out, json_number(value));
        break;
    case JSON_STRING:
        json_put_text(w, json_string(value));
        break;
    case JSON_ARRAY:
        json_begin_array(w);
        for (struct json_iterator i = json_iterate(value); json_next(&i);)
            put_value(w, i.value, canonical);
        json_end_array(w);
        break;
    case JSON_OBJECT:
        put_object(w, value, canonical);
        break;
    }
}

static struct text write_value(struct arena *arena, const struct json *value, bool canonical)
{
    struct buffer out = { 0 };
    struct json_writer writer = json_writer(&out);
    put_value(&writer, value, canonical);
    struct text text = out.failed ? TEXT_NONE : arena_text(arena, buffer_text(&out));
    buffer_free(&out);
    return text;
}

struct text json_minify(struct arena *arena, const struct json *value)
{
    return write_value(arena, value, false);
}

struct text json_canonical(struct arena *arena, const struct json *value)
{
    return write_value(arena, value, true);
}
