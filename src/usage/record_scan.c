/* The members of a record in plain form, in one pass and without copies: what producers send nearly always. Anything
 * out of the ordinary is left to the JSON reader, also whatever is wrong, so that there is one place that says so.
 * Invariant: nothing is read at or behind 'end'. */
#include <stdint.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "usage/record_internal.h"

#define FLAT_MEMBERS_MAX 16
/* That many digits always fit the one word of decimal_parse, with a point besides. */
#define NUMBER_DIGITS_MAX 18

struct cursor {
    const char *at, *end;
};

HOT static uint64_t load_word(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

HOT static bool is_plain(char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* Where the run of printable ASCII other than quote and backslash ends. With plain words eight bytes at a time: a
 * byte's top bit ends up set when it is below 0x20, a quote, a backslash, 0x7f or beyond ASCII. A carry or borrow comes
 * only from a byte that is found itself, so the lowest one found is exact. */
HOT static const char *plain_end(const char *at, const char *end)
{
#if defined(__SSE2__)
    for (; end - at >= 16; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        /* Compared as signed numbers, what lies beyond ASCII is below a blank, too. */
        __m128i low =
            _mm_or_si128(_mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20)), _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)));
        __m128i ends =
            _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
        unsigned found = (unsigned)_mm_movemask_epi8(_mm_or_si128(low, ends));
        if (found != 0)
            return at + __builtin_ctz(found);
    }
#endif
    const uint64_t ones = UINT64_C(0x0101010101010101);
    for (; end - at >= 8; at += 8) {
        uint64_t word = load_word(at);
        uint64_t quote = word ^ ones * '"';
        uint64_t backslash = word ^ ones * '\\';
        uint64_t found =
            ((word - ones * 0x20) | (quote - ones) | (backslash - ones) | (word + ones) | word) & ones * 0x80;
        if (found != 0)
            return at + (__builtin_ctzll(found) >> 3);
    }
    while (at < end && is_plain(*at))
        at++;
    return at;
}

HOT static void skip_blanks(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\r' || *c->at == '\t'))
        c->at++;
}

/* Blanks, then that character. */
HOT static bool take(struct cursor *c, char wanted)
{
    if (c->at < c->end && *c->at == wanted) {
        c->at++;
        return true;
    }
    skip_blanks(c);
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

/* The text between the quotes. */
HOT static bool take_string(struct cursor *c, struct text *out)
{
    if (!take(c, '"'))
        return false;
    const char *start = c->at;
    c->at = plain_end(start, c->end);
    *out = (struct text){ start, (size_t)(c->at - start) };
    return c->at < c->end && *c->at++ == '"';
}

HOT static size_t skip_digits(struct cursor *c)
{
    const char *start = c->at;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
        c->at++;
    return (size_t)(c->at - start);
}

/* Digits without a needless zero in front, with decimals if that is allowed; no sign and no exponent. What follows must
 * be looked at by the caller. */
HOT static bool take_number(struct cursor *c, bool decimals, struct text *out)
{
    const char *start = c->at;
    size_t integers = skip_digits(c), fraction = 0;
    if (integers == 0 || (*start == '0' && integers > 1))
        return false;
    if (decimals && c->at < c->end && *c->at == '.') {
        c->at++;
        fraction = skip_digits(c);
        if (fraction == 0)
            return false;
    }
    *out = (struct text){ start, (size_t)(c->at - start) };
    return integers + fraction <= NUMBER_DIGITS_MAX;
}

/* --- flat objects: tags and additionalInfo --- */

struct pair {
    struct text name, value; /* as written; the name without its quotes */
};

HOT static bool take_word(struct cursor *c, struct text word)
{
    if ((size_t)(c->end - c->at) < word.len || memcmp(c->at, word.ptr, word.len) != 0)
        return false;
    c->at += word.len;
    return true;
}

/* A string, a whole number, true, false or null: each of them is its own compact and canonical text. */
HOT static bool take_flat_value(struct cursor *c, struct text *out)
{
    struct text inner;
    skip_blanks(c);
    if (c->at == c->end)
        return false;
    const char *start = c->at;
    bool taken;
    if (*start == '"')
        taken = take_string(c, &inner);
    else if (*start >= '0' && *start <= '9')
        taken = take_number(c, false, &inner);
    else
        taken = take_word(c, TEXT("true")) || take_word(c, TEXT("false")) || take_word(c, TEXT("null"));
    *out = (struct text){ start, (size_t)(c->at - start) };
    return taken;
}

HOT static bool take_pairs(struct cursor *c, struct pair *pairs, size_t *count)
{
    *count = 0;
    if (take(c, '}'))
        return true;
    do {
        if (*count == FLAT_MEMBERS_MAX)
            return false;
        struct pair *pair = &pairs[*count];
        if (!take_string(c, &pair->name) || !take(c, ':') || !take_flat_value(c, &pair->value))
            return false;
        (*count)++;
    } while (take(c, ','));
    return take(c, '}');
}

HOT static size_t compact_size(const struct pair *pairs, size_t count)
{
    size_t size = 2 + (count > 0 ? count - 1 : 0); /* brackets and commas */
    for (size_t i = 0; i < count; i++)
        size += pairs[i].name.len + 3 + pairs[i].value.len;
    return size;
}

static char *put(char *to, struct text text)
{
    memcpy(to, text.ptr, text.len);
    return to + text.len;
}

static struct text write_compact(struct arena *arena, const struct pair *pairs, size_t count)
{
    size_t size = compact_size(pairs, count);
    char *out = arena_alloc(arena, size), *to = out;
    if (out == NULL)
        return TEXT_NONE;
    *to++ = '{';
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            *to++ = ',';
        *to++ = '"';
        to = put(to, pairs[i].name);
        *to++ = '"';
        *to++ = ':';
        to = put(to, pairs[i].value);
    }
    *to = '}';
    return (struct text){ out, size };
}

