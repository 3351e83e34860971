/* Import into a running server: batch after batch over one connection, each until it has been answered. A batch may
 * be sent again without harm, so whatever may pass is waited out, and said on stderr; after RETRY_NS_MAX without an
 * answer the import ends and says how far it came. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/instant.h"
#include "base/json.h"
#include "cli/import_connection.h"
#include "cli/import_internal.h"

#define BATCH_RECORDS 1000
#define RETRY_NS_MAX (10 * NS_PER_MINUTE)
#define FIRST_CONTACT_NS_MAX (10 * NS_PER_SECOND) /* a wrong address should be told soon */
#define BACKOFF_MS_MIN 500
#define BACKOFF_MS_MAX 30000

struct import_https {
    const struct import_target *target;
    struct import_connection connection;
    struct import_batch batch;
    err_t read_error; /* of what comes behind the batch */
    struct error_info read_info;
    struct buffer body;
    struct arena *arena; /* one answer */
    struct loop_timer *timer;
    uint32_t backoff_ms;
    int64_t trouble_since_ns; /* monotonic; 0: none */
    bool begun, answered;     /* answered: the server has spoken before */
    err_t error;
    struct error_info *info;
};

static void next_batch(struct import_https *import);

static void end(struct import_https *import, err_t error)
{
    import->error = error;
    loop_timer_stop(import->timer);
    import_connection_finish(&import->connection);
}

/* --- the answer --- */

static uint64_t number(const struct json *object, const char *name)
{
    unsigned long long value = 0;
    const struct json *member = json_member(object, text_of(name));
    if (member == NULL || json_type(member) != JSON_NUMBER || !text_to_u64(json_number(member), &value))
        return 0;
    return value;
}

static struct text string(const struct json *object, const char *name)
{
    struct text value;
    return json_member_string(object, text_of(name), &value) ? value : TEXT("");
}

/* The server's index counts the records that were sent. */
static uint64_t position_of(const struct import_https *import, uint64_t index)
{
    for (size_t i = 0; i < import->batch.count; i++)
        if (import->batch.items[i].record.ptr != NULL && index-- == 0)
            return import->batch.items[i].position;
    return 0;
}

static void count_problems(struct import_https *import, const struct json *results)
{
    if (results == NULL || json_type(results) != JSON_ARRAY)
        return;
    for (struct json_iterator i = json_iterate(results); json_next(&i);) {
        struct import_problem problem = {
            .position = position_of(import, number(i.value, "index")),
            .id = string(i.value, "id"),
            .verdict = string(i.value, "verdict"),
            .code = string(i.value, "code"),
            .target = string(i.value, "target"),
            .message = string(i.value, "message"),
        };
        if (!text_equal(problem.verdict, TEXT("duplicate")))
            import_add_problem(import->target->totals, &problem);
    }
}

static err_t count_answer(struct import_https *import, struct text body)
{
    struct import_totals *totals = import->target->totals;
    const struct json *root;
    arena_reset(import->arena);
    err_t error = json_parse(import->arena, body, &root, NULL);
    if (error != ERROR_OK || json_member(root, TEXT("accepted")) == NULL)
        return error_set(import->info, ERROR_INTERNAL, NULL,
                         "the server's answer is not that of POST /v1/usage; check --url");
    totals->received += number(root, "received");
    totals->accepted += number(root, "accepted");
    totals->duplicate += number(root, "duplicate");
    totals->conflict += number(root, "conflict");
    totals->rejected += number(root, "rejected");
    count_problems(import, json_member(root, TEXT("results")));
    for (size_t i = 0; i < import->batch.count; i++)
        if (import->batch.items[i].record.ptr == NULL)
            import_add_unreadable(totals, &import->batch.items[i]);
    import_tell_progress(totals);
    return ERROR_OK;
}

/* --- trouble --- */

/* Waits, or gives up with what *info says. */
static void try_again(struct import_https *import, err_t error, uint32_t delay_ms)
{
    int64_t now_ns = clock_monotonic_ns(clock_system());
    if (import->trouble_since_ns == 0) {
        import->trouble_since_ns = now_ns;
        import->backoff_ms = BACKOFF_MS_MIN;
        fprintf(stderr, "stampmeter: %s; will try again\n", import->info->message);
    }
    if (delay_ms == 0)
        delay_ms = import->backoff_ms;
    int64_t patience_ns = import->answered ? RETRY_NS_MAX : FIRST_CONTACT_NS_MAX;
    if (now_ns + delay_ms * NS_PER_MS - import->trouble_since_ns > patience_ns) {
        end(import, error);
        return;
    }
    loop_timer_start(import->timer, delay_ms);
    if (import->backoff_ms < BACKOFF_MS_MAX)
        import->backoff_ms *= 2;
}

