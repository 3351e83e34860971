/* What is known of each table, without LMDB. */
#include "store/kv.h"

static const char *const table_names[KV_TABLE_COUNT] = {
    [KV_META] = "meta",
    [KV_JOURNAL] = "journal",
    [KV_DEDUPE] = "dedupe",
    [KV_HOURLY] = "hourly",
    [KV_DAILY] = "daily",
    [KV_DICTIONARY] = "dictionary",
    [KV_DICTIONARY_TEXT] = "dictionary_text",
    [KV_SUBSCRIPTIONS] = "subscriptions",
    [KV_TOKENS] = "tokens",
    [KV_USERS] = "users",
    [KV_SETTINGS] = "settings",
    [KV_ROLLUP] = "rollup",
    [KV_RUNS] = "runs",
    [KV_BLOCKS] = "blocks",
    [KV_FILTERS] = "filters",
    [KV_MERGES] = "merges",
    [KV_USAGE_TIMES] = "usage_times",
    [KV_SPANS] = "spans",
    [KV_HEADS] = "heads",
    [KV_CORRECTIONS] = "corrections",
    [KV_REJECTS] = "rejects",
    [KV_WATERMARKS] = "watermarks",
    [KV_WATERMARK_HOURS] = "watermark_hours",
    [KV_ALERTS] = "alerts",
    [KV_AUDIT] = "audit",
    [KV_SUBSCRIPTION_CHANGES] = "subscription_changes",
    [KV_REGISTRATIONS] = "registrations",
    [KV_REGISTRATION_CHANGES] = "registration_changes",
    [KV_CUSTOMERS] = "customers",
    [KV_PARTNERS] = "partners",
    [KV_CATALOGUE] = "catalogue",
    [KV_APPROVALS] = "approvals",
};

/* Not the large ones, which are read in bulk; journal segments are checked by their chain, too. */
bool kv_table_is_checked(enum kv_table table)
{
    switch (table) {
    case KV_JOURNAL:
    case KV_DEDUPE:
    case KV_HOURLY:
    case KV_DAILY:
    case KV_ROLLUP:
    case KV_BLOCKS:
    case KV_FILTERS:
    case KV_DICTIONARY_TEXT:
        return false;
    case KV_META:
    case KV_DICTIONARY:
    case KV_SUBSCRIPTIONS:
    case KV_TOKENS:
    case KV_USERS:
    case KV_SETTINGS:
    case KV_RUNS:
    case KV_MERGES:
    case KV_USAGE_TIMES:
    case KV_SPANS:
    case KV_HEADS:
    case KV_CORRECTIONS:
    case KV_REJECTS:
    case KV_WATERMARKS:
    case KV_WATERMARK_HOURS:
    case KV_ALERTS:
    case KV_AUDIT:
    case KV_SUBSCRIPTION_CHANGES:
    case KV_REGISTRATIONS:
    case KV_REGISTRATION_CHANGES:
    case KV_CUSTOMERS:
    case KV_PARTNERS:
    case KV_CATALOGUE:
    case KV_APPROVALS:
    case KV_TABLE_COUNT:
        break;
    }
    return true;
}

const char *kv_table_name(enum kv_table table)
{
    return table_names[table];
}
