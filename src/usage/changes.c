/* See changes.h. */
#include "usage/changes.h"

struct page {
    struct kv_txn *txn;
    size_t limit, changes, entries, text_bytes;
    err_t (*emit)(void *context, const struct change *change);
    void *context;
};

static bool is_full(const struct page *page)
{
    return page->changes >= page->limit || page->entries >= CHANGES_ENTRIES_MAX ||
           page->text_bytes >= CHANGES_TEXT_BYTES_MAX;
}

static err_t emit_record(struct page *page, struct change *change, const struct journal_record *record)
{
    change->kept = true;
    err_t error = record_view_read(page->txn, record, &change->record);
    const struct instance *instance = &change->record.instance;
    page->text_bytes +=
        record->id.len + instance->resource_uri.len + instance->tags.len + instance->additional_info.len;
    return error == ERROR_OK ? page->emit(page->context, change) : error;
}

static err_t visit(struct page *page, const struct journal_entry *entry)
{
    struct change change = { .entry = entry };
    struct journal_entry original;
    err_t error;
    page->entries++;
    if (entry->kind == JOURNAL_NOTE)
        return ERROR_OK;
    page->changes++;
    switch (entry->kind) {
    case JOURNAL_RECORD:
        return emit_record(page, &change, &entry->record);
    case JOURNAL_CORRECTION:
        error = journal_get(page->txn, entry->correction.original, &original);
        if (error == ERROR_OK)
            return emit_record(page, &change, &original.record);
        if (error != ERROR_NOT_FOUND)
            return error;
        break;
    case JOURNAL_SEAL:
    case JOURNAL_NOTE:
        break;
    }
    return page->emit(page->context, &change);
}

static err_t check_start(struct kv_txn *txn, const struct journal_reader *reader, uint64_t after,
                         struct error_info *info)
{
    struct store_state state;
    err_t error = store_read_state(txn, &state);
    if (error != ERROR_OK)
        return error;
    if (after > state.last_sequence)
        return error_set(info, ERROR_INVALID_PROPERTY, "after",
                         "after lies beyond the end of the journal, %llu; if the store was restored from a backup, "
                         "the copy is ahead of it",
                         (unsigned long long)state.last_sequence);
    uint64_t first = reader->left > 0 ? reader->sequence : state.last_sequence + 1;
    if (first > after + 1)
        return error_set(info, ERROR_CHANGES_NOT_KEPT, "after",
                         "retention has dropped what follows sequence %llu; the first one still kept is %llu, so go "
                         "on with after=%llu",
                         (unsigned long long)after, (unsigned long long)first, (unsigned long long)(first - 1));
    return ERROR_OK;
}

err_t changes_page(struct kv_txn *txn, uint64_t *after, size_t limit,
                   err_t (*emit)(void *context, const struct change *change), void *context, bool *more,
                   struct error_info *info)
{
    struct page page = { .txn = txn, .limit = limit, .emit = emit, .context = context };
    struct journal_reader reader;
    struct journal_entry entry;
    *more = false;
    if (*after == UINT64_MAX) /* it has no successor */
        (*after)--;
    err_t error = journal_open(txn, *after + 1, &reader);
    if (error != ERROR_OK)
        return error;
    error = check_start(txn, &reader, *after, info);
    while (error == ERROR_OK && (error = journal_next(&reader, &entry)) == ERROR_OK) {
        if (is_full(&page)) {
            *more = true;
            break;
        }
        error = visit(&page, &entry);
        *after = entry.sequence;
    }
    journal_close(&reader);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}
