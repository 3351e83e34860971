/* See subscription_resolver.h. A run is one lookup under way: it lives in the exchange's arena, which nobody else uses
 * until done is called, and that is not before its last request has come back. An ask is one of its requests: sent, or
 * pausing before the next attempt. Pauses are looked after by one timer. */
#include "api/subscription_resolver.h"

#include <stdio.h>
#include <string.h>

#include "api/subscription_cache.h"
#include "base/buffer.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/instant.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/url.h"
#include "commerce/catalogue.h"
#include "net/client.h"

#define TICK_MS 50

enum ask_state { ASK_FREE, ASK_SENT, ASK_PAUSING };
struct ask {
    struct run *run;
    enum ask_state state;
    size_t index;            /* of the id */
    unsigned attempt, waits; /* sent so often; and found no place in the queue so often */
    int64_t due_ns;          /* PAUSING */
};

struct run {
    struct run *next, *previous;
    struct subscription_resolver *resolver;
    struct subscription_lookup *lookup;
    size_t next_index, busy;
    bool failed;
    struct ask asks[RESOLVER_PARALLEL_MAX];
};

struct subscription_resolver {
    struct subscription_resolver_options options; /* its texts are not kept */
    struct client *client;                        /* NULL once stopped */
    struct subscription_cache *cache;
    struct loop_timer *timer;
    bool ticking;
    struct run *runs;
    struct buffer path, authorization;
};

static void advance(struct run *run);

/* --- the end of a run --- */

static void finish(struct run *run)
{
    struct subscription_lookup *lookup = run->lookup;
    if (run->previous != NULL)
        run->previous->next = run->next;
    else
        run->resolver->runs = run->next;
    if (run->next != NULL)
        run->next->previous = run->previous;
    lookup->done(lookup);
}

/* The first failure is what the lookup tells; asks that pause end here, those that are sent when they come back. */
static void fail(struct run *run, err_t error, const char *message)
{
    if (!run->failed) {
        run->failed = true;
        run->lookup->error = error_set(&run->lookup->info, error, NULL, message != NULL ? "%s" : NULL, message);
        log_warning("resolver", "a lookup of subscriptions failed", LOG_CSTR("reason", run->lookup->info.message));
    }
    for (size_t i = 0; i < RESOLVER_PARALLEL_MAX; i++) {
        if (run->asks[i].state == ASK_PAUSING) {
            run->asks[i].state = ASK_FREE;
            run->busy--;
        }
    }
}

/* --- one ask --- */

static void release(struct ask *ask)
{
    ask->state = ASK_FREE;
    ask->run->busy--;
}

static int64_t now_ns(const struct subscription_resolver *resolver)
{
    return clock_monotonic_ns(loop_clock(resolver->options.loop));
}

static void pause_ask(struct ask *ask, int64_t pause_ms)
{
    struct subscription_resolver *resolver = ask->run->resolver;
    ask->state = ASK_PAUSING;
    ask->due_ns = now_ns(resolver) + pause_ms * NS_PER_MS;
    if (!resolver->ticking)
        loop_timer_start(resolver->timer, TICK_MS);
    resolver->ticking = true;
}

/* There are more questions than the queue holds. That is no failure of the resolver, which has not been asked. */
static void wait_or_fail(struct ask *ask)
{
    if (ask->waits < RESOLVER_WAITS_MAX && !ask->run->failed && ask->run->resolver->client != NULL) {
        ask->waits++;
        pause_ask(ask, RESOLVER_PAUSE_MS);
        return;
    }
    release(ask);
    fail(ask->run, ERROR_TOO_MANY_REQUESTS, "too many look-ups of subscriptions are under way; send it again later");
}

static void pause_or_fail(struct ask *ask, const char *what)
{
    struct run *run = ask->run;
    struct subscription_resolver *resolver = run->resolver;
    char id[GUID_TEXT_SIZE], message[ERROR_MESSAGE_SIZE];
    if (ask->attempt < resolver->options.attempts && !run->failed && resolver->client != NULL) {
        int64_t pause_ms = (int64_t)RESOLVER_PAUSE_MS << (ask->attempt - 1);
        pause_ms = pause_ms < RESOLVER_PAUSE_MS_MAX ? pause_ms : RESOLVER_PAUSE_MS_MAX;
        pause_ask(ask, pause_ms);
        return;
    }
    release(ask);
    guid_print(&run->lookup->ids[ask->index], id);
    (void)snprintf(message, sizeof message,
                   "the resolver of subscriptions failed on '%s' (attempt %u of %u): %.150s; try again later", id,
                   ask->attempt, resolver->options.attempts, what);
    fail(run, ERROR_METADATA_RESOLVER_BAD_GATEWAY, message);
}

