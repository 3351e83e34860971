/* The parts of a data directory that are made once. */
#include "cli/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/files.h"
#include "base/json.h"
#include "cli/options.h"
#include "identity/identity.h"
#include "net/tls.h"
#include "store/write.h"
#include "usage/subscriptions.h"

#define PEM_SIZE_MAX ((size_t)1024 * 1024)
#define CERTIFICATE_DAYS 3650
#define CERTIFICATE_NAME "tls/certificate.pem"
#define KEY_NAME "tls/key.pem"
#define OPERATOR_TOKEN_NAME "operator.token"

err_t setup_path(char out[PATH_MAX], const char *data_dir, const char *name, struct error_info *info)
{
    int length = snprintf(out, PATH_MAX, "%s/%s", data_dir, name);
    if (length > 0 && length < PATH_MAX)
        return ERROR_OK;
    return error_set(info, ERROR_IO, NULL, "the path of the data directory is too long; use a shorter one");
}

/* --- certificate --- */

void setup_certificate_free(struct setup_certificate *certificate)
{
    if (certificate->key_pem.data != NULL)
        secret_wipe(certificate->key_pem.data, certificate->key_pem.capacity);
    buffer_free(&certificate->key_pem);
    buffer_free(&certificate->certificate_pem);
    memset(certificate, 0, sizeof *certificate);
}

static err_t certificate_paths(const struct config *config, const char *data_dir, char certificate[PATH_MAX],
                               char key[PATH_MAX], struct error_info *info)
{
    if (options_text(config, OPTION_TLS_CERTIFICATE_FILE).len == 0) {
        err_t error = setup_path(certificate, data_dir, CERTIFICATE_NAME, info);
        return error == ERROR_OK ? setup_path(key, data_dir, KEY_NAME, info) : error;
    }
    if (options_text(config, OPTION_TLS_CERTIFICATE_FILE).len >= PATH_MAX ||
        options_text(config, OPTION_TLS_KEY_FILE).len >= PATH_MAX)
        return error_set(info, ERROR_INVALID_CONFIG, NULL, "the path of the certificate or its key is too long");
    (void)snprintf(certificate, PATH_MAX, "%s", options_string(config, OPTION_TLS_CERTIFICATE_FILE));
    (void)snprintf(key, PATH_MAX, "%s", options_string(config, OPTION_TLS_KEY_FILE));
    return ERROR_OK;
}

err_t setup_certificate_load(const struct config *config, const char *data_dir, struct setup_certificate *out,
                             struct error_info *info)
{
    char certificate[PATH_MAX], key[PATH_MAX];
    memset(out, 0, sizeof *out);
    err_t error = certificate_paths(config, data_dir, certificate, key, info);
    if (error == ERROR_OK)
        error = file_read(certificate, PEM_SIZE_MAX, &out->certificate_pem, info);
    if (error == ERROR_OK)
        error = file_read(key, PEM_SIZE_MAX, &out->key_pem, info);
    if (error == ERROR_OK && realpath(certificate, out->file) == NULL)
        error = error_set(info, ERROR_IO, NULL, "resolve %s: %s", certificate, strerror(errno));
    if (error != ERROR_OK)
        setup_certificate_free(out);
    return error;
}

static void host_name(char out[256])
{
    if (gethostname(out, 256) != 0)
        out[0] = '\0';
    out[255] = '\0';
}

static err_t sync_folder(const char *path, struct error_info *info)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    int cause = errno;
    if (fd >= 0)
        close(fd);
    return ok ? ERROR_OK : error_set(info, ERROR_IO, NULL, "fsync %s: %s", path, strerror(cause));
}

/* Key and certificate appear together, by the renaming of their folder: a start that is cut short leaves either
 * both or none. */
static err_t store_certificate(const char *data_dir, const struct setup_certificate *made, struct error_info *info)
{
    char folder[PATH_MAX], fresh[PATH_MAX], certificate[PATH_MAX], key[PATH_MAX];
    err_t error = setup_path(folder, data_dir, "tls", info);
    if (error == ERROR_OK)
        error = setup_path(fresh, data_dir, "tls.new", info);
    if (error == ERROR_OK)
        error = setup_path(certificate, data_dir, "tls.new/certificate.pem", info);
    if (error == ERROR_OK)
        error = setup_path(key, data_dir, "tls.new/key.pem", info);
    if (error == ERROR_OK)
        error = folder_create(fresh, info);
    if (error == ERROR_OK)
        error = file_write_durable(key, buffer_text(&made->key_pem), 0600, info);
    if (error == ERROR_OK)
        error = file_write_durable(certificate, buffer_text(&made->certificate_pem), 0644, info);
    if (error != ERROR_OK)
        return error;
    if (rename(fresh, folder) != 0)
        return error_set(info, ERROR_IO, NULL,
                         "%s holds only one of certificate.pem and key.pem: %s; add the other or remove the folder",
                         folder, strerror(errno));
    return sync_folder(data_dir, info);
}

