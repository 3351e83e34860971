/* See doctor.h. Every finding says what is, and, unless all is well, what to do. */
#include "api/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "api/registration_health.h"
#include "base/buffer.h"
#include "base/files.h"
#include "base/instant.h"
#include "base/json.h"
#include "net/tls.h"
#include "store/data_file.h"
#include "store/file_check.h"
#include "store/forecast.h"
#include "usage/alerts.h"
#include "usage/rejects.h"

#define DISK_FREE_BYTES_LOW (UINT64_C(1) << 30)
#define DISK_FREE_BYTES_SHORT (UINT64_C(64) << 20)
#define DAYS_UNTIL_FULL_SOON 30
#define CERTIFICATE_DAYS_SOON 30
/* Larger files are left to verify: a check of each page takes a second per some GB. */
#define STRUCTURE_SIZE_BYTES_MAX (UINT64_C(2) << 30)
#define CERTIFICATE_SIZE_MAX ((size_t)1 << 20)
#define CLOCK_BEHIND_NS NS_PER_MINUTE
#define SEAL_LATE_HOURS 2

void doctor_find(struct doctor *doctor, const char *check, enum doctor_state state, const char *remedy,
                 const char *format, ...)
{
    if (doctor->count == DOCTOR_FINDINGS_MAX)
        return;
    struct doctor_finding *finding = &doctor->findings[doctor->count++];
    va_list arguments;
    finding->check = check;
    finding->state = state;
    (void)snprintf(finding->remedy, sizeof finding->remedy, "%s", state == DOCTOR_OK ? "" : remedy);
    va_start(arguments, format);
    vsnprintf(finding->message, sizeof finding->message, format, arguments);
    va_end(arguments);
}

bool doctor_has_findings(const struct doctor *doctor)
{
    for (size_t i = 0; i < doctor->count; i++)
        if (doctor->findings[i].state != DOCTOR_OK)
            return true;
    return false;
}

static double gib(uint64_t bytes)
{
    return (double)bytes / (1024 * 1024 * 1024);
}

/* --- outside --- */

static void look_at_permissions(struct doctor *doctor, const char *folder)
{
    static const char *const secrets[] = { DATA_FILE_NAME, "operator.token", "tls/key.pem" };
    struct stat status;
    if (stat(folder, &status) != 0)
        return;
    bool open = (status.st_mode & 0077) != 0;
    if (status.st_uid != geteuid() && geteuid() != 0)
        doctor_find(doctor, "permissions", DOCTOR_PROBLEM, "run as the user that owns it, or change its owner",
                    "%s belongs to another user.", folder);
    for (size_t i = 0; i < COUNT_OF(secrets); i++) {
        char path[PATH_MAX];
        if (snprintf(path, sizeof path, "%s/%s", folder, secrets[i]) >= PATH_MAX || stat(path, &status) != 0)
            continue;
        if ((status.st_mode & 0077) != 0 && open)
            doctor_find(doctor, "permissions", DOCTOR_PROBLEM, "chmod 700 the data directory and 600 the file",
                        "Other users of this machine can reach %s.", path);
        if (access(path, R_OK) != 0)
            doctor_find(doctor, "permissions", DOCTOR_PROBLEM, "give it to the user that the server runs as",
                        "%s cannot be read: %s.", path, strerror(errno));
    }
}

static void look_at_disk(struct doctor *doctor, const char *folder)
{
    struct statvfs disk;
    if (statvfs(folder, &disk) != 0)
        return;
    uint64_t free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    enum doctor_state state = free_bytes < DISK_FREE_BYTES_SHORT ? DOCTOR_PROBLEM
                              : free_bytes < DISK_FREE_BYTES_LOW ? DOCTOR_ATTENTION
                                                                 : DOCTOR_OK;
    doctor_find(doctor, "disk", state, "free space, or move the data directory to a larger disk",
                "%.2f GiB are free on the disk of the data directory.", gib(free_bytes));
    if (disk.f_favail == 0 && disk.f_files > 0)
        doctor_find(doctor, "disk", DOCTOR_PROBLEM, "remove files", "The file system has no room for further files.");
}

