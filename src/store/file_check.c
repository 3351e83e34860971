/* The format is that of LMDB 0.9, data version 1, on a 64-bit machine with little-endian bytes (mdb.c: MDB_page,
 * MDB_node, MDB_db, MDB_meta), restricted to what kv.c uses: no sorted duplicates, no page flags but branch, leaf and
 * overflow, no fixed map. Every offset is checked before it is used. */
#include "store/file_check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/memory.h"

#define MAGIC 0xBEEFC0DE
#define DATA_VERSION 1
#define PAGE_SIZE_BYTES_MIN 256
#define PAGE_SIZE_BYTES_MAX 32768
#define PAGE_HEADER_SIZE 16
#define NODE_HEADER_SIZE 8
#define TREE_SIZE 48
#define META_SIZE (PAGE_HEADER_SIZE + 24 + 2 * TREE_SIZE + 16)
#define NO_PAGE UINT64_MAX
#define DEPTH_MAX 32
/* Pages at the end that are free need not be in the file; more of them than a transaction makes are not believable. */
#define PAGES_BEHIND_FILE_MAX (UINT64_C(1) << 24)

enum { PAGE_BRANCH = 1, PAGE_LEAF = 2, PAGE_OVERFLOW = 4, PAGE_META = 8 };
enum { NODE_BIG = 1, NODE_TREE = 2 };
#define FLAG_INTEGER_KEYS 0x08

enum tree_kind { TREE_FREE, TREE_MAIN, TREE_TABLE };

struct key {
    const uint8_t *ptr; /* NULL: no bound */
    size_t len;
};

struct walk {
    const char *name;
    enum tree_kind kind;
    struct file_tree stated, seen;
};

struct checker {
    const struct file_check_options *options;
    struct file_check_report *report;
    struct file_meta meta;
    struct file_meta other; /* of the transaction before, or after if a snapshot was asked for */
    uint64_t file_pages;    /* whole pages in the file */
    uint64_t page_count;    /* of the snapshot, meta pages included */
    uint64_t *seen;         /* a bit per page */
    uint8_t *levels;        /* DEPTH_MAX pages, then one for overflow headers */
    uint8_t *list;          /* a list of free pages */
    size_t list_size;
    bool named[KV_TABLE_COUNT]; /* found in the main tree */
    uint64_t freed_by;          /* the last transaction of which free pages are listed */
    err_t error;
};

