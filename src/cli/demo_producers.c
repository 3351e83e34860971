/* A small state machine. WAITING: nothing is due. POSTING: requests of one moment are on their way. SAVING: the
 * position is being written. Whatever happens ends in step(), which looks at the clock and at what was asked for.
 *
 * Requests are safe to repeat (ids are deterministic), so trouble is answered by trying again: busy servers after
 * Retry-After, everything else that may pass after a second, for as long as the demo runs. */
#include "cli/demo_producers.h"

#include <stdio.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/demo_corrections.h"
#include "net/client.h"

#define CONNECTIONS_MAX 8
#define QUEUE_MAX 64
#define TIMEOUT_MS 30000
#define RESPONSE_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define RETRY_MS 1000
#define RETRY_MS_MAX 30000
#define SAVE_HOURS 24 /* during a long advance */
#define DELAY_MS_MAX ((int64_t)24 * 3600 * 1000)
#define ADVANCES_MAX 64

enum moment { MOMENT_REGULAR, MOMENT_EXTRA, MOMENT_COUNT };
enum state { WAITING, POSTING, SAVING, STOPPED };

/* A request for each provider's usage, and one for the corrections. */
enum { CORRECTIONS = DEMO_SOURCE_COUNT, POST_COUNT };

/* One provider's request of the moment under way. */
struct post {
    struct demo_producers *producers;
    enum demo_source source;
    const char *target;
    struct buffer bodies[MOMENT_COUNT];
    bool open; /* not answered for good yet */
};

struct advance {
    int64_t delta_ns;
    void (*done)(void *done_context, int64_t now_ns);
    void *done_context;
};

struct demo_producers {
    struct demo_producers_options options;
    enum state state;
    struct demo_position position; /* of what has been answered */
    int64_t prepared_hour;         /* the bodies are those of this posting hour; -1: of none */
    struct post posts[POST_COUNT];
    size_t open_count;
    uint32_t retry_ms;
    struct tls_client *tls;
    struct client *client;
    struct loop_timer *timer;
    struct advance advances[ADVANCES_MAX]; /* a ring; the first is under way when target_ns is set */
    size_t advance_first, advance_count;
    int64_t target_ns; /* of the advance under way, INT64_MIN: none */
    int64_t unsaved_hours;
    bool saved, caught_up;
    struct demo_position_put put;
    struct loop_task put_done;
};

static void step(struct demo_producers *producers);

/* --- posting --- */

static void separate(struct buffer *body, enum demo_source source)
{
    if (source == DEMO_STORAGE)
        return;
    if (buffer_len(body) == 0)
        buffer_append_char(body, '[');
    else
        buffer_append_char(body, ',');
}

/* Storage speaks NDJSON, the others JSON arrays. */
static err_t add_report(void *context, const struct demo_report *report)
{
    struct demo_producers *producers = context;
    struct post *post = &producers->posts[report->source];
    struct buffer *body = &post->bodies[report->kind == DEMO_REGULAR ? MOMENT_REGULAR : MOMENT_EXTRA];
    separate(body, report->source);
    buffer_append_text(body, report->record);
    if (report->source == DEMO_STORAGE)
        buffer_append_char(body, '\n');
    return body->failed ? ERROR_NO_MEMORY : ERROR_OK;
}

static err_t prepare_hour(struct demo_producers *producers)
{
    if (producers->prepared_hour == producers->position.posting_hour)
        return ERROR_OK;
    for (size_t i = 0; i < POST_COUNT; i++)
        for (size_t m = 0; m < MOMENT_COUNT; m++)
            buffer_clear(&producers->posts[i].bodies[m]);
    err_t error =
        demo_stamp_report(producers->options.stamp, producers->position.posting_hour, false, add_report, producers);
    for (size_t i = 0; i < DEMO_SOURCE_COUNT; i++)
        for (size_t m = 0; m < MOMENT_COUNT; m++)
            if (i != DEMO_STORAGE && buffer_len(&producers->posts[i].bodies[m]) > 0)
                buffer_append_char(&producers->posts[i].bodies[m], ']');
    if (error == ERROR_OK)
        error = demo_corrections_of(producers->options.stamp, producers->position.posting_hour,
                                    &producers->posts[CORRECTIONS].bodies[MOMENT_REGULAR]);
    producers->prepared_hour = error == ERROR_OK ? producers->position.posting_hour : -1;
    return error;
}