static void note_first(void *context, const char *sentence)
{
    char *first = context;
    if (first[0] == '\0')
        (void)snprintf(first, 200, "%s", sentence);
}

static void look_at_file(struct doctor *doctor, const char *folder)
{
    char path[PATH_MAX], first[200] = "";
    struct error_info info = { 0 };
    struct stat status;
    struct file_check_report report;
    err_t error = data_file_check(folder, &info);
    if (error != ERROR_OK) {
        doctor_find(doctor, "file", DOCTOR_PROBLEM,
                    error == ERROR_NOT_FOUND
                        ? "name the data directory with --data-dir, or make one: 'stampmeter init'"
                        : "keep a copy of the data directory, then restore a backup: 'stampmeter restore'",
                    "%s.", info.message);
        return;
    }
    (void)snprintf(path, sizeof path, "%s/" DATA_FILE_NAME, folder);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0 || (uint64_t)status.st_size > STRUCTURE_SIZE_BYTES_MAX) {
        doctor_find(doctor, "file", DOCTOR_OK, "",
                    "The data file can be opened; 'stampmeter verify' checks all of it.");
    } else {
        struct file_check_options options = { .fd = fd, .fault = note_first, .context = first };
        error = file_check(&options, &report);
        if (error == ERROR_OK && report.faults > 0)
            doctor_find(doctor, "file", DOCTOR_PROBLEM,
                        "keep a copy of the data directory, then try 'stampmeter rebuild', or restore a backup",
                        "The structure of the data file is damaged: %s", first);
        else if (error == ERROR_OK)
            doctor_find(doctor, "file", DOCTOR_OK, "", "The structure of the data file is sound (%llu pages).",
                        (unsigned long long)report.pages);
    }
    if (fd >= 0)
        close(fd);
}

static void look_at_leftovers(struct doctor *doctor, const char *folder)
{
    char path[PATH_MAX];
    struct stat status;
    if (snprintf(path, sizeof path, "%s/" DATA_FILE_BEFORE, folder) < PATH_MAX && stat(path, &status) == 0)
        doctor_find(doctor, "leftovers", DOCTOR_ATTENTION, "remove it once you are content with the new one",
                    "%s, which a rebuild replaced, still takes %.2f GiB.", path, gib((uint64_t)status.st_size));
}

void doctor_look_outside(struct doctor *doctor, const char *folder, int64_t now_ns)
{
    (void)now_ns;
    look_at_permissions(doctor, folder);
    look_at_disk(doctor, folder);
    look_at_file(doctor, folder);
    look_at_leftovers(doctor, folder);
}

void doctor_look_at_certificate(struct doctor *doctor, const char *file, int64_t now_ns)
{
    int64_t end_ns;
    char text[INSTANT_TEXT_SIZE];
    struct buffer pem = { 0 };
    struct error_info info = { 0 };
    err_t error = file_read(file, CERTIFICATE_SIZE_MAX, &pem, &info);
    if (error == ERROR_OK)
        error = tls_certificate_end(buffer_text(&pem), &end_ns, &info);
    buffer_free(&pem);
    if (error != ERROR_OK) {
        doctor_find(doctor, "certificate", DOCTOR_PROBLEM, "replace it and its key", "%s.", info.message);
        return;
    }
    instant_print(end_ns, text);
    int64_t days = (end_ns - now_ns) / NS_PER_DAY;
    if (end_ns <= now_ns)
        doctor_find(doctor, "certificate", DOCTOR_PROBLEM,
                    "replace it (remove tls/ for a new self-signed one) and restart",
                    "The certificate has been invalid since %s; clients refuse it.", text);
    else
        doctor_find(doctor, "certificate", days < CERTIFICATE_DAYS_SOON ? DOCTOR_ATTENTION : DOCTOR_OK,
                    "replace it in time; SIGHUP loads the new one", "The certificate is valid until %s, %lld days.",
                    text, (long long)days);
}

/* --- inside --- */

