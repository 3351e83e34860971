/* Unit tests of base/log: lines are read back from a pipe or a file. */
#include "support.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/instant.h"
#include "base/json.h"
#include "base/log.h"

static struct clock_manual manual;
static int pipe_fds[2];
static char seen[65536];

static int set_up(void **state)
{
    (void)state;
    clock_manual_init(&manual, INT64_C(1769864400123) * NS_PER_MS + 999, 0); /* 2026-01-31T13:00:00.123 */
    return pipe(pipe_fds) != 0 || fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK) != 0;
}

static int tear_down(void **state)
{
    (void)state;
    log_configure(&(struct log_options){ .level = LOG_INFO, .fd = 2 });
    (void)close(pipe_fds[0]);
    (void)close(pipe_fds[1]);
    return 0;
}

static void configure(enum log_level level, bool json)
{
    log_configure(&(struct log_options){ .level = level, .json = json, .fd = pipe_fds[1], .clock = &manual.clock });
}

/* What was written since the last call. */
static const char *drain(void)
{
    size_t len = 0;
    for (;;) {
        ssize_t got = read(pipe_fds[0], seen + len, sizeof seen - 1 - len);
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    seen[len] = '\0';
    return seen;
}

static void writes_logfmt(void **state)
{
    (void)state;
    configure(LOG_INFO, false);
    log_info("net", "listening", LOG_TEXT("address", TEXT("[::]:8443")), LOG_INT("port", 8443), LOG_CSTR("none", NULL));
    assert_string_equal(drain(), "time=2026-01-31T13:00:00.123Z level=info group=net event=\"listening\" "
                                 "address=[::]:8443 port=8443 none=\"\"\n");
    log_error("net", "failed");
    assert_string_equal(drain(), "time=2026-01-31T13:00:00.123Z level=error group=net event=\"failed\"\n");
    log_warning("a", "b", LOG_INT("least", INT64_MIN));
    assert_non_null(strstr(drain(), " level=warning group=a event=\"b\" least=-9223372036854775808\n"));
    clock_manual_set_wall(&manual, INT64_C(1769864400) * NS_PER_SECOND);
    log_info("a", "b");
    assert_non_null(strstr(drain(), "time=2026-01-31T13:00:00.000Z "));
}

static void filters_levels(void **state)
{
    (void)state;
    configure(LOG_WARNING, false);
    assert_true(log_enabled(LOG_ERROR) && log_enabled(LOG_WARNING));
    assert_false(log_enabled(LOG_INFO) || log_enabled(LOG_DEBUG));
    log_info("a", "hidden");
    log_debug("a", "hidden");
    assert_string_equal(drain(), "");
    configure(LOG_DEBUG, false);
    log_debug("a", "shown");
    assert_non_null(strstr(drain(), "level=debug"));
}

/* One event is one line, whatever is in it. */
static void escapes(void **state)
{
    (void)state;
    static const char *const cases[][2] = { { "a b", "\"a b\"" },
                                            { "a=b", "\"a=b\"" },
                                            { "say \"hi\"", "\"say \\\"hi\\\"\"" },
                                            { "a\\b", "\"a\\\\b\"" },
                                            { "two\nlines\r\x1B[31m", "\"two\\nlines\\u000d\\u001b[31m\"" },
                                            { "\x7F", "\"\\u007f\"" },
                                            { "caf\xC3\xA9", "\"caf\xC3\xA9\"" },
                                            { "bad\xFF!", "\"bad\xEF\xBF\xBD!\"" },
                                            { "bare-1.5/x", "bare-1.5/x" } };
    configure(LOG_INFO, false);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char wanted[200];
        log_info("g", "e", LOG_CSTR("v", cases[i][0]), LOG_INT("n", 1));
        (void)snprintf(wanted, sizeof wanted, " event=\"e\" v=%s n=1\n", cases[i][1]);
        assert_non_null(strstr(drain(), wanted));
    }
}

static void writes_json(void **state)
{
    (void)state;
    configure(LOG_INFO, true);
    log_info("net", "said \"x\"\n", LOG_CSTR("v", "a\x01\xFF\\"), LOG_INT("n", -5));
    assert_string_equal(drain(), "{\"time\":\"2026-01-31T13:00:00.123Z\",\"level\":\"info\",\"group\":\"net\","
                                 "\"event\":\"said \\\"x\\\"\\n\",\"v\":\"a\\u0001\xEF\xBF\xBD\\\\\",\"n\":-5}\n");
}

