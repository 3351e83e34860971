/* See backup.h. The data file is copied by LMDB from a snapshot; what lies beside it is small and copied as it is. */
#include "store/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/encode.h"
#include "base/files.h"
#include "base/instant.h"
#include "base/json.h"
#include "base/memory.h"
#include "store/data_file.h"
#include "store/store.h"

#define COPY_SIZE ((size_t)256 * 1024)
#define MANIFEST_SIZE_MAX ((size_t)64 * 1024)
#define MAP_SIZE_BYTES ((size_t)64 << 30)

/* What a data directory holds beside the data file, where it is there. */
static const char *const companions[] = { "tls/certificate.pem", "tls/key.pem", "operator.token" };

static err_t path_of(char out[PATH_MAX], const char *folder, const char *name, struct error_info *info)
{
    int length = snprintf(out, PATH_MAX, "%s/%s", folder, name);
    return length > 0 && length < PATH_MAX ? ERROR_OK : error_set(info, ERROR_IO, NULL, "a path is too long");
}

static err_t failed(const char *verb, const char *path, struct error_info *info)
{
    int cause = errno;
    return error_set(info,
                     cause == ENOSPC || cause == EDQUOT ? ERROR_INSUFFICIENT_STORAGE
                     : cause == ENOENT                  ? ERROR_NOT_FOUND
                                                        : ERROR_IO,
                     NULL, "%s %s: %s", verb, path, strerror(cause));
}

static err_t require_empty(const char *target, struct error_info *info)
{
    DIR *folder = opendir(target);
    if (folder == NULL)
        return errno == ENOENT ? folder_create(target, info) : failed("open", target, info);
    bool empty = true;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        empty = empty && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
    closedir(folder);
    return empty ? ERROR_OK
                 : error_set(info, ERROR_EXISTS, NULL, "%s is not empty; name a folder that is, or a new one", target);
}

/* --- files --- */

/* Reads a file through: to 'out_fd' if that is not negative, and into the hash. */
static err_t stream(int fd, int out_fd, const char *path, struct sha256 *hash, uint64_t *size, struct error_info *info)
{
    uint8_t *block = memory_alloc(COPY_SIZE);
    err_t error = block != NULL ? ERROR_OK : error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    *size = 0;
    while (error == ERROR_OK) {
        ssize_t got = read(fd, block, COPY_SIZE);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            error = failed("read", path, info);
        if (got <= 0)
            break;
        sha256_update(hash, block, (size_t)got);
        *size += (uint64_t)got;
        for (ssize_t done = 0; out_fd >= 0 && done < got;) {
            ssize_t written = write(out_fd, block + done, (size_t)(got - done));
            if (written < 0 && errno != EINTR) {
                error = failed("copy", path, info);
                break;
            }
            done += written > 0 ? written : 0;
        }
    }
    memory_free(block);
    return error;
}

err_t backup_copy_file(const char *from, const char *to, struct error_info *info)
{
    struct sha256 hash;
    uint64_t size;
    struct stat status;
    sha256_init(&hash);
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0 || fstat(in, &status) != 0) {
        err_t error = failed("open", from, info);
        if (in >= 0)
            close(in);
        return error;
    }
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, status.st_mode & 0777);
    err_t error = out >= 0 ? stream(in, out, from, &hash, &size, info) : failed("create", to, info);
    if (error == ERROR_OK && fsync(out) != 0)
        error = failed("fsync", to, info);
    close(in);
    if (out >= 0)
        close(out);
    return error;
}

