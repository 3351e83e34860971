/* stampmeter bench: what the program can do on this machine. The load of `query` is in bench_query.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/bench_ingest.h"
#include "cli/bench_query.h"
#include "cli/bench_server.h"
#include "cli/cli.h"
#include "cli/flags.h"
#include "cli/import_connection.h"

#define RECORDS_DEFAULT 1000000
#define CONNECTIONS_DEFAULT 8
#define BATCH_DEFAULT 1000
#define RECORDS_MAX 10000000000
#define COMMIT_MODE "fsync per commit, group commit"

static const struct flag ingest_flags[] = {
    { "--records", "N", "How many records to post. Default 1000000.", 0, false },
    { "--connections", "N", "How many connections, with one request under way on each. Default 8.", 0, false },
    { "--batch", "N", "Records in a request. Default 1000.", 0, false },
    { "--singles", "N",
      "Connections besides, each of which posts single records one after another meanwhile. Default 0.", 0, false },
    { "--gzip", NULL, "Compresses the bodies, at the client's cost.", 0, false },
    { "--data-dir", "DIR", "Where the server of the benchmark makes its folder, removed at the end. Default: here.", 0,
      false },
    { "--url", "URL", "Measure this server instead of one of the benchmark's own. Its store keeps the records!", 0,
      false },
    { "--ca", "FILE", "With --url: the certificates to trust, as PEM. Default: the machine's.", 0, false },
    { "--token-file", "FILE", "With --url: the token of a producer that may post for Microsoft.Compute.", 0, false },
    { "--json", NULL, "Prints JSON.", 0, false },
};
static const struct command ingest_command = {
    .name = "bench ingest",
    .arguments = "",
    .about =
        "Posts new records over HTTPS as fast as the server acknowledges them, and prints rates, latencies and sizes. "
        "An acknowledged record is durable.",
    .flags = ingest_flags,
    .flag_count = COUNT_OF(ingest_flags),
};

struct measured {
    struct bench_ingest_result ingest;
    double server_cpu_seconds; /* negative: not known */
    int64_t disk_bytes;        /* negative: not known */
    long cores;
};

static int parse_number(const struct flags *flags, const char *name, unsigned long long most, unsigned long long *value)
{
    const char *text = flags_value(flags, name);
    if (text == NULL)
        return -1;
    if (!text_to_u64(text_of(text), value) || *value < 1 || *value > most)
        return flags_wrong(flags, "%s takes a whole number from 1 to %llu, not '%s'", name, most, text);
    return -1;
}

static int read_flags(const struct flags *flags, struct bench_ingest_options *options)
{
    unsigned long long records = RECORDS_DEFAULT, connections = CONNECTIONS_DEFAULT, batch = BATCH_DEFAULT, singles = 0;
    int code = parse_number(flags, "--records", RECORDS_MAX, &records);
    if (code < 0)
        code = parse_number(flags, "--connections", BENCH_CONNECTIONS_MAX, &connections);
    if (code < 0)
        code = parse_number(flags, "--batch", BENCH_BATCH_MAX, &batch);
    if (code < 0)
        code = parse_number(flags, "--singles", BENCH_SINGLES_MAX, &singles);
    if (code >= 0)
        return code;
    if (flags_has(flags, "--url") && !flags_has(flags, "--token-file"))
        return flags_wrong(flags, "--url needs --token-file");
    if (flags_has(flags, "--url") && flags_has(flags, "--data-dir"))
        return flags_wrong(flags, "--url and --data-dir exclude each other");
    if (!flags_has(flags, "--url") && (flags_has(flags, "--ca") || flags_has(flags, "--token-file")))
        return flags_wrong(flags, "--ca and --token-file go with --url");
    *options = (struct bench_ingest_options){
        .records = records,
        .connections = (size_t)connections,
        .batch = (size_t)batch,
        .singles = (size_t)singles,
        .gzip = flags_has(flags, "--gzip"),
        .progress = isatty(STDERR_FILENO) != 0,
    };
    return -1;
}

/* --- printing --- */

static void put_number(struct json_writer *json, const char *name, double value)
{
    char text[64];
    (void)snprintf(text, sizeof text, "%.3f", value);
    json_name(json, name);
    json_put_raw(json, text_of(text));
}

