/* Header fields in fragments. See http1_fields.h. */
#include "net/http1_fields.h"

#include <string.h>

#define SEPARATOR_BYTES 4 /* ": " and CRLF */

void http1_fields_free(struct http1_fields *f)
{
    buffer_free(&f->bytes);
}

void http1_fields_clear(struct http1_fields *f)
{
    size_t used = f->count < HTTP_HEADERS_MAX ? f->count + 1 : HTTP_HEADERS_MAX; /* the last may be half read */
    memset(f->spans, 0, used * sizeof f->spans[0]);
    buffer_clear(&f->bytes);
    f->count = f->bytes_count = 0;
    f->resolved = false;
}

static bool count_bytes(struct http1_fields *f, size_t size)
{
    f->bytes_count += size;
    return f->bytes_count <= HTTP_HEADER_BYTES_MAX;
}

static void append(struct http1_fields *f, uint32_t *start, uint32_t *len, const char *bytes, size_t size)
{
    if (*len == 0)
        *start = (uint32_t)f->bytes.end;
    *len += (uint32_t)size;
    buffer_append(&f->bytes, bytes, size);
}

bool http1_fields_name(struct http1_fields *f, const char *bytes, size_t size)
{
    if (f->count == HTTP_HEADERS_MAX)
        return false;
    struct http1_span *span = &f->spans[f->count];
    if (!f->resolved)
        append(f, &span->name_start, &span->name_len, bytes, size);
    return count_bytes(f, size);
}

bool http1_fields_value(struct http1_fields *f, const char *bytes, size_t size)
{
    if (f->count == HTTP_HEADERS_MAX)
        return false;
    struct http1_span *span = &f->spans[f->count];
    if (!f->resolved)
        append(f, &span->value_start, &span->value_len, bytes, size);
    return count_bytes(f, size);
}

bool http1_fields_end_value(struct http1_fields *f)
{
    if (f->count == HTTP_HEADERS_MAX)
        return false;
    f->count++;
    return count_bytes(f, SEPARATOR_BYTES);
}

static struct text trim_end(struct text t)
{
    while (t.len > 0 && (t.ptr[t.len - 1] == ' ' || t.ptr[t.len - 1] == '\t'))
        t.len--;
    return t;
}

size_t http1_fields_resolve(struct http1_fields *f, bool *memory)
{
    const char *base = buffer_text(&f->bytes).ptr;
    *memory = !f->bytes.failed;
    f->resolved = true;
    if (f->bytes.failed)
        return 0;
    for (size_t i = 0; i < f->count; i++) {
        const struct http1_span *span = &f->spans[i];
        f->fields[i].name = (struct text){ base + span->name_start, span->name_len };
        f->fields[i].value = trim_end((struct text){ base + span->value_start, span->value_len });
    }
    return f->count;
}