static uint16_t get_u16le(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get_u32le(const uint8_t *p)
{
    return (uint32_t)get_u16le(p) | (uint32_t)get_u16le(p + 2) << 16;
}

static uint64_t get_u64le(const uint8_t *p)
{
    return (uint64_t)get_u32le(p) | (uint64_t)get_u32le(p + 4) << 32;
}

/* --- reading --- */

/* ERROR_STORE_CORRUPT when the file ends before. */
static err_t read_at(int fd, uint64_t offset, void *out, size_t size)
{
    uint8_t *at = out;
    while (size > 0) {
        ssize_t got = pread(fd, at, size, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ERROR_IO;
        if (got == 0)
            return ERROR_STORE_CORRUPT;
        at += got;
        offset += (uint64_t)got;
        size -= (size_t)got;
    }
    return ERROR_OK;
}

static struct file_tree read_tree(const uint8_t *p)
{
    return (struct file_tree){ get_u32le(p),      get_u16le(p + 4),  get_u16le(p + 6),  get_u64le(p + 8),
                               get_u64le(p + 16), get_u64le(p + 24), get_u64le(p + 32), get_u64le(p + 40) };
}

static void mark(struct checker *c, uint64_t offset, uint64_t size, enum file_use use)
{
    if (c->options->uses != NULL && offset + size <= c->report->file_size_bytes)
        memset(c->options->uses + offset, (int)use, size);
}

/* --- meta pages --- */

static bool parse_meta(const uint8_t bytes[META_SIZE], uint64_t number, struct file_meta *out)
{
    const uint8_t *p = bytes + PAGE_HEADER_SIZE;
    if (get_u64le(bytes) != number || get_u16le(bytes + 10) != PAGE_META || get_u32le(p) != MAGIC ||
        get_u32le(p + 4) != DATA_VERSION || get_u64le(p + 8) != 0)
        return false;
    out->free = read_tree(p + 24);
    out->main = read_tree(p + 24 + TREE_SIZE);
    out->page_size = out->free.pad;
    out->last_page = get_u64le(p + 24 + 2 * TREE_SIZE);
    out->txn_id = get_u64le(p + 32 + 2 * TREE_SIZE);
    uint32_t size = out->page_size;
    return size >= PAGE_SIZE_BYTES_MIN && size <= PAGE_SIZE_BYTES_MAX && (size & (size - 1)) == 0 &&
           out->free.flags == FLAG_INTEGER_KEYS && out->main.flags == 0 && out->main.pad == 0 && out->last_page >= 1;
}

/* The transaction with number n writes page n modulo 2, so the two are neighbours; in a file just made both are 0, in
 * a compacted copy 0 and 1. */
static bool belong_together(const struct file_meta metas[2])
{
    uint64_t even = metas[0].txn_id, odd = metas[1].txn_id;
    bool made_now = even == 0 && odd == 0;
    return metas[0].page_size == metas[1].page_size &&
           (made_now || (even % 2 == 0 && odd % 2 == 1 && (even + 1 == odd || odd + 1 == even)));
}

static err_t read_metas(int fd, struct file_meta metas[2], uint64_t *file_size_bytes, struct error_info *info)
{
    struct stat status;
    uint8_t bytes[META_SIZE];
    if (fstat(fd, &status) != 0)
        return error_set(info, ERROR_IO, NULL, "the data file cannot be read: %s", strerror(errno));
    *file_size_bytes = (uint64_t)status.st_size;
    if (status.st_size == 0)
        return error_set(info, ERROR_STORE_CORRUPT, NULL, "the data file is empty");
    err_t error = read_at(fd, 0, bytes, sizeof bytes);
    if (error == ERROR_OK && !parse_meta(bytes, 0, &metas[0]))
        return error_set(info, ERROR_STORE_CORRUPT, NULL, "the first page of the data file is damaged");
    if (error == ERROR_OK)
        error = read_at(fd, metas[0].page_size, bytes, sizeof bytes);
    if (error == ERROR_OK && !parse_meta(bytes, 1, &metas[1]))
        return error_set(info, ERROR_STORE_CORRUPT, NULL, "the second page of the data file is damaged");
    if (error == ERROR_STORE_CORRUPT)
        return error_set(info, error, NULL, "the data file is cut: it has only %llu bytes",
                         (unsigned long long)*file_size_bytes);
    if (error != ERROR_OK)
        return error_set(info, error, NULL, "the data file cannot be read: %s", strerror(errno));
    if (!belong_together(metas))
        return error_set(info, ERROR_STORE_CORRUPT, NULL,
                         "the first two pages of the data file do not belong together");
    return ERROR_OK;
}

err_t file_meta_read(int fd, struct file_meta *out, uint64_t *file_size_bytes, struct error_info *info)
{
    struct file_meta metas[2] = { 0 };
    err_t error = read_metas(fd, metas, file_size_bytes, info);
    *out = metas[metas[1].txn_id > metas[0].txn_id];
    return error;
}

/* --- faults --- */

static void fault(struct checker *c, const char *format, ...) PRINTF_LIKE(2, 3);
static void fault(struct checker *c, const char *format, ...)
{
    char sentence[256];
    va_list arguments;
    if (c->report->faults++ >= FILE_FAULTS_MAX)
        return;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    c->options->fault(c->options->context, sentence);
}

#define PAGE_FAULT(c, walk, page, what)                                                                                \
    fault(c, "Page %llu of table %s: %s.", (unsigned long long)(page), (walk)->name, what)

/* False, and a fault, when the page is out of bounds or used already. */
static bool take_page(struct checker *c, const struct walk *walk, uint64_t page)
{
    if (page < 2 || page >= c->page_count) {
        fault(c, "Table %s refers to page %llu, which is not in the file.", walk->name, (unsigned long long)page);
        return false;
    }
    uint64_t bit = UINT64_C(1) << (page % 64);
    if ((c->seen[page / 64] & bit) != 0) {
        PAGE_FAULT(c, walk, page, "used more than once");
        return false;
    }
    c->seen[page / 64] |= bit;
    return true;
}

static bool load_page(struct checker *c, const struct walk *walk, uint64_t page, uint8_t *out)
{
    size_t size = c->meta.page_size;
    err_t error = page < c->file_pages ? read_at(c->options->fd, page * size, out, size) : ERROR_STORE_CORRUPT;
    if (error == ERROR_STORE_CORRUPT) {
        PAGE_FAULT(c, walk, page, "the file ends before it");
        return false;
    }
    if (error != ERROR_OK) {
        c->error = error;
        return false;
    }
    mark(c, page * size, 8, FILE_STRUCTURE);
    mark(c, page * size + 10, 6, FILE_STRUCTURE); /* not the two bytes of padding between them */
    if (get_u64le(out) == page)
        return true;
    PAGE_FAULT(c, walk, page, "holds another page");
    return false;
}

/* --- keys --- */

static int compare_keys(const struct walk *walk, struct key a, struct key b)
{
    if (walk->kind == TREE_FREE) {
        uint64_t left = get_u64le(a.ptr), right = get_u64le(b.ptr);
        return left < right ? -1 : left > right;
    }
    int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
    return order != 0 ? order : a.len < b.len ? -1 : a.len > b.len;
}

static bool key_size_fits(const struct walk *walk, size_t size)
{
    return walk->kind == TREE_FREE ? size == 8 : size > 0 && size <= KV_KEY_SIZE_MAX;
}

/* --- nodes --- */

struct node {
    size_t offset; /* in the page */
    struct key key;
    uint32_t data_size;
    uint16_t flags;
    uint64_t child; /* branch: page; leaf with NODE_BIG: first page of the value */
    const uint8_t *data;
    size_t size; /* in the page, padding included */
};

/* False when it does not lie between 'upper' and the end of the page. */
static bool read_node(const struct checker *c, const uint8_t *page, size_t index, bool branch, struct node *node)
{
    size_t page_size = c->meta.page_size, upper = get_u16le(page + 14);
    size_t offset = get_u16le(page + PAGE_HEADER_SIZE + 2 * index);
    if (offset < upper || offset % 2 != 0 || offset + NODE_HEADER_SIZE > page_size)
        return false;
    const uint8_t *p = page + offset;
    size_t key_size = get_u16le(p + 6), size = NODE_HEADER_SIZE + key_size;
    node->offset = offset;
    node->flags = branch ? 0 : get_u16le(p + 4);
    node->data_size = get_u32le(p);
    node->key = (struct key){ p + NODE_HEADER_SIZE, key_size };
    node->data = p + NODE_HEADER_SIZE + key_size;
    if (branch)
        node->child = (uint64_t)get_u32le(p) | (uint64_t)get_u16le(p + 4) << 32;
    else
        size += (node->flags & NODE_BIG) != 0 ? 8 : node->data_size;
    if (size > page_size - offset)
        return false;
    if ((node->flags & NODE_BIG) != 0)
        node->child = get_u64le(node->data);
    node->size = (size + 1) & ~(size_t)1;
    return true;
}

static void mark_node(struct checker *c, uint64_t page, const struct node *node, const struct walk *walk, bool branch,
                      size_t index)
{
    uint64_t at = page * c->meta.page_size + node->offset;
    enum file_use key_use = branch ? FILE_SEPARATOR : walk->kind == TREE_FREE ? FILE_HINT : FILE_KEY;
    bool whole = walk->kind == TREE_TABLE && (node->flags & NODE_BIG) == 0;
    mark(c, page * c->meta.page_size + PAGE_HEADER_SIZE + 2 * index, 2, FILE_STRUCTURE);
    mark(c, at, NODE_HEADER_SIZE, FILE_STRUCTURE);
    mark(c, at + NODE_HEADER_SIZE, node->key.len, key_use);
    if (!branch)
        mark(c, at + NODE_HEADER_SIZE + node->key.len, (node->flags & NODE_BIG) != 0 ? 8 : node->data_size,
             whole ? FILE_VALUE : FILE_STRUCTURE);
}

/* Nodes fill the page from its end without gaps or overlaps; keys ascend within the bounds. */
static bool check_nodes(struct checker *c, const struct walk *walk, uint64_t number, const uint8_t *page, size_t count,
                        bool branch, struct key low, struct key high)
{
    uint64_t taken[PAGE_SIZE_BYTES_MAX / 2 / 64] = { 0 };
    size_t total = 0;
    struct key before = low;
    for (size_t i = 0; i < count; i++) {
        struct node node;
        if (!read_node(c, page, i, branch, &node)) {
            PAGE_FAULT(c, walk, number, "an entry lies outside of the page");
            return false;
        }
        mark_node(c, number, &node, walk, branch, i);
        total += node.size;
        for (size_t at = node.offset / 2; at < (node.offset + node.size) / 2; at++) {
            if ((taken[at / 64] >> (at % 64) & 1) != 0) {
                PAGE_FAULT(c, walk, number, "entries overlap");
                return false;
            }
            taken[at / 64] |= UINT64_C(1) << (at % 64);
        }
        if (branch && i == 0)
            continue; /* the first key of a branch page is not used */
        if (!key_size_fits(walk, node.key.len)) {
            PAGE_FAULT(c, walk, number, "a key has a wrong size");
            return false;
        }
        int order = before.ptr == NULL ? -1 : compare_keys(walk, before, node.key);
        if (order > 0 || (order == 0 && (i > 0 || branch)) ||
            (high.ptr != NULL && compare_keys(walk, node.key, high) >= 0)) {
            PAGE_FAULT(c, walk, number, "keys are out of order");
            return false;
        }
        before = node.key;
    }
    if (total != c->meta.page_size - get_u16le(page + 14))
        PAGE_FAULT(c, walk, number, "its entries do not fill it");
    return true;
}

/* --- values --- */

/* The pages of a large value. *offset: where its bytes begin in the file. */
static bool check_span(struct checker *c, struct walk *walk, const struct node *node, uint64_t *offset)
{
    size_t page_size = c->meta.page_size;
    uint8_t *header = c->levels + DEPTH_MAX * page_size;
    if (node->child < 2 || node->child >= c->page_count) {
        fault(c, "Table %s keeps a value in page %llu, which is not in the file.", walk->name,
              (unsigned long long)node->child);
        return false;
    }
    if (!load_page(c, walk, node->child, header))
        return false;
    uint64_t pages = get_u32le(header + 12),
             needed = (PAGE_HEADER_SIZE - 1 + (uint64_t)node->data_size) / page_size + 1;
    if (get_u16le(header + 10) != PAGE_OVERFLOW || pages < needed || pages > c->page_count - node->child) {
        PAGE_FAULT(c, walk, node->child, "is not the begin of a value of that size");
        return false;
    }
    for (uint64_t i = 0; i < pages; i++) {
        if (!take_page(c, walk, node->child + i))
            return false;
    }
    walk->seen.overflow_pages += pages;
    *offset = node->child * page_size + PAGE_HEADER_SIZE;
    if (*offset + node->data_size > c->report->file_size_bytes) {
        PAGE_FAULT(c, walk, node->child, "the file ends within its value");
        return false;
    }
    mark(c, *offset, node->data_size, walk->kind == TREE_TABLE ? FILE_VALUE : FILE_STRUCTURE);
    return true;
}

static bool load_list(struct checker *c, const struct node *node, uint64_t offset, const uint8_t **list)
{
    if ((node->flags & NODE_BIG) == 0) {
        *list = node->data;
        return true;
    }
    if (c->list_size < node->data_size) {
        uint8_t *grown = memory_realloc(c->list, node->data_size);
        if (grown == NULL) {
            c->error = ERROR_NO_MEMORY;
            return false;
        }
        c->list = grown;
        c->list_size = node->data_size;
    }
    err_t error = read_at(c->options->fd, offset, c->list, node->data_size);
    if (error != ERROR_OK)
        c->error = error == ERROR_STORE_CORRUPT ? ERROR_IO : error;
    *list = c->list;
    return error == ERROR_OK;
}

/* A list of free pages: their count, then their numbers in descending order. */
static void check_free_list(struct checker *c, const struct walk *walk, const struct node *node, uint64_t offset)
{
    const uint8_t *list;
    uint64_t before = UINT64_MAX;
    if (!load_list(c, node, offset, &list))
        return;
    uint64_t count = node->data_size >= 8 ? get_u64le(list) : 0;
    if (node->data_size % 8 != 0 || node->data_size < 8 || count > node->data_size / 8 - 1 ||
        get_u64le(node->key.ptr) > c->meta.txn_id) {
        fault(c, "A list of free pages is malformed.");
        return;
    }
    /* Room that was reserved and not needed in the end. */
    mark(c, offset + 8 * (count + 1), node->data_size - 8 * (count + 1), FILE_UNUSED);
    c->freed_by = get_u64le(node->key.ptr);
    for (uint64_t i = 1; i <= count; i++) {
        uint64_t page = get_u64le(list + 8 * i);
        if (page >= before) {
            fault(c, "A list of free pages is out of order.");
            return;
        }
        before = page;
        if (!take_page(c, walk, page))
            return;
        c->report->free_pages++;
    }
}

static enum kv_table table_of(struct key name)
{
    for (int t = 0; t < KV_TABLE_COUNT; t++) {
        const char *known = kv_table_name((enum kv_table)t);
        if (strlen(known) == name.len && memcmp(known, name.ptr, name.len) == 0)
            return (enum kv_table)t;
    }
    return KV_TABLE_COUNT;
}

/* An entry of the main tree names a table and says where its tree begins. The page it lies in may not be overwritten
 * by the walk, so the tables' trees are walked afterwards. */
static void note_table(struct checker *c, const struct node *node)
{
    enum kv_table table = table_of(node->key);
    if (node->flags != NODE_TREE || node->data_size != TREE_SIZE) {
        fault(c, "The main tree holds an entry that is no table.");
    } else if (table == KV_TABLE_COUNT) {
        fault(c, "There is a table of an unknown name.");
    } else {
        c->report->tables[table] = read_tree(node->data);
        c->named[table] = true;
    }
}

static void check_value(struct checker *c, struct walk *walk, uint64_t page, const struct node *node)
{
    uint64_t offset = page * c->meta.page_size + node->offset + NODE_HEADER_SIZE + node->key.len;
    if (walk->kind == TREE_MAIN) {
        note_table(c, node);
        return;
    }
    if ((node->flags & ~NODE_BIG) != 0) {
        PAGE_FAULT(c, walk, page, "an entry has flags that are not in use");
        return;
    }
    if ((node->flags & NODE_BIG) != 0 && !check_span(c, walk, node, &offset))
        return;
    if (walk->kind == TREE_FREE)
        check_free_list(c, walk, node, offset);
}

/* Number of entries of a page that has the right kind and sound bounds; 0: it has not. */
static size_t entries_of(struct checker *c, const struct walk *walk, uint64_t number, const uint8_t *page, bool branch)
{
    size_t lower = get_u16le(page + 12), upper = get_u16le(page + 14);
    if (get_u16le(page + 10) != (branch ? PAGE_BRANCH : PAGE_LEAF)) {
        PAGE_FAULT(c, walk, number, "is of another kind than its place in the tree asks for");
        return 0;
    }
    if (lower <= PAGE_HEADER_SIZE || lower % 2 != 0 || lower > upper || upper > c->meta.page_size) {
        PAGE_FAULT(c, walk, number, "has bounds that cannot be");
        return 0;
    }
    return (lower - PAGE_HEADER_SIZE) / 2;
}

static void walk_page(struct checker *c, struct walk *walk, uint64_t number, unsigned level, struct key low,
                      struct key high)
{
    bool branch = level + 1 < walk->stated.depth;
    uint8_t *page = c->levels + level * (size_t)c->meta.page_size;
    if (c->error != ERROR_OK || !take_page(c, walk, number) || !load_page(c, walk, number, page))
        return;
    size_t count = entries_of(c, walk, number, page, branch);
    if (count == 0 || !check_nodes(c, walk, number, page, count, branch, low, high))
        return;
    walk->seen.branch_pages += branch;
    walk->seen.leaf_pages += !branch;
    walk->seen.entries += branch ? 0 : count;
    for (size_t i = 0; i < count && c->error == ERROR_OK; i++) {
        struct node node, next;
        REQUIRE(read_node(c, page, i, branch, &node)); /* check_nodes has read them all */
        if (!branch) {
            check_value(c, walk, number, &node);
            continue;
        }
        REQUIRE(i + 1 == count || read_node(c, page, i + 1, true, &next));
        walk_page(c, walk, node.child, level + 1, i == 0 ? low : node.key, i + 1 < count ? next.key : high);
    }
}

static void walk_tree(struct checker *c, struct walk *walk)
{
    static const struct key none = { NULL, 0 };
    const struct file_tree *stated = &walk->stated, *seen = &walk->seen;
    if ((stated->root == NO_PAGE) != (stated->depth == 0) || stated->depth > DEPTH_MAX ||
        (walk->kind == TREE_TABLE && (stated->flags != 0 || stated->pad != 0))) {
        fault(c, "The root of table %s is malformed.", walk->name);
        return;
    }
    if (stated->root != NO_PAGE)
        walk_page(c, walk, stated->root, 0, none, none);
    if (stated->entries != seen->entries || stated->branch_pages != seen->branch_pages ||
        stated->leaf_pages != seen->leaf_pages || stated->overflow_pages != seen->overflow_pages)
        fault(c, "Table %s: %llu entries in %llu pages are recorded, %llu in %llu are there.", walk->name,
              (unsigned long long)stated->entries,
              (unsigned long long)(stated->branch_pages + stated->leaf_pages + stated->overflow_pages),
              (unsigned long long)seen->entries,
              (unsigned long long)(seen->branch_pages + seen->leaf_pages + seen->overflow_pages));
}

static void check_trees(struct checker *c)
{
    struct walk walk = { .name = "(tables)", .kind = TREE_MAIN, .stated = c->meta.main };
    walk_tree(c, &walk);
    c->report->damaged_main = c->report->faults > 0;
    for (int t = 0; t < KV_TABLE_COUNT && c->error == ERROR_OK; t++) {
        uint64_t faults = c->report->faults;
        walk = (struct walk){ .name = kv_table_name((enum kv_table)t),
                              .kind = TREE_TABLE,
                              .stated = c->report->tables[t] };
        if (c->named[t])
            walk_tree(c, &walk);
        else if (c->options->all_tables)
            fault(c, "Table %s is missing.", walk.name);
        c->report->damaged[t] = c->report->faults > faults;
    }
    walk = (struct walk){ .name = "(free pages)", .kind = TREE_FREE, .stated = c->meta.free };
    if (c->error == ERROR_OK)
        walk_tree(c, &walk);
}

/* The end of the list of free pages of the transaction before, whose pages are still as they were. False when they
 * cannot be read, which is of no consequence. */
static bool other_freed_by(struct checker *c, uint64_t *txn_id)
{
    uint8_t *page = c->levels;
    uint64_t number = c->other.free.root;
    for (unsigned depth = c->other.free.depth; depth > 0 && depth <= DEPTH_MAX; depth--) {
        struct node node;
        size_t size = c->meta.page_size;
        if (number >= c->file_pages || read_at(c->options->fd, number * size, page, size) != ERROR_OK)
            return false;
        size_t lower = get_u16le(page + 12);
        if (lower < PAGE_HEADER_SIZE + 2 || lower > size ||
            !read_node(c, page, (lower - PAGE_HEADER_SIZE) / 2 - 1, depth > 1, &node))
            return false;
        if (depth == 1 && node.key.len == 8)
            *txn_id = get_u64le(node.key.ptr);
        number = node.child;
        if (depth == 1)
            return node.key.len == 8;
    }
    return false;
}

/* Every transaction frees at least the root it replaces, but for the one that made the file. If the newest list is of
 * another transaction, the meta page's number was changed and an older snapshot passes for the newest. */
static void check_age(struct checker *c)
{
    if (c->freed_by != c->meta.txn_id && c->meta.txn_id > 1)
        fault(c, "The first pages speak of transaction %llu, the list of free pages ends with %llu.",
              (unsigned long long)c->meta.txn_id, (unsigned long long)c->freed_by);
    /* The same the other way round: the newest one's number was lowered. */
    uint64_t freed_by = 0;
    if (c->options->txn_id == 0 && c->other.txn_id > 1 && other_freed_by(c, &freed_by) && freed_by != c->other.txn_id)
        fault(c, "The first pages speak of transaction %llu before the newest, its list of free pages ends with %llu.",
              (unsigned long long)c->other.txn_id, (unsigned long long)freed_by);
}

/* A page that is neither used nor free is lost until the file is compacted, and LMDB never leaves one behind. */
static void count_leaked(struct checker *c)
{
    for (uint64_t page = 2; page < c->page_count; page++)
        c->report->leaked_pages += (c->seen[page / 64] >> (page % 64) & 1) == 0;
    if (c->report->leaked_pages > 0 && c->report->faults == 0)
        fault(c, "%llu pages are neither in use nor listed as free.", (unsigned long long)c->report->leaked_pages);
}

/* --- the whole --- */

static void mark_metas(struct checker *c, unsigned taken)
{
    for (unsigned i = 0; i < 2; i++) {
        uint64_t at = (uint64_t)i * c->meta.page_size, end = META_SIZE - PAGE_HEADER_SIZE - 8;
        mark(c, at, 8, FILE_STRUCTURE);
        mark(c, at + 10, 2, FILE_STRUCTURE);
        mark(c, at + PAGE_HEADER_SIZE, end, i == taken ? FILE_STRUCTURE : FILE_HINT);
        mark(c, at + PAGE_HEADER_SIZE, 16, FILE_STRUCTURE);
        mark(c, at + PAGE_HEADER_SIZE + 16, 8, FILE_HINT); /* map size */
        mark(c, at + META_SIZE - 8, 8, FILE_STRUCTURE);
    }
}

static err_t choose_snapshot(struct checker *c)
{
    struct file_meta metas[2];
    struct error_info info = { 0 };
    err_t error = read_metas(c->options->fd, metas, &c->report->file_size_bytes, &info);
    if (error == ERROR_STORE_CORRUPT) {
        c->report->damaged_main = true;
        info.message[0] = (char)(info.message[0] - 'a' + 'A');
        fault(c, "%s.", info.message);
        return error;
    }
    if (error != ERROR_OK)
        return error;
    unsigned taken = metas[1].txn_id > metas[0].txn_id;
    if (c->options->txn_id != 0 && metas[taken].txn_id != c->options->txn_id)
        taken = !taken;
    if (c->options->txn_id != 0 && metas[taken].txn_id != c->options->txn_id)
        return ERROR_NOT_FOUND;
    c->meta = metas[taken];
    c->other = metas[!taken];
    mark_metas(c, taken);
    c->report->page_size = c->meta.page_size;
    c->file_pages = c->report->file_size_bytes / c->meta.page_size;
    c->page_count = c->meta.last_page + 1;
    c->report->pages = c->page_count;
    if (c->meta.last_page > c->file_pages + PAGES_BEHIND_FILE_MAX) {
        c->report->damaged_main = true;
        fault(c, "The data file is cut: it has %llu of %llu pages.", (unsigned long long)c->file_pages,
              (unsigned long long)c->page_count);
        return ERROR_STORE_CORRUPT;
    }
    return ERROR_OK;
}

err_t file_check(const struct file_check_options *options, struct file_check_report *report)
{
    struct checker c = { .options = options, .report = report };
    *report = (struct file_check_report){ 0 };
    err_t error = choose_snapshot(&c);
    if (error != ERROR_OK)
        return error == ERROR_STORE_CORRUPT ? ERROR_OK : error;
    c.seen = memory_zalloc(c.page_count / 64 + 1, sizeof *c.seen);
    c.levels = memory_zalloc(DEPTH_MAX + 1, c.meta.page_size);
    if (c.seen == NULL || c.levels == NULL)
        c.error = ERROR_NO_MEMORY;
    if (c.error == ERROR_OK)
        check_trees(&c);
    if (c.error == ERROR_OK) {
        check_age(&c);
        count_leaked(&c);
    }
    memory_free(c.list);
    memory_free(c.levels);
    memory_free(c.seen);
    return c.error;
}