err_t setup_certificate(const struct config *config, const char *data_dir, struct setup_certificate *out, bool *made,
                        struct error_info *info)
{
    *made = false;
    err_t error = setup_certificate_load(config, data_dir, out, info);
    if (error != ERROR_NOT_FOUND || options_text(config, OPTION_TLS_CERTIFICATE_FILE).len > 0)
        return error;
    char host[256];
    struct setup_certificate fresh = { 0 };
    host_name(host);
    /* Clients check it against the real time, also where the stamp's time is simulated. */
    error = tls_make_certificate(text_of(host), clock_wall_ns(clock_system()), CERTIFICATE_DAYS, &fresh.certificate_pem,
                                 &fresh.key_pem, info);
    if (error == ERROR_OK)
        error = store_certificate(data_dir, &fresh, info);
    setup_certificate_free(&fresh);
    if (error != ERROR_OK)
        return error;
    *made = true;
    return setup_certificate_load(config, data_dir, out, info);
}

/* --- operator --- */

static err_t store_failed(err_t error, struct error_info *info)
{
    return error_set(info, error, NULL, "the store could not be written: %s", error_text(error));
}

err_t setup_operator_subscription(struct store *store, const struct guid *fresh, struct guid *out,
                                  struct error_info *info)
{
    struct subscription_operator_make make;
    struct kv_txn *txn;
    err_t error = store_read_begin(store, &txn);
    if (error == ERROR_OK) {
        error = subscription_operator(txn, out);
        store_read_end(txn);
    }
    if (error == ERROR_NOT_FOUND) {
        subscription_operator_make_init(&make, fresh);
        error = store_run(store, &make.job);
        *out = make.id;
    }
    return error == ERROR_OK ? ERROR_OK : store_failed(error, info);
}

static const struct text token_made_key = { "operator_token", 14 };

/* The token, and the note that it was made, in one transaction. */
struct first_token {
    struct store_job job; /* first member */
    struct token_create create;
};

static err_t run_first_token(struct store_write *write, struct store_job *job)
{
    struct first_token *first = (struct first_token *)job;
    struct buffer note = { 0 };
    err_t error = first->create.job.run(write, &first->create.job);
    if (error != ERROR_OK)
        return error;
    struct json_writer json = json_writer(&note);
    json_begin_object(&json);
    json_name(&json, "id");
    json_put_cstring(&json, first->create.id);
    json_end_object(&json);
    error = note.failed ? ERROR_NO_MEMORY : kv_put(write_txn(write), KV_SETTINGS, token_made_key, buffer_text(&note));
    buffer_free(&note);
    return error;
}

/* The file first: if that fails, the token is worth nothing and the next start makes another. */
static err_t make_operator_token(struct store *store, const char *path, struct error_info *info)
{
    struct identity identity = { .role = ROLE_OPERATOR, .name = TEXT("operator.token"), .expires_ns = INT64_MAX };
    struct first_token first = { .job = { .run = run_first_token, .weight = 1 } };
    char line[TOKEN_TEXT_SIZE + 1];
    token_create_init(&first.create, &identity, store_now_ns(store));
    int length = snprintf(line, sizeof line, "%s\n", first.create.token);
    err_t error = file_write_durable(path, (struct text){ line, (size_t)length }, 0600, info);
    if (error == ERROR_OK) {
        error = store_run(store, &first.job);
        if (error != ERROR_OK)
            error = store_failed(error, info);
    }
    secret_wipe(line, sizeof line);
    secret_wipe(&first, sizeof first);
    return error;
}

err_t setup_operator_token(struct store *store, const char *data_dir, bool *made, struct error_info *info)
{
    char path[PATH_MAX];
    struct kv_txn *txn;
    struct text note;
    *made = false;
    err_t error = store_read_begin(store, &txn);
    if (error == ERROR_OK) {
        error = kv_get(txn, KV_SETTINGS, token_made_key, &note);
        store_read_end(txn);
    }
    if (error == ERROR_OK)
        return ERROR_OK;
    if (error != ERROR_NOT_FOUND)
        return store_failed(error, info);
    error = setup_path(path, data_dir, OPERATOR_TOKEN_NAME, info);
    if (error == ERROR_OK)
        error = make_operator_token(store, path, info);
    *made = error == ERROR_OK;
    return error;
}

err_t setup_has_users(struct store *store, bool *has_users, struct error_info *info)
{
    struct kv_txn *txn;
    struct user *users;
    size_t count = 0;
    struct arena *arena = arena_new(4096, 0);
    if (arena == NULL)
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    err_t error = store_read_begin(store, &txn);
    if (error == ERROR_OK) {
        error = user_list(txn, arena, &users, &count);
        store_read_end(txn);
    }
    arena_free(arena);
    *has_users = count > 0;
    return error == ERROR_OK ? ERROR_OK
                             : error_set(info, error, NULL, "the users could not be read: %s", error_text(error));
}
