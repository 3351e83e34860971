/* One pass over the journal: definitions against the dictionary, entries into the sums, and how many there are. */
#include <string.h>

#include "store/journal.h"
#include "store/keys.h"
#include "usage/interpret.h"
#include "usage/verify_internal.h"

#define PROGRESS_ENTRIES 65536

struct pass {
    struct verify *verify;
    struct verify_sums *sums;
    uint64_t defined[DICTIONARY_KIND_COUNT];
    uint64_t unresolved; /* corrections of records that are gone */
};

/* --- dictionary --- */

static err_t check_definition(void *context, const struct journal_definition *definition)
{
    struct pass *pass = context;
    struct verify *verify = pass->verify;
    uint8_t key[DICTIONARY_KEY_SIZE];
    struct text text, id;
    err_t error = dictionary_text(verify->txn, definition->kind, definition->id, &text);
    bool same = error == ERROR_OK && text_equal(text, definition->text);
    if (error == ERROR_OK || error == ERROR_NOT_FOUND) {
        key[0] = (uint8_t)definition->kind;
        memcpy(key + 1, definition->identity.bytes, sizeof definition->identity.bytes);
        error = kv_get(verify->txn, KV_DICTIONARY, BYTES(key), &id);
        same = same && error == ERROR_OK && id.len == 4 && get_u32be((const uint8_t *)id.ptr) == definition->id;
    }
    if (error != ERROR_OK && error != ERROR_NOT_FOUND && error != ERROR_STORE_CORRUPT)
        return error;
    if (!same)
        verify_find(verify, VERIFY_DICTIONARY, "Text %u of kind %d is not what the journal defines.", definition->id,
                    (int)definition->kind);
    pass->defined[definition->kind]++;
    return ERROR_OK;
}

static err_t check_definition_counts(struct pass *pass)
{
    uint64_t total = 0, texts, identities;
    for (int kind = 1; kind < DICTIONARY_KIND_COUNT; kind++)
        total += pass->defined[kind];
    err_t error = kv_count(pass->verify->txn, KV_DICTIONARY_TEXT, &texts);
    if (error == ERROR_OK)
        error = kv_count(pass->verify->txn, KV_DICTIONARY, &identities);
    if (error == ERROR_OK && pass->verify->coverage.first_sequence <= 1 && (texts != total || identities != total))
        verify_find(pass->verify, VERIFY_DICTIONARY,
                    "The dictionary holds %llu texts and %llu identities, the journal defines %llu.",
                    (unsigned long long)texts, (unsigned long long)identities, (unsigned long long)total);
    return error;
}

/* --- entries --- */

static err_t take_record(struct pass *pass, const struct journal_entry *entry)
{
    struct verify *verify = pass->verify;
    struct interpretation found;
    verify->result->records++;
    err_t error = interpret_record(verify->arena, verify->txn, verify->hash_key, &entry->record, &found);
    if (error == ERROR_STORE_CORRUPT) {
        verify_find(verify, VERIFY_SUMS, "Record %llu cannot be read: a name behind it is missing or damaged.",
                    (unsigned long long)entry->sequence);
        return ERROR_OK;
    }
    return error == ERROR_OK ? verify_sums_add(pass->sums, verify, &found, entry->sequence, true) : error;
}

static err_t take_correction(struct pass *pass, const struct journal_entry *entry)
{
    struct verify *verify = pass->verify;
    struct interpretation found;
    verify->result->corrections++;
    err_t error = interpret_correction(verify->arena, verify->txn, verify->txn, entry, &found);
    if (error == ERROR_NOT_FOUND && entry->correction.original < verify->coverage.first_sequence) {
        pass->unresolved++;
        return ERROR_OK;
    }
    if (error == ERROR_NOT_FOUND || error == ERROR_STORE_CORRUPT) {
        verify_find(verify, VERIFY_SUMS, "Correction %llu does not fit the record %llu that it corrects.",
                    (unsigned long long)entry->sequence, (unsigned long long)entry->correction.original);
        return ERROR_OK;
    }
    if (error == ERROR_OK)
        error = verify_sums_add_index(pass->sums, entry->correction.original, entry->sequence);
    return error == ERROR_OK ? verify_sums_add(pass->sums, verify, &found, entry->sequence, false) : error;
}

static err_t take_entry(struct pass *pass, const struct journal_entry *entry)
{
    struct verify *verify = pass->verify;
    struct arena_mark mark = arena_mark(verify->arena);
    err_t error = ERROR_OK;
    switch (entry->kind) {
    case JOURNAL_RECORD:
        error = take_record(pass, entry);
        break;
    case JOURNAL_CORRECTION:
        error = take_correction(pass, entry);
        break;
    case JOURNAL_SEAL:
        verify->result->seals++;
        break;
    case JOURNAL_NOTE:
        break;
    }
    arena_rewind(verify->arena, mark);
    verify->result->last_sequence = entry->sequence;
    if (++verify->result->entries % PROGRESS_ENTRIES == 0)
        verify_tell(verify, "journal", entry->sequence, verify->state.last_sequence);
    return error;
}

static err_t read_through(struct pass *pass)
{
    struct journal_reader reader;
    struct journal_entry entry;
    err_t error = journal_open(pass->verify->txn, 0, &reader);
    if (error != ERROR_OK)
        return error;
    reader.define = check_definition;
    reader.context = pass;
    while ((error = journal_next(&reader, &entry)) == ERROR_OK) {
        error = take_entry(pass, &entry);
        if (error != ERROR_OK)
            break;
    }
    journal_close(&reader);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

static void compare_counts(struct verify *verify)
{
    const struct verify_result *result = verify->result;
    const struct store_state *state = &verify->state;
    if (result->last_sequence != state->last_sequence)
        verify_find(verify, VERIFY_COUNTS, "The journal ends with sequence %llu, the store says %llu.",
                    (unsigned long long)result->last_sequence, (unsigned long long)state->last_sequence);
    if (verify->coverage.first_sequence <= 1 &&
        (result->records != state->records || result->corrections != state->corrections))
        verify_find(verify, VERIFY_COUNTS,
                    "The journal holds %llu records and %llu corrections, the store counts %llu and %llu.",
                    (unsigned long long)result->records, (unsigned long long)result->corrections,
                    (unsigned long long)state->records, (unsigned long long)state->corrections);
    verify->result->parts[VERIFY_COUNTS].done = true;
}

err_t verify_journal(struct verify *verify)
{
    struct pass pass = { .verify = verify, .sums = verify_sums_new() };
    if (pass.sums == NULL)
        return ERROR_NO_MEMORY;
    err_t error = read_through(&pass);
    if (error == ERROR_STORE_CORRUPT) {
        verify_find(verify, VERIFY_CHAIN, "The journal cannot be read beyond sequence %llu.",
                    (unsigned long long)verify->result->last_sequence);
        verify_sums_free(pass.sums);
        return ERROR_OK;
    }
    if (error == ERROR_OK)
        error = check_definition_counts(&pass);
    if (error == ERROR_OK) {
        verify->result->parts[VERIFY_DICTIONARY].done = true;
        compare_counts(verify);
        error = verify_sums_compare(pass.sums, verify);
    }
    verify_sums_free(pass.sums);
    return error;
}
