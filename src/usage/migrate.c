/* Schema 1: each record is interned, journaled and counted again, as if it had been posted at its old reported time.
 * Schema 2 only lacks tables, which opening the file makes. */
#include "usage/migrate.h"

#include <string.h>

#include "base/arena.h"
#include "base/crypto.h"
#include "base/encode.h"
#include "base/log.h"
#include "base/signature.h"
#include "store/replay.h"
#include "store/schema1.h"
#include "store/store.h"
#include "usage/interpret.h"
#include "usage/record.h"
#include "usage/record_view.h"

#define PROGRESS_RECORDS (UINT64_C(1) << 20)

struct migration {
    struct schema1 old;
    struct replay *replay;
    struct arena *arena;
    uint64_t records;
    int64_t commit_ns;
    bool has_commit;
};

static err_t intern_texts(struct migration *m, const struct record_view *view, struct journal_record *record)
{
    struct text guid = { (const char *)view->subscription.bytes, sizeof view->subscription.bytes };
    struct text meter_key = meter_fold(m->arena, view->meter_id);
    struct text resource_key = resource_fold(m->arena, view->instance.resource_uri);
    uint8_t *encoded = arena_alloc(m->arena, INSTANCE_SIZE_MAX);
    struct instance instance = view->instance;
    if (meter_key.ptr == NULL || resource_key.ptr == NULL || encoded == NULL)
        return ERROR_NO_MEMORY;
    err_t error = replay_intern(m->replay, DICTIONARY_PRODUCER, view->producer, view->producer, &record->producer);
    if (error == ERROR_OK)
        error = replay_intern(m->replay, DICTIONARY_SUBSCRIPTION, guid, guid, &record->subscription);
    if (error == ERROR_OK)
        error = replay_intern(m->replay, DICTIONARY_METER, meter_key, view->meter_id, &record->meter);
    if (error == ERROR_OK)
        error = replay_intern(m->replay, DICTIONARY_SOURCE, view->source, view->source, &instance.source);
    if (error == ERROR_OK)
        error = replay_intern(m->replay, DICTIONARY_RESOURCE, resource_key, view->instance.resource_uri,
                              &instance.resource);
    if (error != ERROR_OK)
        return error;
    record->source = instance.source;
    struct text text = { (const char *)encoded, instance_encode(&instance, encoded) };
    return replay_intern(m->replay, DICTIONARY_INSTANCE, text, text, &record->instance);
}

static err_t add_record(struct migration *m, struct journal_record *record)
{
    struct record_view view;
    struct interpretation found;
    uint64_t sequence = record->sequence;
    err_t error = record_view_read(m->old.txn, record, &view);
    if (error == ERROR_OK)
        error = intern_texts(m, &view, record);
    if (error != ERROR_OK)
        return error;
    struct journal_entry entry = { .kind = JOURNAL_RECORD, .record = *record };
    error = replay_entry(m->replay, &entry);
    if (error == ERROR_OK && entry.sequence != sequence)
        error = ERROR_STORE_CORRUPT;
    if (error == ERROR_OK)
        error = interpret_record(m->arena, replay_txn(m->replay), m->old.hash_key, record, &found);
    return error == ERROR_OK ? replay_record(m->replay, record, &found.identity, found.content_hash, found.resource,
                                             found.shares, found.share_count, REPLAY_ALL)
                             : error;
}

