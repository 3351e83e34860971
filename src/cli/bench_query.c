/* stampmeter bench query: fills a store, starts a server on it, asks, and prints. */
#include "cli/bench_query.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/instant.h"
#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/bench_fill.h"
#include "cli/bench_limit.h"
#include "cli/bench_server.h"
#include "cli/cli.h"
#include "cli/flags.h"
#include "cli/setup.h"
#include "usage/subscriptions.h"

#define RECORDS_DEFAULT 1000000
#define RECORDS_MAX 1000000000
#define REPEATS_DEFAULT 300
#define PAGES_MAX 10000

static const struct flag query_flags[] = {
    { "--records", "N", "How many records the store holds. Default 1000000.", 0, false },
    { "--repeats", "N", "How often each question is asked. Default 300.", 0, false },
    { "--data-dir", "DIR", "Where the server of the benchmark makes its folder, removed at the end. Default: here.", 0,
      false },
    { "--keep", "DIR", "Use this folder and keep it: a later run with it finds the store filled.", 0, false },
    { "--json", NULL, "Prints JSON.", 0, false },
};
static const struct command query_command = {
    .name = "bench query",
    .arguments = "",
    .about = "Fills a store with a month of usage, asks for pages and summaries over HTTPS, one after the other, and "
             "prints latencies beside those of a ready body of the same size, which is what TLS and HTTP take.",
    .flags = query_flags,
    .flag_count = COUNT_OF(query_flags),
};

struct query_bench {
    uint64_t records;
    size_t repeats;
    bool json, progress;
    uint32_t first_hour;
    char operator_subscription[GUID_TEXT_SIZE];
    struct bench_server server;
    struct bench_limit limit;
    struct bench_question questions[BENCH_QUESTIONS_MAX], limits[BENCH_QUESTIONS_MAX];
    size_t count;
};

/* --- questions --- */

enum axis_unit { HOURLY, DAILY };

static void print_hour(const struct query_bench *bench, int64_t hours_in, char out[INSTANT_TEXT_SIZE])
{
    instant_print(hour_start_ns((int64_t)bench->first_hour + hours_in), out);
}

static struct bench_question *add_question(struct query_bench *bench, const char *name)
{
    struct bench_question *question = &bench->questions[bench->count++];
    question->name = name;
    question->repeats = bench->repeats;
    return question;
}

/* Rows reported in [from, to), in hours from the first one on; of everything or of one subscription. */
static struct bench_question *add_list(struct query_bench *bench, const char *name, const char *subscription,
                                       enum axis_unit unit, int64_t from, int64_t to)
{
    char from_text[INSTANT_TEXT_SIZE], to_text[INSTANT_TEXT_SIZE];
    struct bench_question *question = add_question(bench, name);
    print_hour(bench, from, from_text);
    print_hour(bench, to, to_text);
    (void)snprintf(question->target, sizeof question->target,
                   "/subscriptions/%s/providers/Microsoft.Commerce%s?api-version=2015-06-01-preview"
                   "&reportedStartTime=%s&reportedEndTime=%s&aggregationGranularity=%s",
                   subscription != NULL ? subscription : bench->operator_subscription,
                   subscription != NULL ? "/UsageAggregates" : ".Admin/subscriberUsageAggregates", from_text, to_text,
                   unit == DAILY ? "Daily" : "Hourly");
    return question;
}

static void add_summary(struct query_bench *bench, const char *name, const char *granularity, const char *group_by,
                        int64_t from, int64_t to)
{
    char from_text[INSTANT_TEXT_SIZE], to_text[INSTANT_TEXT_SIZE];
    struct bench_question *question = add_question(bench, name);
    print_hour(bench, from, from_text);
    print_hour(bench, to, to_text);
    (void)snprintf(question->target, sizeof question->target, "/v1/summary?from=%s&to=%s&granularity=%s&groupBy=%s",
                   from_text, to_text, granularity, group_by);
}

/* The first reported hour is a midnight (see prepare), so days are whole. */
static void add_questions(struct query_bench *bench)
{
    enum { MONTH = BENCH_FILL_HOURS, DAY = HOURS_PER_DAY };
    char subscription[GUID_TEXT_SIZE];
    struct guid guid = bench_fill_subscription(BENCH_FILL_SUBSCRIPTIONS / 2);
    guid_print(&guid, subscription);
    (void)add_list(bench, "first page, one hour", NULL, HOURLY, MONTH - 1, MONTH);
    (void)add_list(bench, "first page, one day by hours", NULL, HOURLY, MONTH - DAY, MONTH);
    (void)add_list(bench, "first page, one day", NULL, DAILY, MONTH - DAY, MONTH);
    (void)add_list(bench, "first page, month by hours", NULL, HOURLY, 0, MONTH);
    struct bench_question *walk = add_list(bench, "all pages of it, up to 10,000", NULL, HOURLY, 0, MONTH);
    walk->walk_pages = PAGES_MAX;
    (void)add_question(bench, "the last of these pages");
    (void)add_list(bench, "one subscription's day", subscription, DAILY, MONTH - DAY, MONTH);
    (void)add_list(bench, "one subscription's hour", subscription, HOURLY, MONTH - 1, MONTH);
    (void)add_list(bench, "one subscription's day by hours", subscription, HOURLY, MONTH - DAY, MONTH);
    add_summary(bench, "month by meter", "total", "meter", 0, MONTH);
    add_summary(bench, "month by subscription", "total", "subscription", 0, MONTH);
    add_summary(bench, "month by day and meter", "daily", "meter", 0, MONTH);
    add_summary(bench, "month by location", "total", "location", 0, MONTH);
    add_summary(bench, "day by hour and meter", "hourly", "meter", MONTH - DAY, MONTH);
}

