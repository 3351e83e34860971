/* LMDB behind kv.h. Owns the environment, the table handles and a list of idle read transactions.
 * Invariants: full synchronous commits (no WRITEMAP, no NOSYNC); NOTLS, so that read transactions belong to
 * whoever holds them; every table is opened before the first reader exists. */
#include "store/kv.h"

#include <errno.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"

#define MAP_SIZE_BYTES_MIN ((size_t)64 << 20)
#define DISK_FULL_BYTES (UINT64_C(1) << 20)
#define NFS_MAGIC 0x6969
#define SMB_MAGIC 0x517B
#define CIFS_MAGIC 0xFF534D42
#define SMB2_MAGIC 0xFE534D42

struct kv_txn {
    MDB_txn *mdb;
    struct kv *kv;
    struct kv_txn *next_idle;
    bool write;
};

struct kv_cursor {
    MDB_cursor *mdb;
    bool at_end; /* LMDB itself stays on the last entry after stepping over the end */
};

struct kv {
    MDB_env *env;
    MDB_dbi tables[KV_TABLE_COUNT];
    pthread_mutex_t idle_mutex;
    struct kv_txn *idle_readers;
    struct kv_txn write_txn;
    bool writing;
    uint64_t fail_countdown; /* tests */
    err_t fail_error;
    char path[4096];
};

static const char *const table_names[KV_TABLE_COUNT] = {
    [KV_META] = "meta",
    [KV_JOURNAL] = "journal",
    [KV_DEDUPE] = "dedupe",
    [KV_HOURLY] = "hourly",
    [KV_DAILY] = "daily",
    [KV_DICTIONARY] = "dictionary",
    [KV_DICTIONARY_TEXT] = "dictionary_text",
    [KV_SUBSCRIPTIONS] = "subscriptions",
    [KV_TOKENS] = "tokens",
    [KV_USERS] = "users",
    [KV_SETTINGS] = "settings",
};

const char *kv_table_name(enum kv_table table)
{
    return table_names[table];
}

static err_t error_from_lmdb(int code)
{
    switch (code) {
    case MDB_SUCCESS:
        return ERROR_OK;
    case MDB_NOTFOUND:
        return ERROR_NOT_FOUND;
    case MDB_KEYEXIST:
        return ERROR_EXISTS;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return ERROR_INSUFFICIENT_STORAGE;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_PANIC:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
        return ERROR_STORE_CORRUPT;
    case ENOMEM:
        return ERROR_NO_MEMORY;
    case MDB_READERS_FULL:
        return ERROR_SERVICE_UNAVAILABLE;
    default:
        return ERROR_IO;
    }
}

static err_t failed(int code, const char *what)
{
    err_t error = error_from_lmdb(code);
    log_error("store", what, LOG_CSTR("cause", mdb_strerror(code)), LOG_INT("code", code));
    return error;
}

static bool on_network_filesystem(const char *folder)
{
    struct statfs fs;
    if (statfs(folder, &fs) != 0)
        return false;
    unsigned long type = (unsigned long)fs.f_type & 0xFFFFFFFFul;
    return type == NFS_MAGIC || type == SMB_MAGIC || type == CIFS_MAGIC || type == SMB2_MAGIC;
}

