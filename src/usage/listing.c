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

/* What 'shows' said of a subscription: of the periods from 'asked' on it shows in [first, end) next. */
struct shown {
    uint32_t subscription; /* 0: empty */
    uint32_t asked, first, end;
};

struct page {
    struct kv_txn *txn;
    const struct listing_query *query;
    struct kv_cursor *texts; /* of the dictionary: ids of a page lie close together */
    struct named meters[METER_SLOTS], subscriptions[SUBSCRIPTION_SLOTS];
    struct named instances[INSTANCE_SLOTS];
    struct shown shown[SUBSCRIPTION_SLOTS];
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

/* Index of the first id that is not smaller. */
static size_t find_id(const uint32_t *ids, size_t count, uint32_t id)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The first subscription from 'id' on that the two lists leave; UINT32_MAX: none. */
static uint32_t next_listed(const struct listing_query *query, uint32_t id)
{
    for (;;) {
        size_t excluded = find_id(query->excluded, query->excluded_count, id);
        for (; excluded < query->excluded_count && query->excluded[excluded] == id; excluded++)
            id++;
        if (query->included == NULL)
            return id;
        size_t included = find_id(query->included, query->included_count, id);
        if (included == query->included_count)
            return UINT32_MAX;
        if (query->included[included] == id)
            return id;
        id = query->included[included];
    }
}

/* The first hour or day that begins at or after the time. */
static uint32_t period_from(const struct listing_query *query, int64_t time_ns)
{
    int64_t unit_ns = query->daily ? NS_PER_DAY : NS_PER_HOUR;
    if (time_ns < 0)
        return 0;
    int64_t period = time_ns / unit_ns + (time_ns % unit_ns != 0);
    return period < UINT32_MAX ? (uint32_t)period : UINT32_MAX;
}

static err_t ask(struct page *page, uint32_t subscription, uint32_t period, struct shown *shown)
{
    const struct listing_query *query = page->query;
    struct guid guid;
    int64_t from_ns, to_ns = query->daily ? day_start_ns(period) : hour_start_ns(period);
    err_t error = subscription_of(page, subscription, &guid);
    *shown = (struct shown){ .subscription = subscription, .asked = period };
    /* Where days are listed, a span may begin and end within one, and show nothing. */
    while (error == ERROR_OK && shown->first >= shown->end) {
        int64_t time_ns = to_ns;
        error = query->shows(query->shows_context, page->txn, &guid, time_ns, &from_ns, &to_ns);
        shown->first = period_from(query, from_ns);
        shown->end = from_ns == INT64_MAX ? UINT32_MAX : period_from(query, to_ns);
        if (from_ns == INT64_MAX)
            break;
    }
    if (error != ERROR_OK)
        shown->subscription = 0;
    return error;
}

/* Moves *period to the first one from there on in which the subscription shows; UINT32_MAX: none. */
static err_t next_shown(struct page *page, uint32_t subscription, uint32_t *period)
{
    struct shown *shown = &page->shown[subscription % SUBSCRIPTION_SLOTS];
    err_t error = ERROR_OK;
    /* Most have a single span: asked for from the start, the answer does for buckets further back, too. */
    if (shown->subscription != subscription)
        error = ask(page, subscription, 0, shown);
    if (error == ERROR_OK && (*period < shown->asked || *period >= shown->end))
        error = ask(page, subscription, *period, shown);
    if (error != ERROR_OK)
        return error;
    if (*period < shown->first)
        *period = shown->first;
    return ERROR_OK;
}

static err_t skip(void *context, uint32_t *subscription, uint32_t *period)
{
    struct page *page = context;
    uint32_t listed = next_listed(page->query, *subscription);
    if (listed != *subscription) {
        *subscription = listed;
        *period = 0;
        return ERROR_OK;
    }
    err_t error = page->query->shows != NULL ? next_shown(page, *subscription, period) : ERROR_OK;
    if (error == ERROR_OK && *period == UINT32_MAX) {
        ++*subscription;
        *period = 0;
    }
    return error;
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
        .skip = query->excluded_count > 0 || query->included != NULL || query->shows != NULL ? skip : NULL,
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
