/* Opening, closing and the small services of the store; the work is in writer.c and write.c. */
#include "store/store.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/crypto.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/keys.h"
#include "store/schema1.h"
#include "store/writer.h"

#define QUEUE_WEIGHT_DEFAULT ((size_t)64 * 1024)
#define PATH_SIZE_MAX 4096

struct store {
    char folder[PATH_SIZE_MAX];
    int lock_fd;
    struct kv *kv;
    const struct rows_engine *rows;
    struct dictionary *dictionary;
    struct retention_policy retention;
    struct writer *writer;
    uint8_t hash_key[SIPHASH_KEY_SIZE];
    struct signature_key signature_key;
};

static const struct text schema_key = { "schema", 6 };
static const struct text hash_key_key = { "hash_key", 8 };
static const struct text signature_key_key = { "signature_key", 13 };
static const struct text rows_engine_key = { "rows_engine", 11 };

/* A new store gets its schema version and secrets in one transaction. */
static err_t initialise(struct store *store)
{
    struct kv_txn *txn;
    err_t error = signature_key_new(&store->signature_key);
    if (error == ERROR_OK)
        error = kv_write_begin(store->kv, &txn);
    if (error != ERROR_OK)
        return error;
    uint8_t version[4];
    put_u32be(version, STORE_SCHEMA_VERSION);
    random_bytes(store->hash_key, sizeof store->hash_key);
    error = kv_put(txn, KV_META, schema_key, BYTES(version));
    if (error == ERROR_OK)
        error = kv_put(txn, KV_META, hash_key_key, BYTES(store->hash_key));
    if (error == ERROR_OK)
        error = kv_put(txn, KV_META, signature_key_key, BYTES(store->signature_key.private_key));
    if (error == ERROR_OK)
        error = kv_put(txn, KV_META, rows_engine_key, text_of(store->rows->name));
    if (error != ERROR_OK) {
        kv_abort(txn);
        return error;
    }
    return kv_commit(txn);
}

/* Only a store without any entry is a new one: if a used one got another secret, every identity in it would be
 * forgotten and usage counted twice. */
static err_t initialise_empty(struct store *store)
{
    struct kv_stats stats;
    err_t error = kv_stats(store->kv, &stats);
    for (int t = 0; error == ERROR_OK && t < KV_TABLE_COUNT; t++)
        if (stats.entries[t] > 0)
            error = ERROR_STORE_CORRUPT;
    return error == ERROR_OK ? initialise(store) : error;
}

/* ERROR_NOT_FOUND: nothing has been written yet. */
static err_t read_identity(struct store *store, struct kv_txn *txn, uint32_t *version, struct store_state *state)
{
    struct text value;
    err_t error = kv_get(txn, KV_META, schema_key, &value);
    if (error != ERROR_OK)
        return error;
    if (value.len != 4)
        return ERROR_STORE_CORRUPT;
    *version = get_u32be((const uint8_t *)value.ptr);
    if (*version > STORE_SCHEMA_VERSION)
        return ERROR_STORE_NEWER;
    error = kv_get(txn, KV_META, hash_key_key, &value);
    if (error != ERROR_OK || value.len != sizeof store->hash_key)
        return ERROR_STORE_CORRUPT;
    memcpy(store->hash_key, value.ptr, value.len);
    error = kv_get(txn, KV_META, signature_key_key, &value);
    if (error != ERROR_OK || value.len != sizeof store->signature_key.private_key)
        return ERROR_STORE_CORRUPT;
    error = signature_key_from_private((const uint8_t *)value.ptr, &store->signature_key);
    if (error != ERROR_OK)
        return error == ERROR_NO_MEMORY ? error : ERROR_STORE_CORRUPT;
    return state_read(txn, state);
}

/* The other engine would find nothing, and count usage twice. */
static err_t check_engine(struct store *store, struct kv_txn *txn, struct error_info *info)
{
    struct text name;
    err_t error = kv_get(txn, KV_META, rows_engine_key, &name);
    if (error != ERROR_OK && error != ERROR_NOT_FOUND)
        return error_set(info, error, NULL, "the store in %s cannot be used: %s", store->folder, error_text(error));
    if (error == ERROR_NOT_FOUND || !text_equal(name, text_of(store->rows->name)))
        return error_set(info, ERROR_STORE_CORRUPT, NULL,
                         "the rows of the store in %s were not written by the engine '%s' that is to read them",
                         store->folder, store->rows->name);
    return ERROR_OK;
}