/* --- running --- */

static err_t prepare(struct store *store, void *context, struct error_info *info)
{
    struct query_bench *bench = context;
    struct guid fresh, guid;
    /* The month ends with the last midnight. */
    uint32_t today = (uint32_t)instant_day(clock_wall_ns(clock_system()));
    bench->first_hour = today * HOURS_PER_DAY - BENCH_FILL_HOURS;
    random_bytes(fresh.bytes, sizeof fresh.bytes);
    err_t error = setup_operator_subscription(store, &fresh, &guid, info);
    guid_print(&guid, bench->operator_subscription);
    return error == ERROR_OK ? bench_fill(store, bench->records, bench->progress, &bench->first_hour, info) : error;
}

static err_t make_times(struct bench_question *questions, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t most = questions[i].walk_pages > 0 ? questions[i].walk_pages : questions[i].repeats;
        questions[i].times_us = memory_alloc(most * sizeof *questions[i].times_us);
        if (questions[i].times_us == NULL)
            return ERROR_NO_MEMORY;
    }
    return ERROR_OK;
}

static err_t ask_at(const char *url, const char *ca_file, const char *token, struct bench_question *const *questions,
                    size_t count, struct error_info *info)
{
    const struct import_connection_options where = {
        .url = url, .ca_file = ca_file, .token = text_of(token), .connections = 1
    };
    struct import_connection connection;
    err_t error = import_connection_open(&connection, &where, info);
    if (error != ERROR_OK)
        return error;
    error = bench_ask(&connection, questions, count, info);
    import_connection_close(&connection);
    return error;
}

/* The questions one by one, so that one whose target another one finds out can follow it. */
static err_t ask_all(struct query_bench *bench, struct error_info *info)
{
    for (size_t i = 0; i < bench->count; i++) {
        struct bench_question *question = &bench->questions[i];
        if (question->target[0] == '\0')
            memcpy(question->target, bench->questions[i - 1].target, sizeof question->target);
        if (bench->progress)
            fprintf(stderr, "\r\033[K%s", question->name);
        double before = bench_server_cpu_seconds(&bench->server);
        err_t error = ask_at(bench->server.url, bench->server.ca_file, bench->server.token, &question, 1, info);
        double after = bench_server_cpu_seconds(&bench->server);
        if (error != ERROR_OK)
            return error;
        question->cpu_ms = before >= 0 && after >= 0 ? (after - before) * 1000 / (double)question->count : -1;
    }
    return ERROR_OK;
}

static err_t ask_limits(struct query_bench *bench, struct error_info *info)
{
    struct bench_question *limits[BENCH_QUESTIONS_MAX];
    for (size_t i = 0; i < bench->count; i++) {
        struct bench_question *limit = limits[i] = &bench->limits[i];
        limit->repeats = bench->repeats;
        (void)snprintf(limit->target, sizeof limit->target, "/%llu",
                       (unsigned long long)bench->questions[i].body_bytes);
    }
    err_t error = make_times(bench->limits, bench->count);
    if (error != ERROR_OK)
        return error_set(info, error, NULL, NULL);
    return ask_at(bench->limit.url, bench->limit.ca_file, "none", limits, bench->count, info);
}

/* --- printing --- */

static void put_number(struct json_writer *json, const char *name, double value)
{
    char text[64];
    (void)snprintf(text, sizeof text, "%.3f", value);
    json_name(json, name);
    json_put_raw(json, text_of(text));
}

static void put_ms(struct json_writer *json, const char *name, const struct bench_question *question, double share)
{
    put_number(json, name, bench_percentile_ms(question, share));
}

