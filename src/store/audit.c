/* Entries lie in KV_AUDIT under their number, as packed texts; how many were ever given out is kept beside them, under
 * a key that sorts behind every number, so that numbers go on after retention has removed all entries. */
#include "store/audit.h"

#include <string.h>

#include "store/keys.h"
#include "store/packed.h"
#include "store/write.h"

#define AUDIT_VERSION 1
#define NUMBER_KEY_SIZE 8
#define TEXTS 5

static const struct text counter_key = { "\xff"
                                         "counter",
                                         8 };

/* --- writing --- */

static err_t next_number(struct kv_txn *txn, uint64_t *number)
{
    struct text value;
    uint8_t encoded[8];
    err_t error = kv_get(txn, KV_AUDIT, counter_key, &value);
    if (error == ERROR_NOT_FOUND)
        *number = 1;
    else if (error != ERROR_OK)
        return error;
    else if (value.len != sizeof encoded)
        return ERROR_STORE_CORRUPT;
    else
        *number = get_u64be((const uint8_t *)value.ptr) + 1;
    put_u64be(encoded, *number);
    return kv_put(txn, KV_AUDIT, counter_key, BYTES(encoded));
}

err_t audit_write(struct store_write *write, struct audit_entry *entry)
{
    uint8_t key[NUMBER_KEY_SIZE], head[9];
    struct buffer value = { 0 };
    err_t error = next_number(write_txn(write), &entry->number);
    if (error != ERROR_OK)
        return error;
    entry->time_ns = write_reported_ns(write);
    put_u64be(key, entry->number);
    head[0] = AUDIT_VERSION;
    put_u64be(head + 1, (uint64_t)entry->time_ns);
    buffer_append(&value, head, sizeof head);
    packed_put(&value, packed_cut(entry->by, AUDIT_TEXT_SIZE_MAX));
    packed_put(&value, packed_cut(entry->action, AUDIT_TEXT_SIZE_MAX));
    packed_put(&value, packed_cut(entry->subject, AUDIT_TEXT_SIZE_MAX));
    packed_put(&value, entry->detail.len <= AUDIT_DETAIL_SIZE_MAX ? entry->detail : TEXT_NONE);
    packed_put(&value, packed_cut(entry->request, AUDIT_TEXT_SIZE_MAX));
    error = value.failed ? ERROR_NO_MEMORY : kv_put(write_txn(write), KV_AUDIT, BYTES(key), buffer_text(&value));
    buffer_free(&value);
    return error;
}

/* --- reading --- */

/* Texts point into the map. */
static err_t decode(struct text key, struct text value, struct audit_entry *entry)
{
    const uint8_t *cursor = (const uint8_t *)value.ptr, *end = cursor + value.len;
    struct text *texts[TEXTS] = { &entry->by, &entry->action, &entry->subject, &entry->detail, &entry->request };
    if (key.len != NUMBER_KEY_SIZE || value.len < 9 || cursor[0] != AUDIT_VERSION)
        return ERROR_STORE_CORRUPT;
    entry->number = get_u64be((const uint8_t *)key.ptr);
    entry->time_ns = (int64_t)get_u64be(cursor + 1);
    cursor += 9;
    for (int i = 0; i < TEXTS; i++)
        if (!packed_get(&cursor, end, texts[i]))
            return ERROR_STORE_CORRUPT;
    return cursor == end ? ERROR_OK : ERROR_STORE_CORRUPT;
}

static err_t copy_texts(struct arena *arena, struct audit_entry *entry)
{
    struct text *texts[TEXTS] = { &entry->by, &entry->action, &entry->subject, &entry->detail, &entry->request };
    for (int i = 0; i < TEXTS; i++) {
        if (texts[i]->ptr == NULL)
            continue;
        *texts[i] = arena_text(arena, *texts[i]);
        if (texts[i]->ptr == NULL)
            return ERROR_NO_MEMORY;
    }
    return ERROR_OK;
}

static bool is_counter(struct text key)
{
    return text_equal(key, counter_key);
}

/* A page under way: the entries, and the way the cursor goes. */
struct page {
    struct audit_entry *entries;
    size_t max, count;
    bool more;
};

static err_t take(struct page *page, struct arena *arena, struct text key, struct text value)
{
    page->more = page->count == page->max;
    if (page->more)
        return ERROR_NOT_FOUND; /* as at the end of the table */
    err_t error = decode(key, value, &page->entries[page->count]);
    if (error == ERROR_OK)
        error = copy_texts(arena, &page->entries[page->count]);
    page->count += error == ERROR_OK;
    return error;
}