static void look_at_clock(struct doctor *doctor, const struct store_state *state, int64_t now_ns)
{
    char text[INSTANT_TEXT_SIZE];
    if (state->last_reported_ns == INT64_MIN)
        return;
    instant_print(state->last_reported_ns, text);
    if (state->last_reported_ns > now_ns + CLOCK_BEHIND_NS)
        doctor_find(doctor, "clock", DOCTOR_PROBLEM,
                    "set the machine's clock right; usage is reported at the later time until it has caught up",
                    "The clock is %lld minutes behind the last report (%s): it was set back, or was ahead before.",
                    (long long)((state->last_reported_ns - now_ns) / NS_PER_MINUTE), text);
    else
        doctor_find(doctor, "clock", DOCTOR_OK, "", "The last report came at %s, which is not in the future.", text);
}

static void look_at_seal(struct doctor *doctor, const struct store_state *state, int64_t now_ns, bool live)
{
    char text[INSTANT_TEXT_SIZE];
    if (state->sealed_hour < 0 || state->last_sequence == 0)
        return;
    instant_print(hour_start_ns(state->sealed_hour), text);
    bool late = live && instant_hour(now_ns) - state->sealed_hour > SEAL_LATE_HOURS;
    doctor_find(doctor, "seal", late ? DOCTOR_PROBLEM : DOCTOR_OK,
                "look for errors of the store in the log; a full disk keeps hours from being sealed",
                "All hours before %s are sealed%s.", text, late ? ", none since" : "");
}

static void look_at_space(struct doctor *doctor, const struct forecast *forecast, const struct kv_stats *stats,
                          const struct kv_space *space)
{
    uint64_t map_left = space->map_size_max_bytes - stats->used_size_bytes;
    doctor_find(doctor, "map", map_left < stats->used_size_bytes / 4 ? DOCTOR_ATTENTION : DOCTOR_OK,
                "raise store.map_size_max or shorten retention",
                "The map takes %.1f GiB and may grow to %.0f GiB; %.2f GiB are used.", gib(stats->map_size_bytes),
                gib(space->map_size_max_bytes), gib(stats->used_size_bytes));
    if (forecast->days_until_full >= 0)
        doctor_find(doctor, "growth", forecast->days_until_full < DAYS_UNTIL_FULL_SOON ? DOCTOR_ATTENTION : DOCTOR_OK,
                    "shorten retention, or give the data directory a larger disk",
                    "At %.1f MiB a day the disk is full in %lld days.", (double)forecast->bytes_per_day / (1024 * 1024),
                    (long long)forecast->days_until_full);
    uint64_t free_bytes = space->free_pages * space->page_size_bytes;
    if (free_bytes > stats->used_size_bytes / 2 && free_bytes > DISK_FREE_BYTES_LOW)
        doctor_find(doctor, "free pages", DOCTOR_ATTENTION, "'stampmeter compact' gives it back to the disk",
                    "%.2f GiB of the file are free and wait for reuse.", gib(free_bytes));
    if (forecast->held)
        doctor_find(doctor, "retention", DOCTOR_ATTENTION,
                    "check the clock; if it is right, say so: POST /v1/retention",
                    "Old data is due to be dropped, but waits until the clock, which made a leap, is trusted.");
}

static err_t look_at_usage(struct doctor *doctor, struct kv_txn *txn)
{
    struct alert_counts alerts;
    struct reject_totals rejects;
    uint64_t received[REJECT_CODE_COUNT], silent = 0, others = 0;
    err_t error = alerts_count(txn, &alerts);
    if (error == ERROR_OK)
        error = reject_read_totals(txn, &rejects, received);
    if (error != ERROR_OK)
        return error;
    for (size_t i = 0; i < alerts.kind_count; i++) {
        if (text_equal(alerts.kinds[i].kind, TEXT(ALERT_PRODUCER_SILENT)))
            silent += alerts.kinds[i].open;
        else
            others += alerts.kinds[i].open;
    }
    doctor_find(doctor, "producers", silent > 0 ? DOCTOR_ATTENTION : DOCTOR_OK,
                "see Producers in the console: bring them back, or retire those that have left",
                silent > 0 ? "%llu producers are silent: usage may be missing." : "No producer is silent.",
                (unsigned long long)silent);
    if (others > 0)
        doctor_find(doctor, "alerts", DOCTOR_ATTENTION, "see the alerts in the console", "%llu other alerts are open.",
                    (unsigned long long)others);
    uint64_t open = rejects.states[REJECT_OPEN];
    doctor_find(doctor, "rejects", open > 0 ? DOCTOR_ATTENTION : DOCTOR_OK,
                "see GET /v1/rejects: correct and replay them, or dismiss them",
                open > 0 ? "%llu refused records wait for a decision: usage that is not counted."
                         : "No refused record waits for a decision.",
                (unsigned long long)open);
    return ERROR_OK;
}

