/* gzip (RFC 1952) both ways, whole buffers, with the output bounded so that a bomb fails. */
#pragma once

#include <stddef.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"

/* Appends the decompressed bytes (all members of the stream). ERROR_REQUEST_TOO_LARGE above
 * 'limit_bytes', ERROR_INVALID_REQUEST_CONTENT on a broken stream, ERROR_NO_MEMORY;
 * nothing is appended then. */
MUST_CHECK err_t gzip_decompress(struct text compressed, size_t limit_bytes, struct buffer *out);
/* Level 1 (fast) to 12 (small). ERROR_NO_MEMORY only. */
MUST_CHECK err_t gzip_compress(struct text plain, int level, struct buffer *out);