static err_t check_schema(struct store *store, struct store_state *state, struct error_info *info)
{
    uint32_t version = 0;
    struct kv_txn *txn;
    err_t error = kv_read_begin(store->kv, &txn);
    if (error == ERROR_OK) {
        error = read_identity(store, txn, &version, state);
        err_t engine_error = error == ERROR_OK ? check_engine(store, txn, info) : ERROR_OK;
        kv_read_end(txn);
        if (engine_error != ERROR_OK)
            return engine_error;
    }
    if (error == ERROR_NOT_FOUND) {
        *state = STATE_OF_NEW_STORE;
        error = initialise_empty(store);
    }
    if (error == ERROR_STORE_NEWER)
        return error_set(info, error, NULL,
                         "the store in %s has schema %u, this program knows up to %d; use the newer program",
                         store->folder, version, STORE_SCHEMA_VERSION);
    if (error != ERROR_OK)
        return error_set(info, error, NULL, "the store in %s cannot be used: %s", store->folder, error_text(error));
    return ERROR_OK;
}

static err_t lock_folder(struct store *store, bool create, struct error_info *info)
{
    char path[PATH_SIZE_MAX + 16];
    if (create) {
        err_t error = folder_create(store->folder, info);
        if (error != ERROR_OK)
            return error;
    }
    snprintf(path, sizeof path, "%s/data.mdb", store->folder);
    if (!create && !file_exists(path))
        return error_set(info, ERROR_NOT_FOUND, NULL, "there is no store in %s; make one with 'stampmeter init'",
                         store->folder);
    snprintf(path, sizeof path, "%s/lock", store->folder);
    err_t error = file_lock(path, &store->lock_fd, info);
    if (error == ERROR_STORE_IN_USE)
        error_set(info, error, NULL,
                  "the data directory %s is in use by another process; stop it or use another directory",
                  store->folder);
    return error;
}

/* A store of an older schema is brought to this one before anything else looks at it. */
static err_t upgrade_schema(const struct store *store, const struct store_options *options, struct error_info *info)
{
    char path[PATH_SIZE_MAX + 16];
    uint32_t schema;
    snprintf(path, sizeof path, "%s/data.mdb", store->folder);
    if (!file_exists(path))
        return ERROR_OK;
    err_t error = schema_of(store->folder, &schema, info);
    if (error != ERROR_OK || schema == 0 || schema >= STORE_SCHEMA_VERSION)
        return error;
    if (options->upgrade != NULL)
        return options->upgrade(store->folder, schema, info);
    return error_set(info, ERROR_STORE_CORRUPT, NULL,
                     "the store in %s has schema %u; start the server on it once, "
                     "which migrates it to %d",
                     store->folder, schema, STORE_SCHEMA_VERSION);
}

static err_t open_parts(struct store *store, const struct store_options *options, struct error_info *info)
{
    struct store_state state;
    store->rows = options->rows != NULL ? options->rows : &rows_runs;
    err_t error = lock_folder(store, options->create, info);
    if (error != ERROR_OK)
        return error;
    struct kv_options kv = {
        .folder = store->folder,
        .map_size_bytes = options->map_size_bytes,
        .map_size_max_bytes = options->map_size_max_bytes,
    };
    error = upgrade_schema(store, options, info);
    if (error == ERROR_OK)
        error = kv_open(&kv, &store->kv, info);
    if (error == ERROR_OK)
        error = check_schema(store, &state, info);
    if (error != ERROR_OK)
        return error;
    store->retention = options->retention;
    store->dictionary = dictionary_new(store->hash_key);
    if (store->dictionary == NULL)
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    struct writer_options writer = {
        .kv = store->kv,
        .rows = store->rows,
        .dictionary = store->dictionary,
        .clock = options->clock,
        .queue_weight_max = options->queue_weight_max != 0 ? options->queue_weight_max : QUEUE_WEIGHT_DEFAULT,
        .state = state,
        .signature_key = &store->signature_key,
        .retention = options->retention,
    };
    error = writer_start(&writer, &store->writer);
    return error == ERROR_OK ? ERROR_OK : error_set(info, error, NULL, NULL);
}

