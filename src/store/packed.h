/* Texts one behind the other in a value of a small table: length + 1 as a varint, then the bytes; 0 for an absent one.
 * Pure, any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/encode.h"
#include "base/text.h"

static inline void packed_put(struct buffer *out, struct text text)
{
    uint8_t length[VARINT_SIZE_MAX];
    buffer_append(out, length, varint_put(length, text.ptr != NULL ? text.len + 1 : 0));
    if (text.len > 0)
        buffer_append_text(out, text);
}

/* Reads from [*cursor, end) and moves *cursor; the text points there. False when it is cut off. */
MUST_CHECK static inline bool packed_get(const uint8_t **cursor, const uint8_t *end, struct text *out)
{
    uint64_t length;
    *out = TEXT_NONE;
    if (!varint_get(cursor, end, &length) || (length > 0 && length - 1 > (uint64_t)(end - *cursor)))
        return false;
    if (length > 0) {
        *out = (struct text){ (const char *)*cursor, (size_t)length - 1 };
        *cursor += length - 1;
    }
    return true;
}

/* At most size_max bytes of it, not ending in the middle of a character. */
static inline struct text packed_cut(struct text text, size_t size_max)
{
    if (text.len <= size_max)
        return text;
    text.len = size_max;
    while (text.len > 0 && ((unsigned char)text.ptr[text.len] & 0xc0) == 0x80)
        text.len--;
    return text;
}