/* ERROR_INVALID_PROPERTY and the like: the body makes no sense. Ids are checked as those of the catalogue are. */
static err_t read_answer(struct ask *ask, struct text body, struct commercial_subscription *out,
                         struct error_info *info)
{
    const struct json *json;
    const struct guid *id = &ask->run->lookup->ids[ask->index];
    struct arena *arena = http_arena(ask->run->lookup->exchange);
    struct text named;
    struct guid named_id;
    err_t error = json_parse(arena, body, &json, info);
    if (error != ERROR_OK)
        return error;
    if (json_has_duplicate_member(arena, json, &named))
        return error_set(info, ERROR_INVALID_PROPERTY, NULL,
                         "it names a member twice, and nobody can tell which counts");
    const struct json *member = json_member(json, TEXT("subscriptionId"));
    if (member != NULL &&
        (json_type(member) != JSON_STRING || !guid_parse(json_string(member), &named_id) || !guid_equal(&named_id, id)))
        return error_set(info, ERROR_INVALID_PROPERTY, NULL, "it tells of another subscription");
    return catalogue_from_json(json, id, out, info);
}

static void keep(struct ask *ask, const struct commercial_subscription *subscription)
{
    struct subscription_resolver *resolver = ask->run->resolver;
    int64_t keep_ns = resolver->options.cache_ns, now = now_ns(resolver);
    if (subscription == NULL && keep_ns > RESOLVER_UNKNOWN_NS_MAX)
        keep_ns = RESOLVER_UNKNOWN_NS_MAX;
    if (keep_ns > 0)
        subscription_cache_put(resolver->cache, &ask->run->lookup->ids[ask->index], subscription, now, now + keep_ns);
}

/* The parser's memory is given back: an answer may be long, and what is kept of it is short. */
static void take_answer(struct ask *ask, struct text body)
{
    struct subscription_lookup *lookup = ask->run->lookup;
    struct arena *arena = http_arena(lookup->exchange);
    struct arena_mark mark = arena_mark(arena);
    struct commercial_subscription found;
    struct error_info info = { 0 };
    char partner[PARTNER_ID_SIZE_MAX], reseller[PARTNER_ID_SIZE_MAX], what[ERROR_MESSAGE_SIZE];
    err_t error = read_answer(ask, body, &found, &info);
    if (error != ERROR_OK) {
        arena_rewind(arena, mark);
        (void)snprintf(what, sizeof what, "it answered 200 with a body that makes no sense: %.90s",
                       info.message[0] != '\0' ? info.message : error_text(error));
        pause_or_fail(ask, what);
        return;
    }
    if (found.partner_id.len > 0)
        memcpy(partner, found.partner_id.ptr, found.partner_id.len);
    if (found.reseller_id.len > 0)
        memcpy(reseller, found.reseller_id.ptr, found.reseller_id.len);
    arena_rewind(arena, mark);
    found.partner_id = arena_text(arena, (struct text){ partner, found.partner_id.len });
    found.reseller_id = arena_text(arena, (struct text){ reseller, found.reseller_id.len });
    release(ask);
    if (found.partner_id.ptr == NULL || found.reseller_id.ptr == NULL) {
        fail(ask->run, ERROR_NO_MEMORY, NULL);
        return;
    }
    keep(ask, &found);
    lookup->found[ask->index] = found;
    lookup->known[ask->index] = true;
}

static void on_answer(void *context, const struct client_response *response)
{
    struct ask *ask = context;
    char what[64];
    if (response->error != ERROR_OK) {
        pause_or_fail(ask, response->info.message);
    } else if (response->status == 200) {
        take_answer(ask, response->body);
    } else if (response->status == 404) {
        release(ask);
        keep(ask, NULL);
    } else {
        (void)snprintf(what, sizeof what, "it answered %d", response->status);
        pause_or_fail(ask, what);
    }
    advance(ask->run);
}

