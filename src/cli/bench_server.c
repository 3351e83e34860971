/* Starting, measuring and ending the server process. It dies with this process, whatever happens to it. */
#include "cli/bench_server.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/instant.h"
#include "base/json.h"
#include "store/store.h"

#define START_NS_MAX (30 * NS_PER_SECOND)
#define STOP_NS_MAX (30 * NS_PER_SECOND)
#define LOOK_AGAIN_NS (5 * NS_PER_MS)
#define FILE_BYTES_MAX ((size_t)64 * 1024)

extern char **environ;

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)walk;
    return kind == FTW_DP ? rmdir(path) : unlink(path);
}

static void remove_folder(const struct bench_server *server)
{
    if (nftw(server->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0)
        fprintf(stderr, "stampmeter: %s could not be removed: %s\n", server->folder, strerror(errno));
}

static err_t make_folder(struct bench_server *server, const struct bench_server_options *options,
                         struct error_info *info)
{
    const char *parent = options->parent;
    if (options->keep != NULL) {
        server->keep = true;
        if (snprintf(server->folder, sizeof server->folder, "%s", options->keep) >= (int)sizeof server->folder)
            return error_set(info, ERROR_IO, NULL, "the path of --keep is too long");
        return folder_create(server->folder, info);
    }
    int length =
        snprintf(server->folder, sizeof server->folder, "%s/stampmeter-bench-XXXXXX", parent != NULL ? parent : ".");
    if (length <= 0 || length >= (int)sizeof server->folder)
        return error_set(info, ERROR_IO, NULL, "the path of --data-dir is too long");
    if (mkdtemp(server->folder) == NULL)
        return error_set(info, ERROR_IO, NULL, "%s: %s; name a folder that can be written with --data-dir",
                         parent != NULL ? parent : ".", strerror(errno));
    return ERROR_OK;
}

static err_t make_token(struct bench_server *server, const struct bench_server_options *from, struct store *store,
                        struct error_info *info)
{
    struct identity identity = { .role = from->role, .name = TEXT("bench"), .expires_ns = INT64_MAX };
    if (from->role == ROLE_PRODUCER) {
        identity.sources[0] = TEXT("*");
        identity.source_count = 1;
    }
    struct token_create create;
    token_create_init(&create, &identity, store_now_ns(store));
    err_t error = store_run(store, &create.job);
    memcpy(server->token, create.token, sizeof server->token);
    return error == ERROR_OK ? ERROR_OK : error_set(info, error, NULL, "the bench's token could not be stored");
}

/* The store is made here, with the one token that the benchmark needs; the server makes the rest. */
static err_t make_store(struct bench_server *server, const struct bench_server_options *from, struct error_info *info)
{
    const struct store_options options = { .folder = server->folder, .create = true, .clock = clock_system() };
    struct store *store;
    err_t error = store_open(&options, &store, info);
    if (error != ERROR_OK)
        return error;
    error = make_token(server, from, store, info);
    if (error == ERROR_OK && from->prepare != NULL)
        error = from->prepare(store, from->context, info);
    store_close(store);
    return error;
}

/* Between fork and exec: async-signal-safe calls only. */
NORETURN static void become_server(char *const arguments[], int log_fd)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(log_fd, STDOUT_FILENO);
    dup2(log_fd, STDERR_FILENO);
    execve("/proc/self/exe", arguments, environ);
    _exit(127);
}

static err_t spawn(struct bench_server *server, char ready[PATH_MAX + 16], struct error_info *info)
{
    char program[] = "stampmeter", serve[] = "serve", dir[] = "--data-dir", listen[] = "--listen",
         address[] = "127.0.0.1:0", ready_file[] = "--ready-file", log[PATH_MAX + 16];
    char *const arguments[] = { program, serve, dir, server->folder, listen, address, ready_file, ready, NULL };
    (void)snprintf(log, sizeof log, "%s/server.log", server->folder);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set(info, ERROR_IO, NULL, "%s: %s", log, strerror(errno));
    server->pid = fork();
    if (server->pid == 0)
        become_server(arguments, fd);
    int cause = errno;
    close(fd);
    if (server->pid > 0)
        return ERROR_OK;
    server->pid = 0;
    return error_set(info, ERROR_IO, NULL, "the server process could not be started: %s", strerror(cause));
}

/* The end of the server's log, for the message. */
static err_t ended_early(const struct bench_server *server, struct error_info *info)
{
    char log[PATH_MAX + 16];
    struct buffer text = { 0 };
    (void)snprintf(log, sizeof log, "%s/server.log", server->folder);
    struct text last = TEXT("it left no word");
    if (file_read(log, FILE_BYTES_MAX, &text, NULL) == ERROR_OK) {
        struct text rest = text_trim(buffer_text(&text)), line;
        while (text_cut(&rest, '\n', &line))
            if (line.len > 0)
                last = line;
    }
    error_set(info, ERROR_IO, NULL, "the server process did not start: %.*s", last.len > 200 ? 200 : (int)last.len,
              last.ptr);
    buffer_free(&text);
    return ERROR_IO;
}

