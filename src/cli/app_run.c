/* The running server: ready file, signals, reload, and the orderly end.
 *
 * The end: stop accepting and finish what is under way (server_drain); then wait for workers and writer, because a
 * request whose client has gone may still be worked on; then leave the loop. Afterwards nothing refers to anything,
 * and app_stop can take it apart in any order. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/files.h"
#include "base/log.h"
#include "cli/app.h"
#include "cli/app_internal.h"
#include "cli/cli.h"

/* One round for what a request does after it comes back from a worker or the writer; no request takes more turns
 * than a password check (worker), its session (writer), its answer. */
#define QUIET_ROUNDS 3
#define SUBMIT_RETRY_NS 1000000

void app_configure_log(const struct config *config)
{
    struct log_options log = {
        .level = (enum log_level)options_number(config, OPTION_LOG_LEVEL),
        .json = options_number(config, OPTION_LOG_FORMAT) != 0,
        .fd = STDERR_FILENO,
    };
    log_configure(&log);
}

/* --- telling others --- */

/* systemd's notification socket (sd_notify(3)), when there is one. */
static void notify_supervisor(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t length = path != NULL ? strlen(path) : 0;
    if (length < 2 || length >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(address.sun_path, path, length);
    if (path[0] == '@')
        address.sun_path[0] = '\0'; /* the abstract name space */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
    close(fd);
}

static err_t write_ready_file(struct app *app, struct error_info *info)
{
    const struct app_hooks *hooks = &app->options.hooks;
    struct buffer text = { 0 };
    struct json_writer json = json_writer(&text);
    json_begin_object(&json);
    json_name(&json, "url");
    json_put_text(&json, app_url(app));
    json_name(&json, "caFile");
    json_put_text(&json, app_ca_file(app));
    json_name(&json, "pid");
    json_put_i64(&json, getpid());
    json_name(&json, "version");
    json_put_cstring(&json, STAMPMETER_VERSION);
    if (hooks->write_ready != NULL)
        hooks->write_ready(app, hooks->context, &json);
    json_end_object(&json);
    buffer_append_char(&text, '\n');
    err_t error = text.failed ? error_set(info, ERROR_NO_MEMORY, NULL, NULL)
                              : file_write_durable(app->options.ready_file, buffer_text(&text),
                                                   hooks->write_ready != NULL ? 0600 : 0644, info);
    buffer_free(&text);
    return error;
}

err_t app_set_ready(struct app *app, struct error_info *info)
{
    REQUIRE(app->server != NULL);
    if (app->is_ready || app->is_stopping)
        return ERROR_OK;
    if (app->options.ready_file != NULL) {
        err_t error = write_ready_file(app, info);
        if (error != ERROR_OK)
            return error;
    }
    app->is_ready = true;
    log_info("app", "ready", LOG_TEXT("url", app_url(app)), LOG_CSTR("version", STAMPMETER_VERSION),
             LOG_CSTR("data_dir", app->data_dir));
    notify_supervisor("READY=1");
    return ERROR_OK;
}

/* --- the orderly end --- */

/* Holds every worker until all have arrived: then all that was submitted before is done. */
struct gathering {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    size_t awaited, left;
};

static void gather(void *context, size_t thread_index)
{
    struct gathering *gathering = context;
    (void)thread_index;
    pthread_mutex_lock(&gathering->mutex);
    gathering->awaited--;
    pthread_cond_broadcast(&gathering->changed);
    while (gathering->awaited > 0)
        pthread_cond_wait(&gathering->changed, &gathering->mutex);
    gathering->left--;
    pthread_cond_broadcast(&gathering->changed);
    pthread_mutex_unlock(&gathering->mutex);
}

static void wait_for_workers(struct app *app)
{
    size_t count = options_size(&app->config, OPTION_SERVER_WORKER_THREADS);
    struct gathering gathering = { .awaited = count, .left = count };
    pthread_mutex_init(&gathering.mutex, NULL);
    pthread_cond_init(&gathering.changed, NULL);
    for (size_t i = 0; i < count; i++) {
        while (workers_submit(app->workers, gather, &gathering) != ERROR_OK)
            nanosleep(&(struct timespec){ .tv_nsec = SUBMIT_RETRY_NS }, NULL); /* the queue is full */
    }
    pthread_mutex_lock(&gathering.mutex);
    while (gathering.left > 0)
        pthread_cond_wait(&gathering.changed, &gathering.mutex);
    pthread_mutex_unlock(&gathering.mutex);
    pthread_cond_destroy(&gathering.changed);
    pthread_mutex_destroy(&gathering.mutex);
}

static err_t run_nothing(struct store_write *write, struct store_job *job)
{
    (void)write;
    (void)job;
    return ERROR_OK;
}

static void wait_for_writer(struct app *app)
{
    struct store_job job = { .run = run_nothing, .weight = 1 };
    while (store_run(app->store, &job) == ERROR_TOO_MANY_REQUESTS)
        nanosleep(&(struct timespec){ .tv_nsec = SUBMIT_RETRY_NS }, NULL);
}

/* What came back from workers and writer in this round stands before the task in the loop's inbox. */
static void quiet_round(struct loop_task *task)
{
    struct app *app = CONTAINER_OF(task, struct app, quiet_task);
    if (app->quiet_rounds++ < QUIET_ROUNDS) {
        wait_for_workers(app);
        wait_for_writer(app);
        loop_post(app->loop, task);
        return;
    }
    const struct app_hooks *hooks = &app->options.hooks;
    if (hooks->drained != NULL)
        hooks->drained(app, hooks->context);
    server_free(app->server);
    app->server = NULL;
    loop_stop(app->loop);
}

static void on_drained(void *context)
{
    struct app *app = context;
    subscription_resolver_stop(app->resolver);
    app->quiet_task.function = quiet_round;
    loop_post(app->loop, &app->quiet_task);
}

void app_request_stop(struct app *app, int code)
{
    const struct app_hooks *hooks = &app->options.hooks;
    if (app->is_stopping)
        return;
    app->is_stopping = true;
    app->exit_code = code;
    log_info("app", "stopping");
    notify_supervisor("STOPPING=1");
    api_set_draining(app->api);
    if (hooks->draining != NULL)
        hooks->draining(app, hooks->context);
    server_drain(app->server, on_drained, app);
}

/* --- reload --- */

static void warn_of_fixed(const struct app *app, const struct config *fresh)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        char name[CONFIG_NAME_SIZE];
        const struct config_option *option = &options_table[i];
        if (option->reloadable || text_equal(fresh->values[i].text, app->config.values[i].text))
            continue;
        (void)snprintf(name, sizeof name, "%s.%s", option->section, option->key);
        log_warning("app", "this setting changes with the next start only", LOG_CSTR("option", name));
    }
}

