/* A page: rows of the merge (listing_merge.h) that differ only in bucket and instance are added up, and named from
 * the dictionary. Names repeat from row to row, so those of a page are kept. */
#include "usage/listing.h"

#include <string.h>

#include "base/check.h"
#include "base/instant.h"
#include "base/json.h"
#include "usage/listing_merge.h"

/* Slots of direct-mapped caches, by the lowest bits of the id. */
#define SUBSCRIPTION_SLOTS 64
#define METER_SLOTS 64
#define INSTANCE_SLOTS 2048

struct named {
    uint32_t id; /* 0: empty */
    struct text text;
};

struct page {
    struct kv_txn *txn;
    const struct listing_query *query;
    struct kv_cursor *texts; /* of the dictionary: ids of a page lie close together */
    struct named meters[METER_SLOTS], subscriptions[SUBSCRIPTION_SLOTS];
    struct named instances[INSTANCE_SLOTS];
    /* What 'hides' said. */
    uint32_t asked[SUBSCRIPTION_SLOTS];
    bool hidden[SUBSCRIPTION_SLOTS];
};

/* --- names --- */

static err_t name_of(struct page *page, enum dictionary_kind kind, struct named *slot, uint32_t id, struct text *text)
{
    err_t error = ERROR_OK;
    if (slot->id != id)
        error = dictionary_text_at(page->texts, kind, id, &slot->text);
    slot->id = error == ERROR_OK ? id : 0;
    *text = slot->text;
    return error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : error;
}

static err_t subscription_of(struct page *page, uint32_t id, struct guid *out)
{
    struct text text;
    struct named *slot = &page->subscriptions[id % SUBSCRIPTION_SLOTS];
    err_t error = name_of(page, DICTIONARY_SUBSCRIPTION, slot, id, &text);
    if (error == ERROR_OK && text.len != sizeof out->bytes)
        error = ERROR_STORE_CORRUPT;
    if (error == ERROR_OK)
        memcpy(out->bytes, text.ptr, text.len);
    return error;
}

static err_t describe(struct page *page, const struct row_key *key, struct listing_row *row)
{
    bool daily = page->query->daily;
    int64_t period = key->period;
    row->subscription_number = key->subscription;
    row->meter_number = key->meter;
    row->start_ns = daily ? day_start_ns(period) : hour_start_ns(period);
    row->end_ns = daily ? day_start_ns(period + 1) : hour_start_ns(period + 1);
    row->has_instance = page->query->details;
    err_t error = subscription_of(page, key->subscription, &row->subscription);
    if (error == ERROR_OK)
        error = name_of(page, DICTIONARY_METER, &page->meters[key->meter % METER_SLOTS], key->meter, &row->meter_id);
    if (error != ERROR_OK || !page->query->details)
        return error;
    struct text encoded;
    row->instance_number = key->instance;
    error =
        name_of(page, DICTIONARY_INSTANCE, &page->instances[key->instance % INSTANCE_SLOTS], key->instance, &encoded);
    return error == ERROR_OK ? instance_decode(encoded, &row->instance) : error;
}

/* --- what the caller may not see --- */

static bool is_excluded(const struct listing_query *query, uint32_t subscription)
{
    size_t low = 0, high = query->excluded_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (query->excluded[middle] < subscription)
            low = middle + 1;
        else
            high = middle;
    }
    return low < query->excluded_count && query->excluded[low] == subscription;
}

static err_t hides(void *context, uint32_t subscription, bool *hidden)
{
    struct page *page = context;
    const struct listing_query *query = page->query;
    size_t slot = subscription % SUBSCRIPTION_SLOTS;
    if (page->asked[slot] != subscription) {
        struct guid guid;
        err_t error = ERROR_OK;
        page->asked[slot] = 0;
        page->hidden[slot] = is_excluded(query, subscription);
        if (!page->hidden[slot] && query->hides != NULL) {
            error = subscription_of(page, subscription, &guid);
            if (error == ERROR_OK)
                error = query->hides(query->hides_context, page->txn, &guid, &page->hidden[slot]);
        }
        if (error != ERROR_OK)
            return error;
        page->asked[slot] = subscription;
    }
    *hidden = page->hidden[slot];
    return ERROR_OK;
}

/* --- rows --- */

static bool same_row(const struct listing_query *query, const struct row_key *a, const struct row_key *b)
{
    if (query->details)
        return merge_compare_rows(a, b) == 0;
    return a->subscription == b->subscription && a->period == b->period && a->meter == b->meter;
}