static void look_again_soon(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = LOOK_AGAIN_NS }, NULL);
}

static err_t wait_ready(struct bench_server *server, const char *ready, struct error_info *info)
{
    int64_t give_up_ns = clock_monotonic_ns(clock_system()) + START_NS_MAX;
    while (!file_exists(ready)) {
        if (waitpid(server->pid, NULL, WNOHANG) == server->pid) {
            server->pid = 0;
            return ended_early(server, info);
        }
        if (clock_monotonic_ns(clock_system()) > give_up_ns)
            return error_set(info, ERROR_IO, NULL, "the server process was not ready within 30 seconds");
        look_again_soon();
    }
    return ERROR_OK;
}

static err_t read_ready(struct bench_server *server, const char *ready, struct error_info *info)
{
    struct buffer text = { 0 };
    const struct json *root;
    struct text url, ca_file;
    struct arena *arena = arena_new(4096, 0);
    err_t error =
        arena != NULL ? file_read(ready, FILE_BYTES_MAX, &text, info) : error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    if (error == ERROR_OK)
        error = json_parse(arena, buffer_text(&text), &root, info);
    if (error == ERROR_OK) {
        if (json_member_string(root, TEXT("url"), &url) && json_member_string(root, TEXT("caFile"), &ca_file) &&
            url.len < sizeof server->url && ca_file.len < sizeof server->ca_file) {
            memcpy(server->url, url.ptr, url.len);
            memcpy(server->ca_file, ca_file.ptr, ca_file.len);
        } else {
            error = error_set(info, ERROR_IO, NULL, "%s is not a ready file", ready);
        }
    }
    buffer_free(&text);
    arena_free(arena);
    return error;
}

err_t bench_server_start(struct bench_server *server, const char *parent, struct error_info *info)
{
    const struct bench_server_options options = { .parent = parent, .role = ROLE_PRODUCER };
    return bench_server_start_with(server, &options, info);
}

err_t bench_server_start_with(struct bench_server *server, const struct bench_server_options *options,
                              struct error_info *info)
{
    char ready[PATH_MAX + 16];
    *server = (struct bench_server){ 0 };
    err_t error = make_folder(server, options, info);
    if (error != ERROR_OK)
        return error;
    (void)snprintf(ready, sizeof ready, "%s/ready.json", server->folder);
    (void)unlink(ready); /* of an earlier run on a folder that is kept */
    error = make_store(server, options, info);
    if (error == ERROR_OK)
        error = spawn(server, ready, info);
    if (error == ERROR_OK)
        error = wait_ready(server, ready, info);
    if (error == ERROR_OK)
        error = read_ready(server, ready, info);
    if (error != ERROR_OK)
        bench_server_stop(server);
    return error;
}

double bench_server_cpu_seconds(const struct bench_server *server)
{
    char path[64];
    struct buffer text = { 0 };
    unsigned long long user = 0, system = 0;
    double seconds = -1;
    (void)snprintf(path, sizeof path, "/proc/%ld/stat", (long)server->pid);
    if (server->pid > 0 && file_read(path, FILE_BYTES_MAX, &text, NULL) == ERROR_OK) {
        struct text rest = buffer_text(&text), field;
        /* Fields are counted from behind the name, which may hold blanks. */
        while (text_cut(&rest, ')', &field) && rest.ptr != NULL && memchr(rest.ptr, ')', rest.len) != NULL)
            ;
        rest = text_trim(rest);
        bool valid = true;
        for (int i = 3; i <= 15 && valid; i++) {
            valid = text_cut(&rest, ' ', &field);
            if (valid && i == 14)
                valid = text_to_u64(field, &user);
            if (valid && i == 15)
                valid = text_to_u64(field, &system);
        }
        if (valid)
            seconds = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
    }
    buffer_free(&text);
    return seconds;
}

int64_t bench_server_disk_bytes(const struct bench_server *server)
{
    char path[PATH_MAX + 16];
    struct stat status;
    (void)snprintf(path, sizeof path, "%s/data.mdb", server->folder);
    return stat(path, &status) == 0 ? (int64_t)status.st_blocks * 512 : -1;
}

void bench_server_stop(struct bench_server *server)
{
    int64_t give_up_ns = clock_monotonic_ns(clock_system()) + STOP_NS_MAX;
    if (server->pid > 0) {
        kill(server->pid, SIGTERM);
        while (waitpid(server->pid, NULL, WNOHANG) == 0) {
            if (clock_monotonic_ns(clock_system()) > give_up_ns) {
                kill(server->pid, SIGKILL);
                waitpid(server->pid, NULL, 0);
                break;
            }
            look_again_soon();
        }
        server->pid = 0;
    }
    if (!server->keep)
        remove_folder(server);
}
