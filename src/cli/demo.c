/* stampmeter demo: a stamp that is simulated on the outside and real on the inside. This file parses the flags, makes
 * or reads back the data folder and wires clock, history and producers to the server of app.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/files.h"
#include "base/instant.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/app.h"
#include "cli/cli.h"
#include "cli/demo_accounts.h"
#include "cli/demo_clock.h"
#include "cli/demo_commerce.h"
#include "cli/demo_history.h"
#include "cli/demo_producers.h"
#include "cli/demo_stamp.h"
#include "cli/flags.h"

#define PATH_SIZE_MAX 4096
#define LISTEN_DEFAULT "127.0.0.1:8443"
#define START_YEAR_MAX 2200

static const struct flag demo_flags[] = {
    { "--data-dir", "DIR", "Folder of the demo's data. Default stampmeter/demo in the user's state folder.", 0, false },
    { "--listen", "ADDR:PORT", "Where to serve; port 0 takes a free one. Default " LISTEN_DEFAULT ".", 0, false },
    { "--ready-file", "FILE", "Written when everything is up: url, accounts, tokens.", 0, false },
    { "--start", "TIME", "When a new demo begins, such as 2026-01-31T13:00:00Z. Default now.", 0, false },
    { "--speed", "N", "Simulated seconds per second, 1 to 100000. Default 1.", 0, false },
    { "--paused", NULL, "Time stands still until POST /v1/clock moves it.", 0, false },
    { "--empty", NULL, "A new demo gets the accounts only: no usage, no simulated producers.", 0, false },
};
static const struct command demo_command = {
    .name = "demo",
    .arguments = "",
    .about = "Runs the server with a simulated stamp: tenants, 35 days of history, and resource providers that post "
             "every hour over HTTPS. A folder that exists is continued: --start and --empty are ignored then.",
    .flags = demo_flags,
    .flag_count = COUNT_OF(demo_flags),
};

struct demo {
    char folder[PATH_SIZE_MAX], accounts_path[PATH_SIZE_MAX + 16], store_path[PATH_SIZE_MAX + 16];
    bool existed; /* the folder held a store before */
    bool resumed; /* ... and it was a finished demo's */
    int64_t start_ns;
    bool empty;
    struct arena *arena;
    struct demo_clock clock;
    struct demo_stamp stamp;
    struct demo_accounts accounts;
    struct demo_position position;
    struct demo_producers *producers;
    struct app *app;
    int64_t set_up_ns; /* monotonic, when it began */
};

/* --- flags --- */

static int default_folder(char out[PATH_SIZE_MAX])
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (state != NULL && state[0] == '/')
        return snprintf(out, PATH_SIZE_MAX, "%s/stampmeter/demo", state);
    if (home != NULL && home[0] == '/')
        return snprintf(out, PATH_SIZE_MAX, "%s/.local/state/stampmeter/demo", home);
    return snprintf(out, PATH_SIZE_MAX, "/tmp/stampmeter-demo-%ld", (long)getuid());
}

static int parse_start(const struct flags *flags, struct demo *demo)
{
    const char *text = flags_value(flags, "--start");
    if (text == NULL) {
        demo->start_ns = clock_wall_ns(clock_system());
        return -1;
    }
    if (instant_parse(text_of(text), &demo->start_ns) != ERROR_OK)
        return flags_wrong(flags, "--start takes a time with zone such as 2026-01-31T13:00:00Z, not '%s'", text);
    int64_t earliest_ns = (DEMO_HISTORY_HOURS + HOURS_PER_DAY) * NS_PER_HOUR;
    int64_t latest_ns = day_start_ns(days_from_civil((struct civil_date){ START_YEAR_MAX, 1, 1 }));
    if (demo->start_ns < earliest_ns || demo->start_ns > latest_ns)
        return flags_wrong(flags, "--start must lie between 1970-02-06 and %d", START_YEAR_MAX);
    return -1;
}

