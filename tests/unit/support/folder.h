/* A folder of its own for each test, below TMPDIR, removed with all that is in it. */
#pragma once

#define TEST_PATH_SIZE 600

struct test_folder {
    char path[TEST_PATH_SIZE - 64];
};

/* Fails the test when it cannot be made. */
void test_folder_make(struct test_folder *folder);
void test_folder_remove(struct test_folder *folder);
/* path/name into out. */
void test_folder_path(const struct test_folder *folder, const char *name, char out[TEST_PATH_SIZE]);
