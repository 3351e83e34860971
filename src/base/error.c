/* The error table and the building of messages for people. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"

struct error_row {
    const char *wire_code;
    const char *text;
    short http_status;
    bool retryable;
};

static const struct error_row rows[] = {
#define ERROR_ROW(name, wire, status, retryable, text) { wire, text, status, retryable },
    ERROR_TABLE(ERROR_ROW)
#undef ERROR_ROW
};
_Static_assert(COUNT_OF(rows) == ERROR_COUNT, "one row per code");

static const struct error_row *row_of(err_t error)
{
    REQUIREF((unsigned)error < ERROR_COUNT, "error=%d", (int)error);
    return &rows[error];
}

const char *error_wire_code(err_t error)
{
    return row_of(error)->wire_code;
}

int error_http_status(err_t error)
{
    return row_of(error)->http_status;
}

bool error_retryable(err_t error)
{
    return row_of(error)->retryable;
}

const char *error_text(err_t error)
{
    return row_of(error)->text;
}

/* Makes buffer, which holds text cut at an arbitrary byte, valid UTF-8: a code point that the cut split
 * goes; any other foreign byte becomes '?' so that the rest stays readable. */
static void make_presentable(char *buffer, bool was_cut)
{
    struct text rest = text_of(buffer);
    while (rest.len > 0) {
        size_t step = text_utf8_step(rest);
        char *at = buffer + (rest.ptr - buffer);
        if (step == 0 && was_cut && rest.len < 4 && ((unsigned char)*at & 0xC0) == 0xC0) {
            *at = '\0';
            return;
        }
        if (step == 0) {
            *at = '?';
            step = 1;
        }
        rest.ptr += step;
        rest.len -= step;
    }
}

err_t error_set(struct error_info *info, err_t code, const char *target, const char *format, ...)
{
    if (info == NULL)
        return code;
    info->code = code;
    int length = snprintf(info->target, sizeof info->target, "%s", target != NULL ? target : "");
    make_presentable(info->target, length >= (int)sizeof info->target);
    if (format == NULL) {
        length = snprintf(info->message, sizeof info->message, "%s", error_text(code));
    } else {
        va_list args;
        va_start(args, format);
        length = vsnprintf(info->message, sizeof info->message, format, args);
        va_end(args);
        if (length < 0)
            info->message[0] = '\0';
    }
    make_presentable(info->message, length >= (int)sizeof info->message);
    return code;
}
