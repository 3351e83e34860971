/* Compares a record with a journal entry member by member, by the same rules as the content hash. */
#include "usage/difference.h"

#include <string.h>

#include "base/json.h"
#include "store/dictionary.h"
#include "store/journal.h"

static bool same_subscription(struct kv_txn *txn, uint32_t id, const struct guid *guid)
{
    struct text text;
    return dictionary_text(txn, DICTIONARY_SUBSCRIPTION, id, &text) == ERROR_OK && text.len == sizeof guid->bytes &&
           memcmp(text.ptr, guid->bytes, text.len) == 0;
}

static bool same_meter(struct kv_txn *txn, struct arena *arena, uint32_t id, const struct usage_record *record)
{
    struct text text;
    if (dictionary_text(txn, DICTIONARY_METER, id, &text) != ERROR_OK)
        return false;
    struct text folded = meter_fold(arena, text);
    return folded.ptr != NULL && text_equal(folded, record->meter_key);
}

/* tags and additionalInfo as JSON values; equal texts need no parsing. */
static bool same_attributes(struct arena *arena, struct text a, bool a_is_string, struct text b, bool b_is_string)
{
    if ((a.ptr == NULL) != (b.ptr == NULL) || a_is_string != b_is_string)
        return false;
    if (text_equal(a, b) || a.ptr == NULL)
        return true;
    const struct json *a_value, *b_value;
    if (a_is_string || json_parse(arena, a, &a_value, NULL) != ERROR_OK ||
        json_parse(arena, b, &b_value, NULL) != ERROR_OK)
        return false;
    struct text a_canonical = json_canonical(arena, a_value), b_canonical = json_canonical(arena, b_value);
    return a_canonical.ptr != NULL && b_canonical.ptr != NULL && text_equal(a_canonical, b_canonical);
}

const char *difference_member(struct kv_txn *txn, struct arena *arena, uint64_t original_sequence,
                              const struct usage_record *record)
{
    struct journal_entry entry;
    const struct journal_record *original = &entry.record;
    struct text encoded;
    struct instance instance;
    if (journal_get(txn, original_sequence, &entry) != ERROR_OK || entry.kind != JOURNAL_RECORD ||
        dictionary_text(txn, DICTIONARY_INSTANCE, original->instance, &encoded) != ERROR_OK ||
        instance_decode(encoded, &instance) != ERROR_OK)
        return "";
    if (!same_subscription(txn, original->subscription, &record->subscription))
        return "subscriptionId";
    if (!same_meter(txn, arena, original->meter, record))
        return "meterId";
    if (!text_equal_nocase(instance.resource_uri, record->resource_uri))
        return "resourceUri";
    if (!text_equal(instance.location, record->location))
        return "location";
    if (original->start_ns != record->start_ns)
        return "usageStartTime";
    if (original->end_ns != record->end_ns)
        return "usageEndTime";
    if (decimal_compare(&original->quantity, &record->quantity) != 0)
        return "quantity";
    if (!same_attributes(arena, instance.tags, instance.tags_is_string, record->tags, record->tags_is_string))
        return "tags";
    if (!same_attributes(arena, instance.additional_info, instance.additional_info_is_string, record->additional_info,
                         record->additional_info_is_string))
        return "additionalInfo";
    return "";
}
