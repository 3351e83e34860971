/* stampmeter import: flags, totals and what is printed. Reading is import_reader.c, writing import_store.c (the store
 * of a stopped server) or import_https.c (a running one). */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/instant.h"
#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/flags.h"
#include "cli/import_internal.h"

#define BATCH_ARENA_BLOCK_BYTES ((size_t)256 * 1024)

static const struct flag import_flags[] = {
    { "--format", "FORMAT", "ndjson, json, csv or arm (saved answers of the operator's usage API). Default: guessed.",
      0, false },
    { "--history", NULL, "The records carry their reportedTime, which lies before the store's first live hour.", 0,
      false },
    { "--reported-start", "TIME", "For saved answers that do not say which reported time they were asked for.", 0,
      false },
    FLAG_OPTION(OPTION_STORE_DATA_DIR, "DIR"),
    { "--config", "FILE", "The server's configuration, for its data directory and limits.", 0, false },
    { "--url", "URL", "Send to a running server instead of writing into the data directory of a stopped one.", 0,
      false },
    { "--ca", "FILE", "With --url: the certificates to trust, as PEM. Default: the machine's.", 0, false },
    { "--token-file", "FILE", "With --url: a file with a producer's token, or, for history, an operator's.", 0, false },
    { "--json", NULL, "Prints the result as JSON.", 0, false },
};
static const struct command import_command = {
    .name = "import",
    .arguments = "FILE|-",
    .about =
        "Adds usage records from a file, or from standard input. Importing a file again changes nothing. Exit code 1 "
        "tells that records were rejected or in conflict.",
    .flags = import_flags,
    .flag_count = COUNT_OF(import_flags),
    .arguments_min = 1,
    .arguments_max = 1,
};

/* --- batches --- */

bool import_batch_init(struct import_batch *batch, size_t capacity)
{
    *batch = (struct import_batch){ .capacity = capacity };
    batch->items = memory_zalloc(capacity, sizeof *batch->items);
    batch->arena = arena_new(BATCH_ARENA_BLOCK_BYTES, 0);
    return batch->items != NULL && batch->arena != NULL;
}

void import_batch_free(struct import_batch *batch)
{
    memory_free(batch->items);
    arena_free(batch->arena);
}

err_t import_batch_fill(struct import_batch *batch, struct import_reader *reader, struct error_info *info)
{
    arena_reset(batch->arena);
    batch->count = batch->size_bytes = 0;
    while (batch->count < batch->capacity && batch->size_bytes < IMPORT_BATCH_BYTES_MAX) {
        struct import_item *item = &batch->items[batch->count];
        err_t error = import_reader_next(reader, batch->arena, item, info);
        if (error == ERROR_NOT_FOUND)
            return batch->count > 0 ? ERROR_OK : ERROR_NOT_FOUND;
        if (error != ERROR_OK)
            return error;
        batch->count++;
        batch->size_bytes += item->record.len;
    }
    return ERROR_OK;
}

/* --- totals --- */

static struct text kept(struct import_totals *totals, struct text text)
{
    struct text copy = arena_text(totals->arena, text);
    return copy.ptr != NULL ? copy : TEXT(""); /* memory is short: a problem with less to say */
}

void import_add_problem(struct import_totals *totals, const struct import_problem *problem)
{
    if (totals->problem_count == IMPORT_PROBLEMS_MAX)
        return;
    totals->problems[totals->problem_count++] = (struct import_problem){
        .position = problem->position,
        .id = kept(totals, problem->id),
        .verdict = kept(totals, problem->verdict),
        .code = kept(totals, problem->code),
        .target = kept(totals, problem->target),
        .message = kept(totals, problem->message),
    };
}

void import_add_unreadable(struct import_totals *totals, const struct import_item *item)
{
    totals->received++;
    totals->rejected++;
    import_add_problem(totals, &(struct import_problem){ item->position, TEXT(""), TEXT("rejected"),
                                                         text_of(error_wire_code(item->info.code)),
                                                         text_of(item->info.target), text_of(item->info.message) });
}

void import_tell_progress(struct import_totals *totals)
{
    int64_t now_ns = clock_monotonic_ns(clock_system());
    if (totals->told_ns == 0)
        totals->told_ns = now_ns;
    if (isatty(STDERR_FILENO) == 0 || now_ns - totals->told_ns < NS_PER_SECOND)
        return;
    totals->told_ns = now_ns;
    fprintf(stderr, "\r%llu records", (unsigned long long)totals->received);
    fflush(stderr);
}

/* --- printing --- */

static void print_text(const struct import_totals *totals, bool has_lines)
{
    printf("received %llu, accepted %llu, duplicate %llu, conflict %llu, rejected %llu\n",
           (unsigned long long)totals->received, (unsigned long long)totals->accepted,
           (unsigned long long)totals->duplicate, (unsigned long long)totals->conflict,
           (unsigned long long)totals->rejected);
    for (size_t i = 0; i < totals->problem_count; i++) {
        const struct import_problem *problem = &totals->problems[i];
        printf("%s %llu: %.*s %.*s", has_lines ? "line" : "record", (unsigned long long)problem->position,
               TEXT_ARGS(problem->verdict), TEXT_ARGS(problem->code));
        if (problem->target.len > 0)
            printf(" (%.*s)", TEXT_ARGS(problem->target));
        printf(": %.*s\n", TEXT_ARGS(problem->message));
    }
    if (totals->conflict + totals->rejected > totals->problem_count)
        printf("... and %llu more\n",
               (unsigned long long)(totals->conflict + totals->rejected - totals->problem_count));
}

