/* Log lines. A line is built on the caller's stack, at most LINE_SIZE bytes, so that a pipe takes it
 * whole; one mutex serialises the check for room and the write. What can't be written at once is counted
 * and gone: nobody ever waits for a log. */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/attributes.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/instant.h"

#define LINE_SIZE 4096 /* PIPE_BUF on Linux: a pipe that polls as writable has this room */
/* Kept free for the end of the line: truncated=1, dropped=N and the closing bracket. */
#define LINE_RESERVE 80
#define VALUE_SIZE_MAX 1024
#define VALUE_SIZE_MIN 16
/* The longest escape of one byte. */
#define ESCAPE_SIZE_MAX 6

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the fields of 'settings' but level */
static struct {
    _Atomic int level;
    bool json;
    int fd;
    bool socket;
    const struct clock *clock;
} settings = { .level = LOG_INFO, .fd = 2 };
static _Atomic uint64_t dropped_count;
static uint64_t dropped_reported_count; /* guarded by lock */

void log_configure(const struct log_options *options)
{
    struct stat status;
    bool socket = fstat(options->fd, &status) == 0 && S_ISSOCK(status.st_mode);
    REQUIRE(pthread_mutex_lock(&lock) == 0);
    settings.json = options->json;
    settings.fd = options->fd;
    settings.socket = socket;
    settings.clock = options->clock;
    atomic_store(&settings.level, (int)options->level);
    REQUIRE(pthread_mutex_unlock(&lock) == 0);
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&settings.level, memory_order_relaxed);
}

uint64_t log_dropped_count(void)
{
    return atomic_load(&dropped_count);
}

struct line {
    char bytes[LINE_SIZE];
    size_t len;
    size_t end; /* fields may fill up to here */
    bool json;
    bool truncated;
};

static size_t room(const struct line *line)
{
    return line->end > line->len ? line->end - line->len : 0;
}

static void put_bytes(struct line *line, const void *bytes, size_t size)
{
    REQUIREF(size <= LINE_SIZE - line->len, "size=%zu len=%zu", size, line->len);
    memcpy(line->bytes + line->len, bytes, size);
    line->len += size;
}

static void put(struct line *line, const char *literal)
{
    put_bytes(line, literal, strlen(literal));
}

/* Length of the piece of text that stands as it is; 0 when its first byte needs an escape. */
static size_t plain_step(struct text rest)
{
    unsigned char byte = (unsigned char)rest.ptr[0];
    if (byte < 0x20 || byte == 0x7F || byte == '"' || byte == '\\')
        return 0;
    return text_utf8_step(rest);
}

static void put_escape(struct line *line, unsigned char byte)
{
    static const char hex[] = "0123456789abcdef";
    char escape[ESCAPE_SIZE_MAX] = { '\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15] };
    if (byte >= 0x80) {
        put(line, "\xEF\xBF\xBD"); /* not UTF-8: U+FFFD */
    } else if (byte == '"' || byte == '\\') {
        escape[1] = (char)byte;
        put_bytes(line, escape, 2);
    } else if (byte == '\n') {
        put(line, "\\n");
    } else {
        put_bytes(line, escape, sizeof escape);
    }
}

/* The value may take 'size' bytes, quotes included. */
static void put_quoted(struct line *line, struct text value, size_t size)
{
    size_t end = line->len + size - 1 - ESCAPE_SIZE_MAX;
    put(line, "\"");
    while (value.len > 0) {
        if (line->len > end) {
            line->truncated = true;
            break;
        }
        size_t step = plain_step(value);
        if (step != 0)
            put_bytes(line, value.ptr, step);
        else
            put_escape(line, (unsigned char)value.ptr[0]);
        step = step != 0 ? step : 1;
        value.ptr += step;
        value.len -= step;
    }
    put(line, "\"");
}

/* What logfmt readers take as one value without quotes. */
static bool is_bare(struct text value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char byte = (unsigned char)value.ptr[i];
        if (byte <= ' ' || byte >= 0x7F || byte == '"' || byte == '=' || byte == '\\')
            return false;
    }
    return value.len > 0;
}

static void put_name(struct line *line, const char *name)
{
    if (line->json) {
        put(line, line->len > 1 ? ",\"" : "\"");
        put(line, name);
        put(line, "\":");
    } else {
        if (line->len > 0)
            put(line, " ");
        put(line, name);
        put(line, "=");
    }
}

