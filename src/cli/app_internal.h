/* The parts of the running server; for app.c (putting together, taking apart) and app_run.c (what happens between). */
#pragma once

#include <limits.h>

#include "api/api.h"
#include "base/arena.h"
#include "cli/app.h"
#include "cli/setup.h"
#include "net/tls.h"

struct app {
    struct app_options options;
    const struct clock *clock;
    struct arena *arena;        /* of 'config' */
    struct config config;       /* as of the start */
    struct arena *reload_arena; /* of 'reloaded'; NULL before the first reload */
    struct config reloaded;
    struct store *store;
    char data_dir[PATH_MAX];
    struct setup_certificate certificate;
    struct guid operator_subscription;
    struct workers *workers;
    struct loop *loop;
    struct loop_timer *tick; /* looks at the clock */
    struct api *api;
    struct tls_server *tls; /* our reference, besides the server's */
    struct server *server;
    char url[128];
    int exit_code;
    bool is_ready, is_stopping;
    unsigned quiet_rounds; /* see app_run.c */
    struct loop_task quiet_task;
    struct store_job note_retention;
};

/* app_run.c: signals reach the loop from now on. */
MUST_CHECK err_t app_watch_signals(struct app *app, struct error_info *info);
void app_configure_log(const struct config *config);