static void put_text(struct json_writer *json, const char *name, struct text value)
{
    json_name(json, name);
    json_put_text(json, value);
}

static void print_json(const struct import_totals *totals, const struct error_info *info)
{
    struct buffer buffer = { 0 };
    struct json_writer json = json_writer(&buffer);
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = { { "received", totals->received },
                    { "accepted", totals->accepted },
                    { "duplicate", totals->duplicate },
                    { "conflict", totals->conflict },
                    { "rejected", totals->rejected } };
    json_begin_object(&json);
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        json_name(&json, numbers[i].name);
        json_put_u64(&json, numbers[i].value);
    }
    json_name(&json, "problems");
    json_begin_array(&json);
    for (size_t i = 0; i < totals->problem_count; i++) {
        const struct import_problem *problem = &totals->problems[i];
        json_begin_object(&json);
        json_name(&json, "position");
        json_put_u64(&json, problem->position);
        put_text(&json, "id", problem->id);
        put_text(&json, "verdict", problem->verdict);
        put_text(&json, "code", problem->code);
        put_text(&json, "target", problem->target);
        put_text(&json, "message", problem->message);
        json_end_object(&json);
    }
    json_end_array(&json);
    if (info->code != ERROR_OK)
        put_text(&json, "error", text_of(info->message));
    json_end_object(&json);
    printf("%.*s\n", TEXT_ARGS(buffer_text(&buffer)));
    buffer_free(&buffer);
}

/* --- the command --- */

static int read_flags(const struct flags *flags, struct import_reader_options *reader, struct import_target *target)
{
    const char *format = flags_value(flags, "--format"), *start = flags_value(flags, "--reported-start");
    *reader = (struct import_reader_options){ .path = flags->arguments[0], .reported_start_ns = -1 };
    reader->history = target->history = flags_has(flags, "--history");
    target->data_dir = flags_value(flags, "--data-dir");
    target->config_file = flags_value(flags, "--config");
    target->url = flags_value(flags, "--url");
    target->ca_file = flags_value(flags, "--ca");
    target->token_file = flags_value(flags, "--token-file");
    if (format != NULL && !import_format_parse(text_of(format), &reader->format))
        return flags_wrong(flags, "--format is ndjson, json, csv or arm, not '%s'", format);
    if (start != NULL &&
        (instant_parse(text_of(start), &reader->reported_start_ns) != ERROR_OK || reader->reported_start_ns < 0))
        return flags_wrong(flags, "--reported-start takes a time such as 2019-12-10T19:00:00Z, not '%s'", start);
    if (target->url != NULL && (target->data_dir != NULL || target->config_file != NULL))
        return flags_wrong(flags, "--url excludes --data-dir and --config");
    if (target->url != NULL && target->token_file == NULL)
        return flags_wrong(flags, "--url needs --token-file");
    if (target->url == NULL && (target->ca_file != NULL || target->token_file != NULL))
        return flags_wrong(flags, "--ca and --token-file go with --url");
    return -1;
}

/* What a failure means for the exit code: wrong usage, a file that is not what it should be, or anything else. */
static enum cli_exit code_of(err_t error, const struct error_info *info)
{
    if (error == ERROR_INVALID_PROPERTY && strcmp(info->target, "reportedStartTime") == 0)
        return CLI_USAGE;
    return error == ERROR_INVALID_PROPERTY || error == ERROR_INVALID_REQUEST_CONTENT ? CLI_FOUND : CLI_CANNOT_RUN;
}

static int complain(err_t error, const struct error_info *info)
{
    enum cli_exit code = code_of(error, info);
    if (code == CLI_CANNOT_RUN)
        return cli_cannot_run(info);
    (void)cli_fail(CLI_FOUND, "%s", info->message);
    return (int)code;
}

static int run(const struct import_reader_options *options, struct import_target *target, bool as_json)
{
    struct error_info info = { 0 };
    err_t error = import_reader_open(options, &target->reader, &info);
    if (error != ERROR_OK)
        return complain(error, &info);
    struct import_totals *totals = target->totals;
    error = target->url != NULL ? import_over_https(target, &info) : import_into_store(target, &info);
    if (totals->told_ns != 0 && isatty(STDERR_FILENO) != 0)
        fprintf(stderr, "\r\033[K");
    if (error != ERROR_OK)
        info.code = error;
    enum import_format format = import_reader_format(target->reader);
    import_reader_close(target->reader);
    if (as_json)
        print_json(totals, &info);
    else if (error == ERROR_OK || totals->received > 0)
        print_text(totals, format == IMPORT_NDJSON || format == IMPORT_CSV);
    int code = totals->conflict + totals->rejected > 0 ? CLI_FOUND : CLI_DONE;
    if (error != ERROR_OK)
        code = complain(error, &info);
    return cli_finish(stdout, code);
}

int command_import(int argc, char **argv)
{
    struct flags flags;
    struct import_reader_options options;
    struct import_target target = { 0 };
    int code = flags_parse(&import_command, argc, argv, &flags);
    if (code < 0)
        code = read_flags(&flags, &options, &target);
    if (code >= 0)
        return code;
    log_configure(&(struct log_options){ .level = LOG_WARNING, .fd = STDERR_FILENO });
    struct import_totals totals = { .arena = arena_new(16384, 0) };
    if (totals.arena == NULL)
        return cli_fail(CLI_CANNOT_RUN, "out of memory");
    target.totals = &totals;
    code = run(&options, &target, flags_has(&flags, "--json"));
    arena_free(totals.arena);
    return code;
}
