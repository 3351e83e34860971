/* Three passes over the old file: segments, what follows from them, tables that are carried over. The old file is
 * looked at by file_check first; a damaged part that is not needed is no hindrance. */
#include "usage/rebuild.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/files.h"
#include "base/instant.h"
#include "store/data_file.h"
#include "store/file_check.h"
#include "store/head.h"
#include "store/journal.h"
#include "store/replay.h"
#include "store/store.h"
#include "usage/coverage.h"
#include "usage/interpret.h"

#define PROGRESS_ENTRIES 65536

struct rebuild {
    const struct rebuild_options *options;
    struct rebuild_result *result;
    struct kv *old;
    struct kv_txn *txn; /* a snapshot of it */
    struct replay *replay;
    struct arena *arena;
    struct coverage coverage;
    struct store_state old_state;
    uint8_t hash_key[SIPHASH_KEY_SIZE];
    const struct rows_engine *rows;
    bool has_seal;
};

/* --- which tables --- */

enum way {
    WAY_DERIVED, /* follows from the journal */
    WAY_JOURNAL,
    WAY_CARRIED,
    WAY_RECENT /* carried, but for a point in time: it tells of what came later */
};

static enum way way_of(enum kv_table table)
{
    switch (table) {
    case KV_JOURNAL:
        return WAY_JOURNAL;
    case KV_META:
    case KV_SUBSCRIPTIONS:
    case KV_TOKENS:
    case KV_USERS:
    case KV_SETTINGS:
    case KV_HEADS:
    case KV_REJECTS:
    case KV_AUDIT:
    case KV_SUBSCRIPTION_CHANGES:
    case KV_REGISTRATIONS:
    case KV_REGISTRATION_CHANGES:
    case KV_CUSTOMERS:
    case KV_PARTNERS:
    case KV_CATALOGUE:
    case KV_APPROVALS:
        return WAY_CARRIED;
    case KV_WATERMARKS:
    case KV_WATERMARK_HOURS:
    case KV_ALERTS:
        return WAY_RECENT;
    case KV_DEDUPE:
    case KV_HOURLY:
    case KV_DAILY:
    case KV_ROLLUP:
    case KV_RUNS:
    case KV_BLOCKS:
    case KV_FILTERS:
    case KV_MERGES:
    case KV_DICTIONARY:
    case KV_DICTIONARY_TEXT:
    case KV_USAGE_TIMES:
    case KV_SPANS:
    case KV_CORRECTIONS:
    case KV_TABLE_COUNT:
        break;
    }
    return WAY_DERIVED;
}

static void no_fault(void *context, const char *sentence)
{
    char *first = context;
    if (first[0] == '\0')
        (void)snprintf(first, 256, "%s", sentence);
}

/* Damage in what is going to be read; LMDB may crash on it. */
static err_t check_old_file(const char *folder, struct error_info *info)
{
    char path[PATH_MAX], sentence[256] = "";
    struct file_check_report report;
    (void)snprintf(path, sizeof path, "%s/" DATA_FILE_NAME, folder);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(info, ERROR_IO, NULL, "cannot open %s", path);
    struct file_check_options options = { .fd = fd, .fault = no_fault, .context = sentence };
    err_t error = file_check(&options, &report);
    close(fd);
    if (error != ERROR_OK)
        return error_set(info, error, NULL, "%s cannot be checked: %s", path, error_text(error));
    bool needed = report.damaged_main;
    for (int t = 0; t < KV_TABLE_COUNT; t++)
        needed = needed || (report.damaged[t] && way_of((enum kv_table)t) != WAY_DERIVED);
    if (needed)
        return error_set(info, ERROR_STORE_CORRUPT, NULL,
                         "what a rebuild needs is damaged, too (%.120s); restore a backup", sentence);
    return ERROR_OK;
}

/* --- the journal --- */

