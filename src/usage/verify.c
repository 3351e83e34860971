/* The order of things: the file's structure before LMDB maps it, then what is stored, then what follows from the
 * journal. What an earlier part has found unreadable is not asked of a later one. */
#include "usage/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/instant.h"
#include "base/json.h"
#include "base/memory.h"
#include "store/data_file.h"
#include "store/file_check.h"
#include "usage/verify_internal.h"

void verify_find(struct verify *verify, enum verify_part part, const char *format, ...)
{
    struct verify_findings *findings = &verify->result->parts[part];
    va_list arguments;
    if (findings->count++ >= VERIFY_FINDINGS_MAX)
        return;
    if (findings->sentences == NULL)
        findings->sentences = memory_zalloc(VERIFY_FINDINGS_MAX, sizeof *findings->sentences);
    if (findings->sentences == NULL) {
        verify->out_of_memory = true;
        return;
    }
    va_start(arguments, format);
    vsnprintf(findings->sentences[findings->count - 1], VERIFY_SENTENCE_SIZE, format, arguments);
    va_end(arguments);
}

void verify_tell(const struct verify *verify, const char *what, uint64_t done, uint64_t total)
{
    if (verify->options->progress != NULL)
        verify->options->progress(verify->options->context, what, done, total);
}

void verify_free(struct verify_result *result)
{
    for (int part = 0; part < VERIFY_PART_COUNT; part++)
        memory_free(result->parts[part].sentences);
    memset(result, 0, sizeof *result);
}

/* --- the file --- */

static void note_file_fault(void *context, const char *sentence)
{
    verify_find(context, VERIFY_FILE, "%s", sentence);
}

static err_t check_structure(struct verify *verify, struct error_info *info)
{
    char path[PATH_MAX];
    struct file_check_report report;
    if (snprintf(path, sizeof path, "%s/" DATA_FILE_NAME, verify->options->folder) >= PATH_MAX)
        return error_set(info, ERROR_IO, NULL, "the path of the data directory is too long");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(info, errno == ENOENT ? ERROR_NOT_FOUND : ERROR_IO, NULL, "cannot open %s: %s", path,
                         strerror(errno));
    verify_tell(verify, "structure of the file", 0, 0);
    struct file_check_options options = {
        .fd = fd,
        .txn_id = verify->txn != NULL ? kv_snapshot_id(verify->txn) : 0,
        .all_tables = true,
        .fault = note_file_fault,
        .context = verify,
    };
    err_t error = file_check(&options, &report);
    close(fd);
    verify->result->file_size_bytes = report.file_size_bytes;
    verify->result->pages = report.pages;
    verify->result->free_pages = report.free_pages;
    verify->result->parts[VERIFY_FILE].done = true;
    return error == ERROR_OK ? error
                             : error_set(info, error, NULL, "%s cannot be checked: %s", path, error_text(error));
}

/* --- what the store says of itself --- */

static err_t read_key(struct verify *verify, const char *name, void *out, size_t size)
{
    struct text value;
    err_t error = kv_get(verify->txn, KV_META, text_of(name), &value);
    if (error == ERROR_OK && value.len != size)
        error = ERROR_STORE_CORRUPT;
    if (error == ERROR_OK)
        memcpy(out, value.ptr, size);
    return error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : error;
}

static err_t read_identity(struct verify *verify)
{
    uint8_t private_key[SIGNATURE_PRIVATE_KEY_SIZE], version[4];
    struct text name;
    err_t error = read_key(verify, "schema", version, sizeof version);
    if (error == ERROR_OK && get_u32be(version) != STORE_SCHEMA_VERSION)
        return get_u32be(version) > STORE_SCHEMA_VERSION ? ERROR_STORE_NEWER : ERROR_STORE_CORRUPT;
    if (error == ERROR_OK)
        error = read_key(verify, "hash_key", verify->hash_key, sizeof verify->hash_key);
    if (error == ERROR_OK)
        error = read_key(verify, "signature_key", private_key, sizeof private_key);
    if (error == ERROR_OK && (error = signature_key_from_private(private_key, &verify->signature_key)) != ERROR_OK)
        error = error == ERROR_NO_MEMORY ? error : ERROR_STORE_CORRUPT;
    secret_wipe(private_key, sizeof private_key);
    if (error == ERROR_OK)
        error = store_read_state(verify->txn, &verify->state);
    if (error == ERROR_OK)
        error = kv_get(verify->txn, KV_META, TEXT("rows_engine"), &name);
    if (error == ERROR_OK && verify->rows == NULL)
        verify->rows = text_equal(name, text_of(rows_plain.name)) ? &rows_plain : &rows_runs;
    return error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : error;
}

