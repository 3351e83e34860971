/* Text encodings and big-endian integers: hex, base64url without padding (RFC 4648 section 5),
 * percent-decoding, varints (LEB128). Pure, any thread; decoders accept only canonical input. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/buffer.h"
#include "base/text.h"

/* out holds 2 * size + 1 bytes; lower case, NUL-terminated. */
void hex_encode(const void *bytes, size_t size, char *out);
/* text.len must be 2 * size; any case. */
MUST_CHECK bool hex_decode(struct text text, void *out, size_t size);

#define BASE64URL_LEN(size) (((size)*4 + 2) / 3)
/* Writes BASE64URL_LEN(size) characters and a NUL; returns the length. */
size_t base64url_encode(const void *bytes, size_t size, char *out);
/* Returns false on a foreign character, padding, wrong length, nonzero spare bits or out_size too small. */
MUST_CHECK bool base64url_decode(struct text text, void *out, size_t out_size, size_t *out_len);
/* RFC 4648 section 4 with padding, for HTTP Basic, PEM-like inputs and registration tokens. Encoding appends. */
void base64_encode(struct buffer *out, const void *bytes, size_t size);
MUST_CHECK bool base64_decode(struct text text, void *out, size_t out_size, size_t *out_len);

/* %XX is decoded, with plus_is_space also '+'. Result in the arena; false on a bad escape or no memory. */
MUST_CHECK bool percent_decode(struct arena *arena, struct text text, bool plus_is_space, struct text *out);
/* RFC 3986 unreserved characters stay, all else becomes %XX. */
void percent_encode(struct buffer *out, struct text text);

static inline void put_u16be(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}
static inline void put_u32be(uint8_t *p, uint32_t v)
{
    put_u16be(p, (uint16_t)(v >> 16));
    put_u16be(p + 2, (uint16_t)v);
}
static inline void put_u64be(uint8_t *p, uint64_t v)
{
    put_u32be(p, (uint32_t)(v >> 32));
    put_u32be(p + 4, (uint32_t)v);
}
static inline uint16_t get_u16be(const uint8_t *p)
{
    return (uint16_t)((p[0] << 8) | p[1]);
}
static inline uint32_t get_u32be(const uint8_t *p)
{
    return ((uint32_t)get_u16be(p) << 16) | get_u16be(p + 2);
}
static inline uint64_t get_u64be(const uint8_t *p)
{
    return ((uint64_t)get_u32be(p) << 32) | get_u32be(p + 4);
}

#define VARINT_SIZE_MAX 10
/* Writes 1 to 10 bytes, returns how many. */
size_t varint_put(uint8_t *out, uint64_t value);
/* Reads from [*cursor, end), moves *cursor; false when cut off, over-long or above 64 bits. */
MUST_CHECK bool varint_get(const uint8_t **cursor, const uint8_t *end, uint64_t *out);