/* False when a name is given twice. */
static bool sort_pairs(struct pair *pairs, size_t count, bool *was_sorted)
{
    *was_sorted = true;
    for (size_t i = 1; i < count; i++) {
        struct pair moving = pairs[i];
        size_t to = i;
        int order = -1;
        while (to > 0 && (order = text_compare(moving.name, pairs[to - 1].name)) < 0) {
            pairs[to] = pairs[to - 1];
            to--;
        }
        if (to > 0 && order == 0)
            return false;
        pairs[to] = moving;
        *was_sorted = *was_sorted && to == i;
    }
    return true;
}

static bool take_flat_object(struct cursor *c, struct arena *arena, struct record_value *value)
{
    struct pair pairs[FLAT_MEMBERS_MAX];
    size_t count;
    bool was_sorted;
    const char *start = c->at;
    if (!take(c, '{') || !take_pairs(c, pairs, &count))
        return false;
    struct text written = { start, (size_t)(c->at - start) };
    value->kind = VALUE_OBJECT;
    value->text = compact_size(pairs, count) == written.len ? written : write_compact(arena, pairs, count);
    if (!sort_pairs(pairs, count, &was_sorted))
        return false;
    value->canonical = was_sorted ? value->text : write_compact(arena, pairs, count);
    return value->text.ptr != NULL && value->canonical.ptr != NULL;
}

/* --- members --- */

HOT static bool take_value(struct cursor *c, struct arena *arena, enum record_member member, struct record_value *value)
{
    bool is_attributes = member == MEMBER_TAGS || member == MEMBER_ADDITIONAL_INFO;
    skip_blanks(c);
    if (c->at == c->end)
        return false;
    if (*c->at == '"') {
        const char *start = c->at;
        value->kind = VALUE_STRING;
        value->plain = true;
        if (!take_string(c, &value->text))
            return false;
        value->canonical = (struct text){ start, (size_t)(c->at - start) };
        return true;
    }
    if (member == MEMBER_QUANTITY) {
        value->kind = VALUE_NUMBER;
        return take_number(c, true, &value->text);
    }
    return is_attributes && *c->at == '{' && take_flat_object(c, arena, value);
}

HOT bool record_scan(struct arena *arena, struct text text, struct record_value members[MEMBER_COUNT], size_t *size)
{
    struct text bounded = { text.ptr, text.len < RECORD_SIZE_BYTES_MAX ? text.len : RECORD_SIZE_BYTES_MAX };
    struct cursor c = { bounded.ptr, bounded.ptr + bounded.len };
    struct text name;
    if (c.at == c.end || *c.at++ != '{')
        return false;
    for (int m = 0; m < MEMBER_COUNT; m++)
        members[m].kind = VALUE_NONE;
    do {
        if (!take_string(&c, &name) || !take(&c, ':'))
            return false;
        enum record_member member = record_member_of(name);
        if (member == MEMBER_COUNT || members[member].kind != VALUE_NONE)
            return false;
        members[member] = (struct record_value){ .kind = VALUE_NONE };
        if (!take_value(&c, arena, member, &members[member]))
            return false;
    } while (take(&c, ','));
    if (!take(&c, '}'))
        return false;
    *size = (size_t)(c.at - bounded.ptr);
    return true;
}
