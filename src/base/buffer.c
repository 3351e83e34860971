/* Growable byte buffer. Invariants: start <= end <= capacity; data is NULL exactly when capacity is 0;
 * once failed is set nothing is appended until buffer_clear or buffer_free. */
#include "base/buffer.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"

#define CAPACITY_MIN ((size_t)64)
#define CAPACITY_MAX (SIZE_MAX / 4)

void buffer_free(struct buffer *buffer)
{
    memory_free(buffer->data);
    *buffer = (struct buffer){ 0 };
}

/* Moves the content to the front when that gives the room and at least half the memory is consumed
 * bytes: each byte is then moved at most once per byte consumed. */
static bool make_room(struct buffer *b, size_t size)
{
    size_t len = buffer_len(b);
    if (size > CAPACITY_MAX - len)
        return false;
    if (size <= b->capacity - len && b->start >= b->capacity / 2) {
        memmove(b->data, b->data + b->start, len);
        b->start = 0;
        b->end = len;
        return true;
    }
    size_t needed = b->end + size;
    size_t capacity = b->capacity < CAPACITY_MIN ? CAPACITY_MIN : b->capacity * 2;
    if (capacity < needed)
        capacity = needed;
    char *data = memory_realloc(b->data, capacity);
    if (data == NULL)
        return false;
    b->data = data;
    b->capacity = capacity;
    return true;
}

char *buffer_reserve(struct buffer *buffer, size_t size)
{
    if (buffer->failed)
        return NULL;
    if (buffer->data == NULL || size > buffer->capacity - buffer->end) {
        if (!make_room(buffer, size)) {
            buffer->failed = true;
            return NULL;
        }
    }
    return buffer->data + buffer->end;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t size)
{
    if (size == 0)
        return;
    char *at = buffer_reserve(buffer, size);
    if (at == NULL)
        return;
    memcpy(at, bytes, size);
    buffer->end += size;
}

void buffer_append_text(struct buffer *buffer, struct text text)
{
    buffer_append(buffer, text.ptr, text.len);
}

void buffer_append_char(struct buffer *buffer, char c)
{
    char *at = buffer_reserve(buffer, 1);
    if (at == NULL)
        return;
    *at = c;
    buffer->end++;
}

void buffer_append_u64(struct buffer *buffer, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    buffer_append(buffer, digits + at, sizeof digits - at);
}

void buffer_append_i64(struct buffer *buffer, int64_t value)
{
    if (value < 0)
        buffer_append_char(buffer, '-');
    buffer_append_u64(buffer, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void buffer_append_format(struct buffer *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    char *at = length >= 0 ? buffer_reserve(buffer, (size_t)length + 1) : NULL;
    if (at != NULL) {
        (void)vsnprintf(at, (size_t)length + 1, format, again);
        buffer->end += (size_t)length;
    } else {
        buffer->failed = true;
    }
    va_end(again);
    va_end(args);
}

void buffer_consume(struct buffer *buffer, size_t size)
{
    REQUIREF(size <= buffer_len(buffer), "size=%zu len=%zu", size, buffer_len(buffer));
    buffer->start += size;
    if (buffer->start == buffer->end)
        buffer->start = buffer->end = 0;
}

void buffer_clear(struct buffer *buffer)
{
    buffer->start = buffer->end = 0;
    buffer->failed = false;
}