static enum moment current_moment(const struct demo_producers *producers)
{
    return producers->position.regular_done ? MOMENT_EXTRA : MOMENT_REGULAR;
}

static int64_t next_due_ns(const struct demo_producers *producers)
{
    int64_t delay_ns = current_moment(producers) == MOMENT_REGULAR ? DEMO_POST_DELAY_NS : DEMO_EXTRA_DELAY_NS;
    return hour_start_ns(producers->position.posting_hour) + delay_ns;
}

static void moment_over(struct demo_producers *producers)
{
    if (current_moment(producers) == MOMENT_EXTRA) {
        producers->position.posting_hour++;
        producers->unsaved_hours++;
    }
    producers->position.regular_done = !producers->position.regular_done;
    producers->saved = false;
    if (producers->state != STOPPED)
        producers->state = WAITING;
    step(producers);
}

static void retry_later(struct demo_producers *producers, const struct client_response *response)
{
    uint32_t delay_ms = RETRY_MS;
    for (size_t i = 0; i < response->header_count; i++) {
        unsigned long long seconds;
        if (text_equal_nocase(response->headers[i].name, TEXT("retry-after")) &&
            text_to_u64(response->headers[i].value, &seconds) && seconds > 0)
            delay_ms = seconds < RETRY_MS_MAX / 1000 ? (uint32_t)(seconds * 1000) : RETRY_MS_MAX;
    }
    if (delay_ms > producers->retry_ms)
        producers->retry_ms = delay_ms;
}

static bool may_pass(const struct client_response *response)
{
    return response->error != ERROR_OK || response->status == 429 || response->status >= 500;
}

static void log_answer(const struct post *post, const struct client_response *response)
{
    struct text source = text_of(demo_source_name(post->source));
    if (response->error != ERROR_OK)
        log_warning("demo", "post failed, will try again", LOG_TEXT("source", source),
                    LOG_CSTR("cause", response->info.message));
    else if (response->status != 200)
        log_warning("demo", "post refused", LOG_TEXT("source", source), LOG_INT("status", response->status));
    else
        log_debug("demo", "posted", LOG_TEXT("source", source));
}

static void post_done(void *context, const struct client_response *response)
{
    struct post *post = context;
    struct demo_producers *producers = post->producers;
    REQUIRE(producers->open_count > 0);
    producers->open_count--;
    if (response->error != ERROR_CANCELLED)
        log_answer(post, response);
    if (may_pass(response))
        retry_later(producers, response);
    else
        post->open = false;
    if (producers->open_count > 0 || producers->state == STOPPED)
        return;
    if (producers->retry_ms > 0)
        loop_timer_start(producers->timer, producers->retry_ms);
    else
        moment_over(producers);
}

static err_t send_post(struct demo_producers *producers, struct post *post)
{
    char authorization[128];
    int length = snprintf(authorization, sizeof authorization, "Bearer %.*s",
                          TEXT_ARGS(producers->options.accounts->producer_tokens[post->source]));
    REQUIRE(length > 0 && length < (int)sizeof authorization);
    const struct http_field headers[] = {
        { TEXT("Authorization"), { authorization, (size_t)length } },
        { TEXT("Content-Type"),
          post->source == DEMO_STORAGE ? TEXT("application/x-ndjson") : TEXT("application/json") },
    };
    return client_send(producers->client, HTTP_POST, text_of(post->target), headers, COUNT_OF(headers),
                       buffer_text(&post->bodies[current_moment(producers)]), post_done, post);
}

static void send_open_posts(struct demo_producers *producers)
{
    producers->retry_ms = 0;
    for (size_t i = 0; i < POST_COUNT; i++) {
        struct post *post = &producers->posts[i];
        if (!post->open)
            continue;
        if (send_post(producers, post) == ERROR_OK)
            producers->open_count++;
        else
            producers->retry_ms = RETRY_MS;
    }
    /* Otherwise the answers start it. */
    if (producers->retry_ms > 0 && producers->open_count == 0)
        loop_timer_start(producers->timer, producers->retry_ms);
}