static int parse_speed(const struct flags *flags, int64_t *speed)
{
    const char *text = flags_value(flags, "--speed");
    unsigned long long value = 1;
    if (text != NULL && (!text_to_u64(text_of(text), &value) || value < 1 || value > DEMO_SPEED_MAX))
        return flags_wrong(flags, "--speed takes a whole number from 1 to %d, not '%s'", DEMO_SPEED_MAX, text);
    if (text != NULL && flags_has(flags, "--paused"))
        return flags_wrong(flags, "--speed and --paused exclude each other");
    *speed = flags_has(flags, "--paused") ? 0 : (int64_t)value;
    return -1;
}

static int parse_folder(const struct flags *flags, struct demo *demo)
{
    const char *given = flags_value(flags, "--data-dir");
    int length = given != NULL ? snprintf(demo->folder, PATH_SIZE_MAX, "%s", given) : default_folder(demo->folder);
    if (length <= 0 || length >= PATH_SIZE_MAX)
        return flags_wrong(flags, "--data-dir is empty or too long");
    (void)snprintf(demo->accounts_path, sizeof demo->accounts_path, "%s/demo.json", demo->folder);
    (void)snprintf(demo->store_path, sizeof demo->store_path, "%s/data.mdb", demo->folder);
    return -1;
}

static void ignored(const struct flags *flags, const char *name)
{
    if (flags_has(flags, name))
        fprintf(stderr, "stampmeter: %s is ignored: the demo in this folder goes on from where it stood\n", name);
}

/* The clock must stand at the demo's time before the store opens, because the store never goes back behind a time
 * it has seen. The exact time of a demo that goes on is in the store; its start is early enough until then. */
static err_t begin(struct demo *demo, const struct flags *flags, int64_t speed, struct error_info *info)
{
    err_t error = demo_accounts_load(demo->arena, demo->accounts_path, &demo->accounts, info);
    if (error != ERROR_OK && error != ERROR_NOT_FOUND)
        return error;
    demo->resumed = error == ERROR_OK;
    demo->existed = file_exists(demo->store_path);
    demo->empty = flags_has(flags, "--empty");
    if (demo->resumed) {
        demo->start_ns = demo->accounts.start_ns;
        demo->empty = demo->accounts.empty;
        ignored(flags, "--start");
        ignored(flags, "--empty");
    }
    demo->stamp = (struct demo_stamp){ .seed = DEMO_SEED, .start_hour = instant_hour(demo->start_ns) };
    bool valid = guid_parse(TEXT(DEMO_OPERATOR_SUBSCRIPTION), &demo->stamp.operator_subscription);
    REQUIRE(valid);
    demo_clock_init(&demo->clock, demo->start_ns, speed);
    return ERROR_OK;
}

/* --- hooks --- */

static err_t read_position(struct demo *demo, struct store_state *state, bool *found, struct error_info *info)
{
    struct kv_txn *txn;
    err_t error = store_read_begin(app_store(demo->app), &txn);
    if (error != ERROR_OK)
        return error_set(info, error, NULL, NULL);
    error = store_read_state(txn, state);
    if (error == ERROR_OK) {
        error = demo_position_get(txn, &demo->position);
        *found = error == ERROR_OK;
        if (error == ERROR_NOT_FOUND)
            error = ERROR_OK;
    }
    store_read_end(txn);
    return error == ERROR_OK ? ERROR_OK : error_set(info, error, NULL, NULL);
}

static err_t write_position(struct demo *demo, struct error_info *info)
{
    struct demo_position_put put;
    demo_position_put_init(&put, &demo->position);
    err_t error = store_run(app_store(demo->app), &put.job);
    return error == ERROR_OK
               ? ERROR_OK
               : error_set(info, error, NULL, "the demo's time could not be saved: %s", error_text(error));
}

static err_t write_history(struct demo *demo, struct error_info *info)
{
    struct demo_history_counts counts;
    err_t error = demo_history_write(app_store(demo->app), &demo->stamp, DEMO_HISTORY_HOURS, &counts, info);
    if (error == ERROR_OK)
        log_info("demo", "history written", LOG_INT("accepted", counts.accepted),
                 LOG_INT("duplicate", counts.duplicate), LOG_INT("conflict", counts.conflict),
                 LOG_INT("rejected", counts.rejected));
    return error;
}

