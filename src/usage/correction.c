/* See correction.h. Parsing runs wherever the caller likes, the rest on the writer thread: the record is found by its
 * identity, what it counts for now is in its last correction, and the new difference goes where new records go. */
#include "usage/correction.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/encode.h"
#include "base/json.h"
#include "store/audit.h"
#include "usage/record.h"

const char *correction_action_name(enum correction_action action)
{
    return action == CORRECTION_VOID ? "void" : "amend";
}

/* --- reading --- */

enum member { MEMBER_SOURCE, MEMBER_ID, MEMBER_ACTION, MEMBER_QUANTITY, MEMBER_REASON, MEMBER_COUNT };

static const struct text member_names[MEMBER_COUNT] = {
    [MEMBER_SOURCE] = { "source", 6 },     [MEMBER_ID] = { "id", 2 },         [MEMBER_ACTION] = { "action", 6 },
    [MEMBER_QUANTITY] = { "quantity", 8 }, [MEMBER_REASON] = { "reason", 6 },
};

struct reading {
    const struct json *members[MEMBER_COUNT];
    struct correction *correction;
};

static err_t invalid(struct reading *r, enum member member, const char *what)
{
    return error_set(&r->correction->failure, ERROR_INVALID_PROPERTY, member_names[member].ptr, "%s %s",
                     member_names[member].ptr, what);
}

static bool is_blank_or_controlled(struct text text)
{
    bool blank = true;
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return true;
        blank = blank && text.ptr[i] == ' ';
    }
    return blank;
}

static err_t read_text(struct reading *r, enum member member, size_t size_max, struct text *out)
{
    const struct json *value = r->members[member];
    if (value == NULL)
        return invalid(r, member, "is missing");
    if (json_type(value) != JSON_STRING)
        return invalid(r, member, "must be a string");
    struct text text = json_string(value);
    if (text.len > size_max)
        return invalid(r, member, "is too long");
    if (is_blank_or_controlled(text))
        return invalid(r, member, "must not be empty nor contain control characters");
    *out = text;
    return ERROR_OK;
}

static err_t read_action(struct reading *r)
{
    struct text text;
    err_t error = read_text(r, MEMBER_ACTION, 16, &text);
    if (error != ERROR_OK)
        return error;
    if (text_equal(text, TEXT("void")))
        r->correction->action = CORRECTION_VOID;
    else if (text_equal(text, TEXT("amend")))
        r->correction->action = CORRECTION_AMEND;
    else
        return invalid(r, MEMBER_ACTION, "is void or amend");
    return ERROR_OK;
}

/* The rules of a record's quantity. */
static err_t read_quantity(struct reading *r)
{
    const struct json *value = r->members[MEMBER_QUANTITY];
    if (r->correction->action == CORRECTION_VOID)
        return value == NULL ? ERROR_OK : invalid(r, MEMBER_QUANTITY, "goes with amend only");
    if (value == NULL)
        return invalid(r, MEMBER_QUANTITY, "is missing");
    if (json_type(value) != JSON_NUMBER && json_type(value) != JSON_STRING)
        return invalid(r, MEMBER_QUANTITY, "must be a number or a decimal string");
    err_t error = decimal_parse(json_type(value) == JSON_NUMBER ? json_number(value) : json_string(value),
                                &r->correction->quantity);
    if (error == ERROR_INVALID_PROPERTY)
        return invalid(r, MEMBER_QUANTITY, "must be a decimal number");
    if (error == ERROR_OK && decimal_is_negative(&r->correction->quantity))
        error = ERROR_QUANTITY_OUT_OF_RANGE;
    return error == ERROR_OK ? ERROR_OK : error_set(&r->correction->failure, error, "quantity", NULL);
}

static err_t collect_members(struct reading *r, const struct json *value)
{
    if (json_type(value) != JSON_OBJECT)
        return error_set(&r->correction->failure, ERROR_INVALID_PROPERTY, NULL, "a correction must be a JSON object");
    for (struct json_iterator i = json_iterate(value); json_next(&i);) {
        for (int m = 0; m < MEMBER_COUNT; m++) {
            if (!text_equal(i.name, member_names[m]))
                continue;
            if (r->members[m] != NULL)
                return invalid(r, (enum member)m, "is given twice");
            r->members[m] = i.value;
        }
    }
    /* null says the same as leaving the member out. */
    for (int m = 0; m < MEMBER_COUNT; m++)
        if (r->members[m] != NULL && json_type(r->members[m]) == JSON_NULL)
            r->members[m] = NULL;
    return ERROR_OK;
}

