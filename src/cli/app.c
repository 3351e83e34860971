/* Putting the server together and taking it apart. */
#include "cli/app.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/registration_stamp.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/app_internal.h"
#include "registration/stamp.h"
#include "usage/migrate.h"
#include "usage/rejects.h"
#include "usage/watermarks.h"

#define TICK_MS 1000

/* --- steps of the start, in order --- */

static err_t load_config(struct app *app, struct error_info *info)
{
    app->arena = arena_new(16 * 1024, 0);
    if (app->arena == NULL)
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    err_t error = options_load(app->arena, app->options.source, &app->config, info);
    if (error != ERROR_OK)
        return error;
    app_configure_log(&app->config);
    return ERROR_OK;
}

/* In the order of enum retention_class, as the options are. */
static struct retention_policy retention_of(const struct config *config)
{
    struct retention_policy policy = { .drop_rejects = rejects_drop, .drop_watermarks = watermarks_drop };
    for (int c = 0; c < RETENTION_CLASS_COUNT; c++)
        policy.keep_hours[c] = options_duration_ns(config, (enum option)(OPTION_RETENTION_JOURNAL + c)) / NS_PER_HOUR;
    return policy;
}

static err_t open_store(struct app *app, struct error_info *info)
{
    struct store_options store = {
        .folder = options_string(&app->config, OPTION_STORE_DATA_DIR),
        .create = true,
        .clock = app->clock,
        .map_size_bytes = options_size(&app->config, OPTION_STORE_MAP_SIZE),
        .map_size_max_bytes = options_size(&app->config, OPTION_STORE_MAP_SIZE_MAX),
        .queue_weight_max = options_size(&app->config, OPTION_STORE_QUEUE_RECORDS_MAX),
        .retention = retention_of(&app->config),
        .upgrade = migrate_store,
    };
    err_t error = store_open(&store, &app->store, info);
    if (error == ERROR_OK && realpath(store.folder, app->data_dir) == NULL)
        error = error_set(info, ERROR_IO, NULL, "resolve %s: %s", store.folder, strerror(errno));
    /* One left by an earlier process would tell lies; not earlier, lest it is that of a server still running here. */
    if (error == ERROR_OK && app->options.ready_file != NULL)
        (void)unlink(app->options.ready_file);
    return error;
}

static err_t run_note_retention(struct store_write *write, struct store_job *job)
{
    struct app *app = CONTAINER_OF(job, struct app, note_retention);
    return retention_note_policy(write, store_retention(app->store));
}

static err_t note_retention(struct app *app, struct error_info *info)
{
    app->note_retention = (struct store_job){ .run = run_note_retention, .weight = 1 };
    err_t error = store_run(app->store, &app->note_retention);
    return error == ERROR_OK ? ERROR_OK
                             : error_set(info, error, NULL, "the store could not be written: %s", error_text(error));
}

static err_t prepare_data_dir(struct app *app, struct error_info *info)
{
    bool made_certificate = false, made_token = false;
    struct guid fresh;
    uint8_t random[16];
    random_bytes(random, sizeof random);
    fresh = guid_from_random(random);
    if (app->options.operator_subscription != NULL)
        fresh = *app->options.operator_subscription;
    err_t error = setup_certificate(&app->config, app->data_dir, &app->certificate, &made_certificate, info);
    if (error == ERROR_OK)
        error = setup_operator_subscription(app->store, &fresh, &app->operator_subscription, info);
    if (error == ERROR_OK)
        error = setup_operator_token(app->store, app->data_dir, &made_token, info);
    if (error == ERROR_OK)
        error = tls_server_new(buffer_text(&app->certificate.certificate_pem), buffer_text(&app->certificate.key_pem),
                               &app->tls, info);
    if (made_certificate)
        log_info("app", "made a self-signed certificate", LOG_CSTR("file", app->certificate.file));
    if (made_token)
        log_info("app", "made the operator's token", LOG_CSTR("folder", app->data_dir),
                 LOG_CSTR("file", "operator.token"));
    return error;
}