static void apply(struct app *app, const struct config *fresh, struct tls_server *tls,
                  struct setup_certificate *certificate)
{
    app_configure_log(fresh);
    api_set_limits(app->api, options_duration_ns(fresh, OPTION_USAGE_FUTURE_MAX),
                   options_duration_ns(fresh, OPTION_USAGE_AGE_MAX),
                   options_duration_ns(fresh, OPTION_IDENTITY_SESSION_DURATION));
    server_set_tls(app->server, tls);
    tls_server_unref(app->tls);
    app->tls = tls;
    setup_certificate_free(&app->certificate);
    app->certificate = *certificate;
    memset(certificate, 0, sizeof *certificate);
}

/* Builds everything new first; nothing is changed unless all of it is good. */
static err_t reload(struct app *app, struct error_info *info)
{
    struct config fresh;
    struct setup_certificate certificate = { 0 };
    struct tls_server *tls = NULL;
    struct arena *arena = arena_new(16 * 1024, 0);
    if (arena == NULL)
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    err_t error = options_load(arena, app->options.source, &fresh, info);
    if (error == ERROR_OK)
        error = setup_certificate_load(&fresh, app->data_dir, &certificate, info);
    if (error == ERROR_OK)
        error =
            tls_server_new(buffer_text(&certificate.certificate_pem), buffer_text(&certificate.key_pem), &tls, info);
    if (error == ERROR_OK) {
        apply(app, &fresh, tls, &certificate);
        warn_of_fixed(app, &fresh);
    } else {
        setup_certificate_free(&certificate);
    }
    arena_free(arena);
    return error;
}

static void on_signal(void *context, int signal_number)
{
    struct app *app = context;
    struct error_info info = { 0 };
    if (signal_number != SIGHUP) {
        app_request_stop(app, CLI_DONE);
        return;
    }
    if (app->is_stopping)
        return;
    if (reload(app, &info) == ERROR_OK)
        log_info("app", "reloaded");
    else
        log_error("app", "reload refused, nothing was changed", LOG_CSTR("reason", info.message));
}

err_t app_watch_signals(struct app *app, struct error_info *info)
{
    err_t error = loop_watch_signals(app->loop, on_signal, app);
    return error == ERROR_OK ? ERROR_OK : error_set(info, error, NULL, "the signals could not be set up");
}

/* --- running --- */

int app_run(struct app *app)
{
    struct error_info info = { 0 };
    if (!app->options.ready_later && app_set_ready(app, &info) != ERROR_OK)
        return cli_cannot_run(&info);
    loop_run(app->loop);
    log_info("app", "stopped");
    return app->exit_code;
}