static bool may_correct(const struct ingest_producer *party, struct text source)
{
    for (size_t i = 0; i < party->source_count; i++)
        if (text_equal(party->sources[i], TEXT("*")) || text_equal(party->sources[i], source))
            return true;
    return false;
}

static void read_correction(struct correction_batch *batch, const struct json *value, struct correction *correction)
{
    struct reading r = { .correction = correction };
    err_t error = collect_members(&r, value);
    if (error == ERROR_OK)
        error = read_text(&r, MEMBER_SOURCE, RECORD_SOURCE_SIZE_MAX, &correction->source);
    if (error == ERROR_OK)
        error = read_text(&r, MEMBER_ID, RECORD_ID_SIZE_MAX, &correction->id);
    if (error == ERROR_OK)
        error = read_action(&r);
    if (error == ERROR_OK)
        error = read_quantity(&r);
    if (error == ERROR_OK)
        error = read_text(&r, MEMBER_REASON, CORRECTION_REASON_SIZE_MAX, &correction->reason);
    /* A producer is told the same of records that are not its own and of those that do not exist (promise 8). */
    if (error == ERROR_OK && !may_correct(&batch->party, correction->source))
        error = error_set(&correction->failure, ERROR_RECORD_NOT_FOUND, NULL, NULL);
    correction->identity = record_identity(batch->hash_key, correction->source, correction->id);
    correction->refused = error != ERROR_OK;
}

struct correction_batch *correction_new(struct arena *arena, const struct ingest_producer *party,
                                        const uint8_t *hash_key)
{
    struct correction_batch *batch = arena_zalloc(arena, sizeof *batch);
    if (batch != NULL) {
        batch->arena = arena;
        batch->party = *party;
        batch->hash_key = hash_key;
    }
    return batch;
}

err_t correction_parse(struct correction_batch *batch, struct text body, struct error_info *info)
{
    const struct json *json;
    err_t error = json_parse(batch->arena, body, &json, info);
    if (error != ERROR_OK)
        return error;
    batch->is_list = json_type(json) == JSON_ARRAY;
    if (!batch->is_list && json_type(json) != JSON_OBJECT)
        return error_set(info, ERROR_INVALID_REQUEST_CONTENT, NULL,
                         "the body must be a correction or an array of corrections");
    size_t count = batch->is_list ? json_count(json) : 1;
    if (count > CORRECTIONS_PER_REQUEST_MAX)
        return error_set(info, ERROR_INVALID_REQUEST_CONTENT, NULL, "a request holds at most %d corrections",
                         CORRECTIONS_PER_REQUEST_MAX);
    batch->corrections = arena_array(batch->arena, count + 1, sizeof *batch->corrections);
    if (batch->corrections == NULL)
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    if (!batch->is_list)
        read_correction(batch, json, &batch->corrections[batch->count++]);
    for (struct json_iterator i = json_iterate(json); batch->is_list && json_next(&i);)
        read_correction(batch, i.value, &batch->corrections[batch->count++]);
    return ERROR_OK;
}

/* --- the difference --- */

const struct write_share *correction_shares(struct arena *arena, const struct journal_record *record,
                                            const struct decimal *from, const struct decimal *to, size_t *count)
{
    size_t hours;
    *count = 0;
    const struct write_share *before = record_split(arena, record->start_ns, record->end_ns, from, &hours);
    const struct write_share *after = record_split(arena, record->start_ns, record->end_ns, to, &hours);
    struct write_share *shares = arena_array(arena, hours, sizeof *shares);
    if (before == NULL || after == NULL || shares == NULL)
        return NULL;
    for (size_t i = 0; i < hours; i++) {
        struct write_share *share = &shares[*count];
        share->hour = after[i].hour;
        /* Both lie in [0, 10^27). */
        REQUIRE(decimal_subtract(&after[i].quantity, &before[i].quantity, &share->quantity));
        *count += decimal_is_zero(&share->quantity) ? 0 : 1;
    }
    return shares;
}