static err_t add_records(struct migration *m)
{
    struct journal_record record;
    err_t error;
    while ((error = schema1_next(&m->old, &record)) == ERROR_OK) {
        struct arena_mark mark = arena_mark(m->arena);
        if (!m->has_commit || m->commit_ns != m->old.reported_ns)
            error = replay_begin_commit(m->replay, m->old.reported_ns);
        m->has_commit = true;
        m->commit_ns = m->old.reported_ns;
        if (error == ERROR_OK)
            error = add_record(m, &record);
        arena_rewind(m->arena, mark);
        if (error != ERROR_OK)
            return error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : error;
        if (++m->records % PROGRESS_RECORDS == 0)
            log_warning("store", "migrating", LOG_INT("records", (int64_t)m->records),
                        LOG_INT("of", (int64_t)m->old.last_sequence));
    }
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

static err_t carry_table(struct migration *m, enum kv_table table)
{
    struct kv_cursor *cursor;
    struct text key, value;
    err_t error = kv_cursor_open(m->old.txn, table, &cursor);
    if (error != ERROR_OK)
        return error;
    while ((error = kv_cursor_next(cursor, &key, &value)) == ERROR_OK)
        if ((error = kv_put(replay_txn(m->replay), table, key, value)) != ERROR_OK)
            break;
    kv_cursor_close(cursor);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

static err_t put_meta(struct migration *m)
{
    struct kv_txn *txn = replay_txn(m->replay);
    struct signature_key key;
    uint8_t version[4];
    put_u32be(version, STORE_SCHEMA_VERSION);
    err_t error = signature_key_new(&key);
    if (error == ERROR_OK)
        error = kv_put(txn, KV_META, TEXT("schema"), BYTES(version));
    if (error == ERROR_OK)
        error = kv_put(txn, KV_META, TEXT("hash_key"), BYTES(m->old.hash_key));
    if (error == ERROR_OK)
        error = kv_put(txn, KV_META, TEXT("signature_key"), BYTES(key.private_key));
    if (error == ERROR_OK)
        error = kv_put(txn, KV_META, TEXT("rows_engine"), text_of(replay_rows(m->replay)->name));
    secret_wipe(&key, sizeof key);
    return error;
}

static err_t transcribe(struct migration *m)
{
    static const enum kv_table carried[] = { KV_SUBSCRIPTIONS, KV_TOKENS, KV_USERS, KV_SETTINGS };
    err_t error = replay_set_hash_key(m->replay, m->old.hash_key);
    if (error == ERROR_OK)
        error = put_meta(m);
    for (size_t i = 0; i < COUNT_OF(carried) && error == ERROR_OK; i++)
        error = carry_table(m, carried[i]);
    if (error == ERROR_OK)
        error = add_records(m);
    if (error == ERROR_OK && m->records != m->old.last_sequence)
        error = ERROR_STORE_CORRUPT;
    struct store_state *state = replay_state(m->replay);
    state->last_reported_ns = m->old.last_reported_ns;
    state->first_live_hour = m->old.first_live_hour;
    return error;
}

static err_t migrate_from_1(struct migration *m, const char *folder, struct error_info *info)
{
    struct replay_options options = { .folder = folder };
    err_t error = schema1_open(folder, &m->old, info);
    if (error == ERROR_OK)
        error = replay_open(&options, &m->replay, info);
    if (error != ERROR_OK)
        return error;
    log_warning("store", "migrating the store; the old file stays as data.mdb.before-rebuild",
                LOG_INT("records", (int64_t)m->old.last_sequence));
    error = transcribe(m);
    if (error != ERROR_OK)
        return error_set(info, error, NULL, "the store in %s cannot be migrated to schema %d: %s", folder,
                         STORE_SCHEMA_VERSION, error_text(error));
    schema1_close(&m->old);
    return replay_finish(m->replay, info);
}

static err_t write_version(struct kv *kv)
{
    struct kv_txn *txn;
    uint8_t version[4];
    put_u32be(version, STORE_SCHEMA_VERSION);
    err_t error = kv_write_begin(kv, &txn);
    if (error != ERROR_OK)
        return error;
    error = kv_put(txn, KV_META, TEXT("schema"), BYTES(version));
    if (error == ERROR_OK)
        return kv_commit(txn);
    kv_abort(txn);
    return error;
}

static err_t migrate_from_2(const char *folder, struct error_info *info)
{
    struct kv *kv;
    struct kv_options options = { .folder = folder };
    err_t error = kv_open(&options, &kv, info);
    if (error != ERROR_OK)
        return error;
    error = write_version(kv);
    kv_close(kv);
    return error == ERROR_OK ? ERROR_OK
                             : error_set(info, error, NULL, "the store in %s cannot be migrated to schema %d: %s",
                                         folder, STORE_SCHEMA_VERSION, error_text(error));
}

err_t migrate_store(const char *folder, uint32_t schema, struct error_info *info)
{
    if (schema == 2)
        return migrate_from_2(folder, info);
    struct migration migration = { .arena = arena_new(256 * 1024, 0) };
    if (migration.arena == NULL)
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    err_t error = schema == 1 ? migrate_from_1(&migration, folder, info)
                              : error_set(info, ERROR_STORE_CORRUPT, NULL,
                                          "the store in %s has schema %u, which never "
                                          "was; restore a backup",
                                          folder, schema);
    replay_close(migration.replay);
    schema1_close(&migration.old);
    arena_free(migration.arena);
    return error;
}
