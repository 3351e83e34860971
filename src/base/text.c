/* Operations on borrowed byte ranges. Nothing here allocates or keeps a pointer. */
#include "base/text.h"

#include <stdint.h>

static unsigned char lower(char c)
{
    unsigned char u = (unsigned char)c;
    return (unsigned char)(u >= 'A' && u <= 'Z' ? u | 0x20u : u);
}

bool text_equal_nocase(struct text a, struct text b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    }
    return true;
}

bool text_starts_with(struct text t, struct text prefix)
{
    return t.len >= prefix.len && text_equal((struct text){ t.ptr, prefix.len }, prefix);
}

bool text_starts_with_nocase(struct text t, struct text prefix)
{
    return t.len >= prefix.len && text_equal_nocase((struct text){ t.ptr, prefix.len }, prefix);
}

int text_compare(struct text a, struct text b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common != 0 ? memcmp(a.ptr, b.ptr, common) : 0;
    if (order != 0)
        return order < 0 ? -1 : 1;
    return (a.len > b.len) - (a.len < b.len);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct text text_trim(struct text t)
{
    while (t.len > 0 && is_blank(t.ptr[0])) {
        t.ptr++;
        t.len--;
    }
    while (t.len > 0 && is_blank(t.ptr[t.len - 1]))
        t.len--;
    return t;
}

bool text_cut(struct text *rest, char separator, struct text *piece)
{
    if (rest->ptr == NULL)
        return false;
    const char *found = rest->len != 0 ? memchr(rest->ptr, separator, rest->len) : NULL;
    if (found == NULL) {
        *piece = *rest;
        *rest = TEXT_NONE;
        return true;
    }
    size_t before = (size_t)(found - rest->ptr);
    *piece = (struct text){ rest->ptr, before };
    *rest = (struct text){ found + 1, rest->len - before - 1 };
    return true;
}

bool text_to_u64(struct text t, unsigned long long *out)
{
    unsigned long long value = 0;
    if (t.len == 0)
        return false;
    for (size_t i = 0; i < t.len; i++) {
        unsigned digit = (unsigned)(unsigned char)t.ptr[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(value, 10ULL, &value) ||
            __builtin_add_overflow(value, (unsigned long long)digit, &value))
            return false;
    }
    *out = value;
    return true;
}

#define DISTANCE_LEN_MAX 64

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t text_distance(struct text a, struct text b, size_t cap)
{
    size_t row[DISTANCE_LEN_MAX + 1];
    if (a.len > DISTANCE_LEN_MAX || b.len > DISTANCE_LEN_MAX)
        return cap;
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t replaced = diagonal + (a.ptr[i - 1] != b.ptr[j - 1]);
            diagonal = row[j];
            row[j] = least(replaced, least(row[j], row[j - 1]) + 1);
        }
    }
    return least(row[b.len], cap);
}

/* Bounds for the second byte depend on the first: they exclude over-long forms (E0, F0), surrogates (ED)
 * and values above U+10FFFF (F4). */
size_t text_utf8_step(struct text t)
{
    if (t.len == 0)
        return 0;
    const unsigned char *p = (const unsigned char *)t.ptr;
    unsigned char first = p[0];
    if (first < 0x80)
        return 1;
    if (first < 0xC2 || first > 0xF4)
        return 0;
    size_t size = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (t.len < size)
        return 0;
    unsigned char low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    unsigned char high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    }
    return size;
}

bool text_is_utf8(struct text t)
{
    size_t at = 0;
    while (at < t.len) {
        uint64_t word;
        if (t.len - at >= sizeof word) {
            memcpy(&word, t.ptr + at, sizeof word);
            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                at += sizeof word;
                continue;
            }
        }
        size_t step = text_utf8_step((struct text){ t.ptr + at, t.len - at });
        if (step == 0)
            return false;
        at += step;
    }
    return true;
}
