/* LMDB behind kv.h. Owns the environment, the table handles and a list of idle read transactions.
 * Invariants: full synchronous commits (no WRITEMAP, no NOSYNC); NOTLS, so that read transactions belong to
 * whoever holds them; every table is opened before the first reader exists; the map moves only while 'readers' is 0
 * and no write transaction is open. Each value is stored with a checksum over table, key and value behind it. */
#include "store/kv.h"

#include <errno.h>
#include <limits.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/checksum.h"
#include "base/encode.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/data_file.h"

#define MAP_SIZE_BYTES_MIN ((size_t)64 << 20)
#define CHECKSUM_SIZE 8
#define DISK_FULL_BYTES (UINT64_C(1) << 20)
#define NFS_MAGIC 0x6969
#define SMB_MAGIC 0x517B
#define CIFS_MAGIC 0xFF534D42
#define SMB2_MAGIC 0xFE534D42

#define NO_TABLE UINT_MAX
/* A growth waits this long for readers to end; a pressing one (the map is full) longer. Readers wait meanwhile. */
#define GROWTH_WAIT_MS 20
#define GROWTH_WAIT_MS_PRESSING 2000
/* Transactions between tries, so that a long reader does not hold up every commit. */
#define GROWTH_PAUSE_TRANSACTIONS 64

struct kv_txn {
    MDB_txn *mdb;
    struct kv *kv;
    struct kv_txn *next_idle;
    bool write;
};

struct kv_cursor {
    MDB_cursor *mdb; /* NULL: a table that is not there */
    const struct kv *kv;
    enum kv_table table;
    bool at_end; /* LMDB itself stays on the last entry after stepping over the end */
};

struct kv {
    MDB_env *env;
    MDB_dbi tables[KV_TABLE_COUNT];
    pthread_mutex_t idle_mutex;
    pthread_cond_t readers_changed;
    struct kv_txn *idle_readers;
    size_t readers;                            /* transactions begun and not ended */
    bool moving;                               /* the map is about to move: readers wait to begin */
    bool raw;                                  /* values without checksums */
    bool map_full;                             /* a write found no room in the map */
    size_t map_size_bytes, map_size_max_bytes; /* writer thread, once open */
    uint32_t growth_pause;                     /* transactions until the next try */
    struct kv_txn write_txn;
    bool writing;
    uint64_t fail_countdown; /* tests */
    err_t fail_error;
    char path[4096];
};

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
        code = mdb_dbi_open(txn, kv_table_name((enum kv_table)t), read_only ? 0 : MDB_CREATE, &kv->tables[t]);
        if (code == MDB_NOTFOUND && read_only) { /* of an older schema */
            kv->tables[t] = NO_TABLE;
            code = 0;
        }
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
    size_t size = options->map_size_bytes != 0 ? options->map_size_bytes : KV_MAP_SIZE_BYTES_DEFAULT;
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
        kv->map_size_bytes = size;
        size /= 2;
    } while (code == ENOMEM && size >= MAP_SIZE_BYTES_MIN);
    return code;
}

/* --- the file before LMDB touches it --- */

/* LMDB makes a file and then writes its first pages. Made elsewhere and renamed, a file that is there and empty can
 * only be one that was cut, never a new one. */
static int create_file(const char *folder)
{
    char fresh[PATH_MAX], from[PATH_MAX], to[PATH_MAX];
    MDB_env *env;
    if (snprintf(fresh, sizeof fresh, "%s/data.fresh", folder) >= PATH_MAX - 16)
        return ENAMETOOLONG;
    (void)snprintf(from, sizeof from, "%s/data.mdb", fresh);
    (void)snprintf(to, sizeof to, "%s/data.mdb", folder);
    (void)unlink(from);
    if (mkdir(fresh, 0700) != 0 && errno != EEXIST)
        return errno;
    int code = mdb_env_create(&env);
    if (code != 0)
        return code;
    code = mdb_env_open(env, fresh, MDB_NOLOCK, 0600);
    mdb_env_close(env);
    if (code != 0)
        return code;
    if (!file_sync(from) || rename(from, to) != 0 || !file_sync(folder))
        return errno;
    (void)rmdir(fresh);
    return 0;
}