static void post_moment(struct demo_producers *producers)
{
    producers->state = POSTING;
    loop_timer_stop(producers->timer);
    if (prepare_hour(producers) != ERROR_OK) {
        /* Memory is short: the same again in a second. */
        log_error("demo", "no memory to simulate an hour");
        loop_timer_start(producers->timer, RETRY_MS);
        return;
    }
    bool any = false;
    for (size_t i = 0; i < POST_COUNT; i++) {
        producers->posts[i].open = buffer_len(&producers->posts[i].bodies[current_moment(producers)]) > 0;
        any = any || producers->posts[i].open;
    }
    if (any)
        send_open_posts(producers);
    else
        loop_timer_start(producers->timer, 0); /* nobody has anything to say: go on in the next turn */
}

/* --- remembering --- */

struct demo_position demo_producers_position(const struct demo_producers *producers)
{
    struct demo_position position = producers->position;
    position.now_ns = demo_clock_now(producers->options.clock);
    return position;
}

static void on_saved(struct loop_task *task)
{
    struct demo_producers *producers = CONTAINER_OF(task, struct demo_producers, put_done);
    if (producers->put.job.error != ERROR_OK)
        log_error("demo", "the simulated time could not be saved",
                  LOG_CSTR("cause", error_text(producers->put.job.error)));
    producers->saved = true;
    producers->unsaved_hours = 0;
    if (producers->state == STOPPED)
        return;
    producers->state = WAITING;
    step(producers);
}

static void on_put(struct store_job *job)
{
    struct demo_producers *producers = CONTAINER_OF(job, struct demo_producers, put.job);
    loop_post(producers->options.loop, &producers->put_done);
}

static void save(struct demo_producers *producers)
{
    struct demo_position position = demo_producers_position(producers);
    demo_position_put_init(&producers->put, &position);
    producers->put.job.done = on_put;
    producers->put_done.function = on_saved;
    producers->state = SAVING;
    err_t error = store_submit(producers->options.store, &producers->put.job);
    if (error == ERROR_OK)
        return;
    producers->put.job.error = error;
    loop_post(producers->options.loop, &producers->put_done);
}

/* --- time --- */

static bool advancing(const struct demo_producers *producers)
{
    return producers->target_ns != INT64_MIN;
}

static void begin_advance(struct demo_producers *producers)
{
    if (advancing(producers) || producers->advance_count == 0)
        return;
    producers->target_ns =
        demo_clock_now(producers->options.clock) + producers->advances[producers->advance_first].delta_ns;
    producers->saved = false;
}

static void end_advance(struct demo_producers *producers)
{
    struct advance advance = producers->advances[producers->advance_first];
    producers->advance_first = (producers->advance_first + 1) % ADVANCES_MAX;
    producers->advance_count--;
    producers->target_ns = INT64_MIN;
    advance.done(advance.done_context, demo_clock_now(producers->options.clock));
}

/* Real time until the clock comes to the next moment by itself. */
static void wait_for_next(struct demo_producers *producers)
{
    int64_t speed = producers->options.clock->speed;
    if (speed == 0 || producers->options.silent)
        return;
    int64_t wait_ms = (next_due_ns(producers) - demo_clock_now(producers->options.clock)) / speed / NS_PER_MS + 1;
    loop_timer_start(producers->timer, (uint64_t)(wait_ms < 1 ? 1 : wait_ms > DELAY_MS_MAX ? DELAY_MS_MAX : wait_ms));
}

static void first_time(struct demo_producers *producers)
{
    if (producers->caught_up)
        return;
    producers->caught_up = true;
    demo_clock_go(producers->options.clock);
    producers->options.caught_up(producers->options.context);
}

static void step(struct demo_producers *producers)
{
    if (producers->state != WAITING)
        return;
    begin_advance(producers);
    struct demo_clock *clock = producers->options.clock;
    int64_t limit_ns = advancing(producers) ? producers->target_ns : demo_clock_now(clock);
    int64_t due_ns = next_due_ns(producers);
    if (!producers->options.silent && due_ns <= limit_ns && producers->unsaved_hours < SAVE_HOURS) {
        demo_clock_reach(clock, due_ns);
        post_moment(producers);
        return;
    }
    if (advancing(producers) && (producers->options.silent || due_ns > limit_ns))
        demo_clock_reach(clock, limit_ns);
    if (!producers->saved) {
        save(producers);
        return;
    }
    if (advancing(producers)) {
        end_advance(producers);
        step(producers);
        return;
    }
    first_time(producers);
    wait_for_next(producers);
}

