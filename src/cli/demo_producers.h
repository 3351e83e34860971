/* The demo's resource providers at work: when simulated time comes to the hour's two moments of posting, every
 * provider that has something to say posts it to the server over HTTPS with its own token, as a real one would; then
 * time goes on. Also the hook behind POST /v1/clock. Loop thread only.
 *
 * Invariant: the clock never passes a moment of posting before the one ahead of it has been answered, unless it runs
 * by itself faster than the server answers. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "cli/demo_accounts.h"
#include "cli/demo_clock.h"
#include "cli/demo_history.h"
#include "cli/demo_stamp.h"
#include "net/loop.h"
#include "store/store.h"

struct demo_producers;

struct demo_producers_options {
    struct loop *loop;
    struct store *store;
    struct demo_clock *clock;
    const struct demo_stamp *stamp;
    const struct demo_accounts *accounts;
    struct text url, ca_pem;
    struct demo_position position;
    bool silent; /* --empty: time passes, nobody posts */
    /* Once, when everything that was due at the start has been posted. */
    void (*caught_up)(void *context);
    void *context;
};

/* Borrows everything. Begins with what is due as soon as the loop runs. */
MUST_CHECK err_t demo_producers_new(const struct demo_producers_options *options, struct demo_producers **out,
                                    struct error_info *info);
/* No further requests; advances under way are answered with the time reached. */
void demo_producers_stop(struct demo_producers *producers);
/* After the server has drained and before the loop ends: closes connections and timer. */
void demo_producers_close(struct demo_producers *producers);
/* When loop and store are gone: a commit may still have been under way for it. NULL is fine. */
void demo_producers_free(struct demo_producers *producers);
struct demo_position demo_producers_position(const struct demo_producers *producers);

/* The signature of api_options.advance_clock; context is the struct demo_producers. */
void demo_producers_advance(void *context, int64_t delta_ns, void (*done)(void *done_context, int64_t now_ns),
                            void *done_context);