static void send_ask(struct ask *ask)
{
    struct subscription_resolver *resolver = ask->run->resolver;
    char id[GUID_TEXT_SIZE];
    guid_print(&ask->run->lookup->ids[ask->index], id);
    struct text target = arena_format(http_arena(ask->run->lookup->exchange), "%.*s/subscriptions/%s",
                                      TEXT_ARGS(buffer_text(&resolver->path)), id);
    const struct http_field headers[] = {
        { TEXT("Accept"), TEXT("application/json") },
        { TEXT("Authorization"), buffer_text(&resolver->authorization) }, /* last: only with a token */
    };
    size_t header_count = COUNT_OF(headers) - (buffer_len(&resolver->authorization) == 0);
    ask->state = ASK_SENT;
    err_t error = target.ptr == NULL ? ERROR_NO_MEMORY
                                     : client_send(resolver->client, HTTP_GET, target, headers, header_count, TEXT_NONE,
                                                   on_answer, ask);
    if (error == ERROR_TOO_MANY_REQUESTS) {
        wait_or_fail(ask);
        return;
    }
    ask->attempt++;
    if (error != ERROR_OK)
        pause_or_fail(ask, error_text(error));
}

/* --- a run --- */

static struct ask *free_ask(struct run *run)
{
    for (size_t i = 0; i < RESOLVER_PARALLEL_MAX; i++)
        if (run->asks[i].state == ASK_FREE)
            return &run->asks[i];
    return NULL;
}

/* True when the next id needs nobody to be asked. */
static bool answered_already(struct run *run)
{
    struct subscription_resolver *resolver = run->resolver;
    struct subscription_lookup *lookup = run->lookup;
    const struct guid *id = &lookup->ids[run->next_index];
    bool *known = &lookup->known[run->next_index];
    if (guid_is_zero(id))
        return true;
    err_t error = subscription_cache_get(resolver->cache, id, now_ns(resolver), http_arena(lookup->exchange), known,
                                         &lookup->found[run->next_index]);
    if (error == ERROR_NO_MEMORY)
        fail(run, error, NULL);
    return error != ERROR_NOT_FOUND;
}

/* Goes on as far as it can; the run may be gone afterwards. */
static void advance(struct run *run)
{
    if (run->resolver->client == NULL)
        fail(run, ERROR_METADATA_RESOLVER_BAD_GATEWAY, "the server is shutting down; try again later");
    while (!run->failed && run->next_index < run->lookup->count) {
        struct ask *ask = free_ask(run);
        if (answered_already(run)) {
            run->next_index++;
            continue;
        }
        if (ask == NULL)
            return;
        *ask = (struct ask){ .run = run, .index = run->next_index++ };
        run->busy++;
        send_ask(ask);
    }
    if (run->busy == 0)
        finish(run);
}

static void end_pauses(struct run *run, int64_t now)
{
    for (size_t i = 0; i < RESOLVER_PARALLEL_MAX; i++)
        if (run->asks[i].state == ASK_PAUSING && run->asks[i].due_ns <= now)
            send_ask(&run->asks[i]);
}

static void on_tick(void *context)
{
    struct subscription_resolver *resolver = context;
    int64_t now = now_ns(resolver);
    resolver->ticking = false;
    for (struct run *run = resolver->runs, *next; run != NULL; run = next) {
        next = run->next;
        end_pauses(run, now);
        bool pausing = false;
        for (size_t i = 0; i < RESOLVER_PARALLEL_MAX; i++)
            pausing = pausing || run->asks[i].state == ASK_PAUSING;
        resolver->ticking = resolver->ticking || pausing;
        if (run->busy == 0)
            advance(run);
    }
    if (resolver->ticking)
        loop_timer_start(resolver->timer, TICK_MS);
}