static void print_json(const struct query_bench *bench)
{
    struct buffer out = { 0 };
    struct json_writer json = json_writer(&out);
    json_begin_object(&json);
    json_name(&json, "records");
    json_put_u64(&json, bench->records);
    json_name(&json, "questions");
    json_begin_array(&json);
    for (size_t i = 0; i < bench->count; i++) {
        const struct bench_question *question = &bench->questions[i];
        json_begin_object(&json);
        json_name(&json, "name");
        json_put_cstring(&json, question->name);
        json_name(&json, "asked");
        json_put_u64(&json, question->count);
        json_name(&json, "bodyBytes");
        json_put_u64(&json, question->body_bytes);
        put_ms(&json, "p50Ms", question, 0.50);
        put_ms(&json, "p99Ms", question, 0.99);
        put_ms(&json, "maxMs", question, 1.0);
        put_number(&json, "serverCpuMs", question->cpu_ms);
        put_ms(&json, "readyBodyP50Ms", &bench->limits[i], 0.50);
        put_ms(&json, "readyBodyP99Ms", &bench->limits[i], 0.99);
        json_end_object(&json);
    }
    json_end_array(&json);
    json_end_object(&json);
    printf("%.*s\n", TEXT_ARGS(buffer_text(&out)));
    buffer_free(&out);
}

static void print_text(const struct query_bench *bench)
{
    printf("%llu records, %d hours, one connection, times in ms\n", (unsigned long long)bench->records,
           BENCH_FILL_HOURS);
    printf("%-32s %7s %9s %8s %8s %8s %8s   %s\n", "", "asked", "bytes", "p50", "p99", "max", "srv CPU",
           "ready body of that size: p50, p99");
    for (size_t i = 0; i < bench->count; i++) {
        const struct bench_question *question = &bench->questions[i], *limit = &bench->limits[i];
        printf("%-32s %7zu %9llu %8.3f %8.3f %8.3f %8.3f   %.3f, %.3f\n", question->name, question->count,
               (unsigned long long)question->body_bytes, bench_percentile_ms(question, 0.50),
               bench_percentile_ms(question, 0.99), bench_percentile_ms(question, 1.0), question->cpu_ms,
               bench_percentile_ms(limit, 0.50), bench_percentile_ms(limit, 0.99));
    }
}

/* --- the command --- */

static int measure(struct query_bench *bench)
{
    struct error_info info = { 0 };
    add_questions(bench);
    err_t error = make_times(bench->questions, bench->count);
    if (error != ERROR_OK)
        error_set(&info, error, NULL, NULL);
    if (error == ERROR_OK)
        error = ask_all(bench, &info);
    if (error == ERROR_OK)
        error = ask_limits(bench, &info);
    if (bench->progress)
        fprintf(stderr, "\r\033[K");
    if (error != ERROR_OK)
        return cli_cannot_run(&info);
    if (bench->json)
        print_json(bench);
    else
        print_text(bench);
    return cli_finish(stdout, CLI_DONE);
}

static int run(struct query_bench *bench, const struct bench_server_options *options)
{
    struct error_info info = { 0 };
    if (bench_server_start_with(&bench->server, options, &info) != ERROR_OK)
        return cli_cannot_run(&info);
    int code = bench_limit_start(&bench->limit, bench->server.folder, &info) == ERROR_OK ? measure(bench)
                                                                                         : cli_cannot_run(&info);
    bench_limit_stop(&bench->limit);
    bench_server_stop(&bench->server);
    for (size_t i = 0; i < bench->count; i++) {
        memory_free(bench->questions[i].times_us);
        memory_free(bench->limits[i].times_us);
    }
    return code;
}

static int read_number(const struct flags *flags, const char *name, unsigned long long most, unsigned long long *value)
{
    const char *text = flags_value(flags, name);
    if (text == NULL || (text_to_u64(text_of(text), value) && *value >= 1 && *value <= most))
        return -1;
    return flags_wrong(flags, "%s takes a whole number from 1 to %llu, not '%s'", name, most, text);
}

int bench_query(int argc, char **argv)
{
    struct flags flags;
    unsigned long long records = RECORDS_DEFAULT, repeats = REPEATS_DEFAULT;
    int code = flags_parse(&query_command, argc, argv, &flags);
    if (code < 0)
        code = read_number(&flags, "--records", RECORDS_MAX, &records);
    if (code < 0)
        code = read_number(&flags, "--repeats", BENCH_REPEATS_MAX, &repeats);
    if (code < 0 && flags_has(&flags, "--keep") && flags_has(&flags, "--data-dir"))
        code = flags_wrong(&flags, "--keep and --data-dir exclude each other");
    if (code >= 0)
        return code;
    log_configure(&(struct log_options){ .level = LOG_WARNING, .fd = STDERR_FILENO });
    struct query_bench *bench = memory_zalloc(1, sizeof *bench);
    if (bench == NULL)
        return cli_fail(CLI_CANNOT_RUN, "out of memory");
    bench->records = records;
    bench->repeats = (size_t)repeats;
    bench->json = flags_has(&flags, "--json");
    bench->progress = isatty(STDERR_FILENO) != 0;
    const struct bench_server_options options = { .parent = flags_value(&flags, "--data-dir"),
                                                  .keep = flags_value(&flags, "--keep"),
                                                  .role = ROLE_OPERATOR,
                                                  .prepare = prepare,
                                                  .context = bench };
    code = run(bench, &options);
    memory_free(bench);
    return code;
}