static void put_count(struct json_writer *json, const char *name, uint64_t value)
{
    json_name(json, name);
    json_put_u64(json, value);
}

static double per_second(double value, double seconds)
{
    return seconds > 0 ? value / seconds : 0;
}

static double us_per_record(const struct bench_ingest_result *result, double seconds)
{
    return result->records > 0 ? seconds * 1e6 / (double)result->records : 0;
}

static void print_json(const struct bench_ingest_options *options, const struct measured *measured)
{
    const struct bench_ingest_result *r = &measured->ingest;
    struct buffer out = { 0 };
    struct json_writer json = json_writer(&out);
    json_begin_object(&json);
    put_count(&json, "records", r->records);
    put_count(&json, "requests", r->requests);
    put_count(&json, "retries", r->retries);
    put_count(&json, "connections", options->connections);
    put_count(&json, "batch", options->batch);
    put_number(&json, "seconds", r->seconds);
    put_number(&json, "recordsPerSecond", per_second((double)r->records, r->seconds));
    put_number(&json, "recordsPerSecondFirstTenth", r->first_tenth_per_second);
    put_number(&json, "recordsPerSecondLastTenth", r->last_tenth_per_second);
    put_number(&json, "bodyMegabytesPerSecond", per_second((double)r->bytes / 1e6, r->seconds));
    json_name(&json, "gzip");
    json_put_bool(&json, options->gzip);
    put_number(&json, "sentMegabytesPerSecond", per_second((double)r->sent_bytes / 1e6, r->seconds));
    put_count(&json, "recordSizeBytes", r->record_size_bytes);
    put_number(&json, "p50Ms", r->p50_ms);
    put_number(&json, "p99Ms", r->p99_ms);
    put_number(&json, "maxMs", r->max_ms);
    if (options->singles > 0) {
        put_count(&json, "singles", r->singles);
        put_number(&json, "singlesP50Ms", r->singles_p50_ms);
        put_number(&json, "singlesP99Ms", r->singles_p99_ms);
        put_number(&json, "singlesMaxMs", r->singles_max_ms);
    }
    put_number(&json, "clientCpuSeconds", r->client_cpu_seconds);
    if (measured->server_cpu_seconds >= 0)
        put_number(&json, "serverCpuSeconds", measured->server_cpu_seconds);
    if (measured->disk_bytes >= 0) {
        put_count(&json, "diskBytes", (uint64_t)measured->disk_bytes);
        put_number(&json, "diskBytesPerRecord", r->records > 0 ? (double)measured->disk_bytes / (double)r->records : 0);
    }
    json_name(&json, "commit");
    json_put_cstring(&json, COMMIT_MODE);
    json_name(&json, "cores");
    json_put_i64(&json, measured->cores);
    json_name(&json, "interrupted");
    json_put_bool(&json, r->interrupted);
    json_end_object(&json);
    printf("%.*s\n", TEXT_ARGS(buffer_text(&out)));
    buffer_free(&out);
}

