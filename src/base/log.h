/* Logging: logfmt (or JSON by option) on stderr, one line per event, no secrets. Thread-safe. Lines are
 * built whole and written with one write; when stderr would block, the line is dropped and counted, so
 * that logging never blocks the loop.
 *   log_info("net", "listening", LOG_TEXT("address", t), LOG_INT("port", 8443));
 * Text that needs it is quoted and escaped as in JSON. Texts over 1 KiB are cut, fields that do not fit
 * into 4 KiB are left out and the line says so by truncated=1. After a loss the next line says dropped=N.
 * prints: time=2026-01-31T13:00:00.123Z level=info group=net event="listening" address=... port=8443 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

struct clock;

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

enum log_field_kind { LOG_FIELD_END, LOG_FIELD_TEXT, LOG_FIELD_INT };
struct log_field {
    enum log_field_kind kind;
    const char *name;
    struct text text;
    int64_t number;
};
#define LOG_TEXT(name, value) ((struct log_field){ LOG_FIELD_TEXT, name, value, 0 })
#define LOG_CSTR(name, value) ((struct log_field){ LOG_FIELD_TEXT, name, text_of(value), 0 })
#define LOG_INT(name, value) ((struct log_field){ LOG_FIELD_INT, name, TEXT_NONE, (int64_t)(value) })

struct log_options {
    enum log_level level; /* events above it are not written */
    bool json;
    int fd;                    /* 2 normally */
    const struct clock *clock; /* of the time= field; NULL: the system's */
};
/* Call once at start, before other threads; may be called again on reload. Default: info, logfmt, fd 2. */
void log_configure(const struct log_options *options);
bool log_enabled(enum log_level level);
/* fields ends with LOG_FIELD_END; the macros below add it. */
void log_event(enum log_level level, const char *group, const char *event, const struct log_field *fields);
uint64_t log_dropped_count(void);

#define log_write(level, group, event, ...)                                                                            \
    do {                                                                                                               \
        if (log_enabled(level))                                                                                        \
            log_event(level, group, event,                                                                             \
                      (const struct log_field[]){ __VA_ARGS__ __VA_OPT__(, ){ .kind = LOG_FIELD_END } });              \
    } while (0)
#define log_error(group, event, ...) log_write(LOG_ERROR, group, event __VA_OPT__(, ) __VA_ARGS__)
#define log_warning(group, event, ...) log_write(LOG_WARNING, group, event __VA_OPT__(, ) __VA_ARGS__)
#define log_info(group, event, ...) log_write(LOG_INFO, group, event __VA_OPT__(, ) __VA_ARGS__)
#define log_debug(group, event, ...) log_write(LOG_DEBUG, group, event __VA_OPT__(, ) __VA_ARGS__)
