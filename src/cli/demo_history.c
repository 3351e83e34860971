/* Two chunks take turns: while the writer commits one, the other is simulated and parsed here. A chunk holds a batch
 * per provider, so that each record is journaled under its own producer's name. */
#include "cli/demo_history.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/instant.h"
#include "base/json.h"
#include "store/write.h"
#include "usage/ingest.h"
#include "usage/watermarks.h"

#define CHUNK_HOURS 24
#define ARENA_BLOCK_BYTES ((size_t)1024 * 1024)

static const struct text position_key = { "demo", 4 };

/* --- position --- */

static err_t run_position_put(struct store_write *write, struct store_job *job)
{
    const struct demo_position *position = &((struct demo_position_put *)job)->position;
    char bytes[256], now[INSTANT_TEXT_SIZE];
    instant_print(position->now_ns, now);
    int length = snprintf(bytes, sizeof bytes, "{\"now\":\"%s\",\"postingHour\":%lld,\"regularDone\":%s}", now,
                          (long long)position->posting_hour, position->regular_done ? "true" : "false");
    REQUIRE(length > 0 && length < (int)sizeof bytes);
    return kv_put(write_txn(write), KV_SETTINGS, position_key, (struct text){ bytes, (size_t)length });
}

void demo_position_put_init(struct demo_position_put *put, const struct demo_position *position)
{
    *put = (struct demo_position_put){ .job = { .run = run_position_put, .weight = 1 }, .position = *position };
}

static bool parse_position(const struct json *root, struct demo_position *out)
{
    struct text now;
    unsigned long long hour;
    const struct json *number = json_member(root, TEXT("postingHour"));
    const struct json *regular_done = json_member(root, TEXT("regularDone"));
    if (!json_member_string(root, TEXT("now"), &now) || instant_parse(now, &out->now_ns) != ERROR_OK ||
        number == NULL || json_type(number) != JSON_NUMBER || !text_to_u64(json_number(number), &hour) ||
        hour > INT32_MAX)
        return false;
    out->posting_hour = (int64_t)hour;
    out->regular_done = regular_done != NULL && json_type(regular_done) == JSON_TRUE;
    return true;
}

err_t demo_position_get(struct kv_txn *txn, struct demo_position *out)
{
    struct text value;
    err_t error = kv_get(txn, KV_SETTINGS, position_key, &value);
    if (error != ERROR_OK)
        return error;
    struct arena *arena = arena_new(4096, 0);
    if (arena == NULL)
        return ERROR_NO_MEMORY;
    const struct json *root;
    error = json_parse(arena, value, &root, NULL);
    if (error == ERROR_OK && !parse_position(root, out))
        error = ERROR_STORE_CORRUPT;
    arena_free(arena);
    return error;
}

/* --- chunks --- */

struct history;
struct chunk {
    struct history *history;
    struct arena *arena; /* NULL: nothing under way */
    struct ingest_batch *batches[DEMO_SOURCE_COUNT];
    size_t submitted, finished; /* finished and error: under the mutex while submitted */
    err_t error;
    struct text sources[DEMO_SOURCE_COUNT];
};

struct history {
    struct store *store;
    const struct demo_stamp *stamp;
    struct demo_history_counts *counts;
    struct chunk chunks[2];
    pthread_mutex_t mutex;
    pthread_cond_t done;
};

static void batch_done(struct store_job *job)
{
    struct chunk *chunk = ((struct ingest_batch *)job)->owner;
    struct history *history = chunk->history;
    pthread_mutex_lock(&history->mutex);
    if (job->error != ERROR_OK)
        chunk->error = job->error;
    chunk->finished++;
    pthread_cond_signal(&history->done);
    pthread_mutex_unlock(&history->mutex);
}

static err_t add_report(void *context, const struct demo_report *report)
{
    struct chunk *chunk = context;
    /* The report's text is written over for the next one, and a record that is refused is kept as it was posted. */
    struct text record = arena_text(chunk->arena, report->record);
    return record.ptr == NULL ? ERROR_NO_MEMORY : ingest_add(chunk->batches[report->source], record, NULL);
}

static err_t chunk_begin(struct chunk *chunk, int64_t now_ns)
{
    const struct record_limits limits = { .now_ns = now_ns, .age_ns_max = -1, .history = true };
    chunk->submitted = chunk->finished = 0;
    chunk->error = ERROR_OK;
    chunk->arena = arena_new(ARENA_BLOCK_BYTES, 0);
    if (chunk->arena == NULL)
        return ERROR_NO_MEMORY;
    for (size_t i = 0; i < DEMO_SOURCE_COUNT; i++)
        chunk->sources[i] = text_of(demo_source_name((enum demo_source)i));
    for (size_t i = 0; i < DEMO_SOURCE_COUNT; i++) {
        struct ingest_producer producer = { chunk->sources[i], &chunk->sources[i], 1 };
        chunk->batches[i] = ingest_new(chunk->arena, &producer, &limits, store_hash_key(chunk->history->store));
        if (chunk->batches[i] == NULL)
            return ERROR_NO_MEMORY;
        chunk->batches[i]->owner = chunk;
        chunk->batches[i]->teaches_watermarks = true; /* these are the providers' own reports */
    }
    return ERROR_OK;
}

