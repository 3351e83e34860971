/* The client of `bench query`: one request after the other, timed from sending to the last byte decrypted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/bench_query.h"

#define LINK_MEMBER "\"nextLink\":\""
/* The link stands at the end of an answer. */
#define TAIL_BYTES ((size_t)2048)

struct asking {
    struct import_connection *connection;
    struct bench_question *const *questions;
    size_t count, at;
    bool ending;
    bool warm; /* an answer has come: the connection is there */
    int64_t sent_ns;
    err_t error;
    struct error_info *info;
};

static void end(struct asking *asking, err_t error)
{
    if (asking->ending)
        return;
    asking->ending = true;
    asking->error = error;
    import_connection_finish(asking->connection);
}

static void on_answer(void *context, const struct client_response *response);

static void ask(struct asking *asking)
{
    if (asking->at == asking->count) {
        end(asking, ERROR_OK);
        return;
    }
    const struct http_field headers[] = {
        { TEXT("Authorization"), buffer_text(&asking->connection->authorization) },
        { TEXT("Accept-Encoding"), TEXT("identity") },
    };
    asking->sent_ns = clock_monotonic_ns(clock_system());
    err_t error = client_send(asking->connection->client, HTTP_GET, text_of(asking->questions[asking->at]->target),
                              headers, COUNT_OF(headers), TEXT_NONE, on_answer, asking);
    if (error != ERROR_OK)
        end(asking, error_set(asking->info, error, NULL, NULL));
}

/* Path and query of the link, which has no escapes. False: the last page. */
static bool take_link(struct bench_question *question, struct text body)
{
    struct text tail = body;
    if (tail.len > TAIL_BYTES)
        tail = (struct text){ body.ptr + body.len - TAIL_BYTES, TAIL_BYTES };
    const char *link = memmem(tail.ptr, tail.len, LINK_MEMBER, strlen(LINK_MEMBER));
    if (link == NULL)
        return false;
    link += strlen(LINK_MEMBER);
    size_t left = (size_t)(tail.ptr + tail.len - link);
    const char *end_quote = memchr(link, '"', left);
    const char *path = memmem(link, left, "//", 2);
    path = path != NULL ? memchr(path + 2, '/', (size_t)(tail.ptr + tail.len - path - 2)) : NULL;
    if (end_quote == NULL || path == NULL || path > end_quote || end_quote - path >= BENCH_TARGET_SIZE)
        return false;
    memcpy(question->target, path, (size_t)(end_quote - path));
    question->target[end_quote - path] = '\0';
    return true;
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

static void note(struct asking *asking, struct text body, int64_t duration_ns)
{
    struct bench_question *question = asking->questions[asking->at];
    size_t wanted = question->walk_pages > 0 ? question->walk_pages : question->repeats;
    question->body_bytes = body.len;
    question->times_us[question->count++] = (uint32_t)(duration_ns / 1000);
    if (question->count < wanted && (question->walk_pages == 0 || take_link(question, body)))
        return;
    qsort(question->times_us, question->count, sizeof *question->times_us, compare_u32);
    asking->at++;
}

static void on_answer(void *context, const struct client_response *response)
{
    struct asking *asking = context;
    int64_t duration_ns = clock_monotonic_ns(clock_system()) - asking->sent_ns;
    if (asking->ending)
        return;
    if (response->error != ERROR_OK) {
        end(asking, error_set(asking->info, response->error, NULL, "%.200s; check that the server runs",
                              response->info.message));
        return;
    }
    if (response->status != 200) {
        end(asking, import_connection_refusal(response, asking->info));
        return;
    }
    if (asking->warm)
        note(asking, response->body, duration_ns);
    asking->warm = true;
    ask(asking);
}

static void on_signal(void *context, int signal_number)
{
    struct asking *asking = context;
    (void)signal_number;
    end(asking, error_set(asking->info, ERROR_CANCELLED, NULL, "interrupted; nothing was measured to the end"));
}

err_t bench_ask(struct import_connection *connection, struct bench_question *const *questions, size_t count,
                struct error_info *info)
{
    struct asking asking = { .connection = connection, .questions = questions, .count = count, .info = info };
    for (size_t i = 0; i < count; i++)
        questions[i]->count = 0;
    if (loop_watch_signals(connection->loop, on_signal, &asking) != ERROR_OK)
        return error_set(info, ERROR_INTERNAL, NULL, "the signals could not be set up");
    ask(&asking);
    loop_run(connection->loop);
    return asking.error;
}

double bench_percentile_ms(const struct bench_question *question, double share)
{
    if (question->count == 0)
        return 0;
    size_t index = (size_t)(share * (double)(question->count - 1) + 0.5);
    return (double)question->times_us[index] / 1000;
}
