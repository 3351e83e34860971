/* Unit tests of base/files, in a folder of their own. */
#include "support.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/files.h"
#include "base/memory.h"

static char folder[PATH_MAX];
static char path[PATH_MAX + 64];

static const char *in_folder(const char *name)
{
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int set_up(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    (void)snprintf(folder, sizeof folder, "%s/test_files.XXXXXX", base != NULL ? base : "/tmp");
    return mkdtemp(folder) == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    char command[PATH_MAX + 64];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static size_t file_count(void)
{
    size_t count = 0;
    DIR *open_folder = opendir(folder);
    assert_non_null(open_folder);
    while (readdir(open_folder) != NULL)
        count++;
    (void)closedir(open_folder);
    return count - 2;
}

static void writes_and_reads(void **state)
{
    (void)state;
    struct error_info info = { 0 };
    struct buffer content = { 0 };
    struct stat status;
    char large[200000];
    memset(large, 'x', sizeof large);
    mode_t mask = umask(0077);
    assert_false(file_exists(in_folder("a")));
    assert_int_equal(file_write_durable(in_folder("a"), TEXT("first"), 0600, &info), ERROR_OK);
    assert_true(file_exists(path));
    assert_int_equal(file_write_durable(path, (struct text){ large, sizeof large }, 0640, &info), ERROR_OK);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640); /* whatever the mask */
    (void)umask(mask);
    assert_int_equal(file_count(), 1); /* no temporary file stays */
    buffer_append_literal(&content, "kept ");
    assert_int_equal(file_read(path, sizeof large, &content, &info), ERROR_OK);
    assert_int_equal(buffer_len(&content), sizeof large + 5);
    assert_memory_equal(content.data + 5, large, sizeof large);
    buffer_clear(&content);
    assert_int_equal(file_write_durable(path, TEXT(""), 0600, &info), ERROR_OK);
    assert_int_equal(file_read(path, 0, &content, &info), ERROR_OK);
    assert_int_equal(buffer_len(&content), 0);
    buffer_free(&content);
}

static void reports_failures(void **state)
{
    (void)state;
    struct error_info info = { 0 };
    struct buffer content = { 0 };
    assert_int_equal(file_read(in_folder("missing"), 10, &content, &info), ERROR_NOT_FOUND);
    assert_non_null(strstr(info.message, "missing: No such file"));
    assert_int_equal(file_write_durable(in_folder("missing/b"), TEXT("x"), 0600, &info), ERROR_NOT_FOUND);
    assert_non_null(strstr(info.message, "missing/b"));
    assert_int_equal(file_write_durable(in_folder("a"), TEXT("0123456789"), 0600, NULL), ERROR_OK);
    assert_int_equal(file_read(path, 9, &content, &info), ERROR_REQUEST_TOO_LARGE);
    assert_non_null(strstr(info.message, "larger than 9 bytes"));
    buffer_clear(&content);
    assert_int_equal(file_read(path, 10, &content, &info), ERROR_OK);
    assert_int_equal(file_read(folder, 10, &content, &info), ERROR_IO);
    /* a folder is in the way: the old content stays and so does nothing else */
    assert_int_equal(mkdir(in_folder("d"), 0700), 0);
    assert_int_equal(file_write_durable(path, TEXT("x"), 0600, &info), ERROR_IO);
    assert_int_equal(file_count(), 2);
    char longer[PATH_MAX + 10];
    memset(longer, 'n', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(file_write_durable(longer, TEXT("x"), 0600, &info), ERROR_IO);
    assert_int_equal(folder_create(longer, &info), ERROR_IO);
    (void)memory_fail_from(1);
    buffer_free(&content);
    assert_int_equal(file_read(in_folder("a"), 10, &content, &info), ERROR_NO_MEMORY);
    (void)memory_fail_from(0);
    buffer_free(&content);
}

static void reads_standard_input(void **state)
{
    (void)state;
    struct buffer content = { 0 };
    assert_int_equal(file_write_durable(in_folder("in"), TEXT("from stdin"), 0600, NULL), ERROR_OK);
    int saved = dup(STDIN_FILENO);
    int fd = open(path, O_RDONLY);
    assert_int_equal(dup2(fd, STDIN_FILENO), STDIN_FILENO);
    assert_int_equal(file_read("-", 100, &content, NULL), ERROR_OK);
    assert_text(buffer_text(&content), "from stdin");
    assert_true(fcntl(STDIN_FILENO, F_GETFD) >= 0); /* not closed */
    (void)dup2(saved, STDIN_FILENO);
    (void)close(saved);
    (void)close(fd);
    buffer_free(&content);
}

static void creates_folders(void **state)
{
    (void)state;
    struct error_info info = { 0 };
    struct stat status;
    assert_int_equal(folder_create(in_folder("x/y//z/"), &info), ERROR_OK);
    assert_int_equal(folder_create(path, &info), ERROR_OK);
    assert_int_equal(stat(in_folder("x/y/z"), &status), 0);
    assert_true(S_ISDIR(status.st_mode));
    assert_int_equal(status.st_mode & 0777, 0700);
    assert_int_equal(file_write_durable(in_folder("file"), TEXT(""), 0600, &info), ERROR_OK);
    assert_int_equal(folder_create(in_folder("file"), &info), ERROR_IO);
    assert_non_null(strstr(info.message, "Not a directory"));
    assert_int_equal(folder_create(in_folder("file/under"), &info), ERROR_IO);
    assert_int_equal(folder_create("", &info), ERROR_NOT_FOUND);
    /* relative paths and files without a folder in their name */
    int before = open(".", O_RDONLY | O_DIRECTORY);
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(folder_create("relative/deep", &info), ERROR_OK);
    assert_int_equal(file_write_durable("plain", TEXT("x"), 0600, &info), ERROR_OK);
    assert_true(file_exists(in_folder("relative/deep")) && file_exists(in_folder("plain")));
    assert_int_equal(fchdir(before), 0);
    (void)close(before);
}

static void locks(void **state)
{
    (void)state;
    struct error_info info = { 0 };
    int fd;
    int second;
    assert_int_equal(file_lock(in_folder("lock"), &fd, &info), ERROR_OK);
    assert_int_equal(file_lock(path, &second, &info), ERROR_STORE_IN_USE);
    assert_non_null(strstr(info.message, "another process uses"));
    pid_t child = fork();
    if (child == 0)
        _exit(file_lock(path, &second, NULL) == ERROR_STORE_IN_USE ? 0 : 1);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(file_lock(path, &fd, &info), ERROR_OK);
    assert_int_equal(close(fd), 0);
    assert_int_equal(file_lock(in_folder("none/lock"), &fd, &info), ERROR_NOT_FOUND);
}

/* The lock of a process that was killed is free. */
static void killing_frees_the_lock(void **state)
{
    (void)state;
    int ready[2];
    int fd;
    char byte;
    assert_int_equal(pipe(ready), 0);
    (void)in_folder("lock");
    pid_t child = fork();
    if (child == 0) {
        if (file_lock(path, &fd, NULL) == ERROR_OK && write(ready[1], "x", 1) == 1)
            (void)pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(file_lock(path, &fd, NULL), ERROR_STORE_IN_USE);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(file_lock(path, &fd, NULL), ERROR_OK);
    (void)close(fd);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

#define FILE_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

TESTS(FILE_TEST(writes_and_reads), FILE_TEST(reports_failures), FILE_TEST(reads_standard_input),
      FILE_TEST(creates_folders), FILE_TEST(locks), FILE_TEST(killing_frees_the_lock))
