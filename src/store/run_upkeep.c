/* See run_upkeep.h. Rules: one merge at a time per bucket and level, and none beside a final merge of the bucket, so a
 * run has at most one merge that it is a source of. A merge that was begun goes on in every upkeep, final ones last. */
#include "store/run_upkeep.h"

#include <string.h>

#include "store/run_merge.h"

/* Deleting a block of some thousand rows costs about as much as merging this many. */
#define DELETE_COST 64
/* Above any level of run_level. */
#define LEVELS_MAX 17

/* --- entering --- */

static err_t merge_exists(struct kv_txn *txn, uint8_t level, enum row_family family, uint32_t bucket, bool *exists)
{
    uint8_t key[TASK_MERGE_KEY_SIZE];
    struct text value;
    task_merge_key(level, (uint8_t)family, bucket, key);
    err_t error = kv_get(txn, KV_MERGES, BYTES(key), &value);
    *exists = error == ERROR_OK;
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

/* Merges the bucket's runs of a level, or all of them. */
static err_t enter_merge(struct kv_txn *txn, struct run_list *list, uint32_t bucket, uint8_t level)
{
    struct run_merge merge = { .family = list->family, .bucket = bucket, .level = level };
    struct run_name name;
    struct run_header header;
    err_t error = run_list_seek(list, bucket, true, &name, &header);
    for (; error == ERROR_OK && merge.source_count < MERGE_SOURCES_MAX; error = run_list_next(list, &name, &header)) {
        if (level != MERGE_LEVEL_FINAL && header.level != level)
            continue;
        merge.sources[merge.source_count++] = name.run;
        merge.source_rows += header.rows;
    }
    return error == ERROR_OK || error == ERROR_NOT_FOUND ? run_merge_start(txn, &merge) : error;
}

/* How many runs of each level the bucket has. */
static err_t count_levels(struct run_list *list, uint32_t bucket, size_t counts[LEVELS_MAX], size_t *total)
{
    struct run_name name;
    struct run_header header;
    *total = 0;
    memset(counts, 0, LEVELS_MAX * sizeof *counts);
    err_t error = run_list_seek(list, bucket, true, &name, &header);
    for (; error == ERROR_OK; error = run_list_next(list, &name, &header), ++*total) {
        if (header.level >= LEVELS_MAX)
            return ERROR_STORE_CORRUPT;
        counts[header.level]++;
    }
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

static err_t sealed_end(struct kv_txn *txn, enum row_family family, uint32_t *end)
{
    const uint8_t key[TASK_SEALED_KEY_SIZE] = { TASK_SEALED, (uint8_t)family };
    struct text value;
    *end = 0;
    err_t error = kv_get(txn, KV_MERGES, BYTES(key), &value);
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? ERROR_OK : error;
    if (value.len != 4)
        return ERROR_STORE_CORRUPT;
    *end = get_u32be((const uint8_t *)value.ptr);
    return ERROR_OK;
}

static err_t enter_final(struct kv_txn *txn, enum row_family family, uint32_t bucket, bool idle)
{
    uint8_t key[TASK_FINAL_KEY_SIZE];
    task_final_key(idle, (uint8_t)family, bucket, key);
    return kv_put(txn, KV_MERGES, BYTES(key), TEXT(""));
}

static err_t enter_due(struct kv_txn *txn, struct run_list *list, uint32_t bucket)
{
    size_t counts[LEVELS_MAX], total;
    uint32_t sealed = 0;
    bool exists = false;
    err_t error = count_levels(list, bucket, counts, &total);
    if (error == ERROR_OK && list->family != ROWS_DEDUPE && total > 1)
        error = sealed_end(txn, list->family, &sealed);
    if (error == ERROR_OK && bucket < sealed)
        error = enter_final(txn, list->family, bucket, true);
    bool any = false;
    for (int level = 0; level < LEVELS_MAX; level++)
        any = any || counts[level] >= run_fan_in(list->family);
    if (error == ERROR_OK && any)
        error = merge_exists(txn, MERGE_LEVEL_FINAL, list->family, bucket, &exists);
    for (uint8_t level = 0; error == ERROR_OK && any && !exists && level < LEVELS_MAX; level++) {
        bool under_way = false;
        if (counts[level] >= run_fan_in(list->family))
            error = merge_exists(txn, level, list->family, bucket, &under_way);
        if (error == ERROR_OK && counts[level] >= run_fan_in(list->family) && !under_way)
            error = enter_merge(txn, list, bucket, level);
    }
    return error;
}

err_t run_tasks_enter(struct kv_txn *txn, enum row_family family, uint32_t bucket)
{
    struct run_list list;
    err_t error = run_list_open(&list, txn, family);
    if (error != ERROR_OK)
        return error;
    error = enter_due(txn, &list, bucket);
    run_list_close(&list);
    return error;
}

/* --- the next task --- */

/* The first entry with a key from 'from' on, if it begins with the first 'same' bytes of 'from'; key and value are
 * copied, because what is done next writes. */
struct task {
    uint8_t key[TASK_DELETE_KEY_SIZE];
    size_t key_size;
    struct run_merge merge; /* of a TASK_MERGE */
};

static err_t first_task(struct kv_txn *txn, struct text from, size_t same, struct task *task)
{
    struct kv_cursor *cursor;
    struct text key, value;
    err_t error = kv_cursor_open(txn, KV_MERGES, &cursor);
    if (error != ERROR_OK)
        return error;
    error = kv_cursor_seek(cursor, from, &key, &value);
    kv_cursor_close(cursor);
    if (error == ERROR_OK && (key.len < same || memcmp(key.ptr, from.ptr, same) != 0))
        error = ERROR_NOT_FOUND;
    if (error == ERROR_OK && key.len > sizeof task->key)
        error = ERROR_STORE_CORRUPT;
    if (error != ERROR_OK)
        return error;
    memcpy(task->key, key.ptr, key.len);
    task->key_size = key.len;
    return task->key[0] == TASK_MERGE ? run_merge_decode(key, value, &task->merge) : ERROR_OK;
}

static err_t first_of_kind(struct kv_txn *txn, enum task_kind kind, struct task *task)
{
    const uint8_t from[1] = { (uint8_t)kind };
    return first_task(txn, BYTES(from), 1, task);
}

static err_t delete_task(struct kv_txn *txn, const struct task *task)
{
    return kv_delete(txn, KV_MERGES, (struct text){ (const char *)task->key, task->key_size });
}

/* --- deletions --- */

/* Deletes the entries whose keys begin with 'prefix', as far as the budget goes. */
static err_t delete_prefix(struct kv_txn *txn, enum kv_table table, struct text prefix, size_t *budget, bool *left)
{
    struct kv_cursor *cursor;
    err_t error = kv_cursor_open(txn, table, &cursor);
    if (error != ERROR_OK)
        return error;
    for (*left = false; error == ERROR_OK; *budget -= *budget < DELETE_COST ? *budget : DELETE_COST) {
        uint8_t copy[BLOCK_KEY_SIZE_MAX];
        struct text key, value;
        error = kv_cursor_seek(cursor, prefix, &key, &value);
        if (error == ERROR_OK && !text_starts_with(key, prefix))
            error = ERROR_NOT_FOUND;
        if (error == ERROR_OK && key.len > sizeof copy)
            error = ERROR_STORE_CORRUPT;
        *left = error == ERROR_OK && *budget == 0;
        if (error != ERROR_OK || *left)
            break;
        memcpy(copy, key.ptr, key.len);
        error = kv_delete(txn, table, (struct text){ (const char *)copy, key.len });
    }
    kv_cursor_close(cursor);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

/* Deletes blocks and filter of a removed run, then the task. */
static err_t delete_run(struct kv_txn *txn, const struct task *task, size_t *budget)
{
    bool left = true;
    if (task->key_size != TASK_DELETE_KEY_SIZE)
        return ERROR_STORE_CORRUPT;
    struct text run = { (const char *)task->key + 1, RUN_KEY_SIZE };
    err_t error = delete_prefix(txn, KV_BLOCKS, run, budget, &left);
    if (error == ERROR_OK && !left && task->key[1] == ROWS_DEDUPE)
        error = delete_prefix(txn, KV_FILTERS, (struct text){ run.ptr + RUN_KEY_SIZE - 8, 8 }, budget, &left);
    return error == ERROR_OK && !left ? delete_task(txn, task) : error;
}

static err_t delete_runs(struct kv_txn *txn, size_t *budget)
{
    err_t error = ERROR_OK;
    while (error == ERROR_OK && *budget > 0) {
        struct task task;
        error = first_of_kind(txn, TASK_DELETE, &task);
        if (error == ERROR_OK)
            error = delete_run(txn, &task, budget);
    }
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

/* --- merges --- */

static err_t merge_runs(struct kv_txn *txn, size_t *budget)
{
    err_t error = ERROR_OK;
    while (error == ERROR_OK && *budget > 0) {
        struct task task;
        size_t consumed = 0;
        bool complete = false;
        error = first_of_kind(txn, TASK_MERGE, &task);
        if (error == ERROR_OK)
            error = run_merge_slice(txn, &task.merge, *budget, &consumed, &complete);
        *budget -= consumed < *budget ? consumed : *budget;
        /* The target may complete its level, and sources may have come together meanwhile. */
        if (error == ERROR_OK && complete)
            error = run_tasks_enter(txn, task.merge.family, task.merge.bucket);
    }
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

/* Begins the next final merge; *none when there is nothing to begin. Only called while no merge is under way. */
static err_t begin_final(struct kv_txn *txn, bool idle, bool *none)
{
    struct task task;
    struct run_list list;
    size_t counts[LEVELS_MAX], total = 0;
    err_t error = first_of_kind(txn, TASK_FINAL, &task);
    if (error == ERROR_NOT_FOUND && idle)
        error = first_of_kind(txn, TASK_FINAL_IDLE, &task);
    *none = error == ERROR_NOT_FOUND;
    if (error != ERROR_OK)
        return *none ? ERROR_OK : error;
    if (task.key_size != TASK_FINAL_KEY_SIZE || task.key[1] >= ROWS_FAMILY_COUNT)
        return ERROR_STORE_CORRUPT;
    uint32_t bucket = get_u32be(task.key + 2);
    error = run_list_open(&list, txn, (enum row_family)task.key[1]);
    if (error != ERROR_OK)
        return error;
    error = count_levels(&list, bucket, counts, &total);
    if (error == ERROR_OK)
        error = total > 1 ? enter_merge(txn, &list, bucket, MERGE_LEVEL_FINAL) : delete_task(txn, &task);
    run_list_close(&list);
    return error;
}

/* Whether there is anything that an idle upkeep would do. */
static err_t anything_left(struct kv_txn *txn, bool *left)
{
    struct task task;
    const uint8_t from[1] = { TASK_DELETE };
    err_t error = first_task(txn, BYTES(from), 0, &task);
    *left = error == ERROR_OK;
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

err_t run_upkeep(struct kv_txn *txn, size_t budget, bool idle, bool *left)
{
    /* Space is given back even while merges never end. */
    size_t half = budget / 2;
    err_t error = delete_runs(txn, &half);
    budget -= budget / 2 - half;
    for (bool none = false; error == ERROR_OK && budget > 0 && !none;) {
        error = merge_runs(txn, &budget);
        if (error == ERROR_OK && budget > 0)
            error = begin_final(txn, idle, &none);
    }
    if (error == ERROR_OK)
        error = delete_runs(txn, &budget);
    return error == ERROR_OK ? anything_left(txn, left) : error;
}

/* --- seals --- */

/* Enters a final merge for each bucket of [bucket, end) that has several runs. */
static err_t enter_finals(struct kv_txn *txn, struct run_list *list, uint32_t bucket, uint32_t end)
{
    while (bucket < end) {
        struct run_name name, next;
        struct run_header header;
        err_t error = run_list_seek(list, bucket, false, &name, &header);
        if (error != ERROR_OK || name.bucket >= end)
            return error == ERROR_NOT_FOUND ? ERROR_OK : error;
        error = run_list_next(list, &next, &header);
        if (error == ERROR_OK && next.bucket == name.bucket)
            error = enter_final(txn, list->family, name.bucket, false);
        if (error != ERROR_OK)
            return error == ERROR_NOT_FOUND ? ERROR_OK : error;
        bucket = name.bucket + 1;
    }
    return ERROR_OK;
}

err_t run_seal(struct kv_txn *txn, enum row_family family, uint32_t end_bucket)
{
    const uint8_t key[TASK_SEALED_KEY_SIZE] = { TASK_SEALED, (uint8_t)family };
    uint8_t value[4];
    uint32_t end;
    struct run_list list;
    err_t error = sealed_end(txn, family, &end);
    if (error != ERROR_OK || end_bucket <= end || family == ROWS_DEDUPE)
        return error;
    error = run_list_open(&list, txn, family);
    if (error != ERROR_OK)
        return error;
    error = enter_finals(txn, &list, end, end_bucket);
    run_list_close(&list);
    put_u32be(value, end_bucket);
    return error == ERROR_OK ? kv_put(txn, KV_MERGES, BYTES(key), BYTES(value)) : error;
}

/* --- retention --- */

/* Takes away the tasks of the buckets before 'end' whose keys begin with 'prefix' and the bucket. */
static err_t drop_tasks(struct kv_txn *txn, struct text prefix, uint32_t end)
{
    for (;;) {
        struct task task;
        err_t error = first_task(txn, prefix, prefix.len, &task);
        if (error == ERROR_OK && task.key_size != prefix.len + 4)
            error = ERROR_STORE_CORRUPT;
        if (error == ERROR_NOT_FOUND || (error == ERROR_OK && get_u32be(task.key + prefix.len) >= end))
            return ERROR_OK;
        if (error == ERROR_OK)
            error = task.key[0] == TASK_MERGE ? run_merge_cancel(txn, &task.merge) : delete_task(txn, &task);
        if (error != ERROR_OK)
            return error;
    }
}

static err_t drop_all_tasks(struct kv_txn *txn, enum row_family family, uint32_t end)
{
    const uint8_t final[2] = { TASK_FINAL, (uint8_t)family }, idle[2] = { TASK_FINAL_IDLE, (uint8_t)family };
    err_t error = drop_tasks(txn, BYTES(final), end);
    if (error == ERROR_OK)
        error = drop_tasks(txn, BYTES(idle), end);
    for (unsigned level = 0; error == ERROR_OK && level <= MERGE_LEVEL_FINAL; level++) {
        const uint8_t merge[3] = { TASK_MERGE, (uint8_t)level, (uint8_t)family };
        if (level < LEVELS_MAX || level == MERGE_LEVEL_FINAL)
            error = drop_tasks(txn, BYTES(merge), end);
    }
    return error;
}

/* Hides the runs of the buckets before 'end', about a budget's worth. */
static err_t hide_runs(struct kv_txn *txn, struct run_list *list, uint32_t end, size_t *budget, bool *left)
{
    for (*left = false;; *budget -= *budget < DELETE_COST ? *budget : DELETE_COST) {
        struct run_name name;
        struct run_header header;
        err_t error = run_list_seek(list, 0, false, &name, &header);
        if (error == ERROR_NOT_FOUND || (error == ERROR_OK && name.bucket >= end))
            return ERROR_OK;
        *left = error == ERROR_OK && *budget == 0;
        if (error == ERROR_OK && !*left)
            error = run_remove(txn, name);
        if (error != ERROR_OK || *left)
            return error;
    }
}

err_t run_drop(struct kv_txn *txn, enum row_family family, uint32_t end_bucket, size_t budget, bool *left)
{
    const uint8_t removed[2] = { TASK_DELETE, (uint8_t)family };
    struct run_list list;
    struct task task;
    *left = false;
    if (family == ROWS_DEDUPE)
        return ERROR_OK;
    err_t error = drop_all_tasks(txn, family, end_bucket);
    if (error == ERROR_OK)
        error = run_list_open(&list, txn, family);
    if (error != ERROR_OK)
        return error;
    error = hide_runs(txn, &list, end_bucket, &budget, left);
    run_list_close(&list);
    while (error == ERROR_OK && budget > 0) {
        error = first_task(txn, BYTES(removed), sizeof removed, &task);
        if (error == ERROR_OK)
            error = delete_run(txn, &task, &budget);
    }
    if (error == ERROR_OK && !*left) {
        error = first_task(txn, BYTES(removed), sizeof removed, &task);
        *left = error == ERROR_OK;
    }
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}
