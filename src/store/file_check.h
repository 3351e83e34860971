/* The data file read page by page, without LMDB: whether its trees are sound, before anything trusts them. LMDB takes
 * pages as they are and may crash on, or silently miss, what damage has changed; this reader believes nothing.
 *
 * It follows the trees of one snapshot and requires of each page that number, kind, bounds, nodes, key order, spans of
 * large values, counts and depth fit, and of all pages together that each is used exactly once: by a tree or as free
 * space. What values hold is not looked at (kv_check does that). Any thread; reads with pread, so a file that is cut
 * while it is read is an error, not a signal. Memory: one bit per page and a page per level. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "store/kv.h"

/* A B+tree as the file describes it. */
struct file_tree {
    uint32_t pad; /* page size, in the tree of free pages */
    uint16_t flags, depth;
    uint64_t branch_pages, leaf_pages, overflow_pages, entries, root;
};

/* What a snapshot begins with: one of the first two pages. */
struct file_meta {
    uint32_t page_size;
    uint64_t last_page, txn_id;
    struct file_tree free, main;
};

/* The meta page that LMDB would take. ERROR_STORE_CORRUPT with a message when both do not belong to a sound file,
 * ERROR_IO. *file_size_bytes is the file's. */
MUST_CHECK err_t file_meta_read(int fd, struct file_meta *out, uint64_t *file_size_bytes, struct error_info *info);

/* What a byte is there for; told on demand, for tests. */
enum file_use {
    FILE_UNUSED,    /* free pages, gaps between nodes, what lies behind the last page */
    FILE_STRUCTURE, /* anything else than below that must be as it is */
    FILE_KEY,
    FILE_VALUE,
    FILE_SEPARATOR, /* keys of branch pages: any value between the neighbours does */
    FILE_HINT /* the older meta page, the stored map size, ages of free pages: without consequence for what is read */
};

struct file_check_options {
    int fd;          /* of data.mdb */
    uint64_t txn_id; /* the snapshot; 0: the newest */
    bool all_tables; /* every table of kv.h must be there, and no other */
    /* Called for each thing that is wrong, at most FILE_FAULTS_MAX times. */
    void (*fault)(void *context, const char *sentence);
    void *context;
    uint8_t *uses; /* NULL, or one enum file_use per byte of the file, all FILE_UNUSED */
};
#define FILE_FAULTS_MAX 100

struct file_check_report {
    uint64_t file_size_bytes, pages, free_pages, leaked_pages, faults;
    uint32_t page_size;
    struct file_tree tables[KV_TABLE_COUNT]; /* zeros: not in the file */
    bool damaged[KV_TABLE_COUNT];            /* by table */
    bool damaged_main;                       /* the first pages, or where tables are named: nothing can be relied on */
};

/* ERROR_OK also when faults were found (report->faults); ERROR_IO, ERROR_NO_MEMORY; ERROR_NOT_FOUND when the snapshot
 * is gone (the caller holds no reader). */
MUST_CHECK err_t file_check(const struct file_check_options *options, struct file_check_report *report);
