/* What a summary says of itself: whether the usage it adds up is all there, up to when, and which hours are unknown. An
 * hour without rows is zero where it is complete, and unknown where a producer is silent (architecture promise 6). */
#include "api/api_internal.h"
#include "base/members.h"
#include "base/instant.h"

/* Runs of silent hours that an answer lists; a window with more says so. */
#define SILENT_RUNS_MAX 500

struct silences {
    struct json_writer *json;
    struct kv_txn *txn;
    bool with_producers;
    size_t count;
    bool cut;
    err_t error;
};

static bool put_silence(void *context, const struct watermark *watermark, uint32_t first, uint32_t end)
{
    struct silences *silences = context;
    struct json_writer *json = silences->json;
    struct text producer, source;
    silences->cut = silences->count == SILENT_RUNS_MAX;
    if (silences->cut)
        return false;
    silences->count++;
    silences->error = dictionary_text(silences->txn, DICTIONARY_PRODUCER, watermark->producer, &producer);
    if (silences->error == ERROR_OK)
        silences->error = dictionary_text(silences->txn, DICTIONARY_SOURCE, watermark->source, &source);
    if (silences->error != ERROR_OK)
        return false;
    json_begin_object(json);
    if (silences->with_producers)
        put_member(json, "producer", producer);
    put_member(json, "source", source);
    put_time_member(json, "from", hour_start_ns(first));
    put_time_member(json, "to", hour_start_ns(end));
    json_end_object(json);
    return true;
}

/* Reported time moves on with the clock, so everything before the current hour is final. */
static void put_reported(struct json_writer *json, const struct summary_query *query, int64_t now_ns)
{
    int64_t watermark_ns = now_ns / NS_PER_HOUR * NS_PER_HOUR;
    json_name(json, "complete");
    json_put_bool(json, query->to_ns <= watermark_ns);
    put_time_member(json, "watermark", watermark_ns);
}

/* The source that the filter names; 0: any. One that was never heard of has nobody to wait for. */
static err_t filtered_source(struct store *store, struct kv_txn *txn, const struct summary_query *query, uint32_t *id)
{
    *id = 0;
    for (size_t i = 0; i < query->filter_count; i++) {
        if (query->filters[i].member != SUMMARY_SOURCE)
            continue;
        err_t error = dictionary_find(store_dictionary(store), txn, DICTIONARY_SOURCE, query->filters[i].value, id);
        if (error == ERROR_NOT_FOUND)
            *id = UINT32_MAX;
        return error == ERROR_NOT_FOUND ? ERROR_OK : error;
    }
    return ERROR_OK;
}

err_t put_completeness(struct json_writer *json, struct store *store, struct kv_txn *txn,
                       const struct summary_query *query, int64_t now_ns, bool with_producers)
{
    if (query->reported_axis) {
        put_reported(json, query, now_ns);
        return ERROR_OK;
    }
    struct silences silences = { .json = json, .txn = txn, .with_producers = with_producers };
    struct watermark_window window = {
        .first_hour = (uint32_t)instant_hour(query->from_ns),
        .end_hour = (uint32_t)instant_hour(query->to_ns),
        .now_ns = now_ns,
        .silent = put_silence,
        .context = &silences,
    };
    uint32_t complete_hour;
    err_t error = filtered_source(store, txn, query, &window.only_source);
    if (error != ERROR_OK)
        return error;
    json_name(json, "silent");
    json_begin_array(json);
    error = watermarks_window(txn, &window, &complete_hour);
    json_end_array(json);
    if (error == ERROR_OK)
        error = silences.error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : silences.error;
    if (silences.cut) {
        json_name(json, "silentCut");
        json_put_bool(json, true);
    }
    json_name(json, "complete");
    json_put_bool(json, window.end_hour <= complete_hour);
    put_time_member(json, "watermark", hour_start_ns(complete_hour));
    return error;
}