/* Takes every entry of the row at the top and adds it up. *last becomes the key with the row's latest report. */
static err_t take_row(struct merge *merge, const struct listing_query *query, struct listing_row *row,
                      struct row_key *last, struct listing_position *position)
{
    const struct merge_source *top = merge_top(merge);
    struct row_key first = top->key;
    *last = first;
    for (; top != NULL && same_row(query, &top->key, &first); top = merge_top(merge)) {
        decimal_sum_add(&row->quantity, &top->sum.quantity);
        row->records += top->sum.records;
        if (top->key.bucket >= last->bucket)
            *last = top->key;
        *position =
            (struct listing_position){ top->key.subscription, top->key.period, top->key.meter, top->key.resource };
        err_t error = merge_step(merge);
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

static err_t emit_rows(struct page *page, struct merge *merge, struct listing_position *position,
                       err_t (*emit)(void *context, const struct listing_row *row), void *context)
{
    for (int i = 0; i < LISTING_PAGE_ROWS && merge_top(merge) != NULL; i++) {
        struct listing_row row = { .records = 0 };
        struct row_key last;
        err_t error = take_row(merge, page->query, &row, &last, position);
        if (error == ERROR_OK)
            error = describe(page, &last, &row);
        if (error == ERROR_OK)
            error = emit(context, &row);
        if (error != ERROR_OK)
            return error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : error;
    }
    return ERROR_OK;
}

/* Nothing is reported before 1970, though windows may begin there. */
static uint32_t bucket_of(const struct listing_query *query, int64_t instant_ns)
{
    if (instant_ns < 0)
        return 0;
    return (uint32_t)(query->daily ? instant_day(instant_ns) : instant_hour(instant_ns));
}

static err_t read_page(struct page *page, struct merge *merge, struct listing_position *position,
                       err_t (*emit)(void *context, const struct listing_row *row), void *context, bool *more)
{
    struct row_key from = {
        0, position->subscription, position->period, position->meter, position->resource, 0,
    };
    if (position->subscription != 0)
        from.resource++;
    err_t error = kv_cursor_open(page->txn, KV_DICTIONARY_TEXT, &page->texts);
    if (error != ERROR_OK)
        return error;
    error = merge_open(merge, &from);
    if (error == ERROR_OK)
        error = emit_rows(page, merge, position, emit, context);
    *more = merge_top(merge) != NULL;
    merge_close(merge);
    kv_cursor_close(page->texts);
    return error;
}

err_t listing_page(struct store *store, struct kv_txn *txn, struct arena *arena, const struct listing_query *query,
                   struct listing_position *position, err_t (*emit)(void *context, const struct listing_row *row),
                   void *context, bool *more)
{
    struct page *page = arena_zalloc(arena, sizeof *page);
    struct merge merge = {
        .rows = store_rows(store),
        .txn = txn,
        .arena = arena,
        .family = query->daily ? ROWS_DAILY : ROWS_HOURLY,
        .first_bucket = bucket_of(query, query->start_ns),
        .end_bucket = bucket_of(query, query->end_ns),
        .sources_max = LISTING_BUCKETS_MAX,
        .hides = query->excluded_count > 0 || query->hides != NULL ? hides : NULL,
        .context = page,
    };
    *more = false;
    if (page == NULL)
        return ERROR_NO_MEMORY;
    page->txn = txn;
    page->query = query;
    if (query->one_subscription) {
        struct text guid = { (const char *)query->subscription.bytes, sizeof query->subscription.bytes };
        err_t error =
            dictionary_find(store_dictionary(store), txn, DICTIONARY_SUBSCRIPTION, guid, &merge.only_subscription);
        if (error != ERROR_OK)
            return error == ERROR_NOT_FOUND ? ERROR_OK : error;
    }
    return read_page(page, &merge, position, emit, context, more);
}

/* Tags and additional info are text inside text; what was posted as an object is there as its JSON. */
static void put_attribute(struct json_writer *json, const char *name, struct text value)
{
    json_name(json, name);
    json_put_text(json, value.ptr != NULL ? value : TEXT(""));
}

void listing_write_instance_data(const struct instance *instance, struct buffer *out)
{
    struct json_writer json = json_writer(out);
    json_begin_object(&json);
    json_name(&json, "Microsoft.Resources");
    json_begin_object(&json);
    put_attribute(&json, "resourceUri", instance->resource_uri);
    put_attribute(&json, "location", instance->location);
    put_attribute(&json, "tags", instance->tags);
    put_attribute(&json, "additionalInfo", instance->additional_info);
    json_end_object(&json);
    json_end_object(&json);
}