static void print_text(const struct bench_ingest_options *options, const struct measured *measured)
{
    const struct bench_ingest_result *r = &measured->ingest;
    double rate = per_second((double)r->records, r->seconds);
    printf("acknowledged  %llu records in %.2f s: %.0f records/s, %.1f MB/s of bodies\n",
           (unsigned long long)r->records, r->seconds, rate, per_second((double)r->bytes / 1e6, r->seconds));
    printf("over time     first tenth %.0f records/s, last tenth %.0f records/s\n", r->first_tenth_per_second,
           r->last_tenth_per_second);
    printf("requests      %llu of %zu records (%zu bytes each) over %zu connections, %llu retries\n",
           (unsigned long long)r->requests, options->batch, r->record_size_bytes, options->connections,
           (unsigned long long)r->retries);
    printf("latency       p50 %.1f ms, p99 %.1f ms, max %.1f ms a request\n", r->p50_ms, r->p99_ms, r->max_ms);
    if (options->gzip)
        printf("gzip          %.1f MB/s over the wire\n", per_second((double)r->sent_bytes / 1e6, r->seconds));
    if (options->singles > 0)
        printf("singles       %llu over %zu connections meanwhile: p50 %.1f ms, p99 %.1f ms, max %.1f ms\n",
               (unsigned long long)r->singles, options->singles, r->singles_p50_ms, r->singles_p99_ms,
               r->singles_max_ms);
    if (measured->server_cpu_seconds >= 0)
        printf("CPU           server %.2f s (%.2f us/record), client %.2f s (%.2f us/record), %ld cores\n",
               measured->server_cpu_seconds, us_per_record(r, measured->server_cpu_seconds), r->client_cpu_seconds,
               us_per_record(r, r->client_cpu_seconds), measured->cores);
    else
        printf("CPU           client %.2f s (%.0f%% of one core), %ld cores\n", r->client_cpu_seconds,
               100 * per_second(r->client_cpu_seconds, r->seconds), measured->cores);
    if (measured->disk_bytes >= 0)
        printf("disk          %.1f MB, %.0f bytes a record\n", (double)measured->disk_bytes / 1e6,
               r->records > 0 ? (double)measured->disk_bytes / (double)r->records : 0);
    printf("commits       %s\n", COMMIT_MODE);
}

/* --- the command --- */

static int measure(const struct flags *flags, const struct bench_ingest_options *options, struct bench_server *server)
{
    struct error_info info = { 0 };
    struct measured measured = { .server_cpu_seconds = -1, .disk_bytes = -1, .cores = sysconf(_SC_NPROCESSORS_ONLN) };
    struct import_connection_options where = {
        .url = flags_value(flags, "--url"),
        .ca_file = flags_value(flags, "--ca"),
        .token_file = flags_value(flags, "--token-file"),
        .connections = options->connections + options->singles,
    };
    if (server->pid > 0) {
        where.url = server->url;
        where.ca_file = server->ca_file;
        where.token = text_of(server->token);
    }
    struct import_connection connection;
    if (import_connection_open(&connection, &where, &info) != ERROR_OK)
        return cli_cannot_run(&info);
    double cpu_before = bench_server_cpu_seconds(server);
    err_t error = bench_ingest_run(&connection, options, &measured.ingest, &info);
    import_connection_close(&connection);
    if (options->progress)
        fprintf(stderr, "\r\033[K");
    if (server->pid > 0) {
        double cpu_after = bench_server_cpu_seconds(server);
        if (cpu_before >= 0 && cpu_after >= 0)
            measured.server_cpu_seconds = cpu_after - cpu_before;
        measured.disk_bytes = bench_server_disk_bytes(server);
    }
    if (error != ERROR_OK && measured.ingest.records == 0)
        return cli_cannot_run(&info);
    if (flags_has(flags, "--json"))
        print_json(options, &measured);
    else
        print_text(options, &measured);
    int code = error == ERROR_OK ? CLI_DONE : cli_cannot_run(&info);
    return cli_finish(stdout, code);
}

static int bench_ingest(int argc, char **argv)
{
    struct flags flags;
    struct bench_ingest_options options;
    struct error_info info = { 0 };
    int code = flags_parse(&ingest_command, argc, argv, &flags);
    if (code < 0)
        code = read_flags(&flags, &options);
    if (code >= 0)
        return code;
    log_configure(&(struct log_options){ .level = LOG_WARNING, .fd = STDERR_FILENO });
    struct bench_server server = { 0 };
    if (flags_has(&flags, "--url"))
        return measure(&flags, &options, &server);
    if (bench_server_start(&server, flags_value(&flags, "--data-dir"), &info) != ERROR_OK)
        return cli_cannot_run(&info);
    code = measure(&flags, &options, &server);
    bench_server_stop(&server);
    return code;
}

static const struct cli_command bench_commands[] = {
    { "ingest", "Records per second over HTTPS.", bench_ingest },
    { "query", "How long pages and summaries take over HTTPS.", bench_query },
};

int command_bench(int argc, char **argv)
{
    int code = CLI_DONE;
    const struct cli_command *command =
        cli_choose("stampmeter bench", bench_commands, COUNT_OF(bench_commands), argc, argv, &code);
    return command != NULL ? command->run(argc - 1, argv + 1) : code;
}
