/* The write path's view of a record, made from what was stored of it. */
#include "usage/interpret.h"

#include "base/check.h"
#include "usage/correction.h"
#include "usage/record.h"
#include "usage/record_view.h"

static err_t content_hash_of(struct arena *arena, const uint8_t *hash_key, const struct record_view *view,
                             uint64_t *hash)
{
    struct record_content content = {
        .subscription = view->subscription,
        .meter_key = meter_fold(arena, view->meter_id),
        .resource_key = resource_fold(arena, view->instance.resource_uri),
        .location = view->instance.location,
        .start_ns = view->record->start_ns,
        .end_ns = view->record->end_ns,
        .quantity = view->record->quantity,
        .tags = view->instance.tags,
        .tags_is_string = view->instance.tags_is_string,
        .additional_info = view->instance.additional_info,
        .additional_info_is_string = view->instance.additional_info_is_string,
    };
    if (content.meter_key.ptr == NULL || content.resource_key.ptr == NULL)
        return ERROR_NO_MEMORY;
    return record_content_hash(arena, hash_key, &content, hash);
}

err_t interpret_record(struct arena *arena, struct kv_txn *names, const uint8_t *hash_key,
                       const struct journal_record *record, struct interpretation *out)
{
    struct record_view view;
    if (record->start_ns >= record->end_ns || record->end_ns - record->start_ns > RECORD_INTERVAL_NS_MAX ||
        record->start_ns < 0)
        return ERROR_STORE_CORRUPT;
    err_t error = record_view_read(names, record, &view);
    if (error != ERROR_OK)
        return error;
    out->record = *record;
    out->resource = view.instance.resource;
    out->identity = record_identity(hash_key, view.source, record->id);
    out->shares = record_split(arena, record->start_ns, record->end_ns, &record->quantity, &out->share_count);
    return out->shares != NULL ? content_hash_of(arena, hash_key, &view, &out->content_hash) : ERROR_NO_MEMORY;
}

err_t interpret_correction(struct arena *arena, struct kv_txn *names, struct kv_txn *journal,
                           const struct journal_entry *entry, struct interpretation *out)
{
    const struct journal_correction *correction = &entry->correction;
    struct journal_entry original;
    struct record_view view;
    struct decimal before;
    err_t error = journal_get(journal, correction->original, &original);
    if (error != ERROR_OK)
        return error;
    if (original.kind != JOURNAL_RECORD || original.sequence >= entry->sequence ||
        !decimal_subtract(&correction->quantity, &correction->difference, &before) || decimal_is_negative(&before) ||
        decimal_is_negative(&correction->quantity))
        return ERROR_STORE_CORRUPT;
    error = record_view_read(names, &original.record, &view);
    if (error != ERROR_OK)
        return error;
    out->record = original.record;
    out->record.id = TEXT_NONE; /* lives in the entry */
    out->record.reported_ns = entry->reported_ns;
    out->resource = view.instance.resource;
    out->shares = correction_shares(arena, &original.record, &before, &correction->quantity, &out->share_count);
    return out->shares != NULL ? ERROR_OK : ERROR_NO_MEMORY;
}