err_t store_open(const struct store_options *options, struct store **out, struct error_info *info)
{
    struct store *store = memory_zalloc(1, sizeof *store);
    if (store == NULL)
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    store->lock_fd = -1;
    int length = snprintf(store->folder, sizeof store->folder, "%s", options->folder);
    err_t error = length < (int)sizeof store->folder
                      ? open_parts(store, options, info)
                      : error_set(info, ERROR_IO, NULL, "the path of the data directory is too long");
    if (error != ERROR_OK) {
        store_close(store);
        return error;
    }
    *out = store;
    return ERROR_OK;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    writer_stop(store->writer);
    dictionary_free(store->dictionary);
    kv_close(store->kv);
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    secret_wipe(store->hash_key, sizeof store->hash_key);
    secret_wipe(&store->signature_key, sizeof store->signature_key);
    memory_free(store);
}

const char *store_folder(const struct store *store)
{
    return store->folder;
}

struct kv *store_kv(const struct store *store)
{
    return store->kv;
}

const struct rows_engine *store_rows(const struct store *store)
{
    return store->rows;
}

const struct dictionary *store_dictionary(const struct store *store)
{
    return store->dictionary;
}

const struct retention_policy *store_retention(const struct store *store)
{
    return &store->retention;
}

const uint8_t *store_hash_key(const struct store *store)
{
    return store->hash_key;
}

const struct signature_key *store_signature_key(const struct store *store)
{
    return &store->signature_key;
}

err_t store_submit(struct store *store, struct store_job *job)
{
    return writer_submit(store->writer, job);
}

/* --- waiting for a job --- */

struct waiting_job {
    struct store_job job; /* first member */
    struct store_job *wanted;
    pthread_mutex_t mutex;
    pthread_cond_t finished;
    bool done;
};

static err_t run_wanted(struct store_write *write, struct store_job *job)
{
    struct waiting_job *waiting = (struct waiting_job *)job;
    return waiting->wanted->run(write, waiting->wanted);
}

static void wake_waiting(struct store_job *job)
{
    struct waiting_job *waiting = (struct waiting_job *)job;
    pthread_mutex_lock(&waiting->mutex);
    waiting->done = true;
    pthread_cond_signal(&waiting->finished);
    pthread_mutex_unlock(&waiting->mutex);
}

err_t store_run(struct store *store, struct store_job *job)
{
    struct waiting_job waiting = { .job = *job, .wanted = job };
    waiting.job.run = run_wanted;
    waiting.job.done = wake_waiting;
    pthread_mutex_init(&waiting.mutex, NULL);
    pthread_cond_init(&waiting.finished, NULL);
    job->error = store_submit(store, &waiting.job);
    if (job->error == ERROR_OK) {
        pthread_mutex_lock(&waiting.mutex);
        while (!waiting.done)
            pthread_cond_wait(&waiting.finished, &waiting.mutex);
        pthread_mutex_unlock(&waiting.mutex);
        job->error = waiting.job.error;
    }
    pthread_cond_destroy(&waiting.finished);
    pthread_mutex_destroy(&waiting.mutex);
    return job->error;
}

/* --- reading, time, counters --- */

err_t store_read_begin(struct store *store, struct kv_txn **txn)
{
    return kv_read_begin(store->kv, txn);
}

void store_read_end(struct kv_txn *txn)
{
    kv_read_end(txn);
}

err_t store_read_state(struct kv_txn *txn, struct store_state *state)
{
    return state_read(txn, state);
}

int64_t store_now_ns(struct store *store)
{
    return writer_now_ns(store->writer);
}

bool store_settled(struct store *store, int64_t end_ns, struct store_waiter *waiter)
{
    return writer_settled(store->writer, end_ns, waiter);
}

void store_tick(struct store *store)
{
    writer_tick(store->writer);
}

struct store_counters store_counters(struct store *store)
{
    return writer_counters(store->writer);
}

err_t store_stats(struct store *store, struct kv_stats *out)
{
    return kv_stats(store->kv, out);
}

void store_fail_write(struct store *store, uint64_t nth, err_t error)
{
    writer_pause_upkeep(store->writer, nth != 0);
    kv_fail_write(store->kv, nth, error);
}