/* After the hook, which may have made ids of its own choice. */
static err_t make_stamp(struct app *app, struct error_info *info)
{
    struct stamp_make make;
    if (options_number(&app->config, OPTION_SERVER_ROLE) == SERVER_ROLE_COMMERCE)
        return ERROR_OK;
    stamp_make_init(&make, NULL);
    err_t error = store_run(app->store, &make.job);
    return error == ERROR_OK ? ERROR_OK
                             : error_set(info, error, NULL, "the stamp's ids could not be made: %s", error_text(error));
}

static err_t start_threads(struct app *app, struct error_info *info)
{
    err_t error = workers_start(options_size(&app->config, OPTION_SERVER_WORKER_THREADS), "worker", &app->workers);
    if (error != ERROR_OK)
        return error_set(info, error, NULL, "the worker threads could not be started: %s", error_text(error));
    /* Timeouts are real time; a simulated clock steers hours and days only. */
    error = loop_new(app->clock, &app->loop);
    if (error != ERROR_OK)
        return error_set(info, error, NULL, "the event loop could not be started: %s", error_text(error));
    return ERROR_OK;
}

static err_t make_api(struct app *app, struct error_info *info)
{
    err_t error = app_make_resolver(&app->config, app->loop, &app->resolver, info);
    if (error != ERROR_OK)
        return error;
    struct api_options api = {
        .loop = app->loop,
        .store = app->store,
        .workers = app->workers,
        .clock = app->clock,
        .version = STAMPMETER_VERSION,
        .resolver = app->resolver,
        .trusted_key_id = options_text(&app->config, OPTION_REGISTRATION_TRUSTED_KEY_ID),
        .own_url = app->url,
        .commerce_public_url = options_string(&app->config, OPTION_COMMERCE_PUBLIC_URL),
        .commerce_capacity_ns = options_duration_ns(&app->config, OPTION_COMMERCE_CAPACITY_DURATION),
        .without_stamp = options_number(&app->config, OPTION_SERVER_ROLE) == SERVER_ROLE_COMMERCE,
        .without_commerce = options_number(&app->config, OPTION_SERVER_ROLE) == SERVER_ROLE_STAMP,
        .usage_future_ns_max = options_duration_ns(&app->config, OPTION_USAGE_FUTURE_MAX),
        .usage_age_ns_max = options_duration_ns(&app->config, OPTION_USAGE_AGE_MAX),
        .session_ns = options_duration_ns(&app->config, OPTION_IDENTITY_SESSION_DURATION),
        .password_iterations = options_u32(&app->config, OPTION_IDENTITY_PASSWORD_ITERATIONS),
        .certificate_file = app->certificate.file,
        .advance_clock = app->options.advance_clock,
        .advance_context = app->options.advance_context,
    };
    return api_new(&api, &app->api, info);
}

/* The store looks at its clock: hours that end are sealed soon after, also while nothing is posted. Real time,
 * because a simulated clock may stand still and then jump. */
static void on_tick(void *context)
{
    struct app *app = context;
    store_tick(app->store);
    loop_timer_start(app->tick, TICK_MS);
}

static err_t start_ticking(struct app *app, struct error_info *info)
{
    app->tick = loop_timer_new(app->loop, on_tick, app);
    if (app->tick == NULL)
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    loop_timer_start(app->tick, 0);
    return ERROR_OK;
}

/* Where this machine reaches the server: an address that means all of them is none that a client can call. */
static void name_url(struct app *app)
{
    struct text address = server_address(app->server);
    struct text host = address, any4 = TEXT("0.0.0.0:"), any6 = TEXT("[::]:");
    if (text_starts_with(address, any4)) {
        host = TEXT("127.0.0.1:");
        address = (struct text){ address.ptr + any4.len, address.len - any4.len };
    } else if (text_starts_with(address, any6)) {
        host = TEXT("[::1]:");
        address = (struct text){ address.ptr + any6.len, address.len - any6.len };
    } else {
        host = TEXT("");
    }
    (void)snprintf(app->url, sizeof app->url, "https://%.*s%.*s", TEXT_ARGS(host), TEXT_ARGS(address));
}