static err_t make_stamp(struct demo *demo, struct error_info *info)
{
    struct stamp_make make;
    struct stamp ids = demo_stamp_ids();
    stamp_make_init(&make, &ids);
    err_t error = store_run(app_store(demo->app), &make.job);
    return error == ERROR_OK
               ? ERROR_OK
               : error_set(info, error, NULL, "the demo's ids could not be written: %s", error_text(error));
}

static err_t set_up(struct demo *demo, struct error_info *info)
{
    demo->position = (struct demo_position){ .now_ns = demo->start_ns, .posting_hour = demo->stamp.start_hour };
    err_t error = write_position(demo, info);
    if (error == ERROR_OK)
        error = demo_accounts_make(app_store(demo->app), demo->arena, app_operator_subscription(demo->app),
                                   demo->start_ns, demo->empty, &demo->accounts, info);
    if (error == ERROR_OK)
        error = make_stamp(demo, info);
    if (error == ERROR_OK)
        error = demo_commerce_make(app_store(demo->app), demo->arena, &demo->stamp, info);
    return error == ERROR_OK && !demo->empty ? write_history(demo, info) : error;
}

/* What needs to know where this process listens. demo.json comes last: without it the next start makes everything
 * again, which changes nothing but the tokens. */
static err_t finish_set_up(struct demo *demo, struct error_info *info)
{
    err_t error = demo_commerce_activate(app_store(demo->app), demo->arena, app_url(demo->app), info);
    return error == ERROR_OK ? demo_accounts_save(&demo->accounts, demo->accounts_path, info) : error;
}

static err_t prepare(struct app *app, void *context, struct error_info *info)
{
    struct demo *demo = context;
    struct store_state state;
    bool found = false;
    demo->app = app;
    err_t error = read_position(demo, &state, &found, info);
    if (error != ERROR_OK)
        return error;
    if (!found && demo->existed)
        return error_set(info, ERROR_EXISTS, NULL, "%s holds a store that is not a demo's; use another --data-dir",
                         demo->folder);
    if (!demo->resumed)
        return set_up(demo, info);
    /* After a crash the store may have seen later times than those that were saved. */
    if (demo->position.now_ns < state.last_reported_ns)
        demo->position.now_ns = state.last_reported_ns;
    demo_clock_reach(&demo->clock, demo->position.now_ns);
    return ERROR_OK;
}

static void print_banner(const struct demo *demo)
{
    char now[INSTANT_TEXT_SIZE];
    instant_print(demo_clock_now(&demo->clock) / NS_PER_SECOND * NS_PER_SECOND, now);
    struct text url = app_url(demo->app), ca = app_ca_file(demo->app);
    printf("Stampmeter demo: %.*s\n", TEXT_ARGS(url));
    printf("  operator   %.*s, password %.*s (this demo only)\n", TEXT_ARGS(demo->accounts.operator_login.username),
           TEXT_ARGS(demo->accounts.operator_login.password));
    printf("  commerce   %.*s, password %.*s\n", TEXT_ARGS(demo->accounts.commerce_login.username),
           TEXT_ARGS(demo->accounts.commerce_login.password));
    printf("  accounts   %s\n", demo->accounts_path);
    printf("  CA file    %.*s\n", TEXT_ARGS(ca));
    printf("  data       %s (%s%s)\n", app_data_dir(demo->app), demo->resumed ? "goes on" : "new",
           demo->empty ? ", no usage" : "");
    if (demo->clock.speed == 0)
        printf("  time       %s, paused: POST /v1/clock {\"advance\":\"PT1H\"} moves it\n", now);
    else
        printf("  time       %s, %lld simulated second%s per second\n", now, (long long)demo->clock.speed,
               demo->clock.speed == 1 ? "" : "s");
    printf("  to stop    Ctrl-C; to begin anew, delete the data folder\n");
    fflush(stdout);
}