err_t correction_sequences(struct kv_txn *txn, uint64_t original, uint64_t sequences[CORRECTIONS_STORED_MAX],
                           size_t *count)
{
    uint8_t from[CORRECTION_KEY_SIZE] = { 0 };
    struct kv_cursor *cursor;
    struct text key, value;
    *count = 0;
    put_u64be(from, original);
    err_t error = kv_cursor_open(txn, KV_CORRECTIONS, &cursor);
    if (error != ERROR_OK)
        return error;
    error = kv_cursor_seek(cursor, BYTES(from), &key, &value);
    while (error == ERROR_OK && key.len == sizeof from && memcmp(key.ptr, from, sizeof original) == 0) {
        if (*count == CORRECTIONS_STORED_MAX) {
            error = ERROR_STORE_CORRUPT;
            break;
        }
        sequences[(*count)++] = get_u64be((const uint8_t *)key.ptr + sizeof original);
        error = kv_cursor_next(cursor, &key, &value);
    }
    kv_cursor_close(cursor);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

/* --- writing --- */

/* A record and what it counts for now. */
struct state {
    struct journal_record record; /* without its id */
    uint32_t resource;
    size_t corrections;
    bool voided;
};

/* ERROR_OK also when the record can't be had; that is then a failure of the correction. */
static err_t find_record(struct store_write *write, struct correction *correction, struct state *state)
{
    enum claim claim;
    uint64_t sequence;
    struct journal_entry entry;
    struct instance instance;
    struct text encoded;
    err_t error = write_claim(write, &correction->identity, 0, &claim, &sequence);
    if (error != ERROR_OK)
        return error;
    if (claim == CLAIM_NEW) {
        error_set(&correction->failure, ERROR_RECORD_NOT_FOUND, NULL, NULL);
        return ERROR_OK;
    }
    error = write_entry(write, sequence, &entry);
    if (error == ERROR_NOT_FOUND) {
        error_set(&correction->failure, ERROR_RECORD_NOT_KEPT, NULL, NULL);
        return ERROR_OK;
    }
    if (error != ERROR_OK || entry.kind != JOURNAL_RECORD)
        return error != ERROR_OK ? error : ERROR_STORE_CORRUPT;
    state->record = entry.record;
    state->record.id = TEXT_NONE; /* lives in the entry */
    error = dictionary_text(write_txn(write), DICTIONARY_INSTANCE, entry.record.instance, &encoded);
    if (error == ERROR_OK)
        error = instance_decode(encoded, &instance);
    state->resource = error == ERROR_OK ? instance.resource : 0;
    return error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : error;
}

static err_t find_state(struct store_write *write, struct correction *correction, struct state *state)
{
    uint64_t sequences[CORRECTIONS_STORED_MAX];
    struct journal_entry entry;
    correction->sequence = state->record.sequence;
    correction->reported_ns = state->record.reported_ns;
    correction->counted = state->record.quantity;
    correction->difference = decimal_from_i64(0);
    state->voided = false;
    err_t error = correction_sequences(write_txn(write), state->record.sequence, sequences, &state->corrections);
    if (error != ERROR_OK || state->corrections == 0)
        return error;
    error = write_entry(write, sequences[state->corrections - 1], &entry);
    if (error != ERROR_OK || entry.kind != JOURNAL_CORRECTION)
        return error != ERROR_OK && error != ERROR_NOT_FOUND ? error : ERROR_STORE_CORRUPT;
    state->voided = entry.correction.action == CORRECTION_VOID;
    correction->sequence = entry.sequence;
    correction->reported_ns = entry.reported_ns;
    correction->counted = entry.correction.quantity;
    correction->difference = entry.correction.difference;
    return ERROR_OK;
}

static bool changes_nothing(const struct correction *correction, const struct state *state)
{
    if (correction->action == CORRECTION_VOID)
        return state->voided;
    return !state->voided && decimal_compare(&correction->quantity, &correction->counted) == 0;
}

static err_t write_difference(struct store_write *write, struct correction_batch *batch, struct correction *correction,
                              const struct state *state)
{
    struct journal_correction entry = {
        .original = state->record.sequence,
        .action = correction->action,
        .quantity = correction->action == CORRECTION_VOID ? decimal_from_i64(0) : correction->quantity,
        .reason = correction->reason,
        .by = batch->party.name,
    };
    size_t count;
    bool fits;
    const struct write_share *shares =
        correction_shares(batch->arena, &state->record, &correction->counted, &entry.quantity, &count);
    if (shares == NULL)
        return ERROR_NO_MEMORY;
    REQUIRE(decimal_subtract(&entry.quantity, &correction->counted, &entry.difference));
    err_t error =
        write_correction(write, &state->record, state->resource, &entry, shares, count, &fits, &correction->sequence);
    if (error != ERROR_OK)
        return error;
    if (!fits) {
        error_set(&correction->failure, ERROR_QUANTITY_OUT_OF_RANGE, "quantity",
                  "the sum of this resource's hour or day would not fit any more");
        return ERROR_OK;
    }
    correction->changed = true;
    correction->reported_ns = write_reported_ns(write);
    correction->counted = entry.quantity;
    correction->difference = entry.difference;
    return ERROR_OK;
}

static err_t correct(struct store_write *write, struct correction_batch *batch, struct correction *correction)
{
    struct state state;
    correction->failure.code = ERROR_OK;
    correction->changed = false;
    err_t error = find_record(write, correction, &state);
    if (error != ERROR_OK || correction->failure.code != ERROR_OK)
        return error;
    error = find_state(write, correction, &state);
    if (error != ERROR_OK || changes_nothing(correction, &state))
        return error;
    if (state.corrections >= CORRECTIONS_PER_RECORD_MAX && correction->action != CORRECTION_VOID) {
        error_set(&correction->failure, ERROR_TOO_MANY_CORRECTIONS, NULL, NULL);
        return ERROR_OK;
    }
    return write_difference(write, batch, correction, &state);
}

/* One entry for all that changed; the journal holds who, when and why of each. */
static err_t write_audit(struct store_write *write, const struct correction_batch *batch)
{
    const struct correction *first = NULL;
    char detail[96], subject[AUDIT_TEXT_SIZE_MAX];
    size_t changed = 0;
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->corrections[i].refused || batch->corrections[i].failure.code != ERROR_OK ||
            !batch->corrections[i].changed)
            continue;
        first = changed++ == 0 ? &batch->corrections[i] : first;
    }
    if (first == NULL)
        return ERROR_OK;
    (void)snprintf(subject, sizeof subject, "records/%.*s/%.*s",
                   (int)(first->source.len < 200 ? first->source.len : 200), first->source.ptr,
                   (int)(first->id.len < 200 ? first->id.len : 200), first->id.ptr);
    (void)snprintf(detail, sizeof detail, "{\"corrections\":%zu,\"firstSequence\":\"%llu\"}", changed,
                   (unsigned long long)first->sequence);
    struct audit_entry entry = {
        .by = batch->party.name,
        .action = TEXT("usage.correct"),
        .subject = changed == 1 ? text_of(subject) : TEXT("records"),
        .detail = text_of(detail),
        .request = batch->request,
    };
    return audit_write(write, &entry);
}

static err_t run_batch(struct store_write *write, struct store_job *job)
{
    struct correction_batch *batch = (struct correction_batch *)job;
    err_t error = ERROR_OK;
    for (size_t i = 0; i < batch->count && error == ERROR_OK; i++) {
        struct arena_mark mark = arena_mark(batch->arena);
        if (!batch->corrections[i].refused)
            error = correct(write, batch, &batch->corrections[i]);
        arena_rewind(batch->arena, mark);
    }
    return error == ERROR_OK ? write_audit(write, batch) : error;
}

err_t correction_submit(struct correction_batch *batch, struct store *store, void (*done)(struct store_job *job))
{
    batch->job.run = run_batch;
    batch->job.done = done;
    /* How many hours a record has is seen only then; most have one. */
    batch->job.weight = batch->count > 0 ? batch->count : 1;
    return done == NULL ? store_run(store, &batch->job) : store_submit(store, &batch->job);
}
