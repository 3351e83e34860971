/* GUIDs. The bytes are kept in the order of the text, not in the mixed-endian order of some systems, so
 * that byte order is text order. */
#include "base/guid.h"

#include <string.h>

#include "base/encode.h"

/* Where a group starts in the text, and in the bytes. */
static const struct {
    uint8_t text_start, byte_start, byte_count;
} groups[] = { { 0, 0, 4 }, { 9, 4, 2 }, { 14, 6, 2 }, { 19, 8, 2 }, { 24, 10, 6 } };

bool guid_parse(struct text text, struct guid *out)
{
    struct guid guid;
    if (text.len != GUID_TEXT_LEN)
        return false;
    for (size_t i = 0; i < COUNT_OF(groups); i++) {
        const char *start = text.ptr + groups[i].text_start;
        if (i > 0 && start[-1] != '-')
            return false;
        if (!hex_decode((struct text){ start, (size_t)groups[i].byte_count * 2 }, guid.bytes + groups[i].byte_start,
                        groups[i].byte_count))
            return false;
    }
    *out = guid;
    return true;
}

bool guid_parse_loose(struct text text, struct guid *out)
{
    struct guid guid;
    if (text.len != 2 * sizeof guid.bytes)
        return guid_parse(text, out);
    if (!hex_decode(text, guid.bytes, sizeof guid.bytes))
        return false;
    *out = guid;
    return true;
}

void guid_print(const struct guid *guid, char out[GUID_TEXT_SIZE])
{
    for (size_t i = 0; i < COUNT_OF(groups); i++) {
        char *start = out + groups[i].text_start;
        if (i > 0)
            start[-1] = '-';
        hex_encode(guid->bytes + groups[i].byte_start, groups[i].byte_count, start);
    }
}

bool guid_equal(const struct guid *a, const struct guid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool guid_is_zero(const struct guid *guid)
{
    static const struct guid zero;
    return guid_equal(guid, &zero);
}

struct guid guid_from_random(const uint8_t random[16])
{
    struct guid guid;
    memcpy(guid.bytes, random, sizeof guid.bytes);
    guid.bytes[6] = (uint8_t)((guid.bytes[6] & 0x0F) | 0x40); /* version 4 */
    guid.bytes[8] = (uint8_t)((guid.bytes[8] & 0x3F) | 0x80); /* RFC 9562 variant */
    return guid;
}
