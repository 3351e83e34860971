/* The server put together: configuration, log, TLS, store, certificate, operator, workers, loop, API, listener,
 * ready file; and taken apart in reverse. `serve` runs it plain, `demo` with a clock of its own and hooks.
 *
 *   struct app *app;
 *   if (app_start(&options, &app, &info) != ERROR_OK) return cli_cannot_run(&info);
 *   int code = app_run(app);     // until SIGTERM or SIGINT has drained
 *   app_stop(app);
 *
 * Threads: all functions for the thread that calls app_run, which becomes the loop thread, unless noted. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/guid.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/options.h"
#include "net/loop.h"
#include "store/store.h"

struct app;

/* All optional; 'context' goes to each. They run in this order. */
struct app_hooks {
    void *context;
    /* The store is open, certificate and operator subscription are there, nothing listens yet. May block: the place
     * to set the clock from what the store remembers, to make accounts and to write history straight into the store. */
    err_t (*prepare)(struct app *app, void *context, struct error_info *info);
    /* The server listens but the loop does not run yet: make timers and clients (url: app_url, CA: app_ca_pem). */
    err_t (*started)(struct app *app, void *context, struct error_info *info);
    /* Adds members to the ready file behind url, caFile, pid and version, which is then written with mode 0600. */
    void (*write_ready)(struct app *app, void *context, struct json_writer *json);
    /* SIGTERM: stop sending requests, the server is about to drain. Requests under way are still answered. */
    void (*draining)(struct app *app, void *context);
    /* The server has drained; last turn of the loop: free timers and clients here. */
    void (*drained)(struct app *app, void *context);
};

struct app_options {
    const struct options_source *source;      /* borrowed until app_stop: SIGHUP reads it again */
    const struct clock *clock;                /* NULL: the system's. Borrowed until app_stop */
    const char *ready_file;                   /* NULL: none */
    const struct guid *operator_subscription; /* for a new store; NULL: a random one */
    /* The ready file is not written by app_run but when app_set_ready is called: for those who must first do
     * something over HTTPS. */
    bool ready_later;
    struct app_hooks hooks;
    /* See struct api_options. */
    void (*advance_clock)(void *context, int64_t delta_ns, void (*done)(void *done_context, int64_t now_ns),
                          void *done_context);
    void *advance_context;
};

/* Everything up to and including the 'started' hook. On an error everything is taken apart again and *info has the
 * line for a person. */
MUST_CHECK err_t app_start(const struct app_options *options, struct app **out, struct error_info *info);
/* Writes the ready file and serves until a signal ends it (or app_request_stop). Returns the exit code. */
MUST_CHECK int app_run(struct app *app);
/* NULL is fine. */
void app_stop(struct app *app);

/* Loop thread, or before app_run: writes the ready file (with ready_later). */
MUST_CHECK err_t app_set_ready(struct app *app, struct error_info *info);
/* Loop thread: as if SIGTERM had come; 'code' becomes the exit code. */
void app_request_stop(struct app *app, int code);

const char *app_data_dir(const struct app *app); /* absolute */
struct store *app_store(struct app *app);
struct loop *app_loop(struct app *app);
/* The subscription of the stamp's operator; from 'prepare' on. */
const struct guid *app_operator_subscription(const struct app *app);
/* "https://127.0.0.1:41231": where this process can be reached from this machine; from 'started' on. */
struct text app_url(const struct app *app);
/* The certificate file as an absolute path, and what stands in it; from 'prepare' on, until the next reload. */
struct text app_ca_file(const struct app *app);
struct text app_ca_pem(const struct app *app);