static void put_text_field(struct line *line, const char *name, struct text value, bool quoted)
{
    size_t name_size = strlen(name) + 4;
    if (room(line) < name_size + VALUE_SIZE_MIN) {
        line->truncated = true;
        return;
    }
    put_name(line, name);
    size_t size = room(line) < VALUE_SIZE_MAX ? room(line) : VALUE_SIZE_MAX;
    if (!quoted && !line->json && value.len <= size && is_bare(value))
        put_bytes(line, value.ptr, value.len);
    else
        put_quoted(line, value, size);
}

static void put_int_field(struct line *line, const char *name, int64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    if (room(line) < strlen(name) + 4 + sizeof digits + 1) {
        line->truncated = true;
        return;
    }
    put_name(line, name);
    if (value < 0)
        put(line, "-");
    do {
        digits[--at] = (char)('0' + magnitude % 10);
        magnitude /= 10;
    } while (magnitude != 0);
    put_bytes(line, digits + at, sizeof digits - at);
}

/* "2026-01-31T13:00:00.123Z": milliseconds always, so that lines align. */
static void put_time(struct line *line, int64_t wall_ns)
{
    char text[INSTANT_TEXT_SIZE];
    int64_t ms = wall_ns / NS_PER_MS;
    size_t len = instant_print(ms * NS_PER_MS, text);
    if (ms % 1000 == 0 && len == strlen("2026-01-31T13:00:00Z")) {
        memcpy(text + len - 1, ".000Z", 5);
        len += 4;
    }
    put_text_field(line, "time", (struct text){ text, len }, false);
}

static void build(struct line *line, int64_t wall_ns, enum log_level level, const char *group, const char *event,
                  const struct log_field *fields)
{
    static const char *const levels[] = { "error", "warning", "info", "debug" };
    REQUIREF((size_t)level < COUNT_OF(levels), "level=%d", (int)level);
    line->len = 0;
    line->end = LINE_SIZE - LINE_RESERVE;
    line->truncated = false;
    if (line->json)
        put(line, "{");
    put_time(line, wall_ns);
    put_text_field(line, "level", text_of(levels[level]), false);
    put_text_field(line, "group", text_of(group), false);
    put_text_field(line, "event", text_of(event), true);
    for (; fields != NULL && fields->kind != LOG_FIELD_END; fields++) {
        if (fields->kind == LOG_FIELD_TEXT)
            put_text_field(line, fields->name, fields->text, false);
        else
            put_int_field(line, fields->name, fields->number);
    }
}

/* True when the whole line went out. A socket is asked not to wait; for anything else poll tells whether
 * the write would. */
static bool write_line(const struct line *line)
{
    if (settings.socket) {
        ssize_t sent = send(settings.fd, line->bytes, line->len, MSG_DONTWAIT | MSG_NOSIGNAL);
        return sent == (ssize_t)line->len;
    }
    struct pollfd ready = { .fd = settings.fd, .events = POLLOUT };
    if (poll(&ready, 1, 0) != 1 || ready.revents != POLLOUT)
        return false;
    ssize_t written;
    do {
        written = write(settings.fd, line->bytes, line->len);
    } while (written < 0 && errno == EINTR);
    return written == (ssize_t)line->len;
}

void log_event(enum log_level level, const char *group, const char *event, const struct log_field *fields)
{
    struct line line;
    int saved_errno = errno;
    REQUIRE(pthread_mutex_lock(&lock) == 0);
    const struct clock *clock = settings.clock != NULL ? settings.clock : clock_system();
    line.json = settings.json;
    build(&line, clock_wall_ns(clock), level, group, event, fields);
    uint64_t dropped = atomic_load(&dropped_count);
    line.end = LINE_SIZE;
    if (line.truncated)
        put_int_field(&line, "truncated", 1);
    if (dropped != dropped_reported_count)
        put_int_field(&line, "dropped", (int64_t)(dropped - dropped_reported_count));
    put(&line, line.json ? "}\n" : "\n");
    if (write_line(&line))
        dropped_reported_count = dropped;
    else
        atomic_fetch_add(&dropped_count, 1);
    REQUIRE(pthread_mutex_unlock(&lock) == 0);
    errno = saved_errno;
}