static bool is_beyond(const struct rebuild *r, uint64_t last_sequence, int64_t reported_ns)
{
    return (r->options->to_sequence != 0 && last_sequence > r->options->to_sequence) ||
           reported_ns > r->options->to_reported_ns;
}

static err_t copy_segments(struct rebuild *r)
{
    struct kv_cursor *cursor;
    struct text key, value;
    err_t error = kv_cursor_open(r->txn, KV_JOURNAL, &cursor);
    if (error != ERROR_OK)
        return error;
    for (error = kv_cursor_next(cursor, &key, &value); error == ERROR_OK;
         error = kv_cursor_next(cursor, &key, &value)) {
        if (!kv_is_intact(KV_JOURNAL, key, value) || key.len != 8 || value.len < 13) {
            error = ERROR_STORE_CORRUPT;
            break;
        }
        uint64_t first = get_u64be((const uint8_t *)key.ptr);
        uint32_t count = get_u32be((const uint8_t *)value.ptr + 9);
        if (is_beyond(r, first + count - 1, (int64_t)get_u64be((const uint8_t *)value.ptr + 1))) {
            r->result->cut = true;
            break;
        }
        error = replay_segment(r->replay, key, value);
        if (error != ERROR_OK)
            break;
        r->result->last_sequence = first + count - 1;
    }
    kv_cursor_close(cursor);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

static err_t define(void *context, const struct journal_definition *definition)
{
    struct rebuild *r = context;
    return replay_define(r->replay, definition);
}

static unsigned parts_of(const struct rebuild *r, int64_t reported_ns)
{
    unsigned parts = REPLAY_CLAIM;
    if (coverage_has_hour(&r->coverage, (uint32_t)instant_hour(reported_ns)))
        parts |= REPLAY_HOURLY;
    if (coverage_has_day(&r->coverage, (uint32_t)instant_day(reported_ns)))
        parts |= REPLAY_DAILY;
    return parts;
}

static err_t add_record(struct rebuild *r, const struct journal_entry *entry)
{
    struct interpretation found;
    err_t error = interpret_record(r->arena, replay_txn(r->replay), r->hash_key, &entry->record, &found);
    r->result->records++;
    return error == ERROR_OK
               ? replay_record(r->replay, &found.record, &found.identity, found.content_hash, found.resource,
                               found.shares, found.share_count, parts_of(r, found.record.reported_ns))
               : error;
}

static err_t add_correction(struct rebuild *r, const struct journal_entry *entry)
{
    struct interpretation found;
    r->result->corrections++;
    err_t error = interpret_correction(r->arena, replay_txn(r->replay), r->txn, entry, &found);
    if (error == ERROR_NOT_FOUND) { /* its hour is taken as it was; coverage.c */
        struct store_state *state = replay_state(r->replay);
        state->corrections++;
        state->last_reported_ns = entry->reported_ns;
        return ERROR_OK;
    }
    return error == ERROR_OK ? replay_correction(r->replay, &found.record, found.resource, entry->sequence,
                                                 found.shares, found.share_count, parts_of(r, entry->reported_ns))
                             : error;
}

static err_t add_entry(struct rebuild *r, const struct journal_entry *entry)
{
    struct arena_mark mark = arena_mark(r->arena);
    err_t error = ERROR_OK;
    switch (entry->kind) {
    case JOURNAL_RECORD:
        error = add_record(r, entry);
        break;
    case JOURNAL_CORRECTION:
        error = add_correction(r, entry);
        break;
    case JOURNAL_SEAL:
        r->has_seal = true;
        error = replay_seal(r->replay, entry);
        break;
    case JOURNAL_NOTE:
        break;
    }
    arena_rewind(r->arena, mark);
    return error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : error;
}

static void tell_progress(const struct rebuild *r)
{
    if (r->options->progress != NULL && r->result->entries % PROGRESS_ENTRIES == 0)
        r->options->progress(r->options->context, r->result->entries,
                             r->result->last_sequence - r->result->first_sequence + 1);
}

static err_t add_entries(struct rebuild *r)
{
    struct journal_reader reader;
    struct journal_entry entry;
    err_t error = r->result->last_sequence == 0 ? ERROR_NOT_FOUND : journal_open(r->txn, 0, &reader);
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? ERROR_OK : error;
    reader.define = define;
    reader.context = r;
    while (error == ERROR_OK && r->result->entries < r->result->last_sequence - r->coverage.first_sequence + 1) {
        error = journal_next(&reader, &entry);
        if (error == ERROR_OK)
            error = add_entry(r, &entry);
        r->result->entries++;
        tell_progress(r);
    }
    journal_close(&reader);
    return error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : error;
}

/* --- what is taken as it was --- */

/* Reported hours after the point in time. */
static bool is_later(const struct rebuild *r, uint32_t hour)
{
    int64_t last_ns = replay_state(r->replay)->last_reported_ns;
    return r->result->cut && (last_ns == INT64_MIN || (int64_t)hour > instant_hour(last_ns));
}

/* Whether an entry is not to be carried over: it follows from the journal, or tells of what was cut off. */
static bool is_left_out(const struct rebuild *r, enum kv_table table, struct text key, struct text value)
{
    const uint8_t *k = (const uint8_t *)key.ptr;
    const uint8_t *hour = NULL;
    if (way_of(table) == WAY_RECENT)
        return r->result->cut;
    if (table == KV_META) /* of the new file itself */
        return text_equal(key, TEXT("state")) || text_equal(key, TEXT("run")) || text_equal(key, TEXT("rows_engine"));
    if (table == KV_HEADS) /* of another branch */
        return r->result->cut && key.len == 8 && get_u64be(k) > r->result->last_sequence;
    if (table == KV_DICTIONARY)
        return key.len == DICTIONARY_KEY_SIZE && value.len == 4 && k[0] < DICTIONARY_KIND_COUNT &&
               coverage_has_id(&r->coverage, (enum dictionary_kind)k[0], get_u32be((const uint8_t *)value.ptr));
    if (table == KV_DICTIONARY_TEXT)
        return key.len == DICTIONARY_TEXT_KEY_SIZE && k[0] < DICTIONARY_KIND_COUNT &&
               coverage_has_id(&r->coverage, (enum dictionary_kind)k[0], get_u32be(k + 1));
    if (table == KV_SPANS && key.len == SPAN_KEY_SIZE)
        hour = k;
    if (table == KV_USAGE_TIMES && key.len == USAGE_TIME_KEY_SIZE)
        hour = k + 4;
    return hour != NULL && (coverage_has_hour(&r->coverage, get_u32be(hour)) || is_later(r, get_u32be(hour)));
}

static err_t carry_table(struct rebuild *r, enum kv_table table)
{
    struct kv_cursor *cursor;
    struct text key, value;
    err_t error = kv_cursor_open(r->txn, table, &cursor);
    if (error != ERROR_OK)
        return error;
    for (error = kv_cursor_next(cursor, &key, &value); error == ERROR_OK;
         error = kv_cursor_next(cursor, &key, &value)) {
        if (!kv_is_intact(table, key, value))
            error = ERROR_STORE_CORRUPT;
        else if (!is_left_out(r, table, key, value))
            error = kv_put(replay_txn(r->replay), table, key, value);
        if (error != ERROR_OK)
            break;
    }
    kv_cursor_close(cursor);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

static bool is_given_row(const struct rebuild *r, enum row_family family, const uint8_t *key, const uint8_t *value)
{
    switch (family) {
    case ROWS_DEDUPE:
        return get_u64be(value + 8) < r->coverage.first_sequence;
    case ROWS_HOURLY:
        return !coverage_has_hour(&r->coverage, get_u32be(key)) && !is_later(r, get_u32be(key));
    case ROWS_DAILY:
    case ROWS_ROLLUP:
        return !coverage_has_day(&r->coverage, get_u32be(key)) && !is_later(r, get_u32be(key) * HOURS_PER_DAY);
    case ROWS_FAMILY_COUNT:
        break;
    }
    return false;
}

static err_t give_rows(struct rebuild *r, enum row_family family)
{
    static const uint8_t first[ROW_KEY_SIZE];
    struct rows_cursor *cursor;
    const uint8_t *key, *value;
    err_t error = r->rows->open(r->txn, family, first, false, &cursor);
    if (error != ERROR_OK)
        return error;
    while ((error = r->rows->next(cursor, &key, &value)) == ERROR_OK) {
        if (!is_given_row(r, family, key, value))
            continue;
        r->result->rows_given++;
        if ((error = replay_row(r->replay, family, key, value)) != ERROR_OK)
            break;
    }
    r->rows->close(cursor);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

/* Texts whose definitions are gone: before the journal, which refers to them. */
static err_t give_texts(struct rebuild *r)
{
    err_t error = carry_table(r, KV_DICTIONARY);
    return error == ERROR_OK ? carry_table(r, KV_DICTIONARY_TEXT) : error;
}

static err_t give_the_rest(struct rebuild *r)
{
    err_t carried = carry_table(r, KV_USAGE_TIMES);
    if (carried == ERROR_OK)
        carried = carry_table(r, KV_SPANS);
    if (carried != ERROR_OK)
        return carried;
    for (int f = 0; f < ROWS_FAMILY_COUNT; f++) {
        err_t error = give_rows(r, (enum row_family)f);
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

/* What entries do not tell: when sealing began, and in a store of which the beginning is gone how much there was. */
static void complete_state(struct rebuild *r)
{
    struct store_state *state = replay_state(r->replay);
    const struct store_state *old = &r->old_state;
    if (!r->has_seal)
        state->sealed_hour = r->result->cut ? -1 : old->sealed_hour;
    if (r->coverage.first_sequence > 1) {
        state->first_live_hour = old->first_live_hour;
        if (!r->result->cut) {
            state->records = old->records;
            state->corrections = old->corrections;
        }
    }
    if (!r->result->cut && old->last_reported_ns > state->last_reported_ns)
        state->last_reported_ns = old->last_reported_ns;
}

/* --- */

static err_t read_identity(struct rebuild *r, struct error_info *info)
{
    struct text value;
    uint32_t version = 0;
    err_t error = kv_get(r->txn, KV_META, TEXT("schema"), &value);
    if (error == ERROR_OK && value.len == 4)
        version = get_u32be((const uint8_t *)value.ptr);
    if (error != ERROR_OK || version != STORE_SCHEMA_VERSION)
        return error_set(info, version > STORE_SCHEMA_VERSION ? ERROR_STORE_NEWER : ERROR_STORE_CORRUPT, NULL,
                         "the store in %s is not of schema %d; %s", r->options->folder, STORE_SCHEMA_VERSION,
                         version > STORE_SCHEMA_VERSION ? "use the newer program" : "restore a backup");
    error = kv_get(r->txn, KV_META, TEXT("hash_key"), &value);
    if (error == ERROR_OK && value.len == sizeof r->hash_key)
        memcpy(r->hash_key, value.ptr, value.len);
    else
        error = ERROR_STORE_CORRUPT;
    if (error == ERROR_OK)
        error = store_read_state(r->txn, &r->old_state);
    if (error == ERROR_OK)
        error = kv_get(r->txn, KV_META, TEXT("rows_engine"), &value);
    if (error == ERROR_OK)
        r->rows = text_equal(value, text_of(rows_plain.name)) ? &rows_plain : &rows_runs;
    return error == ERROR_OK
               ? ERROR_OK
               : error_set(info, ERROR_STORE_CORRUPT, NULL, "the keys of the store are damaged; restore a backup");
}

static err_t carry_tables(struct rebuild *r)
{
    for (int t = 0; t < KV_TABLE_COUNT; t++) {
        enum way way = way_of((enum kv_table)t);
        err_t error = way == WAY_CARRIED || way == WAY_RECENT ? carry_table(r, (enum kv_table)t) : ERROR_OK;
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

static err_t fill(struct rebuild *r)
{
    bool whole = coverage_is_whole(&r->coverage);
    err_t error = copy_segments(r);
    if (error == ERROR_OK && !whole)
        error = give_texts(r);
    if (error == ERROR_OK)
        error = add_entries(r);
    if (error == ERROR_OK)
        error = carry_tables(r);
    if (error == ERROR_OK && !whole)
        error = give_the_rest(r);
    if (error == ERROR_OK)
        error = kv_put(replay_txn(r->replay), KV_META, TEXT("rows_engine"), text_of(replay_rows(r->replay)->name));
    if (error == ERROR_OK)
        complete_state(r);
    return error;
}

static err_t rebuild_open_file(struct rebuild *r, struct error_info *info)
{
    struct replay_options replay = { .folder = r->options->folder,
                                     .rows = r->options->rows,
                                     .map_size_bytes = r->options->map_size_bytes };
    err_t error = kv_read_begin(r->old, &r->txn);
    if (error != ERROR_OK)
        return error_set(info, error, NULL, NULL);
    error = read_identity(r, info);
    if (error != ERROR_OK)
        return error;
    if (replay.rows == NULL)
        replay.rows = r->rows;
    error = coverage_read(r->txn, &r->coverage);
    r->result->first_sequence = r->coverage.first_sequence;
    if (error == ERROR_OK)
        error = replay_open(&replay, &r->replay, info);
    else
        error_set(info, error, NULL, "the journal is damaged; restore a backup");
    if (error != ERROR_OK)
        return error;
    error = fill(r);
    if (error != ERROR_OK)
        return error_set(info, error, NULL, "%s",
                         error == ERROR_STORE_CORRUPT ? "the journal or a table that is carried over is damaged; "
                                                        "restore a backup"
                                                      : error_text(error));
    return replay_finish(r->replay, info);
}

static err_t rebuild_locked(struct rebuild *r, struct error_info *info)
{
    struct kv_options kv = { .folder = r->options->folder,
                             .map_size_bytes = r->options->map_size_bytes,
                             .read_only = true };
    err_t error = check_old_file(r->options->folder, info);
    if (error == ERROR_OK)
        error = kv_open(&kv, &r->old, info);
    if (error != ERROR_OK)
        return error;
    r->arena = arena_new(64 * 1024, 0);
    error = r->arena != NULL ? rebuild_open_file(r, info) : error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    replay_close(r->replay);
    if (r->txn != NULL)
        kv_read_end(r->txn);
    kv_close(r->old);
    coverage_free(&r->coverage);
    arena_free(r->arena);
    return error;
}

err_t rebuild_run(const struct rebuild_options *options, struct rebuild_result *result, struct error_info *info)
{
    struct rebuild rebuild = { .options = options, .result = result };
    char path[PATH_MAX];
    int lock_fd = -1;
    *result = (struct rebuild_result){ 0 };
    if (snprintf(path, sizeof path, "%s/" DATA_FILE_NAME, options->folder) >= PATH_MAX)
        return error_set(info, ERROR_IO, NULL, "the path of the data directory is too long");
    if (!file_exists(path))
        return error_set(info, ERROR_NOT_FOUND, NULL, "there is no store in %s; make one with 'stampmeter init'",
                         options->folder);
    (void)snprintf(path, sizeof path, "%s/lock", options->folder);
    err_t error = file_lock(path, &lock_fd, info);
    if (error == ERROR_STORE_IN_USE)
        return error_set(info, error, NULL, "%s is in use by a running server; stop it first", options->folder);
    if (error == ERROR_OK)
        error = rebuild_locked(&rebuild, info);
    if (lock_fd >= 0)
        close(lock_fd);
    return error;
}