static err_t describe(const char *folder, const char *name, struct backup_file *out, struct error_info *info)
{
    char path[PATH_MAX];
    struct sha256 hash;
    err_t error = path_of(path, folder, name, info);
    if (error != ERROR_OK)
        return error;
    (void)snprintf(out->name, sizeof out->name, "%s", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return failed("open", path, info);
    sha256_init(&hash);
    error = stream(fd, -1, path, &hash, &out->size_bytes, info);
    sha256_finish(&hash, out->sha256);
    close(fd);
    return error;
}

/* --- the manifest --- */

static void put_instant(struct json_writer *json, const char *name, int64_t instant_ns)
{
    char text[INSTANT_TEXT_SIZE];
    instant_print(instant_ns, text);
    json_name(json, name);
    json_put_cstring(json, text);
}

void backup_write_manifest(const struct backup_manifest *manifest, struct buffer *out)
{
    struct json_writer json = json_writer(out);
    char hex[2 * SHA256_SIZE + 1];
    json_begin_object(&json);
    json_name(&json, "format");
    json_put_u64(&json, BACKUP_FORMAT);
    json_name(&json, "version");
    json_put_cstring(&json, manifest->version);
    json_name(&json, "schema");
    json_put_u64(&json, manifest->schema);
    put_instant(&json, "createdTime", manifest->created_ns);
    json_name(&json, "sequence");
    json_put_u64(&json, manifest->sequence);
    if (manifest->reported_ns != INT64_MIN) {
        put_instant(&json, "lastReportedTime", manifest->reported_ns);
    }
    hex_encode(manifest->head, SHA256_SIZE, hex);
    json_name(&json, "head");
    json_put_cstring(&json, hex);
    json_name(&json, "files");
    json_begin_array(&json);
    for (size_t i = 0; i < manifest->file_count; i++) {
        json_begin_object(&json);
        json_name(&json, "name");
        json_put_cstring(&json, manifest->files[i].name);
        json_name(&json, "sizeBytes");
        json_put_u64(&json, manifest->files[i].size_bytes);
        hex_encode(manifest->files[i].sha256, SHA256_SIZE, hex);
        json_name(&json, "sha256");
        json_put_cstring(&json, hex);
        json_end_object(&json);
    }
    json_end_array(&json);
    json_end_object(&json);
}

static bool read_u64(const struct json *object, const char *name, uint64_t *out)
{
    const struct json *member = json_member(object, text_of(name));
    unsigned long long value;
    if (member == NULL || json_type(member) != JSON_NUMBER || !text_to_u64(json_number(member), &value))
        return false;
    *out = value;
    return true;
}

static bool read_hash(const struct json *object, const char *name, uint8_t out[SHA256_SIZE])
{
    struct text text;
    return json_member_string(object, text_of(name), &text) && hex_decode(text, out, SHA256_SIZE);
}

/* Names come from a file that anybody may have written. */
static bool is_known_name(struct text name)
{
    bool known = text_equal(name, TEXT(DATA_FILE_NAME));
    for (size_t i = 0; i < COUNT_OF(companions); i++)
        known = known || text_equal(name, text_of(companions[i]));
    return known;
}

static bool read_file(const struct json *value, struct backup_file *file)
{
    struct text name;
    if (json_type(value) != JSON_OBJECT || !json_member_string(value, TEXT("name"), &name) || !is_known_name(name))
        return false;
    (void)snprintf(file->name, sizeof file->name, "%.*s", TEXT_ARGS(name));
    return read_u64(value, "sizeBytes", &file->size_bytes) && read_hash(value, "sha256", file->sha256);
}

static bool read_members(const struct json *json, uint64_t *format, struct backup_manifest *manifest)
{
    uint64_t schema;
    struct text version, created, reported;
    if (json_type(json) != JSON_OBJECT || !read_u64(json, "format", format) || !read_u64(json, "schema", &schema) ||
        schema > UINT32_MAX || !read_u64(json, "sequence", &manifest->sequence) ||
        !read_hash(json, "head", manifest->head) || !json_member_string(json, TEXT("version"), &version) ||
        !json_member_string(json, TEXT("createdTime"), &created) ||
        instant_parse(created, &manifest->created_ns) != ERROR_OK)
        return false;
    manifest->schema = (uint32_t)schema;
    (void)snprintf(manifest->version, sizeof manifest->version, "%.*s", version.len > 31 ? 31 : (int)version.len,
                   version.ptr);
    manifest->reported_ns = INT64_MIN;
    if (json_member_string(json, TEXT("lastReportedTime"), &reported) &&
        instant_parse(reported, &manifest->reported_ns) != ERROR_OK)
        return false;
    const struct json *files = json_member(json, TEXT("files"));
    if (files == NULL || json_type(files) != JSON_ARRAY || json_count(files) > BACKUP_FILES_MAX)
        return false;
    bool has_data = false;
    for (struct json_iterator i = json_iterate(files); json_next(&i);) {
        struct backup_file *file = &manifest->files[manifest->file_count++];
        if (!read_file(i.value, file))
            return false;
        has_data = has_data || strcmp(file->name, DATA_FILE_NAME) == 0;
    }
    return has_data;
}

static err_t read_manifest(const char *source, struct backup_manifest *manifest, struct error_info *info)
{
    char path[PATH_MAX];
    struct buffer content = { 0 };
    const struct json *json;
    uint64_t format = 0;
    err_t error = path_of(path, source, BACKUP_MANIFEST_NAME, info);
    if (error != ERROR_OK)
        return error;
    error = file_read(path, MANIFEST_SIZE_MAX, &content, info);
    if (error == ERROR_NOT_FOUND)
        return error_set(info, error, NULL, "%s is not a complete backup: it holds no %s", source,
                         BACKUP_MANIFEST_NAME);
    struct arena *arena = arena_new(16 * 1024, 0);
    if (error == ERROR_OK && arena == NULL)
        error = error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    memset(manifest, 0, sizeof *manifest);
    if (error == ERROR_OK &&
        (json_parse(arena, buffer_text(&content), &json, NULL) != ERROR_OK || !read_members(json, &format, manifest)))
        error = error_set(info, ERROR_STORE_CORRUPT, NULL, "%s is damaged; take another backup", path);
    if (error == ERROR_OK && (format > BACKUP_FORMAT || manifest->schema > STORE_SCHEMA_VERSION))
        error = error_set(info, ERROR_STORE_NEWER, NULL,
                          "the backup in %s was made by version %s; use that or a newer "
                          "one",
                          source, manifest->version);
    arena_free(arena);
    buffer_free(&content);
    return error;
}

err_t backup_check(const char *source, struct backup_manifest *manifest, struct error_info *info)
{
    err_t error = read_manifest(source, manifest, info);
    for (size_t i = 0; i < manifest->file_count && error == ERROR_OK; i++) {
        struct backup_file found = { 0 };
        const struct backup_file *stated = &manifest->files[i];
        error = describe(source, stated->name, &found, info);
        if (error == ERROR_NOT_FOUND || (error == ERROR_OK && (found.size_bytes != stated->size_bytes ||
                                                               memcmp(found.sha256, stated->sha256, SHA256_SIZE) != 0)))
            error = error_set(info, ERROR_STORE_CORRUPT, NULL,
                              "%s/%s is not the file that was backed up; take another backup", source, stated->name);
    }
    return error;
}

/* --- making one --- */

static err_t copy_companions(const struct backup_options *options, struct backup_manifest *manifest,
                             struct error_info *info)
{
    for (size_t i = 0; i < COUNT_OF(companions); i++) {
        char from[PATH_MAX], to[PATH_MAX], folder[PATH_MAX];
        err_t error = path_of(from, options->folder, companions[i], info);
        if (error == ERROR_OK)
            error = path_of(to, options->target, companions[i], info);
        if (error == ERROR_OK)
            error = path_of(folder, options->target, "tls", info);
        if (error != ERROR_OK)
            return error;
        if (!file_exists(from))
            continue;
        if (strncmp(companions[i], "tls/", 4) == 0)
            error = folder_create(folder, info);
        if (error == ERROR_OK)
            error = backup_copy_file(from, to, info);
        if (error == ERROR_OK)
            error = describe(options->target, companions[i], &manifest->files[manifest->file_count++], info);
        if (error != ERROR_OK)
            return error;
        if (strncmp(companions[i], "tls/", 4) == 0 && !file_sync(folder))
            return failed("fsync", folder, info);
    }
    return ERROR_OK;
}

/* From the copy itself: the journal has gone on since. */
static err_t read_copy(const struct backup_options *options, struct backup_manifest *manifest, struct error_info *info)
{
    struct kv_options kv = { .folder = options->target, .map_size_bytes = MAP_SIZE_BYTES, .read_only = true };
    struct kv *copy;
    struct kv_txn *txn;
    struct store_state state;
    struct text schema;
    char path[PATH_MAX];
    err_t error = kv_open(&kv, &copy, info);
    if (error != ERROR_OK)
        return error;
    error = kv_read_begin(copy, &txn);
    if (error == ERROR_OK) {
        error = store_read_state(txn, &state);
        if (error == ERROR_OK)
            error = kv_get(txn, KV_META, TEXT("schema"), &schema);
        if (error == ERROR_OK)
            manifest->schema = schema.len == 4 ? get_u32be((const uint8_t *)schema.ptr) : 0;
        kv_read_end(txn);
    }
    kv_close(copy);
    if (path_of(path, options->target, "lock.mdb", info) == ERROR_OK)
        (void)unlink(path); /* of no use in a backup */
    if (error != ERROR_OK)
        return error_set(info, error, NULL, "the copy cannot be read: %s", error_text(error));
    manifest->sequence = state.last_sequence;
    manifest->reported_ns = state.last_reported_ns;
    memcpy(manifest->head, state.head, SHA256_SIZE);
    return ERROR_OK;
}

static err_t copy_data(const struct backup_options *options, struct backup_manifest *manifest, struct error_info *info)
{
    char path[PATH_MAX];
    err_t error = kv_copy(options->kv, options->target);
    if (error != ERROR_OK)
        return error_set(info, error, NULL, "the data file cannot be copied to %s: %s", options->target,
                         error_text(error));
    error = path_of(path, options->target, DATA_FILE_NAME, info);
    if (error == ERROR_OK && !file_sync(path))
        error = failed("fsync", path, info);
    if (error == ERROR_OK)
        error = read_copy(options, manifest, info);
    return error == ERROR_OK ? describe(options->target, DATA_FILE_NAME, &manifest->files[manifest->file_count++], info)
                             : error;
}

err_t backup_run(const struct backup_options *options, struct backup_manifest *manifest, struct error_info *info)
{
    char path[PATH_MAX];
    struct buffer content = { 0 };
    memset(manifest, 0, sizeof *manifest);
    manifest->created_ns = options->now_ns;
    (void)snprintf(manifest->version, sizeof manifest->version, "%s", options->version);
    err_t error = require_empty(options->target, info);
    if (error == ERROR_OK)
        error = copy_data(options, manifest, info);
    if (error == ERROR_OK)
        error = copy_companions(options, manifest, info);
    if (error == ERROR_OK)
        error = path_of(path, options->target, BACKUP_MANIFEST_NAME, info);
    if (error != ERROR_OK)
        return error;
    backup_write_manifest(manifest, &content);
    buffer_append_char(&content, '\n');
    error = content.failed ? error_set(info, ERROR_NO_MEMORY, NULL, NULL)
                           : file_write_durable(path, buffer_text(&content), 0600, info);
    buffer_free(&content);
    return error;
}
