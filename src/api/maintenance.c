/* POST /v1/verify, POST /v1/backups, GET /v1/stat, GET /v1/doctor: what 'stampmeter verify | backup | stat | doctor'
 * ask of a running server. On workers, with snapshots; neither the loop nor the writer waits for them. One long job at
 * a time, so that the other workers stay free for queries. */
#include <limits.h>
#include <stdatomic.h>
#include <string.h>

#include "api/api_internal.h"
#include "api/doctor.h"
#include "base/members.h"
#include "base/json.h"
#include "store/audit.h"
#include "store/backup.h"
#include "store/statistics.h"
#include "usage/verify.h"

struct maintenance_call {
    struct read_job job; /* first member */
    struct text heads, folder;
    char folder_path[PATH_MAX];
    struct backup_manifest manifest;
    struct write_call write;
    struct store_job nothing;
};

static struct maintenance_call *new_call(struct http_exchange *exchange)
{
    struct maintenance_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL)
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
    return call;
}

/* False, and answered: another long job runs. */
static bool begin_long(struct http_exchange *exchange)
{
    if (!atomic_exchange(&api_of(exchange)->maintenance_busy, true))
        return true;
    respond_error(exchange, ERROR_CONFLICT, NULL, "a verification or a backup is under way; ask again when it is over");
    return false;
}

static void end_long(struct read_job *job)
{
    atomic_store(&job->api->maintenance_busy, false);
}

/* --- verify --- */

static err_t run_verify(struct read_job *job, struct kv_txn *txn)
{
    (void)txn;
    struct maintenance_call *call = (struct maintenance_call *)job;
    struct store *store = job->api->options.store;
    struct verify_result result;
    struct verify_options options = {
        .folder = store_folder(store), .kv = store_kv(store), .rows = store_rows(store), .heads = call->heads
    };
    err_t error = verify_run(&options, &result, &job->info);
    if (error == ERROR_OK)
        verify_write_json(&result, &job->body);
    verify_free(&result);
    end_long(job);
    return error;
}

void handle_verify(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct maintenance_call *call = new_call(exchange);
    const struct json *body = call != NULL ? require_json_body(exchange) : NULL;
    if (body == NULL)
        return;
    if (json_member(body, TEXT("heads")) != NULL && !json_member_string(body, TEXT("heads"), &call->heads)) {
        respond_error(exchange, ERROR_INVALID_PROPERTY, "heads", "heads is a string: exported heads, a line each");
        return;
    }
    if (!begin_long(exchange))
        return;
    call->job.read = run_verify;
    call->job.without_snapshot = true;
    read_job_start(&call->job, exchange);
}

/* --- backup --- */

static err_t run_backup(struct read_job *job, struct kv_txn *txn)
{
    (void)txn;
    struct maintenance_call *call = (struct maintenance_call *)job;
    struct store *store = job->api->options.store;
    struct backup_options options = { .folder = store_folder(store),
                                      .kv = store_kv(store),
                                      .target = call->folder_path,
                                      .version = job->api->options.version,
                                      .now_ns = clock_wall_ns(clock_system()) };
    err_t error = backup_run(&options, &call->manifest, &job->info);
    if (error == ERROR_OK)
        backup_write_manifest(&call->manifest, &job->body);
    end_long(job);
    return error;
}

static err_t write_nothing(struct store_write *write, struct store_job *job)
{
    (void)write;
    (void)job;
    return ERROR_OK;
}

static void backup_noted(struct write_call *write)
{
    struct maintenance_call *call = CONTAINER_OF(write, struct maintenance_call, write);
    respond_json(write->exchange, 200, &call->job.body);
}

/* The copy holds every secret of the store, so the audit log tells who had it made. */
static void note_backup(struct read_job *job)
{
    struct maintenance_call *call = (struct maintenance_call *)job;
    if (job->error != ERROR_OK) {
        buffer_free(&job->body);
        respond_info(job->exchange, &job->info);
        return;
    }
    struct audit_entry entry = { .action = TEXT("store.backup"), .subject = call->folder };
    call->nothing = (struct store_job){ .run = write_nothing, .weight = 1 };
    write_call_start_audited(&call->write, &call->nothing, job->exchange, &entry, NULL, backup_noted);
}

void handle_backups_post(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct maintenance_call *call = new_call(exchange);
    const struct json *body = call != NULL ? require_json_body(exchange) : NULL;
    if (body == NULL)
        return;
    if (!json_member_string(body, TEXT("folder"), &call->folder) || call->folder.len == 0 ||
        call->folder.len >= sizeof call->folder_path - 64 || call->folder.ptr[0] != '/' ||
        memchr(call->folder.ptr, '\0', call->folder.len) != NULL) {
        respond_error(exchange, ERROR_INVALID_PROPERTY, "folder",
                      "folder is the absolute path of a new or empty folder on the server's machine");
        return;
    }
    if (!begin_long(exchange))
        return;
    memcpy(call->folder_path, call->folder.ptr, call->folder.len);
    call->job.read = run_backup;
    call->job.answer = note_backup;
    call->job.without_snapshot = true;
    read_job_start(&call->job, exchange);
}

/* --- stat and doctor --- */

static err_t run_stat(struct read_job *job, struct kv_txn *txn)
{
    return statistics_write(job->api->options.store, txn, &job->body);
}

void handle_stat(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct maintenance_call *call = new_call(exchange);
    if (call == NULL)
        return;
    call->job.read = run_stat;
    read_job_start(&call->job, exchange);
}

static err_t run_doctor(struct read_job *job, struct kv_txn *txn)
{
    struct doctor *doctor = arena_zalloc(http_arena(job->exchange), sizeof *doctor);
    struct api *api = job->api;
    if (doctor == NULL)
        return ERROR_NO_MEMORY;
    doctor_look_outside(doctor, store_folder(api->options.store), clock_wall_ns(clock_system()));
    if (api->options.certificate_file != NULL)
        doctor_look_at_certificate(doctor, api->options.certificate_file, clock_wall_ns(clock_system()));
    err_t error = doctor_look_inside(doctor, api->options.store, txn, api->options.trusted_key_id,
                                     clock_wall_ns(api->options.clock), true);
    if (error == ERROR_OK)
        doctor_write(doctor, &job->body);
    return error;
}

void handle_doctor(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct maintenance_call *call = new_call(exchange);
    if (call == NULL)
        return;
    call->job.read = run_doctor;
    read_job_start(&call->job, exchange);
}