/* The one timer serves two ends: repeating requests, and waiting for the clock. */
static void on_timer(void *context)
{
    struct demo_producers *producers = context;
    if (producers->state == WAITING) {
        step(producers);
        return;
    }
    if (producers->state != POSTING)
        return;
    bool any = false;
    for (size_t i = 0; i < POST_COUNT; i++)
        any = any || producers->posts[i].open;
    if (producers->prepared_hour != producers->position.posting_hour)
        post_moment(producers);
    else if (any)
        send_open_posts(producers);
    else
        moment_over(producers);
}

void demo_producers_advance(void *context, int64_t delta_ns, void (*done)(void *done_context, int64_t now_ns),
                            void *done_context)
{
    struct demo_producers *producers = context;
    if (producers->state == STOPPED || producers->advance_count == ADVANCES_MAX) {
        done(done_context, demo_clock_now(producers->options.clock));
        return;
    }
    size_t index = (producers->advance_first + producers->advance_count++) % ADVANCES_MAX;
    producers->advances[index] = (struct advance){ delta_ns, done, done_context };
    if (producers->state == WAITING) {
        /* In a turn of its own, so that done is never called from inside this call. */
        loop_timer_start(producers->timer, 0);
    }
}

/* --- life --- */

static err_t make_parts(struct demo_producers *producers, struct error_info *info)
{
    err_t error = tls_client_new(producers->options.ca_pem, &producers->tls, info);
    if (error != ERROR_OK)
        return error;
    const struct client_options client = {
        .url = producers->options.url,
        .tls = producers->tls,
        .connections_max = CONNECTIONS_MAX,
        .queue_max = QUEUE_MAX,
        .connect_timeout_ms = TIMEOUT_MS,
        .response_timeout_ms = TIMEOUT_MS,
        .response_bytes_max = RESPONSE_BYTES_MAX,
    };
    error = client_new(producers->options.loop, &client, &producers->client, info);
    if (error != ERROR_OK)
        return error;
    producers->timer = loop_timer_new(producers->options.loop, on_timer, producers);
    return producers->timer != NULL ? ERROR_OK : error_set(info, ERROR_NO_MEMORY, NULL, NULL);
}

err_t demo_producers_new(const struct demo_producers_options *options, struct demo_producers **out,
                         struct error_info *info)
{
    struct demo_producers *producers = memory_zalloc(1, sizeof *producers);
    if (producers == NULL)
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    producers->options = *options;
    producers->position = options->position;
    producers->prepared_hour = -1;
    producers->target_ns = INT64_MIN;
    producers->saved = true;
    for (size_t i = 0; i < POST_COUNT; i++) {
        producers->posts[i].producers = producers;
        producers->posts[i].source = i == CORRECTIONS ? DEMO_COMPUTE : (enum demo_source)i;
        producers->posts[i].target = i == CORRECTIONS ? "/v1/corrections" : "/v1/usage?results=none";
    }
    err_t error = make_parts(producers, info);
    if (error != ERROR_OK) {
        demo_producers_free(producers);
        return error;
    }
    loop_timer_start(producers->timer, 0);
    *out = producers;
    return ERROR_OK;
}

void demo_producers_stop(struct demo_producers *producers)
{
    producers->state = STOPPED;
    loop_timer_stop(producers->timer);
    while (producers->advance_count > 0)
        end_advance(producers);
}

void demo_producers_close(struct demo_producers *producers)
{
    producers->state = STOPPED;
    if (producers->timer != NULL)
        loop_timer_free(producers->timer);
    producers->timer = NULL;
    if (producers->client != NULL)
        client_free(producers->client);
    producers->client = NULL;
}

void demo_producers_free(struct demo_producers *producers)
{
    if (producers == NULL)
        return;
    demo_producers_close(producers);
    if (producers->tls != NULL)
        tls_client_unref(producers->tls);
    for (size_t i = 0; i < POST_COUNT; i++)
        for (size_t m = 0; m < MOMENT_COUNT; m++)
            buffer_free(&producers->posts[i].bodies[m]);
    memory_free(producers);
}
