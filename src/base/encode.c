/* Text encodings. Decoders take one spelling of each value only, so that a decoded token or key can be
 * compared by its text as well as by its bytes. */
#include "base/encode.h"

#include <string.h>

static const char hex_digits[] = "0123456789abcdef";
static const char hex_digits_upper[] = "0123456789ABCDEF";

#define IS_HEX 0x10
static const uint8_t hex_values[256] = {
    ['0'] = IS_HEX | 0,  ['1'] = IS_HEX | 1,  ['2'] = IS_HEX | 2,  ['3'] = IS_HEX | 3,  ['4'] = IS_HEX | 4,
    ['5'] = IS_HEX | 5,  ['6'] = IS_HEX | 6,  ['7'] = IS_HEX | 7,  ['8'] = IS_HEX | 8,  ['9'] = IS_HEX | 9,
    ['a'] = IS_HEX | 10, ['b'] = IS_HEX | 11, ['c'] = IS_HEX | 12, ['d'] = IS_HEX | 13, ['e'] = IS_HEX | 14,
    ['f'] = IS_HEX | 15, ['A'] = IS_HEX | 10, ['B'] = IS_HEX | 11, ['C'] = IS_HEX | 12, ['D'] = IS_HEX | 13,
    ['E'] = IS_HEX | 14, ['F'] = IS_HEX | 15,
};

/* 0 to 15, or -1. */
static int hex_value(char c)
{
    uint8_t value = hex_values[(unsigned char)c];
    return value != 0 ? value & 15 : -1;
}

void hex_encode(const void *bytes, size_t size, char *out)
{
    const uint8_t *in = bytes;
    for (size_t i = 0; i < size; i++) {
        *out++ = hex_digits[in[i] >> 4];
        *out++ = hex_digits[in[i] & 15];
    }
    *out = '\0';
}

/* Whether every character was one is asked once, at the end. */
HOT bool hex_decode(struct text text, void *out, size_t size)
{
    const uint8_t *in = (const uint8_t *)text.ptr;
    uint8_t *bytes = out;
    uint8_t all = IS_HEX;
    if (text.len / 2 != size || text.len % 2 != 0)
        return false;
    for (size_t i = 0; i < size; i++) {
        uint8_t high = hex_values[in[2 * i]], low = hex_values[in[2 * i + 1]];
        all &= high & low;
        bytes[i] = (uint8_t)(high << 4 | (low & 15));
    }
    return all != 0;
}

static const char base64url_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t base64url_encode(const void *bytes, size_t size, char *out)
{
    const uint8_t *in = bytes;
    char *at = out;
    uint32_t bits = 0;
    unsigned bit_count = 0;
    for (size_t i = 0; i < size; i++) {
        bits = bits << 8 | in[i];
        bit_count += 8;
        while (bit_count >= 6) {
            bit_count -= 6;
            *at++ = base64url_digits[bits >> bit_count & 63];
        }
    }
    if (bit_count > 0)
        *at++ = base64url_digits[bits << (6 - bit_count) & 63];
    *at = '\0';
    return (size_t)(at - out);
}

static int base64_value(char c, char digit62, char digit63)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == digit62 ? 62 : c == digit63 ? 63 : -1;
}

/* Without padding; both alphabets. */
static bool decode_64(struct text text, char digit62, char digit63, void *out, size_t out_size, size_t *out_len)
{
    uint8_t *bytes = out;
    size_t len = text.len / 4 * 3 + (text.len % 4 * 6) / 8;
    if (text.len % 4 == 1 || len > out_size)
        return false;
    uint32_t bits = 0;
    unsigned bit_count = 0;
    for (size_t i = 0; i < text.len; i++) {
        int value = base64_value(text.ptr[i], digit62, digit63);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            *bytes++ = (uint8_t)(bits >> bit_count);
        }
    }
    *out_len = len;
    return (bits & ((1u << bit_count) - 1)) == 0;
}

bool base64url_decode(struct text text, void *out, size_t out_size, size_t *out_len)
{
    return decode_64(text, '-', '_', out, out_size, out_len);
}

void base64_encode(struct buffer *out, const void *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *in = bytes;
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t bits = (uint32_t)in[i] << 16;
        if (left > 1)
            bits |= (uint32_t)in[i + 1] << 8;
        if (left > 2)
            bits |= in[i + 2];
        char group[4] = { digits[bits >> 18], digits[bits >> 12 & 63], '=', '=' };
        if (left > 1)
            group[2] = digits[bits >> 6 & 63];
        if (left > 2)
            group[3] = digits[bits & 63];
        buffer_append(out, group, sizeof group);
    }
}

bool base64_decode(struct text text, void *out, size_t out_size, size_t *out_len)
{
    if (text.len % 4 != 0)
        return false;
    for (int i = 0; i < 2 && text.len > 0 && text.ptr[text.len - 1] == '='; i++)
        text.len--;
    return decode_64(text, '+', '/', out, out_size, out_len);
}

bool percent_decode(struct arena *arena, struct text text, bool plus_is_space, struct text *out)
{
    struct text copy = arena_text(arena, text);
    char *to = (char *)(uintptr_t)copy.ptr; /* our own copy, hence writable */
    if (to == NULL)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int high = text.len - i > 2 ? hex_value(text.ptr[i + 1]) : -1;
            int low = text.len - i > 2 ? hex_value(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        *to++ = c;
    }
    *to = '\0';
    *out = (struct text){ copy.ptr, (size_t)(to - copy.ptr) };
    return true;
}

static bool is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

void percent_encode(struct buffer *out, struct text text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (is_unreserved(c)) {
            buffer_append_char(out, c);
        } else {
            unsigned char byte = (unsigned char)c;
            char escape[3] = { '%', hex_digits_upper[byte >> 4], hex_digits_upper[byte & 15] };
            buffer_append(out, escape, sizeof escape);
        }
    }
}

size_t varint_put(uint8_t *out, uint64_t value)
{
    size_t len = 0;
    while (value >= 0x80) {
        out[len++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[len++] = (uint8_t)value;
    return len;
}

bool varint_get(const uint8_t **cursor, const uint8_t *end, uint64_t *out)
{
    uint64_t value = 0;
    const uint8_t *at = *cursor;
    for (unsigned shift = 0; at < end && shift < 64; shift += 7) {
        uint8_t byte = *at++;
        if (shift == 63 && byte > 1)
            return false;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte >= 0x80)
            continue;
        if (byte == 0 && shift != 0)
            return false; /* the byte before should have been the last */
        *cursor = at;
        *out = value;
        return true;
    }
    return false;
}
