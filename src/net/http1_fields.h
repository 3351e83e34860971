/* Private to net/: header fields as the parser library delivers them, in fragments: gathered, counted against the
 * limits, and handed out as texts once the head is complete. Shared by requests and responses. No I/O. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/text.h"
#include "net/http_types.h"

/* A field before the head is complete: positions in 'bytes', which may still move. */
struct http1_span {
    uint32_t name_start, name_len, value_start, value_len;
};

struct http1_fields {
    struct buffer bytes; /* what stands before the fields (the target), then names and values */
    struct http1_span spans[HTTP_HEADERS_MAX];
    struct http_field fields[HTTP_HEADERS_MAX];
    size_t count;       /* of the head, then also of trailers */
    size_t bytes_count; /* names, values and separators */
    bool resolved;      /* the head is complete: what still comes are trailers, counted and dropped */
};

void http1_fields_free(struct http1_fields *fields);
void http1_fields_clear(struct http1_fields *fields);
/* False: the limits of http_types.h are exceeded. */
MUST_CHECK bool http1_fields_name(struct http1_fields *fields, const char *bytes, size_t size);
MUST_CHECK bool http1_fields_value(struct http1_fields *fields, const char *bytes, size_t size);
MUST_CHECK bool http1_fields_end_value(struct http1_fields *fields);
/* The head is complete. Returns how many fields it has; false in *memory when some were lost. */
size_t http1_fields_resolve(struct http1_fields *fields, bool *memory);