/* LMDB says EIO of a write that was cut short, which is what fills a disk up. */
static bool on_full_disk(const char *folder)
{
    struct statfs fs;
    return statfs(folder, &fs) == 0 && (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize < DISK_FULL_BYTES;
}

static int open_tables(struct kv *kv, bool read_only)
{
    MDB_txn *txn;
    int code = mdb_txn_begin(kv->env, NULL, read_only ? MDB_RDONLY : 0, &txn);
    if (code != 0)
        return code;
    for (int t = 0; t < KV_TABLE_COUNT; t++) {
        code = mdb_dbi_open(txn, table_names[t], read_only ? 0 : MDB_CREATE, &kv->tables[t]);
        if (code != 0) {
            mdb_txn_abort(txn);
            return code;
        }
    }
    return mdb_txn_commit(txn);
}

/* Address space may be short (container limits, sanitizers): halve until the mapping succeeds. */
static int open_environment(struct kv *kv, const struct kv_options *options)
{
    unsigned flags = MDB_NOTLS | MDB_NORDAHEAD | (options->read_only ? MDB_RDONLY : 0);
    int code;
    size_t size = options->map_size_bytes;
    do {
        if ((code = mdb_env_create(&kv->env)) != 0)
            return code;
        if ((code = mdb_env_set_mapsize(kv->env, size)) == 0 &&
            (code = mdb_env_set_maxdbs(kv->env, KV_TABLE_COUNT)) == 0 &&
            (code = mdb_env_set_maxreaders(kv->env, KV_READERS_MAX)) == 0)
            code = mdb_env_open(kv->env, kv->path, flags, 0600);
        if (code != 0) {
            mdb_env_close(kv->env);
            kv->env = NULL;
        }
        size /= 2;
    } while (code == ENOMEM && size >= MAP_SIZE_BYTES_MIN);
    return code;
}

err_t kv_open(const struct kv_options *options, struct kv **out, struct error_info *info)
{
    struct kv *kv = memory_zalloc(1, sizeof *kv);
    if (kv == NULL)
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    pthread_mutex_init(&kv->idle_mutex, NULL);
    snprintf(kv->path, sizeof kv->path, "%s", options->folder);
    if (on_network_filesystem(options->folder)) {
        kv_close(kv);
        return error_set(info, ERROR_IO, NULL,
                         "%s is on a network file system, where the store's locks do not hold; use a local disk",
                         options->folder);
    }
    int code = open_environment(kv, options);
    int dead = 0;
    if (code == 0)
        code = mdb_reader_check(kv->env, &dead);
    if (code == 0)
        code = open_tables(kv, options->read_only);
    if (code != 0) {
        err_t error = error_from_lmdb(code);
        error_set(info, error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : error, NULL, "cannot open the store in %s: %s",
                  options->folder, mdb_strerror(code));
        kv_close(kv);
        return info != NULL ? info->code : error;
    }
    *out = kv;
    return ERROR_OK;
}

void kv_close(struct kv *kv)
{
    if (kv == NULL)
        return;
    REQUIRE(!kv->writing);
    while (kv->idle_readers != NULL) {
        struct kv_txn *txn = kv->idle_readers;
        kv->idle_readers = txn->next_idle;
        mdb_txn_abort(txn->mdb);
        memory_free(txn);
    }
    if (kv->env != NULL)
        mdb_env_close(kv->env);
    pthread_mutex_destroy(&kv->idle_mutex);
    memory_free(kv);
}

static bool must_fail(struct kv *kv)
{
    return kv->fail_countdown != 0 && --kv->fail_countdown == 0;
}

err_t kv_write_begin(struct kv *kv, struct kv_txn **out)
{
    REQUIRE(!kv->writing);
    int code = mdb_txn_begin(kv->env, NULL, 0, &kv->write_txn.mdb);
    if (code != 0)
        return failed(code, "begin failed");
    kv->write_txn.kv = kv;
    kv->write_txn.write = true;
    kv->writing = true;
    *out = &kv->write_txn;
    return ERROR_OK;
}

err_t kv_commit(struct kv_txn *txn)
{
    REQUIRE(txn->write);
    if (must_fail(txn->kv)) {
        kv_abort(txn);
        return txn->kv->fail_error;
    }
    txn->kv->writing = false;
    int code = mdb_txn_commit(txn->mdb);
    if (code == EIO && on_full_disk(txn->kv->path))
        code = ENOSPC;
    return code == 0 ? ERROR_OK : failed(code, "commit failed");
}

void kv_abort(struct kv_txn *txn)
{
    REQUIRE(txn->write);
    txn->kv->writing = false;
    mdb_txn_abort(txn->mdb);
}

static struct kv_txn *take_idle(struct kv *kv)
{
    pthread_mutex_lock(&kv->idle_mutex);
    struct kv_txn *txn = kv->idle_readers;
    if (txn != NULL)
        kv->idle_readers = txn->next_idle;
    pthread_mutex_unlock(&kv->idle_mutex);
    return txn;
}

err_t kv_read_begin(struct kv *kv, struct kv_txn **out)
{
    struct kv_txn *txn = take_idle(kv);
    int code;
    if (txn != NULL) {
        code = mdb_txn_renew(txn->mdb);
        if (code != 0)
            mdb_txn_abort(txn->mdb);
    } else {
        if ((txn = memory_zalloc(1, sizeof *txn)) == NULL)
            return ERROR_NO_MEMORY;
        txn->kv = kv;
        code = mdb_txn_begin(kv->env, NULL, MDB_RDONLY, &txn->mdb);
    }
    if (code != 0) {
        memory_free(txn);
        return failed(code, "read failed to begin");
    }
    *out = txn;
    return ERROR_OK;
}

void kv_read_end(struct kv_txn *txn)
{
    REQUIRE(!txn->write);
    mdb_txn_reset(txn->mdb);
    pthread_mutex_lock(&txn->kv->idle_mutex);
    txn->next_idle = txn->kv->idle_readers;
    txn->kv->idle_readers = txn;
    pthread_mutex_unlock(&txn->kv->idle_mutex);
}

static MDB_val to_val(struct text t)
{
    /* LMDB takes no const but never writes through keys and values it is given. */
    union {
        const char *in;
        void *out;
    } cast = { .in = t.ptr };
    return (MDB_val){ t.len, cast.out };
}

static struct text from_val(MDB_val v)
{
    return (struct text){ v.mv_data, v.mv_size };
}

err_t kv_get(struct kv_txn *txn, enum kv_table table, struct text key, struct text *value)
{
    MDB_val k = to_val(key), v;
    int code = mdb_get(txn->mdb, txn->kv->tables[table], &k, &v);
    if (code == MDB_NOTFOUND)
        return ERROR_NOT_FOUND;
    if (code != 0)
        return failed(code, "get failed");
    *value = from_val(v);
    return ERROR_OK;
}

static err_t put(struct kv_txn *txn, enum kv_table table, struct text key, struct text value, unsigned flags)
{
    REQUIREF(txn->write && key.len > 0 && key.len <= KV_KEY_SIZE_MAX, "table=%s key size=%zu", table_names[table],
             key.len);
    if (must_fail(txn->kv))
        return txn->kv->fail_error;
    MDB_val k = to_val(key), v = to_val(value);
    int code = mdb_put(txn->mdb, txn->kv->tables[table], &k, &v, flags);
    return code == 0 ? ERROR_OK : failed(code, "put failed");
}

err_t kv_put(struct kv_txn *txn, enum kv_table table, struct text key, struct text value)
{
    return put(txn, table, key, value, 0);
}

err_t kv_append(struct kv_txn *txn, enum kv_table table, struct text key, struct text value)
{
    return put(txn, table, key, value, MDB_APPEND);
}

err_t kv_delete(struct kv_txn *txn, enum kv_table table, struct text key)
{
    REQUIRE(txn->write);
    if (must_fail(txn->kv))
        return txn->kv->fail_error;
    MDB_val k = to_val(key);
    int code = mdb_del(txn->mdb, txn->kv->tables[table], &k, NULL);
    if (code == MDB_NOTFOUND)
        return ERROR_NOT_FOUND;
    return code == 0 ? ERROR_OK : failed(code, "delete failed");
}

err_t kv_cursor_open(struct kv_txn *txn, enum kv_table table, struct kv_cursor **out)
{
    struct kv_cursor *cursor = memory_zalloc(1, sizeof *cursor);
    if (cursor == NULL)
        return ERROR_NO_MEMORY;
    int code = mdb_cursor_open(txn->mdb, txn->kv->tables[table], &cursor->mdb);
    if (code != 0) {
        memory_free(cursor);
        return failed(code, "cursor failed to open");
    }
    *out = cursor;
    return ERROR_OK;
}

void kv_cursor_close(struct kv_cursor *cursor)
{
    if (cursor == NULL)
        return;
    mdb_cursor_close(cursor->mdb);
    memory_free(cursor);
}

static err_t move(struct kv_cursor *cursor, MDB_cursor_op operation, struct text start, struct text *key,
                  struct text *value)
{
    MDB_val k = to_val(start), v;
    int code = mdb_cursor_get(cursor->mdb, &k, &v, operation);
    cursor->at_end = code == MDB_NOTFOUND && operation != MDB_PREV;
    if (code == MDB_NOTFOUND)
        return ERROR_NOT_FOUND;
    if (code != 0)
        return failed(code, "cursor failed to move");
    *key = from_val(k);
    *value = from_val(v);
    return ERROR_OK;
}

err_t kv_cursor_seek(struct kv_cursor *cursor, struct text key, struct text *found_key, struct text *value)
{
    return move(cursor, MDB_SET_RANGE, key, found_key, value);
}

err_t kv_cursor_next(struct kv_cursor *cursor, struct text *key, struct text *value)
{
    return cursor->at_end ? ERROR_NOT_FOUND : move(cursor, MDB_NEXT, TEXT_NONE, key, value);
}

err_t kv_cursor_previous(struct kv_cursor *cursor, struct text *key, struct text *value)
{
    return move(cursor, cursor->at_end ? MDB_LAST : MDB_PREV, TEXT_NONE, key, value);
}

err_t kv_cursor_last(struct kv_cursor *cursor, struct text *key, struct text *value)
{
    return move(cursor, MDB_LAST, TEXT_NONE, key, value);
}

err_t kv_stats(struct kv *kv, struct kv_stats *out)
{
    *out = (struct kv_stats){ 0 };
    MDB_envinfo environment;
    MDB_stat stat;
    int code = mdb_env_info(kv->env, &environment);
    if (code == 0)
        code = mdb_env_stat(kv->env, &stat);
    if (code != 0)
        return failed(code, "statistics failed");
    char path[sizeof kv->path + 16];
    snprintf(path, sizeof path, "%s/data.mdb", kv->path);
    struct stat file;
    if (lstat(path, &file) == 0)
        out->file_size_bytes = (uint64_t)file.st_size;
    out->map_size_bytes = environment.me_mapsize;
    out->used_size_bytes = ((uint64_t)environment.me_last_pgno + 1) * stat.ms_psize;
    struct kv_txn *txn;
    err_t error = kv_read_begin(kv, &txn);
    if (error != ERROR_OK)
        return error;
    for (int t = 0; t < KV_TABLE_COUNT && code == 0; t++) {
        code = mdb_stat(txn->mdb, kv->tables[t], &stat);
        out->entries[t] = code == 0 ? stat.ms_entries : 0;
    }
    kv_read_end(txn);
    return code == 0 ? ERROR_OK : failed(code, "statistics failed");
}

void kv_fail_write(struct kv *kv, uint64_t nth, err_t error)
{
    kv->fail_countdown = nth;
    kv->fail_error = error;
}
