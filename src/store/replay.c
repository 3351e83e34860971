/* A write transaction like the writer's, driven by a journal instead of jobs. Committed each time it has grown large,
 * so memory stays bounded; a file that is not finished is thrown away, so these commits need not be moments of a
 * store. */
#include "store/replay.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/files.h"
#include "base/instant.h"
#include "base/memory.h"
#include "store/data_file.h"
#include "store/journal_internal.h"
#include "store/write_internal.h"
#include "store/writer.h"

/* A commit: rows held in memory, and bytes of journal. */
#define COMMIT_ROWS ((size_t)1 << 18)
#define COMMIT_BYTES ((size_t)64 << 20)
#define UPKEEP_ROWS_PER_ROW 6
#define UPKEEP_SLICE_ROWS ((size_t)1 << 20)
#define GIVEN_ROWS 4096

struct replay {
    char store_folder[PATH_MAX], folder[PATH_MAX];
    struct kv *kv;
    struct store_write *write;
    size_t rows_waiting, bytes_waiting;
    bool has_segments;
    uint64_t next_sequence; /* of the next segment */
    /* Rows taken as they are, packed. */
    enum row_family given_family;
    uint8_t given[GIVEN_ROWS * (ROW_KEY_SIZE + ROW_VALUE_SIZE_MAX)];
    size_t given_count;
};

static void remove_files(const struct replay *replay)
{
    char path[PATH_MAX + 16];
    (void)snprintf(path, sizeof path, "%s/" DATA_FILE_NAME, replay->folder);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/lock.mdb", replay->folder);
    (void)unlink(path);
    (void)rmdir(replay->folder);
}

static err_t make_write(struct replay *replay, const struct rows_engine *rows)
{
    struct store_write *write = replay->write = memory_zalloc(1, sizeof *write);
    if (write == NULL)
        return ERROR_NO_MEMORY;
    write_init(write, rows != NULL ? rows : &rows_runs, &STATE_OF_NEW_STORE, NULL);
    return kv_write_begin(replay->kv, &write->txn);
}

err_t replay_open(const struct replay_options *options, struct replay **out, struct error_info *info)
{
    struct replay *replay = memory_zalloc(1, sizeof *replay);
    if (replay == NULL)
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    int length = snprintf(replay->folder, sizeof replay->folder, "%s/" REPLAY_FOLDER, options->folder);
    (void)snprintf(replay->store_folder, sizeof replay->store_folder, "%s", options->folder);
    struct kv_options kv = { .folder = replay->folder,
                             .map_size_bytes =
                                 options->map_size_bytes };
    err_t error = length < PATH_MAX ? ERROR_OK : error_set(info, ERROR_IO, NULL, "the path of the store is too long");
    if (error == ERROR_OK) {
        remove_files(replay); /* of one that was cut short */
        error = folder_create(replay->folder, info);
    }
    if (error == ERROR_OK)
        error = kv_open(&kv, &replay->kv, info);
    if (error == ERROR_OK && (error = make_write(replay, options->rows)) != ERROR_OK)
        error_set(info, error, NULL, "the new file cannot be written: %s", error_text(error));
    if (error != ERROR_OK) {
        replay_close(replay);
        return error;
    }
    *out = replay;
    return ERROR_OK;
}

void replay_close(struct replay *replay)
{
    if (replay == NULL)
        return;
    struct store_write *write = replay->write;
    if (write != NULL) {
        if (write->txn != NULL)
            kv_abort(write->txn);
        write_free(write);
        dictionary_free(write->dictionary);
        memory_free(write);
    }
    kv_close(replay->kv);
    remove_files(replay);
    memory_free(replay);
}

struct kv_txn *replay_txn(struct replay *replay)
{
    return replay->write->txn;
}

const struct rows_engine *replay_rows(const struct replay *replay)
{
    return replay->write->rows;
}

struct store_state *replay_state(struct replay *replay)
{
    return &replay->write->state;
}

/* --- commits --- */