static err_t read_upwards(struct kv_cursor *cursor, struct arena *arena, uint64_t after, struct page *page)
{
    uint8_t from[NUMBER_KEY_SIZE];
    struct text key, value;
    if (after == UINT64_MAX)
        return ERROR_OK;
    put_u64be(from, after + 1);
    err_t error = kv_cursor_seek(cursor, BYTES(from), &key, &value);
    while (error == ERROR_OK && !is_counter(key)) {
        error = take(page, arena, key, value);
        if (error == ERROR_OK)
            error = kv_cursor_next(cursor, &key, &value);
    }
    return error;
}

/* The counter lies behind all numbers. */
static err_t read_downwards(struct kv_cursor *cursor, struct arena *arena, uint64_t before, struct page *page)
{
    uint8_t from[NUMBER_KEY_SIZE];
    struct text key, value;
    put_u64be(from, before);
    err_t error = kv_cursor_seek(cursor, BYTES(from), &key, &value);
    if (error == ERROR_OK || error == ERROR_NOT_FOUND)
        error = kv_cursor_previous(cursor, &key, &value);
    while (error == ERROR_OK) {
        if (!is_counter(key))
            error = take(page, arena, key, value);
        if (error == ERROR_OK)
            error = kv_cursor_previous(cursor, &key, &value);
    }
    return error;
}

static err_t read_list(struct kv_txn *txn, struct arena *arena, uint64_t number, size_t max, struct audit_entry **out,
                       size_t *count, bool *more,
                       err_t (*read)(struct kv_cursor *, struct arena *, uint64_t, struct page *))
{
    struct kv_cursor *cursor;
    struct page page = { .max = max < AUDIT_PAGE_ENTRIES_MAX ? max : AUDIT_PAGE_ENTRIES_MAX };
    *count = 0;
    *more = false;
    *out = page.entries = arena_array(arena, page.max + 1, sizeof *page.entries);
    if (page.entries == NULL)
        return ERROR_NO_MEMORY;
    err_t error = kv_cursor_open(txn, KV_AUDIT, &cursor);
    if (error != ERROR_OK)
        return error;
    error = read(cursor, arena, number, &page);
    kv_cursor_close(cursor);
    *count = page.count;
    *more = page.more;
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

err_t audit_list(struct kv_txn *txn, struct arena *arena, uint64_t after, size_t max, struct audit_entry **out,
                 size_t *count, bool *more)
{
    return read_list(txn, arena, after, max, out, count, more, read_upwards);
}

err_t audit_list_newest(struct kv_txn *txn, struct arena *arena, uint64_t before, size_t max, struct audit_entry **out,
                        size_t *count, bool *more)
{
    return read_list(txn, arena, before, max, out, count, more, read_downwards);
}

/* --- retention --- */

static err_t oldest(struct kv_txn *txn, uint8_t number[NUMBER_KEY_SIZE], int64_t *time_ns)
{
    static const uint8_t first[NUMBER_KEY_SIZE];
    struct kv_cursor *cursor;
    struct text key, value;
    err_t error = kv_cursor_open(txn, KV_AUDIT, &cursor);
    if (error != ERROR_OK)
        return error;
    error = kv_cursor_seek(cursor, BYTES(first), &key, &value);
    if (error == ERROR_OK && is_counter(key))
        error = ERROR_NOT_FOUND;
    struct audit_entry entry;
    if (error == ERROR_OK)
        error = decode(key, value, &entry);
    if (error == ERROR_OK) {
        memcpy(number, key.ptr, NUMBER_KEY_SIZE);
        *time_ns = entry.time_ns;
    }
    kv_cursor_close(cursor);
    return error;
}

err_t audit_drop(struct kv_txn *txn, int64_t before_ns, size_t budget, bool *left)
{
    uint8_t number[NUMBER_KEY_SIZE];
    int64_t time_ns;
    *left = false;
    for (size_t i = 0;; i++) {
        err_t error = oldest(txn, number, &time_ns);
        if (error != ERROR_OK || time_ns >= before_ns)
            return error == ERROR_NOT_FOUND ? ERROR_OK : error;
        *left = i == budget;
        if (*left)
            return ERROR_OK;
        if ((error = kv_delete(txn, KV_AUDIT, (struct text){ (const char *)number, sizeof number })) != ERROR_OK)
            return error;
    }
}

/* --- jobs --- */

static err_t run_audited(struct store_write *write, struct store_job *job)
{
    struct audited_job *audited = (struct audited_job *)job;
    err_t error = audited->wanted->run(write, audited->wanted);
    if (error != ERROR_OK || (audited->happened != NULL && !audited->happened(audited)))
        return error;
    return audit_write(write, &audited->entry);
}

void audited_job_init(struct audited_job *audited, struct store_job *wanted, const struct audit_entry *entry,
                      bool (*happened)(struct audited_job *audited))
{
    *audited = (struct audited_job){
        .job = { .run = run_audited, .weight = wanted->weight },
        .wanted = wanted,
        .entry = *entry,
        .happened = happened,
    };
}
