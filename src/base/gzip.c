/* gzip by libdeflate, whole buffers. Decompression writes straight into the caller's buffer: the room
 * offered grows from what the stream's trailer claims (which is not trusted beyond a first guess) up to
 * the limit, so a bomb costs at most about twice the limit in work and never more than it in memory. */
#include "base/gzip.h"

#include <libdeflate.h>

#include "base/check.h"

#define FIRST_ROOM ((size_t)4096)
#define MEMBER_SIZE_MIN 18 /* header 10, empty block 2 at least, trailer 8: no less than this */

/* Nobody compresses better than about 1:1032 with deflate, so a larger claim is a lie. */
static size_t first_guess(struct text compressed)
{
    if (compressed.len < MEMBER_SIZE_MIN)
        return FIRST_ROOM;
    const unsigned char *tail = (const unsigned char *)compressed.ptr + compressed.len - 4;
    size_t claimed = (size_t)tail[0] | (size_t)tail[1] << 8 | (size_t)tail[2] << 16 | (size_t)tail[3] << 24;
    if (claimed / 1032 > compressed.len)
        return FIRST_ROOM;
    return claimed > FIRST_ROOM ? claimed : FIRST_ROOM;
}

/* One member from the start of *rest. *room is how much output to offer, within 'left'. */
static err_t decompress_member(struct libdeflate_decompressor *library, struct text *rest, size_t left, size_t *room,
                               struct buffer *out)
{
    for (;;) {
        size_t offered = *room < left ? *room : left;
        size_t read_size = 0;
        size_t written_size = 0;
        char *at = buffer_reserve(out, offered + 1); /* never an empty range */
        if (at == NULL)
            return ERROR_NO_MEMORY;
        enum libdeflate_result result =
            libdeflate_gzip_decompress_ex(library, rest->ptr, rest->len, at, offered, &read_size, &written_size);
        if (result == LIBDEFLATE_SUCCESS) {
            out->end += written_size;
            rest->ptr += read_size;
            rest->len -= read_size;
            return ERROR_OK;
        }
        if (result != LIBDEFLATE_INSUFFICIENT_SPACE)
            return ERROR_INVALID_REQUEST_CONTENT;
        if (offered == left)
            return ERROR_REQUEST_TOO_LARGE;
        *room = *room * 2;
    }
}

err_t gzip_decompress(struct text compressed, size_t limit_bytes, struct buffer *out)
{
    struct libdeflate_decompressor *library = libdeflate_alloc_decompressor();
    if (library == NULL)
        return ERROR_NO_MEMORY;
    size_t room = first_guess(compressed);
    size_t before = buffer_len(out);
    err_t error = compressed.len == 0 ? ERROR_INVALID_REQUEST_CONTENT : ERROR_OK;
    while (error == ERROR_OK && compressed.len > 0)
        error = decompress_member(library, &compressed, limit_bytes - (buffer_len(out) - before), &room, out);
    libdeflate_free_decompressor(library);
    if (error != ERROR_OK)
        out->end = out->start + before;
    return error;
}

err_t gzip_compress(struct text plain, int level, struct buffer *out)
{
    REQUIREF(level >= 1 && level <= 12, "level=%d", level);
    struct libdeflate_compressor *library = libdeflate_alloc_compressor(level);
    if (library == NULL)
        return ERROR_NO_MEMORY;
    size_t room = libdeflate_gzip_compress_bound(library, plain.len);
    char *at = buffer_reserve(out, room);
    size_t size = 0;
    if (at != NULL) {
        size = libdeflate_gzip_compress(library, plain.ptr, plain.len, at, room);
        REQUIRE(size > 0);
        out->end += size;
    }
    libdeflate_free_compressor(library);
    return size > 0 ? ERROR_OK : ERROR_NO_MEMORY;
}