static err_t start_server(struct app *app, struct error_info *info)
{
    const struct config *config = &app->config;
    struct server_options server = {
        .listen = options_text(config, OPTION_NET_LISTEN),
        .tls = app->tls,
        .connections_max = options_size(config, OPTION_NET_CONNECTIONS_MAX),
        .handshakes_max = options_size(config, OPTION_NET_HANDSHAKES_MAX),
        .body_bytes_max = options_size(config, OPTION_NET_BODY_SIZE_MAX),
        .handshake_timeout_ms = options_u32(config, OPTION_NET_HANDSHAKE_TIMEOUT),
        .header_timeout_ms = options_u32(config, OPTION_NET_HEADER_TIMEOUT),
        .body_timeout_ms = options_u32(config, OPTION_NET_BODY_TIMEOUT),
        .idle_timeout_ms = options_u32(config, OPTION_NET_IDLE_TIMEOUT),
        .write_timeout_ms = options_u32(config, OPTION_NET_WRITE_TIMEOUT),
        .drain_timeout_ms = options_u32(config, OPTION_NET_DRAIN_TIMEOUT),
        .on_request = api_on_request,
        .on_headers = api_on_headers,
        .write_error = api_write_error,
        .on_done = api_on_done,
        .context = app->api,
    };
    err_t error = server_start(app->loop, &server, &app->server, info);
    if (error != ERROR_OK)
        return error;
    api_set_server(app->api, app->server);
    name_url(app);
    return ERROR_OK;
}

static err_t start(struct app *app, struct error_info *info)
{
    const struct app_hooks *hooks = &app->options.hooks;
    err_t error = load_config(app, info);
    if (error == ERROR_OK)
        error = tls_global_init(info);
    if (error == ERROR_OK)
        error = open_store(app, info);
    if (error == ERROR_OK)
        error = prepare_data_dir(app, info);
    if (error == ERROR_OK && hooks->prepare != NULL)
        error = hooks->prepare(app, hooks->context, info);
    if (error == ERROR_OK)
        error = make_stamp(app, info);
    if (error == ERROR_OK)
        error = note_retention(app, info);
    if (error == ERROR_OK)
        error = start_threads(app, info);
    if (error == ERROR_OK)
        error = make_api(app, info);
    if (error == ERROR_OK)
        warn_of_untrusted_activation(app->store, options_text(&app->config, OPTION_REGISTRATION_TRUSTED_KEY_ID));
    if (error == ERROR_OK)
        error = start_ticking(app, info);
    if (error == ERROR_OK)
        error = app_watch_signals(app, info);
    if (error == ERROR_OK)
        error = start_server(app, info);
    if (error == ERROR_OK && hooks->started != NULL)
        error = hooks->started(app, hooks->context, info);
    return error;
}

err_t app_start(const struct app_options *options, struct app **out, struct error_info *info)
{
    struct app *app = memory_zalloc(1, sizeof *app);
    if (app == NULL)
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    app->options = *options;
    app->clock = options->clock != NULL ? options->clock : clock_system();
    err_t error = start(app, info);
    if (error != ERROR_OK) {
        app_stop(app);
        return error;
    }
    *out = app;
    return ERROR_OK;
}

/* After app_run the server is gone and nothing is under way any more; after a failed start nothing ever was. */
void app_stop(struct app *app)
{
    if (app == NULL)
        return;
    loop_timer_free(app->tick); /* the loop turns once more when it is freed, the store is gone then */
    if (app->server != NULL)
        server_free(app->server);
    if (app->api != NULL)
        api_free(app->api);
    subscription_resolver_free(app->resolver);
    workers_stop(app->workers);
    store_close(app->store);
    if (app->loop != NULL)
        loop_free(app->loop);
    if (app->tls != NULL)
        tls_server_unref(app->tls);
    setup_certificate_free(&app->certificate);
    arena_free(app->arena);
    memory_free(app);
}

/* --- parts --- */

const char *app_data_dir(const struct app *app)
{
    return app->data_dir;
}

struct store *app_store(struct app *app)
{
    return app->store;
}

struct loop *app_loop(struct app *app)
{
    return app->loop;
}

const struct guid *app_operator_subscription(const struct app *app)
{
    return &app->operator_subscription;
}

struct text app_url(const struct app *app)
{
    return text_of(app->url);
}

struct text app_ca_file(const struct app *app)
{
    return text_of(app->certificate.file);
}

struct text app_ca_pem(const struct app *app)
{
    return buffer_text(&app->certificate.certificate_pem);
}