static err_t flush_rows(struct replay *replay, bool *left)
{
    struct store_write *write = replay->write;
    err_t error = write_flush_span(write);
    if (error == ERROR_OK)
        error = claims_flush(&write->claims, write->rows, write->txn);
    if (error == ERROR_OK)
        error = pending_flush(&write->hourly, write->rows, write->txn);
    if (error == ERROR_OK)
        error = pending_flush(&write->daily, write->rows, write->txn);
    if (error == ERROR_OK)
        error = pending_flush(&write->rollup, write->rows, write->txn);
    if (error == ERROR_OK)
        error = write->rows->upkeep(write->txn, replay->rows_waiting * UPKEEP_ROWS_PER_ROW + 1, false, left);
    replay->rows_waiting = replay->bytes_waiting = 0;
    return error;
}

static err_t next_transaction(struct replay *replay)
{
    struct kv_txn *txn = replay->write->txn;
    replay->write->txn = NULL;
    err_t error = kv_commit(txn);
    return error == ERROR_OK ? kv_write_begin(replay->kv, &replay->write->txn) : error;
}

static err_t commit_if_large(struct replay *replay)
{
    bool left;
    if (replay->rows_waiting < COMMIT_ROWS && replay->bytes_waiting < COMMIT_BYTES)
        return ERROR_OK;
    err_t error = flush_rows(replay, &left);
    return error == ERROR_OK ? next_transaction(replay) : error;
}

/* --- the journal --- */

err_t replay_segment(struct replay *replay, struct text key, struct text value)
{
    struct segment_header header;
    struct store_write *write = replay->write;
    err_t error = segment_header_read(key, value, &header);
    if (error != ERROR_OK || (replay->has_segments && (header.first_sequence != replay->next_sequence ||
                                                       memcmp(header.before, write->journal.head, SHA256_SIZE) != 0)))
        return error != ERROR_OK ? error : ERROR_STORE_CORRUPT;
    replay->has_segments = true;
    replay->next_sequence = header.first_sequence + header.count;
    sha256_of(value.ptr, value.len, write->journal.head);
    memcpy(write->state.head, write->journal.head, SHA256_SIZE);
    write->state.last_sequence = replay->next_sequence - 1;
    write->journal.next_sequence = replay->next_sequence;
    replay->bytes_waiting += value.len;
    return kv_append(write->txn, KV_JOURNAL, key, value);
}

err_t replay_set_hash_key(struct replay *replay, const uint8_t *hash_key)
{
    replay->write->dictionary = dictionary_new(hash_key);
    return replay->write->dictionary != NULL ? ERROR_OK : ERROR_NO_MEMORY;
}

err_t replay_begin_commit(struct replay *replay, int64_t reported_ns)
{
    struct store_write *write = replay->write;
    err_t error = journal_flush(&write->journal, write->txn);
    write->journal.reported_ns = write->reported_ns = reported_ns;
    memcpy(write->state.head, write->journal.head, SHA256_SIZE);
    return error == ERROR_OK ? commit_if_large(replay) : error;
}

err_t replay_intern(struct replay *replay, enum dictionary_kind kind, struct text identity, struct text text,
                    uint32_t *id)
{
    return write_intern(replay->write, kind, identity, text, id);
}

err_t replay_entry(struct replay *replay, struct journal_entry *entry)
{
    uint64_t before = replay->write->journal.bytes;
    err_t error = journal_add(&replay->write->journal, replay->write->txn, entry);
    replay->bytes_waiting += replay->write->journal.bytes - before;
    return error;
}

/* --- what follows from it --- */

err_t replay_define(struct replay *replay, const struct journal_definition *definition)
{
    return dictionary_define(replay->write->txn, definition->kind, definition->id, &definition->identity,
                             definition->text);
}

err_t replay_record(struct replay *replay, const struct journal_record *record, const struct hash128 *identity,
                    uint64_t content_hash, uint32_t resource, const struct write_share *shares, size_t share_count,
                    unsigned parts)
{
    _Static_assert((int)REPLAY_CLAIM == (int)WRITE_CLAIM && (int)REPLAY_HOURLY == (int)WRITE_HOURLY &&
                       (int)REPLAY_DAILY == (int)WRITE_DAILY,
                   "the same flags");
    err_t error = commit_if_large(replay);
    replay->rows_waiting += share_count + 3;
    return error == ERROR_OK
               ? write_count_record(replay->write, record, identity, content_hash, resource, shares, share_count, parts)
               : error;
}

