/* The commands 'stat' and 'doctor'. */
#include "api/doctor.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/report.h"
#include "cli/setup.h"
#include "store/statistics.h"

/* --- stat --- */

static const struct flag stat_flags[] = { ADMIN_FLAGS };

static const struct command stat_command = {
    .name = "stat",
    .arguments = "",
    .about = "Shows where the space of the store goes: tables, rows and runs, bytes per record, free pages, growth.",
    .flags = stat_flags,
    .flag_count = COUNT_OF(stat_flags),
};

static err_t stat_local(struct admin *admin, struct buffer *out, struct error_info *info)
{
    struct kv_txn *txn;
    err_t error = store_read_begin(admin->store, &txn);
    if (error == ERROR_OK) {
        error = statistics_write(admin->store, txn, out);
        store_read_end(txn);
    }
    return error == ERROR_OK ? error : error_set(info, error, NULL, "the store cannot be read: %s", error_text(error));
}

int command_stat(int argc, char **argv)
{
    struct flags flags;
    struct admin admin;
    struct error_info info = { 0 };
    struct buffer report = { 0 };
    int code = flags_parse(&stat_command, argc, argv, &flags);
    if (code < 0)
        code = admin_open(&flags, &admin);
    if (code >= 0)
        return code;
    err_t error = admin.is_remote ? report_fetch(&admin, HTTP_GET, "/v1/stat", TEXT_NONE, &report, &info)
                                  : stat_local(&admin, &report, &info);
    code = error == ERROR_OK ? report_print(&admin, buffer_text(&report), CLI_DONE) : report_fail(error, &info);
    buffer_free(&report);
    return admin_close(&admin, code);
}

/* --- doctor --- */

static const struct flag doctor_flags[] = { ADMIN_FLAGS };

static const struct command doctor_command = {
    .name = "doctor",
    .arguments = "",
    .about =
        "Says in words what is wrong with an appliance and what to do: file, disk, permissions, clock, certificate, "
        "map, seals, registration, silent producers, refused records, retention. Exit code 1: something needs doing.",
    .flags = doctor_flags,
    .flag_count = COUNT_OF(doctor_flags),
};

static void look_at_certificate(struct doctor *doctor, const struct admin *admin, const char *folder)
{
    char path[PATH_MAX];
    const char *configured = options_string(&admin->config, OPTION_TLS_CERTIFICATE_FILE);
    if (configured != NULL && configured[0] != '\0')
        (void)snprintf(path, sizeof path, "%s", configured);
    else
        (void)snprintf(path, sizeof path, "%s/tls/certificate.pem", folder);
    if (file_exists(path))
        doctor_look_at_certificate(doctor, path, clock_wall_ns(clock_system()));
}

/* A damaged store is what a doctor is called for, so nothing here makes the command fail. */
static void look_inside(struct doctor *doctor, struct admin *admin, const char *folder)
{
    struct error_info info = { 0 };
    struct kv_txn *txn;
    struct store_options options = { .folder = folder,
                                     .clock = clock_system(),
                                     .map_size_bytes = options_size(&admin->config, OPTION_STORE_MAP_SIZE) };
    err_t error = store_open(&options, &admin->store, &info);
    if (error == ERROR_STORE_IN_USE) {
        doctor_find(doctor, "lock", DOCTOR_OK, "",
                    "A server runs in %s; ask it with --url, --ca and --token-file for all the rest.", folder);
        return;
    }
    if (error != ERROR_OK) {
        doctor_find(doctor, "store", DOCTOR_PROBLEM, "run 'stampmeter verify'; rebuild the store or restore a backup",
                    "%s.", info.message);
        return;
    }
    doctor_find(doctor, "lock", DOCTOR_OK, "", "No server runs in %s.", folder);
    error = store_read_begin(admin->store, &txn);
    if (error == ERROR_OK) {
        error = doctor_look_inside(doctor, admin->store, txn,
                                   options_text(&admin->config, OPTION_REGISTRATION_TRUSTED_KEY_ID),
                                   clock_wall_ns(clock_system()), false);
        store_read_end(txn);
    }
    if (error != ERROR_OK)
        doctor_find(doctor, "store", DOCTOR_PROBLEM, "run 'stampmeter verify'; rebuild the store or restore a backup",
                    "The store cannot be read: %s.", error_text(error));
}

static bool has_problem(const struct doctor *doctor, const char *check)
{
    for (size_t i = 0; i < doctor->count; i++)
        if (text_equal(text_of(doctor->findings[i].check), text_of(check)) &&
            doctor->findings[i].state == DOCTOR_PROBLEM)
            return true;
    return false;
}

static err_t doctor_local(struct admin *admin, struct buffer *out, struct error_info *info)
{
    const char *folder = options_string(&admin->config, OPTION_STORE_DATA_DIR);
    struct doctor *doctor = arena_zalloc(admin->arena, sizeof *doctor);
    if (doctor == NULL)
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    doctor_look_outside(doctor, folder, clock_wall_ns(clock_system()));
    look_at_certificate(doctor, admin, folder);
    if (!has_problem(doctor, "file")) /* LMDB believes what it maps */
        look_inside(doctor, admin, folder);
    doctor_write(doctor, out);
    return ERROR_OK;
}

static bool is_healthy(struct admin *admin, struct text report)
{
    const struct json *json;
    if (json_parse(admin->arena, report, &json, NULL) != ERROR_OK)
        return false;
    const struct json *healthy = json_member(json, TEXT("healthy"));
    return healthy != NULL && json_type(healthy) == JSON_TRUE;
}

int command_doctor(int argc, char **argv)
{
    struct flags flags;
    struct admin admin;
    struct error_info info = { 0 };
    struct buffer report = { 0 };
    int code = flags_parse(&doctor_command, argc, argv, &flags);
    if (code < 0)
        code = admin_open_folder(&flags, &admin);
    if (code >= 0)
        return code;
    err_t error = admin.is_remote ? report_fetch(&admin, HTTP_GET, "/v1/doctor", TEXT_NONE, &report, &info)
                                  : doctor_local(&admin, &report, &info);
    code = error == ERROR_OK ? report_print(&admin, buffer_text(&report),
                                            is_healthy(&admin, buffer_text(&report)) ? CLI_DONE : CLI_FOUND)
                             : report_fail(error, &info);
    buffer_free(&report);
    return admin_close(&admin, code);
}