err_t doctor_look_inside(struct doctor *doctor, struct store *store, struct kv_txn *txn, struct text trusted_key_id,
                         int64_t now_ns, bool live)
{
    struct store_state state;
    struct forecast forecast;
    struct kv_stats stats;
    struct kv_space space;
    err_t error = store_read_state(txn, &state);
    if (error == ERROR_OK)
        error = forecast_make(store, txn, &forecast);
    if (error == ERROR_OK)
        error = store_stats(store, &stats);
    if (error == ERROR_OK)
        error = kv_space(store_kv(store), txn, &space);
    if (error != ERROR_OK)
        return error;
    look_at_clock(doctor, &state, now_ns);
    look_at_seal(doctor, &state, now_ns, live);
    look_at_space(doctor, &forecast, &stats, &space);
    struct store_counters counters = store_counters(store);
    if (counters.degraded)
        doctor_find(doctor, "writes", DOCTOR_PROBLEM, "free space on the disk",
                    "The last commit failed for lack of space: usage is being refused.");
    if (counters.clock_went_back_count > 0)
        doctor_find(doctor, "clock", DOCTOR_ATTENTION, "see to the machine's time service",
                    "The clock went back %lld times since the start.", (long long)counters.clock_went_back_count);
    error = doctor_look_at_registration(doctor, txn, trusted_key_id, now_ns);
    return error == ERROR_OK ? look_at_usage(doctor, txn) : error;
}

/* --- telling --- */

static const char *state_name(enum doctor_state state)
{
    return state == DOCTOR_OK ? "ok" : state == DOCTOR_ATTENTION ? "attention" : "problem";
}

static void append_text(const struct doctor *doctor, struct buffer *out)
{
    for (size_t i = 0; i < doctor->count; i++) {
        const struct doctor_finding *finding = &doctor->findings[i];
        char line[2 * DOCTOR_SENTENCE_SIZE + 64];
        (void)snprintf(line, sizeof line, "%-10s %-12s %s\n", state_name(finding->state), finding->check,
                       finding->message);
        buffer_append_text(out, text_of(line));
        if (finding->remedy[0] == '\0')
            continue;
        (void)snprintf(line, sizeof line, "%-10s %-12s To do: %s.\n", "", "", finding->remedy);
        buffer_append_text(out, text_of(line));
    }
    buffer_append_text(out, doctor_has_findings(doctor) ? TEXT("Something needs doing.\n") : TEXT("All is well.\n"));
}

void doctor_write(const struct doctor *doctor, struct buffer *out)
{
    struct json_writer json = json_writer(out);
    struct buffer text = { 0 };
    json_begin_object(&json);
    json_name(&json, "healthy");
    json_put_bool(&json, !doctor_has_findings(doctor));
    json_name(&json, "findings");
    json_begin_array(&json);
    for (size_t i = 0; i < doctor->count; i++) {
        const struct doctor_finding *finding = &doctor->findings[i];
        json_begin_object(&json);
        json_name(&json, "check");
        json_put_cstring(&json, finding->check);
        json_name(&json, "state");
        json_put_cstring(&json, state_name(finding->state));
        json_name(&json, "message");
        json_put_cstring(&json, finding->message);
        if (finding->remedy[0] != '\0') {
            json_name(&json, "remedy");
            json_put_cstring(&json, finding->remedy);
        }
        json_end_object(&json);
    }
    json_end_array(&json);
    append_text(doctor, &text);
    json_name(&json, "text");
    json_put_text(&json, buffer_text(&text));
    json_end_object(&json);
    out->failed = out->failed || text.failed;
    buffer_free(&text);
}