err_t replay_correction(struct replay *replay, const struct journal_record *original, uint32_t resource,
                        uint64_t sequence, const struct write_share *shares, size_t share_count, unsigned parts)
{
    err_t error = commit_if_large(replay);
    replay->rows_waiting += share_count + 3;
    return error == ERROR_OK
               ? write_count_correction(replay->write, original, resource, sequence, shares, share_count, parts)
               : error;
}

err_t replay_seal(struct replay *replay, const struct journal_entry *entry)
{
    struct store_write *write = replay->write;
    bool left;
    write->state.last_sequence = entry->sequence;
    write->state.last_reported_ns = entry->reported_ns;
    write->state.sealed_hour = entry->seal.end_hour;
    /* The rows of the hours that end here go first. */
    err_t error = flush_rows(replay, &left);
    if (error == ERROR_OK)
        error = write->rows->seal(write->txn, ROWS_HOURLY, entry->seal.end_hour);
    if (error != ERROR_OK || entry->seal.end_hour / HOURS_PER_DAY == entry->seal.first_hour / HOURS_PER_DAY)
        return error;
    error = write->rows->seal(write->txn, ROWS_DAILY, entry->seal.end_hour / HOURS_PER_DAY);
    return error == ERROR_OK ? write->rows->seal(write->txn, ROWS_ROLLUP, entry->seal.end_hour / HOURS_PER_DAY) : error;
}

/* --- rows as they were --- */

static err_t flush_given(struct replay *replay)
{
    struct store_write *write = replay->write;
    err_t error = replay->given_count == 0
                      ? ERROR_OK
                      : write->rows->add(write->txn, replay->given_family, replay->given, replay->given_count);
    replay->rows_waiting += replay->given_count;
    replay->given_count = 0;
    return error == ERROR_OK ? commit_if_large(replay) : error;
}

err_t replay_row(struct replay *replay, enum row_family family, const uint8_t *key, const uint8_t *value)
{
    size_t key_size = rows_key_size(family), value_size = rows_value_size(family);
    if (replay->given_count == GIVEN_ROWS || replay->given_family != family) {
        err_t error = flush_given(replay);
        if (error != ERROR_OK)
            return error;
    }
    uint8_t *row = replay->given + replay->given_count++ * (key_size + value_size);
    replay->given_family = family;
    memcpy(row, key, key_size);
    memcpy(row + key_size, value, value_size);
    return ERROR_OK;
}

/* --- the end --- */

static err_t finish_rows(struct replay *replay)
{
    struct store_write *write = replay->write;
    bool left = false;
    err_t error = journal_flush(&write->journal, write->txn);
    write->state.last_sequence = write->journal.next_sequence - 1;
    memcpy(write->state.head, write->journal.head, SHA256_SIZE);
    if (error == ERROR_OK)
        error = flush_given(replay);
    if (error == ERROR_OK)
        error = flush_rows(replay, &left);
    if (error == ERROR_OK)
        error = state_write(write->txn, &write->state);
    while (error == ERROR_OK && left) {
        error = next_transaction(replay);
        if (error == ERROR_OK)
            error = write->rows->upkeep(write->txn, UPKEEP_SLICE_ROWS, true, &left);
    }
    return error;
}

err_t replay_finish(struct replay *replay, struct error_info *info)
{
    err_t error = finish_rows(replay);
    if (error == ERROR_OK) {
        struct kv_txn *txn = replay->write->txn;
        replay->write->txn = NULL;
        error = kv_commit(txn);
    }
    if (error != ERROR_OK)
        return error_set(info, error, NULL, "the new file cannot be written: %s", error_text(error));
    kv_close(replay->kv);
    replay->kv = NULL;
    return data_file_replace(replay->store_folder, REPLAY_FOLDER, info);
}