static void begin(struct loop_task *task)
{
    struct subscription_lookup *lookup =
        CONTAINER_OF(CONTAINER_OF(task, struct read_job, task), struct subscription_lookup, job);
    struct subscription_resolver *resolver = api_of(lookup->exchange)->options.resolver;
    struct arena *arena = http_arena(lookup->exchange);
    struct run *run = arena_zalloc(arena, sizeof *run);
    lookup->found = arena_array(arena, lookup->count + 1, sizeof *lookup->found);
    lookup->known = arena_array(arena, lookup->count + 1, sizeof *lookup->known);
    if (run == NULL || lookup->found == NULL || lookup->known == NULL) {
        lookup->error = error_set(&lookup->info, ERROR_NO_MEMORY, NULL, NULL);
        lookup->done(lookup);
        return;
    }
    run->resolver = resolver;
    run->lookup = lookup;
    run->next = resolver->runs;
    if (run->next != NULL)
        run->next->previous = run;
    resolver->runs = run;
    advance(run);
}

void subscription_resolver_start(struct subscription_resolver *resolver, struct subscription_lookup *lookup)
{
    lookup->job.task.function = begin;
    loop_post(resolver->options.loop, &lookup->job.task);
}

/* --- life --- */

/* What stands between the authority and "/subscriptions/...". */
static struct text path_of(struct text url)
{
    struct text scheme = TEXT("https://");
    struct text rest = { url.ptr + scheme.len, url.len - scheme.len };
    const char *slash = memchr(rest.ptr, '/', rest.len);
    struct text path = slash == NULL ? TEXT("") : (struct text){ slash, (size_t)(rest.ptr + rest.len - slash) };
    while (path.len > 0 && path.ptr[path.len - 1] == '/')
        path.len--;
    return path;
}

static err_t make_client(struct subscription_resolver *resolver, struct error_info *info)
{
    const struct client_options client = {
        .url = resolver->options.url,
        .tls = resolver->options.tls,
        .connections_max = RESOLVER_CONNECTIONS_MAX,
        .queue_max = RESOLVER_QUEUE_MAX,
        .connect_timeout_ms = resolver->options.timeout_ms,
        .response_timeout_ms = resolver->options.timeout_ms,
        .response_bytes_max = RESOLVER_ANSWER_BYTES_MAX,
    };
    return client_new(resolver->options.loop, &client, &resolver->client, info);
}

err_t subscription_resolver_new(const struct subscription_resolver_options *options, struct subscription_resolver **out,
                                struct error_info *info)
{
    REQUIRE(options->attempts >= 1 && options->attempts <= RESOLVER_ATTEMPTS_MAX);
    if (!https_url_is_valid(options->url))
        return error_set(info, ERROR_INVALID_CONFIG, NULL, "'%.*s' is not a URL like https://host:8443/path",
                         TEXT_ARGS(options->url));
    struct subscription_resolver *resolver = memory_zalloc(1, sizeof *resolver);
    if (resolver == NULL)
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    resolver->options = *options;
    buffer_append_text(&resolver->path, path_of(options->url));
    if (options->token.len > 0) {
        buffer_append_literal(&resolver->authorization, "Bearer ");
        buffer_append_text(&resolver->authorization, options->token);
    }
    err_t error = subscription_cache_new(&resolver->cache);
    if (error != ERROR_OK || resolver->path.failed || resolver->authorization.failed)
        error = error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    if (error == ERROR_OK)
        error = make_client(resolver, info);
    if (error != ERROR_OK) {
        subscription_resolver_free(resolver);
        return error;
    }
    resolver->options.url = resolver->options.token = TEXT_NONE;
    resolver->timer = loop_timer_new(options->loop, on_tick, resolver);
    *out = resolver;
    return ERROR_OK;
}

void subscription_resolver_stop(struct subscription_resolver *resolver)
{
    if (resolver == NULL || resolver->client == NULL)
        return;
    struct client *client = resolver->client;
    resolver->client = NULL;
    client_free(client); /* what was sent comes back as cancelled, and ends its run */
    while (resolver->runs != NULL)
        advance(resolver->runs);
}

void subscription_resolver_free(struct subscription_resolver *resolver)
{
    if (resolver == NULL)
        return;
    REQUIRE(resolver->runs == NULL);
    client_free(resolver->client);
    loop_timer_free(resolver->timer);
    subscription_cache_free(resolver->cache);
    if (resolver->authorization.data != NULL)
        secret_wipe(resolver->authorization.data, resolver->authorization.capacity);
    buffer_free(&resolver->authorization);
    buffer_free(&resolver->path);
    memory_free(resolver);
}