static void on_answer(void *context, const struct client_response *response)
{
    struct import_https *import = context;
    if (response->error != ERROR_OK) {
        error_set(import->info, response->error, NULL, "%.80s: %.160s; check --url and --ca, and that the server runs",
                  import->target->url,
                  response->info.message[0] != '\0' ? response->info.message : error_text(response->error));
        if (response->error == ERROR_TLS)
            end(import, response->error); /* a certificate does not get better */
        else
            try_again(import, response->error, 0);
        return;
    }
    if (response->status != 200) {
        err_t error = import_connection_refusal(response, import->info);
        if (response->status == 408 || response->status == 429 || response->status >= 500) {
            import->answered = true;
            try_again(import, error, import_connection_retry_ms(response, 0));
        } else {
            end(import, error);
        }
        return;
    }
    import->answered = true;
    import->trouble_since_ns = 0;
    err_t error = count_answer(import, response->body);
    if (error != ERROR_OK)
        end(import, error);
    else
        next_batch(import);
}

/* --- sending --- */

/* A record per line: one that spans lines is put on one. What is not JSON is rejected here then. */
static err_t add_line(struct import_https *import, struct import_item *item)
{
    struct text record = item->record;
    if (memchr(record.ptr, '\n', record.len) != NULL || memchr(record.ptr, '\r', record.len) != NULL) {
        const struct json *value;
        err_t error = json_parse(import->batch.arena, record, &value, &item->info);
        if (error == ERROR_NO_MEMORY)
            return error;
        if (error != ERROR_OK) {
            item->info.code = ERROR_INVALID_PROPERTY;
            item->record = TEXT_NONE;
            return ERROR_OK;
        }
        record = json_minify(import->batch.arena, value);
        if (record.ptr == NULL)
            return ERROR_NO_MEMORY;
    }
    buffer_append_text(&import->body, record);
    buffer_append_char(&import->body, '\n');
    return import->body.failed ? ERROR_NO_MEMORY : ERROR_OK;
}

static err_t write_body(struct import_https *import)
{
    buffer_clear(&import->body);
    for (size_t i = 0; i < import->batch.count; i++) {
        if (import->batch.items[i].record.ptr == NULL)
            continue;
        err_t error = add_line(import, &import->batch.items[i]);
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

static void send_body(struct import_https *import)
{
    const struct http_field headers[] = {
        { TEXT("Authorization"), buffer_text(&import->connection.authorization) },
        { TEXT("Content-Type"), TEXT("application/x-ndjson") },
    };
    struct text target = import->target->history ? TEXT("/v1/usage?history=true") : TEXT("/v1/usage");
    err_t error = client_send(import->connection.client, HTTP_POST, target, headers, COUNT_OF(headers),
                              buffer_text(&import->body), on_answer, import);
    if (error != ERROR_OK)
        end(import, error_set(import->info, error, NULL, NULL));
}

static void next_batch(struct import_https *import)
{
    if (import->read_error != ERROR_OK) {
        if (import->read_error != ERROR_NOT_FOUND)
            *import->info = import->read_info;
        end(import, import->read_error == ERROR_NOT_FOUND ? ERROR_OK : import->read_error);
        return;
    }
    import->read_error = import_batch_fill(&import->batch, import->target->reader, &import->read_info);
    if (import->batch.count == 0) {
        next_batch(import);
        return;
    }
    err_t error = write_body(import);
    if (error != ERROR_OK)
        end(import, error_set(import->info, error, NULL, NULL));
    else
        send_body(import);
}

/* One timer: it begins the import, then repeats what failed. */
static void on_timer(void *context)
{
    struct import_https *import = context;
    bool first = !import->begun;
    import->begun = true;
    if (first)
        next_batch(import);
    else
        send_body(import);
}

err_t import_over_https(const struct import_target *target, struct error_info *info)
{
    struct import_https import = { .target = target, .info = info, .arena = arena_new(65536, 0) };
    const struct import_connection_options options = {
        .url = target->url, .ca_file = target->ca_file, .token_file = target->token_file, .connections = 1
    };
    err_t error = import_batch_init(&import.batch, BATCH_RECORDS) && import.arena != NULL
                      ? import_connection_open(&import.connection, &options, info)
                      : error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    if (error == ERROR_OK) {
        import.timer = loop_timer_new(import.connection.loop, on_timer, &import);
        if (import.timer == NULL) {
            error = error_set(info, ERROR_NO_MEMORY, NULL, NULL);
        } else {
            loop_timer_start(import.timer, 0);
            loop_run(import.connection.loop);
            error = import.error;
        }
        import_connection_close(&import.connection);
    }
    buffer_free(&import.body);
    arena_free(import.arena);
    import_batch_free(&import.batch);
    return error;
}
