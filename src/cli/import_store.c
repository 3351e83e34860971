/* Import into the store of a stopped server: a batch is parsed, committed, counted, then the next. */
#include <unistd.h>

#include "base/clock.h"
#include "base/instant.h"
#include "cli/import_internal.h"
#include "cli/options.h"
#include "store/store.h"
#include "usage/difference.h"
#include "usage/migrate.h"

#define BATCH_RECORDS 4096

extern char **environ;

struct import_store {
    const struct import_target *target;
    struct store *store;
    struct arena *arena; /* configuration */
    struct record_limits limits;
    struct import_batch batch;
};

static err_t open_store(struct import_store *import, struct error_info *info)
{
    struct options_source source = { .file_path = import->target->config_file, .environment = environ };
    struct config config;
    if (import->target->data_dir != NULL)
        options_set(&source, OPTION_STORE_DATA_DIR, import->target->data_dir);
    err_t error = options_load(import->arena, &source, &config, info);
    if (error != ERROR_OK)
        return error;
    const struct store_options options = {
        .folder = options_string(&config, OPTION_STORE_DATA_DIR),
        .clock = clock_system(),
        .map_size_bytes = options_size(&config, OPTION_STORE_MAP_SIZE),
        .upgrade = migrate_store,
    };
    import->limits = (struct record_limits){
        .future_ns_max = options_duration_ns(&config, OPTION_USAGE_FUTURE_MAX),
        .age_ns_max = import->target->history ? -1 : options_duration_ns(&config, OPTION_USAGE_AGE_MAX),
        .history = import->target->history,
    };
    return store_open(&options, &import->store, info);
}

static void count_problem(struct import_store *import, struct ingest_batch *batch, size_t index, uint64_t position)
{
    const struct ingest_result *result = &batch->results[index];
    struct import_totals *totals = import->target->totals;
    if (totals->problem_count == IMPORT_PROBLEMS_MAX)
        return;
    struct import_problem problem = {
        .position = position,
        .id = result->record.id.ptr != NULL ? result->record.id : TEXT(""),
        .verdict = text_of(verdict_name(result->verdict)),
        .code = text_of(error_wire_code(result->code)),
        .target = result->target,
        .message = result->message,
    };
    struct kv_txn *txn;
    if (result->verdict == VERDICT_CONFLICT && store_read_begin(import->store, &txn) == ERROR_OK) {
        problem.target = text_of(difference_member(txn, batch->arena, result->sequence, &result->record));
        store_read_end(txn);
    }
    import_add_problem(totals, &problem);
}

/* Items that could be read are in the ingest batch, in order. */
static void count_results(struct import_store *import, struct ingest_batch *batch)
{
    struct import_totals *totals = import->target->totals;
    struct ingest_counts counts = ingest_counts(batch);
    totals->received += counts.received;
    totals->accepted += counts.accepted;
    totals->duplicate += counts.duplicate;
    totals->conflict += counts.conflict;
    totals->rejected += counts.rejected;
    size_t index = 0;
    for (size_t i = 0; i < import->batch.count; i++) {
        const struct import_item *item = &import->batch.items[i];
        if (item->record.ptr == NULL) {
            import_add_unreadable(totals, item);
            continue;
        }
        enum verdict verdict = batch->results[index].verdict;
        if (verdict == VERDICT_CONFLICT || verdict == VERDICT_REJECTED)
            count_problem(import, batch, index, item->position);
        index++;
    }
}

static err_t write_batch(struct import_store *import, struct error_info *info)
{
    static const struct text any = { "*", 1 };
    const struct ingest_producer producer = { TEXT("import"), &any, 1 };
    import->limits.now_ns = store_now_ns(import->store);
    struct ingest_batch *batch =
        ingest_new(import->batch.arena, &producer, &import->limits, store_hash_key(import->store));
    err_t error = batch != NULL ? ERROR_OK : ERROR_NO_MEMORY;
    for (size_t i = 0; i < import->batch.count && error == ERROR_OK; i++)
        if (import->batch.items[i].record.ptr != NULL)
            error = ingest_add(batch, import->batch.items[i].record, NULL);
    if (error == ERROR_OK)
        error = ingest_submit(batch, import->store, NULL);
    if (error != ERROR_OK)
        return error_set(info, error, NULL, "the store could not be written: %s", error_text(error));
    count_results(import, batch);
    import_tell_progress(import->target->totals);
    return ERROR_OK;
}

static err_t import_all(struct import_store *import, struct error_info *info)
{
    for (;;) {
        err_t read_error = import_batch_fill(&import->batch, import->target->reader, info);
        if (import->batch.count > 0) {
            struct error_info write_info = { 0 };
            err_t error = write_batch(import, &write_info);
            if (error != ERROR_OK) {
                *info = write_info;
                return error;
            }
        }
        if (read_error != ERROR_OK)
            return read_error == ERROR_NOT_FOUND ? ERROR_OK : read_error;
    }
}

err_t import_into_store(const struct import_target *target, struct error_info *info)
{
    struct import_store import = { .target = target, .arena = arena_new(16384, 0) };
    err_t error = import_batch_init(&import.batch, BATCH_RECORDS) && import.arena != NULL
                      ? open_store(&import, info)
                      : error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    if (error == ERROR_OK)
        error = import_all(&import, info);
    store_close(import.store);
    import_batch_free(&import.batch);
    arena_free(import.arena);
    return error;
}
