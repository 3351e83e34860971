/* Temporary folders: see folder.h. */
#include "support/folder.h"

#include <dirent.h>

#include "support/testing.h"

#define FOLDER_DEPTH_MAX 8

void test_folder_make(struct test_folder *folder)
{
    const char *base = getenv("TMPDIR");
    int length = snprintf(folder->path, sizeof folder->path, "%s/stampmeter-unit.XXXXXX", base != NULL ? base : "/tmp");
    assert_true(length > 0 && (size_t)length < sizeof folder->path);
    assert_non_null(mkdtemp(folder->path));
}

/* Test folders hold files and a few levels of folders. */
static void remove_content(const char *path, int depth)
{
    DIR *listing = opendir(path);
    if (listing == NULL)
        return;
    for (const struct dirent *entry; (entry = readdir(listing)) != NULL;) {
        char child[2 * TEST_PATH_SIZE];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        (void)snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
        if (depth < FOLDER_DEPTH_MAX && entry->d_type == DT_DIR)
            remove_content(child, depth + 1);
        else
            (void)unlink(child);
    }
    (void)closedir(listing);
    (void)rmdir(path);
}

void test_folder_remove(struct test_folder *folder)
{
    remove_content(folder->path, 0);
}

void test_folder_path(const struct test_folder *folder, const char *name, char out[TEST_PATH_SIZE])
{
    (void)snprintf(out, TEST_PATH_SIZE, "%s/%s", folder->path, name);
}