static void caught_up(void *context)
{
    struct demo *demo = context;
    struct error_info info = { 0 };
    log_info("demo", "ready", LOG_INT("ms", (clock_monotonic_ns(clock_system()) - demo->set_up_ns) / NS_PER_MS));
    if (app_set_ready(demo->app, &info) != ERROR_OK) {
        app_request_stop(demo->app, cli_cannot_run(&info));
        return;
    }
    print_banner(demo);
}

static err_t started(struct app *app, void *context, struct error_info *info)
{
    struct demo *demo = context;
    const struct demo_producers_options options = {
        .loop = app_loop(app),
        .store = app_store(app),
        .clock = &demo->clock,
        .stamp = &demo->stamp,
        .accounts = &demo->accounts,
        .url = app_url(app),
        .ca_pem = app_ca_pem(app),
        .position = demo->position,
        .silent = demo->empty,
        .caught_up = caught_up,
        .context = demo,
    };
    err_t error = demo->resumed ? ERROR_OK : finish_set_up(demo, info);
    return error == ERROR_OK ? demo_producers_new(&options, &demo->producers, info) : error;
}

static void write_ready(struct app *app, void *context, struct json_writer *json)
{
    (void)app;
    demo_accounts_put(&((struct demo *)context)->accounts, json);
}

static void draining(struct app *app, void *context)
{
    (void)app;
    demo_producers_stop(((struct demo *)context)->producers);
}

static void drained(struct app *app, void *context)
{
    (void)app;
    demo_producers_close(((struct demo *)context)->producers);
}

static void advance(void *context, int64_t delta_ns, void (*done)(void *done_context, int64_t now_ns),
                    void *done_context)
{
    demo_producers_advance(((struct demo *)context)->producers, delta_ns, done, done_context);
}

/* --- the command --- */

static int run(struct demo *demo, const struct flags *flags)
{
    struct options_source source = { .environment = environ };
    struct error_info info = { 0 };
    const char *listen = flags_value(flags, "--listen");
    options_set(&source, OPTION_STORE_DATA_DIR, demo->folder);
    options_set(&source, OPTION_NET_LISTEN, listen != NULL ? listen : LISTEN_DEFAULT);
    options_set(&source, OPTION_SERVER_ROLE, "both");
    /* On a terminal a line for each request would carry away what was printed for the user. */
    if (isatty(STDERR_FILENO) != 0)
        options_set(&source, OPTION_LOG_LEVEL, "warning");
    const struct app_options options = {
        .source = &source,
        .clock = &demo->clock.manual.clock,
        .ready_file = flags_value(flags, "--ready-file"),
        .operator_subscription = &demo->stamp.operator_subscription,
        .ready_later = true,
        .hooks = { demo, prepare, started, write_ready, draining, drained },
        .advance_clock = advance,
        .advance_context = demo,
    };
    demo->set_up_ns = clock_monotonic_ns(clock_system());
    struct app *app;
    if (app_start(&options, &app, &info) != ERROR_OK)
        return cli_cannot_run(&info);
    int code = app_run(app);
    demo->position = demo_producers_position(demo->producers);
    if (write_position(demo, &info) != ERROR_OK)
        code = cli_cannot_run(&info);
    app_stop(app);
    return code;
}

int command_demo(int argc, char **argv)
{
    struct flags flags;
    struct error_info info = { 0 };
    int64_t speed;
    int code = flags_parse(&demo_command, argc, argv, &flags);
    if (code >= 0)
        return code;
    struct demo *demo = memory_zalloc(1, sizeof *demo);
    if (demo == NULL || (demo->arena = arena_new(16384, 0)) == NULL) {
        memory_free(demo);
        return cli_fail(CLI_CANNOT_RUN, "out of memory");
    }
    code = parse_folder(&flags, demo);
    if (code < 0)
        code = parse_start(&flags, demo);
    if (code < 0)
        code = parse_speed(&flags, &speed);
    if (code < 0)
        code = begin(demo, &flags, speed, &info) == ERROR_OK ? run(demo, &flags) : cli_cannot_run(&info);
    demo_producers_free(demo->producers);
    arena_free(demo->arena);
    memory_free(demo);
    return code;
}
