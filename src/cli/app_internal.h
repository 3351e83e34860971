/* The parts of the running server; for app.c (putting together, taking apart) and app_run.c (what happens between). */
#pragma once

#include <limits.h>

#include "api/api.h"
#include "api/subscription_resolver.h"
#include "base/arena.h"
#include "cli/app.h"
#include "cli/setup.h"
#include "net/tls.h"

struct app {
    struct app_options options;
    const struct clock *clock;
    struct arena *arena;  /* of 'config' */
    struct config config; /* as of the start */
    struct store *store;
    char data_dir[PATH_MAX];
    struct setup_certificate certificate;
    struct guid operator_subscription;
    struct workers *workers;
    struct loop *loop;
    struct loop_timer *tick; /* looks at the clock */
    struct subscription_resolver *resolver; /* NULL: the catalogue knows */
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

/* app_resolver.c: what commerce.subscription_resolver_... says; *out NULL when nothing is configured, or the process
 * has no commercial side. */
MUST_CHECK err_t app_make_resolver(const struct config *config, struct loop *loop, struct subscription_resolver **out,
                                   struct error_info *info);
/* app_run.c: signals reach the loop from now on. */
MUST_CHECK err_t app_watch_signals(struct app *app, struct error_info *info);
void app_configure_log(const struct config *config);