/* "branch/" and 20 digits; see usage/restore.h. */
static err_t read_branches(struct verify *verify)
{
    static const struct text prefix = { "branch/", 7 };
    struct kv_cursor *cursor;
    struct text key, value;
    unsigned long long sequence;
    struct verify_result *result = verify->result;
    err_t error = kv_cursor_open(verify->txn, KV_META, &cursor);
    if (error != ERROR_OK)
        return error;
    error = kv_cursor_seek(cursor, prefix, &key, &value);
    for (; error == ERROR_OK && text_starts_with(key, prefix); error = kv_cursor_next(cursor, &key, &value))
        if (result->branch_count < VERIFY_BRANCHES_MAX &&
            text_to_u64((struct text){ key.ptr + prefix.len, key.len - prefix.len }, &sequence))
            result->branches[result->branch_count++] = sequence;
    kv_cursor_close(cursor);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

/* --- */

static err_t verify_content(struct verify *verify)
{
    err_t error = verify_checksums(verify);
    if (error != ERROR_OK)
        return error;
    error = read_identity(verify);
    if (error == ERROR_STORE_CORRUPT) {
        verify_find(verify, VERIFY_CHECKSUMS, "What the store says of itself (schema, keys, counts) is damaged.");
        return ERROR_OK;
    }
    if (error == ERROR_OK)
        error = read_branches(verify);
    if (error == ERROR_OK)
        error = verify_chain(verify);
    if (error == ERROR_OK)
        error = coverage_read(verify->txn, &verify->coverage);
    if (error == ERROR_STORE_CORRUPT) {
        verify_find(verify, VERIFY_CHAIN, "The journal cannot be read.");
        return ERROR_OK;
    }
    verify->result->first_sequence = verify->coverage.first_sequence;
    verify->result->first_hour = verify->coverage.first_hour > verify->coverage.hourly_end
                                     ? verify->coverage.first_hour
                                     : verify->coverage.hourly_end;
    if (error == ERROR_OK)
        error = verify_heads(verify);
    if (error == ERROR_OK && verify->options->heads.ptr != NULL)
        error = verify_exported(verify);
    if (error == ERROR_OK)
        error = verify_rows(verify);
    return error == ERROR_OK ? verify_journal(verify) : error;
}

static err_t open_kv(struct verify *verify, struct error_info *info)
{
    const struct verify_options *options = verify->options;
    struct kv_options kv = { .folder = options->folder, .map_size_bytes = options->map_size_bytes, .read_only = true };
    err_t error = kv_open(&kv, &verify->kv, info);
    if (error == ERROR_OK && (error = kv_read_begin(verify->kv, &verify->txn)) != ERROR_OK)
        error_set(info, error, NULL, "the store cannot be read: %s", error_text(error));
    return error;
}

static err_t run(struct verify *verify, struct error_info *info)
{
    const struct verify_options *options = verify->options;
    err_t error = ERROR_OK;
    if (options->kv != NULL)
        error = kv_read_begin(options->kv, &verify->txn);
    if (error == ERROR_OK)
        error = check_structure(verify, info);
    if (error != ERROR_OK || verify->result->parts[VERIFY_FILE].count > 0)
        return error;
    if (options->kv == NULL)
        error = open_kv(verify, info);
    if (error != ERROR_OK)
        return error;
    error = verify_content(verify);
    if (error == ERROR_OK && verify->out_of_memory)
        error = ERROR_NO_MEMORY;
    return error == ERROR_OK ? error
                             : error_set(info, error, NULL, "the store in %s cannot be verified: %s", options->folder,
                                         error_text(error));
}

err_t verify_run(const struct verify_options *options, struct verify_result *result, struct error_info *info)
{
    struct verify verify = { .options = options, .result = result, .rows = options->rows };
    memset(result, 0, sizeof *result);
    verify.arena = arena_new(64 * 1024, 0);
    err_t error = verify.arena != NULL ? run(&verify, info) : error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    if (verify.txn != NULL)
        kv_read_end(verify.txn);
    kv_close(verify.kv);
    coverage_free(&verify.coverage);
    arena_free(verify.arena);
    secret_wipe(&verify.signature_key, sizeof verify.signature_key);
    secret_wipe(verify.hash_key, sizeof verify.hash_key);
    return error;
}

/* --- telling --- */

const char *verify_part_name(enum verify_part part)
{
    static const char *const names[VERIFY_PART_COUNT] = {
        [VERIFY_FILE] = "file",
        [VERIFY_CHECKSUMS] = "checksums",
        [VERIFY_CHAIN] = "chain",
        [VERIFY_HEADS] = "heads",
        [VERIFY_DICTIONARY] = "dictionary",
        [VERIFY_ROWS] = "rows",
        [VERIFY_EXPORTED] = "exportedHeads",
        [VERIFY_SUMS] = "sums",
        [VERIFY_DEDUPE] = "dedupe",
        [VERIFY_LOOKUPS] = "lookups",
        [VERIFY_COUNTS] = "counts",
    };
    return names[part];
}

bool verify_has_findings(const struct verify_result *result, bool completeness)
{
    int part = completeness ? VERIFY_COMPLETENESS_FIRST : 0;
    for (; part < (completeness ? VERIFY_PART_COUNT : VERIFY_COMPLETENESS_FIRST); part++)
        if (result->parts[part].count > 0)
            return true;
    return false;
}

/* Whether the whole of an answer was looked at. Exported heads are asked for or not. */
static bool was_done(const struct verify_result *result, bool completeness)
{
    int part = completeness ? VERIFY_COMPLETENESS_FIRST : 0;
    for (; part < (completeness ? VERIFY_PART_COUNT : VERIFY_COMPLETENESS_FIRST); part++)
        if (part != VERIFY_EXPORTED && !result->parts[part].done)
            return false;
    return true;
}

static const char *answer_of(const struct verify_result *result, bool completeness)
{
    return verify_has_findings(result, completeness) ? "broken" : was_done(result, completeness) ? "proven" : "unknown";
}

static void put_u64(struct json_writer *json, const char *name, uint64_t value)
{
    json_name(json, name);
    json_put_u64(json, value);
}

static void put_findings(struct json_writer *json, const struct verify_result *result, bool completeness)
{
    json_name(json, completeness ? "completeness" : "integrity");
    json_begin_object(json);
    json_name(json, "answer");
    json_put_cstring(json, answer_of(result, completeness));
    json_name(json, "findings");
    json_begin_array(json);
    int part = completeness ? VERIFY_COMPLETENESS_FIRST : 0;
    for (; part < (completeness ? VERIFY_PART_COUNT : VERIFY_COMPLETENESS_FIRST); part++) {
        const struct verify_findings *findings = &result->parts[part];
        for (uint64_t i = 0; i < findings->count && i < VERIFY_FINDINGS_MAX && findings->sentences != NULL; i++) {
            json_begin_object(json);
            json_name(json, "part");
            json_put_cstring(json, verify_part_name((enum verify_part)part));
            json_name(json, "message");
            json_put_cstring(json, findings->sentences[i]);
            json_end_object(json);
        }
    }
    json_end_array(json);
    json_end_object(json);
}

static void append(struct buffer *out, const char *format, ...) PRINTF_LIKE(2, 3);
static void append(struct buffer *out, const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    buffer_append_text(out, text_of(line));
}

static void append_answer(const struct verify_result *result, bool completeness, struct buffer *out)
{
    static const char *const sentences[2][3] = {
        { "Integrity: nothing that is stored has been changed or damaged.",
          "Integrity: something that is stored has been changed or damaged.",
          "Integrity: not all of it could be looked at." },
        { "Completeness: everything that was accepted is counted, and nothing else.",
          "Completeness: what is counted is not what was accepted.",
          "Completeness: this could not be looked at, because of the above." },
    };
    bool broken = verify_has_findings(result, completeness);
    append(out, "%s\n", sentences[completeness][broken ? 1 : was_done(result, completeness) ? 0 : 2]);
    int part = completeness ? VERIFY_COMPLETENESS_FIRST : 0;
    for (; part < (completeness ? VERIFY_PART_COUNT : VERIFY_COMPLETENESS_FIRST); part++) {
        const struct verify_findings *findings = &result->parts[part];
        for (uint64_t i = 0; i < findings->count && i < VERIFY_FINDINGS_MAX && findings->sentences != NULL; i++)
            append(out, "  - %s\n", findings->sentences[i]);
        if (findings->count > VERIFY_FINDINGS_MAX)
            append(out, "  - and %llu more of this kind (%s).\n",
                   (unsigned long long)(findings->count - VERIFY_FINDINGS_MAX),
                   verify_part_name((enum verify_part)part));
    }
}

static void append_limits(const struct verify_result *result, struct buffer *out)
{
    char hour[INSTANT_TEXT_SIZE];
    for (size_t i = 0; i < result->branch_count; i++)
        append(
            out,
            "This store was restored from a backup as of sequence %llu: heads that the former store signed later are "
            "of another branch.\n",
            (unsigned long long)result->branches[i]);
    if (result->first_sequence <= 1 && result->first_hour == 0)
        return;
    instant_print(hour_start_ns(result->first_hour), hour);
    append(out,
           "Retention has dropped what is older than sequence %llu from the journal; %llu rows reported before %s "
           "are taken as they are.\n",
           (unsigned long long)result->first_sequence, (unsigned long long)result->given_rows, hour);
}

void verify_write_text(const struct verify_result *result, struct buffer *out)
{
    append_answer(result, false, out);
    append_answer(result, true, out);
    if (was_done(result, true))
        append(out,
               "Counted: %llu records and %llu corrections in %llu segments, %llu signed heads; in all %s, the same in "
               "hours and days.\n",
               (unsigned long long)result->records, (unsigned long long)result->corrections,
               (unsigned long long)result->segments, (unsigned long long)result->heads, result->quantity);
    append_limits(result, out);
    if (verify_has_findings(result, false) || verify_has_findings(result, true))
        append(out, "What to do: keep a copy of the data directory, then 'stampmeter rebuild' if the journal is whole "
                    "(no finding above of file, checksums or chain speaks of it), else restore a backup.\n");
}

void verify_write_json(const struct verify_result *result, struct buffer *out)
{
    struct json_writer json = json_writer(out);
    struct buffer text = { 0 };
    json_begin_object(&json);
    put_findings(&json, result, false);
    put_findings(&json, result, true);
    json_name(&json, "counts");
    json_begin_object(&json);
    for (int part = 0; part < VERIFY_PART_COUNT; part++)
        put_u64(&json, verify_part_name((enum verify_part)part), result->parts[part].count);
    json_end_object(&json);
    put_u64(&json, "fileSizeBytes", result->file_size_bytes);
    put_u64(&json, "pages", result->pages);
    put_u64(&json, "freePages", result->free_pages);
    put_u64(&json, "segments", result->segments);
    put_u64(&json, "entries", result->entries);
    put_u64(&json, "records", result->records);
    put_u64(&json, "corrections", result->corrections);
    put_u64(&json, "seals", result->seals);
    put_u64(&json, "signedHeads", result->heads);
    put_u64(&json, "firstSequence", result->first_sequence);
    put_u64(&json, "lastSequence", result->last_sequence);
    json_name(&json, "quantity");
    json_put_cstring(&json, result->quantity);
    put_u64(&json, "hourlyRows", result->rows[ROWS_HOURLY]);
    put_u64(&json, "dailyRows", result->rows[ROWS_DAILY]);
    put_u64(&json, "dedupeRows", result->rows[ROWS_DEDUPE]);
    put_u64(&json, "rowsTakenAsGiven", result->given_rows);
    json_name(&json, "restoredAtSequences");
    json_begin_array(&json);
    for (size_t i = 0; i < result->branch_count; i++)
        json_put_u64(&json, result->branches[i]);
    json_end_array(&json);
    verify_write_text(result, &text);
    json_name(&json, "text");
    json_put_text(&json, buffer_text(&text));
    json_end_object(&json);
    out->failed = out->failed || text.failed;
    buffer_free(&text);
}