static void count_chunk(const struct chunk *chunk, struct demo_history_counts *counts)
{
    for (size_t i = 0; i < DEMO_SOURCE_COUNT; i++) {
        if (chunk->batches[i]->count == 0)
            continue;
        struct ingest_counts of_batch = ingest_counts(chunk->batches[i]);
        counts->accepted += of_batch.accepted;
        counts->duplicate += of_batch.duplicate;
        counts->conflict += of_batch.conflict;
        counts->rejected += of_batch.rejected;
    }
}

/* Waits until the writer is through with the chunk, then empties it. */
static err_t chunk_end(struct chunk *chunk)
{
    struct history *history = chunk->history;
    if (chunk->arena == NULL)
        return ERROR_OK;
    pthread_mutex_lock(&history->mutex);
    while (chunk->finished < chunk->submitted)
        pthread_cond_wait(&history->done, &history->mutex);
    err_t error = chunk->error;
    pthread_mutex_unlock(&history->mutex);
    if (error == ERROR_OK && chunk->submitted > 0)
        count_chunk(chunk, history->counts);
    arena_free(chunk->arena);
    chunk->arena = NULL;
    return error;
}

static err_t chunk_submit(struct chunk *chunk)
{
    for (size_t i = 0; i < DEMO_SOURCE_COUNT; i++) {
        if (chunk->batches[i]->count == 0)
            continue;
        err_t error = ingest_submit(chunk->batches[i], chunk->history->store, batch_done);
        if (error != ERROR_OK) {
            pthread_mutex_lock(&chunk->history->mutex);
            chunk->error = error;
            pthread_mutex_unlock(&chunk->history->mutex);
            return error;
        }
        chunk->submitted++;
    }
    return ERROR_OK;
}

/* Simulates and parses posting hours [from, to) while the other chunk is being written, then hands them over. */
static err_t write_hours(struct history *history, struct chunk *chunk, struct chunk *other, int64_t from, int64_t to)
{
    err_t error = chunk_begin(chunk, hour_start_ns(history->stamp->start_hour));
    for (int64_t hour = from; hour < to && error == ERROR_OK; hour++)
        error = demo_stamp_report(history->stamp, hour, true, add_report, chunk);
    err_t other_error = chunk_end(other);
    if (error == ERROR_OK)
        error = other_error;
    return error == ERROR_OK ? chunk_submit(chunk) : error;
}

static void tell_progress(int64_t done_hours, int64_t all_hours)
{
    if (isatty(STDERR_FILENO) != 0)
        fprintf(stderr, "\r%lld of %lld days of history written%s", (long long)(done_hours / HOURS_PER_DAY),
                (long long)(all_hours / HOURS_PER_DAY), done_hours < all_hours ? "" : "\n");
}

static err_t write_all(struct history *history, int64_t hours)
{
    /* What is reported in the start hour itself is live already. */
    int64_t first = history->stamp->start_hour - hours, end = history->stamp->start_hour;
    size_t turn = 0;
    err_t error = ERROR_OK;
    for (int64_t hour = first; hour < end && error == ERROR_OK; hour += CHUNK_HOURS) {
        int64_t to = hour + CHUNK_HOURS < end ? hour + CHUNK_HOURS : end;
        error = write_hours(history, &history->chunks[turn], &history->chunks[1 - turn], hour, to);
        tell_progress(to - first, end - first);
        turn = 1 - turn;
    }
    for (size_t i = 0; i < COUNT_OF(history->chunks); i++) {
        err_t last_error = chunk_end(&history->chunks[i]);
        if (error == ERROR_OK)
            error = last_error;
    }
    return error;
}

/* One of the providers has been silent for some hours already. */
static err_t note_silence(struct store *store)
{
    struct watermarks_watch watch;
    watermarks_watch_init(&watch, INT64_MIN);
    return store_run(store, &watch.job);
}

err_t demo_history_write(struct store *store, const struct demo_stamp *stamp, int64_t hours,
                         struct demo_history_counts *counts, struct error_info *info)
{
    struct history history = { .store = store, .stamp = stamp, .counts = counts };
    *counts = (struct demo_history_counts){ 0 };
    history.chunks[0].history = history.chunks[1].history = &history;
    pthread_mutex_init(&history.mutex, NULL);
    pthread_cond_init(&history.done, NULL);
    err_t error = write_all(&history, hours);
    if (error == ERROR_OK)
        error = note_silence(store);
    pthread_cond_destroy(&history.done);
    pthread_mutex_destroy(&history.mutex);
    return error == ERROR_OK
               ? ERROR_OK
               : error_set(info, error, NULL, "the demo's history could not be written: %s", error_text(error));
}