/* Long values and many fields: the line stays in its bounds, whole, and says that something is missing. */
static void cuts_long_lines(void **state)
{
    (void)state;
    static char longer[9000];
    struct arena *arena = arena_new(8192, 0);
    memset(longer, 'x', 1023);
    configure(LOG_INFO, false);
    log_info("g", "e", LOG_CSTR("v", longer));
    assert_null(strstr(drain(), "truncated"));
    memset(longer, 'x', 2000);
    log_info("g", "e", LOG_CSTR("v", longer), LOG_INT("n", 1));
    assert_non_null(strstr(drain(), "xxxx\" n=1 truncated=1\n"));
    for (int json = 0; json < 2; json++) {
        for (size_t kind = 0; kind < 4; kind++) {
            static const char *const pieces[] = { "x", "\x01", "\xE2\x82\xAC", "\"" };
            longer[0] = '\0';
            for (size_t i = 0; i + 4 < sizeof longer; i += strlen(pieces[kind]))
                memcpy(longer + i, pieces[kind], strlen(pieces[kind]) + 1);
            configure(LOG_INFO, json != 0);
            log_info("g", longer, LOG_CSTR("a", longer), LOG_CSTR("b", longer), LOG_CSTR("c", longer),
                     LOG_CSTR("d", longer), LOG_CSTR("e", longer), LOG_INT("n", 1), LOG_CSTR("f", "short"));
            const char *line = drain();
            size_t len = strlen(line);
            assert_true(len > 3500 && len <= 4096);
            assert_ptr_equal(strchr(line, '\n'), line + len - 1);
            assert_non_null(strstr(line, json != 0 ? "\"truncated\":1}\n" : " truncated=1\n"));
            assert_true(text_is_utf8(text_of(line)));
            const struct json *value;
            if (json != 0)
                assert_int_equal(json_parse(arena, text_of(line), &value, NULL), ERROR_OK);
            arena_reset(arena);
        }
    }
    arena_free(arena);
}

/* A full pipe: the caller goes on, the loss is counted and told by the next line that gets through. */
static void drops_rather_than_waits(void **state)
{
    (void)state;
    configure(LOG_INFO, false);
    uint64_t before = log_dropped_count();
    char filler[900];
    memset(filler, 'f', sizeof filler);
    for (int i = 0; i < 1000; i++)
        log_info("g", "flood", LOG_TEXT("filler", ((struct text){ filler, sizeof filler })));
    uint64_t dropped = log_dropped_count() - before;
    assert_true(dropped > 500 && dropped < 1000);
    size_t complete = 0;
    char *at = seen;
    while (*drain() != '\0') {
        for (at = seen; (at = strchr(at, '\n')) != NULL; at++)
            complete++;
    }
    assert_int_equal(complete, 1000 - dropped);
    char wanted[64];
    log_info("g", "after");
    (void)snprintf(wanted, sizeof wanted, "event=\"after\" dropped=%llu\n", (unsigned long long)dropped);
    assert_non_null(strstr(drain(), wanted));
    log_info("g", "again");
    assert_null(strstr(drain(), "dropped"));
}

static void drops_on_a_closed_pipe(void **state)
{
    (void)state;
    configure(LOG_INFO, false);
    uint64_t before = log_dropped_count();
    (void)close(pipe_fds[0]);
    log_info("g", "nobody listens"); /* and no SIGPIPE either */
    assert_true(log_dropped_count() == before + 1);
}

static void writes_to_sockets(void **state)
{
    (void)state;
    int sockets[2];
    char line[4096];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    log_configure(&(struct log_options){ .level = LOG_INFO, .fd = sockets[0], .clock = &manual.clock });
    log_info("g", "over a socket");
    ssize_t got = read(sockets[1], line, sizeof line - 1);
    assert_true(got > 0);
    line[got] = '\0';
    assert_non_null(strstr(line, "event=\"over a socket\""));
    uint64_t before = log_dropped_count();
    for (int i = 0; i < 100000 && log_dropped_count() == before; i++)
        log_info("g", "flood");
    assert_true(log_dropped_count() > before);
    (void)close(sockets[1]);
    log_info("g", "closed"); /* no SIGPIPE */
    (void)close(sockets[0]);
}

static void *shout(void *context)
{
    for (int i = 0; i < 200; i++)
        log_info("thread", "shouts", LOG_INT("thread", *(int *)context), LOG_INT("i", i));
    return NULL;
}

/* Lines of several threads do not mix. */
static void is_thread_safe(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    assert_non_null(file);
    log_configure(&(struct log_options){ .level = LOG_INFO, .fd = fileno(file), .clock = &manual.clock });
    pthread_t threads[4];
    int numbers[4] = { 0, 1, 2, 3 };
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, shout, &numbers[i]), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    int next[4] = { 0 };
    char line[256];
    rewind(file);
    while (fgets(line, sizeof line, file) != NULL) {
        int thread = -1;
        int i = -1;
        assert_int_equal(
            sscanf(line, "time=%*s level=info group=thread event=\"shouts\" thread=%d i=%d\n", &thread, &i), 2);
        assert_true(thread >= 0 && thread < 4);
        assert_int_equal(i, next[thread]++);
    }
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(next[i], 200);
    (void)fclose(file);
}

#define LOG_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

TESTS(LOG_TEST(writes_logfmt), LOG_TEST(filters_levels), LOG_TEST(escapes), LOG_TEST(writes_json),
      LOG_TEST(cuts_long_lines), LOG_TEST(drops_rather_than_waits), LOG_TEST(drops_on_a_closed_pipe),
      LOG_TEST(writes_to_sockets), LOG_TEST(is_thread_safe))