/* Makes the file if it is absent. */
static err_t check_file(const struct kv_options *options, struct error_info *info)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/" DATA_FILE_NAME, options->folder) < PATH_MAX &&
        (options->read_only || file_exists(path)))
        return data_file_check(options->folder, info);
    if (snprintf(path, sizeof path, "%s/lock.mdb", options->folder) < PATH_MAX && file_exists(path))
        return error_set(info, ERROR_STORE_CORRUPT, NULL,
                         "the store in %s has lost its file data.mdb; restore a backup (or remove lock.mdb, too, to "
                         "begin anew)",
                         options->folder);
    int code = create_file(options->folder);
    return code == 0 ? ERROR_OK
                     : error_set(info, error_from_lmdb(code), NULL, "cannot make a store in %s: %s", options->folder,
                                 mdb_strerror(code));
}

static void init_locks(struct kv *kv)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&kv->idle_mutex, NULL);
    pthread_cond_init(&kv->readers_changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

err_t kv_open(const struct kv_options *options, struct kv **out, struct error_info *info)
{
    struct kv *kv = memory_zalloc(1, sizeof *kv);
    if (kv == NULL)
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    init_locks(kv);
    snprintf(kv->path, sizeof kv->path, "%s", options->folder);
    kv->raw = options->raw;
    kv->map_size_max_bytes = options->map_size_max_bytes != 0 ? options->map_size_max_bytes : KV_MAP_SIZE_BYTES_MAX;
    if (on_network_filesystem(options->folder)) {
        kv_close(kv);
        return error_set(info, ERROR_IO, NULL,
                         "%s is on a network file system, where the store's locks do not hold; use a local disk",
                         options->folder);
    }
    err_t refused = check_file(options, info);
    if (refused != ERROR_OK) {
        kv_close(kv);
        return refused;
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
    pthread_cond_destroy(&kv->readers_changed);
    pthread_mutex_destroy(&kv->idle_mutex);
    memory_free(kv);
}

static bool must_fail(struct kv *kv)
{
    return kv->fail_countdown != 0 && --kv->fail_countdown == 0;
}

/* --- growth of the map --- */

/* Whether that much address space is there to be had. LMDB gives up its old map before it asks for the new one. */
static bool address_space_is_free(size_t size)
{
    void *space = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return space != MAP_FAILED && munmap(space, size) == 0;
}

static struct timespec deadline_in(int64_t wait_ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += wait_ms / 1000;
    at.tv_nsec += wait_ms % 1000 * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

/* Nobody may look at the map while it moves: new readers are held off and those that read waited for. A thread that
 * begins a second read inside of a first one makes both wait; so the wait is bounded, and the next try comes later. */
static bool move_map(struct kv *kv, size_t size, int64_t wait_ms)
{
    struct timespec deadline = deadline_in(wait_ms);
    bool grown = false;
    pthread_mutex_lock(&kv->idle_mutex);
    kv->moving = true;
    while (kv->readers > 0 && pthread_cond_timedwait(&kv->readers_changed, &kv->idle_mutex, &deadline) == 0)
        continue;
    if (kv->readers == 0) {
        int code = mdb_env_set_mapsize(kv->env, size);
        grown = code == 0;
        if (!grown) /* the old map is gone */
            REQUIREF(mdb_env_set_mapsize(kv->env, kv->map_size_bytes) == 0, "cause=%s", mdb_strerror(code));
    }
    kv->moving = false;
    pthread_cond_broadcast(&kv->readers_changed);
    pthread_mutex_unlock(&kv->idle_mutex);
    return grown;
}

/* Writer thread, outside of a transaction: doubles the map if it is more than three quarters full. */
static void grow_if_needed(struct kv *kv)
{
    MDB_envinfo environment;
    MDB_stat stat;
    if (kv->growth_pause > 0 && !kv->map_full) {
        kv->growth_pause--;
        return;
    }
    if (kv->map_size_bytes >= kv->map_size_max_bytes || mdb_env_info(kv->env, &environment) != 0 ||
        mdb_env_stat(kv->env, &stat) != 0)
        return;
    size_t used = (environment.me_last_pgno + 1) * stat.ms_psize;
    if (!kv->map_full && used <= kv->map_size_bytes / 4 * 3)
        return;
    size_t size = kv->map_size_max_bytes / 2 < kv->map_size_bytes ? kv->map_size_max_bytes : 2 * kv->map_size_bytes;
    bool pressing = kv->map_full;
    kv->map_full = false;
    if (address_space_is_free(size) && move_map(kv, size, pressing ? GROWTH_WAIT_MS_PRESSING : GROWTH_WAIT_MS)) {
        kv->map_size_bytes = size;
        log_info("store", "the map grew", LOG_INT("map_size_bytes", (int64_t)size));
    } else {
        kv->growth_pause = GROWTH_PAUSE_TRANSACTIONS;
    }
}

bool kv_can_grow(const struct kv *kv)
{
    return kv->map_full && kv->map_size_bytes < kv->map_size_max_bytes;
}

/* Of a write: notes that the map, not the disk, was too small. */
static err_t write_failed(struct kv *kv, int code, const char *what)
{
    if (code == MDB_MAP_FULL)
        kv->map_full = true;
    return failed(code, what);
}

err_t kv_write_begin(struct kv *kv, struct kv_txn **out)
{
    REQUIRE(!kv->writing);
    grow_if_needed(kv);
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
    return code == 0 ? ERROR_OK : write_failed(txn->kv, code, "commit failed");
}

void kv_abort(struct kv_txn *txn)
{
    REQUIRE(txn->write);
    txn->kv->writing = false;
    mdb_txn_abort(txn->mdb);
}

/* From here until reader_gone the map stays where it is. */
static struct kv_txn *take_idle(struct kv *kv)
{
    pthread_mutex_lock(&kv->idle_mutex);
    while (kv->moving)
        pthread_cond_wait(&kv->readers_changed, &kv->idle_mutex);
    kv->readers++;
    struct kv_txn *txn = kv->idle_readers;
    if (txn != NULL)
        kv->idle_readers = txn->next_idle;
    pthread_mutex_unlock(&kv->idle_mutex);
    return txn;
}

/* 'idle': the transaction to keep, or NULL. */
static void reader_gone(struct kv *kv, struct kv_txn *idle)
{
    pthread_mutex_lock(&kv->idle_mutex);
    if (idle != NULL) {
        idle->next_idle = kv->idle_readers;
        kv->idle_readers = idle;
    }
    if (--kv->readers == 0 && kv->moving)
        pthread_cond_broadcast(&kv->readers_changed);
    pthread_mutex_unlock(&kv->idle_mutex);
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
        if ((txn = memory_zalloc(1, sizeof *txn)) == NULL) {
            reader_gone(kv, NULL);
            return ERROR_NO_MEMORY;
        }
        txn->kv = kv;
        code = mdb_txn_begin(kv->env, NULL, MDB_RDONLY, &txn->mdb);
    }
    if (code != 0) {
        memory_free(txn);
        reader_gone(kv, NULL);
        return failed(code, "read failed to begin");
    }
    *out = txn;
    return ERROR_OK;
}

void kv_read_end(struct kv_txn *txn)
{
    REQUIRE(!txn->write);
    mdb_txn_reset(txn->mdb);
    reader_gone(txn->kv, txn);
}

uint64_t kv_snapshot_id(struct kv_txn *txn)
{
    return mdb_txn_id(txn->mdb);
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

/* --- checksums --- */

/* With the table and the key, so that a value that is whole but belongs elsewhere is noticed, too. */
static uint64_t checksum_of(enum kv_table table, struct text key, struct text value)
{
    return checksum64(checksum64((uint64_t)table + 1, key.ptr, key.len), value.ptr, value.len);
}

bool kv_is_intact(enum kv_table table, struct text key, struct text value)
{
    return get_u64be((const uint8_t *)value.ptr + value.len) == checksum_of(table, key, value);
}

/* The value without its checksum. */
static err_t take_value(const struct kv *kv, enum kv_table table, struct text key, MDB_val stored, struct text *value)
{
    if (kv->raw) {
        *value = from_val(stored);
        return ERROR_OK;
    }
    if (stored.mv_size < CHECKSUM_SIZE)
        return ERROR_STORE_CORRUPT;
    *value = (struct text){ stored.mv_data, stored.mv_size - CHECKSUM_SIZE };
    return !kv_table_is_checked(table) || kv_is_intact(table, key, *value) ? ERROR_OK : ERROR_STORE_CORRUPT;
}

err_t kv_get(struct kv_txn *txn, enum kv_table table, struct text key, struct text *value)
{
    MDB_val k = to_val(key), v;
    if (txn->kv->tables[table] == NO_TABLE)
        return ERROR_NOT_FOUND;
    int code = mdb_get(txn->mdb, txn->kv->tables[table], &k, &v);
    if (code == MDB_NOTFOUND)
        return ERROR_NOT_FOUND;
    return code == 0 ? take_value(txn->kv, table, key, v, value) : failed(code, "get failed");
}

static err_t put(struct kv_txn *txn, enum kv_table table, struct text key, struct text value, unsigned flags)
{
    REQUIREF(txn->write && key.len > 0 && key.len <= KV_KEY_SIZE_MAX, "table=%s key size=%zu", kv_table_name(table),
             key.len);
    if (must_fail(txn->kv))
        return txn->kv->fail_error;
    MDB_val k = to_val(key), v = { value.len + CHECKSUM_SIZE, NULL };
    uint64_t checksum = checksum_of(table, key, value);
    int code = mdb_put(txn->mdb, txn->kv->tables[table], &k, &v, flags | MDB_RESERVE);
    if (code != 0)
        return write_failed(txn->kv, code, "put failed");
    if (value.len > 0)
        memcpy(v.mv_data, value.ptr, value.len);
    put_u64be((uint8_t *)v.mv_data + value.len, checksum);
    return ERROR_OK;
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
    return code == 0 ? ERROR_OK : write_failed(txn->kv, code, "delete failed");
}

err_t kv_cursor_open(struct kv_txn *txn, enum kv_table table, struct kv_cursor **out)
{
    struct kv_cursor *cursor = memory_zalloc(1, sizeof *cursor);
    if (cursor == NULL)
        return ERROR_NO_MEMORY;
    int code = 0;
    if (txn->kv->tables[table] != NO_TABLE)
        code = mdb_cursor_open(txn->mdb, txn->kv->tables[table], &cursor->mdb);
    if (code != 0) {
        memory_free(cursor);
        return failed(code, "cursor failed to open");
    }
    cursor->kv = txn->kv;
    cursor->table = table;
    *out = cursor;
    return ERROR_OK;
}

void kv_cursor_close(struct kv_cursor *cursor)
{
    if (cursor == NULL)
        return;
    if (cursor->mdb != NULL)
        mdb_cursor_close(cursor->mdb);
    memory_free(cursor);
}

static err_t move(struct kv_cursor *cursor, MDB_cursor_op operation, struct text start, struct text *key,
                  struct text *value)
{
    MDB_val k = to_val(start), v;
    if (cursor->mdb == NULL)
        return ERROR_NOT_FOUND;
    int code = mdb_cursor_get(cursor->mdb, &k, &v, operation);
    cursor->at_end = code == MDB_NOTFOUND && operation != MDB_PREV;
    if (code == MDB_NOTFOUND)
        return ERROR_NOT_FOUND;
    if (code != 0)
        return failed(code, "cursor failed to move");
    *key = from_val(k);
    return take_value(cursor->kv, cursor->table, *key, v, value);
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

err_t kv_check(struct kv_txn *txn, enum kv_table table, uint64_t *entries, uint64_t *damaged)
{
    struct kv_cursor *cursor;
    *entries = *damaged = 0;
    err_t error = kv_cursor_open(txn, table, &cursor);
    if (error != ERROR_OK)
        return error;
    MDB_val k, v;
    int code;
    while ((code = mdb_cursor_get(cursor->mdb, &k, &v, MDB_NEXT)) == 0) {
        struct text value = { v.mv_data, v.mv_size - CHECKSUM_SIZE };
        ++*entries;
        *damaged += v.mv_size < CHECKSUM_SIZE || !kv_is_intact(table, from_val(k), value);
    }
    kv_cursor_close(cursor);
    return code == MDB_NOTFOUND ? ERROR_OK : failed(code, "check failed");
}

err_t kv_count(struct kv_txn *txn, enum kv_table table, uint64_t *count)
{
    MDB_stat stat;
    int code = mdb_stat(txn->mdb, txn->kv->tables[table], &stat);
    *count = code == 0 ? stat.ms_entries : 0;
    return code == 0 ? ERROR_OK : failed(code, "statistics failed");
}

err_t kv_size(struct kv_txn *txn, enum kv_table table, uint64_t *size_bytes)
{
    MDB_stat stat = { 0 };
    int code = mdb_stat(txn->mdb, txn->kv->tables[table], &stat);
    *size_bytes = (uint64_t)(stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages) * stat.ms_psize;
    return code == 0 ? ERROR_OK : failed(code, "statistics failed");
}

static err_t read_stats(struct kv *kv, struct kv_txn *txn, struct kv_stats *out)
{
    MDB_envinfo environment;
    MDB_stat stat;
    int code = mdb_env_info(kv->env, &environment);
    if (code == 0)
        code = mdb_env_stat(kv->env, &stat);
    if (code != 0)
        return failed(code, "statistics failed");
    out->map_size_bytes = environment.me_mapsize;
    out->used_size_bytes = ((uint64_t)environment.me_last_pgno + 1) * stat.ms_psize;
    for (int t = 0; t < KV_TABLE_COUNT && code == 0; t++) {
        if (kv->tables[t] == NO_TABLE)
            continue;
        code = mdb_stat(txn->mdb, kv->tables[t], &stat);
        out->entries[t] = code == 0 ? stat.ms_entries : 0;
    }
    return code == 0 ? ERROR_OK : failed(code, "statistics failed");
}

err_t kv_stats(struct kv *kv, struct kv_stats *out)
{
    char path[sizeof kv->path + 16];
    struct stat file;
    struct kv_txn *txn;
    *out = (struct kv_stats){ 0 };
    snprintf(path, sizeof path, "%s/data.mdb", kv->path);
    if (lstat(path, &file) == 0)
        out->file_size_bytes = (uint64_t)file.st_size;
    err_t error = kv_read_begin(kv, &txn); /* the map stays where it is */
    if (error != ERROR_OK)
        return error;
    error = read_stats(kv, txn, out);
    kv_read_end(txn);
    return error;
}

/* Lists of free pages: each a count, then as many numbers; LMDB gives that table the first handle. */
static int count_free_pages(struct kv_txn *txn, uint64_t *count)
{
    MDB_cursor *cursor;
    MDB_val k, v;
    int code = mdb_cursor_open(txn->mdb, 0, &cursor);
    if (code != 0)
        return code;
    while ((code = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0) {
        uint64_t pages = 0;
        if (v.mv_size >= sizeof pages)
            memcpy(&pages, v.mv_data, sizeof pages);
        *count += pages;
    }
    mdb_cursor_close(cursor);
    return code == MDB_NOTFOUND ? 0 : code;
}

err_t kv_space(struct kv *kv, struct kv_txn *txn, struct kv_space *out)
{
    MDB_stat stat;
    *out = (struct kv_space){ .map_size_max_bytes = kv->map_size_max_bytes };
    int code = count_free_pages(txn, &out->free_pages);
    for (int t = 0; t < KV_TABLE_COUNT && code == 0; t++) {
        if (kv->tables[t] == NO_TABLE)
            continue;
        code = mdb_stat(txn->mdb, kv->tables[t], &stat);
        out->pages[t] = code == 0 ? stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages : 0;
        out->page_size_bytes = stat.ms_psize;
    }
    return code == 0 ? ERROR_OK : failed(code, "statistics failed");
}

err_t kv_copy(struct kv *kv, const char *folder)
{
    struct kv_txn *pin;
    err_t error = kv_read_begin(kv, &pin);
    if (error != ERROR_OK)
        return error;
    int code = mdb_env_copy2(kv->env, folder, MDB_CP_COMPACT);
    kv_read_end(pin);
    return code == 0 ? ERROR_OK : failed(code, "copy failed");
}

void kv_fail_write(struct kv *kv, uint64_t nth, err_t error)
{
    kv->fail_countdown = nth;
    kv->fail_error = error;
}
